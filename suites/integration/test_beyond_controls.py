"""The controls of "beyond the lookup": nothing is claimed where nothing is, and a planted edit is found and claimed."""

import pytest

from benchmarks.beyond_control import CLAIMED_AT_LEAST, RUNS, TASKS, WORTH, Task, claims

NULLS = [task for task in TASKS if task.is_null]
(PLANTED,) = [task for task in TASKS if not task.is_null]


@pytest.mark.parametrize("task", NULLS, ids=lambda task: task.name)
def test_a_few_runs_claim_nothing_where_nothing_is_beyond_the_lookup(task: Task) -> None:
    assert claims(task, 3).claimed == 0


def test_a_planted_edit_is_claimed() -> None:
    found = claims(PLANTED, 3)
    assert found.claimed >= 2
    assert found.lead == pytest.approx(WORTH, abs=0.1)


@pytest.mark.nightly
@pytest.mark.parametrize("task", NULLS, ids=lambda task: task.name)
def test_runs_claim_no_more_than_chance_where_nothing_is_beyond_the_lookup(task: Task) -> None:
    assert claims(task, RUNS).claimed <= task.claimed_at_most


@pytest.mark.nightly
def test_a_planted_edit_is_claimed_in_nearly_all_runs() -> None:
    assert claims(PLANTED, RUNS).claimed >= CLAIMED_AT_LEAST
