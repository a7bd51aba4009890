"""Hands what no action healed, or what one did, to the adaptation manager: a failure case, and perhaps an evolution."""

from collections.abc import Callable
from typing import Protocol

from evolve.adaptation.intake import take_in
from evolve.core.adaptation.failures import Labels, QueuedRequest
from evolve.core.adaptation.status import AgentAnswer
from evolve.core.cases.redaction import Redactor
from evolve.core.model.actions import MODEL_ACTIONS, Action
from evolve.core.model.errors import EnvironmentFault, InputError
from evolve.core.model.healing import Incident
from evolve.evaluation.agent_client import AgentClient
from evolve.store.adaptation_queue import AdaptationQueue
from evolve.store.case_files import CaseFolder


class Learner(Protocol):
    """Somebody who remembers failures."""

    async def learn(
        self,
        incident: Incident,
        answered: Action,
        *,
        why: str = "",
        accepted: Action | None = None,
        harmful: tuple[Action, ...] = (),
    ) -> str:
        """Return the fingerprint of the case that was written; empty where none was.

        Args:
            incident: with the redacted report of its failure.
            answered: the agent's action.
            why: what went wrong, for the case.
            accepted: the action that healed it; None where nobody knows.
            harmful: actions after which less ran than before.
        """
        ...


class CaseLearner:
    """Writes failure cases and queues evolutions, as `evolve adapt` does.

    Args:
        client: the agent, and who answers for it.
        queued: how an evolution is to run.
        queue: where cases wait.
        folder: where cases are written.
        redactor: removes secrets.
        may_write: whether one more case of a job may be written today; counts it.
        start: begins an evolution of what waits.
        report: takes a line for the log where a case could not be written.
    """

    def __init__(
        self,
        client: AgentClient,
        queued: QueuedRequest,
        queue: AdaptationQueue,
        folder: CaseFolder,
        redactor: Redactor,
        *,
        may_write: Callable[[str], bool],
        start: Callable[[], None],
        report: Callable[[str], None],
    ) -> None:
        self._client, self._queued, self._queue = client, queued, queue
        self._folder, self._redactor = folder, redactor
        self._may_write, self._start, self._report = may_write, start, report

    async def learn(
        self,
        incident: Incident,
        answered: Action,
        *,
        why: str = "",
        accepted: Action | None = None,
        harmful: tuple[Action, ...] = (),
    ) -> str:
        """Write the case; see `Learner.learn`."""
        if not incident.report or not self._may_write(f"{incident.namespace}/{incident.job}"):
            return ""
        labels = Labels((accepted,) if accepted is not None else (), harmful)
        # The first action that was tried is what the agent answered before anybody knew better.
        first = incident.attempts[0].action if incident.attempts else answered
        answer = AgentAnswer(first, "" if first in MODEL_ACTIONS else why)
        try:
            taken = take_in(
                incident.report,
                answer,
                labels,
                client=self._client,
                queued=self._queued,
                queue=self._queue,
                folder=self._folder,
                redactor=self._redactor,
            )
            if taken.is_new_in_queue:
                self._start()
        except (EnvironmentFault, InputError) as fault:
            self._report(f"no case of {incident.job}: {fault}")
            return ""
        return taken.recorded.fingerprint if taken.recorded is not None else ""
