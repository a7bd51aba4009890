"""What decides whether a test passes: its assertions, else the labels in its metadata; with neither, a warning."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evolve.core.cases.labelled_tests import LABEL_KEYS, judged_by_labels, label_mistakes, labels_of
from evolve.core.model.agents import Agent
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.suite import Suite, Test
from evolve.core.text.counts import count
from evolve.store.agents import find_agent, load_agent


def judge_by_labels(suite: Suite, agent: Agent | None) -> Suite:
    """Return the suite with labels turned into assertions, and a warning about tests that pass whatever is answered.

    Args:
        agent: whose answers the labels are; None for the agent that each test's metadata names, if its file exists.

    Raises:
        InputError: every label that is not an answer of the agent.
    """
    problems: dict[Problem, None] = {}
    tests: list[Test] = []
    agents: dict[str, Agent | None] = {}
    for test in suite.tests:
        known = agent or _named_agent(test, suite.base_dir, agents)
        if known is not None:
            problems.update(dict.fromkeys(label_mistakes(test, known.output, known.name)))
            tests.append(judged_by_labels(test, known.output))
        else:
            tests.append(test)
    if problems:
        raise InputError(problems)
    warning = _without_assertion(tests)
    return replace(suite, tests=tuple(tests), warnings=(*suite.warnings, *warning))


def _named_agent(test: Test, folder: str, agents: dict[str, Agent | None]) -> Agent | None:
    """The agent that a labelled test's metadata names; None where it names none, or the agent has no file here."""
    name = test.metadata.get("agent")
    if not isinstance(name, str) or not name or not any(labels_of(test, key) for key in LABEL_KEYS):
        return None
    if name not in agents:
        agents[name] = _agent_of_name(name, folder)
    return agents[name]


def _agent_of_name(name: str, folder: str) -> Agent | None:
    neighbour = Path(folder) / (name if name.endswith(".md") else f"{name}.md")
    try:
        return load_agent(neighbour if neighbour.is_file() else find_agent(name))
    except InputError:  # metadata is the user's own: `agent` may mean something else there
        return None


def _without_assertion(tests: Sequence[Test]) -> list[str]:
    """One warning for all tests that pass whatever is answered; none where there is no such test."""
    found = [test for test in tests if not test.requirements and not test.metadata.get("skip")]
    if not found:
        return []
    labelled = any(labels_of(test, "accepted") for test in found)
    hint = (
        "metadata.accepted counts only where an agent is known: add --agent NAME, metadata.agent, or assert"
        if labelled
        else "add assert, or metadata.accepted with an agent"
    )
    have, passes = ("has", "passes") if len(found) == 1 else ("have", "pass")
    place = found[0].place
    what = f"{len(found)} of {count(len(tests), 'test')} {have} no assertion and {passes} whatever is answered"
    return [str(Problem(what, place.location() if place else None, hint))]
