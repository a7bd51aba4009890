"""The order of roles that run in parallel: the longest first, so that no worker is idle at the end."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evolve.pytest_plugin.roles.nodes import RoleItem
from evolve.pytest_plugin.roles.subject import Subject


def heaviest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the items with the longest roles first; a role's checks stay together, and other items do not move."""
    grouped: dict[Subject, list[RoleItem]] = {}
    for item in items:
        if isinstance(item, RoleItem):
            grouped.setdefault(item.subject, []).append(item)
    weigh = cache(weight)
    ordered = sorted(grouped, key=lambda subject: -weigh(subject.role_dir))
    checks = iter([check for subject in ordered for check in grouped[subject]])
    return [next(checks) if isinstance(item, RoleItem) else item for item in items]


def weight(role_dir: Path) -> int:
    """Return a rough duration for comparisons, without a unit: the role's hosts times the tasks in its files."""
    scenario = _read(role_dir / "molecule" / "default" / "molecule.yml")
    platforms = scenario.get("platforms") if isinstance(scenario, dict) else None
    tasks = sum(_length(_read(path)) for path in (role_dir / "tasks").rglob("*.yml"))
    return _length(platforms) * max(tasks, 1)


def _length(data: Any) -> int:
    """Return the length of a list; 1 for an empty list or no list, which the role's checks report."""
    return len(data) if isinstance(data, list) and data else 1


def _read(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_bytes())
    except (OSError, ValueError, yaml.YAMLError):
        return None
