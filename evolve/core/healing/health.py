"""Whether a healing helped: a job that is healthy without a break, or its former version again (promise P8)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from evolve.core.incidents.allocation_state import current
from evolve.core.incidents.diagnosis import diagnose
from evolve.core.incidents.reading import fields, many, number, text
from evolve.core.model.actions import Action
from evolve.core.model.healing import HEALING_META, Attempt, AttemptState, HealingLimits, RevertJob
from evolve.core.model.incidents import JobAnswers, JsonFields, NoFailure

_WELL = frozenset({NoFailure.HEALTHY, NoFailure.RECOVERED, NoFailure.FINISHED})
_BAD_CHECKS = frozenset({"critical", "failure"})
_CHANGES_CONTENT = frozenset({Action.FIX_IMAGE, Action.FREE_PORT, Action.INCREASE_MEMORY})


def is_healthy(answers: JobAnswers) -> bool:
    """Return whether a job is well now: nothing fails, all that should run does so in its newest version.

    While a deployment of the newest version runs, it is not known. A batch job is well while it runs, too.
    """
    job = answers.job
    if job is None or diagnose(answers).none not in _WELL or not _is_deployed(answers):
        return False
    if any(text(check, "status").lower() in _BAD_CHECKS for check in answers.checks):
        return False
    running = [one for one in current(answers) if _is_up(one, job)]
    groups = many(job, "TaskGroups")
    return bool(groups) and all(_count(running, group) >= number(group, "Count") for group in groups)


def running_since(answers: JobAnswers) -> float:
    """Return when the youngest running task started, in seconds since 1970; 0 where nothing says so.

    A job that crashes again and again between two readings looks healthy at each of them, but this time moves.
    """
    started = [
        _seconds(text(state, "StartedAt"))
        for one in current(answers)
        for state in fields(one, "TaskStates").values()
        if isinstance(state, Mapping) and text(state, "State") == "running"
    ]
    return max(started, default=0.0)


def healthy_versions(answers: JobAnswers) -> frozenset[int]:
    """Return the versions of a batch job that finished once. Nomad marks versions of service jobs as stable itself."""
    if text(answers.job or {}, "Type") != "batch":
        return frozenset()
    done = (one for one in answers.allocations if text(one, "ClientStatus") == "complete" and "JobVersion" in one)
    return frozenset(number(one, "JobVersion") for one in done if not _has_failed_task(one))


def verify(
    attempt: Attempt,
    is_healthy_now: bool,
    now: float,
    limits: HealingLimits,
    *,
    since: float = 0.0,
    failed_again: bool = False,
) -> Attempt:
    """Return the attempt as it is after a reading of the job: `done` as long as it is open, `healed` or `failed`.

    Args:
        attempt: one that is `done`; any other is returned as it is.
        is_healthy_now: what `is_healthy` says.
        now: seconds since 1970.
        limits: how long the job must be healthy without a break, and how long it may take to become so.
        since: what `running_since` says: health does not count from earlier on.
        failed_again: whether there is a failure that Nomad does nothing more about; then there is no reason to wait.
    """
    if attempt.state is not AttemptState.DONE:
        return attempt
    if not is_healthy_now:
        is_over = failed_again or now - attempt.began >= limits.verify_s
        return replace(attempt, healthy_since=0.0, state=AttemptState.FAILED if is_over else AttemptState.DONE)
    began = max(attempt.healthy_since or now, min(since, now))
    is_healed = now - began >= limits.healthy_s
    return replace(attempt, healthy_since=began, state=AttemptState.HEALED if is_healed else AttemptState.DONE)


def undo_of(attempt: Attempt, job: JsonFields) -> RevertJob | None:
    """Return the way back to the version before an attempt; None where there is nothing to take back.

    That is so where the attempt changed nothing that the job runs (a restart), and where somebody else, or Nomad
    itself, changed the job after it: their change is not ours to take back.
    """
    version = number(job, "Version")
    if attempt.state not in (AttemptState.DONE, AttemptState.FAILED) or version != attempt.version_before + 1:
        return None
    if job.get("Stop") is True:
        return None
    carries_id = fields(job, "Meta").get(HEALING_META) == attempt.id
    # A version that came back has the content of its time, so it carries no ID.
    is_ours = carries_id if attempt.action in _CHANGES_CONTENT else attempt.action is Action.FIX_CONFIG
    return RevertJob(attempt.version_before, if_version=version) if is_ours else None


def _is_deployed(answers: JobAnswers) -> bool:
    deployment = answers.deployment or {}
    if deployment.get("JobVersion") != (answers.job or {}).get("Version"):
        return True
    return text(deployment, "Status") in ("", "successful")


def _is_up(one: JsonFields, job: JsonFields) -> bool:
    if one.get("JobVersion", job.get("Version")) != job.get("Version"):
        return False
    if fields(one, "DeploymentStatus").get("Healthy") is False:
        return False
    statuses = ("running", "complete") if text(job, "Type") == "batch" else ("running",)
    return text(one, "ClientStatus") in statuses and not _has_failed_task(one)


def _has_failed_task(one: JsonFields) -> bool:
    return any(state.get("Failed") is True for state in _states(one))


def _states(one: JsonFields) -> Iterator[JsonFields]:
    yield from (state for state in fields(one, "TaskStates").values() if isinstance(state, Mapping))


def _count(running: list[JsonFields], group: JsonFields) -> int:
    return sum(text(one, "TaskGroup") == text(group, "Name") for one in running)


def _seconds(moment: str) -> float:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0
