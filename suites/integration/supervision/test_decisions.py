"""What a supervisor decides when something has to wait, is refused, or changes while it is decided."""

import asyncio
import contextlib
import json
import platform
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.faults import Unreachable
from evolve.cluster.standin.answers import Answer, Request
from evolve.core.model.actions import MODEL_ACTIONS, Action
from evolve.core.model.errors import StoreFault
from evolve.core.model.healing import (
    Approval,
    AttemptState,
    HealingLimits,
    HealingPolicy,
    IncidentState,
    JobRule,
    Mode,
    PendingPlan,
)
from evolve.store.incidents import IncidentStore
from evolve.supervision.claims import Claim, Claims, claims_below
from evolve.supervision.records import StoredRecords
from evolve.supervision.service import Rhythm, Service
from fixtures.incidents import incident
from fixtures.supervised_cluster import ANYTHING, Supervised, VirtualCluster, mock_job

RESTART = {"action": "restart"}
MORE = {"action": "increase_memory", "memory_mb": 128}
FAILS_ONCE = {"fails_allocations": 1}
HUNGRY = {"memory_mb": 64, "needs_mb": 100}


def limited(**limits: Any) -> HealingPolicy:
    """All is allowed, within these limits."""
    return replace(ANYTHING, limits=replace(ANYTHING.limits, **limits))


def incidents(one: Supervised) -> list[Any]:
    return list(one.records.incidents.list())  # type: ignore[attr-defined]


def scratch_policy(folder: Path) -> HealingPolicy:
    rule = JobRule("*", Mode.ACT, frozenset(MODEL_ACTIONS), scratch_paths=(str(folder),))
    return HealingPolicy((rule,), HealingLimits(healthy_s=10.0))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / "old").write_bytes(b"x" * 100)
    return folder


HERE = {"unique.hostname": platform.node(), "unique.network.ip-address": "127.0.0.1"}


@pytest.mark.parametrize(
    "attributes",
    [{}, {**HERE, "unique.hostname": "elsewhere"}, {**HERE, "unique.network.ip-address": "192.0.2.1"}],
    ids=["unknown", "another name", "another address"],
)
def test_folders_of_another_machine_are_not_emptied_here(
    cluster: VirtualCluster, play: Any, scratch: Path, attributes: dict[str, str]
) -> None:
    for node in cluster.nodes:
        cluster.state.nodes[node.node_id]["Attributes"] = attributes
    cluster.register(mock_job("web", **FAILS_ONCE))
    one = play(lambda one: one.run(12), {"action": "free_disk", "path": str(scratch)}, policy=scratch_policy(scratch))
    assert (scratch / "old").exists()
    assert cluster.writes == []
    (found,) = incidents(one)
    assert found.state is IncidentState.ESCALATED
    assert "empties only its own" in found.note


def test_folders_of_this_machine_are_emptied(cluster: VirtualCluster, play: Any, scratch: Path) -> None:
    for node in cluster.nodes:
        cluster.state.nodes[node.node_id]["Attributes"] = HERE
    cluster.register(mock_job("web", **FAILS_ONCE))
    one = play(lambda one: one.run(40), {"action": "free_disk", "path": str(scratch)}, policy=scratch_policy(scratch))
    assert not (scratch / "old").exists()
    assert [found.state for found in incidents(one)] == [IncidentState.HEALED]


def test_deleted_files_are_recorded_where_the_register_lost_its_race(
    cluster: VirtualCluster, play: Any, scratch: Path
) -> None:
    for node in cluster.nodes:
        cluster.state.nodes[node.node_id]["Attributes"] = HERE
    spec = mock_job("web", **FAILS_ONCE)
    cluster.register(spec)
    is_first = True

    def be_faster(request: Request) -> Answer | None:
        nonlocal is_first
        if request.path == "/v1/jobs" and request.method != "GET" and is_first:
            is_first = False
            cluster.register({**spec, "Meta": {"by": "a person"}})
        return None

    cluster.before = be_faster
    one = play(lambda one: one.run(14), {"action": "free_disk", "path": str(scratch)}, policy=scratch_policy(scratch))
    (attempt,) = incidents(one)[0].attempts
    assert attempt.state is AttemptState.NOT_DONE
    assert "100 bytes were deleted" in attempt.result


def test_a_plan_that_waits_is_not_asked_for_again(cluster: VirtualCluster, play: Any) -> None:
    for name in ("one", "two"):
        cluster.register(mock_job(name, **FAILS_ONCE))
    one = play(lambda one: one.run(120, every=6), RESTART, policy=limited(per_hour=1))
    assert len(cluster.writes) == 1
    assert len(one.proposer.seen) == 2


def test_a_dependency_that_never_answers_is_a_persons_in_the_end(cluster: VirtualCluster, play: Any) -> None:
    cluster.register(mock_job("web", exit_code=1, run_for=1))
    text = b"dial tcp: lookup db: connection refused\n"
    cluster.before = lambda request: Answer(200, text) if "/fs/logs/" in request.path else None
    answer = {"action": "wait_dependency", "service": "db"}
    one = play(lambda one: one.run(300, every=5), answer, policy=limited(approval_s=120.0))
    assert cluster.writes == []
    assert len(one.proposer.seen) == 1
    (found,) = incidents(one)
    assert found.state is IncidentState.ESCALATED
    assert "waits for db, which is absent" in found.note


def test_a_cluster_that_refuses_each_change_is_not_asked_for_ever(cluster: VirtualCluster, play: Any) -> None:
    cluster.register(mock_job("web", **FAILS_ONCE))

    def deny(request: Request) -> Answer | None:
        return Answer(403, "Permission denied") if (request.method, request.path) == ("POST", "/v1/jobs") else None

    cluster.before = deny
    one = play(lambda one: one.run(900, every=15), RESTART)
    (found,) = incidents(one)
    assert found.state is IncidentState.ESCALATED
    assert "Permission denied" in found.note
    assert [attempt.state for attempt in found.attempts] == [AttemptState.NOT_DONE] * 3
    assert one.learner.learned == [], "a token without a right says nothing about the agent"


def test_a_common_cause_is_one_call_however_long_it_lasts(cluster: VirtualCluster, play: Any) -> None:
    for number in range(4):
        cluster.register(mock_job(f"job-{number}", **FAILS_ONCE))
    one = play(lambda one: one.run(300, every=10), RESTART, policy=limited(common_cause_jobs=4))
    assert cluster.writes == []
    assert sum("common cause" in line for line in one.log) == 1


def test_a_job_that_a_person_changed_while_it_was_verified_is_not_healed_by_us(
    cluster: VirtualCluster, play: Any
) -> None:
    cluster.register(mock_job("web", **HUNGRY))

    async def go(one: Supervised) -> None:
        await one.run(12)
        assert [found.state for found in incidents(one)] == [IncidentState.HEALING]
        cluster.register(mock_job("web", memory_mb=200, needs_mb=100))
        await one.run(120, every=5)

    one = play(go, MORE)
    (found,) = incidents(one)
    assert found.state is IncidentState.RECOVERED
    assert found.attempts[0].state is AttemptState.FAILED
    assert "somebody changed the job" in found.attempts[0].result
    assert one.learner.learned == []


def test_an_undo_whose_answer_was_lost_is_found_again(cluster: VirtualCluster, play: Any) -> None:
    cluster.register(mock_job("web", memory_mb=64))
    for _ in range(5):
        cluster.second()
    cluster.register(mock_job("web", memory_mb=64, run_for=5, exit_code=1))

    def lose(request: Request) -> Answer | None:
        if not request.path.endswith("/revert"):
            return None
        cluster.api.answer(request)
        return Answer(500, "rpc error: EOF")

    cluster.before = lose
    one = play(lambda one: one.run(60), MORE, policy=limited(first_backoff_s=600.0))
    assert incidents(one)[0].attempts[0].state is AttemptState.UNDONE
    assert [path for _, path in cluster.writes].count("/v1/job/web/revert") == 1


def test_nothing_is_taken_back_while_consul_does_not_answer(cluster: VirtualCluster, play: Any) -> None:
    cluster.register(mock_job("web", memory_mb=64))
    for _ in range(5):
        cluster.second()
    cluster.register(mock_job("web", memory_mb=64, run_for=5, exit_code=1))

    async def silent() -> bool:
        raise Unreachable("cannot connect", call="consul")

    async def go(one: Supervised) -> None:
        assert one.claims is not None
        while not cluster.writes:
            await one.run(2)
        real, one.claims.hold, one.claims._held_until = one.claims.hold, silent, 0.0  # type: ignore[method-assign]
        await one.run(40, every=5)
        assert [path for _, path in cluster.writes] == ["/v1/jobs"]
        assert "as soon as this supervisor leads again" in incidents(one)[0].note
        one.claims.hold = real  # type: ignore[method-assign]
        await one.run(10, every=5)

    one = play(go, MORE, policy=limited(first_backoff_s=600.0))
    assert incidents(one)[0].attempts[0].state is AttemptState.UNDONE


def test_an_incident_that_people_have_ends_when_its_job_is_gone_though_no_event_came(
    cluster: VirtualCluster, play: Any
) -> None:
    cluster.register(mock_job("web", **FAILS_ONCE))

    async def go(one: Supervised) -> None:
        await one.run(12)
        assert [found.state for found in incidents(one)] == [IncidentState.ESCALATED]
        cluster.register({**mock_job("web"), "Stop": True})
        await one.run(400, every=20)

    one = play(go, {"action": "escalate", "reason": "I do not know"})
    assert [found.state for found in incidents(one)] == [IncidentState.CLOSED]


def full_disk(*_: Any) -> Any:
    raise StoreFault("no space left", path="/state")


async def until(is_true: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not is_true():
            await asyncio.sleep(0.01)


def service_of(one: Supervised) -> Service:
    return Service(
        one.supervisor,
        one.watch,
        one.claims,
        one.records,
        one.notices,
        one.metrics,
        clock=lambda: one.cluster.now,
        rhythm=Rhythm(every_s=0.01),
    )


@contextlib.asynccontextmanager
async def running(service: Service) -> AsyncIterator[None]:
    task = asyncio.ensure_future(service.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_an_old_version_that_no_node_takes_does_not_come_back(cluster: VirtualCluster, play: Any) -> None:
    cluster.register(mock_job("web"))
    for _ in range(20):
        cluster.second()
    cluster.state.versions["web"][0]["Stable"] = True
    cluster.register(mock_job("web", run_for=1, exit_code=1))

    def fill(request: Request) -> Answer | None:
        if not request.path.endswith("/plan"):
            return None
        answer = cluster.api.answer(request)
        return replace(answer, body={**answer.body, "FailedTGAllocs": {"app": {"DimensionExhausted": {"memory": 3}}}})

    cluster.before = fill
    one = play(lambda one: one.run(12), {"action": "fix_config", "key": "workers"})
    assert cluster.writes == []
    assert "placement: no node takes app" in incidents(one)[0].note


def test_a_full_disk_of_the_supervisor_is_reported_and_outlived(cluster: VirtualCluster, play: Any) -> None:
    cluster.register(mock_job("web", **FAILS_ONCE))
    for _ in range(10):
        cluster.second()

    async def go(one: Supervised) -> None:
        real, one.records.open_incidents = one.records.open_incidents, full_disk  # type: ignore[method-assign]
        async with running(service_of(one)):
            await until(lambda: [line for line in one.log if "nothing can be recorded" in line])
            assert cluster.writes == []
            one.records.open_incidents = real  # type: ignore[method-assign]
            one.watch.mark(("default", "web"))
            # An event puts a look off by some of the cluster's seconds: they have to pass.
            await until(lambda: cluster.second() or cluster.writes)

    play(go, RESTART)


def test_one_that_starts_second_decides_nothing(cluster: VirtualCluster, play: Any, consul_address: Any) -> None:
    cluster.register(mock_job("web", **FAILS_ONCE))
    for _ in range(10):
        cluster.second()

    async def go(one: Supervised) -> None:
        async with ConsulClient(consul_address) as consul:
            first = Claims(consul, "first", one.reader.region)
            assert await first.hold()
            looks = 0
            real = one.records.open_incidents

            def count() -> Any:
                nonlocal looks
                looks += 1
                return real()

            one.records.open_incidents = count  # type: ignore[method-assign]
            async with running(service_of(one)):
                await until(lambda: looks > 10)
            await first.release()

    one = play(go, RESTART)
    assert incidents(one) == []
    assert not one.metrics.is_leader


def test_old_claims_are_deleted(cluster: VirtualCluster, play: Any, consul_address: Any) -> None:
    old, new = Claim("a", "a-1", "me", cluster.now - 1), Claim("b", "b-1", "me", cluster.now + 1000)

    async def go(one: Supervised) -> None:
        async with ConsulClient(consul_address) as consul:
            below = claims_below("global")
            await consul.keys.write(f"{below}new", new.to_bytes())
            await consul.keys.write(f"{below}old", old.to_bytes())
            async with running(service_of(one)), asyncio.timeout(30):
                while [key.key for key in await consul.keys.read_all(below)] != [f"{below}new"]:
                    await asyncio.sleep(0.01)

    play(go, RESTART)


def test_incidents_that_ended_long_ago_are_deleted(cluster: VirtualCluster, play: Any, records: StoredRecords) -> None:
    for id, days in (("oldhealed1", 91), ("younghea1d", 89)):
        at = cluster.now - days * 86400
        records.save(incident(id, job=id, state=IncidentState.HEALED, opened=at, changed=at))
    play(lambda one: one.run(4), RESTART)
    assert [one.id for one in records.incidents.list()] == ["younghea1d"]
    assert records.verify().problems == ()


def test_a_job_without_a_rule_is_observed_and_nobody_is_called(cluster: VirtualCluster, play: Any) -> None:
    cluster.register(mock_job("web", **FAILS_ONCE))
    one = play(lambda one: one.run(60, every=5), RESTART, policy=HealingPolicy())
    (found,) = incidents(one)
    assert found.state is IncidentState.OPEN
    assert found.note.startswith("observed: restart would be refused")
    assert cluster.writes == []
    assert one.log == []
    assert len(one.proposer.seen) == 1


@pytest.mark.parametrize("answer", [{"action": "escalate", "reason": "who knows"}, "no JSON", {"action": "none"}])
def test_nobody_is_called_in_the_mode_observe(cluster: VirtualCluster, play: Any, answer: Any) -> None:
    cluster.register(mock_job("web", **FAILS_ONCE))
    one = play(lambda one: one.run(60, every=5), answer, mode=Mode.OBSERVE)
    (found,) = incidents(one)
    assert (found.state, found.note.partition(":")[0]) == (IncidentState.OPEN, "observed")
    assert one.log == []
    assert len(one.proposer.seen) == 1


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.ACT])
def test_no_model_is_asked_about_a_job_that_is_never_touched(cluster: VirtualCluster, play: Any, mode: Mode) -> None:
    for name in ("vault", "nomad-server", "anneal-supervisor"):
        cluster.register(mock_job(name, **FAILS_ONCE))
    one = play(lambda one: one.run(40, every=5), RESTART, mode=mode)
    assert one.proposer.seen == []
    assert cluster.writes == []
    assert len(incidents(one)) == 3
    assert all("not for the supervisor: it is" in found.note for found in incidents(one))
    called = [line for line in one.log if "not for the supervisor" in line]
    assert len(called) == (3 if mode is Mode.ACT else 0)


# --- approvals


def approve(one: Supervised, store: IncidentStore, valid_s: float = 600.0) -> PendingPlan:
    """Approve the plan that waits."""
    (found,) = incidents(one)
    now = one.cluster.now
    store.approve(Approval(found.id, found.plan.plan_hash, "me", now, now + valid_s))
    plan: PendingPlan = found.plan
    return plan


def test_an_approval_in_the_last_minute_counts(cluster: VirtualCluster, play: Any, records: StoredRecords) -> None:
    cluster.register(mock_job("web", **HUNGRY))

    async def go(one: Supervised) -> None:
        await one.run(12)
        for _ in range(100):
            cluster.second()
        approve(one, records.incidents)
        for _ in range(30):  # the plan is too old now, the approval is not
            cluster.second()
        await one.run(10)

    one = play(go, MORE, mode=Mode.SUGGEST, policy=limited(approval_s=120.0))
    assert len(cluster.writes) == 1
    assert len(one.proposer.seen) == 1


def test_a_common_cause_does_not_hold_back_what_a_person_approved(
    cluster: VirtualCluster, play: Any, records: StoredRecords
) -> None:
    cluster.register(mock_job("web", **HUNGRY))

    async def go(one: Supervised) -> None:
        await one.run(12)
        approve(one, records.incidents)
        for number in range(4):
            cluster.register(mock_job(f"job-{number}", **FAILS_ONCE))
        for _ in range(10):
            cluster.second()
        await one.run(12)

    one = play(go, MORE, mode=Mode.SUGGEST, policy=limited(common_cause_jobs=4))
    assert any("common cause" in line for line in one.log)
    assert len(cluster.writes) == 1
    assert len(one.proposer.seen) == 1, "the others wait"


def test_an_approval_is_not_valid_for_longer_than_the_policy_says(
    cluster: VirtualCluster, play: Any, records: StoredRecords
) -> None:
    cluster.register(mock_job("web", **HUNGRY))

    async def go(one: Supervised) -> None:
        await one.run(12)
        approve(one, records.incidents, valid_s=1e6)
        for _ in range(130):
            cluster.second()
        await one.run(10)

    play(go, MORE, mode=Mode.SUGGEST, policy=limited(approval_s=120.0))
    assert cluster.writes == []


def test_an_approval_is_for_one_attempt_even_if_that_came_to_nothing(
    cluster: VirtualCluster, play: Any, records: StoredRecords
) -> None:
    cluster.register(mock_job("web", **HUNGRY))

    def deny(request: Request) -> Answer | None:
        return Answer(403, "Permission denied") if (request.method, request.path) == ("POST", "/v1/jobs") else None

    async def go(one: Supervised) -> None:
        await one.run(12)
        plan = approve(one, records.incidents)
        cluster.before = deny
        records.consume_approval = lambda *_: None  # type: ignore[method-assign]  # a kill comes before it
        await one.run(120, every=5)
        (found,) = incidents(one)
        assert found.plan.plan_hash == plan.plan_hash, "the same plan waits again"

    one = play(go, MORE, mode=Mode.SUGGEST)
    assert [attempt.state for attempt in incidents(one)[0].attempts] == [AttemptState.NOT_DONE]


def test_a_plan_is_dropped_when_its_job_was_changed(cluster: VirtualCluster, play: Any) -> None:
    cluster.register(mock_job("web", **HUNGRY))

    async def go(one: Supervised) -> None:
        await one.run(12)
        cluster.register(mock_job("web", memory_mb=80, needs_mb=100))
        await one.run(20)

    one = play(go, MORE, mode=Mode.SUGGEST)
    (found,) = incidents(one)
    assert found.state is IncidentState.WAITING
    assert "from 80 to 128" in json.dumps(found.plan.summary)


def test_an_approved_plan_whose_argument_looks_like_a_secret_is_carried_out(
    cluster: VirtualCluster, play: Any, records: StoredRecords
) -> None:
    image = f"registry.example.com/app@sha256:{'ab12' * 16}"
    good = mock_job("web", image="registry.example.com/app:1")
    cluster.register(good)
    for _ in range(20):
        cluster.second()
    cluster.state.versions["web"][0]["Stable"] = True
    cluster.register(mock_job("web", image=image, run_for=1, exit_code=1))

    async def go(one: Supervised) -> None:
        await one.run(12)
        approve(one, records.incidents)
        await one.run(10)

    one = play(go, {"action": "fix_image", "image": image}, mode=Mode.SUGGEST)
    (found,) = incidents(one)
    assert [attempt.action for attempt in found.attempts] == [Action.FIX_IMAGE]
    assert len(cluster.writes) == 1
