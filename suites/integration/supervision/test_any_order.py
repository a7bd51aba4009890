"""Whatever happens in whatever order, the promises hold after each step."""

import asyncio
import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.standin.answers import Answer, Request
from evolve.core.cases.redaction import Redactor
from evolve.core.model.healing import OPEN_STATES
from evolve.supervision.claims import lock_key
from evolve.supervision.records import StoredRecords
from fixtures.supervised_cluster import ScriptedProposer, Supervised, VirtualCluster, mock_job

JOBS = ("a", "b", "c", "d")
CEILING_MB = 256
KINDS: dict[str, dict[str, Any]] = {
    "well": {},
    "hungry": {"needs_mb": 100},
    "fails once": {"fails_allocations": 1},
    "dies after a while": {"run_for": 40, "exit_code": 1},
    "always dies": {"run_for": 1, "exit_code": 1},
}
ANSWERS: list[Any] = [
    {"action": "restart"},
    {"action": "increase_memory", "memory_mb": 128},
    {"action": "increase_memory", "memory_mb": 4096},
    {"action": "fix_config", "key": "workers"},
    {"action": "escalate", "reason": "I do not know"},
    {"action": "stop"},
    "no JSON",
]
FAULTS = [Answer(500, "rpc error: EOF"), Answer(403, "Permission denied"), Answer(429, "slow"), Answer(200, b"<html>")]


class AnyOrder(RuleBasedStateMachine):
    """Jobs come, fail, recover and are edited; the supervisor is killed; the wire has faults."""

    consul_address: ClusterAddress

    @initialize(answer=st.sampled_from(ANSWERS))
    def begin(self, answer: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="anneal-any-order-"))
        self.loop = asyncio.new_event_loop()
        self.cluster = VirtualCluster(self.folder / "nomad", nodes=2)
        self.answer: Any = answer
        self.fault: Answer | None = None
        self.faulty_paths = ""
        self.cluster.before = self._fault
        self.counts: dict[str, int] = {}
        self._open()
        self.loop.run_until_complete(self.consul.keys.delete("anneal/", below=True))

    def _fault(self, request: Request) -> Answer | None:
        return self.fault if self.fault is not None and self.faulty_paths in request.path else None

    def _open(self) -> None:
        self.records = StoredRecords(self.folder / "state", Redactor())
        self.consul = ConsulClient(self.consul_address)
        self.one = Supervised(self.cluster, self.records, ScriptedProposer(lambda _: self.answer), self.consul)

    def _close(self) -> None:
        async def go() -> None:
            await self.one.close()
            await self.consul.close()

        self.loop.run_until_complete(go())
        self.records.close()

    @rule(job=st.sampled_from(JOBS), kind=st.sampled_from([*KINDS]), memory=st.sampled_from([64, 96]))
    def a_person_registers(self, job: str, kind: str, memory: int) -> None:
        self.cluster.register(mock_job(job, memory_mb=memory, **KINDS[kind]))

    @precondition(lambda self: self.cluster.state.jobs)
    @rule(job=st.sampled_from(JOBS))
    def a_person_stops(self, job: str) -> None:
        if job in self.cluster.state.jobs:
            self.cluster.register({**mock_job(job), "Stop": True})

    @rule(answer=st.sampled_from(ANSWERS))
    def the_agent_changes_its_mind(self, answer: Any) -> None:
        self.answer = answer

    @rule(seconds=st.sampled_from([1, 5, 30, 90]))
    def time_passes(self, seconds: int) -> None:
        self.loop.run_until_complete(self._pass(seconds))

    async def _pass(self, seconds: int) -> None:
        for second in range(seconds):
            self.cluster.second()
            if second % 10 == 0:
                try:
                    await self.one.service.once()
                except Exception as fault:  # only the cluster's faults may come out of a look
                    if self.fault is None or "ClusterFault" not in str(type(fault).__mro__):
                        raise

    @rule(fault=st.sampled_from([None, *FAULTS]), paths=st.sampled_from(["", "/plan", "/v1/jobs", "/allocations"]))
    def the_wire_breaks_or_heals(self, fault: Answer | None, paths: str) -> None:
        self.fault, self.faulty_paths = fault, paths

    @rule()
    def the_supervisor_is_killed_and_started(self) -> None:
        # Its session stays, as after a kill: another must wait until it ends, and this one has to as well.
        session = self.one.claims._session if self.one.claims is not None else ""
        self._close()
        self._open()
        if session:
            self.loop.run_until_complete(self._end_session(session))

    async def _end_session(self, session: str) -> None:
        await self.consul.keys.release(lock_key("global"), session)
        await self.consul.sessions.destroy(session)

    @invariant()
    def each_failure_is_healed_once(self) -> None:
        if not hasattr(self, "records"):
            return
        keys = Counter(
            attempt.key
            for one in self.records.incidents.list()
            for attempt in one.attempts
            if attempt.state.value not in ("not done",)
        )
        assert not [key for key, number in keys.items() if number > 1]

    @invariant()
    def nothing_is_stopped_scaled_or_grown_beyond_the_ceiling(self) -> None:
        if not hasattr(self, "cluster"):
            return
        for _, path in self.cluster.writes:
            assert path == "/v1/jobs" or path.endswith(("/revert", "/restart")), path
        for request in self.cluster.requests:
            if request.path == "/v1/jobs" and request.method != "GET":
                (group,) = json.loads(request.body)["Job"]["TaskGroups"]
                assert group["Count"] == 1
                assert group["Tasks"][0]["Resources"]["MemoryMB"] <= CEILING_MB

    @invariant()
    def a_job_has_one_open_incident(self) -> None:
        if hasattr(self, "records"):
            jobs = Counter(one.job for one in self.records.incidents.list() if one.state in OPEN_STATES)
            assert not [job for job, number in jobs.items() if number > 1]

    @invariant()
    def the_audit_log_is_whole(self) -> None:
        if hasattr(self, "records"):
            assert self.records.verify().problems == ()

    def teardown(self) -> None:
        if hasattr(self, "records"):
            self._close()
            self.cluster.close()
            self.loop.close()
            shutil.rmtree(self.folder)


STEPS = 50


def play(consul_address: ClusterAddress, examples: int) -> None:
    machine = type("AnyOrderHere", (AnyOrder,), {"consul_address": consul_address})
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=STEPS, deadline=None, suppress_health_check=checks, database=None
        ),
    )


def test_the_promises_hold_in_any_order(consul_address: ClusterAddress) -> None:
    """300 steps."""
    play(consul_address, 6)


@pytest.mark.nightly
def test_the_promises_hold_in_any_order_at_length(consul_address: ClusterAddress) -> None:
    """2,000 steps."""
    play(consul_address, int(os.environ.get("EVOLVE_EXAMPLES", "40")))
