"""What a call does in a world of simulated tools."""

from typing import Any

import pytest

from evolve.core.formats.function_calls import FunctionCall
from evolve.core.model.errors import CannotEvaluate
from evolve.core.simulation.world import MAX_CHARS, call_tool, parse_world

WORLD: Any = {
    "state": {"whisper": "dead", "piper": "running", "port": 80},
    "tools": {
        "restart_job": {
            "parameters": {"type": "object", "required": ["job"], "properties": {"job": {"type": "string"}}},
            "results": [
                {"state": {"$job": "dead"}, "set": {"$job": "running", "last": "$job"}, "result": "$job runs"},
                {"state": {"$job": ["running", "pending"]}, "result": "$job was $whisper and ${port}: nothing to do"},
                {"result": "no job $job"},
            ],
        },
        "set_port": {
            "results": [
                {"arguments": {"open": True, "zone": ["lan", "dmz"]}, "set": {"port": "$port", "all": ["$port"]}}
            ]
        },
        "bye": {"ends": True},
    },
}


def effect(name: str, state: Any = None, **arguments: Any) -> tuple[Any, Any, bool]:
    world = parse_world(WORLD, state)
    return tuple(call_tool(world, world.state, FunctionCall(name, arguments)))  # type: ignore[return-value]


def test_the_first_row_that_fits_changes_the_state():
    assert effect("restart_job", job="whisper") == (
        "whisper runs",
        {"whisper": "running", "piper": "running", "port": 80, "last": "whisper"},
        False,
    )
    assert effect("restart_job", job="piper")[0] == "piper was dead and 80: nothing to do"
    assert effect("restart_job", job="nobody") == ("no job nobody", WORLD["state"], False)


def test_a_test_may_begin_in_another_state():
    result, state, _ = effect("restart_job", {"whisper": "pending"}, job="whisper")
    assert (result, state["whisper"]) == ("whisper was pending and 80: nothing to do", "pending")


def test_an_argument_alone_keeps_its_type():
    result, state, _ = effect("set_port", open=True, zone="DMZ ", port=8080)
    assert (result, state["port"], state["all"]) == ("done", 8080, [8080])


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("stop_job", {}, "unknown tool stop_job; known: bye, restart_job, set_port"),
        ("restart_job", {}, "wrong arguments: "),
        ("restart_job", {"job": 7}, "wrong arguments: "),
        ("set_port", {"open": True, "zone": "wan"}, "set_port did nothing: no such thing"),
        ("set_port", {"zone": "lan"}, "set_port did nothing: no such thing"),
    ],
)
def test_a_call_that_fits_nothing_changes_nothing(name: str, arguments: Any, result: str):
    found, state, is_error = effect(name, **arguments)
    assert str(found).startswith(result)
    assert (state, is_error) == (WORLD["state"], True)


def test_a_tool_that_only_ends_the_conversation_needs_no_rows():
    assert effect("bye") == ("", WORLD["state"], False)
    assert parse_world(WORLD).tools["bye"].is_last


def test_texts_of_arguments_are_data():
    assert effect("restart_job", job="$port {{ 7*7 }} ${job}")[0] == "no job $port {{ 7*7 }} ${job}"


@pytest.mark.parametrize(
    ("world", "state", "problems"),
    [
        (None, None, ["simulation: expected a mapping, got nothing"]),
        ({"state": {}}, None, ["simulation: the key 'tools' is missing"]),
        ({"tools": {}}, None, ["simulation.tools: it is empty"]),
        (
            {"tools": {"f": {"result": []}}},
            None,
            ["simulation.tools.f.result: unknown key 'result' (did you mean 'results'?)"],
        ),
        (
            {"tools": {"f": {"parameters": {"typ": "object"}}, "g": {"parameters": {"type": 3}}}},
            None,
            ["simulation.tools.f.parameters: the schema is not valid: unknown keyword 'typ'", "tools.g.parameters: "],
        ),
        (
            {"tools": {"f": {"ends": 1}}},
            7,
            ["simulation.tools.f.ends: ", "state: expected a mapping of names to values"],
        ),
    ],
)
def test_every_problem_of_a_table_is_named(world: Any, state: Any, problems: list[str]):
    with pytest.raises(CannotEvaluate) as caught:
        parse_world(world, state)
    assert [problem in str(caught.value) for problem in problems] == [True] * len(problems), str(caught.value)


def test_an_argument_may_have_to_be_a_value_of_the_state():
    row = {"arguments": {"pin": "$pin", "door": ["$door", "gate"]}, "result": "open"}
    world = parse_world({"state": {"pin": 1234, "door": "barn"}, "tools": {"unlock": {"results": [row]}}})

    def result(**arguments: Any) -> Any:
        return call_tool(world, world.state, FunctionCall("unlock", arguments)).result

    assert (result(pin=1234, door="Barn"), result(pin="1234", door="gate")) == ("open", "open")
    assert result(pin=1, door="barn") == "unlock did nothing: no such thing"


@pytest.mark.parametrize("doubled", ["$text$text", ["$text", "$text"]])
def test_a_state_that_grows_with_each_call_has_an_end(doubled: Any):
    row = {"set": {"text": doubled}, "result": "$text"}
    world = parse_world({"state": {"text": "x" * 100}, "tools": {"double": {"results": [row]}}})
    state = world.state
    for _ in range(200):
        result, state, is_error = call_tool(world, state, FunctionCall("double", {}))
    assert is_error
    assert result == f"double did nothing: result and state would have more than {MAX_CHARS} characters"
    assert len(str(state)) <= MAX_CHARS
