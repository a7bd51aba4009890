"""A hash of all that the verification of a role depends on: its files, its dependencies' files, image and harness."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

_IGNORED = frozenset(("__pycache__", ".git", ".pytest_cache", ".cache"))
_YAML = (".yml", ".yaml")
_INCLUDES = frozenset(
    f"{prefix}{verb}_role" for prefix in ("", "ansible.builtin.", "ansible.legacy.") for verb in ("include", "import")
)
_LISTS = frozenset(("roles", "dependencies"))
_NAMES = ("role", "name")
_PACKAGES = ("ansible-core", "ansible", "pytest-testinfra", "docker")
"""Packages whose versions affect the result of a verification."""


def role_hash(
    role_dir: Path, roles_dir: Path, *, image: str, harness: str, options: str = "", also: Iterable[Path] = ()
) -> str:
    """Return a hash that changes when a verification of the role could have another result.

    It covers each file's path, content and executable bit, of the role (its scenario and tests included) and of every
    role that it names in its dependencies, plays or includes, and of those that these name. A name that is only known
    when the role runs (`name: "{{ which }}"`), or a YAML file that cannot be read, adds all roles of the folder. Of a
    name that is not a role of the folder only the name counts: `harness_hash` covers what is installed. The history
    of the repository is not covered.

    Args:
        role_dir: the folder of the role.
        roles_dir: the folder of the roles that it may name.
        image: the hosts' image, such as `anneal-host:bookworm`, or preferably its id.
        harness: the result of `harness_hash`.
        options: of the verification, such as its seeds.
        also: further files or folders that the scenario reads, such as `group_vars`.
    """
    folders, unknown = _reachable_roles(role_dir, roles_dir)
    digest = hashlib.sha256()
    for word in ("role-hash-1", role_dir.name, image, harness, options, *sorted(unknown)):
        _put(digest, word.encode())
    for folder in (role_dir, *sorted(folders - {role_dir}), *sorted(also)):
        _put(digest, folder.name.encode())
        for name, content in _contents(folder):
            _put(digest, name.encode(errors="surrogateescape"))
            _put(digest, content)
    return digest.hexdigest()


def harness_hash(source: Path | None = None, packages: Sequence[str] = _PACKAGES) -> str:
    """Return a hash of the harness: the sources of `evolve.infra`, its values, and the versions of its tools."""
    package = Path(__file__).parents[1]
    parts = [source] if source else [package / "infra", package / "core" / "model" / "role_checks.py"]
    digest = hashlib.sha256()
    for part in parts:
        for name, content in _contents(part):
            _put(digest, name.encode())
            _put(digest, content)
    for name in packages:
        _put(digest, f"{name} {_version(name)}".encode())
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _put(digest: "hashlib._Hash", content: bytes) -> None:
    # The length goes first, so that no two lists of texts give the same bytes.
    digest.update(len(content).to_bytes(8, "big"))
    digest.update(content)


# --- files


def _contents(place: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the path of each file with its executable bit, and its content; links are followed, each folder once."""
    if place.is_file():
        yield "", place.read_bytes()
        return
    for path in _files(place):
        mark = "x" if os.access(path, os.X_OK) else "-"
        yield f"{mark} {path.relative_to(place).as_posix()}", path.read_bytes()


def _files(folder: Path) -> Sequence[Path]:
    found: list[Path] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = [] if real in seen else [name for name in folders if name not in _IGNORED]
        if real not in seen:
            found += [path for name in names if (path := Path(parent, name)).is_file()]
        seen.add(real)
    return sorted(path for path in found if path.suffix != ".pyc")


# --- dependencies


def _reachable_roles(role_dir: Path, roles_dir: Path) -> tuple[set[Path], set[str]]:
    """Return the folders of all roles that a role leads to, itself included, and the names that are not such roles."""
    folders, unknown, waiting = {role_dir}, set(), [role_dir]
    while waiting:
        for name in _role_names(waiting.pop()):
            if name is None:
                waiting += sorted(set(_all_roles(roles_dir)) - folders)
                folders.update(waiting)
            elif (folder := roles_dir / name).is_dir() and _is_plain(name):
                waiting += [folder] if folder not in folders else []
                folders.add(folder)
            else:
                unknown.add(name)
    return folders, unknown


def _is_plain(name: str) -> bool:
    return "/" not in name and name not in ("", ".", "..")


def _all_roles(roles_dir: Path) -> Iterator[Path]:
    return (path for path in roles_dir.iterdir() if path.is_dir() and (path / "tasks").is_dir())


def _role_names(folder: Path) -> set[str | None]:
    """Return the roles that a role's YAML files name; None in the set means that a name cannot be known."""
    found: set[str | None] = set()
    for path in _files(folder):
        # Templates are not task files, even with a suffix of YAML.
        if path.suffix in _YAML and path.relative_to(folder).parts[0] not in ("templates", "files"):
            found |= _role_names_in(path)
    return found


def _role_names_in(path: Path) -> set[str | None]:
    try:
        # Nodes, not values: tags such as `!vault` need no constructor.
        nodes = list(yaml.compose_all(path.read_text("utf-8"), Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError):
        return {None}
    return {name for node in nodes if node is not None for name in _names(node)}


def _names(node: yaml.Node) -> Iterator[str | None]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _names(item)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.value in _INCLUDES:
            yield _name_of(value)
        elif key.value in _LISTS and isinstance(value, yaml.SequenceNode):
            yield from map(_name_of, value.value)
        yield from _names(value)


def _name_of(node: yaml.Node) -> str | None:
    """Return the name in `mqtt`, `name=mqtt`, `{role: mqtt}` or `{name: mqtt}`; None when only the run knows it."""
    name = node.value if isinstance(node, yaml.ScalarNode) else None
    if isinstance(node, yaml.MappingNode):
        values = {key.value: value.value for key, value in node.value if isinstance(value, yaml.ScalarNode)}
        name = next((values[key] for key in _NAMES if key in values), None)
    if name is None or "{{" in name:
        return None
    words = dict(word.split("=", 1) for word in name.split() if "=" in word)
    return str(words.get("name", name))
