"""The gateway's libraries come with the part `gateway`: where they are missing, the tests' own imports skip them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fixtures.running_gateways import RunningGateway
    from fixtures.scripted_expert import ScriptedExpert


@pytest.fixture(scope="module")
def _expert() -> "Iterator[ScriptedExpert]":
    from fixtures.scripted_expert import scripted_expert

    with scripted_expert() as found:
        yield found


@pytest.fixture
def expert(_expert: "ScriptedExpert") -> "ScriptedExpert":
    """The module's expert, with its script at the beginning."""
    _expert.plan()
    return _expert


@pytest.fixture(scope="module")
def gateway(_expert: "ScriptedExpert") -> "Iterator[RunningGateway]":
    from fixtures.running_gateways import SHORT, experts_at, running_gateway
    from pipecatapp.gateway.config import Access, GatewayConfig

    config = GatewayConfig(
        experts=experts_at(_expert.url),
        timeouts=SHORT,
        access={"default": Access(requests_per_minute=10**6)},
    )
    with running_gateway(config) as found:
        yield found
