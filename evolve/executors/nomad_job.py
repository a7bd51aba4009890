"""An evolution as a child of the parameterized job `evolve-run`: dispatched once, followed to its end.

The job's template is in the role bootstrap_agent. Its payload is the request as JSON, its meta the folder on the node
in which the request's paths begin. The token of a dispatch is made of the request and the number of its children that
have ended: while one runs, the same request finds that child, from whatever terminal it is made.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from evolve.cluster.faults import ClusterFault, NodeGone, NotFound, NotYet, Rejected
from evolve.cluster.nomad.allocations import NomadAllocation
from evolve.cluster.nomad.client import NomadClient
from evolve.cluster.nomad.jobs import Dispatched
from evolve.cluster.nomad.logs import Stream
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.errors import EnvironmentFault, InputError, Problem

JOB = "evolve-run"
TASK = "evolve"
"""The name of the one task of the job."""
_POLL_S = 1.0
_PAYLOAD_BYTES = 16_384
"""Nomad's own limit."""
_DISPATCHES = 3
"""Tries of a dispatch that had no answer: its token makes them one."""
_LOST = ("lost", "unknown")
_AGAIN = "the same command dispatches it again, and it continues from its ledger"
Write = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class JobEnding:
    """How the child ended."""

    code: int
    """The program's exit code."""
    stdout: str


@dataclass(frozen=True, slots=True)
class Follower:
    """Where the lines about a job go."""

    note: Write
    """One line about the job."""
    stderr: Write
    """What the program printed on stderr, as it comes."""


class NomadEvolution:
    """One request, run by Nomad.

    Args:
        nomad: the client; it stays open.
        request: what to evolve; its paths are the node's.
        folder: on the node, where relative paths begin.
        prints_json: whether the program prints its result as JSON.
        poll_s: pause between two looks at the child.
    """

    def __init__(
        self,
        nomad: NomadClient,
        request: EvolutionRequest,
        *,
        folder: str,
        prints_json: bool = False,
        poll_s: float = _POLL_S,
    ) -> None:
        self._nomad, self._request, self._folder = nomad, request, folder
        self._flags = "--json" if prints_json else ""
        self._poll_s = poll_s

    async def run(self, follower: Follower) -> JobEnding:
        """Dispatch the request, follow its child, and return how it ended.

        Raises:
            InputError: the request is larger than a dispatch may be.
            EnvironmentFault: there is no such job, or Nomad does not answer.
        """
        child = await self._dispatch(follower)
        return await _Child(self._nomad, child, follower, self._poll_s).ending()

    async def _dispatch(self, follower: Follower) -> str:
        ended = 0
        while True:
            found = await self._dispatch_once(ended)
            if found.eval_id:
                follower.note(f"dispatched {found.job_id}; Ctrl-C leaves it running, the same command follows it again")
                return found.job_id
            if not await self._has_ended(found.job_id):
                follower.note(f"{found.job_id} runs already and is followed")
                return found.job_id
            ended += 1

    async def _dispatch_once(self, ended: int) -> Dispatched:
        payload = json.dumps(self._request.to_json()).encode()
        if len(payload) > _PAYLOAD_BYTES:
            text = f"the request has {len(payload)} bytes, and Nomad takes {_PAYLOAD_BYTES}"
            raise InputError(Problem(text, None, "name folders of failure cases instead of each file"))
        meta = {"folder": self._folder, "flags": self._flags}
        for last in (False,) * (_DISPATCHES - 1) + (True,):
            try:
                return await self._nomad.jobs.dispatch(JOB, payload=payload, meta=meta, token=self._token(ended))
            except NotFound as fault:
                hint = "register it: the role bootstrap_agent with bootstrap_agent_evolve_run=true"
                raise EnvironmentFault(f"Nomad has no job {JOB}", hint=hint) from fault
            except Rejected as fault:
                raise EnvironmentFault(fault.message, hint=f"look at `nomad job status {JOB}`") from fault
            except ClusterFault as fault:
                if last:
                    raise
                await asyncio.sleep(fault.retry_after_s or self._poll_s)
        raise AssertionError("the last try returns or raises")

    def _token(self, ended: int) -> str:
        # Without `command`: how a request was typed does not make it another one.
        parts = [replace(self._request, command="").to_json(), self._folder, self._flags, ended]
        return f"evolve-{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]}"

    async def _has_ended(self, child: str) -> bool:
        return (await self._nomad.jobs.read(child)).status == "dead"


class _Child:
    """The dispatched job while it is followed."""

    def __init__(self, nomad: NomadClient, job: str, follower: Follower, poll_s: float) -> None:
        self._nomad, self._job, self._follower, self._poll_s = nomad, job, follower, poll_s
        self._shown = ""
        self._offsets: dict[str, int] = {}

    async def ending(self) -> JobEnding:
        """Show what happens until the job is dead. A Nomad that does not answer meanwhile is waited for."""
        while True:
            try:
                job = await self._nomad.jobs.read(self._job)
                newest = await self._newest()
                await self._show(newest)
                if job.status == "dead":
                    return await self._end(newest, is_stopped=job.is_stopped)
            except NotFound as fault:
                raise EnvironmentFault(f"{self._job} is gone: somebody purged it", hint=_AGAIN) from fault
            except ClusterFault as fault:
                self._note(f"waits for Nomad: {fault.message}")
            await asyncio.sleep(self._poll_s)

    async def _newest(self) -> NomadAllocation | None:
        found = await self._nomad.jobs.allocations(self._job)
        return max(found, key=lambda one: one.create_index, default=None)

    async def _show(self, newest: NomadAllocation | None) -> None:
        if newest is None:
            self._note(await self._why_unplaced())
            return
        self._note(f"{self._job} is {newest.client_status} (allocation {newest.id[:8]})")
        self._follower.stderr(await self._log(newest, "stderr", self._offsets.get(newest.id, 0)))

    async def _why_unplaced(self) -> str:
        failures = [one.failures for one in await self._nomad.jobs.evaluations(self._job) if one.failures]
        if not failures:
            return f"{self._job} waits for a node"
        return f"{self._job} waits: no node has what it asks for (`nomad job status {self._job}` says what is missing)"

    async def _log(self, one: NomadAllocation, stream: Stream, offset: int) -> str:
        try:
            part = await self._nomad.allocations.log_from(one.id, TASK, stream, offset)
        except (NotFound, NotYet, NodeGone):  # nothing was printed yet, or the node is away
            return ""
        if stream == "stderr":
            self._offsets[one.id] = part.next_offset
        return part.text

    async def _end(self, newest: NomadAllocation | None, *, is_stopped: bool) -> JobEnding:
        if newest is None or newest.client_status in _LOST or is_stopped:
            why = "somebody stopped it" if is_stopped else "its node was lost"
            raise EnvironmentFault(f"{self._job} did not end by itself: {why}", hint=_AGAIN)
        events = newest.tasks[TASK].events if TASK in newest.tasks else ()
        codes = [event.exit_code for event in events if event.type == "Terminated"]
        if not codes:
            last = events[-1].message if events else newest.client_description
            hint = f"see all of it with `nomad alloc status {newest.id[:8]}`"
            raise EnvironmentFault(f"{self._job} could not be started: {last}", hint=hint)
        return JobEnding(codes[-1], await self._log(newest, "stdout", 0))

    def _note(self, line: str) -> None:
        if line != self._shown:
            self._shown = line
            self._follower.note(line)
