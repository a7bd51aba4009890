"""Finds the roles and playbooks of a repository in any layout: roles_path, collections, playbooks anywhere."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from evolve.role_lint.nodes import Reader
from evolve.role_lint.playbooks import playbooks_in
from evolve.role_lint.role_folders import is_role, is_role_with_tasks
from evolve.system.role_layout import configured_roles_path

_COLLECTIONS: Final = "ansible_collections/*/*"
_DEPTH: Final = 7
"""How deep roles are searched for; `ansible_collections/NAMESPACE/NAME/playbooks/roles/GROUP/ROLE` is deepest."""
_NOT_ANSIBLE: Final = frozenset(
    ("molecule", "test", "tests", "node_modules", "venv", "files", "templates", "__pycache__", "plugins", "charts")
)
"""Folders without roles of the repository: scenarios and test targets may do anything, the rest is no Ansible."""


def roles_of(folder: Path) -> list[Path]:
    """Return the roles of a folder: itself, those in the usual places, or else all below; in order, each once."""
    usual = _usual_roles(folder)
    if is_role_with_tasks(folder) or (is_role(folder) and not usual):
        return [folder]
    found = usual or [path for path in folders_below(folder) if path != folder and is_role_with_tasks(path)]
    return sorted({path.resolve(): path for path in reversed(found)}.values())


def projects_of(folder: Path) -> list[Path]:
    """Return the folders that may have playbooks and group_vars: the folder, and projects if it holds only those."""
    if is_role(folder) or _usual_roles(folder) or playbooks_in(folder, Reader()):
        return [folder, *sorted(folder.glob(_COLLECTIONS))]
    inside = [path for path in folders_below(folder) if not is_role_with_tasks(path)]
    # The playbooks of `playbooks/` belong to the folder above it.
    return [path for path in inside if path == folder or path.name != "playbooks"]


def _usual_roles(folder: Path) -> list[Path]:
    places = [folder / "playbooks/roles", *folder.glob(f"{_COLLECTIONS}/roles"), *configured_roles_path(folder)]
    nested = [folder] if folder.absolute().name == "roles" else [folder / "roles", *places]
    has_roles_beside = any(is_role(path) for path in _children(folder))
    beside = _nested_roles(folder) if has_roles_beside else []
    return [*beside, *(role for place in nested for role in _nested_roles(place))]


def _nested_roles(folder: Path) -> list[Path]:
    """Return the roles in a folder of roles, and those that it groups in folders."""
    found: list[Path] = []
    for child in _children(folder):
        found += [child] if is_role(child) else [deep for deep in _children(child) if is_role(deep)]
    return found


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
