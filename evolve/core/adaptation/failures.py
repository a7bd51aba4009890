"""Decides what follows from a failed job's diagnostics: whether they become a case and start an evolution."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from evolve.core.cases.capture import Failure
from evolve.core.cases.failure_case import FailureCase
from evolve.core.cases.fingerprint import fingerprint, normalise
from evolve.core.cases.labels import label_assertions, label_problems
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.actions import Action
from evolve.core.model.agents import Agent, AgentPrompt
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.text.diagnostics import digest

PER_DAY = 4
"""Default limit of evolutions of one agent in a day: a job that fails all night must not cost a model call a minute."""

_DESCRIPTION_CHARS = 120
"""Shown on one line of a terminal or table."""

Step: TypeAlias = Literal["evolve", "unlabelled", "regression", "recurred", "flaky", "known"]
"""evolve: the case is queued. The others start nothing. unlabelled: no label says what is right. regression: a pinned
case failed again. recurred: a retired case failed again. flaky: it did not reproduce. known: this agent was evolved
with this case and the same settings before."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The right actions for a job, and the harmful ones."""

    accepted: tuple[str, ...] = ()
    """The best first."""
    forbidden: tuple[str, ...] = ()

    def holds(self, answer: Action) -> bool | None:
        """Return whether the answer is right; None when the labels do not decide it."""
        if self.accepted:
            return answer in self.accepted
        if self.forbidden:
            return answer != Action.ERROR and answer not in self.forbidden
        return None

    def checked(self, output: Mapping[str, JsonValue]) -> "Labels":
        """Return these labels if the agent can give such answers.

        Raises:
            InputError: with every label that it cannot give.
        """
        problems = label_problems(output, self.accepted, self.forbidden)
        if problems:
            raise InputError([Problem(message) for message in problems])
        return self


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    """A waiting evolution: what the caller of `evolve adapt` asked for, and in which folder."""

    request: EvolutionRequest
    """Without cases: it uses all cases that are waiting when it runs."""
    cases: str
    """The folder of failure cases, absolute."""
    folder: str
    """The caller's working folder; relative names start there."""

    def key(self, agent_text: str) -> str:
        """Return a digest of what an evolution depends on apart from its cases.

        A case that was evolved with this key gains nothing from a second evolution with it.
        """
        request, usual = self.request, EvolutionRequest()
        budget = None if request.budget in (None, usual.budget) else str(request.budget)
        budget = budget if request.tokens is None else request.budget_text
        # Defaults are None, as in version 1 of the queue, so that its keys stay valid.
        settings = {
            "agent": request.agent,
            "folder": self.folder,
            "suite": request.suite,
            "budget": budget if request.minutes is None else f"{request.minutes:g}m",
            "seed": None if request.seed == usual.seed else request.seed,
            "provider": request.provider,
            "reflector": [*request.reflectors] if request.other_reflectors else request.reflector,
        }
        settings |= {} if request.objective == usual.objective else {"objective": request.objective}
        text = json.dumps([agent_text, settings], sort_keys=True)
        # 64 bits: no two of a project's settings collide.
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
    """Converts a request of version 1, which kept options as they were typed and null for missing ones."""
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
    """Return what a recorded case starts.

    Args:
        case: as in its file; an existing file keeps the status and labels that people gave it.
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
    """Return an unlabelled case with these labels; a labelled case unchanged, because a person may have labelled it."""
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
    answer: str,
    provider: str,
) -> Failure:
    """Return a failed job for which the agent's answer was wrong, or may have been, as a failure of that agent.

    Args:
        agent: the agent that answered.
        diagnostics: the job's report.
        prompt: what the agent was asked.
        labels: right and harmful actions; may be empty.
        answer: the agent's answer, in a sentence for people.
        provider: id of the provider that answered.
    """
    return Failure(
        agent=agent.name,
        test=str(diagnostics["job_id"]),
        vars={"diagnostics": dict(diagnostics)},
        prompt=prompt.text,
        checks=("action",),
        reasons=(answer,),
        kind="incident",
        agent_title=agent.title,
        provider=provider,
        accepted=labels.accepted,
        forbidden=labels.forbidden,
        settings=prompt.config,
        output_schema=agent.output,
    )


def name_by_evidence(case: FailureCase) -> FailureCase:
    """Return an incident's case with a name derived from its report: the same evidence is the same case.

    The agent's answer plays no part. Numbers in a job's name are ignored: `web-1` and `web-2` are one job.
    """
    diagnostics = case.vars["diagnostics"]
    assert isinstance(diagnostics, dict)
    evidence = digest(diagnostics)
    name = fingerprint(case.agent, normalise(case.source.test), [case.source.check], [evidence])
    last = evidence.splitlines()[-1] if evidence else "failed"
    description = f"{case.source.test}: {last}"[:_DESCRIPTION_CHARS]
    return replace(case, fingerprint=name, family=name, description=description)
