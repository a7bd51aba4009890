"""Promise P8: verified for a while, else undone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.healing.health import healthy_versions, is_healthy, running_since, undo_of, verify
from evolve.core.model.actions import MODEL_ACTIONS, Action
from evolve.core.model.healing import HEALING_META, Attempt, AttemptState, HealingLimits, RevertJob
from evolve.core.model.incidents import JobAnswers
from fixtures.healing_contexts import job
from fixtures.nomad_answers import LATER, recorded

LIMITS = HealingLimits(healthy_s=30, verify_s=300)
ATTEMPT = Attempt("h1", "k", Action.INCREASE_MEMORY, "p", AttemptState.DONE, began=1000.0, version_before=5)
RECORDED = [
    ("01", "web", None, True),
    ("08", "par/dispatch-1795399067-76414451", None, True),
    ("12", "bok", None, True),
    ("21", "sig", 1, True),
    ("22", "act", 15, True),
    ("30", "nd", None, True),
    ("07", "ver", 2, False),  # stopped
    ("09", "per", None, False),  # runs nothing itself
    ("11", "crash", 1, False),  # waits for its restart
    ("11", "crash", None, False),  # is deployed
    ("12", "bad", None, False),
    ("14", "oome", None, False),
    ("16", "tpl2", None, False),  # pending for ever
    ("17", "big", None, False),  # no node takes it
    ("18", "dep", 8, False),  # Nomad rolls it back
    ("19", "pdl2", 9, False),
    ("20", "chk2", None, False),  # its check fails
    ("21", "ign", 7, False),  # its only allocation ended
    ("43", "heal-register-meta-changed", 13, False),  # runs, and its deployment is not over
    ("43", "heal-register-unchanged", None, False),
]


@pytest.mark.parametrize(("number", "name", "last", "expected"), RECORDED, ids=str)
def test_each_recorded_state_is_healthy_or_not(number, name, last, expected):
    assert is_healthy(recorded(number, name, last)) is expected


RUNNING = {
    "ID": "a1",
    "TaskGroup": "app",
    "ClientStatus": "running",
    "DesiredStatus": "run",
    "JobVersion": 5,
    "TaskStates": {"main": {"State": "running", "Failed": False, "StartedAt": "2026-11-23T01:57:33.832085356Z"}},
}
WELL = JobAnswers(job(**{"TaskGroups.0.Count": 1}), LATER, (RUNNING,))


def test_a_job_with_all_it_should_run_is_healthy():
    assert is_healthy(WELL)


@pytest.mark.parametrize(
    "changes",
    [
        {"job": job()},
        {"job": None},
        {"job": job(**{"TaskGroups.0.Count": 1, "TaskGroups": []})},
        {"allocations": ()},
        {"allocations": ({**RUNNING, "JobVersion": 4},)},
        {"allocations": ({**RUNNING, "ClientStatus": "pending"},)},
        {"allocations": ({**RUNNING, "ClientStatus": "complete"},)},
        {"allocations": ({**RUNNING, "TaskGroup": "other"},)},
        {"allocations": ({**RUNNING, "DeploymentStatus": {"Healthy": False}},)},
        {"allocations": ({**RUNNING, "TaskStates": {"main": {"State": "dead", "Failed": True}}},)},
        {"deployment": {"JobVersion": 5, "Status": "running"}},
        {"deployment": {"JobVersion": 5, "Status": "failed"}},
        {"checks": ({"name": "alive", "status": "critical"},)},
        {"checks": ({"Check": "alive", "Status": "success"}, {"name": "b", "status": "failure"})},
    ],
    ids=str,
)
def test_less_than_that_is_not_healthy(changes):
    assert not is_healthy(replace(WELL, **changes))


def test_the_youngest_task_says_since_when_a_job_runs():
    later = {**RUNNING, "ID": "a2", "TaskStates": {"main": {"State": "running", "StartedAt": "2026-11-23T02:00:00Z"}}}
    assert running_since(WELL) == 1795399053.832085
    assert running_since(replace(WELL, allocations=(RUNNING, later))) == 1795399200.0
    assert running_since(replace(WELL, allocations=())) == 0.0
    assert running_since(recorded("01", "web")) > 1795399000


def test_versions_of_a_batch_job_that_finished_are_healthy():
    assert healthy_versions(recorded("12", "bok")) == {0}
    assert healthy_versions(recorded("12", "bad")) == frozenset()
    assert healthy_versions(recorded("21", "ign", 7)) == frozenset(), "a service that completed was stopped"


def readings(*polls, limits=LIMITS, **how):
    """Return the attempt after readings, each a time after its begin and whether the job is healthy."""
    attempt = ATTEMPT
    for after, well in polls:
        attempt = verify(attempt, well, ATTEMPT.began + after, limits, **how)
    return attempt


def test_p8_one_healthy_poll_heals_nothing():
    assert readings((10, True)).state is AttemptState.DONE
    assert readings((10, True), (39, True)).state is AttemptState.DONE
    assert readings((10, True), (40, True)).state is AttemptState.HEALED


def test_p8_healthy_for_five_seconds_and_then_dead_is_failed_and_undone():
    dead = readings((10, True), (15, False), (300, False))
    assert dead.state is AttemptState.FAILED
    assert undo_of(dead, job(Version=6, Meta={HEALING_META: "h1"})) == RevertJob(5, if_version=6)


def test_p8_a_failure_that_nomad_gave_up_on_ends_the_wait():
    assert (
        verify(ATTEMPT, is_healthy_now=False, now=1001, limits=LIMITS, failed_again=True).state is AttemptState.FAILED
    )


def test_p8_a_break_starts_the_window_again():
    flapping = readings((10, True), (30, True), (35, False), (36, True), (60, True))
    assert flapping.state is AttemptState.DONE
    assert readings((10, True), (35, False), (36, True), (66, True)).state is AttemptState.HEALED


def test_p8_a_job_that_crashes_between_readings_is_not_healed():
    attempt = ATTEMPT
    for after in range(10, 290, 10):
        attempt = verify(attempt, is_healthy_now=True, now=1000.0 + after, limits=LIMITS, since=1000.0 + after - 5)
    assert attempt.state is AttemptState.DONE
    assert verify(attempt, is_healthy_now=True, now=1330.0, limits=LIMITS, since=1295.0).state is AttemptState.HEALED


def test_p8_a_job_that_becomes_healthy_at_the_last_moment_gets_its_whole_window():
    assert readings((299, True), (310, True)).state is AttemptState.DONE
    assert readings((299, True), (329, True)).state is AttemptState.HEALED
    assert readings((299, True), (310, False)).state is AttemptState.FAILED


@given(st.sampled_from(sorted(set(AttemptState) - {AttemptState.DONE})), st.booleans(), st.floats(0, 10**9))
def test_only_what_was_done_is_verified_and_only_what_was_not_healed_is_undone(state, well, now):
    attempt = replace(ATTEMPT, state=state)
    assert verify(attempt, well, now, LIMITS) == attempt
    undone = undo_of(attempt, job(Version=6, Meta={HEALING_META: "h1"}))
    assert (undone is not None) is (state is AttemptState.FAILED)


@pytest.mark.parametrize("action", sorted(MODEL_ACTIONS))
def test_p8_what_changed_nothing_is_not_undone(action):
    undone = undo_of(replace(ATTEMPT, action=action), job(Version=6, Meta={HEALING_META: "h1"}))
    changes = {Action.INCREASE_MEMORY, Action.FIX_IMAGE, Action.FREE_PORT, Action.FIX_CONFIG}
    assert undone == (RevertJob(5, if_version=6) if action in changes else None)


@pytest.mark.parametrize(
    "now",
    [
        job(Version=7, Meta={HEALING_META: "h1"}),
        job(Version=5, Meta={HEALING_META: "h1"}),
        job(Version=6, Meta={HEALING_META: "h2"}),
        job(Version=6, Meta=None),
        job(Version=6, Meta={HEALING_META: "h1"}, Stop=True),
    ],
)
def test_p8_what_somebody_else_changed_is_not_undone(now):
    assert undo_of(ATTEMPT, now) is None


def test_p8_a_version_that_came_back_is_undone_too():
    attempt = replace(ATTEMPT, action=Action.FIX_CONFIG)
    assert undo_of(attempt, job(Version=6)) == RevertJob(5, if_version=6)
    assert undo_of(attempt, job(Version=7)) is None
