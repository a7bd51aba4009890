"""Fields that an agent writes before its answer: in the schema and the prompt, and never in what callers get."""

import json

import pytest

from evolve.core.evaluation.agent_files import read_agent
from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.evaluation.scratch import can_think, drop_scratch, field_names, scratch_of, scratch_schema
from evolve.core.model.errors import InputError
from evolve.core.templating.templates import Templates
from evolve.store.agent_files import agent_text

AGENT = """\
---
name: TOOL_AGENT
version: 1
description: Chooses a tool.
inputs:
  request: {}
output:
  type: object
  properties:
    tool: {enum: [ssh, none]}
  required: [tool]
  additionalProperties: false
model: echo
sampling: {temperature: 0, max_tokens: 16}
scratch: [why]
---
## Role
You choose a tool.

## Case
Request: {{ request }}
"""


def test_the_scratch_field_comes_first_and_is_bounded():
    made = render_agent(read_agent(AGENT, "A.md"), {"request": "x"}, None, Templates("strict").render)
    form = made.config["response_format"]
    assert isinstance(form, dict)
    schema = form["json_schema"]["schema"]  # type: ignore[index,call-overload]
    assert list(schema["properties"]) == ["why", "tool"]  # type: ignore[call-overload,arg-type,index]
    assert schema["properties"]["why"] == {"type": "string", "maxLength": 240}  # type: ignore[call-overload,index]
    assert schema["required"] == ["why", "tool"]  # type: ignore[call-overload,index]
    assert made.config["max_tokens"] == 136
    assert made.messages[0]["content"].endswith('First write "why": in one short sentence, what decides the answer.')


def test_an_agent_without_scratch_is_asked_as_before():
    made = render_agent(
        read_agent(AGENT.replace("scratch: [why]\n", ""), "A.md"), {"request": "x"}, None, Templates("strict").render
    )
    assert made.config["max_tokens"] == 16
    assert made.messages[0]["content"] == "Role:\nYou choose a tool."
    assert json.dumps(made.config).count("why") == 0


def test_the_agents_file_keeps_its_scratch_fields():
    agent = read_agent(AGENT, "A.md")
    assert agent.scratch == ("why",)
    assert read_agent(agent_text(agent), "A.md") == agent


@pytest.mark.parametrize(
    ("scratch", "output", "problem"),
    [
        ("why", "", "'scratch' must be a list"),
        ("[tool]", "", "'tool' is a field of the output itself"),
        ("[3]", "", "expected names of fields, got 3"),
        ("[why]", "output: {type: string}", "'scratch' needs an output with 'properties'"),
    ],
)
def test_what_is_wrong_with_scratch_is_reported_with_its_place(scratch, output, problem):
    text = AGENT.replace("scratch: [why]", f"scratch: {scratch}")
    if output:
        start, end = text.index("output:"), text.index("model:")
        text = f"{text[:start]}{output}\n{text[end:]}"
    with pytest.raises(InputError, match=problem.replace("[", r"\[")):
        read_agent(text, "A.md")


@pytest.mark.parametrize(
    ("output", "kept", "thought"),
    [
        ('{"why": "a host", "tool": "ssh"}', '{"tool": "ssh"}', {"why": "a host"}),
        ({"why": "a host", "tool": "ssh"}, {"tool": "ssh"}, {"why": "a host"}),
        ('{"tool": "ssh"}', '{"tool": "ssh"}', {}),
        ("ssh, because", "ssh, because", {}),
        ('{"why": "cut o', '{"why": "cut o', {}),
        ([1], [1], {}),
    ],
)
def test_scratch_is_dropped_from_an_object_and_all_else_stays(output, kept, thought):
    assert drop_scratch(output, ("why",)) == kept
    assert scratch_of(output, ("why",)) == thought


def test_only_objects_with_fields_can_have_scratch():
    assert can_think({"type": "object", "properties": {"a": {}}})
    assert not can_think({"type": "string"})
    assert not can_think({"enum": ["a"]})
    assert not can_think({"anyOf": [{"type": "object", "properties": {"a": {}}}, {"type": "string"}]})


def test_scratch_is_written_before_the_fields_of_each_of_several_objects():
    choice = {"anyOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}, "why": {}}}]}
    assert can_think(choice)
    assert field_names(choice) == {"a", "b", "why"}
    made = scratch_schema(choice, ("thought",))["anyOf"]
    assert isinstance(made, list)
    assert [list(one["properties"]) for one in made] == [["thought", "a"], ["thought", "b", "why"]]
    assert [one["required"] for one in made] == [["thought", "a"], ["thought"]]
