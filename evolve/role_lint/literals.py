"""Variables whose value is known without a run: defaults, vars, group_vars, literal facts."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from evolve.role_lint.nodes import Entry, Node

_NAME: Final = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}")
_DEPTH: Final = 6
"""How often variables inside of a value are replaced; two that name each other would never end."""


class VariableScope(Protocol):
    """The part of a task that decides what a variable's name means."""

    @property
    def keywords(self) -> Mapping[str, Entry]:
        """Its own keywords, including `vars`."""
        ...

    @property
    def outer(self) -> tuple[Mapping[str, Entry], ...]:
        """The keywords of the blocks around it, the outermost first."""
        ...

    @property
    def loop(self) -> Node | None:
        """The list that it loops over."""
        ...

    @property
    def loop_names(self) -> frozenset[str]:
        """The variables that differ in each pass."""
        ...


@dataclass(slots=True)
class Literals:
    """What is known about the variables of a role or playbook without a run."""

    defaults: Mapping[str, Entry] = field(default_factory=dict)
    """Of `defaults/`: the role's arguments."""
    fixed: Mapping[str, Entry] = field(default_factory=dict)
    """Of `vars/main.yml` or the play."""
    group: Mapping[str, Entry] = field(default_factory=dict)
    """Of `group_vars/all`, and of other groups unless two disagree."""
    facts: Mapping[str, Node | None] = field(default_factory=dict)
    """Of `set_fact`: the value if all tasks set the same literal, else None."""
    unknown: frozenset[str] = frozenset()
    """Names whose value depends on the run: registered, or in a file of variables that a fact chooses."""

    def find(self, name: str, task: VariableScope | None = None) -> Node | None:
        """Return the value from the place with the highest precedence; None if it is not known."""
        for keywords in (task.keywords, *reversed(task.outer)) if task else ():
            own = keywords["vars"].node.get(name) if "vars" in keywords else None
            if own is not None:
                return own
        if name in self.unknown:
            return None
        if name in self.facts:
            return self.facts[name]
        for level in (self.fixed, self.group, self.defaults):
            if name in level:
                return level[name].node
        return None

    def resolve(self, text: str, task: VariableScope | None = None) -> str:
        """Return the text with each plain `{{ name }}` replaced by its value, if that is a known scalar."""
        for _ in range(_DEPTH):
            if "{{" not in text:
                break
            changed = _NAME.sub(lambda found: self._value(found, task), text)
            if changed == text:
                break
            text = changed
        return text

    def _value(self, found: re.Match[str], task: VariableScope | None) -> str:
        if task is not None and found[1] in task.loop_names and task.loop is not None:
            return found[0]
        node = self.find(found[1], task)
        if node is None or node.value is None or node.is_list or node.entries:
            return found[0]
        return node.text


def merge_levels(levels: Iterable[Mapping[str, Entry]]) -> Mapping[str, Entry]:
    """Return the entries of several files together; a name with two different values is left out."""
    found: dict[str, Entry] = {}
    conflicts: set[str] = set()
    for level in levels:
        for name, entry in level.items():
            if name in found and found[name].node.plain != entry.node.plain:
                conflicts.add(name)
            found.setdefault(name, entry)
    return {name: entry for name, entry in found.items() if name not in conflicts}
