"""What a node has promised to other tasks than the one that failed."""

from typing import Any

from evolve.cluster.nomad.operations import NODE_ALLOCATIONS
from evolve.core.healing.node_memory import reserved_mb
from fixtures.cluster_recordings import all_calls


def allocation(id: str, status: str = "running", desired: str = "run", **tasks: int) -> dict[str, Any]:
    given = {name: {"Memory": {"MemoryMB": limit, "MemoryMaxMB": 0}} for name, limit in tasks.items()}
    return {"ID": id, "ClientStatus": status, "DesiredStatus": desired, "AllocatedResources": {"Tasks": given}}


def test_all_that_lives_counts_but_the_task_that_failed() -> None:
    here = [
        allocation("mine", "failed", main=100, sidecar=20),
        allocation("other", main=300),
        allocation("starts", "pending", main=40),
        allocation("ended", "complete", main=1000),
        allocation("replaced", "running", "stop", main=1000),
    ]
    assert reserved_mb(here, "mine", "main") == 360


def test_a_recorded_answer_is_understood() -> None:
    (found,) = [one.answer for one in all_calls() if one.operation is NODE_ALLOCATIONS and one.status == 200]
    assert isinstance(found, list)
    assert reserved_mb(found, "another", "main") == 32
