"""Keeps a supervisor at work: the lock is held, jobs are found and looked at, and a silent cluster is reported."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from evolve.cluster.faults import ClusterFault
from evolve.core.model.errors import StoreFault
from evolve.core.model.healing import IncidentState
from evolve.store.incidents import LostUpdate
from evolve.store.retention import KEPT_DAYS
from evolve.supervision.claims import TTL_S, Claims
from evolve.supervision.metrics import Metrics
from evolve.supervision.notices import Notices
from evolve.supervision.records import Records
from evolve.supervision.supervisor import Supervisor
from evolve.supervision.takeover import Takeover
from evolve.supervision.watching import JobName, JobWatch

_AFTER_A_FAULT_S = 5.0
_SWEEP_EVERY_S = 3600.0
"""Old claims and incidents are deleted so often."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Times of the service, in seconds."""

    every_s: float = 2.0
    """Between two looks at what is being healed."""
    all_every_s: float = 300.0
    """Between two looks at all jobs with an open incident, those that people were called about too."""
    alert_after_s: float = 300.0
    """A cluster that does not answer for so long is reported."""
    keep_days: int = KEPT_DAYS
    """How long incidents are kept that ended; 0 for ever."""


class Service:
    """Runs a supervisor.

    Args:
        supervisor: decides.
        watch: finds the jobs.
        claims: the lock; None without Consul.
        records: incidents, for those that are due.
        notices: reports a silent cluster.
        metrics: is kept up to date.
        clock: seconds since 1970.
        rhythm: times.
        note_fault: takes a fault of the cluster; without it, it is counted.
        note_lock: is called when Consul has answered about the lock.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        watch: JobWatch,
        claims: Claims | None,
        records: Records,
        notices: Notices,
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        rhythm: Rhythm | None = None,
        note_fault: Callable[[ClusterFault], None] | None = None,
        note_lock: Callable[[], None] = lambda: None,
    ) -> None:
        self._supervisor, self._watch, self._claims = supervisor, watch, claims
        self._records, self._notices, self._metrics = records, notices, metrics
        self._clock, self._rhythm = clock, rhythm or Rhythm()
        self.note_fault = note_fault or (lambda fault: metrics.note_fault(type(fault).__name__))
        self._note_lock = note_lock
        self._takeover = Takeover(supervisor.book, claims) if claims is not None else None
        self._is_standby = False
        self._reconciled_term = 0
        self._reported_at = 0.0
        self._store_fault_at = float("-inf")
        self._all_at = float("-inf")
        self._swept_at = float("-inf")
        self._pruned_at = float("-inf")
        metrics.answered_at = clock()

    async def run(self) -> None:
        """Work until it is cancelled; then the lock is given back."""
        tasks: list[asyncio.Future[None]] = []
        try:
            if self._claims is not None:
                # Before the first look: two that start together must not both call people.
                await self._hold(self._claims)
                tasks.append(asyncio.ensure_future(self._keep_lock(self._claims)))
            tasks.append(asyncio.ensure_future(self._watch.follow()))
            while True:
                self._watch.changed.clear()  # before the look: what is marked during it is not missed
                await self._try_step()
                with contextlib.suppress(TimeoutError):
                    # Not wait_for: in Python 3.11 it loses a cancellation that comes with the end of its time.
                    async with asyncio.timeout(self._rhythm.every_s):
                        await self._watch.changed.wait()
                for task in tasks:
                    if task.done():
                        task.result()  # a bug of ours ends the service instead of leaving it deaf
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._claims is not None:
                await self._claims.release()

    def metrics_text(self) -> str:
        """Return the metrics as Prometheus reads them; incidents are counted now, or as before where they cannot be."""
        with contextlib.suppress(StoreFault):
            incidents = self._records.open_incidents()
            self._metrics.incidents = Counter(one.state for one in incidents)
            self._metrics.healings = Counter(attempt.state for one in incidents for attempt in one.attempts)
        return self._metrics.text()

    async def _try_step(self) -> None:
        """Step; while nothing can be written down, nothing is decided, and people are called."""
        try:
            await self.step()
        except StoreFault as fault:
            if self._clock() - self._store_fault_at > self._rhythm.alert_after_s:
                self._store_fault_at = self._clock()
                await self._notices.send(None, f"nothing is decided, because nothing can be recorded: {fault}", ())
            await asyncio.sleep(self._rhythm.every_s)

    async def once(self) -> None:
        """Look at everything that is not well, once.

        Raises:
            ClusterFault: Nomad does not answer.
        """
        if self._claims is not None:
            await self._hold(self._claims)
        await self._watch.read_lists()
        await self.step()

    async def step(self) -> None:
        """Look at the jobs whose time has come."""
        names = dict.fromkeys([*self._watch.take(), *self._due()])
        if names and not self._is_standby:
            began = self._clock()
            faults = await self._supervisor.look(names)
            self._metrics.looks += len(names)
            self._metrics.decision_s += self._clock() - began
            self._metrics.decisions += 1
            for name, fault in faults.items():
                self.note_fault(fault)
                self._watch.mark(name, after_s=_AFTER_A_FAULT_S)
            if len(faults) < len(names):
                self._metrics.answered_at = self._clock()
        self._prune()
        await self._report_silence()

    def _prune(self) -> None:
        """Delete old incidents now and then."""
        now, days = self._clock(), self._rhythm.keep_days
        if days and not self._is_standby and now - self._pruned_at >= _SWEEP_EVERY_S:
            self._pruned_at = now
            self._records.prune(days, now)

    def _due(self) -> list[JobName]:
        now = self._clock()
        # No event comes of what happened while nobody listened, and no list has a job that is well or gone.
        is_all = now - self._all_at >= self._rhythm.all_every_s
        self._all_at = now if is_all else self._all_at
        due = []
        for one in self._records.open_incidents():
            is_watched = is_all or one.state in (IncidentState.HEALING, IncidentState.WAITING) or one.well_since
            if is_watched or (one.state is IncidentState.OPEN and one.next_at <= now):
                due.append((one.namespace, one.job))
        return due

    async def _keep_lock(self, claims: Claims) -> None:
        while True:
            await self._hold(claims)
            await self._sweep(claims)
            await asyncio.sleep(TTL_S / 4)

    async def _sweep(self, claims: Claims) -> None:
        """Delete old claims now and then; they would stay in Consul for ever."""
        if not claims.is_leader or self._clock() - self._swept_at < _SWEEP_EVERY_S:
            return
        self._swept_at = self._clock()
        try:
            await claims.sweep()
        except ClusterFault as fault:
            self.note_fault(fault)

    async def _hold(self, claims: Claims) -> None:
        was_standby = self._is_standby
        try:
            is_ours = await claims.hold()
            # Before the first decision: what another one began is to be verified, not healed once more.
            if is_ours and self._reconciled_term != claims.term:
                is_ours = await self._reconcile(claims)
            self._is_standby = not is_ours
        except ClusterFault as fault:
            # Nobody can claim now, so nobody changes anything; diagnosing goes on. One that has won the lock and cannot
            # read what was begun before waits.
            self._is_standby |= claims.is_leader and self._reconciled_term != claims.term
            self.note_fault(fault)
            return
        finally:
            self._metrics.is_leader = claims.is_leader
        self._note_lock()
        if was_standby and not self._is_standby:
            try:
                await self._watch.read_lists()
            except ClusterFault as fault:
                self.note_fault(fault)

    async def _reconcile(self, claims: Claims) -> bool:
        """Whether decisions may begin; where memory and claims do not agree yet, the next renewal tries again.

        Raises:
            ClusterFault: Consul does not answer.
        """
        assert self._takeover is not None
        try:
            await self._takeover.reconcile()
        except LostUpdate:
            return False  # `evolve approve` was faster
        except StoreFault:
            return True  # nothing can be recorded, so nothing is decided either, and that is reported there
        self._reconciled_term = claims.term
        return True

    async def _report_silence(self) -> None:
        silent_s = self._clock() - self._metrics.answered_at
        since_report_s = self._clock() - self._reported_at
        if min(silent_s, since_report_s) > self._rhythm.alert_after_s:
            self._reported_at = self._clock()
            await self._notices.send(None, f"the cluster has not answered for {silent_s:.0f} s", ())
