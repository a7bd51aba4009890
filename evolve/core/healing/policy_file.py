"""Reads a policy from YAML text. `policy.schema.json` in this folder is the one description of the format."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from evolve.core.formats.schema_check import Check, Kind, Path, compile_schema
from evolve.core.formats.yaml12 import Document, read_document
from evolve.core.healing.rules import is_of
from evolve.core.model.actions import Action
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.healing import HealingLimits, HealingPolicy, JobRule, Mode


@cache
def policy_schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a policy."""
    schema: Mapping[str, Any] = json.loads(FilePath(__file__).with_name("policy.schema.json").read_text("utf-8"))
    return schema


def read_policy(text: str, file: str) -> HealingPolicy:
    """Return the policy of a YAML text.

    Args:
        text: YAML or JSON.
        file: its name for messages.

    Raises:
        InputError: with every problem, from top to bottom.
    """
    problems: list[Problem] = []
    document = read_document(text, file, problems)
    findings = _Findings(document, problems)
    _check()(document.value, (), findings.report)
    value: Any = document.value
    if isinstance(value, dict):
        _check_sense(value, findings)
    if problems:
        raise InputError(sorted(problems, key=_line))
    default = Mode(value.get("mode", Mode.SUGGEST))
    return HealingPolicy(tuple(_rule(one, default) for one in value["jobs"]), _limits(value.get("limits", {})))


@cache
def _check() -> Check:
    return compile_schema(policy_schema())


class _Findings:
    """Collects problems, and remembers which parts have some."""

    def __init__(self, document: Document, problems: list[Problem]) -> None:
        self._document = document
        self._problems = problems
        self._broken: set[Path] = set()

    def report(self, path: Path, message: str, hint: str = "", kind: Kind = "value") -> None:
        """Add one problem.

        Args:
            path: where it is.
            message: what is wrong.
            hint: what to do.
            kind: whether it is the key or the value.
        """
        locate = self._document.locate if kind == "value" else self._document.locate_key
        self._problems.append(Problem(message, locate(*path), hint))
        self._broken |= {path[:length] for length in range(len(path) + 1)}

    def is_broken(self, *path: str | int) -> bool:
        """Return whether a part has a problem: what it means is then not known."""
        return path in self._broken


def _line(problem: Problem) -> tuple[int, int]:
    where = problem.where
    return (where.line or 0, where.column or 0) if where else (0, 0)


# --- What the schema cannot say ---------------------------------------------------------------------------------------


def _check_sense(value: dict[str, Any], findings: _Findings) -> None:
    if not findings.is_broken("limits"):
        _check_limits(value.get("limits", {}), findings)
    rules: Any = value.get("jobs")
    whole: list[Any] = []
    for at, rule in enumerate(rules if isinstance(rules, list) else ()):
        if findings.is_broken("jobs", at):
            continue
        for name, message, hint in _senseless(rule, value.get("mode", Mode.SUGGEST)):
            findings.report(("jobs", at, name) if name in rule else ("jobs", at), message, hint)
        first = next((one["job"] for one in whole if _covers(one["job"], rule["job"])), None)
        if first is not None:
            message = f"no job gets here: {first!r}, which comes first, fits all of them"
            findings.report(("jobs", at, "job"), message, "put the narrower pattern first")
        whole.append(rule)


def _check_limits(limits: dict[str, Any], findings: _Findings) -> None:
    read = _limits(limits)
    if read.first_backoff_s > read.longest_backoff_s:
        name = "first_backoff_s" if "first_backoff_s" in limits else "longest_backoff_s"
        findings.report(("limits", name), "first_backoff_s is more than longest_backoff_s")


def _senseless(rule: dict[str, Any], default: Any) -> Iterator[tuple[str, str, str]]:
    """What of a rule has no effect: the key, what is wrong, what to do."""
    actions = rule.get("actions", [])
    mode = rule.get("mode", default)
    if not actions and mode in (Mode.SUGGEST, Mode.ACT):
        yield "actions", f"mode {mode} without actions: nothing may be done", "list `actions`, or set `mode: observe`"
    if Action.FREE_DISK in actions and "scratch_paths" not in rule:
        yield "actions", "free_disk without scratch_paths is always refused", "declare the folders that may be emptied"
    for key, action in _KEYS_OF_ACTIONS.items():
        if key in rule and action not in actions:
            yield key, f"{key} has no effect: `actions` does not list {action}", f"add {action}, or leave {key} out"


_KEYS_OF_ACTIONS: Mapping[str, Action] = {
    "max_memory_mb": Action.INCREASE_MEMORY,
    "scratch_paths": Action.FREE_DISK,
    "remedies": Action.FIX_CONFIG,
}


def _covers(earlier: str, later: str) -> bool:
    """Whether every job of the later pattern is one of the earlier.

    It is tried on jobs of the later one: `*` as nothing, and as something that no earlier pattern can expect. That
    finds no pattern covered that is not.
    """
    before, slash, after = later.partition("/")
    names = [
        (f"{before if slash else '*'}\0{after if slash else later}").replace("?", "\2").replace("*", filling)
        for filling in ("", "\1", "\1\1")
    ]
    return all(is_of(earlier, *name.split("\0")) for name in names)


# --- Values -----------------------------------------------------------------------------------------------------------


def _rule(value: dict[str, Any], default: Mode) -> JobRule:
    return JobRule(
        pattern=value["job"],
        mode=Mode(value.get("mode", default)),
        actions=frozenset(map(Action, value.get("actions", ()))),
        max_memory_mb=int(value.get("max_memory_mb", 0)),
        scratch_paths=tuple(path.rstrip("/") for path in value.get("scratch_paths", ())),
        remedies={key: int(version) for key, version in value.get("remedies", {}).items()},
    )


def _limits(value: dict[str, Any]) -> HealingLimits:
    # YAML has `30` for 30.0, and JSON Schema takes 3.0 for an integer.
    kinds = {name: type(default) for name, default in asdict(HealingLimits()).items()}
    return HealingLimits(**{name: kinds[name](given) for name, given in value.items()})
