"""Which jobs may be healed, and by which actions (promise P7)."""

import re
from collections.abc import Iterator
from functools import lru_cache

from evolve.core.incidents.reading import fields, many, text
from evolve.core.model.actions import Action
from evolve.core.model.healing import HealingPolicy, JobRule, Mode, Refused
from evolve.core.model.incidents import JsonFields
from evolve.core.model.json_value import JsonValue

OWN_META = "anneal_supervisor"
"""The Meta key of the supervisor's own job."""
HEALED_TYPES = frozenset({"service", "batch"})
"""All others are left alone: system and sysbatch jobs run on every node."""
_OWN = "the supervisor's program"
UNRULED = JobRule("*", Mode.OBSERVE)
"""The rule of a job that no rule names."""

_INFRASTRUCTURE = frozenset({"nomad", "consul", "vault"})
_OWN_NAME = frozenset({"anneal", "supervisor"})
_WORDS = re.compile(r"[a-z0-9]+")
_STARTED = re.compile(r"\b(nomad|consul|vault)\s+(?:agent|server)\b")
"""In a shell's command line."""


def rule_of(policy: HealingPolicy, namespace: str, job: str) -> JobRule:
    """Return the first rule whose pattern fits the job; without one the job is observed."""
    return next((rule for rule in policy.rules if is_of(rule.pattern, namespace, job)), UNRULED)


def is_of(pattern: str, namespace: str, job: str) -> bool:
    """Return whether a pattern names a job: `NAMESPACE/JOB` or `JOB`, with `*` and `?`.

    >>> is_of("default/web-*", "default", "web-1"), is_of("web-?", "lab", "web-1"), is_of("lab/*", "default", "web")
    (True, True, False)
    """
    before, slash, after = pattern.partition("/")
    spaces, jobs = (before, after) if slash else ("*", pattern)
    return _matches(spaces, namespace) and _matches(jobs, job)


def may_heal(job: JsonFields, rule: JobRule, action: Action) -> Refused | None:
    """Return why an action must not be taken on a job; None where it may.

    The scheduler, what it depends on, and the supervisor itself are never touched, whatever the policy says.
    """
    if action is Action.ESCALATE:
        return None
    protected = protection_of(job)
    if protected:
        return Refused(f"not allowed: {protected}")
    if action not in rule.actions:
        return Refused(f"not allowed: the rule {rule.pattern!r} does not list {action}")
    return None


def protection_of(job: JsonFields) -> str:
    """Return why a job is never touched, whatever the policy says; empty where it may be."""
    kind = text(job, "Type")
    if kind not in HEALED_TYPES:
        return f"jobs of the type {kind or 'unknown'} are left alone"
    if job.get("Stop") is not False and job.get("Stop") is not None:
        return "somebody stopped the job"
    if job.get("Periodic") or (job.get("ParameterizedJob") and job.get("Dispatched") is not True):
        return "a periodic or parameterized job runs nothing itself"
    words = {word for name in ("ID", "Name") for word in _WORDS.findall(text(job, name).lower())}
    programs = {program for task in _tasks(job) if (program := _infrastructure_of(task))}
    if OWN_META in fields(job, "Meta") or words >= _OWN_NAME or _OWN in programs:
        return "it is the supervisor"
    found = sorted(words & _INFRASTRUCTURE | programs)
    return f"it is a job of {found[0]}" if found else ""


def _tasks(job: JsonFields) -> Iterator[JsonFields]:
    for group in many(job, "TaskGroups"):
        yield from many(group, "Tasks")


def _infrastructure_of(task: JsonFields) -> str:
    """The name of the cluster's own program that a task runs; empty for any other, and for a proxy of the mesh."""
    config = fields(task, "Config")
    arguments = [part for part in _texts(config.get("args")) if part]
    words = [_program(text(config, "command")), _program(text(config, "image")), *map(_program, arguments)]
    if "evolve" in words and "supervise" in arguments:
        return _OWN
    started = _STARTED.search(" ".join(arguments))
    if started:
        return started[1]
    found = next((word for word in words[:2] if word in _INFRASTRUCTURE), "")
    return "" if arguments[:1] == ["connect"] else found


def _program(value: str) -> str:
    """The last part of a path or of an image's name.

    >>> _program("/usr/bin/consul"), _program("docker.io/hashicorp/vault:1.15@sha256:ab")
    ('consul', 'vault')
    """
    return re.split(r"[:@]", value.rpartition("/")[2].lower())[0]


def _texts(value: JsonValue) -> list[str]:
    return [part for part in value if isinstance(part, str)] if isinstance(value, list) else []


def _matches(pattern: str, name: str) -> bool:
    return _compiled(pattern).fullmatch(name) is not None


@lru_cache(maxsize=1024)  # the patterns of one policy; each is compiled once
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(character, re.escape(character)) for character in pattern), re.DOTALL)
