"""The tool `ha` at a real Home Assistant: what it shows, switches and refuses, and a lamp behind a real MQTT broker."""

import asyncio

import pytest

from fixtures.processes import wait_for
from fixtures.real_broker import Lamp, need_broker, started_broker
from fixtures.real_home import RealHome, started_home
from fixtures.tool_calls import call_tool, reason_of, risk_of
from pipecatapp.core.ports import Risk, ToolReason, ToolResult
from pipecatapp.tools.config import HomeConfig, ToolsConfig
from pipecatapp.tools.ha import ha

pytestmark = pytest.mark.nightly
LIGHT = {"action": "call", "entity_id": "light.kitchen"}
DOMAINS = ("light", "cover", "lock", "input_boolean")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    with started_home(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture
def home(real):
    real.reset()
    return real


def config_of(home: RealHome, *domains: str, token: str = "") -> ToolsConfig:
    return ToolsConfig(home=HomeConfig(home.url, token or home.token, domains or DOMAINS))


def asked(home: RealHome, *domains: str, token: str = "", **arguments: object) -> ToolResult:
    return call_tool(ha, config_of(home, *domains, token=token), **arguments)  # type: ignore[arg-type]


def test_a_light_goes_on_and_its_state_is_read_back(home):
    result = asked(home, **LIGHT, service="turn_on")
    assert result.text == "called turn_on; read back: light.kitchen is on (friendly_name kitchen)"
    assert reason_of(result) is ToolReason.NONE
    assert home.now()["light.kitchen"] == "on"
    assert home.now()["light.bedroom"] == "off"
    assert "light.kitchen is off" in asked(home, **LIGHT, service="turn_off").text


def test_states_of_allowed_domains_only(home):
    listed = asked(home, "light", action="list").text.splitlines()
    assert [line.split()[0] for line in listed] == ["light.bedroom", "light.broken", "light.kitchen"]
    assert asked(home, action="state", entity_id="lock.front_door").text.startswith("lock.front_door is locked")


@pytest.mark.parametrize(
    ("arguments", "reason", "text"),
    [
        ({"action": "state", "entity_id": "light.gone"}, ToolReason.FAILED, "404"),
        ({**LIGHT, "entity_id": "light.gone", "service": "turn_on"}, ToolReason.FAILED, "404"),
        ({**LIGHT, "service": "dance"}, ToolReason.FAILED, "400"),
        ({**LIGHT, "service": "turn_on", "data": {"brightness": "very"}}, ToolReason.FAILED, "400"),
        ({**LIGHT, "service": "turn_on", "data": {"entity_id": "all"}}, ToolReason.REFUSED, "entity_id"),
        # What it would do is a script that the house does not have.
        ({**LIGHT, "entity_id": "light.broken", "service": "turn_on"}, ToolReason.FAILED, "400"),
    ],
)
def test_what_the_house_does_not_do_is_no_success(home, arguments, reason, text):
    result = asked(home, **arguments)
    assert reason_of(result) is reason, result.text
    assert text in result.text
    assert set(home.now().values()) == {"off", "closed", "locked"}


def test_a_domain_that_is_not_allowed_is_not_even_asked_for(home):
    result = asked(home, "light", action="call", entity_id="lock.front_door", service="unlock")
    assert reason_of(result) is ToolReason.REFUSED
    assert home.now()["lock.front_door"] == "locked"


def test_a_wrong_token_opens_nothing_and_is_not_shown(home):
    result = asked(home, token="wrong-token-of-a-test", action="list")
    assert reason_of(result) is ToolReason.FAILED
    assert "tools.ha.token_file" in result.text
    assert "wrong-token" not in result.text


def test_doors_ask_a_person_and_blinds_do_not(home):
    def risk(entity: str, service: str) -> Risk:
        return asyncio.run(risk_of(ha, config_of(home), action="call", entity_id=entity, service=service))

    assert risk("lock.front_door", "unlock") is Risk.DANGER
    assert risk("cover.garage", "open_cover") is Risk.DANGER
    assert risk("cover.blind", "open_cover") is Risk.WRITE
    assert risk("light.kitchen", "turn_on") is Risk.WRITE


def test_an_approved_door_is_unlocked_and_read_back(home):
    result = asked(home, action="call", entity_id="lock.front_door", service="unlock")
    assert "lock.front_door is unlocked" in result.text
    assert home.now()["lock.front_door"] == "unlocked"


def test_a_lamp_that_was_found_by_mqtt_is_switched_over_the_broker(home, tmp_path):
    need_broker()
    with started_broker(tmp_path) as port, Lamp(port, "desk_lamp").listening() as lamp:
        home.add_broker(port)
        lamp.announce()
        wait_for("the lamp is found", lambda: "light.desk_lamp is off" in asked(home, "light", action="list").text)
        result = asked(home, action="call", entity_id="light.desk_lamp", service="turn_on")
        assert reason_of(result) is ToolReason.NONE, result.text
        assert "light.desk_lamp is on" in result.text
        assert lamp.commands == ["ON"]
        assert (
            "light.desk_lamp is off" in asked(home, action="call", entity_id="light.desk_lamp", service="turn_off").text
        )
        assert lamp.commands == ["ON", "OFF"]
