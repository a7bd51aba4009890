"""Digests of policies and plans: equal values have equal ones, in every process and at every time."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import Any

from evolve.core.incidents.version_changes import BOOKKEEPING
from evolve.core.model.healing import HEALING_META, HealingPolicy, PlannedAction


def policy_hash(policy: HealingPolicy) -> str:
    """Return 32 hex digits that name a policy. The order of its rules counts."""
    return _digest(_plain(policy))


def plan_hash(planned: PlannedAction) -> str:
    """Return 32 hex digits that name a plan; an approval is valid for this plan alone.

    The healing's ID is no part of it, nor are fields that Nomad changes while the job stays the same, such as its
    status. The job's JobModifyIndex is.
    """
    return _digest([type(planned).__name__, _plain(planned)])


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _of_field(one.name, getattr(value, one.name)) for one in dataclass_fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(map(str, value))
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def _of_field(name: str, value: Any) -> Any:
    if name != "spec":
        return _plain(value)
    spec = {key: part for key, part in value.items() if key not in BOOKKEEPING}
    meta = {key: part for key, part in (spec.get("Meta") or {}).items() if key != HEALING_META}
    return _plain({**spec, "Meta": meta})


def _digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()
