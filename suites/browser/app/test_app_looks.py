"""How the page looks and reads: accessibility in every state, widths, themes, motion."""

from typing import Any

import pytest

from fixtures.app_pages import OFFLINE, STATES, AppPage
from fixtures.page_server import PageServer
from pipecatapp.wire.agent_events import AgentState

CI_STATES = (AgentState.WAITING_FOR_APPROVAL, AgentState.SPEAKING)


def _axe_cases() -> list[Any]:
    """Two in CI, all of them at night."""
    chosen = {(CI_STATES[0], "dark", 320), (CI_STATES[1], "light", 1280)}
    return [
        pytest.param(*case, marks=() if case in chosen else pytest.mark.nightly)
        for state in STATES
        for scheme in ("light", "dark")
        for width in (320, 1280)
        if (case := (state, scheme, width))
    ]


@pytest.mark.parametrize(("state", "scheme", "width"), _axe_cases())
def test_axe_finds_no_serious_fault(
    browser: Any, server: PageServer, serious_faults: Any, state: str, scheme: str, width: int
) -> None:
    # axe puts its own script into the page, which the page's policy rightly refuses. Without motion, so that what it
    # measures does not depend on the moment.
    size = {"width": width, "height": 800}
    found = AppPage(browser, server, viewport=size, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    found.show(state)
    if state == AgentState.ERROR:
        for tool in found.page.locator(".tool summary").all():
            tool.click()
    found.page.locator("#tools summary").evaluate("node => node.click()")
    assert serious_faults(found.page) == []
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    found.close()


def test_axe_finds_no_serious_fault_in_the_login(browser: Any, serious_faults: Any) -> None:
    with PageServer(key="a key") as server:
        found = AppPage(browser, server, is_ready=False, viewport={"width": 320, "height": 800}, bypass_csp=True)
        found.page.locator("#key").fill("wrong")
        found.page.keyboard.press("Enter")
        found.page.get_by_text("This key is not valid").wait_for()
        assert serious_faults(found.page) == []
        found.close()


def test_each_state_has_its_own_picture_and_words(browser: Any, server: PageServer) -> None:
    found = AppPage(browser, server, reduced_motion="reduce")
    seen: dict[str, str] = {}
    for state in STATES:
        found.page.evaluate("state => import('/character.js').then(({showState}) => showState(state))", state)
        picture = found.page.locator("#character svg").screenshot()
        assert picture not in seen, f"{state} looks like {seen[picture]}"
        seen[picture] = state
        assert found.page.locator("#state").inner_text()
    assert len(set(seen.values())) == 8
    found.close()


def test_the_state_is_said_and_only_when_it_changes(opened: AppPage, server: PageServer) -> None:
    live = opened.page.locator("#state")
    assert live.get_attribute("role") == "status"
    opened.page.evaluate(
        """() => {
             const state = document.getElementById("state");
             window.said = [];
             new MutationObserver(() => window.said.push(state.textContent)).observe(state, { childList: true });
           }"""
    )
    opened.show(AgentState.WORKING)
    opened.show(AgentState.WORKING)
    opened.show(AgentState.WAITING_FOR_APPROVAL)
    assert opened.page.evaluate("window.said") == ["Working", "Waiting for you"]
    assert opened.page.title().startswith("Approval needed")


def test_nothing_moves_where_no_motion_is_wanted(browser: Any, server: PageServer) -> None:
    for motion, moves in (("reduce", False), ("no-preference", True)):
        found = AppPage(browser, server, reduced_motion=motion)
        found.show(AgentState.WORKING)
        running = "document.getAnimations().filter(one => one.playState === 'running').length"
        found.page.wait_for_function(f"moves => Boolean({running}) === moves", arg=moves)
        found.close()


@pytest.mark.parametrize(("width", "height"), [(320, 568), (768, 360), (1920, 1080)])
def test_nothing_is_wider_than_the_page(opened: AppPage, width: int, height: int) -> None:
    opened.page.set_viewport_size({"width": width, "height": height})
    opened.show(AgentState.SPEAKING)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    for place in ("#words", "#level", "#rows tr:last-child"):
        opened.page.locator(place).scroll_into_view_if_needed()
        box = opened.page.locator(place).bounding_box()
        assert box["x"] >= 0
        assert box["width"] > 40


def test_a_theme_is_chosen_and_kept(browser: Any, server: PageServer) -> None:
    found = AppPage(browser, server, color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = found.page.evaluate(background)
    button = found.page.locator("#theme")
    button.click()
    light = found.page.evaluate(background)
    assert (light != dark, button.inner_text()) == (True, "Theme: light")
    found.page.reload()
    found.wait_until_online()
    assert found.page.evaluate(background) == light
    button.click()
    assert (found.page.evaluate(background), button.inner_text()) == (dark, "Theme: dark")
    found.close()


def test_every_control_can_be_reached_and_has_a_name(opened: AppPage) -> None:
    opened.show(AgentState.IDLE)
    names = []
    for _ in range(30):
        opened.page.keyboard.press("Tab")
        names.append(opened.page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        if names[-1] in names[:-1]:
            break
    wanted = ["theme", "advice-hide", "conversation", "words", "level", "clear", "log", "Component", "State", "Since"]
    assert [name for name in names if name in wanted] == wanted


def test_the_page_says_that_it_is_offline(opened: AppPage) -> None:
    opened.show(OFFLINE)
    assert opened.page.locator("#banner").get_attribute("role") == "alert"
    assert opened.page.locator("#send").is_disabled()
