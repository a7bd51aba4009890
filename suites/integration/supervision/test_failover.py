"""A supervisor dies and another leads: what the first began is verified or undone, by one of them and once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.faults import Unreachable
from evolve.core.cases.redaction import Redactor
from evolve.core.model.healing import AttemptState, AuditEvent, IncidentState
from evolve.store.audit_check import read_records
from evolve.store.audit_log import FOLDER
from evolve.store.incidents import LostUpdate
from evolve.supervision.claims import lock_key
from evolve.supervision.records import StoredRecords
from fixtures.processes import wait_for
from fixtures.supervise_process import SuperviseCommand
from fixtures.supervised_cluster import ScriptedProposer, Supervised, VirtualCluster, mock_job, supervised

RESTART = {"action": "restart"}
MORE = {"action": "increase_memory", "memory_mb": 96}


class Died(BaseException):
    """The process is gone."""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[StoredRecords]:
    """The memory of another machine."""
    with closing(StoredRecords(tmp_path / "other", Redactor())) as made:
        yield made


@contextlib.asynccontextmanager
async def next_leader(
    cluster: VirtualCluster, records: StoredRecords, consul_address: ClusterAddress, answer: Any = RESTART
) -> AsyncIterator[Supervised]:
    """A second supervisor with a memory and connections of its own; it gives the lock back at the end."""
    async with ConsulClient(consul_address) as consul:
        proposer = ScriptedProposer(lambda _: answer)
        async with supervised(cluster, records, proposer, consul, name="two") as two:
            yield two
            await two.claims.release()  # type: ignore[union-attr]


async def lose_lock(one: Supervised) -> None:
    """Give the lock up as a dead process does: what it knows stays as it is."""
    assert one.claims is not None
    await one.claims.release()


def events(records: StoredRecords) -> list[str]:
    return [line.event for _, line in read_records(records.folder / FOLDER) if line is not None]


def test_a_healing_of_a_dead_supervisor_is_verified_by_the_next_leader(
    cluster: VirtualCluster, records: StoredRecords, other: StoredRecords, play: Any, consul_address: ClusterAddress
) -> None:
    cluster.register(mock_job("web", fails_allocations=1))

    async def go(one: Supervised) -> None:
        await one.run(10)
        (begun,) = records.incidents.list()
        assert begun.state is IncidentState.HEALING
        await lose_lock(one)
        async with next_leader(cluster, other, consul_address) as two:
            await two.run(30)
            (taken,) = other.incidents.list()
            assert (taken.id, taken.state) == (begun.id, IncidentState.HEALED)
            assert taken.report == {}
        # The first one comes back: it knows that the healing is no more its own.
        await one.run(4)
        (left,) = records.incidents.list()
        assert (left.state, left.attempts[-1].state) == (IncidentState.CLOSED, AttemptState.HANDED_OVER)

    play(go, RESTART)
    assert cluster.writes == [("POST", "/v1/jobs")]
    assert [AuditEvent.TAKEN_OVER in events(one) for one in (records, other)] == [False, True]
    assert records.verify().problems == ()
    assert other.verify().problems == ()


def test_a_change_that_did_not_help_is_taken_back_once_after_a_failover(
    cluster: VirtualCluster, records: StoredRecords, other: StoredRecords, play: Any, consul_address: ClusterAddress
) -> None:
    cluster.register(mock_job("web", needs_mb=200))

    async def go(one: Supervised) -> None:
        while not cluster.writes:
            await one.run(1, every=1)
        await lose_lock(one)
        async with next_leader(cluster, other, consul_address, {"action": "none"}) as two:
            await two.run(40)
            (taken,) = other.incidents.list()
            assert taken.attempts[0].state is AttemptState.UNDONE
            # The one that was thought dead lives, and must not take the change back a second time.
            await one.supervisor.look([("default", "web")])

    play(go, MORE)
    reverts = [path for _, path in cluster.writes if path.endswith("/revert")]
    assert len(reverts) == 1
    assert cluster.state.jobs["web"]["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"] == 64
    assert records.verify().problems == ()
    assert other.verify().problems == ()


def test_a_change_whose_maker_died_before_it_knew_of_it_is_found_by_the_next_leader(
    cluster: VirtualCluster, records: StoredRecords, other: StoredRecords, play: Any, consul_address: ClusterAddress
) -> None:
    cluster.register(mock_job("web", fails_allocations=1))

    async def go(one: Supervised) -> None:
        real = one.reader.within("default").jobs.register

        async def dies(*given: Any, **more: Any) -> None:
            await real(*given, **more)
            raise Died

        one.reader.within("default").jobs.register = dies  # type: ignore[assignment,method-assign]
        with pytest.raises(Died):
            await one.run(20)
        await lose_lock(one)
        async with next_leader(cluster, other, consul_address) as two:
            await two.run(30)
            (taken,) = other.incidents.list()
            assert taken.state is IncidentState.HEALED
            assert events(other).count(AuditEvent.DONE) == 1

    play(go, RESTART)
    assert len(cluster.writes) == 1
    assert other.verify().problems == ()


def test_a_supervisor_that_was_stopped_before_its_change_does_not_make_a_second_one(
    cluster: VirtualCluster, records: StoredRecords, other: StoredRecords, play: Any, consul_address: ClusterAddress
) -> None:
    cluster.register(mock_job("web", fails_allocations=1))

    async def go(one: Supervised) -> None:
        jobs = one.reader.within("default").jobs
        real = jobs.register

        async def stopped(*given: Any, **more: Any) -> Any:
            await lose_lock(one)
            async with next_leader(cluster, other, consul_address) as two:
                await two.run(100)
                (taken,) = other.incidents.list()
                assert [one.state for one in taken.attempts] == [AttemptState.NOT_DONE, AttemptState.HEALED]
            return await real(*given, **more)

        jobs.register = stopped  # type: ignore[method-assign]
        await one.run(20)
        (left,) = records.incidents.list()
        assert left.attempts[-1].state is AttemptState.NOT_DONE, "somebody changed the job"

    play(go, RESTART)
    assert cluster.state.jobs["web"]["Version"] == 1, "of two registers one was done"
    assert records.verify().problems == ()
    assert other.verify().problems == ()


def test_a_kill_between_a_taken_claim_and_its_record_loses_nothing(
    cluster: VirtualCluster, records: StoredRecords, other: StoredRecords, play: Any, consul_address: ClusterAddress
) -> None:
    cluster.register(mock_job("web", fails_allocations=1))

    async def go(one: Supervised) -> None:
        await one.run(10)
        await lose_lock(one)
        async with next_leader(cluster, other, consul_address) as killed:
            assert killed.claims is not None
            await killed.claims.hold()
            (found,) = await killed.claims.unsettled()
            assert await killed.claims.take_over(found)
        async with next_leader(cluster, other, consul_address) as two:
            await two.run(30)
            assert other.incidents.list()[0].state is IncidentState.HEALED

    play(go, RESTART)
    assert len(cluster.writes) == 1
    assert other.verify().problems == ()


@pytest.mark.parametrize("waited", [True, False], ids=["after waiting", "from its start"])
@pytest.mark.parametrize(
    "fault",
    [Unreachable("no answer", call="GET claims"), LostUpdate("a person was faster", path="x")],
    ids=["Consul is silent", "a person was faster"],
)
def test_a_leader_that_cannot_read_the_claims_decides_nothing(
    cluster: VirtualCluster,
    records: StoredRecords,
    other: StoredRecords,
    play: Any,
    consul_address: ClusterAddress,
    waited: bool,
    fault: Exception,
) -> None:
    cluster.register(mock_job("web", fails_allocations=2))  # also after the first healing

    async def go(one: Supervised) -> None:
        async with next_leader(cluster, other, consul_address) as two:
            assert two.claims is not None
            while not any(found.state is IncidentState.HEALING for found in records.incidents.list()):
                await one.run(1)
            (begun,) = records.incidents.list()
            if waited:
                await two.run(1)
            await lose_lock(one)
            read_all = two.claims.unsettled

            async def fails() -> Any:
                raise fault

            two.claims.unsettled = fails  # type: ignore[method-assign]
            await two.run(20)
            assert two.claims.is_leader
            assert other.incidents.list() == ()
            two.claims.unsettled = read_all  # type: ignore[method-assign]
            await two.run(4)
            assert [incident.id for incident in other.incidents.list()] == [begun.id]

    play(go, RESTART)


def test_a_healing_goes_there_and_back_and_is_verified_where_it_ends(
    cluster: VirtualCluster, records: StoredRecords, other: StoredRecords, play: Any, consul_address: ClusterAddress
) -> None:
    cluster.register(mock_job("web", fails_allocations=1))

    async def go(one: Supervised) -> None:
        await one.run(10)
        await lose_lock(one)
        async with next_leader(cluster, other, consul_address) as two:
            await two.run(3)
            assert other.incidents.list()[0].state is IncidentState.HEALING
            assert two.claims is not None
            await two.claims.release()
            await one.run(30)
            assert records.incidents.list()[0].state is IncidentState.HEALED
            await lose_lock(one)
            await two.run(4)
            (left,) = other.incidents.list()
            assert left.attempts[-1].state is AttemptState.HANDED_OVER

    play(go, RESTART)
    assert len(cluster.writes) == 1
    assert records.verify().problems == ()
    assert other.verify().problems == ()


def test_a_healing_that_is_over_is_not_taken_over(
    cluster: VirtualCluster, records: StoredRecords, other: StoredRecords, play: Any, consul_address: ClusterAddress
) -> None:
    cluster.register(mock_job("web", fails_allocations=1))

    async def go(one: Supervised) -> None:
        await one.run(30)
        assert records.incidents.list()[0].state is IncidentState.HEALED
        await lose_lock(one)
        async with next_leader(cluster, other, consul_address) as two:
            await two.run(4)
            assert other.incidents.list() == ()

    play(go, RESTART)


def test_supervisors_of_two_clusters_heal_side_by_side(
    cluster: VirtualCluster,
    records: StoredRecords,
    other: StoredRecords,
    play: Any,
    tmp_path: Path,
    consul_address: Any,
) -> None:
    with closing(VirtualCluster(tmp_path / "west", region="west")) as west:
        for one_of in (cluster, west):
            one_of.register(mock_job("web", fails_allocations=1))

        async def go(one: Supervised) -> None:
            async with next_leader(west, other, consul_address) as two:
                await asyncio.gather(one.run(30), two.run(30))

        play(go, RESTART)
        assert [len(one.writes) for one in (cluster, west)] == [1, 1]
    assert [one.incidents.list()[0].state for one in (records, other)] == [IncidentState.HEALED] * 2


@pytest.mark.parametrize(("words", "name"), [((), "global"), (("--cluster", "east"), "east")])
def test_the_command_leads_in_the_name_of_its_cluster(
    cluster: VirtualCluster, tmp_path: Path, consul_address: ClusterAddress, words: tuple[str, ...], name: str
) -> None:
    command = SuperviseCommand(tmp_path / "work", cluster.address.url, consul_address.url, words)

    async def holder() -> bytes:
        async with ConsulClient(consul_address) as consul:
            found = await consul.keys.read(lock_key(name))
            return found.value if found is not None and found.session else b""

    command.start()
    assert command.process is not None
    mine = f":{command.process.pid}".encode()
    wait_for("it leads", lambda: asyncio.run(holder()).endswith(mine))
    assert command.end() == 0
    assert not asyncio.run(holder()).endswith(mine), "the lock is given back"
