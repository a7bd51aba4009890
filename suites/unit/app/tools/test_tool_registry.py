"""A tool: its schema is closed, its description is its docstring, and its arguments are checked with plain words."""

import pytest

from pipecatapp.core.ports import Risk, ToolReason
from pipecatapp.tools.context import ToolContext
from pipecatapp.tools.registry import Arguments, ToolProblem, argument_problems, needed_text, text_of, tool


@tool(
    "greet",
    {"required": ["name"], "properties": {"name": {"type": "string"}, "times": {"type": "integer", "maximum": 3}}},
    risk=Risk.READ,
    timeout_s=5,
)
async def greet(arguments: Arguments, context: ToolContext) -> str:
    """Greet a person by name.

    More, for people who read the source.
    """
    return f"hello {text_of(arguments, 'name')}"


def test_what_people_see_of_a_tool_comes_from_its_function():
    spec = greet.spec
    assert (spec.name, spec.description, spec.risk, spec.timeout_s) == ("greet", "Greet a person by name", "read", 5)
    assert spec.schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        ({"name": "Ada"}, []),
        ({}, ["the key 'name' is missing"]),
        ({"name": 3}, ["name: expected text, got the number 3 (put it in quotes)"]),
        ({"name": "Ada", "time": 1}, ["time: unknown key 'time' (did you mean 'times'?)"]),
        ({"name": "Ada", "times": 4}, ["times: 4 is more than the maximum of 3"]),
        ([], ["expected a mapping, got a list"]),
    ],
)
def test_problems_of_arguments(arguments, problems):
    assert argument_problems(greet, arguments) == problems


def test_an_argument_that_this_call_needs_is_missing():
    with pytest.raises(ToolProblem, match="the argument 'url' is missing: a page has one") as caught:
        needed_text({}, "url", "a page has one")
    assert caught.value.reason is ToolReason.BAD_ARGUMENTS
