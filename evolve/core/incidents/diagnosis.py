"""Makes the diagnosis of a job: what failed, or why nothing is to be done."""

from evolve.core.incidents.allocation_state import current, failed_task, is_failing, is_restarting
from evolve.core.incidents.failure import failure_of, not_placed
from evolve.core.incidents.reading import fields, number, text
from evolve.core.model.incidents import JobAnswers, JobDiagnosis, JsonFields, NoFailure

SETTLE_NS = 5_000_000_000
"""Nomad names the follow-up evaluation about a second after the failure: before, nothing says whether one comes."""

_OVER = frozenset({"", "successful", "failed", "cancelled"})


def diagnose(answers: JobAnswers) -> JobDiagnosis:
    """Return what is to be made of a job, from what Nomad answered about it.

    A failure that Nomad is at work on (a restart delay, a follow-up evaluation, a deployment) is no reason to act, but
    is part of the diagnosis all the same.
    """
    none = _no_job(answers.job)
    if none is not None:
        return JobDiagnosis(none, None)
    version = number(answers.job or {}, "Version")
    running = current(answers)
    failing = [one for one in running if is_failing(one) or _missed_the_deadline(answers, one)]
    mine = [one for one in failing if number(one, "JobVersion") == version or "JobVersion" not in one]
    if mine:
        worst = max(mine, key=lambda one: (not is_restarting(one), number(one, "ModifyIndex")))
        return JobDiagnosis(_at_work(answers, worst), failure_of(answers, worst))
    blocked = _blocked(answers)
    if blocked is not None:
        return JobDiagnosis(None, not_placed(answers, blocked))
    if failing:
        return JobDiagnosis(NoFailure.REPLACED, None)
    return JobDiagnosis(_healthy(answers, running), None)


def _no_job(job: JsonFields | None) -> NoFailure | None:
    if job is None:
        return NoFailure.GONE
    if job.get("Stop") is True:
        return NoFailure.STOPPED
    # In a list of jobs these two are truth values, in a job they are objects or null. A dispatched child has its
    # parent's ParameterizedJob, and Dispatched says that it runs.
    is_parent = job.get("Periodic") or (job.get("ParameterizedJob") and job.get("Dispatched") is not True)
    return NoFailure.PARENT if is_parent else None


def _at_work(answers: JobAnswers, one: JsonFields) -> NoFailure | None:
    """Why the failure of an allocation is still Nomad's."""
    if fields(one, "DesiredTransition").get("Migrate") is True or (answers.node or {}).get("Drain") is True:
        return NoFailure.DRAINING
    if is_restarting(one):
        return NoFailure.RESTART_DELAY
    if _is_rescheduled(answers, one):
        return NoFailure.FOLLOW_UP
    if _is_deploying(answers):
        return NoFailure.DEPLOYING
    return None


def _missed_the_deadline(answers: JobAnswers, one: JsonFields) -> bool:
    """Whether the allocation's deployment failed before it was ever healthy; it may run or wait for ever."""
    if text(one, "ClientStatus") not in ("pending", "running"):
        return False
    deployment = answers.deployment or {}
    is_own = text(deployment, "Status") == "failed" and deployment.get("JobVersion") == one.get("JobVersion")
    return is_own and fields(one, "DeploymentStatus").get("Healthy") is not True


def _is_rescheduled(answers: JobAnswers, one: JsonFields) -> bool:
    follow_up = text(one, "FollowupEvalID")
    if follow_up:
        known = {text(evaluation, "ID"): text(evaluation, "Status") for evaluation in answers.evaluations}
        return known.get(follow_up, "pending") == "pending"
    if text(one, "ClientStatus") == "failed" and answers.now_ns - number(one, "ModifyTime") < SETTLE_NS:
        return True
    followed = text(one, "EvalID")
    return any(
        followed and text(evaluation, "PreviousEval") == followed and text(evaluation, "Status") == "pending"
        for evaluation in answers.evaluations
    )


def _is_deploying(answers: JobAnswers) -> bool:
    return text(answers.deployment or {}, "Status") not in _OVER


def _blocked(answers: JobAnswers) -> JsonFields | None:
    """The evaluation that waits for room. A deployment that placed nothing runs for ever: no reason to wait."""
    # An earlier job of this ID left its evaluations: they are older than the job.
    since = number(answers.job or {}, "CreateIndex")
    found = [
        one
        for one in answers.evaluations
        if text(one, "Status") == "blocked" and fields(one, "FailedTGAllocs") and number(one, "CreateIndex") >= since
    ]
    return max(found, key=lambda one: number(one, "ModifyIndex"), default=None)


def _healthy(answers: JobAnswers, running: list[JsonFields]) -> NoFailure:
    statuses = {text(one, "ClientStatus") for one in running}
    if text(answers.job or {}, "Type") not in ("service", "system") and statuses == {"complete"}:
        return NoFailure.FINISHED
    moves = any(fields(one, "DesiredTransition").get("Migrate") is True for one in answers.allocations)
    if moves and "running" not in statuses:
        return NoFailure.DRAINING
    had_failed = any(
        text(one, "ClientStatus") in ("failed", "lost") or failed_task(one)[1].get("Restarts")
        for one in answers.allocations
    )
    if "running" in statuses and had_failed:
        return NoFailure.RECOVERED
    return NoFailure.DEPLOYING if _is_deploying(answers) else NoFailure.HEALTHY
