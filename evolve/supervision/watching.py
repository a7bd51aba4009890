"""Finds the jobs that should be looked at: events name them at once, and lists find what events have lost."""

import asyncio
from collections.abc import Callable

from evolve.cluster.faults import ClusterFault
from evolve.cluster.nomad.client import NomadClient
from evolve.cluster.nomad.deployments import Deployment
from evolve.cluster.nomad.events import ClusterEvent, ReadLists
from evolve.core.incidents.diagnosis import SETTLE_NS

TOPICS = ("Job:*", "Allocation:*", "Evaluation:*", "Deployment:*")
_SETTLE_S = SETTLE_NS / 1e9
_LONGEST_REST_S = 4 * _SETTLE_S
_SICK = 'ClientStatus == "failed" or ClientStatus == "lost" or ClientStatus == "pending" or ClientStatus == "unknown"'

JobName = tuple[str, str]
"""Namespace and ID."""


class JobWatch:
    """The jobs that something happened to, until `take` hands them over.

    A job is handed over a moment after its last event: Nomad names the follow-up of a failure a little later.

    Args:
        nomad: a client that may read jobs of all namespaces (`namespace` is `*`).
        clock: seconds, for the moment.
        note_fault: takes a fault of the stream or of a list; the watch goes on.
        note_answer: is called when all lists were read.
    """

    def __init__(
        self,
        nomad: NomadClient,
        clock: Callable[[], float],
        note_fault: Callable[[ClusterFault], None],
        note_answer: Callable[[], None],
    ) -> None:
        self._nomad, self._clock = nomad, clock
        self._note_fault, self._note_answer = note_fault, note_answer
        self._due: dict[JobName, float] = {}
        self._first: dict[JobName, float] = {}
        self.changed = asyncio.Event()
        """Set whenever a job was marked."""

    def mark(self, name: JobName, *, after_s: float = 0.0) -> None:
        """Have a job looked at, not before so many seconds."""
        now = self._clock()
        first = self._first.setdefault(name, now)
        # Each event moves the look on, but a job that never rests is looked at too.
        self._due[name] = min(max(self._due.get(name, 0.0), now + after_s), first + _LONGEST_REST_S)
        self.changed.set()

    def take(self) -> list[JobName]:
        """Return the jobs whose moment has come, and forget them."""
        now = self._clock()
        ready = [name for name, at in self._due.items() if at <= now]
        for name in ready:
            del self._due[name], self._first[name]
        return ready

    async def follow(self) -> None:
        """Mark jobs for ever, as events and lists name them."""
        async for item in self._nomad.events.feed(*TOPICS).items():
            if isinstance(item, ReadLists):
                if item.fault is not None:
                    self._note_fault(item.fault)
                try:
                    await self.read_lists()
                except ClusterFault as fault:
                    self._note_fault(fault)
            else:
                self._mark_event(item)

    async def read_lists(self) -> None:
        """Mark all jobs whose lists show something that is not well.

        Raises:
            ClusterFault: Nomad does not answer.
        """
        async for one in self._nomad.allocations.list(expression=_SICK):
            # What was replaced stays in the list for hours, and says nothing about its job.
            if one.desired_status == "run" and not one.next_id:
                self.mark((one.namespace or "default", one.job_id))
        async for evaluation in self._nomad.evaluations.list(expression='Status == "blocked"'):
            self.mark((evaluation.namespace or "default", evaluation.job_id))
        newest: dict[JobName, Deployment] = {}
        async for deployment in self._nomad.deployments.list():
            name = (deployment.namespace or "default", deployment.job_id)
            if name not in newest or deployment.create_index > newest[name].create_index:
                newest[name] = deployment
        for name, deployment in newest.items():
            if deployment.status == "failed":
                self.mark(name)
        self._note_answer()

    def _mark_event(self, event: ClusterEvent) -> None:
        if event.topic == "Job":
            job = event.key
        else:
            of = event.payload.fields(event.topic)
            job = of.text("JobID")
        if job:
            self.mark((event.namespace or "default", job), after_s=_SETTLE_S)
