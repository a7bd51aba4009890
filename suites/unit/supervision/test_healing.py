"""What became of a change whose answer was lost is read from the cluster."""

import asyncio
from contextlib import closing
from typing import Any

import pytest

from evolve.core.cases.redaction import Redactor
from evolve.core.model.actions import Action
from evolve.core.model.healing import Attempt, AttemptState, Incident, IncidentState, RestartTask, RevertJob
from evolve.core.model.incidents import JobAnswers
from evolve.supervision.healing import CHANGE_SETTLES_S, Healer, is_changed_since, target_of, was_taken_back
from evolve.supervision.records import StoredRecords

BEGAN = 1_000.0
PLAN = RestartTask("alloc-1", "main")


def answers(*restarts_ns: int, version: int = 3, versions: tuple[dict[str, Any], ...] = ()) -> JobAnswers:
    """A job whose only task was signaled to restart at these times of its node's clock."""
    events = [{"Type": "Restart Signaled", "Time": time} for time in restarts_ns]
    allocation = {"ID": "alloc-1", "TaskStates": {"main": {"Events": [{"Type": "Started", "Time": 9**20}, *events]}}}
    return JobAnswers({"ID": "web", "Version": version, "Priority": version}, 0, (allocation,), versions=versions)


def attempt(before: JobAnswers) -> Attempt:
    target = target_of(PLAN, before)
    return Attempt("i-1", "key", Action.RESTART, "hash", AttemptState.INTENDED, BEGAN, version_before=3, target=target)


@pytest.fixture
def reconcile(tmp_path):
    with closing(StoredRecords(tmp_path, Redactor())) as records:

        def call(one: Attempt, found: JobAnswers, later_s: float) -> AttemptState:
            incident = Incident(
                "abcdefghij", "default", "web", "app", "main", IncidentState.HEALING, 1.0, BEGAN, "k", "s",
                attempts=(one,),
            )  # fmt: skip
            healer = Healer(None, None, records, lambda: BEGAN + later_s, lambda _: None)  # type: ignore[arg-type]
            return asyncio.run(healer.reconcile(records.save(incident), found)).attempts[-1].state

        yield call


def test_a_restart_is_found_though_the_nodes_clock_is_behind(reconcile):
    assert reconcile(attempt(answers(50)), answers(50, 51), 1.0) is AttemptState.DONE


def test_an_earlier_restart_is_not_ours(reconcile):
    assert reconcile(attempt(answers(50)), answers(50), CHANGE_SETTLES_S + 1) is AttemptState.NOT_DONE


def test_a_change_may_still_arrive_for_a_while(reconcile):
    assert reconcile(attempt(answers()), answers(), CHANGE_SETTLES_S - 1) is AttemptState.INTENDED


def test_what_is_found_again_of_a_revert_is_its_version():
    assert target_of(RevertJob(2, if_version=3), answers()) == {"version": 2}


def test_a_restart_makes_no_version_and_any_other_change_one():
    restart = attempt(answers())
    assert [is_changed_since(restart, {"Version": version}) for version in (3, 4)] == [False, True]
    register = Attempt("i-1", "k", Action.INCREASE_MEMORY, "h", AttemptState.DONE, BEGAN, version_before=3)
    assert [is_changed_since(register, {"Version": version}) for version in (3, 4, 5)] == [False, False, True]


def test_a_job_with_the_former_content_was_taken_back():
    kept = ({"ID": "web", "Version": 3, "Priority": 5}, {"ID": "web", "Version": 4, "Priority": 4})
    one = attempt(answers())
    assert was_taken_back(one, answers(version=5, versions=kept))
    assert not was_taken_back(one, answers(version=6, versions=kept))
