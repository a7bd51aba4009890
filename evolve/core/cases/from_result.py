"""Turns a suite's failed result into a failure of the agent that answered."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from evolve.core.cases.app_exchanges import FIELD, Labels, wrong_exchange
from evolve.core.cases.capture import Failure, NotCaptured, Render
from evolve.core.cases.copied_assertions import copy_assertions, name_of
from evolve.core.cases.labels import without_labels
from evolve.core.model.events import CaseResult
from evolve.core.model.families import family_of, split_of_family
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Place, Prompt, Requirement
from evolve.core.model.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """The parts of an agent file that its failure cases need."""

    name: str
    title: str
    """NAME@VERSION."""
    output: Mapping[str, JsonValue]
    settings: Mapping[str, JsonValue]
    render: Render
    """Makes the prompt from a case's vars."""


FindAgent = Callable[[str], KnownAgent | None]


def failure_of(result: CaseResult, find_agent: FindAgent) -> tuple[Failure, Render | None] | NotCaptured:
    """Return the failure in a result, with what makes its agent's prompt, or why it is no failure of an agent.

    The agent is the one whose prompt was used (the prompt's label names it), else the one in the test's metadata. Where
    an app asked the agent on the way, the failure is the agent's wrong answer there.
    """
    evaluation, metadata = result.evaluation, result.evaluation.test.metadata
    test = evaluation.test.description or evaluation.id
    if result.status != "fail":
        return NotCaptured(test, "the test ended with an error, so no prompt is at fault")
    named = metadata.get("agent")
    agent = _agent_of(evaluation.prompt, (_path_from_suite(named, evaluation.test.place), named), find_agent)
    name = agent.name if agent else named.rpartition("/")[2].removesuffix(".md") if isinstance(named, str) else ""
    if not name:
        return NotCaptured(test, "neither its metadata nor its prompt names an agent")
    failing = _failures(result)
    requirements = copy_assertions(_applied_requirements(result))
    failure = Failure(
        agent=name,
        test=_text(metadata, "source", "test") or test,
        vars=evaluation.vars,
        prompt=result.prompt,
        checks=tuple(_check(verdict) for verdict in failing),
        reasons=tuple(verdict.reason for verdict in failing),
        description=test,
        family=_text(metadata, "family"),
        split=_text(metadata, "split") or split_of_family(family_of(evaluation)),
        agent_title=agent.title if agent else name,
        provider=evaluation.provider.name,
        output=result.output,
        accepted=_answers(metadata, "accepted"),
        forbidden=_answers(metadata, "forbidden"),
        assertions=without_labels(requirements.assertions),
        is_judged_by_them=not any(verdict.requirement in requirements.left_out for verdict in failing),
        settings=agent.settings if agent else evaluation.prompt.config,
        output_schema=agent.output if agent else {},
        fingerprint=_text(metadata, "fingerprint"),
    )
    if result.answer is not None and FIELD in result.answer.metadata:
        return _failure_in_app(failure, result.answer.metadata, agent)
    # A suite may have its own prompt for the agent; then the prompt of the agent's file was not used.
    is_own_prompt = agent is not None and evaluation.prompt.label.partition("@")[0] == agent.name
    return failure, agent.render if agent and is_own_prompt else None


def _failure_in_app(
    failure: Failure, metadata: Mapping[str, JsonValue], agent: KnownAgent | None
) -> tuple[Failure, Render] | NotCaptured:
    """Returns the agent's own failure: the test's assertions are about the app, so the labels judge the case."""
    if agent is None:
        return NotCaptured(failure.test, f"there is no agent {failure.agent}")
    labels = Labels(failure.output_schema, failure.accepted, failure.forbidden)
    found = wrong_exchange(metadata, failure.agent, labels)
    if isinstance(found, str):
        return NotCaptured(failure.test, found)
    answer = _shown(labels.word(found.output))
    right = " or ".join(map(_shown, failure.accepted)) or f"not {', '.join(map(_shown, failure.forbidden))}"
    return replace(
        failure,
        vars=found.vars,
        prompt=_shown(dict(found.vars)),
        checks=("accuracy",),
        reasons=(f"expected {right}, got {answer}",),
        provider=found.provider or failure.provider,
        output=answer,
        assertions=(),
        is_judged_by_them=False,
    ), agent.render


def _shown(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _path_from_suite(named: JsonValue, place: Place | None) -> str:
    """Returns the path of an agent file that a suite names relative to its own folder; empty for a plain name."""
    is_file = isinstance(named, str) and named.endswith(".md")
    return str(PurePath(place.file).parent / str(named)) if is_file and place else ""


def _agent_of(prompt: Prompt, named: Sequence[JsonValue], find_agent: FindAgent) -> KnownAgent | None:
    """Returns the agent that answered (`evolve run --agent FILE` records it), else the one in label or metadata."""
    names = (prompt.config.get("agent_file"), prompt.label.partition("@")[0], *named)
    found = (find_agent(name) for name in names if isinstance(name, str) and name)
    return next((agent for agent in found if agent is not None), None)


def _applied_requirements(result: CaseResult) -> list[Requirement]:
    """Returns the requirements as they were applied, with rendered values."""
    applied = [verdict.requirement for verdict in result.verdict.components if verdict.requirement is not None]
    return applied or list(result.evaluation.test.requirements)


def _failures(result: CaseResult) -> list[Verdict]:
    failing = [verdict for verdict in result.verdict.components if not verdict.passed]
    return failing or [result.verdict]


def _check(verdict: Verdict) -> str:
    return name_of(verdict.requirement) if verdict.requirement is not None else "score"


def _answers(metadata: Mapping[str, JsonValue], key: str) -> tuple[JsonValue, ...]:
    given = metadata.get(key)
    return tuple(given) if isinstance(given, list) else ()


def _text(metadata: Mapping[str, JsonValue], *path: str) -> str:
    value: JsonValue = dict(metadata)
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
