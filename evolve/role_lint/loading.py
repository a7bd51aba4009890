"""Reads folders of roles, single roles and repositories with playbooks into a tree."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from evolve.core.model.errors import Location, Problem
from evolve.role_lint.group_variables import GroupVariables
from evolve.role_lint.homes import TaskScope, TextFile, Tree
from evolve.role_lint.literals import merge_levels
from evolve.role_lint.nodes import Reader
from evolve.role_lint.playbooks import playbooks_in, read_playbooks
from evolve.role_lint.repositories import projects_of, roles_of
from evolve.role_lint.role_folders import is_role, read_role
from evolve.role_lint.text_files import read_text, read_texts
from evolve.system.role_layout import configured_roles_path

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
    variables = GroupVariables(roots, reader)
    homes = [read_role(folder, variables.of(folder), reader) for folder in roles]
    for root, is_given in roots.items():
        homes += read_playbooks(root, variables.of(root), reader) if is_given else ()
    reader.check()
    shared = merge_levels(variables.of(root) for root in roots)
    texts = tuple(_root_texts([root for root in roots if not _holds_roles(root, roles)]))
    return Tree(tuple(homes), shared, texts, tuple(_settings(roots)), tuple(_around(roles, roots, variables)))


def _roles_of_place(place: str, reader: Reader) -> list[Path]:
    """Return the roles of a place; note a problem for a place without roles and playbooks."""
    folder = Path(place)
    if not folder.is_dir():
        reader.problems.append(Problem("no such folder", Location(place), "name a role, or a folder of roles"))
        return []
    found = roles_of(folder)
    if not found and not any(playbooks_in(below, Reader()) for below in projects_of(folder)):
        hint = "name a role (it has tasks/main.yml), a folder of roles, or a repository with roles or playbooks"
        reader.problems.append(Problem("no role and no playbook in this folder", Location(place), hint))
    return found


def _holds_roles(root: Path, roles: Iterable[Path]) -> bool:
    return is_role(root) or any(role.parent == root for role in roles)


def _around(roles: Iterable[Path], roots: Mapping[Path, bool], variables: GroupVariables) -> Iterator[TaskScope]:
    """Yield roles next to the given ones and playbooks above them, which may define handlers."""
    quiet = Reader()
    known = {role.resolve() for role in roles}
    places = {role.parent for role in roles if role.absolute().parent.name == "roles"}
    places |= {place for root in roots for place in configured_roles_path(root)}
    for folder in sorted(places):
        beside = (path for path in roles_of(folder) if path.resolve() not in known) if folder.is_dir() else ()
        yield from (read_role(path, variables.of(path), quiet) for path in beside)
    for root, is_given in roots.items():
        if not is_given and root.is_dir():
            yield from read_playbooks(root, variables.of(root), quiet)


def _roots(folder: Path, roles: list[Path]) -> Iterator[tuple[Path, bool]]:
    """Yield the folders that may have group_vars, playbooks and jobs, and whether the user named them."""
    yield folder, True
    if folder.absolute().name == "roles":
        yield _above(folder, 1), False
    elif roles == [folder] and folder.absolute().parent.name == "roles":
        yield _above(folder, 2), False
    elif folder.is_dir() and roles != [folder]:
        yield from ((below, True) for below in projects_of(folder) if below != folder)


def _above(folder: Path, levels: int) -> Path:
    """Return an ancestor, as the shortest path that the given one allows."""
    is_long_enough = len(folder.parts) >= levels and ".." not in folder.parts
    return folder.parents[levels - 1] if is_long_enough else folder.joinpath(*[".."] * levels)


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
