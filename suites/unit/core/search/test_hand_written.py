"""Versions of an agent that people wrote: what may differ from the agent, and the genome that is searched."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from evolve.core.model.agents import Agent, AgentInput, Demo, DemoSettings, Section
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Test
from evolve.core.search.genome import OWN_BANK, Genome, agent_of, demos_of, incumbent_of
from evolve.core.search.hand_written import (
    HandWritten,
    contract_differences,
    foreign_demos,
    genome_of_file,
    text_differences,
)
from evolve.core.search.tasks import Task

CASE = Section("Case", "Request: {{ request }}")


def output_of(*tools: str) -> dict[str, JsonValue]:
    return {"type": "object", "properties": {"tool": {"enum": [*tools]}}, "required": ["tool"]}


def an_agent(text: str = "ha: the house.\nssh: a host.\nnone: words.", *further: Section) -> Agent:
    return Agent(
        name="TOOL_AGENT",
        version=3,
        description="Chooses.",
        inputs=(AgentInput("request"),),
        output=output_of("ha", "ssh", "none"),
        model="echo",
        sections=(Section("Tools", text), *further, CASE),
    )


AGENT = an_agent()


def a_task(request: str, tool: str, split: str = "train") -> Task:
    label: JsonValue = {"tool": tool}
    vars: dict[str, JsonValue] = {"request": request}
    return Task(f"{tool}:{request}", "", request, split, vars, Test({}, ()), label, (label,))  # type: ignore[arg-type]


LIGHT, REBOOT = a_task("make it light in the kitchen", "ha"), a_task("give the old nas a reboot", "ssh")
HELD_OUT = a_task("could you please read me the number on the meter in the cellar", "none", "gate")
UNREAD = a_task("what is written on the small yellow label behind the boiler", "none", "test")
TASKS = [LIGHT, REBOOT, HELD_OUT, UNREAD]


def messages(written: Agent, agent: Agent = AGENT) -> list[str]:
    return [one.message for one in contract_differences(written, agent)]


@pytest.mark.parametrize(
    "written",
    [
        replace(AGENT, name="MINE", version=9, description="Mine.", parent=None, evidence={"any": "thing"}),
        an_agent("other words", Section("Rules", "1. Be right.")),
        replace(AGENT, sampling={"max_tokens": 80}, scratch=("why",), model=""),
        replace(AGENT, sections=(Section("Role", "New."), *AGENT.sections)),
    ],
)
def test_a_prompt_and_its_settings_may_differ(written: Agent):
    assert messages(written) == []


def test_every_part_of_the_contract_that_differs_is_named():
    written = replace(
        AGENT,
        inputs=(AgentInput("words"),),
        output=output_of("ha", "none", "mcp"),
        model="llamacpp:other",
        copy=("tool",),
        sections=(Section("Case", "{{ words }}"),),
    )
    assert messages(written) == [
        "expected request, as in TOOL_AGENT@3, got words",
        "expected the schema of TOOL_AGENT@3: it lacks ssh; it adds mcp",
        "expected none, as in TOOL_AGENT@3, got tool",
        "expected echo, as in TOOL_AGENT@3, got llamacpp:other",
        "## Case differs from that of TOOL_AGENT@3",
    ]


def test_a_schema_with_the_same_answers_is_another_schema_too():
    closed = replace(AGENT, output={**AGENT.output, "additionalProperties": False})
    (message,) = messages(closed)
    assert message.endswith("same answers, other fields or limits")


def test_an_input_may_show_more_of_a_report_but_not_something_else():
    digest = replace(AGENT, inputs=(AgentInput("request", "a.json", 400, ("image",)),))
    longer = replace(AGENT, inputs=(AgentInput("request", "a.json", 900, ("image",)),))
    other = replace(AGENT, inputs=(AgentInput("request", "b.json", 400, ("image",)),))
    assert messages(longer, digest) == []
    assert messages(other, digest) == ["'request' differs from that of TOOL_AGENT@3"]
    assert messages(AGENT, replace(AGENT, inputs=(AgentInput("request", None, 400),))) == [
        "expected digests of the same inputs as in TOOL_AGENT@3, all of one length"
    ]


# --- demos


def with_bank(k: int = 1) -> Agent:
    return replace(AGENT, demos=DemoSettings("demos/mine.yaml", "static", k))


def a_demo(task: Task, tool: str | None = None) -> Demo:
    return Demo(task.vars, {"tool": tool} if tool else task.label, "any")


def test_demos_are_train_cases_in_the_order_of_the_file():
    demos = [a_demo(REBOOT), a_demo(LIGHT)]
    assert list(foreign_demos(demos, (), TASKS)) == []
    genome = genome_of_file(with_bank(2), demos, (), TASKS)
    assert genome.demo_ids == (REBOOT.id, LIGHT.id)
    assert [demo.vars for demo in demos_of(genome, TASKS)] == [REBOOT.vars, LIGHT.vars]


def test_the_bank_of_the_agent_stays_the_banks_name():
    own = [Demo({"request": "of no suite"}, {"tool": "none"}, "x")]
    assert list(foreign_demos(own, own, TASKS)) == []
    assert genome_of_file(with_bank(), own, own, TASKS).demo_ids == (OWN_BANK,)


def test_demos_of_other_splits_with_wrong_answers_or_of_nowhere_are_refused():
    demos = [a_demo(LIGHT), a_demo(HELD_OUT), a_demo(REBOOT, "ha"), Demo({"request": "new"}, {"tool": "ha"})]
    found = [one.message for one in foreign_demos(demos, (), TASKS)]
    assert [message.partition(" of its bank")[0] for message in found] == ["demo 2", "demo 3", "demo 4"]


# --- the text


def faults(text: str, tasks: Sequence[Task] = TASKS) -> list[str]:
    genome = genome_of_file(an_agent(text), (), (), tasks)
    found = text_differences(genome, incumbent_of(AGENT), AGENT.output, tasks, lambda task: str(task.vars))
    return [one.message for one in found]


def test_a_text_of_its_own_that_names_all_answers_has_no_fault():
    assert faults("ha: lights.\nssh: machines.\nnone: anything else.") == []


def test_the_agents_own_prompt_is_no_candidate():
    assert faults(AGENT.section("Tools")) == ["it is the current agent's prompt"]


def test_lost_answers_and_copies_of_any_split_are_all_named():
    copied = f"ha, or ssh: {LIGHT.vars['request']}, {HELD_OUT.vars['request']}, {UNREAD.vars['request']}"
    lost, *copies = faults(copied)
    assert "no longer name 1 answer of the output: none;" in lost
    assert [text.partition(":")[0] for text in copies] == ["split train", "split gate", "split test"]


def test_a_candidate_is_the_agent_with_the_persons_prompt():
    written = replace(an_agent("ha, ssh, none", Section("Rules", "1. One.\n2. Two.")), sampling={"max_tokens": 9})
    genome = genome_of_file(written, (), (), TASKS)
    assert genome.rules == ("One.", "Two.")
    made = agent_of(genome, AGENT)
    assert (made.name, made.sampling, made.section("Tools")) == ("TOOL_AGENT", {"max_tokens": 9}, "ha, ssh, none")
    assert HandWritten("prompts/MINE.md", genome).note == "written by hand: prompts/MINE.md"
    assert isinstance(genome, Genome)
