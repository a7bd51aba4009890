"""Children that lost an answer of the output, or that copy a case."""

from dataclasses import replace

import pytest

from evolve.core.model.agents import Section
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Test
from evolve.core.search.genome import Genome
from evolve.core.search.proposal_guard import ProposalGuard, answers_of
from evolve.core.search.tasks import Task

TOOLS = "mcp: the state of the cluster.\nssh: run a command on a host.\nha: lights and heating.\nnone: answer yourself."
AGENT = Genome((Section("Role", "You choose the tool."), Section("Tools", TOOLS)), rules=("Lights call for ha.",))
REQUEST = "In the kitchen somebody has left the oven on since the morning, have a look"


def a_task(number: int, family: str, **vars: JsonValue) -> Task:
    return Task(f"{number}", "", family, "train", vars, Test({}, ()), None)


CASES = [
    a_task(0, "oven", request=REQUEST),
    a_task(1, "dice", request="Roll two dice for me"),
    a_task(2, "disk", request="write failed no space left on device while it wrote the journal"),
    a_task(3, "disk-spoken", request="it says write failed no space left on device while it wrote, so what"),
    a_task(4, "report", report={"log": ["a b c"]}),
]


def guard(answers: tuple[str, ...] = ("mcp", "ssh", "ha", "none", "rag")) -> ProposalGuard:
    return ProposalGuard(AGENT, answers, CASES, lambda task: str(task.vars))


def with_tools(text: str, *rules: str) -> Genome:
    return replace(AGENT, sections=(AGENT.sections[0], Section("Tools", text)), rules=rules)


def test_a_section_that_lost_tools_is_refused_with_their_names():
    refused = guard().check_answers(with_tools("ssh: run a command.\nhabits: none of ours."))
    assert refused is not None
    assert refused.kind == "drops-answer"
    assert "no longer name 2 answers of the output: mcp, ha;" in refused.reason


@pytest.mark.parametrize(
    "child",
    [
        with_tools(TOOLS),
        with_tools("ssh runs commands, mcp knows the cluster; else none.", "Lights call for ha."),
        with_tools("`ssh`, `mcp`, `none` and 'ha'."),
    ],
)
def test_an_answer_may_be_named_anywhere_and_one_that_nobody_named_need_not(child):
    assert guard().check_answers(child) is None


def test_answers_are_all_enums_and_constants_of_the_output():
    schema: dict[str, JsonValue] = {
        "properties": {
            "action": {"enum": ["restart", "none", 3]},
            "how": {"oneOf": [{"const": "soft"}, {"type": "array", "items": {"enum": ["restart", "hard"]}}]},
        }
    }
    assert answers_of(schema) == ("restart", "none", "soft", "hard")


@pytest.mark.parametrize(
    "rule",
    [
        "Answer ha for: somebody has LEFT the oven on since the morning.",
        "«Roll two dice for me» calls for none.",
    ],
)
def test_a_rule_that_copies_a_case_is_refused(rule):
    refused = guard().check_copies(with_tools(TOOLS, rule), AGENT)
    assert refused is not None
    assert refused.kind == "copy"
    assert "in general words" in refused.reason


@pytest.mark.parametrize(
    "rule",
    [
        "When somebody has left the oven on, answer ha.",
        "Write failed, no space left on device while it wrote: answer ssh.",
        "Two dice call for none.",
    ],
)
def test_a_few_words_of_a_case_are_no_copy_and_nor_is_what_families_share(rule):
    assert guard().check_copies(with_tools(TOOLS, rule), AGENT) is None


def test_what_the_instructions_have_already_is_no_copy_of_the_child():
    parent = with_tools(TOOLS, f"Answer ha for: {REQUEST}.")
    assert guard().check_copies(replace(parent, rules=(*parent.rules, "Mind the lights.")), parent) is None
