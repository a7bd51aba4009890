from dataclasses import replace

import pytest

from evolve.core.healing.digests import plan_hash, policy_hash
from evolve.core.healing.planning import plan_action
from evolve.core.model.actions import Action
from evolve.core.model.healing import HealingLimits, HealingPolicy, JobRule, Mode, RestartTask, RevertJob
from fixtures.healing_contexts import FAILED, RULE, context, job

GIVEN = context("increase_memory", {"memory_mb": 512})


def test_p9_the_same_plan_of_another_healing_has_the_same_hash():
    assert plan_hash(plan_action(GIVEN)) == plan_hash(plan_action(replace(GIVEN, healing="h2")))


@pytest.mark.parametrize("action", ["restart", "free_disk", "wait_dependency"])
def test_p9_a_plan_within_a_plan_has_the_same_hash_too(action):
    rule = replace(RULE, scratch_paths=("/srv/app/tmp",))
    given = context(action, rule=rule, failed=replace(FAILED, dependencies={"db": "critical"}))
    first, second = plan_action(given), plan_action(replace(given, healing="h2"))
    assert first != second
    assert plan_hash(first) == plan_hash(second)


def test_p9_a_status_that_changes_does_not_end_an_approval():
    later = {**job(), "Status": "dead", "ModifyIndex": 95, "Stable": True}
    assert plan_hash(plan_action(GIVEN)) == plan_hash(plan_action(replace(GIVEN, job=later)))


@pytest.mark.parametrize(
    "other",
    [
        context("increase_memory", {"memory_mb": 500}),
        context("increase_memory", {"memory_mb": 512}, job=job(JobModifyIndex=91)),
        context("increase_memory", {"memory_mb": 512}, job=job(Meta={"owner": "dev"})),
        context("increase_memory", {"memory_mb": 512}, job=job(**{"TaskGroups.0.Count": 3})),
        context("restart"),
    ],
)
def test_p9_another_plan_has_another_hash(other):
    assert plan_hash(plan_action(GIVEN)) != plan_hash(plan_action(other))


def test_plans_of_other_kinds_have_hashes_of_their_own():
    plans = [RevertJob(3, 5), RevertJob(5, 3), RestartTask("a", "b"), RestartTask("a", "c")]
    assert len({plan_hash(one) for one in plans}) == len(plans)
    assert plan_hash(RevertJob(3, 5)) == "d9d5e88ac0606044219c7ebab387b3af", (
        "approvals on disk outlive a version of Anneal"
    )


def test_equal_policies_have_equal_hashes_whatever_the_order_of_their_actions():
    def made(*actions, attempts=3):
        return HealingPolicy((JobRule("web", Mode.ACT, frozenset(actions)),), HealingLimits(attempts=attempts))

    restart, memory = Action.RESTART, Action.INCREASE_MEMORY
    assert policy_hash(made(restart, memory)) == policy_hash(made(memory, restart))
    assert policy_hash(made(restart)) != policy_hash(made(memory))
    assert policy_hash(made(restart)) != policy_hash(made(restart, attempts=4))
