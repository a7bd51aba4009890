"""Which calls an output makes, in every form that models write them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.formats.function_calls import MAX_CHARS, FunctionCall, function_calls

LAMP = FunctionCall("lamp.set", {"level": 40, "room": "hall"})


@pytest.mark.parametrize(
    "output",
    [
        [{"type": "function", "function": {"name": "lamp.set", "arguments": '{"level": 40, "room": "hall"}'}}],
        {"tool_calls": [{"function": {"name": "lamp.set", "arguments": {"level": 40, "room": "hall"}}}]},
        {"calls": [{"name": "lamp.set", "arguments": {"level": 40, "room": "hall"}}]},
        {"type": "tool_use", "id": "x", "name": "lamp.set", "input": {"level": 40, "room": "hall"}},
        {"functionCall": {"name": "lamp.set", "args": {"level": 40, "room": "hall"}}},
        {"tool": "lamp.set", "arguments": {"level": 40, "room": "hall"}},
        {"action": "lamp.set", "level": 40, "room": "hall"},
        {"function": "lamp.set", "parameters": {"level": 40, "room": "hall"}},
        '{"name": "lamp.set", "arguments": {"level": 40, "room": "hall"}}',
        '```json\n[{"name": "lamp.set", "arguments": {"level": 40, "room": "hall"}}]\n```',
        "lamp.set(level=40, room='hall')",
        '[lamp.set(level=40, room="hall")]',
        "```python\nlamp.set(\n  level=40,\n  room='hall',\n)\n```",
    ],
    ids=range(13),
)  # fmt: skip
def test_one_call_is_the_same_in_every_form(output: Any):
    assert function_calls(output) == [LAMP]


@pytest.mark.parametrize(
    "output",
    [
        "", None, 7, [], {}, "[]", "{}", '{"calls": []}', {"tool": "none"}, {"tool": None}, {"tool": ""},
        {"name": "Bob", "age": 7}, {"answer": "none of them fits"}, "I can't do that (sorry).", "lamp.set(level=40",
        "none of the functions (a, b) fits", "[1, 2]", "f(1) and g(2)", '{"name": ', "x = f(1)", "[f(1), 2]", "f" * 9,
    ],
)  # fmt: skip
def test_everything_else_calls_nothing(output: Any):
    assert function_calls(output) == []


def test_several_calls_keep_their_order_and_their_literals():
    text = "[a(x=-1.5, y=[1, 'two', None], z={'k': True}), b.c(), d(7, deep=f(1), p='C:\\dir')]"
    assert function_calls(text) == [
        FunctionCall("a", {"x": -1.5, "y": [1, "two", None], "z": {"k": True}}),
        FunctionCall("b.c", {}),
        FunctionCall("d", {"0": 7, "deep": "f(1)", "p": "C:\\dir"}),
    ]


def test_a_call_without_arguments_needs_no_key_for_them():
    assert function_calls({"name": "refresh"}) == [FunctionCall("refresh", {})]
    assert function_calls({"name": "refresh", "arguments": ""}) == [FunctionCall("refresh", {})]


def test_arguments_that_are_no_mapping_are_kept_so_that_nothing_fits_them():
    assert function_calls({"name": "f", "arguments": "{broken"}) == [FunctionCall("f", {"arguments": "{broken"})]


def test_long_text_is_prose():
    assert function_calls(f"f(x='{'a' * MAX_CHARS}')") == []


@pytest.mark.parametrize("text", ["f(" + "-" * 9000 + "1)", "a." * 4000 + "b()", "[f(" * 500, "f(x=" + "(" * 150])
def test_deep_text_is_prose(text: str):
    assert function_calls(text) in ([], [FunctionCall(text[:-2], {})])


SNIPPETS = st.sampled_from(
    [
        "f(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "\\",
        "\\d",
        "x=",
        ",",
        "-",
        ".",
        ":",
        "1",
        "a",
        "\0",
        "\ud800",
        "\n",
        "```",
    ]
)


@given(st.lists(SNIPPETS, max_size=14).map("".join))
def test_no_text_makes_it_fail(text: str):
    for call in function_calls(text):
        assert isinstance(call.arguments, dict)
