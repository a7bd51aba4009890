"""Where a repository has its Ansible roles, and by which names Molecule and Ansible find them."""

import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

SUFFIXES: Final = (".yml", ".yaml")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]*", re.IGNORECASE)
"""A namespace of Galaxy; an author with blanks in the name is a person."""
_PREFIX: Final = re.compile(r"^(ansible[-_.])?(role[-_.])?")
"""What Galaxy drops from a repository's name: `ansible-role-ntp` is the role `ntp`."""
_UP: Final = 3
"""How many folders above a role its `ansible.cfg` may be: `playbooks/roles/NAME` is below it by three."""


class Collection(NamedTuple):
    """A collection's checkout."""

    root: Path
    namespace: str
    name: str


def is_role(path: Path) -> bool:
    """Return whether a folder is an Ansible role that does something."""
    return any((path / "tasks" / f"main{suffix}").is_file() for suffix in SUFFIXES)


def find_roles(folder: Path) -> list[Path]:
    """Return the roles of a folder: itself, its folders, or where a repository of playbooks or collections has them.

    Looked at in this order, and the first that holds roles counts: the folder as a role, as a folder of roles, and then
    all of `roles/`, `playbooks/roles/`, `ansible_collections/*/*/roles/` and the `roles_path` of its `ansible.cfg`.
    """
    if is_role(folder):
        return [folder]
    here = _roles_in(folder)
    if here:
        return here
    below = [folder / "roles", folder / "playbooks" / "roles", *sorted(folder.glob("ansible_collections/*/*/roles"))]
    found = [role for place in (*below, *configured_roles_path(folder)) for role in _roles_in(place)]
    return list({role.resolve(): role for role in found}.values())


def _roles_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if is_role(path)] if folder.is_dir() else []


def configured_roles_path(folder: Path) -> list[Path]:
    """Return the folders in `roles_path` of the folder's `ansible.cfg` that are inside the folder."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read(folder / "ansible.cfg", "utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return []  # Ansible reports it, with the line
    given = config.get("defaults", "roles_path", fallback="")
    places = [(folder / word.replace("{{CWD}}", str(folder)).strip()) for word in given.split(":") if word.strip()]
    return [place for place in places if place.resolve().is_relative_to(folder.resolve())]


def find_config(role_dir: Path) -> Path | None:
    """Return the nearest `ansible.cfg`, in the role or above it, as far as the repository reaches."""
    for folder in (role_dir, *list(role_dir.parents)[:_UP]):
        if (folder / "ansible.cfg").is_file():
            return folder / "ansible.cfg"
        if (folder / ".git").exists():
            break
    return None


def collection_of(role_dir: Path) -> Collection | None:
    """Return the collection that a role belongs to; None for a role of its own."""
    root = role_dir.parent.parent
    if role_dir.parent.name != "roles":
        return None
    galaxy = read_mapping(root / "galaxy.yml")
    if galaxy.get("namespace") and galaxy.get("name"):
        return Collection(root, str(galaxy["namespace"]), str(galaxy["name"]))
    if root.parent.parent.name == "ansible_collections":
        return Collection(root, root.parent.name, root.name)
    return None


def role_names(role_dir: Path) -> list[str]:
    """Return the names by which plays refer to a role: the folder's, Galaxy's with and without its namespace."""
    collection = collection_of(role_dir)
    if collection is not None:
        return [role_dir.name, f"{collection.namespace}.{collection.name}.{role_dir.name}"]
    info = galaxy_info(role_dir)
    short = str(info.get("role_name") or _PREFIX.sub("", role_dir.name))
    spaces = [str(info[key]) for key in ("namespace", "author") if info.get(key)]
    full = [f"{space}.{short}" for space in spaces if _NAME.fullmatch(space)]
    return list(dict.fromkeys([role_dir.name, short, *full]))


def galaxy_info(role_dir: Path) -> dict[str, Any]:
    """Return `galaxy_info` of a role's meta file; empty when it has none or cannot be read."""
    given = _meta(role_dir).get("galaxy_info")
    return given if isinstance(given, dict) else {}


def needed_roles(role_dir: Path) -> list[str]:
    """Return the roles that a role depends on, by its meta file."""
    given = _meta(role_dir).get("dependencies")
    return list(_names(given if isinstance(given, list) else []))


def _meta(role_dir: Path) -> dict[str, Any]:
    return next((data for suffix in SUFFIXES if (data := read_mapping(role_dir / "meta" / f"main{suffix}"))), {})


class Requirements(NamedTuple):
    """What a `requirements.yml` names."""

    roles: list[str]
    collections: list[str]


def read_requirements(path: Path) -> Requirements:
    """Return what a file of `ansible-galaxy` names; its old form is a list of roles. Empty when it cannot be read."""
    data = _load(path)
    if isinstance(data, list):
        return Requirements(list(_names(data)), [])
    mapping = data if isinstance(data, dict) else {}
    return Requirements(*(list(_names(_list(mapping, key))) for key in ("roles", "collections")))


def _list(mapping: dict[str, Any], key: str) -> list[Any]:
    value = mapping.get(key)
    return value if isinstance(value, list) else []


def _names(entries: list[Any]) -> Iterator[str]:
    """Yield the name of each entry; a repository's address gives the name of its last part, as in ansible-galaxy."""
    for entry in entries:
        given = entry if isinstance(entry, dict) else {"role": entry}
        name = given.get("name") or given.get("role") or given.get("src")
        if isinstance(name, str) and name:
            yield name.rpartition("/")[2].partition(",")[0].removesuffix(".git")


def read_mapping(path: Path) -> dict[str, Any]:
    """Return a YAML file's mapping; empty when there is none or it cannot be read, which Ansible reports."""
    data = _load(path)
    return data if isinstance(data, dict) else {}


def _load(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_bytes())
    except (OSError, ValueError, yaml.YAMLError):
        return None
