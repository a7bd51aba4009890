"""Tasks as they are written: the module, its arguments, and what they inherit from blocks."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from evolve.role_lint.arguments import module_arguments
from evolve.role_lint.literals import Literals
from evolve.role_lint.nodes import Entry, Node, Spot
from evolve.role_lint.reach import Reachability
from evolve.role_lint.words import BLOCK_PARTS, TASK_KEYWORDS

_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_ACTION: Final = re.compile(r"\s*(?:module=)?(\S+)\s*(.*)", re.DOTALL)


class TaskHome(Protocol):
    """What a task needs from the role or playbook that contains it."""

    @property
    def name(self) -> str:
        """The role's or playbook's name."""
        ...

    @property
    def folder(self) -> Path:
        """The role's folder."""
        ...

    @property
    def is_role(self) -> bool:
        """Whether it is a role, not a playbook."""
        ...

    @property
    def runs_on_debian(self) -> bool:
        """Whether the role does not exclude Debian's family."""
        ...

    @property
    def literals(self) -> Literals:
        """The variables whose value is known."""
        ...

    @property
    def reach(self) -> Reachability:
        """How a run reaches the files of tasks."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AnsibleTask:
    """One task or handler."""

    spot: Spot
    """Where the task begins: its first key."""
    module: str
    """The last part of the module's name: `copy` for `ansible.builtin.copy`; empty if there is none."""
    module_spot: Spot
    args: Mapping[str, Entry]
    command: Node | None
    """The command of `command`, `shell`, `raw` and `script`."""
    keywords: Mapping[str, Entry]
    outer: tuple[Mapping[str, Entry], ...]
    """The keywords of the blocks around it, and of the play, the outermost first."""
    parts: tuple[str, ...]
    """The parts of blocks that contain it: `block`, `rescue`, `always`."""
    home: TaskHome
    in_handlers: bool = False
    """Written in a file of handlers, or in the play's `handlers`."""

    @property
    def path(self) -> str:
        """The file."""
        return self.spot.path

    @property
    def name(self) -> str:
        """Its name, empty without one."""
        return self.keyword_text("name")

    def keyword(self, name: str) -> Node | None:
        """Return the value of its own keyword."""
        entry = self.keywords.get(name)
        return entry.node if entry else None

    def keyword_text(self, name: str) -> str:
        """Return the scalar of its own keyword as text."""
        node = self.keyword(name)
        return node.text if node else ""

    def inherit(self, name: str) -> Node | None:
        """Return the value of a keyword from the task, or from the innermost block that sets it."""
        for keywords in (self.keywords, *reversed(self.outer)):
            if name in keywords:
                return keywords[name].node
        return None

    def arg(self, *names: str) -> Node | None:
        """Return the first of these arguments that is given."""
        for name in names:
            if name in self.args:
                return self.args[name].node
        return None

    def text(self, *names: str) -> str:
        """Return the first of these arguments that is given, as text, with known variables replaced."""
        node = self.arg(*names)
        return self.home.literals.resolve(node.text, self) if node else ""

    def is_true(self, name: str) -> bool:
        """Return whether an argument is given and true; false if that depends on the run."""
        return self.text(name).lower() in ("true", "yes", "on", "1")

    def is_false(self, name: str) -> bool:
        """Return whether an argument is given and false."""
        return self.text(name).lower() in ("false", "no", "off", "0")

    @property
    def own_conditions(self) -> tuple[Node, ...]:
        """The conditions of its own `when`."""
        node = self.keyword("when")
        return node.items if node else ()

    @property
    def conditions(self) -> tuple[Node, ...]:
        """The conditions of `when`, including those of its blocks."""
        outer = [item for keywords in self.outer if "when" in keywords for item in keywords["when"].node.items]
        return (*outer, *self.own_conditions)

    @property
    def loops_over_unknown(self) -> bool:
        """Whether the list of its loop depends on the run, so that it may be empty."""
        return self.loop is not None and "{{" in self.home.literals.resolve(self.loop.text, self)

    @property
    def knows_check_mode(self) -> bool:
        """Whether a condition on the way to it tests for check mode."""
        on_the_way = self.home.reach.conditions.get(self.path, ())
        return any("ansible_check_mode" in node.text for node in (*on_the_way, *self.conditions))

    @property
    def loop(self) -> Node | None:
        """The list of a loop, however it is written."""
        for key, entry in self.keywords.items():
            if key == "loop" or key.startswith("with_"):
                return entry.node
        return None

    @property
    def loop_names(self) -> frozenset[str]:
        """The variables that differ in each pass: `item` or its other name, and the index."""
        control = self.keyword("loop_control")
        given = {key: node.text for key in ("loop_var", "index_var") if (node := control.get(key) if control else None)}
        return frozenset((given.get("loop_var", "item"), *([given["index_var"]] if "index_var" in given else ())))

    def depends_on_loop(self, text: str) -> bool:
        """Return whether a text differs in each pass of the task's loop, directly or through a variable of the task."""
        if self.loop is None:
            return False
        names = set(_WORD.findall(text))
        own = self.keyword("vars")
        for key, entry in (own.entries if own else {}).items():
            if key in names:
                names |= {word for node in entry.node.scalars() for word in _WORD.findall(node.text)}
        return bool(names & self.loop_names)

    @property
    def is_handler(self) -> bool:
        """Whether it runs only when notified."""
        return self.in_handlers or self.path in self.home.reach.only_handlers

    @property
    def is_guarded(self) -> bool:
        """Whether it runs conditionally: `when` (its own, a block's or an include's), `creates`, or a notification."""
        return bool(
            self.conditions
            or self.is_handler
            or "rescue" in self.parts
            or self.arg("creates", "removes")
            or self.path in self.home.reach.guarded
        )

    @property
    def always_runs(self) -> bool:
        """Whether every run of the role executes it."""
        return not self.is_guarded and self.path in self.home.reach.always

    @property
    def notified(self) -> tuple[Node, ...]:
        """The handlers that it notifies."""
        node = self.inherit("notify")
        return node.items if node else ()

    @property
    def never_changes(self) -> bool:
        """Whether `changed_when` is plainly false."""
        node = self.keyword("changed_when")
        return node is not None and node.text.lower() in ("false", "no")

    def strings(self) -> Iterator[tuple[str, Node]]:
        """Yield the scalars of the arguments, with the argument's name."""
        for key, entry in self.args.items():
            for node in entry.node.scalars():
                yield key, node
        if self.command is not None and not any(entry.node is self.command for entry in self.args.values()):
            yield "cmd", self.command


def read_tasks(
    nodes: Iterator[Node] | tuple[Node, ...],
    home: TaskHome,
    *,
    outer: tuple[Mapping[str, Entry], ...] = (),
    parts: tuple[str, ...] = (),
    in_handlers: bool = False,
) -> Iterator[AnsibleTask]:
    """Yield the tasks of a list, including those in blocks.

    Args:
        nodes: the list's items.
        home: the role or playbook that contains them.
        outer: the keywords of the play and the blocks around them, the outermost first.
        parts: the parts of those blocks: `block`, `rescue`, `always`.
        in_handlers: whether they are written as handlers.
    """
    for node in nodes:
        entries = node.entries
        if "block" in entries:
            for part in BLOCK_PARTS:
                if part in entries:
                    inside = entries[part].node.items
                    around = (*outer, entries)
                    yield from read_tasks(inside, home, outer=around, parts=(*parts, part), in_handlers=in_handlers)
        elif entries:
            yield _task(node, home, outer, parts, in_handlers)


def _task(
    node: Node, home: TaskHome, outer: tuple[Mapping[str, Entry], ...], parts: tuple[str, ...], in_handlers: bool
) -> AnsibleTask:
    entries = node.entries
    spot = min(entry.spot for entry in entries.values())
    key = next((key for key in entries if key not in TASK_KEYWORDS and not key.startswith("with_")), "")
    given = entries[key].node if key else Node(spot, None)
    module, module_spot = key, entries[key].spot if key else spot
    legacy = next((word for word in ("action", "local_action") if word in entries), "")
    if not key and legacy:
        module, given = _action(entries[legacy].node)
        module_spot = entries[legacy].spot
    module = module.rsplit(".", 1)[-1]
    extra = entries["args"].node if "args" in entries else None
    args, command = module_arguments(module, given, extra)
    args = {**_module_defaults(module, (*outer, entries)), **args}
    keywords = {name: entry for name, entry in entries.items() if name != key}
    return AnsibleTask(spot, module, module_spot, args, command, keywords, outer, parts, home, in_handlers)


def _action(node: Node) -> tuple[str, Node]:
    if node.entries:
        module = node.get("module")
        rest = {key: entry for key, entry in node.entries.items() if key != "module"}
        return (module.text if module else ""), Node(node.spot, rest)
    found = _ACTION.match(node.text)
    return (found[1], Node(node.spot, found[2], found[2])) if found else ("", node)


def _module_defaults(module: str, around: tuple[Mapping[str, Entry], ...]) -> Mapping[str, Entry]:
    found: dict[str, Entry] = {}
    for keywords in around:
        given = keywords["module_defaults"].node if "module_defaults" in keywords else None
        for key, entry in (given.entries if given else {}).items():
            if key.rsplit(".", 1)[-1] == module:
                found |= entry.node.entries
    return found
