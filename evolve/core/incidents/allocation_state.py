"""Says what an allocation's state means: which task failed, when, and whether Nomad restarts it by itself."""

from collections.abc import Iterator, Mapping

from evolve.core.incidents.reading import fields, many, number, text
from evolve.core.model.incidents import JobAnswers, JsonFields

_FAILED = frozenset({"failed", "lost", "unknown"})
_RESTARTING = frozenset({"Restarting", "Restart Signaled"})
_FAULTS = frozenset(
    {
        "Driver Failure",
        "Failed Validation",
        "Setup Failure",
        "Failed Artifact Download",
        "Task hook failed",
        "Killing",
        "Template",
        "Restart Signaled",
    }
)
"""Events that carry the words of a failure."""


def current(answers: JobAnswers) -> list[JsonFields]:
    """Return the allocations that should run and have no successor; those of an earlier job of this ID are left out."""
    # Ids are reused after a purge. Create indexes only grow, so what is older than the job is not its own.
    since = number(answers.job or {}, "CreateIndex")
    kept = [one for one in answers.allocations if number(one, "CreateIndex") >= since or not one.get("CreateIndex")]
    return [one for one in kept if text(one, "DesiredStatus") == "run" and not text(one, "NextAllocation")]


def is_failing(one: JsonFields) -> bool:
    """Return whether the allocation failed, is about to be restarted, is unhealthy, or waits for what never comes."""
    status = text(one, "ClientStatus")
    if status in _FAILED or is_restarting(one) or is_stuck(one):
        return True
    return status in ("pending", "running") and fields(one, "DeploymentStatus").get("Healthy") is False


def is_restarting(one: JsonFields) -> bool:
    """Return whether a task waits for its restart delay."""
    return text(one, "ClientStatus") in ("pending", "running") and any(
        text(task, "State") == "pending" and events and text(events[-1], "Type") in _RESTARTING
        for task, events in _tasks(one)
    )


def is_stuck(one: JsonFields) -> bool:
    """Return whether a task waits for a template's key or variable: Nomad shows no error and waits for ever."""
    return text(one, "ClientStatus") == "pending" and any(
        text(task, "State") == "pending" and any(text(event, "Type") == "Template" for event in events)
        for task, events in _tasks(one)
    )


def failed_task(one: JsonFields) -> tuple[str, JsonFields]:
    """Return the name and the state of the task that failed first; its siblings are only killed with it."""
    states = fields(one, "TaskStates")
    tasks = [(name, state) for name, state in sorted(states.items()) if isinstance(state, Mapping)]
    if not tasks:
        return "", {}
    return min(tasks, key=lambda task: (task[1].get("Failed") is not True, _first_fault(task[1]) is None, task[0]))


def last_run(state: JsonFields) -> JsonFields:
    """Return the event that ended the task's last run; empty where it never ran."""
    ended = [event for event in many(state, "Events") if text(event, "Type") == "Terminated"]
    return ended[-1] if ended else {}


def last_words(state: JsonFields) -> str:
    """Return Nomad's last message about the task's failure; empty when there is only an exit code."""
    said = [event for event in many(state, "Events") if text(event, "Type") in _FAULTS]
    # A task is killed because of what was said before.
    causes = [event for event in said if text(event, "Type") != "Killing"] or said
    return f"{text(causes[-1], 'Type')} {text(causes[-1], 'DisplayMessage')}" if causes else ""


def failed_since(one: JsonFields) -> int | None:
    """Return when the allocation failed first, in nanoseconds; None where nothing says so."""
    _, state = failed_task(one)
    return _first_fault(state) or number(one, "ModifyTime") or None


def _first_fault(state: JsonFields) -> int | None:
    times = [number(event, "Time") for event in many(state, "Events") if _is_fault(event)]
    return min(filter(None, times), default=None)


def _is_fault(event: JsonFields) -> bool:
    kind = text(event, "Type")
    return kind == "Terminated" or kind in _FAULTS


def _tasks(one: JsonFields) -> Iterator[tuple[JsonFields, list[JsonFields]]]:
    for state in fields(one, "TaskStates").values():
        if isinstance(state, Mapping):
            yield state, many(state, "Events")
