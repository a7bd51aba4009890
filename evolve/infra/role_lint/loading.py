"""Reads folders of roles, single roles and repositories with playbooks into a tree."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from evolve.core.errors import Location, Problem
from evolve.infra.role_lint.homes import Home, TextFile, Tree
from evolve.infra.role_lint.literals import Literals, facts_of, merged
from evolve.infra.role_lint.nodes import Entry, Node, Reader, Spot
from evolve.infra.role_lint.reach import included_file, reach_of
from evolve.infra.role_lint.tasks import Task, read_tasks
from evolve.infra.role_lint.text_files import read_text, read_texts
from evolve.infra.role_lint.words import INCLUDES, ROLE_INCLUDES

_YAML: Final = (".yml", ".yaml")
_ROLE_PARTS: Final = ("tasks", "handlers", "defaults", "meta", "vars", "templates")
_PLAY_PARTS: Final = ("pre_tasks", "tasks", "post_tasks")
_JOB_FOLDERS: Final = ("jobs", "nomad", "scripts", "files", "templates", "ansible/jobs")
_NOWHERE: Final = Spot("", 1)


def load_tree(places: Iterable[str]) -> Tree:
    """The roles, playbooks, jobs and shared variables of the given folders.

    Raises:
        InputError: a place is no folder or holds nothing of Ansible's, or files cannot be read; all of it at once.
    """
    reader = Reader()
    roles: dict[Path, None] = {}
    roots: dict[Path, None] = {}
    for place in places:
        folder = Path(place)
        found = _roles_in(folder)
        if not folder.is_dir():
            reader.problems.append(Problem("no such folder", Location(place), "give a role, or a folder of roles"))
        elif not found and not _playbooks(folder, reader):
            hint = "a role has tasks/main.yml; a folder of roles or a repository with roles/ or playbooks is fine too"
            reader.problems.append(Problem("no role and no playbook in here", Location(place), hint))
        roles |= dict.fromkeys(found)
        roots |= dict.fromkeys(_roots(folder, found))
    reader.problems = list(dict.fromkeys(reader.problems))
    shared = merged(_group_vars(roots, reader))
    homes = [_role(folder, shared, reader) for folder in roles]
    given = {Path(place) for place in places}
    for root in roots:
        if root in given:
            homes += _playbook_homes(root, shared, reader)
    reader.problems = list(dict.fromkeys(reader.problems))
    reader.check()
    return Tree(tuple(homes), shared, tuple(_root_texts(roots, given)), tuple(_settings(roots)))


def _is_role(folder: Path) -> bool:
    if (folder / "roles").is_dir():
        return False
    has_main = any((folder / part / f"main{end}").is_file() for part in ("tasks", "meta") for end in _YAML)
    return has_main or ((folder / "tasks").is_dir() and any((folder / part).is_dir() for part in _ROLE_PARTS[1:]))


def _roles_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    if _is_role(folder):
        return [folder]
    inside = [child for child in sorted(folder.iterdir()) if child.is_dir() and _is_role(child)]
    if folder.name != "roles" and (folder / "roles").is_dir():
        inside += _nested(folder / "roles")
    return inside if folder.name != "roles" else _nested(folder)


def _nested(folder: Path) -> list[Path]:
    found: list[Path] = []
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.name.startswith("."):
            found += [child] if _is_role(child) else [deep for deep in sorted(child.iterdir()) if _is_role(deep)]
    return found


def _roots(folder: Path, roles: list[Path]) -> Iterator[Path]:
    """The repository's folder of a place: where group_vars, playbooks and jobs would stand."""
    yield folder
    if folder.name == "roles":
        yield folder.parent
    elif roles == [folder] and folder.absolute().parent.name == "roles":
        yield folder.parent.parent


def _group_vars(roots: Iterable[Path], reader: Reader) -> Iterator[Mapping[str, Entry]]:
    for root in roots:
        for base in (root, root / "inventory"):
            for path in _yaml_files(base / "group_vars"):
                yield from (node.entries for node in reader.read(path))


def _yaml_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.rglob("*") if path.suffix in _YAML and path.is_file())


def _role(folder: Path, shared: Mapping[str, Entry], reader: Reader) -> Home:
    home = Home(_role_name(folder), folder)
    home.variables = {
        str(path): _first(reader.read(path)).entries
        for part in ("defaults", "vars")
        for path in _yaml_files(folder / part)
    }
    defaults = _level(home, "defaults", ("",))
    fixed = _level(home, "vars", ("main",))
    home.literals = Literals(defaults, fixed, shared)
    tasks: list[Task] = []
    handler_files = {str(path) for path in _yaml_files(folder / "handlers")}
    for path in _yaml_files(folder / "tasks") + _yaml_files(folder / "handlers"):
        for node in reader.read(path):
            tasks += read_tasks(node.items, home, in_handlers=str(path) in handler_files)
    _settle(home, tasks, [str(folder / "tasks" / f"main{end}") for end in _YAML], handler_files)
    home.texts = tuple(read_texts(folder / "templates", is_template=True)) + tuple(
        read_texts(folder / "files", is_template=False)
    )
    home.specs = _document(folder / "meta" / "argument_specs", reader)
    meta = _document(folder / "meta" / "main", reader)
    home.dependencies = _dependencies(meta)
    home.runs_on_debian = _names_debian(meta)
    return home


def _role_name(folder: Path) -> str:
    name = folder.absolute().name
    return name.removeprefix("ansible-role-").removeprefix("ansible-")


def _level(home: Home, part: str, stems: tuple[str, ...]) -> Mapping[str, Entry]:
    base = home.folder / part
    return merged(
        entries
        for path, entries in home.variables.items()
        if Path(path).is_relative_to(base) and (stems == ("",) or Path(path).stem in stems)
    )


def _first(nodes: tuple[Node, ...]) -> Node:
    return nodes[0] if nodes else Node(_NOWHERE, None)


def _document(stem: Path, reader: Reader) -> Node | None:
    path = next((stem.with_suffix(end) for end in _YAML if stem.with_suffix(end).is_file()), None)
    return _first(reader.read(path)) if path else None


def _dependencies(meta: Node | None) -> tuple[str, ...]:
    given = meta.get("dependencies") if meta else None
    return tuple(_role_of(item) for item in (given.items if given else ()))


def _names_debian(meta: Node | None) -> bool:
    info = meta.get("galaxy_info") if meta else None
    platforms = info.get("platforms") if info else None
    names = {node.text.lower() for item in (platforms.items if platforms else ()) if (node := item.get("name"))}
    return not names or bool(names & {"debian", "ubuntu", "all", "genericlinux"})


def _role_of(item: Node) -> str:
    name = item.get("role") or item.get("name") or item.get("src")
    return name.text if name else item.text


def _settle(home: Home, tasks: list[Task], entries: Iterable[str], handler_files: Iterable[str]) -> None:
    """Works out what only all tasks together say."""
    home.tasks = tuple(tasks)
    home.reach = reach_of(tasks, entries, handler_files)
    registered = {task.keyword_text("register") for task in tasks}
    chosen = {
        name
        for path, variables in home.variables.items()
        if Path(path).is_relative_to(home.folder / "vars") and Path(path).stem != "main"
        for name in variables
    }
    home.literals.unknown = frozenset(registered | chosen) - {""}
    home.literals.facts = facts_of(tasks)
    home.used_roles = tuple(task.text("name") for task in tasks if task.module in ROLE_INCLUDES)


def _playbooks(folder: Path, reader: Reader) -> list[tuple[Path, Node]]:
    """The files at the top of a folder, and in `playbooks/`, that are lists of plays."""
    found = []
    for base in (folder, folder / "playbooks"):
        for path in sorted(base.iterdir()) if base.is_dir() else ():
            if path.suffix not in _YAML or not path.is_file() or path.name.startswith("."):
                continue
            node = _first(reader.read(path))
            if node.is_list and any("hosts" in item.entries or _is_import(item) for item in node.items):
                found.append((path, node))
    return found


def _is_import(item: Node) -> bool:
    return any(key.rsplit(".", 1)[-1] == "import_playbook" for key in item.entries)


def _playbook_homes(root: Path, shared: Mapping[str, Entry], reader: Reader) -> list[Home]:
    return [_playbook(path, node, shared, reader) for path, node in _playbooks(root, reader) if not _is_role(root)]


def _playbook(path: Path, node: Node, shared: Mapping[str, Entry], reader: Reader) -> Home:
    home = Home(path.stem, path.parent, is_role=False)
    plays = [play for play in node.items if "hosts" in play.entries]
    fixed = merged(given.entries for play in plays if (given := play.get("vars")))
    home.literals = Literals({}, fixed, shared)
    tasks: list[Task] = []
    for play in plays:
        around = ({key: entry for key, entry in play.entries.items() if key in ("become", "module_defaults", "vars")},)
        for part in (*_PLAY_PARTS, "handlers"):
            given = play.get(part)
            items = given.items if given else ()
            tasks += read_tasks(items, home, outer=around, in_handlers=part == "handlers")
    tasks += _included(tasks, home, reader)
    _settle(home, tasks, [str(path)], [])
    home.used_roles += tuple(_role_of(item) for play in plays if (given := play.get("roles")) for item in given.items)
    return home


def _included(tasks: list[Task], home: Home, reader: Reader) -> list[Task]:
    found: list[Task] = []
    seen: set[Path] = set()
    waiting = list(tasks)
    while waiting:
        task = waiting.pop()
        name = included_file(task) if task.module in INCLUDES else ""
        path = Path(task.path).parent / name
        if name and path not in seen and path.is_file():
            seen.add(path)
            inside = [inner for node in reader.read(path) for inner in read_tasks(node.items, home)]
            found += inside
            waiting += inside
    return found


def _root_texts(roots: Iterable[Path], given: set[Path]) -> Iterator[TextFile]:
    for root in roots:
        if root not in given and not any(place.parent == root for place in given):
            continue
        if _is_role(root):
            continue
        for folder in _JOB_FOLDERS:
            yield from read_texts(root / folder, is_template=folder == "templates")
        for path in sorted(root.glob("*.sh*")):
            yield from read_text(path, is_template=path.suffix == ".j2")


def _settings(roots: Iterable[Path]) -> Iterator[TextFile]:
    for root in roots:
        path = root / "ansible.cfg"
        if path.is_file():
            yield from read_text(path, is_template=False)
