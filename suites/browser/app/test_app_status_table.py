"""The table of services: order, sorting by keyboard, times, links, and rows that come again."""

import time
from dataclasses import replace

import pytest

from fixtures.app_pages import AppPage
from fixtures.page_server import PageServer, status_rows
from pipecatapp.wire.agent_events import RowState, StatusRow, StatusRows

WORST_FIRST = ["home-assistant", "moe-gateway", "whisper", "nomad", "expert-code", "consul", "expert-main"]


def _components(opened: AppPage) -> list[str]:
    return [
        str(row)
        for row in opened.page.eval_on_selector_all("#rows tr", "rows => rows.map(row => row.dataset.component)")
    ]


@pytest.fixture
def table(opened: AppPage, server: PageServer) -> AppPage:
    server.send(status_rows(time.time()))
    opened.page.locator("#rows tr").first.wait_for()
    return opened


def test_what_needs_a_person_comes_first(table: AppPage) -> None:
    assert _components(table) == WORST_FIRST
    assert table.page.locator("#status-count").inner_text() == "2 of 7 ok"


def test_it_is_sorted_by_keyboard(table: AppPage) -> None:
    headers = table.page.locator("thead th")
    headers.nth(0).locator("button").focus()
    table.page.keyboard.press("Enter")
    assert _components(table) == sorted(WORST_FIRST)
    assert [header.get_attribute("aria-sort") for header in headers.all()] == ["ascending", None, None]
    table.page.keyboard.press("Space")
    assert _components(table) == sorted(WORST_FIRST, reverse=True)
    assert headers.nth(0).get_attribute("aria-sort") == "descending"
    for keys, last in ((1, "whisper"), (1, "consul")):
        headers.nth(2).locator("button").press("Enter")
        # What has no time is last, in both directions.
        assert _components(table)[-1] == "nomad"
        assert _components(table)[-1 - keys] == last


def test_states_are_words_and_times_are_ages(table: AppPage) -> None:
    row = table.page.locator("[data-component=home-assistant]")
    assert row.locator("th").inner_text().split("\n") == ["home-assistant", "", "connection refused"]
    assert "failed" in row.inner_text()
    assert row.locator("time").inner_text() == "1 min ago"
    assert table.page.locator("[data-component=consul] time").inner_text() == "3 d ago"
    assert table.page.locator("[data-component=nomad] .since").inner_text() == "unknown"
    assert "{" not in table.page.locator("table").inner_text()


def test_links_lead_to_a_components_own_page_and_give_it_no_hold(table: AppPage) -> None:
    links = table.page.locator("#rows a")
    assert [link.get_attribute("href") for link in links.all()] == ["https://ha.example/", "http://127.0.0.1:8500/ui"]
    assert {link.get_attribute("rel") for link in links.all()} == {"noopener noreferrer nofollow"}


def test_a_link_that_is_no_web_address_is_none(opened: AppPage, server: PageServer) -> None:
    links = ("javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "//evil", "ftp://x", " ", "http://")
    server.send(StatusRows(tuple(StatusRow(f"c{n}", RowState.OK, 1e9, "", link) for n, link in enumerate(links))))
    opened.page.locator("#rows tr").last.wait_for()
    assert opened.page.locator("#rows tr").count() == len(links)
    assert opened.page.locator("#rows a").count() == 0


def test_rows_that_come_again_leave_the_focus_and_the_order(table: AppPage, server: PageServer) -> None:
    table.page.locator("thead button").first.press("Enter")
    table.page.locator("[data-component=consul] a").focus()
    rows = status_rows(time.time()).rows
    server.send(StatusRows(tuple(replace(row, detail=f"{row.detail} again") for row in rows)))
    table.page.locator("[data-component=consul]", has_text="again").wait_for()
    assert _components(table) == sorted(WORST_FIRST)
    assert table.page.evaluate("document.activeElement.closest('tr').dataset.component") == "consul"
