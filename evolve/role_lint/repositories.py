"""Finds the roles and playbooks of a repository in any layout: roles_path, collections, playbooks anywhere."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from evolve.role_lint.role_folders import is_role, is_role_with_tasks
from evolve.system.role_layout import configured_roles_path

_DEPTH: Final = 7
"""How deep roles are searched for; `ansible_collections/NAMESPACE/NAME/playbooks/roles/GROUP/ROLE` is deepest."""
_NOT_ANSIBLE: Final = frozenset(
    ("molecule", "test", "tests", "node_modules", "venv", "files", "templates", "__pycache__", "plugins", "charts")
)
"""Folders without roles of the repository: scenarios and test targets may do anything, the rest is no Ansible."""


def roles_of(folder: Path) -> list[Path]:
    """Return the roles of a folder: itself, or all below it; in the paths' order, each once."""
    below = [path for path in folders_below(folder) if path != folder and is_role_with_tasks(path)]
    if is_role_with_tasks(folder) or (is_role(folder) and not below):
        return [folder]
    configured = [role for place in configured_roles_path(folder) for role in _children(place) if is_role(role)]
    # A folder of roles may have roles that are only dependencies, without tasks.
    beside = [
        role for place in {path.parent for path in below} | {folder} for role in _children(place) if is_role(role)
    ]
    found = sorted({*below, *configured, *beside})
    return list({path.resolve(): path for path in reversed(found)}.values())[::-1]


def folders_below(folder: Path) -> Iterator[Path]:
    """Yield a folder and those below it that may contain roles or playbooks, none of them inside of a role."""
    seen: set[Path] = set()
    waiting = [(folder, 0)]
    while waiting:
        here, depth = waiting.pop()
        real = here.resolve()
        if real in seen:  # a symbolic link to a folder above
            continue
        seen.add(real)
        yield here
        if depth < _DEPTH and not (is_role_with_tasks(here) and not _has_roles(here)):
            waiting += [(child, depth + 1) for child in reversed(_children(here))]


def _has_roles(folder: Path) -> bool:
    return (folder / "roles").is_dir()


def _children(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, except those that hold no roles of the repository."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [item.name for item in entries if not item.name.startswith(".") and item.is_dir()]
    return [folder / name for name in sorted(names) if name not in _NOT_ANSIBLE]
