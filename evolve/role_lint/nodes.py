"""YAML as values that know their place in the file; Ansible's own tags are kept as they are written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import yaml

from evolve.core.model.errors import InputError, Location, Problem

Scalar: TypeAlias = str | int | float | bool | None

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml reads ten times as fast, and gives the same lines and columns."""
_TRUE: Final = frozenset(("yes", "true", "on"))
_PLAIN_TAG: Final = "tag:yaml.org,2002:"
MAX_DEPTH: Final = 60
"""How deep a document may be nested: far deeper than any role, and an anchor that contains itself ends here."""


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """A place in a file; line and column count from 1."""

    path: str
    line: int
    column: int = 1


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a YAML file."""

    spot: Spot
    value: "Scalar | tuple[Node, ...] | Mapping[str, Entry]"
    raw: str = ""
    """A scalar as it is written, without quotes; `0644` stays `0644`."""
    is_literal_block: bool = False
    """Written with `|`: each line of the text is a line of the file."""

    @property
    def text(self) -> str:
        """The scalar as text; empty for mappings, lists and null."""
        return "" if self.value is None or isinstance(self.value, tuple | Mapping) else self.raw

    @property
    def entries(self) -> "Mapping[str, Entry]":
        """The mapping's entries; none for anything else."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def items(self) -> "tuple[Node, ...]":
        """The list's items; a single value counts as a list of one, as in most places of Ansible."""
        if isinstance(self.value, tuple):
            return self.value
        return () if self.value is None else (self,)

    @property
    def is_list(self) -> bool:
        """Whether it is written as a list."""
        return isinstance(self.value, tuple)

    def get(self, key: str) -> "Node | None":
        """Return the value of a mapping's key, None without one."""
        entry = self.entries.get(key)
        return entry.node if entry else None

    def at(self, index: int) -> Spot:
        """Return the place of the text's character `index`; its line only, and only in a literal block."""
        if not self.is_literal_block:
            return self.spot
        return Spot(self.spot.path, self.spot.line + 1 + self.text.count("\n", 0, index))

    def scalars(self) -> "Iterator[Node]":
        """Yield all scalars in here, itself included."""
        if isinstance(self.value, Mapping):
            for entry in self.value.values():
                yield from entry.node.scalars()
        elif isinstance(self.value, tuple):
            for item in self.value:
                yield from item.scalars()
        else:
            yield self

    @property
    def plain(self) -> object:
        """The value without places."""
        if isinstance(self.value, Mapping):
            return {key: entry.node.plain for key, entry in self.value.items()}
        if isinstance(self.value, tuple):
            return [item.plain for item in self.value]
        return self.value


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping, and its value."""

    spot: Spot
    node: Node


@dataclass(slots=True)
class Reader:
    """Reads YAML files and collects what is wrong with them."""

    problems: list[Problem] = field(default_factory=list)

    def read(self, path: Path) -> tuple[Node, ...]:
        """Return the documents of a file; none if it cannot be read, which is noted in `problems`."""
        try:
            return _documents(path.read_text(encoding="utf-8"), str(path))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            spot = Location(str(path), mark.line + 1, mark.column + 1) if mark else Location(str(path))
            self._add(f"not YAML: {error.problem or error.context}", spot)
        except yaml.YAMLError as error:
            self._add(f"not YAML: {str(error).splitlines()[0]}", Location(str(path)))
        except UnicodeDecodeError as error:
            self._add(f"not UTF-8: {error.reason} at byte {error.start}", Location(str(path)))
        except RecursionError:
            self._add(f"nested deeper than {MAX_DEPTH} levels, or an anchor that contains itself", Location(str(path)))
        except OSError as error:
            self._add(f"cannot be read: {error.strerror}", Location(str(path)))
        return ()

    def read_one(self, path: Path) -> tuple[Node, ...]:
        """Return the document of a file in which Ansible accepts only one; a second one is noted in `problems`."""
        found = self.read(path)
        self.refuse_further(found)
        return found[:1]

    def refuse_further(self, documents: tuple[Node, ...]) -> None:
        """Note a problem if a file has more than one document."""
        if len(documents) > 1:
            spot = documents[1].spot
            message = "a second YAML document begins here, expected one"
            hint = "remove the `---` before it, or move it into a file of its own; Ansible refuses the file"
            self.problems.append(Problem(message, Location(spot.path, spot.line, spot.column), hint))

    def check(self) -> None:
        """Raise InputError unless every file could be read.

        Raises:
            InputError: with every problem, each once.
        """
        if self.problems:
            raise InputError(dict.fromkeys(self.problems))

    def _add(self, message: str, where: Location) -> None:
        self.problems.append(Problem(message, where, "fix the file; `ansible-playbook --syntax-check` fails there too"))


def _documents(text: str, path: str) -> tuple[Node, ...]:
    return tuple(_node(found, path, 0) for found in yaml.compose_all(text, Loader=_LOADER) if found is not None)


def _node(found: yaml.Node, path: str, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise RecursionError
    spot = _spot(found, path)
    if isinstance(found, yaml.MappingNode):
        return Node(spot, _entries(found, path, depth))
    if isinstance(found, yaml.SequenceNode):
        return Node(spot, tuple(_node(item, path, depth + 1) for item in found.value))
    if not isinstance(found, yaml.ScalarNode):
        raise TypeError(f"{path}: no YAML node: {found!r}")
    return Node(spot, _scalar(found), str(found.value), found.style == "|")


def _spot(found: yaml.Node, path: str) -> Spot:
    return Spot(path, found.start_mark.line + 1, found.start_mark.column + 1)


def _entries(found: yaml.MappingNode, path: str, depth: int) -> Mapping[str, Entry]:
    own: dict[str, Entry] = {}
    merged: dict[str, Entry] = {}
    for key, value in found.value:
        node = _node(value, path, depth + 1)
        if key.tag == f"{_PLAIN_TAG}merge":
            for part in node.items:
                merged |= part.entries
        else:
            own[str(key.value)] = Entry(_spot(key, path), node)
    return merged | own


def _scalar(found: yaml.ScalarNode) -> Scalar:
    text = str(found.value)
    kind = found.tag.removeprefix(_PLAIN_TAG)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in _TRUE
    try:
        if kind == "int":
            return yaml.SafeLoader.construct_yaml_int(_CONSTRUCTOR, found)
        if kind == "float":
            return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text
    return text


_CONSTRUCTOR: Final = yaml.SafeLoader("")
