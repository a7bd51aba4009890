"""`turns:PROVIDER`: what is sent in each turn, and what the one answer has."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, InputError
from fixtures.faulty_server import FaultyServer, Ok, Scripted, Status
from fixtures.loopback_server import Received
from fixtures.opened_providers import OpenedProviders

HOUSE: Any = {
    "state": {"lamp": "off"},
    "tools": {
        "switch": {
            "results": [
                {"arguments": {"to": ["on", "off"]}, "set": {"lamp": "$to"}, "result": {"lamp": "$to"}},
                {"result": "to what?"},
            ]
        },
        "bye": {"ends": True, "results": [{"set": {"lamp": "off"}, "result": "bye"}]},
    },
}
TIRED = """
def call_api(prompt, options, context):
    return {"error": "tired"} if "Result" in prompt else {"output": '{"tool": "switch"}'}
"""
ON = {"name": "switch", "arguments": {"to": "on"}}


@pytest.fixture
def ask(providers: OpenedProviders, faulty_server: FaultyServer) -> Callable[..., Answer]:
    def answer(*replies: Ok | Status, prompt: str = "light", vars: Any = None, **config: Any) -> Answer:
        faulty_server.plan(*replies)
        settings = {"apiBaseUrl": f"{faulty_server.url}/v1", "maxRetries": 0, "simulation": HOUSE, **config}
        return providers.ask("turns:openai:chat:m", Request(prompt, vars=vars or {}), **settings)

    return answer


def sent(server: FaultyServer, turn: int) -> Any:
    return server.requests[turn].json["messages"]


def test_calls_get_results_until_nothing_is_called(ask: Callable[..., Answer], faulty_server: FaultyServer):
    answer = ask(Ok(json.dumps(ON)), Ok('{"tool": "switch"}'), Ok("The lamp is on."))
    assert answer.output == {
        "tool_calls": [{**ON, "result": {"lamp": "on"}}, {"name": "switch", "arguments": {}, "result": "to what?"}],
        "state": {"lamp": "on"},
        "answer": "The lamp is on.",
    }
    assert answer.metadata["turns"] == [
        {"output": json.dumps(ON), "results": [{"lamp": "on"}]},
        {"output": '{"tool": "switch"}', "results": ["to what?"]},
        {"output": "The lamp is on."},
    ]
    assert sent(faulty_server, 0) == [{"role": "user", "content": "light"}]
    assert sent(faulty_server, 1) == [
        {"role": "user", "content": "light"},
        {"role": "assistant", "content": json.dumps(ON)},
        {"role": "user", "content": 'Result: {"lamp": "on"}'},
    ]
    assert sent(faulty_server, 2)[:3] == sent(faulty_server, 1)
    assert answer.tokens == TokenUsage(30, 21, 9, 6, 3)
    assert answer.metadata["trajectory"] == [
        {"type": "tool", **ON, "result": {"lamp": "on"}, "is_error": False},
        {"type": "tool", "name": "switch", "arguments": {}, "result": "to what?", "is_error": False},
        {"type": "message", "name": "message", "output": "The lamp is on."},
    ]


def test_openais_own_calls_are_answered_by_tool_messages(ask: Callable[..., Answer], faulty_server: FaultyServer):
    call = {"id": "c7", "type": "function", "function": {"name": "switch", "arguments": '{"to": "on"}'}}
    answer = ask(
        Ok("", {"content": None, "tool_calls": [call, call]}),
        Ok("On."),
        prompt='[{"role": "user", "content": "light"}]',
    )
    assert sent(faulty_server, 1) == [
        {"role": "user", "content": "light"},
        {"role": "assistant", "content": None, "tool_calls": [call, call]},
        {"role": "tool", "tool_call_id": "c7", "content": '{"lamp": "on"}'},
        {"role": "tool", "tool_call_id": "c7", "content": '{"lamp": "on"}'},
    ]
    assert isinstance(answer.output, dict)
    assert answer.output["tool_calls"] == [{**ON, "result": {"lamp": "on"}}] * 2


def test_an_item_that_names_no_function_has_an_answer_of_its_own(
    ask: Callable[..., Answer], faulty_server: FaultyServer
):
    named = {"id": "b", "type": "function", "function": {"name": "switch", "arguments": '{"to": "on"}'}}
    nothing = {"id": "a", "type": "function", "function": {"name": "none", "arguments": "{}"}}
    ask(Ok("", {"content": None, "tool_calls": [nothing, named]}), Ok("done"))
    answers = {one["tool_call_id"]: one["content"] for one in sent(faulty_server, 1) if one["role"] == "tool"}
    assert answers == {"a": "this names no function", "b": '{"lamp": "on"}'}


def test_it_ends_after_its_turns_or_with_a_tool_that_ends_it(ask: Callable[..., Answer], faulty_server: FaultyServer):
    last: Any = ask(Ok(json.dumps(ON)), Ok(json.dumps(ON)), Ok("never asked"), turns=2).output
    assert (last["answer"], last["state"], len(last["tool_calls"])) == (None, {"lamp": "on"}, 2)
    ended: Any = ask(Ok(json.dumps([ON, {"name": "bye"}])), Ok("never asked")).output
    assert (ended["answer"], ended["state"], len(ended["tool_calls"])) == (None, {"lamp": "off"}, 2)
    assert len(faulty_server.requests) == 1


def test_a_tests_own_table_and_state_win(ask: Callable[..., Answer]):
    own = {"state": {"lamp": "broken"}, "tools": {"switch": {"results": [{"result": "it is $lamp"}]}}}
    first: Any = ask(Ok(json.dumps(ON)), Ok("Hm."), vars={"simulation": own}).output
    second: Any = ask(Ok(json.dumps(ON)), Ok("Hm."), vars={"simulation": own, "state": {"lamp": "gone"}}).output
    texts = {"simulation": json.dumps(own), "state": '{"lamp": "gone"}'}
    assert ask(Ok(json.dumps(ON)), Ok("Hm."), vars=texts).output == second
    assert first["tool_calls"][0]["result"] == "it is broken"
    assert (second["tool_calls"][0]["result"], second["state"]) == ("it is gone", {"lamp": "gone"})


def test_an_unknown_tool_is_an_answer_of_the_world(ask: Callable[..., Answer]):
    output: Any = ask(Ok('{"tool": "fly", "arguments": {}}'), Ok("Pity.")).output
    assert output["tool_calls"][0]["result"] == "unknown tool fly; known: bye, switch"


def test_the_table_decides_the_identity(providers: OpenedProviders):
    def identity(vars: Any = None, **config: Any) -> Any:
        provider = providers.open("turns:openai:chat:m", {"apiBaseUrl": "http://127.0.0.1:1/v1", **config})
        return provider.identity(Request("light", vars=vars or {}))

    first = identity(simulation=HOUSE)
    assert first == identity(simulation=HOUSE) == identity(vars={"simulation": HOUSE})
    others = [
        identity(simulation=HOUSE, turns=2),
        identity(vars={"state": {"lamp": "on"}}, simulation=HOUSE),
        identity(simulation={**HOUSE, "state": {}}),
        identity(simulation=HOUSE, temperature=1),
    ]
    assert len({json.dumps(one) for one in [first, *others]}) == 5
    assert providers.open("turns:echo").identity(Request("x")) is None


def test_a_fault_in_any_turn_is_the_environments(ask: Callable[..., Answer]):
    with pytest.raises(EnvironmentFault, match="401"):
        ask(Ok(json.dumps(ON)), Status(401))


def test_an_error_in_any_turn_is_the_answers(providers: OpenedProviders):
    (providers.folder / "p.py").write_text(TIRED)
    answer = providers.ask("turns:file://p.py", "light", simulation=HOUSE)
    assert (answer.output, answer.error) == (None, "tired")


def test_an_answer_that_was_cut_in_any_turn_was_cut(ask: Callable[..., Answer]):
    assert ask(Ok(json.dumps(ON), finish_reason="length"), Ok("On.")).is_cut


def test_a_table_may_be_in_a_file(providers: OpenedProviders, faulty_server: FaultyServer):
    Path(providers.folder / "house.yaml").write_text(json.dumps(HOUSE))
    faulty_server.plan(Ok(json.dumps(ON)), then=Scripted(_last_words))
    config = {"apiBaseUrl": f"{faulty_server.url}/v1", "simulation": "file://house.yaml"}
    output: Any = providers.ask("turns:openai:chat:m", "light", **config).output
    assert output["answer"] == 'echo: Result: {"lamp": "on"}'


def _last_words(request: Received) -> Ok:
    return Ok(f"echo: {request.json['messages'][-1]['content']}")


def test_without_a_table_nothing_is_asked(providers: OpenedProviders):
    with pytest.raises(CannotEvaluate, match="provider 'turns:echo': simulation: expected a mapping, got nothing"):
        providers.ask("turns:echo", "light")


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("turns:", {}, "provider 'turns:': expected turns:PROVIDER, such as turns:openai:chat:MODEL"),
        ("turns:turns:echo", {}, "expected turns:PROVIDER, such as turns:openai:chat:MODEL"),
        ("turns:ecko", {}, "unknown provider 'ecko' (did you mean 'echo'?)"),
        ("turns:echo", {"turns": 5}, "turns=5: expected a whole number from 1 to 4"),
        ("turns:echo", {"turns": True}, "turns=true: expected a whole number from 1 to 4"),
        ("turns:echo", {"simulation": {"tols": {}}}, "simulation.tols: unknown key 'tols' (did you mean 'tools'?)"),
        ("turns:openai:chat:m", {"temprature": 1}, "unknown config key 'temprature' (did you mean 'temperature'?"),
    ],
)
def test_a_wrong_config_is_the_users_error(providers: OpenedProviders, name: str, config: Any, message: str):
    with pytest.raises(InputError) as caught:
        providers.open(name, config)
    assert message in str(caught.value)
