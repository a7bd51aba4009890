"""A job that fails again soon after it was healed: its attempts still count."""

from dataclasses import replace
from typing import Any

from evolve.core.model.healing import IncidentState
from fixtures.supervised_cluster import ANYTHING, Supervised, VirtualCluster, mock_job

RESTART = {"action": "restart"}
POLICY = replace(
    ANYTHING, limits=replace(ANYTHING.limits, first_backoff_s=5.0, longest_backoff_s=10.0, relapse_s=120.0)
)


def test_a_job_that_a_restart_heals_for_a_while_is_a_persons_in_the_end(cluster: VirtualCluster, play: Any) -> None:
    cluster.register(mock_job("web", run_for=30, exit_code=1))
    one = play(lambda one: one.run(400, every=4), RESTART, policy=POLICY)
    incidents = one.records.incidents.list()
    assert len(cluster.writes) == POLICY.limits.attempts
    assert [found.state for found in incidents] == [*[IncidentState.HEALED] * 3, IncidentState.ESCALATED]
    assert "3 attempts without success: 3 in the 120 s before" in incidents[-1].note


def test_a_job_that_fails_again_long_after_it_was_healed_begins_with_no_attempt(
    cluster: VirtualCluster, play: Any
) -> None:
    cluster.register(mock_job("web", run_for=30, exit_code=1))
    policy = replace(POLICY, limits=replace(POLICY.limits, relapse_s=5.0))
    play(lambda one: one.run(300, every=4), RESTART, policy=policy)
    assert len(cluster.writes) > POLICY.limits.attempts


def test_a_job_that_a_person_changed_since_begins_with_no_attempt(cluster: VirtualCluster, play: Any) -> None:
    cluster.register(mock_job("web", fails_allocations=1))

    async def go(one: Supervised) -> None:
        await one.run(40, every=4)
        cluster.register(mock_job("web", run_for=1, exit_code=2))
        await one.run(12, every=4)

    one = play(go, RESTART, policy=POLICY)
    first, second = one.records.incidents.list()
    assert (first.state, second.earlier_attempts) == (IncidentState.HEALED, 0)
