from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.healing.limits import backoff_s, earlier_attempts, has_common_cause, healings_left
from evolve.core.model.healing import HealingLimits, IncidentState
from fixtures.incidents import attempt as made_attempt
from fixtures.incidents import incident

LIMITS = HealingLimits()
NOW = 1_000_000.0


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_p5_backoff_stays_between_its_bounds(attempt, rng):
    assert LIMITS.first_backoff_s <= backoff_s(LIMITS, attempt, rng) <= LIMITS.longest_backoff_s


def test_p5_backoff_doubles_and_is_spread():
    assert [backoff_s(LIMITS, attempt, 1.0) for attempt in range(9)] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert [backoff_s(LIMITS, attempt, 0.0) for attempt in range(9)] == [30, 30, 60, 120, 240, 480, 960, 1800, 1800]


def test_p5_a_first_backoff_above_the_longest_is_cut():
    assert backoff_s(HealingLimits(first_backoff_s=100, longest_backoff_s=10), 3, 0.5) == 10


def test_p5_healings_of_the_last_hour_count():
    assert healings_left(LIMITS, [], NOW) == 10
    assert healings_left(LIMITS, [NOW - 3600] * 10, NOW) == 10
    assert healings_left(LIMITS, [NOW - 3599] * 4, NOW) == 6
    assert healings_left(LIMITS, [NOW] * 12, NOW) == 0


def test_p5_a_clock_that_was_set_back_gives_no_healing_away():
    assert healings_left(LIMITS, [NOW + 5000] * 10, NOW) == 0


def test_p5_twenty_jobs_that_fail_at_once_have_a_common_cause_for_an_hour():
    began = {f"job-{number}": NOW + number for number in range(20)}
    assert has_common_cause(LIMITS, began, NOW + 20)
    assert has_common_cause(LIMITS, began, NOW + 3000)
    assert not has_common_cause(LIMITS, began, NOW + 3700)


def test_p5_jobs_that_fail_one_after_the_other_have_no_common_cause():
    began = {f"job-{number}": NOW + 10 * number for number in range(20)}
    assert not has_common_cause(LIMITS, began, NOW + 200)
    assert has_common_cause(replace(LIMITS, common_cause_s=90), began, NOW + 200)
    assert not has_common_cause(LIMITS, {f"job-{number}": NOW for number in range(9)}, NOW)
    assert not has_common_cause(LIMITS, {}, NOW)


@pytest.mark.parametrize(
    ("last", "version", "after_s", "expected"),
    [
        (None, 1, 0, 0),
        ({"state": IncidentState.CLOSED}, 1, 1, 0),
        ({"state": IncidentState.HEALED}, 1, 1, 1),
        ({"state": IncidentState.RECOVERED, "earlier_attempts": 2}, 1, 1, 3),
        # It recovered by itself before anything was tried: a job that comes and goes keeps its count.
        ({"state": IncidentState.RECOVERED, "earlier_attempts": 2, "attempts": (), "job_version": 1}, 1, 1, 2),
        ({"state": IncidentState.RECOVERED, "earlier_attempts": 2, "attempts": (), "job_version": 1}, 2, 1, 0),
        ({"state": IncidentState.HEALED}, 2, 1, 0),  # somebody changed it
        ({"state": IncidentState.HEALED}, 1, 10_000, 0),
        ({"state": IncidentState.HEALED, "attempts": ()}, 1, 1, 0),
        ({"state": IncidentState.HEALED, "attempts": (made_attempt("h", target={"allocation": "a"}),)}, 1, 1, 0),
    ],
)
def test_attempts_before_a_relapse_count(
    last: dict[str, Any] | None, version: int, after_s: float, expected: int
) -> None:
    ended = incident(**{"attempts": (made_attempt("h"),), "changed": NOW, **last}) if last is not None else None
    assert earlier_attempts(LIMITS, ended, version, NOW + after_s) == expected
