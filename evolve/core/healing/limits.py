"""How much is healed, and how soon again (promise P5)."""

from collections.abc import Mapping, Sequence

from evolve.core.model.healing import AttemptState, HealingLimits, Incident, IncidentState

HOUR_S = 3600.0
_MAX_DOUBLINGS = 63
"""More say nothing: the longest back-off is reached long before."""


def backoff_s(limits: HealingLimits, attempt: int, rng: float) -> float:
    """Return how long to wait after an attempt until the next decision about the same job, in seconds.

    It doubles from attempt to attempt and is spread, so that jobs that failed together are not healed together.

    Args:
        limits: have the shortest and the longest time.
        attempt: how many were made, from 1; 0 for the time before the first.
        rng: a random number from 0 to 1.
    """
    whole = min(limits.longest_backoff_s, limits.first_backoff_s * 2.0 ** min(max(attempt, 0), _MAX_DOUBLINGS))
    shortest = min(limits.first_backoff_s, limits.longest_backoff_s)
    return max(shortest, whole * (0.5 + 0.5 * rng))


def healings_left(limits: HealingLimits, times: Sequence[float], now: float) -> int:
    """Return how many healings may still begin.

    Args:
        limits: have the number of an hour.
        times: when healings of any job began. What is later than `now` counts: a clock that was set back gives none
            away.
        now: the same clock.
    """
    return max(0, limits.per_hour - sum(time > now - HOUR_S for time in times))


def has_common_cause(limits: HealingLimits, began: Mapping[str, float], now: float) -> bool:
    """Return whether so many jobs began to fail within a short time that their cause is probably one.

    Such a time counts for an hour after its last failure, so that the jobs are not healed one by one when it is over.

    Args:
        limits: have the number of jobs and the time.
        began: when each job that fails began to.
        now: the same clock.
    """
    recent = sorted(time for time in began.values() if time > now - HOUR_S)
    needed = limits.common_cause_jobs
    return any(last - first <= limits.common_cause_s for first, last in zip(recent, recent[needed - 1 :], strict=False))


def earlier_attempts(limits: HealingLimits, last: Incident | None, version: int, now: float) -> int:
    """Return how many attempts of a job count when it fails again: a healing that does not last is none.

    Args:
        limits: have the time within which it is a relapse.
        last: the job's incident that ended last; None without one.
        version: of the job that fails now. When a person changed the job since, that is another failure.
        now: seconds since 1970.
    """
    if last is None or last.state not in (IncidentState.HEALED, IncidentState.RECOVERED):
        return 0
    if version > _version_after(last) or now - last.changed > limits.relapse_s:
        return 0
    return last.earlier_attempts + len(last.attempts)


def _version_after(last: Incident) -> int:
    """The job's version after an incident, if nobody else has changed it."""
    if not last.attempts:
        return last.job_version
    attempt = last.attempts[-1]
    # A change makes one version, and its undo another; a restart in place makes none.
    return attempt.version_before + ("allocation" not in attempt.target) + (attempt.state is AttemptState.UNDONE)
