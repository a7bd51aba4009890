"""The names by which a scenario's plays find its role and the roles next to it, as Molecule gives them: links."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from evolve.infra.verification.scenario import Scenario
from evolve.system.role_layout import collection_of, is_role, role_names

_SUFFIXES: Final = ("*.yml", "*.yaml")


class RoleLinks(NamedTuple):
    """Folders in which Ansible looks for roles and collections."""

    roles_path: tuple[Path, ...]
    collections_path: tuple[Path, ...]


def make_links(scenario: Scenario, folder: Path) -> RoleLinks:
    """Return where a scenario's plays find roles: next to the role, and by links in `folder` under further names.

    A role that was cloned as `ansible-role-ntp` is `geerlingguy.ntp` to its own scenario, and a collection's checkout
    is rarely below `ansible_collections`; Molecule installs both under the names that their files give.
    """
    role_dir = scenario.role_dir.resolve()
    roles, collections = folder / "roles", folder / "collections"
    roles.mkdir(parents=True, exist_ok=True)
    for name, target in _names(scenario, role_dir):
        if not (roles / name).exists():
            (roles / name).symlink_to(target, target_is_directory=True)
    collection = collection_of(role_dir)
    if collection is not None:
        place = collections / "ansible_collections" / collection.namespace / collection.name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.symlink_to(collection.root, target_is_directory=True)
    return RoleLinks((role_dir.parent, roles), (collections,) if collection is not None else ())


def _names(scenario: Scenario, role_dir: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and folder of the role, then of the roles next to it; the first of a name counts."""
    known = role_names(role_dir)
    yield from ((name, role_dir) for name in known)
    short = known[1] if len(known) > 1 else known[0]
    yield from ((name, role_dir) for name in sorted(_called_in(scenario, short)))
    siblings = (path for path in sorted(role_dir.parent.iterdir()) if path != role_dir and is_role(path))
    yield from ((name, path) for path in siblings for name in role_names(path)[1:])


def _called_in(scenario: Scenario, short: str) -> set[str]:
    """Return the names with a namespace by which the scenario's plays call the role, whatever its meta file says."""
    plays = {path.parent for path in (scenario.converge, scenario.prepare, scenario.verify) if path}
    texts = [path.read_text("utf-8", "replace") for folder in plays for glob in _SUFFIXES for path in folder.glob(glob)]
    wanted = re.compile(rf"(?<![\w.-])(\w+\.{re.escape(short)})(?![\w.-])")
    return {name for text in texts for name in wanted.findall(text)}
