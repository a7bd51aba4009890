"""Reads folders of roles, single roles and repositories with playbooks into a tree."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from evolve.core.model.errors import Location, Problem
from evolve.role_lint.homes import TaskScope, TextFile, Tree
from evolve.role_lint.literals import merge_levels
from evolve.role_lint.nodes import Entry, Reader
from evolve.role_lint.playbooks import playbooks_in, read_playbooks
from evolve.role_lint.role_folders import is_role, read_role, yaml_files
from evolve.role_lint.text_files import read_text, read_texts

_JOB_FOLDERS: Final = ("jobs", "nomad", "scripts", "files", "templates", "ansible/jobs")


def load_tree(places: Sequence[str]) -> Tree:
    """Return the roles, playbooks, jobs and shared variables of the given folders.

    Raises:
        InputError: a place is not a folder or contains no role and no playbook, or files cannot be read; all at once.
    """
    reader = Reader()
    roles: dict[Path, None] = {}
    roots: dict[Path, bool] = {}
    for place in places:
        found = _roles_of_place(place, reader)
        roles |= dict.fromkeys(found)
        for root, is_given in _roots(Path(place), found):
            roots[root] = is_given or roots.get(root, False)
    shared = merge_levels(_group_vars(roots, reader))
    homes = [read_role(folder, shared, reader) for folder in roles]
    for root, is_given in roots.items():
        homes += read_playbooks(root, shared, reader) if is_given else ()
    reader.check()
    texts = tuple(_root_texts([root for root in roots if not _holds_roles(root, roles)]))
    return Tree(tuple(homes), shared, texts, tuple(_settings(roots)), tuple(_around(roles, roots, shared)))


def _roles_of_place(place: str, reader: Reader) -> list[Path]:
    """Return the roles of a place; note a problem for a place without roles and playbooks."""
    folder = Path(place)
    found = _roles_in(folder)
    if not folder.is_dir():
        reader.problems.append(Problem("no such folder", Location(place), "name a role, or a folder of roles"))
    elif not found and not playbooks_in(folder, reader):
        hint = "name a role (it has tasks/main.yml), a folder of roles, or a repository with roles/ or playbooks"
        reader.problems.append(Problem("no role and no playbook in this folder", Location(place), hint))
    return found


def _holds_roles(root: Path, roles: Iterable[Path]) -> bool:
    return is_role(root) or any(role.parent == root for role in roles)


def _around(roles: Iterable[Path], roots: Mapping[Path, bool], shared: Mapping[str, Entry]) -> Iterator[TaskScope]:
    """Yield roles next to the given ones and playbooks above them, which may define handlers."""
    quiet = Reader()
    for folder in {role.parent for role in roles if role.absolute().parent.name == "roles"}:
        yield from (read_role(path, shared, quiet) for path in _nested_roles(folder) if path not in roles)
    for root, is_given in roots.items():
        if not is_given and root.is_dir():
            yield from read_playbooks(root, shared, quiet)


def _roles_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    if is_role(folder):
        return [folder]
    inside = [child for child in sorted(folder.iterdir()) if child.is_dir() and is_role(child)]
    if folder.absolute().name == "roles":
        return _nested_roles(folder)
    return inside + _nested_roles(folder / "roles") if (folder / "roles").is_dir() else inside


def _nested_roles(folder: Path) -> list[Path]:
    found: list[Path] = []
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.name.startswith("."):
            found += [child] if is_role(child) else [deep for deep in sorted(child.iterdir()) if is_role(deep)]
    return found


def _roots(folder: Path, roles: list[Path]) -> Iterator[tuple[Path, bool]]:
    """Yield the folders that may have group_vars, playbooks and jobs, and whether the user named them."""
    yield folder, True
    if folder.absolute().name == "roles":
        yield _above(folder, 1), False
    elif roles == [folder] and folder.absolute().parent.name == "roles":
        yield _above(folder, 2), False


def _above(folder: Path, levels: int) -> Path:
    """Return an ancestor, as the shortest path that the given one allows."""
    is_long_enough = len(folder.parts) >= levels and ".." not in folder.parts
    return folder.parents[levels - 1] if is_long_enough else folder.joinpath(*[".."] * levels)


def _group_vars(roots: Iterable[Path], reader: Reader) -> Iterator[Mapping[str, Entry]]:
    for root in roots:
        for base in (root, root / "inventory"):
            for path in yaml_files(base / "group_vars"):
                yield from (node.entries for node in reader.read(path))


def _root_texts(roots: Iterable[Path]) -> Iterator[TextFile]:
    for root in roots:
        for folder in _JOB_FOLDERS:
            yield from read_texts(root / folder, is_template=folder == "templates")
        for path in sorted(root.glob("*.sh*")):
            yield from read_text(path, is_template=path.suffix == ".j2")


def _settings(roots: Iterable[Path]) -> Iterator[TextFile]:
    for root in roots:
        path = root / "ansible.cfg"
        if path.is_file():
            yield from read_text(path, is_template=False)
