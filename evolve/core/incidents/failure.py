"""Collects what is known of one failure, and the key that identifies it."""

import hashlib
import json
from dataclasses import astuple, replace
from typing import Any

from evolve.core.cases.fingerprint import normalise
from evolve.core.incidents.allocation_state import failed_since, failed_task, last_run, last_words
from evolve.core.incidents.reading import fields, many, named, number, text
from evolve.core.incidents.version_changes import changes_since_healthy
from evolve.core.model.incidents import (
    FailedJob,
    FailureEvidence,
    FailureKey,
    JobAnswers,
    JsonFields,
    TaskLogs,
)
from evolve.core.model.json_value import JsonValue

_MIB = 2**20


def failure_of(answers: JobAnswers, one: JsonFields) -> FailedJob:
    """Return what is known of an allocation's failure."""
    name, state = failed_task(one)
    group = text(one, "TaskGroup")
    chain = _chain(answers, one)
    ended = last_run(state)
    evidence = FailureEvidence(
        status=_status(one),
        exit_code=number(ended, "ExitCode") if ended else None,
        signal=number(ended, "Signal") if ended else None,
        oom_killed=text(fields(ended, "Details"), "oom_killed") == "true" if ended else None,
        restarts=number(state, "Restarts"),
        events=tuple(_event(event) for event in many(state, "Events")),
        checks=answers.checks,
        deployment=_deployment(answers),
        logs=answers.logs.get((text(one, "ID"), name), TaskLogs()),
    )
    # Logs are no part of the signature: a tail that is read a second later must not make the failure another one.
    signature = _signature(evidence, [last_words(state)])
    return _failed(answers, evidence, _key(answers, group, name, signature, one), chain, text(one, "NodeName"))


def not_placed(answers: JobAnswers, evaluation: JsonFields) -> FailedJob:
    """Return what is known of a job that no node took."""
    groups = fields(evaluation, "FailedTGAllocs")
    group = min(groups)
    why = fields(groups, group)
    placement: dict[str, JsonValue] = {
        "nodes_evaluated": number(why, "NodesEvaluated"),
        "nodes_filtered": number(why, "NodesFiltered"),
        "nodes_exhausted": number(why, "NodesExhausted"),
        "nodes_available": dict(fields(why, "NodesAvailable")),
        "constraint_filtered": dict(fields(why, "ConstraintFiltered")),
        "dimension_exhausted": dict(fields(why, "DimensionExhausted")),
    }
    evidence = FailureEvidence("pending", placement=placement, deployment=_deployment(answers))
    reasons = [*fields(why, "ConstraintFiltered"), *fields(why, "DimensionExhausted")]
    signature = _signature(evidence, sorted(reasons) or ["no node available"])
    failed = _failed(answers, evidence, _key(answers, group, "", signature, {}), [], "")
    return replace(failed, since_ns=number(evaluation, "CreateTime") or None)


def key_digest(key: FailureKey) -> str:
    """Return 32 hex digits that name a failure's key; equal keys have equal digests."""
    return hashlib.blake2b(json.dumps(astuple(key)).encode(), digest_size=16).hexdigest()


def _failed(
    answers: JobAnswers, evidence: FailureEvidence, key: FailureKey, chain: list[JsonFields], node: str
) -> FailedJob:
    """Adds what the answers say of the job around a failure.

    Args:
        answers: all of them.
        evidence: of the last run.
        key: names the failed group and task.
        chain: the allocation that failed and those that it replaced.
        node: the node's name.
    """
    job = answers.job or {}
    tasks = many(named(many(job, "TaskGroups"), key.group), "Tasks")
    task = named(tasks, key.task) if key.task else (tasks[0] if len(tasks) == 1 else {})
    times = [time for one in chain if (time := failed_since(one)) is not None]
    ends = sum(number(failed_task(one)[1], "Restarts") + _is_over(one) for one in chain)
    return FailedJob(
        key=key,
        evidence=evidence,
        since_ns=min(times, default=None),
        failures=max(ends, 1),
        driver=text(task, "Driver"),
        image=text(fields(task, "Config"), "image"),
        job_type=text(job, "Type"),
        node=node,
        limits=_limits(fields(task, "Resources")),
        usage=_usage(answers.usage),
        changes=changes_since_healthy(answers.versions, key.job_version),
        dependencies=answers.dependencies,
        node_facts=_node_facts(answers.node),
    )


def _chain(answers: JobAnswers, last: JsonFields) -> list[JsonFields]:
    """The allocation and those that it replaced, as long as they failed in the same version."""
    by_id = {text(one, "ID"): one for one in answers.allocations}
    followed = {text(one, "NextAllocation"): one for one in answers.allocations}

    def before_of(one: JsonFields) -> JsonFields | None:
        return by_id.get(text(one, "PreviousAllocation")) or followed.get(text(one, "ID"))

    chain, before = [last], before_of(last)
    while before is not None and before not in chain and _is_over(before):
        if before.get("JobVersion") != last.get("JobVersion"):
            break
        chain.append(before)
        before = before_of(before)
    return chain


def _is_over(one: JsonFields) -> bool:
    return text(one, "ClientStatus") in ("failed", "lost")


def _status(one: JsonFields) -> str:
    status = text(one, "ClientStatus")
    return "unhealthy" if status == "running" else status


def _key(answers: JobAnswers, group: str, task: str, signature: str, one: JsonFields) -> FailureKey:
    job = answers.job or {}
    namespace = text(job, "Namespace") or text(one, "Namespace") or "default"
    version = number(one, "JobVersion") if "JobVersion" in one else number(job, "Version")
    return FailureKey(namespace, text(job, "ID"), group, task, text(one, "ID"), version, signature)


def _signature(evidence: FailureEvidence, words: list[str]) -> str:
    facts = [evidence.status]
    if evidence.exit_code is not None:
        facts.append(f"exit {evidence.exit_code} signal {evidence.signal}")
    return "; ".join([*facts, *filter(None, map(normalise, words))])


def _event(event: JsonFields) -> dict[str, JsonValue]:
    return {"type": text(event, "Type"), "message": text(event, "DisplayMessage")}


def _deployment(answers: JobAnswers) -> dict[str, JsonValue]:
    found = answers.deployment or {}
    return {
        name: value
        for name, value in (("status", text(found, "Status")), ("description", text(found, "StatusDescription")))
        if value
    }


def _limits(resources: JsonFields) -> dict[str, JsonValue]:
    names = (("cpu_mhz", "CPU"), ("memory_mb", "MemoryMB"), ("memory_max_mb", "MemoryMaxMB"))
    return {shown: number(resources, name) for shown, name in names if number(resources, name)}


def _usage(stats: JsonFields | None) -> dict[str, JsonValue]:
    used = fields(stats, "ResourceUsage")
    memory = fields(used, "MemoryStats")
    bytes_used = max(number(memory, "Usage"), number(memory, "RSS"))
    found = {"cpu_mhz": number(fields(used, "CpuStats"), "TotalTicks"), "memory_mb": bytes_used // _MIB}
    # Nomad answers zeros for an allocation that is over: they say nothing.
    return {name: value for name, value in found.items() if value}


def _node_facts(node: JsonFields | None) -> dict[str, JsonValue]:
    if not node:
        return {}
    resources = fields(node, "NodeResources")
    facts: dict[str, Any] = {
        "memory_mb": number(fields(resources, "Memory"), "MemoryMB"),
        "disk_mb": number(fields(resources, "Disk"), "DiskMB"),
        "status": text(node, "Status"),
        "eligibility": text(node, "SchedulingEligibility"),
        "drain": node.get("Drain") is True or None,
    }
    return {name: value for name, value in facts.items() if value}
