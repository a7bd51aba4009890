"""Turns a failure into the report that the reflection agent reads, as `diagnostics.schema.json` has it."""

from datetime import UTC, datetime

from evolve.core.model.incidents import FailedJob, VersionChange
from evolve.core.model.json_value import JsonValue


def diagnostics_of(failed: FailedJob) -> dict[str, JsonValue]:
    """Return a failure as diagnostics. What is not known is left out; the five required keys are always there."""
    evidence, key = failed.evidence, failed.key
    report: dict[str, JsonValue] = {
        "job_id": key.job,
        "driver": failed.driver,
        "status": evidence.status,
        "stdout": evidence.logs.stdout,
        "stderr": evidence.logs.stderr,
    }
    known: dict[str, JsonValue] = {
        "namespace": key.namespace,
        "type": failed.job_type,
        "group": key.group,
        "task": key.task,
        "alloc_id": key.allocation,
        "node": failed.node,
        "image": failed.image,
        "oom_killed": evidence.oom_killed,
        "exit_code": evidence.exit_code,
        "signal": evidence.signal,
        "events": [dict(event) for event in evidence.events],
        "checks": [dict(check) for check in evidence.checks],
        "placement": dict(evidence.placement),
        "deployment": dict(evidence.deployment),
        "limits": dict(failed.limits),
        "usage": dict(failed.usage),
        "since": "" if failed.since_ns is None else _time(failed.since_ns),
        "changes": [_change(change) for change in failed.changes],
        "dependencies": [{"name": name, "status": state} for name, state in sorted(failed.dependencies.items())],
        "node_facts": dict(failed.node_facts),
    }
    report |= {name: value for name, value in known.items() if value not in (None, "", [], {})}
    return report | {
        "job_version": key.job_version,
        "restarts": evidence.restarts,
        "failures": failed.failures,
    }


def _change(change: VersionChange) -> dict[str, JsonValue]:
    if change.before is None and change.after is None:
        return {"field": change.field}
    return {"field": change.field, "before": change.before, "after": change.after}


def _time(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
