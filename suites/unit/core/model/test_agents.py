import json
from pathlib import Path

import pytest

from evolve.core.evaluation.agent_prompts import DemoBank, render_agent
from evolve.core.model.agents import Demo, DemoSettings, parse_agent
from evolve.core.model.errors import InputError
from evolve.core.templating.templates import Templates
from evolve.store.agent_files import agent_text
from evolve.store.agents import AGENTS_DIR, find_agent, load_agent, load_bank

RENDER = Templates("strict").render
FRONT = {
    "name": "PICK",
    "version": 3,
    "description": "picks",
    "inputs": {"request": {}},
    "output": {"type": "object"},
    "model": "echo",
    "sampling": {"temperature": 0},
    "demos": {"bank": "pick.yaml", "k": 1},
}
BODY = "## Role\nYou pick.\n\n## Rules\n1. Be brief.\n\n## Case\nRequest: {{ request }}\n"


def bank_of(*entries: tuple[str, str, str]) -> DemoBank:
    agent = parse_agent(FRONT, BODY, "pick.md")
    demos = [Demo({"request": request}, {"tool": tool}, family) for request, tool, family in entries]
    return DemoBank(agent, DemoSettings("pick.yaml", k=1), demos, RENDER)


def test_static_text_comes_first_and_the_case_last():
    bank = bank_of(("open the blinds", "ha", "blinds"), ("who wrote this file", "project_mapper", "authors"))
    prompt = render_agent(parse_agent(FRONT, BODY, "pick.md"), {"request": "close the blinds"}, bank, RENDER)
    assert [message["role"] for message in prompt.messages] == ["system", "user", "assistant", "user"]
    assert prompt.messages[0]["content"] == "Role:\nYou pick.\n\nRules:\n1. Be brief."
    assert prompt.messages[1]["content"] == "Request: open the blinds"
    assert json.loads(prompt.messages[2]["content"]) == {"tool": "ha"}
    assert prompt.messages[3]["content"] == "Request: close the blinds"


def test_the_answers_schema_and_the_sampling_reach_the_provider():
    prompt = render_agent(parse_agent(FRONT, BODY, "pick.md"), {"request": "x"}, None, RENDER)
    assert prompt.config["temperature"] == 0
    constraint = prompt.config["response_format"]
    assert isinstance(constraint, dict)
    assert constraint["json_schema"] == {"name": "pick", "strict": True, "schema": {"type": "object"}}


def test_the_family_of_a_case_that_became_a_demo_is_left_out():
    bank = bank_of(
        ("open the blinds", "ha", "blinds"), ("raise the blinds", "ha", "blinds"), ("plot it", "code_runner", "plots")
    )
    agent = parse_agent(FRONT, BODY, "pick.md")
    shown = render_agent(agent, {"request": "open the blinds"}, bank, RENDER, leave_family_out=True).messages[1][
        "content"
    ]
    assert shown == "Request: plot it"
    shown = render_agent(agent, {"request": "open the blinds"}, bank, RENDER).messages[1]["content"]
    assert shown == "Request: open the blinds"


def test_a_case_cannot_become_a_template():
    agent = parse_agent({**FRONT, "demos": {"bank": "x"}}, BODY, "pick.md")
    prompt = render_agent(agent, {"request": "{{ 7 * 7 }} {% if %}"}, None, RENDER)
    assert prompt.messages[-1]["content"] == "Request: {{ 7 * 7 }} {% if %}"


def test_every_mistake_of_an_agent_file_is_reported_at_once():
    front = {
        **{key: value for key, value in FRONT.items() if key != "model"},
        "version": "three",
        "demo": {},
        "demos": {"k": "four"},
    }
    with pytest.raises(InputError) as caught:
        parse_agent(front, "## Role\nx\n", "pick.md")
    text = str(caught.value)
    for part in (
        "'model' is missing",
        "'version' must be a whole number",
        "unknown key 'demo'",
        "'k' must be a whole number",
        "'bank' is missing",
        "## Case",
    ):
        assert part in text


AGENT_FILES = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.adaptation] if path.stem == "ADAPTATION_AGENT" else [])
    for path in sorted(AGENTS_DIR.glob("*.md"))
]


@pytest.mark.parametrize("path", AGENT_FILES)
def test_every_agent_of_the_package_loads_with_its_bank(path: Path):
    agent = load_agent(path)
    assert agent.name == path.stem
    bank = load_bank(agent, path, RENDER)
    assert (bank is None) == (agent.demos is None)


def test_an_unknown_agent_is_named_with_a_suggestion():
    with pytest.raises(InputError, match="REFLECTION_AGENT"):
        find_agent("REFLECTION_AGNET")


def test_a_file_without_front_matter_says_so(tmp_path: Path):
    path = tmp_path / "X.md"
    path.write_text("## Case\n")
    with pytest.raises(InputError, match="front matter"):
        load_agent(path)


DIAGNOSTICS = {
    "job_id": "web",
    "driver": "docker",
    "status": "failed",
    "stdout": "",
    "stderr": "error: x",
    "image": "w:1",
}
REPORT_BODY = "## Case\n{{ report }}"


def test_an_agent_may_see_further_keys_of_a_report():
    agent = parse_agent({**FRONT, "inputs": {"report": {"digest": 200, "show": ["image"]}}}, REPORT_BODY, "pick.md")
    shown = render_agent(agent, {"report": DIAGNOSTICS}, None, RENDER).messages[-1]["content"]
    assert shown.splitlines() == ["docker, failed", "image: w:1", "error: x"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"digest": 200, "show": ["imag"]}, "show: expected some of image, limits, usage, got 'imag'"),
        ({"digest": 200, "show": "image"}, "'show' must be a list, not 'image'"),
        ({"show": ["image"]}, "'show' adds to a digest, so it needs 'digest'"),
    ],
)
def test_keys_to_show_that_are_wrong_are_reported(settings, problem):
    with pytest.raises(InputError, match=problem):
        parse_agent({**FRONT, "inputs": {"report": settings}}, REPORT_BODY, "pick.md")


def test_the_keys_to_show_are_written_back(tmp_path):
    agent = load_agent(find_agent("HEAL_AGENT_PLAIN"))
    (tmp_path / "A.md").write_text(agent_text(agent), encoding="utf-8")
    assert load_agent(tmp_path / "A.md") == agent


_CHARS_PER_TOKEN = 1.5
"""At least, of a small model under a grammar: it may write `{`, a line end and each indent as tokens of their own."""


# Without ids: a name in one would be selected by a marker's word.
@pytest.mark.parametrize("path", sorted(AGENTS_DIR.glob("*.md")))
def test_a_shipped_agent_has_room_for_each_of_its_answers_over_several_lines(path):
    """Grammars allow line ends and indents; an answer that is cut there is a failed case, whatever it says."""
    agent = load_agent(path)
    enums = {
        name: field["enum"]
        for name, field in agent.output.get("properties", {}).items()
        if isinstance(field, dict) and "enum" in field
    }
    if set(enums) != set(agent.output.get("properties", {})) or not enums:
        return
    longest = {name: max(values, key=lambda value: len(str(value))) for name, values in enums.items()}
    assert agent.sampling["max_tokens"] * _CHARS_PER_TOKEN >= len(json.dumps(longest, indent=2))
