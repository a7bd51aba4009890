from dataclasses import replace

import pytest

from evolve.core.healing.planning import plan_action
from evolve.core.model.actions import Action
from evolve.core.model.healing import HEALING_META, Refused, RegisterJob, RestartTask
from fixtures.healing_contexts import FAILED, HEALING, context, job

RUNS = replace(FAILED, evidence=replace(FAILED.evidence, status="unhealthy"))
ELSEWHERE = RegisterJob(job(Meta={"owner": "ops", HEALING_META: HEALING}), 90, (f"Meta[{HEALING_META}]",))


def test_a_running_allocation_restarts_in_place_and_then_elsewhere():
    assert plan_action(context("restart", failed=RUNS)) == RestartTask("a1", "main")
    assert plan_action(context("restart", failed=RUNS, tried=(Action.RESTART,))) == ELSEWHERE
    assert plan_action(context("restart", failed=RUNS, tried=(Action.FREE_DISK,))) == RestartTask("a1", "main")


def test_after_a_failed_deployment_a_new_version_gets_one_of_its_own():
    failed = replace(RUNS, evidence=replace(RUNS.evidence, deployment={"status": "failed", "description": "x"}))
    assert plan_action(context("restart", failed=failed)) == ELSEWHERE


@pytest.mark.parametrize("status", ["failed", "pending", "lost", "unknown", "complete"])
def test_an_allocation_that_does_not_run_is_replaced(status):
    failed = replace(FAILED, evidence=replace(FAILED.evidence, status=status))
    assert plan_action(context("restart", failed=failed)) == ELSEWHERE


def test_a_job_without_meta_gets_one():
    planned = plan_action(context("restart", job=job(Meta=None)))
    assert isinstance(planned, RegisterJob)
    assert planned.spec["Meta"] == {HEALING_META: HEALING}


def test_the_meta_of_an_earlier_healing_is_replaced():
    planned = plan_action(context("restart", job=job(Meta={HEALING_META: "h0", "owner": "ops"})))
    assert planned == replace(ELSEWHERE)


def test_a_job_that_no_node_took_is_not_restarted():
    planned = plan_action(context("restart", failed=replace(FAILED, key=replace(FAILED.key, allocation=""))))
    assert isinstance(planned, Refused)
    assert planned.reason.startswith("placement: ")


def test_a_change_that_would_wait_for_a_promotion_is_refused():
    for update in ({"Update": {"Canary": 1}}, {"TaskGroups.0.Update": {"Canary": 1, "AutoPromote": False}}):
        planned = plan_action(context("restart", job=job(**update)))
        assert isinstance(planned, Refused)
        assert "canaries" in planned.reason
        assert plan_action(context("restart", job=job(**update), failed=RUNS)) == RestartTask("a1", "main")
    promoted = job(**{"TaskGroups.0.Update": {"Canary": 1, "AutoPromote": True}})
    assert isinstance(plan_action(context("restart", job=promoted)), RegisterJob)
