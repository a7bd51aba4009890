"""Reads the playbooks of a folder, and the files of tasks that they include."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.includes import file_of_include
from evolve.role_lint.literals import Literals, merge_levels
from evolve.role_lint.nodes import Entry, Node, Reader
from evolve.role_lint.role_folders import YAML, first_document, is_role, role_of, settle
from evolve.role_lint.tasks import AnsibleTask, read_tasks
from evolve.role_lint.words import INCLUDES

_PLAY_PARTS: Final = ("pre_tasks", "tasks", "post_tasks")


def playbooks_in(folder: Path, reader: Reader) -> list[tuple[Path, Node]]:
    """Return the files at the top of a folder, and in `playbooks/`, that are lists of plays."""
    found = []
    for base in (folder, folder / "playbooks"):
        for path in sorted(base.iterdir()) if base.is_dir() else ():
            if path.suffix not in YAML or not path.is_file() or path.name.startswith(".") or not _may_be_playbook(path):
                continue
            documents = reader.read(path)
            node = first_document(documents)
            if node.is_list and any("hosts" in item.entries or _is_import(item) for item in node.items):
                reader.refuse_further(documents)
                found.append((path, node))
    return found


def _may_be_playbook(path: Path) -> bool:
    """Whether a file begins as a list and has the words of a play; templates of other programs need not be YAML."""
    try:
        text = path.read_bytes()
    except OSError:
        return True  # the reader says what is wrong
    if b"hosts" not in text and b"import_playbook" not in text:
        return False
    for line in text.removeprefix(b"\xef\xbb\xbf").splitlines():
        begun = line.strip().removeprefix(b"---").lstrip()
        if begun and not begun.startswith((b"#", b"%")):
            return begun.startswith((b"- ", b"[", b"&", b"!")) or begun == b"-"
    return False


def _is_import(item: Node) -> bool:
    return any(key.rsplit(".", 1)[-1] == "import_playbook" for key in item.entries)


def read_playbooks(root: Path, shared: Mapping[str, Entry], reader: Reader) -> list[TaskScope]:
    """Return the playbooks of a folder; none if the folder is a role."""
    return [_playbook(path, node, shared, reader) for path, node in playbooks_in(root, reader) if not is_role(root)]


def _playbook(path: Path, node: Node, shared: Mapping[str, Entry], reader: Reader) -> TaskScope:
    home = TaskScope(path.stem, path.parent, is_role=False)
    plays = [play for play in node.items if "hosts" in play.entries]
    fixed = merge_levels(given.entries for play in plays if (given := play.get("vars")))
    home.literals = Literals({}, fixed, shared)
    tasks: list[AnsibleTask] = []
    for play in plays:
        around = ({key: entry for key, entry in play.entries.items() if key in ("become", "module_defaults", "vars")},)
        for part in (*_PLAY_PARTS, "handlers"):
            given = play.get(part)
            items = given.items if given else ()
            tasks += read_tasks(items, home, outer=around, in_handlers=part == "handlers")
    tasks += _include(tasks, home, reader)
    settle(home, tasks, [str(path)], [])
    home.used_roles += tuple(role_of(item) for play in plays if (given := play.get("roles")) for item in given.items)
    return home


def _include(tasks: list[AnsibleTask], home: TaskScope, reader: Reader) -> list[AnsibleTask]:
    found: list[AnsibleTask] = []
    seen: set[Path] = set()
    waiting = list(tasks)
    while waiting:
        task = waiting.pop()
        name = file_of_include(task) if task.module in INCLUDES else ""
        path = Path(task.path).parent / name
        if name and path not in seen and path.is_file():
            seen.add(path)
            inside = [inner for node in reader.read_one(path) for inner in read_tasks(node.items, home)]
            found += inside
            waiting += inside
    return found
