from dataclasses import replace

import pytest

from evolve.core.healing.planning import plan_action
from evolve.core.model.healing import Refused, RegisterJob
from evolve.core.model.incidents import TaskLogs
from fixtures.healing_contexts import FAILED, context, job, recorded_context

AWAY = {"LTarget": "${node.unique.name}", "Operand": "!=", "RTarget": "n1"}
BUSY = replace(
    FAILED, evidence=replace(FAILED.evidence, logs=TaskLogs("", "bind 0.0.0.0:9000: address already in use"))
)
DYNAMIC = job(**{"TaskGroups.0.Networks": None})
NO_NODE = "placement: there is no other node, and the process that has the port is not ours to end"
NOT_KNOWN = "not known: the group that failed, or its node"
OTHER = "not allowed: neither the job nor the report names the port that the agent names"


@pytest.mark.parametrize(
    ("port", "changes", "expected"),
    [
        (8080, {}, True),
        (None, {}, True),
        (8081, {}, OTHER),
        (9000, {"failed": BUSY}, True),
        (900, {"failed": BUSY}, OTHER),
        (None, {"job": DYNAMIC}, OTHER),
        (8080, {"job": DYNAMIC}, OTHER),
        (None, {"job": DYNAMIC, "failed": BUSY}, True),
        (8080, {"other_nodes": 0}, NO_NODE),
        (8080, {"failed": replace(FAILED, node="")}, NOT_KNOWN),
        (8080, {"failed": replace(FAILED, key=replace(FAILED.key, group="x"))}, NOT_KNOWN),
        (8080, {"job": job(**{"TaskGroups.0.Constraints": [AWAY]})}, "already done: the group no longer runs on n1"),
    ],
    ids=str,
)
def test_our_own_job_moves_away(port, changes, expected):
    given = context("free_port", None if port is None else {"port": port}, **{"other_nodes": 1, **changes})
    planned = plan_action(given)
    if expected is True:
        assert isinstance(planned, RegisterJob)
        assert planned.spec["TaskGroups"][0]["Constraints"] == [AWAY]
    else:
        assert isinstance(planned, Refused)
        assert planned.reason == expected


def test_other_constraints_stay():
    kept = {"LTarget": "${attr.kernel.name}", "Operand": "=", "RTarget": "linux"}
    given = context("free_port", {"port": 8080}, other_nodes=1, job=job(**{"TaskGroups.0.Constraints": [kept]}))
    planned = plan_action(given)
    assert isinstance(planned, RegisterJob)
    assert planned.spec["TaskGroups"][0]["Constraints"] == [kept, AWAY]


def test_a_port_of_a_tasks_own_network_counts():
    network = [{"ReservedPorts": [{"Label": "old", "Value": 7000}]}]
    given = context("free_port", {"port": 7000}, other_nodes=1)
    given = replace(given, job=job(**{"TaskGroups.0.Tasks.0.Resources.Networks": network}))
    assert isinstance(plan_action(given), RegisterJob)


def test_a_recorded_job_whose_port_a_stranger_has_moves_where_its_log_names_the_port():
    given = recorded_context("17", "deadport", "free_port")
    logs = TaskLogs("", "OSError: [Errno 98] Address already in use")
    failed = replace(given.failed, evidence=replace(given.failed.evidence, logs=logs))
    planned = plan_action(replace(given, failed=failed, other_nodes=1))
    assert isinstance(planned, RegisterJob)
    assert planned.spec["TaskGroups"][0]["Constraints"] == [{**AWAY, "RTarget": "node-1"}]


def test_a_recorded_job_that_no_node_takes_waits_for_nomad():
    planned = plan_action(replace(recorded_context("17", "po3", "free_port", 18), other_nodes=3))
    assert isinstance(planned, Refused)
    assert planned.reason.startswith("placement: ")
