"""The list of all tools: TWIN_AGENT can choose each of them, and nothing else but `none`."""

from pathlib import Path

import pytest
import yaml

import evolve
from evolve.core.formats.front_matter import split_front_matter
from evolve.core.formats.schema_check import compile_schema
from fixtures.tool_calls import call_tool, reason_of
from pipecatapp.core.ports import Risk, ToolReason
from pipecatapp.tools.all_tools import ALL_TOOLS

ROOT = Path(evolve.__file__).parents[1]
NAMES = [tool.spec.name for tool in ALL_TOOLS]


def agents_enum() -> list[str]:
    text = (ROOT / "evolve" / "agents" / "TWIN_AGENT.md").read_text(encoding="utf-8")
    found, _ = split_front_matter(text, "TWIN_AGENT.md")
    return found["output"]["properties"]["tool"]["enum"]  # type: ignore[index, call-overload, return-value]


def suites_enum() -> list[str]:
    suite = yaml.safe_load((ROOT / "suites" / "agents" / "twin.yaml").read_text(encoding="utf-8"))
    return suite["defaultTest"]["assert"][0]["value"]["properties"]["tool"]["enum"]


@pytest.mark.parametrize("enum", [agents_enum, suites_enum])
def test_the_names_and_none_are_the_agents_answers_in_its_order(enum):
    assert [*NAMES, "none"] == enum()


def test_each_tool_has_a_file_a_sentence_and_described_arguments():
    for tool in ALL_TOOLS:
        spec = tool.spec
        assert (ROOT / "pipecatapp" / "tools" / f"{spec.name}.py").is_file()
        assert spec.description
        assert "\n" not in spec.description
        assert compile_schema(spec.schema)
        arguments = spec.schema["properties"]
        assert all("description" in one or "enum" in one for one in arguments.values())  # type: ignore[union-attr]


def test_what_leaves_this_machine_to_do_something_asks_a_person():
    assert {tool.spec.name for tool in ALL_TOOLS if tool.spec.risk is Risk.DANGER} == {"ssh", "code_runner"}
    assert {tool.spec.name for tool in ALL_TOOLS if tool.spec.risk is Risk.WRITE} == {"ha"}
    assert {tool.spec.name for tool in ALL_TOOLS if tool.spec.most_risk is Risk.DANGER} == {"ha", "mcp"}


@pytest.mark.parametrize("tool", ALL_TOOLS, ids=NAMES)
def test_wrong_arguments_never_reach_a_tool(tool):
    result = call_tool(tool, no_such_argument=1)
    assert reason_of(result) is ToolReason.BAD_ARGUMENTS
