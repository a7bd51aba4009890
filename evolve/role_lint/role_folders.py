"""Reads one folder as a role."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.includes import reach_of
from evolve.role_lint.literals import Literals, merge_levels
from evolve.role_lint.nodes import Entry, Node, Reader, Spot
from evolve.role_lint.tasks import AnsibleTask, read_tasks
from evolve.role_lint.text_files import read_texts
from evolve.role_lint.words import ROLE_INCLUDES

YAML: Final = (".yml", ".yaml")
_ROLE_PARTS: Final = ("tasks", "handlers", "defaults", "meta", "vars", "templates")
_NOWHERE: Final = Spot("", 1)


def is_role(folder: Path) -> bool:
    """Return whether a folder is a role."""
    if (folder / "roles").is_dir():
        return False
    has_main = any((folder / part / f"main{end}").is_file() for part in ("tasks", "meta") for end in YAML)
    return has_main or ((folder / "tasks").is_dir() and any((folder / part).is_dir() for part in _ROLE_PARTS[1:]))


def is_role_with_tasks(folder: Path) -> bool:
    """Return whether a folder is a role that does something; a lone `meta/` may be a repository's."""
    return is_role(folder) and any((folder / part).is_dir() for part in ("tasks", "handlers"))


def yaml_files(folder: Path) -> list[Path]:
    """Return the YAML files in a folder and below, sorted; none if the folder does not exist."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.rglob("*") if path.suffix in YAML and path.is_file())


def read_role(folder: Path, shared: Mapping[str, Entry], reader: Reader) -> TaskScope:
    """Return the role in a folder."""
    home = TaskScope(_role_name(folder), folder)
    home.variables = {
        str(path): first_document(reader.read_one(path)).entries
        for part in ("defaults", "vars")
        for path in yaml_files(folder / part)
    }
    defaults = _level(home, "defaults", ("",))
    fixed = _level(home, "vars", ("main",))
    home.literals = Literals(defaults, fixed, shared)
    tasks: list[AnsibleTask] = []
    handler_files = {str(path) for path in yaml_files(folder / "handlers")}
    for path in yaml_files(folder / "tasks") + yaml_files(folder / "handlers"):
        for node in reader.read_one(path):
            tasks += read_tasks(node.items, home, in_handlers=str(path) in handler_files)
    settle(home, tasks, [str(folder / "tasks" / f"main{end}") for end in YAML], handler_files)
    home.texts = tuple(read_texts(folder / "templates", is_template=True)) + tuple(
        read_texts(folder / "files", is_template=False)
    )
    meta = _document(folder / "meta" / "main", reader)
    # Ansible reads both places, and prefers the file of its own.
    home.specs = _document(folder / "meta" / "argument_specs", reader) or meta
    home.name = _galaxy_name(meta) or home.name
    home.dependencies = _dependencies(meta)
    home.runs_on_debian = _names_debian(meta)
    return home


def _role_name(folder: Path) -> str:
    name = folder.absolute().name
    return name.removeprefix("ansible-role-").removeprefix("ansible-")


def _level(home: TaskScope, part: str, stems: tuple[str, ...]) -> Mapping[str, Entry]:
    base = home.folder / part
    return merge_levels(
        entries
        for path, entries in home.variables.items()
        if Path(path).is_relative_to(base) and (stems == ("",) or Path(path).stem in stems)
    )


def first_document(nodes: tuple[Node, ...]) -> Node:
    """Return the first document of a file; an empty one if there is none."""
    return nodes[0] if nodes else Node(_NOWHERE, None)


def _document(stem: Path, reader: Reader) -> Node | None:
    path = next((stem.with_suffix(end) for end in YAML if stem.with_suffix(end).is_file()), None)
    return first_document(reader.read_one(path)) if path else None


def _galaxy_name(meta: Node | None) -> str:
    """Return the name by which Galaxy installs a role, whatever its folder is called; empty if `meta/` has none."""
    info = meta.get("galaxy_info") if meta else None
    name = info.get("role_name") if info else None
    return name.text if name else ""


def _dependencies(meta: Node | None) -> tuple[str, ...]:
    given = meta.get("dependencies") if meta else None
    return tuple(role_of(item) for item in (given.items if given else ()))


def _names_debian(meta: Node | None) -> bool:
    info = meta.get("galaxy_info") if meta else None
    platforms = info.get("platforms") if info else None
    names = {node.text.lower() for item in (platforms.items if platforms else ()) if (node := item.get("name"))}
    return not names or bool(names & {"debian", "ubuntu", "all", "genericlinux"})


def role_of(item: Node) -> str:
    """Return the role that an item of `roles:` or `dependencies:` names."""
    name = item.get("role") or item.get("name") or item.get("src")
    return name.text if name else item.text


def settle(home: TaskScope, tasks: list[AnsibleTask], entries: Iterable[str], handler_files: Iterable[str]) -> None:
    """Set the attributes of a role or playbook that depend on all of its tasks together.

    Args:
        home: the role or playbook; gets its tasks, reachability, facts and used roles.
        tasks: all of its tasks and handlers.
        entries: the files that every run executes first.
        handler_files: the files in `handlers/`.
    """
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
    home.literals.facts = _facts_of(tasks)
    home.used_roles = tuple(task.text("name") for task in tasks if task.module in ROLE_INCLUDES)


def _facts_of(tasks: Iterable[AnsibleTask]) -> Mapping[str, Node | None]:
    """Return the literal that `set_fact` gives each name; None if it is no literal or there are several."""
    found: dict[str, Node | None] = {}
    for task in tasks:
        if task.module != "set_fact":
            continue
        for name, entry in task.args.items():
            is_first = name not in found
            before = found.get(name)
            same = is_first or (before is not None and before.plain == entry.node.plain)
            is_literal = "{{" not in entry.node.text and not task.is_guarded
            found[name] = entry.node if same and is_literal else None
    return found
