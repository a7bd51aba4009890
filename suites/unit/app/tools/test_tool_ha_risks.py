"""Which calls of Home Assistant ask a person: what opens the house, and whatever nobody has thought of."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.tool_calls import risk_of
from fixtures.tool_servers import TOKEN, HouseOfStates, entity, never, serving
from fixtures.tool_servers import answering as app_of
from pipecatapp.core.ports import Risk
from pipecatapp.tools.config import HomeConfig, ToolsConfig
from pipecatapp.tools.ha import ha
from pipecatapp.tools.ha_risks import ALWAYS_ASK, REVERSIBLE, needs_kind, risk_of_call

DOMAINS = ("light", "switch", "lock", "alarm_control_panel", "cover", "scene", "script", "button", "valve", "sensor")


def home(**settings: tuple[str, ...]) -> HomeConfig:
    return HomeConfig("http://127.0.0.1:1", TOKEN, DOMAINS, **settings)


@pytest.mark.parametrize(
    "name",
    ["light.kitchen", "switch.fan", "climate.bath", "media_player.tv", "input_boolean.guests", "fan.a", "vacuum.b"],
)
def test_what_can_be_changed_back_asks_nobody(name):
    assert risk_of_call(name, home()) is Risk.WRITE


@pytest.mark.parametrize(
    "name",
    [
        "lock.front_door", "alarm_control_panel.house", "cover.garage", "valve.water", "siren.roof", "camera.door",
        "scene.evening", "script.leave", "automation.night", "button.gate", "input_button.gate", "update.core",
        "homeassistant.x", "shell_command.x", "a_domain_of_tomorrow.x",
    ],
)  # fmt: skip
def test_what_opens_the_house_or_cannot_be_changed_back_asks(name):
    assert risk_of_call(name, home()) is Risk.DANGER


@pytest.mark.parametrize(
    ("kind", "risk"),
    [
        ("blind", Risk.WRITE), ("curtain", Risk.WRITE), ("shutter", Risk.WRITE), ("garage", Risk.DANGER),
        ("gate", Risk.DANGER), ("door", Risk.DANGER), ("window", Risk.DANGER), ("", Risk.DANGER),
        ("Blind", Risk.DANGER),
    ],
)  # fmt: skip
def test_covers_are_judged_by_their_kind(kind, risk):
    assert needs_kind("cover.x", home())
    assert risk_of_call("cover.x", home(), kind) is risk


def test_people_can_be_asked_about_more_and_about_less():
    config = home(ask=("switch.gate", "fan"), never_ask=("scene.evening", "cover.blind", "switch", "fan.a"))
    asked = {"switch.gate", "fan.a", "fan.b", "scene.other", "cover.garage"}
    names = asked | {"switch.lamp", "scene.evening", "cover.blind"}
    assert {name for name in names if risk_of_call(name, config) is Risk.DANGER} == asked
    assert not needs_kind("cover.blind", config)


@given(st.from_regex(r"[a-z_]{1,20}\.[a-z0-9_]{1,10}", fullmatch=True))
def test_only_the_listed_domains_ask_nobody(name):
    domain = name.partition(".")[0]
    assert (risk_of_call(name, home()) is Risk.WRITE) == (domain in REVERSIBLE)


@given(st.sampled_from(sorted(ALWAYS_ASK)), st.booleans())
def test_no_setting_opens_a_lock_without_a_question(domain, by_domain):
    name = f"{domain}.front"
    config = home(never_ask=(domain if by_domain else name,))
    assert risk_of_call(name, config, "blind") is Risk.DANGER


def asked(house: object, token: str = TOKEN, **arguments: object) -> Risk:
    async def run() -> Risk:
        async with serving(house) as url:  # type: ignore[arg-type]
            config = ToolsConfig(home=HomeConfig(url, token, DOMAINS))
            return await risk_of(ha, config, **arguments)  # type: ignore[arg-type]

    return asyncio.run(run())


def house() -> object:
    states = [
        entity("cover.blind", "open", device_class="blind"),
        entity("cover.garage", "open", device_class="garage"),
    ]
    states += [entity("cover.odd", "open"), {"entity_id": "cover.list", "state": "open", "attributes": ["blind"]}]
    return HouseOfStates({one["entity_id"]: one for one in states}).app()


@pytest.mark.parametrize(
    ("name", "risk"),
    [
        ("cover.blind", Risk.WRITE), ("cover.garage", Risk.DANGER), ("cover.odd", Risk.DANGER),
        ("cover.list", Risk.DANGER), ("cover.gone", Risk.DANGER), ("lock.front_door", Risk.DANGER),
        ("light.kitchen", Risk.WRITE),
    ],
)  # fmt: skip
def test_the_toolbox_asks_the_house_for_the_kind(name, risk):
    assert asked(house(), action="call", entity_id=name, service="open_cover") is risk


@pytest.mark.parametrize(
    ("arguments", "risk"),
    [
        ({"action": "list"}, Risk.READ),
        ({"action": "state", "entity_id": "lock.front_door"}, Risk.READ),
        # These are refused: nobody is asked for them.
        ({"action": "call", "entity_id": "siren.roof", "service": "turn_on"}, Risk.WRITE),
        ({"action": "call", "entity_id": "lock.x", "services": "unlock"}, Risk.WRITE),
        ({"action": "call"}, Risk.WRITE),
    ],
)
def test_reading_changes_nothing_and_what_is_refused_asks_nobody(arguments, risk):
    assert asked(house(), **arguments) is risk


def test_a_house_that_does_not_say_the_kind_is_dangerous(monkeypatch):
    from pipecatapp.tools import toolbox

    monkeypatch.setattr(toolbox, "_RISK_S", 0.2)
    blind = {"action": "call", "entity_id": "cover.blind", "service": "open_cover"}
    assert asked(house(), "wrong-token", **blind) is Risk.DANGER
    assert asked(app_of(never), **blind) is Risk.DANGER
    assert asyncio.run(risk_of(ha, ToolsConfig(home=home()), **blind)) is Risk.DANGER


def test_without_a_house_the_tool_says_so_and_asks_nobody():
    lock = {"action": "call", "entity_id": "lock.x", "service": "unlock"}
    assert asyncio.run(risk_of(ha, ToolsConfig(), **lock)) is Risk.WRITE
