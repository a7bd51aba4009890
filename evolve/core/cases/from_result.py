"""A suite's failed result as a failure of the agent that was asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

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
    """An agent file, as far as its failure cases need it."""

    name: str
    title: str
    """NAME@VERSION."""
    output: Mapping[str, JsonValue]
    settings: Mapping[str, JsonValue]
    render: Render
    """The prompt of a case's vars."""


FindAgent = Callable[[str], KnownAgent | None]


def failure_of(result: CaseResult, find_agent: FindAgent) -> tuple[Failure, KnownAgent | None] | NotCaptured:
    """The failure that a result shows, with the agent's file where there is one.

    The agent is the one whose prompt was asked (its label names it), else the one that the test's metadata name.
    """
    evaluation, metadata = result.evaluation, result.evaluation.test.metadata
    test = evaluation.test.description or evaluation.id
    if result.status != "fail":
        return NotCaptured(test, "it could not be judged, which is no prompt's fault")
    named = metadata.get("agent")
    agent = _agent_of(evaluation.prompt, (_beside_suite(named, evaluation.test.place), named), find_agent)
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
    return failure, agent


def _beside_suite(named: JsonValue, place: Place | None) -> str:
    """The path of an agent file that a suite names from its own folder; empty for a name."""
    is_file = isinstance(named, str) and named.endswith(".md")
    return str(PurePath(place.file).parent / str(named)) if is_file and place else ""


def _agent_of(prompt: Prompt, named: Sequence[JsonValue], find_agent: FindAgent) -> KnownAgent | None:
    """The agent file that was asked (`evolve run --agent FILE` notes it), or that label or metadata name."""
    names = (prompt.config.get("agent_file"), prompt.label.partition("@")[0], *named)
    found = (find_agent(name) for name in names if isinstance(name, str) and name)
    return next((agent for agent in found if agent is not None), None)


def _applied_requirements(result: CaseResult) -> list[Requirement]:
    """The requirements as they were applied, with rendered values."""
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
