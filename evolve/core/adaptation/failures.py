"""What follows from a failed job's diagnostics: whether they become a case, and whether that starts an evolution."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from evolve.core.adaptation.reflection import Action
from evolve.core.cases.capture import Failure
from evolve.core.cases.failure_case import FailureCase
from evolve.core.cases.fingerprint import fingerprint, normalise
from evolve.core.cases.labels import label_assertions, label_problems
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.agents import Agent, AgentPrompt
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.text.diagnostics import digest

PER_DAY = 4
"""So many evolutions of one agent start on one day, unless told otherwise."""

_DESCRIPTION_CHARS = 120

Step: TypeAlias = Literal["evolve", "unlabelled", "regression", "recurred", "flaky", "known"]
"""evolve: the case is queued. The others start nothing: nobody said what is right; a pinned case failed again; a
retired one did; it did not reproduce; this agent was evolved with this case before, with the same settings."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known to be right for a job, and what would do harm."""

    accepted: tuple[str, ...] = ()
    """The best first."""
    forbidden: tuple[str, ...] = ()

    def holds(self, answer: Action) -> bool | None:
        """Whether the answer is right; None when nobody knows."""
        if self.accepted:
            return answer in self.accepted
        if self.forbidden:
            return answer != Action.ERROR and answer not in self.forbidden
        return None

    def checked(self, output: Mapping[str, JsonValue]) -> "Labels":
        """These labels, if the agent can give such answers.

        Raises:
            InputError: with every one that it cannot.
        """
        problems = label_problems(output, self.accepted, self.forbidden)
        if problems:
            raise InputError([Problem(message) for message in problems])
        return self


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    """An evolution that waits: what the caller of `evolve adapt` asked for, and from where."""

    request: EvolutionRequest
    """Its cases are chosen when it runs: all that wait then."""
    cases: str
    """The folder of failure cases, absolute."""
    folder: str
    """The caller's working folder: relative names start there."""

    def key(self, agent_text: str) -> str:
        """What an evolution depends on beside its cases: a case that met it once has nothing to gain from it again."""
        request, usual = self.request, EvolutionRequest()
        budget = None if request.budget in (None, usual.budget) else str(request.budget)
        # None for what is usual: so were the keys of version 1 of the queue, which stay good.
        told = {
            "agent": request.agent,
            "folder": self.folder,
            "suite": request.suite,
            "budget": budget if request.minutes is None else f"{request.minutes:g}m",
            "seed": None if request.seed == usual.seed else request.seed,
            "provider": request.provider,
            "reflector": request.reflector,
        }
        text = json.dumps([agent_text, told], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def to_text(self) -> str:
        """Return the value as JSON that `from_text` reads."""
        value = {"request": self.request.to_json(), "cases": self.cases, "folder": self.folder}
        return json.dumps(value, ensure_ascii=False)

    @staticmethod
    def from_text(text: str) -> "QueuedRequest":
        """Return the request that `to_text` wrote, in this version of the queue or in version 1.

        Raises:
            ValueError: the text is neither.
        """
        value = json.loads(text)
        cases, folder = (value.get(name) if isinstance(value, dict) else None for name in ("cases", "folder"))
        if not (isinstance(cases, str) and isinstance(folder, str)):
            raise ValueError(f"expected a queued request, got {text[:80]}")  # noqa: TRY004  # a wrong text
        request = value["request"] if "request" in value else _version_1(value)
        return QueuedRequest(EvolutionRequest.from_json(request), cases, folder)


def _version_1(order: Mapping[str, JsonValue]) -> JsonValue:
    """The request of version 1, which kept options as they were typed, and null for those that were not."""
    given: dict[str, JsonValue] = {
        name: item for name, item in order.items() if item is not None and name not in ("cases", "folder")
    }
    budget = given.pop("budget", None)
    if isinstance(budget, str) and budget.endswith("m"):
        given |= {"budget": None, "minutes": float(budget.removesuffix("m"))}
    elif isinstance(budget, str):
        given["budget"] = int(budget)
    return given


def step_after(case: FailureCase, *, is_known: bool) -> Step:
    """What a recorded case starts.

    Args:
        case: as it stands in its file: a case that was there before keeps what people made of it.
        is_known: the same agent was evolved with it before, with the same settings.
    """
    if case.status == "pinned":
        return "regression"
    if case.status == "retired":
        return "recurred"
    if case.status == "flaky":
        return "flaky"
    if not case.is_labelled:
        return "unlabelled"
    return "known" if is_known else "evolve"


def with_labels(case: FailureCase, labels: Labels, output: Mapping[str, JsonValue]) -> FailureCase:
    """An unlabelled case with the labels that are known now; a labelled one as it is, for a person may have said so."""
    if case.is_labelled or not (labels.accepted or labels.forbidden):
        return case
    assertions = (*case.assertions, *label_assertions(output, labels.accepted, labels.forbidden))
    return replace(case, accepted=labels.accepted, forbidden=labels.forbidden, assertions=assertions)


def incident(
    agent: Agent,
    diagnostics: Mapping[str, JsonValue],
    prompt: AgentPrompt,
    labels: Labels,
    *,
    said: str,
    provider: str,
) -> Failure:
    """A failed job about which the agent was wrong, or perhaps was, as a failure of that agent.

    Args:
        prompt: what the agent was asked.
        said: what it answered, in words.
    """
    return Failure(
        agent=agent.name,
        test=str(diagnostics["job_id"]),
        vars={"diagnostics": dict(diagnostics)},
        prompt=prompt.text,
        checks=("action",),
        reasons=(said,),
        kind="incident",
        agent_title=agent.title,
        provider=provider,
        accepted=labels.accepted,
        forbidden=labels.forbidden,
        settings=prompt.config,
        output_schema=agent.output,
    )


def name_by_evidence(case: FailureCase) -> FailureCase:
    """An incident's case, named by what its report says: the same evidence is the same case, whatever was answered.

    Numbers in a job's name make no other job: `web-1` and `web-2` fail alike.
    """
    diagnostics = case.vars["diagnostics"]
    assert isinstance(diagnostics, dict)
    evidence = digest(diagnostics)
    name = fingerprint(case.agent, normalise(case.source.test), [case.source.check], [evidence])
    last = evidence.splitlines()[-1] if evidence else "failed"
    told = f"{case.source.test}: {last}"[:_DESCRIPTION_CHARS]
    return replace(case, fingerprint=name, family=name, description=told)
