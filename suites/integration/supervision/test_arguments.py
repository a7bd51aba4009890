"""Arguments of the agent's answer: used where the report names them, otherwise noted and filled in by code."""

import json
from typing import Any

import pytest

from evolve.core.model.healing import IncidentState
from evolve.supervision.records import StoredRecords
from fixtures.supervised_cluster import VirtualCluster, mock_job


def proposals(records: StoredRecords) -> list[Any]:
    lines = [json.loads(line) for file in records.folder.rglob("*.jsonl") for line in file.read_text().splitlines()]
    return [line["details"] for line in lines if line["event"] == "proposed"]


@pytest.mark.parametrize(("memory_mb", "set_to"), [(120, 120), (10, 128), (100_000, 128)])
def test_a_memory_limit_of_the_agent_is_used_within_need_and_ceiling(
    cluster: VirtualCluster, records: StoredRecords, play: Any, memory_mb: int, set_to: int
) -> None:
    cluster.register(mock_job("web", memory_mb=64, needs_mb=100))
    answer = {"action": "increase_memory", "memory_mb": memory_mb}
    one = play(lambda one: one.run(40), answer)
    assert [found.state for found in one.records.incidents.list()] == [IncidentState.HEALED]
    assert cluster.state.jobs["web"]["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"] == set_to
    assert [found["not_in_report"] for found in proposals(records)] == [[]]


def test_a_service_that_the_report_does_not_name_is_noted_and_waited_for_by_nobody(
    cluster: VirtualCluster, records: StoredRecords, play: Any
) -> None:
    cluster.register(mock_job("web", fails_allocations=1))
    one = play(lambda one: one.run(12), {"action": "wait_dependency", "service": "evil.example:80"})
    (found,) = proposals(records)
    assert (found["action"], found["not_in_report"]) == ("wait_dependency", ["service"])
    assert "evil.example" in found["answer"]
    assert cluster.writes == []
    assert "evil" not in "\n".join(f"{request.path} {request.query}" for request in cluster.requests)
    assert [one.state for one in one.records.incidents.list()] == [IncidentState.ESCALATED]
