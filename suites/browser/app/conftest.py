"""The agent's page and a server that speaks its contract."""

from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.app_pages import AppPage
from fixtures.page_server import PageServer


@pytest.fixture
def server() -> Iterator[PageServer]:
    with PageServer() as found:
        yield found


@pytest.fixture
def opened(browser: Any, server: PageServer) -> Iterator[AppPage]:
    """The page, connected; it must have asked for nothing foreign and complained of nothing in the end."""
    found = AppPage(browser, server)
    yield found
    requests, complaints = found.requests, found.complaints
    found.close()
    assert [url for url in requests if not url.startswith(server.url)] == []
    assert complaints == []
