"""What the supervisor reads besides a job's own state: checks that fail after a deployment, a node's other tasks."""

import json
from dataclasses import replace
from typing import Any

import pytest

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.standin.answers import Answer, Request
from evolve.core.model.healing import AttemptState
from fixtures.supervised_cluster import ANYTHING, Supervised, VirtualCluster, mock_job

MORE = {"action": "increase_memory", "memory_mb": 128}
POLICY = replace(ANYTHING, limits=replace(ANYTHING.limits, verify_s=30.0))


def checked_job(provider: str) -> dict[str, Any]:
    """A job that is killed for its memory, with a service whose check is not Nomad's business after its deployment."""
    spec = mock_job("web", memory_mb=64, needs_mb=100)
    service = {"Name": "web", "Provider": provider, "PortLabel": "", "Checks": [{"Name": "alive", "Type": "http"}]}
    spec["TaskGroups"][0]["Services"] = [service]
    return spec


@pytest.mark.parametrize(("status", "is_healed"), [("failure", False), ("success", True)])
def test_p8_a_job_whose_nomad_check_fails_is_not_healed(
    cluster: VirtualCluster, play: Any, status: str, is_healed: bool
) -> None:
    def checks(request: Request) -> Answer | None:
        if not request.path.endswith("/checks"):
            return None
        # As recording 20 has it.
        result = {"Check": "alive", "Service": "web", "Status": status, "Output": "404", "Mode": "healthiness"}
        return Answer(200, {"fdf5f8683afd1bac": result})

    cluster.before = checks
    cluster.register(checked_job("nomad"))
    one = play(lambda one: one.run(50), MORE, policy=POLICY)
    (found,) = one.records.incidents.list()
    state = AttemptState.HEALED if is_healed else AttemptState.UNDONE
    assert found.attempts[0].state is state
    assert any(path.endswith("/revert") for _, path in cluster.writes) is not is_healed


@pytest.mark.parametrize(("status", "is_healed"), [("critical", False), ("passing", True)])
def test_p8_a_job_whose_check_in_consul_fails_is_not_healed(
    cluster: VirtualCluster, play: Any, consul_address: ClusterAddress, status: str, is_healed: bool
) -> None:
    for node in cluster.nodes:
        cluster.state.nodes[node.node_id]["Attributes"]["consul.version"] = "1.8.7"
    cluster.register(checked_job("consul"))

    async def go(one: Supervised) -> None:
        async with ConsulClient(consul_address) as consul:
            for _ in range(25):
                await one.run(2)
                for alloc in cluster.state.allocs.values():
                    id = f"_nomad-task-{alloc['ID']}-group-app-web-http"
                    check = {"CheckID": f"check-{id}", "Name": "alive", "TTL": "1h", "Status": status}
                    await consul.services.register({"ID": id, "Name": "web", "Checks": [check]})
            for alloc in cluster.state.allocs.values():
                await consul.services.deregister(f"_nomad-task-{alloc['ID']}-group-app-web-http")

    one = play(go, MORE, policy=POLICY)
    (found,) = one.records.incidents.list()
    assert found.attempts[0].state is (AttemptState.HEALED if is_healed else AttemptState.UNDONE)


def test_nobody_is_asked_about_checks_that_a_job_does_not_have(cluster: VirtualCluster, play: Any) -> None:
    cluster.register(mock_job("web", needs_mb=100))
    play(lambda one: one.run(20), MORE)
    assert not [one for one in cluster.requests if one.path.endswith("/checks")]


def test_p7_memory_that_a_node_has_promised_to_others_is_not_given_away(cluster: VirtualCluster, play: Any) -> None:
    for node in cluster.nodes[1:]:
        cluster.state.nodes[node.node_id]["SchedulingEligibility"] = "ineligible"
    (first, *_) = cluster.nodes
    resources = cluster.state.nodes[first.node_id]["NodeResources"]
    cluster.state.nodes[first.node_id]["NodeResources"] = {**resources, "Memory": {"MemoryMB": 200}}
    cluster.register(mock_job("other", memory_mb=90))
    cluster.register(mock_job("web", memory_mb=64, needs_mb=100))
    play(lambda one: one.run(12), MORE)
    # 90 % of 200 are 180, of which the other job has 90: the 128 of the agent are not there.
    bodies = [json.loads(one.body) for one in cluster.requests if one.path == "/v1/jobs" and one.method != "GET"]
    assert [body["Job"]["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"] for body in bodies] == [90]
