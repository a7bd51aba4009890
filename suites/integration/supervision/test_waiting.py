"""A healing that waits for its turn costs neither model calls nor records."""

from dataclasses import replace
from typing import Any

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.standin.answers import Answer
from evolve.core.model.healing import AuditEvent, IncidentState
from evolve.store.audit_check import read_records
from evolve.store.audit_log import FOLDER
from evolve.supervision.records import StoredRecords
from fixtures.supervised_cluster import ANYTHING, Supervised, VirtualCluster, mock_job

WAITS = {"action": "wait_dependency", "service": "database"}


def test_the_agent_is_asked_once_while_a_healing_waits(
    cluster: VirtualCluster, records: StoredRecords, play: Any
) -> None:
    cluster.register(mock_job("web", fails_allocations=1))
    log = Answer(200, b"cannot connect to database:5432\n")
    cluster.before = lambda request: log if "/fs/logs/" in request.path else None

    async def wait(one: Supervised) -> None:
        await one.run(600, every=10)

    one = play(wait, WAITS)
    (found,) = records.incidents.list()
    assert "waits for database" in found.note
    assert cluster.writes == []
    assert len(one.proposer.seen) == 1
    events = [line.event for _, line in read_records(records.folder / FOLDER) if line is not None]
    assert events == [AuditEvent.OPENED, AuditEvent.PROPOSED, AuditEvent.PLANNED]
    # Each try plans once; they come further and further apart.
    plans = sum(request.path.endswith("/plan") for request in cluster.requests)
    assert plans <= 25


def test_a_service_that_only_a_log_names_is_found_by_consuls_own_name(
    cluster: VirtualCluster, consul_address: ClusterAddress, play: Any
) -> None:
    cluster.register(mock_job("web", fails_allocations=1))
    log = Answer(200, b"cannot connect to DataBase.service.consul:5432\n")
    cluster.before = lambda request: log if "/fs/logs/" in request.path else None

    async def wait(one: Supervised) -> None:
        await one.run(30, every=5)
        assert cluster.writes == []
        async with ConsulClient(consul_address) as consul:
            check = {"Name": "up", "TTL": "10m", "Status": "passing"}
            await consul.services.register({"Name": "database", "Check": check})
            await one.run(90, every=5)
            await consul.services.deregister("database")

    play(wait, {"action": "wait_dependency", "service": "DataBase.service.consul"})
    assert cluster.writes == [("POST", "/v1/jobs")]


def test_a_healing_that_waits_for_a_node_begins_when_the_one_before_it_ended(
    cluster: VirtualCluster, records: StoredRecords, play: Any
) -> None:
    for node in cluster.nodes[1:]:
        cluster.state.nodes[node.node_id]["SchedulingEligibility"] = "ineligible"
    for name in ("one", "two", "three"):
        cluster.register(mock_job(name, fails_allocations=1))
    policy = replace(ANYTHING, limits=replace(ANYTHING.limits, healthy_s=150.0))
    play(lambda one: one.run(520), {"action": "restart"}, policy=policy)
    healed = records.incidents.list()
    assert [one.state for one in healed] == [IncidentState.HEALED] * 3
    began = sorted(one.attempts[0].began for one in healed)
    ended = sorted(one.changed for one in healed)
    assert all(start - end <= 4 for end, start in zip(ended, began[1:], strict=False))
