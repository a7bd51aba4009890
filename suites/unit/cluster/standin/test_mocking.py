"""Jobs of the mock driver in virtual time: restarts, rescheduling, deployments, and waiting for a node."""

from typing import Any

import pytest

from evolve.cluster.standin import registering
from evolve.cluster.standin.clock import VirtualClock
from evolve.cluster.standin.mocking import MockClient
from evolve.cluster.standin.scheduling import tick
from evolve.cluster.standin.shapes import SECOND
from evolve.cluster.standin.state import State
from evolve.cluster.standin.watching import watch


class MockCluster:
    """One mock node and its server, moved second by second."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.state = State(None, self.clock)
        with self.state.lock:
            self.client = MockClient(self.state)

    def register(self, run_for: float = 0, exit_code: int = 0, **more: Any) -> None:
        config = {"run_for": run_for, "exit_code": exit_code}
        group = {
            "Name": "app",
            "Tasks": [{"Name": "main", "Driver": "mock_driver", "Config": config}],
            "RestartPolicy": {"Attempts": 1, "Delay": 5 * SECOND},
            "ReschedulePolicy": {"Unlimited": True, "Delay": 30 * SECOND, "DelayFunction": "constant"},
        }
        with self.state.lock:
            registering.register(self.state, {"Job": {"ID": "web", "TaskGroups": [group], **more}}, "")

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            with self.state.lock:
                self.client.step()
                tick(self.state, self.clock.now_ns())
                watch(self.state, self.clock.now_ns())
            self.clock.advance(1)

    def statuses(self) -> list[str]:
        return [one["ClientStatus"] for one in self.state.allocs_of("web")]


@pytest.fixture
def cluster() -> MockCluster:
    return MockCluster()


def test_a_task_without_an_end_runs_and_its_version_becomes_stable(cluster):
    cluster.register()
    cluster.pass_time(3)
    assert cluster.statuses() == ["running"]
    assert cluster.state.jobs["web"]["Stable"]
    assert [one["Status"] for one in cluster.state.deployments_of("web")] == ["successful"]


def test_a_failing_task_is_restarted_after_its_delay_then_fails_and_is_rescheduled(cluster):
    cluster.register(run_for=10, exit_code=1)
    cluster.pass_time(12)
    assert cluster.statuses() == ["pending"]
    cluster.pass_time(5)
    assert cluster.statuses() == ["running"]
    cluster.pass_time(10)
    assert cluster.statuses() == ["failed"]
    cluster.pass_time(32)
    assert cluster.statuses() == ["failed", "running"]


def test_a_batch_job_that_succeeds_is_dead(cluster):
    cluster.register(run_for=10, Type="batch")
    cluster.pass_time(13)
    assert (cluster.statuses(), cluster.state.jobs["web"]["Status"]) == (["complete"], "dead")


def test_a_stopped_job_completes(cluster):
    cluster.register()
    cluster.pass_time(2)
    with cluster.state.lock:
        registering.deregister(cluster.state, "web", purge=False)
    cluster.pass_time(2)
    assert cluster.statuses() == ["complete"]
    assert cluster.state.on_node(cluster.client.node_id) == {}


def test_a_job_that_no_node_takes_waits_and_then_runs(cluster):
    cluster.register(Constraints=[{"LTarget": "${meta.role}", "RTarget": "web", "Operand": "="}])
    cluster.pass_time(2)
    assert cluster.statuses() == []
    assert "blocked" in [one["Status"] for one in cluster.state.evals_of("web")]
    cluster.state.nodes[cluster.client.node_id]["Meta"] = {"role": "web"}
    cluster.pass_time(3)
    assert cluster.statuses() == ["running"]


def test_records_have_the_virtual_time(cluster):
    before = cluster.clock.now_ns()
    cluster.register()
    assert cluster.state.evals_of("web")[0]["CreateTime"] == before
    cluster.clock.advance(0.5)
    assert cluster.clock.now_ns() == before + SECOND // 2


def test_a_version_that_no_node_takes_leaves_the_one_before_running(cluster):
    cluster.register()
    cluster.pass_time(2)
    cluster.register(Constraints=[{"LTarget": "${meta.role}", "RTarget": "web", "Operand": "="}])
    cluster.pass_time(2)
    (alloc,) = cluster.state.allocs_of("web")
    assert (alloc["ClientStatus"], alloc["DesiredStatus"], alloc["Job"]["Version"]) == ("running", "run", 0)
    assert "blocked" in [one["Status"] for one in cluster.state.evals_of("web")]
    cluster.state.nodes[cluster.client.node_id]["Meta"] = {"role": "web"}
    cluster.pass_time(3)
    assert cluster.statuses() == ["complete", "running"]


def test_a_node_takes_no_more_memory_than_it_has_and_a_successor_may_have_all(cluster):
    cluster.state.nodes[cluster.client.node_id]["NodeResources"] = {"Memory": {"MemoryMB": 500}}
    cluster.register()
    cluster.register(Meta={"next": "version"})
    cluster.pass_time(2)
    assert cluster.statuses() == ["complete", "running"]
    cluster.register(ID="other")
    (blocked,) = [one for one in cluster.state.evals_of("other") if one["Status"] == "blocked"]
    assert blocked["FailedTGAllocs"]["app"]["DimensionExhausted"] == {"memory": 1}
    assert blocked["FailedTGAllocs"]["app"]["ResourcesExhausted"]["main"]["MemoryMB"] == 300


def test_a_failure_that_is_reported_again_is_rescheduled_all_the_same(cluster):
    """A client says later that the allocation is unhealthy: its time of change moves, the reschedule does not."""
    cluster.register(run_for=1, exit_code=1)
    cluster.pass_time(10)
    (alloc,) = cluster.state.allocs_of("web")
    assert alloc["FollowupEvalID"]
    with cluster.state.lock:
        cluster.state.put("allocs", alloc, "AllocationUpdated")
    cluster.pass_time(32)
    assert cluster.statuses()[0] == "failed"
    assert len(cluster.statuses()) == 2


def test_a_deployment_begins_only_where_a_version_has_work(cluster):
    """Recording 43: stop, then the unchanged job again: nothing runs, no deployment, the job is dead."""
    cluster.register(run_for=1, exit_code=1, Type="service")
    cluster.pass_time(8)
    with cluster.state.lock:
        registering.deregister(cluster.state, "web", purge=False)
    before = len(cluster.state.deployments_of("web"))
    cluster.register(run_for=1, exit_code=1, Type="service")
    assert len(cluster.state.deployments_of("web")) == before
    assert cluster.state.jobs["web"]["Version"] == 2


def test_memory_that_is_in_use_is_counted_through_all_changes(cluster):
    """Versions, failures, stops and purges, with a version that finds no room in between."""
    node_id = cluster.client.node_id
    cluster.state.nodes[node_id]["NodeResources"] = {"Memory": {"MemoryMB": 1000}}
    cluster.register(run_for=3, exit_code=1)
    cluster.register(ID="other")
    cluster.pass_time(20)
    cluster.register(ID="other", Meta={"next": "version"})
    cluster.register(ID="other", Constraints=[{"LTarget": "${meta.role}", "RTarget": "web", "Operand": "="}])
    cluster.pass_time(20)
    running = cluster.state.on_node(node_id).values()
    assert cluster.state.used_mb(node_id) == 300 * len(running) > 0
    with cluster.state.lock:
        for job in ("web", "other"):
            registering.deregister(cluster.state, job, purge=True)
    assert (cluster.state.used_mb(node_id), cluster.state.on_node(node_id)) == (0, {})
