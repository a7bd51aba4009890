"""The intake of a failed job: the agent is asked, its failure becomes a case, and the case waits for an evolution."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

from evolve.adaptation.reflection_agent import ask_about, diagnostics_prompt, no_action
from evolve.core.adaptation.failures import Labels, QueuedRequest, incident, name_by_evidence, step_after, with_labels
from evolve.core.adaptation.status import AgentAnswer, IntakeResult
from evolve.core.cases.capture import NotCaptured, find_known_ids, make_case
from evolve.core.cases.failure_case import FailureCase
from evolve.core.cases.redaction import CannotRedact, Redactor
from evolve.core.incidents.proposal import read_proposal
from evolve.core.model.actions import Action, Proposal
from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.json_value import JsonValue
from evolve.evaluation.agent_client import AgentClient
from evolve.store.adaptation_queue import AdaptationQueue
from evolve.store.agent_files import agent_text
from evolve.store.case_files import CaseFolder

_NOT_SHOWN: Final = "the model's answer is no valid action (not shown: it could not be searched for secrets)"


async def ask(client: AgentClient, diagnostics: Mapping[str, JsonValue], redactor: Redactor) -> AgentAnswer:
    """Return the agent's answer, with secrets of the report redacted: a model may repeat them.

    Raises:
        EnvironmentFault: the endpoint failed, which is not the agent's mistake.
        CannotEvaluate: the user's own provider code failed, which is not either.
    """
    output = await ask_about(client, diagnostics)
    found = read_proposal(output)
    action = found.action if isinstance(found, Proposal) else None
    return (
        AgentAnswer(action)
        if action is not None
        else AgentAnswer(Action.ERROR, _refusal(output, diagnostics, redactor))
    )


def take_in(
    report: Mapping[str, JsonValue],
    answer: AgentAnswer,
    labels: Labels,
    *,
    client: AgentClient,
    queued: QueuedRequest,
    queue: AdaptationQueue,
    folder: CaseFolder,
    redactor: Redactor,
) -> IntakeResult:
    """Record the failure as a case and queue it, unless the agent was right or the case is not used for evolution.

    Args:
        report: the diagnostics of the failed job.
        answer: the agent's answer about it.
        labels: the actions that are right, and those that do harm; may be empty.
        client: the agent, and who answers for it.
        queued: how the evolution is to run.
        queue: where the case waits.
        folder: where the case is written.
        redactor: removes secrets before anything is written.

    Raises:
        InputError: the file of a known case is wrong.
        EnvironmentFault: the report could not be searched for secrets, or a file cannot be written.
    """
    agent = client.agent
    taken = IntakeResult(str(report["job_id"]), agent.title, answer)
    if labels.holds(answer.action):
        return taken
    case = _case(report, answer, labels, client, redactor)
    recorded = folder.record(case)
    if recorded is None:
        raise EnvironmentFault(f"no room for a new case in {folder.path}")
    path = Path(recorded.file).resolve()
    kept = folder.update(path, lambda known: with_labels(known, labels, agent.output))
    key = queued.key(agent_text(agent))
    name = str(client.file.resolve())
    evolved = queue.evolved(name, kept.fingerprint, key)
    step = step_after(kept, is_known=evolved is not None)
    is_new = step == "evolve" and queue.add(name, kept.fingerprint, str(path), queued, key)
    return IntakeResult(taken.job_id, agent.title, answer, recorded, step, is_new, evolved)


def _refusal(output: JsonValue, diagnostics: Mapping[str, JsonValue], redactor: Redactor) -> str:
    """Why an answer names no action. It is redacted before it is cut: half a secret would not be found."""
    try:
        return no_action(redactor.with_ids(find_known_ids(dict(diagnostics))).redact(output))
    except CannotRedact:
        return _NOT_SHOWN


def _case(
    report: Mapping[str, JsonValue],
    answer: AgentAnswer,
    labels: Labels,
    client: AgentClient,
    redactor: Redactor,
) -> FailureCase:
    """The case of a report. Its prompt is rendered again from the redacted report, so it contains no secret."""
    words = answer.error or f"the agent answered {answer.action}"
    prompt = diagnostics_prompt(client, report)
    failure = incident(client.agent, report, prompt, labels, answer=words, provider=client.provider_id)
    made = make_case(failure, redactor, today=date.today().isoformat(), render=lambda vars: _render(client, vars))
    if isinstance(made, NotCaptured):
        raise EnvironmentFault(f"no case was written and no evolution started: {made.reason}")
    return name_by_evidence(made)


def _render(client: AgentClient, vars: Mapping[str, JsonValue]) -> str:
    diagnostics = vars["diagnostics"]
    assert isinstance(diagnostics, dict)
    return diagnostics_prompt(client, diagnostics).text
