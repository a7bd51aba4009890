"""YAML 1.2 (core schema) to plain values, and back.

`yes`, `on` and dates are text, `010` is ten, `0o10` is eight, `1e3` is a number; merge keys work; tags of other
types, duplicate keys, tabs as indentation and a second document are errors with line and column. The text is read as
libyaml's events, which takes a third of the time of PyYAML's own constructor; places are looked up only on demand.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import yaml
from yaml._yaml import CParser

from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Place

MAX_DEPTH = 100
"""Deeper nesting is refused: no suite needs it, and code that walks values may recurse."""

MAX_ALIASED = 1_000_000
"""Nodes that aliases (`*name`) may expand to in total; a YAML bomb has billions."""

_WORDS: dict[str, JsonValue] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_NUMBER = re.compile(
    r"(?P<int>[-+]?[0-9]+)|0o(?P<oct>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<inf>[-+]?)\.(?:inf|Inf|INF)|(?P<nan>\.(?:nan|NaN|NAN))"
)
_NUMBER_STARTS = frozenset("+-.0123456789")
_MAX_EXACT_DIGITS = 4000
"""Python refuses to convert decimal numbers of more than 4,300 digits; longer ones become floats."""


def plain_scalar(text: str) -> JsonValue:
    """Return what an unquoted word means: null, a truth value, a number, or itself.

    >>> plain_scalar("yes"), plain_scalar("010"), plain_scalar("0o10"), plain_scalar("1e3")
    ('yes', 10, 8, 1000.0)
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    match = _NUMBER.fullmatch(text)
    return text if match is None else _number(match)


def _number(match: re.Match[str]) -> JsonValue:
    kind, digits = match.lastgroup, match[match.lastgroup or 0]
    if kind == "int":
        return int(digits) if len(digits) < _MAX_EXACT_DIGITS else float(digits)
    if kind == "float":
        return float(digits)
    if kind in ("oct", "hex"):
        return int(digits, 8 if kind == "oct" else 16)
    if kind == "inf":
        return -math.inf if digits == "-" else math.inf
    return math.nan


def key_text(value: JsonValue) -> str:
    """Return a mapping's key as text, as JavaScript's objects have it: `1.0` is `1`, `null` is `null`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    # From 1e21 on, JavaScript prints an exponent.
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return str(value)


class Mark(NamedTuple):
    """A line and a column, from 1."""

    line: int
    column: int


Path = tuple[str | int, ...]


@dataclass(slots=True)
class Document:
    """The value of a text file, and the places of its parts."""

    file: str
    """The name that messages show."""
    text: str = field(repr=False)
    value: JsonValue
    folder: str = ""
    """The folder that its relative paths start at, relative to the suite's folder."""
    items: Mapping[Path, Mark] = field(default_factory=dict, repr=False)
    """Places of the first two levels (`tests[3]`): noting them while the text is read costs nothing."""
    _marks: dict[Path, Mark] | None = field(default=None, repr=False)
    _keys: dict[Path, Mark] = field(default_factory=dict, repr=False)

    broken: list[Path] = field(default_factory=list)
    """Parts that have a problem already, such as a reference to nothing: nothing more is reported about them."""

    def is_broken(self, path: Path) -> bool:
        """Return whether a part is broken, or is inside of one that is."""
        return any(path[: len(part)] == part for part in self.broken)

    def holds_broken(self, path: Path) -> bool:
        """Return whether something inside of a part is broken, or the part itself."""
        return any(part[: len(path)] == path for part in self.broken)

    def locate(self, *path: str | int) -> Location:
        """Return the place of a part, or of the nearest part around it.

        The first call for a part below the second level reads the text once more.
        """
        mark = self.items.get(path) or self._nearest(path)
        return Location(self.file, *mark, path=path_text(path)) if mark else Location(self.file, path=path_text(path))

    def locate_key(self, *path: str | int) -> Location:
        """Return the place of the key itself, not of its value."""
        self._read_marks()
        mark = self._keys.get(path)
        return Location(self.file, *mark, path=path_text(path)) if mark else self.locate(*path)

    def place(self, path: Path) -> Place:
        """Return the part as a lazily located place."""
        return Place(self.file, path, self.locate)

    def _nearest(self, path: Path) -> Mark | None:
        marks = self._read_marks()
        while path and path not in marks:
            path = path[:-1]
        return marks.get(path)

    def _read_marks(self) -> dict[Path, Mark]:
        if self._marks is None:
            self._marks, self._keys = read_marks(self.text)
        return self._marks


def path_text(path: Path) -> str:
    """Return `("tests", 3, "assert")` as `tests[3].assert`; keys that are not plain words are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w$-]+", part):
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text


def parse_yaml(text: str, file: str) -> JsonValue:
    """Return the value of the one document in `text`; None when it is empty.

    Raises:
        InputError: the text is not YAML, or exceeds a limit of this module; with line and column.
    """
    return read_document(text, file).value


def read_document(text: str, file: str, problems: list[Problem] | None = None) -> Document:
    """Return the one document in `text` with the places of its parts; raise what `parse_yaml` raises.

    Args:
        text: YAML or JSON.
        file: its name for messages.
        problems: takes the mistakes after which the text can still be read, such as a key that is there twice; None
            raises these too.
    """
    named = _Named(file, text)
    reader: _Reader | None = None
    try:
        with named:
            reader = _Reader(text)
            document = Document(file, text, reader.read(), items=reader.items)
    except InputError as error:
        if _HALF_OF_A_PAIR in str(error):
            joined = _with_pairs_joined(text)
            if joined != text:
                return read_document(joined, file, problems)
            whole = _with_halves_hidden(text)
            if whole is not None:
                hidden = read_document(whole, file, problems)
                hidden.value = _with_halves_shown(hidden.value)
                return hidden
        raise InputError([*named.problems_of(reader.errors if reader else ()), *error.problems]) from None
    found = named.problems_of(reader.errors)
    if found and problems is None:
        raise InputError(found)
    if problems is not None:
        problems.extend(found)
    return document


_HALF_OF_A_PAIR = "found invalid Unicode character escape code"
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][\da-fA-F]{2})\\u([dD][c-fC-F][\da-fA-F]{2})")


def _with_pairs_joined(text: str) -> str:
    """Join pairs of escapes: JSON writes an emoji as two, which the parser reads one by one and refuses."""

    def character(pair: re.Match[str]) -> str:
        high, low = int(pair[2], 16), int(pair[3], 16)
        return pair[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))

    return _PAIR.sub(character, text)


_HIDDEN: Final = 0x10F800
"""The first of 2,048 private characters: each takes the place of one surrogate while the text is parsed."""
_HALF = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89a-fA-F][\da-fA-F]{2})")
_SHOWN: Final = {_HIDDEN + number: 0xD800 + number for number in range(2048)}


def _with_halves_hidden(text: str) -> str | None:
    """Return JSON with other characters for escapes of single surrogates, which JSON may hold and YAML may not.

    None where the text is not JSON, or has such characters itself.
    """
    if any(ord(char) >= _HIDDEN for char in text):
        return None
    try:
        json.loads(text)
    except ValueError:
        return None
    return _HALF.sub(lambda half: half[1] + chr(_HIDDEN + int(half[2], 16) - 0xD800), text)


def _with_halves_shown(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return value.translate(_SHOWN)
    if isinstance(value, list):
        return [_with_halves_shown(part) for part in value]
    if isinstance(value, dict):
        return {key.translate(_SHOWN): _with_halves_shown(part) for key, part in value.items()}
    return value


class _YamlError(Exception):
    def __init__(self, message: str, mark: Any, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.mark, self.hint = message, mark, hint


class _Named:
    """Turns the parser's errors into InputErrors with their place in a file."""

    def __init__(self, file: str, text: str) -> None:
        self._file, self._text = file, text

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        problem = self._problem(error) if error is not None else None
        if problem is not None:
            raise InputError(problem) from None

    def problems_of(self, errors: Iterable[BaseException]) -> list[Problem]:
        """Return the problems of errors that did not end the reading."""
        return [problem for problem in map(self._problem, errors) if problem is not None]

    def _problem(self, error: BaseException) -> Problem | None:
        if isinstance(error, _YamlError):
            return Problem(error.message, self._at(error.mark), error.hint)
        if isinstance(error, yaml.MarkedYAMLError):
            mark = error.problem_mark or error.context_mark
            message, hint = _in_plain_words(error.problem or str(error), self._char_at(mark))
            return Problem(message, self._at(mark), hint)
        if isinstance(error, yaml.YAMLError):
            return self._unreadable_character(error)
        if isinstance(error, UnicodeEncodeError):
            return Problem("not YAML: it holds an unpaired surrogate", Location(self._file))
        return None

    def _char_at(self, mark: Any) -> str:
        line = self._text.split("\n", mark.line + 1)[mark.line : mark.line + 1] if mark is not None else []
        return line[0][mark.column : mark.column + 1] if line else ""

    def _unreadable_character(self, error: yaml.YAMLError) -> Problem:
        found = _CONTROL.search(self._text)
        if found is None:
            return Problem(f"not YAML: {str(error).splitlines()[0]}", Location(self._file))
        line = self._text.count("\n", 0, found.start()) + 1
        column = found.start() - self._text.rfind("\n", 0, found.start())
        hint = "write it as an escape in double quotes"
        return Problem(f"not YAML: the control character {found[0]!r}", Location(self._file, line, column), hint)

    def _at(self, mark: Any) -> Location:
        return Location(self._file, mark.line + 1, mark.column + 1) if mark is not None else Location(self._file)


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")

_PLAIN_WORDS = {
    "mapping values are not allowed in this context": (
        "expected one value, got a second `key: value`",
        "quote a text that holds ': ', or check the indentation",
    ),
    "did not find expected key": (
        "expected a `key: value` or the end of the block here",
        "check the indentation and the quotes",
    ),
    # libyaml's parser reads ahead of us, and has a limit of its own.
    "exceeded maximum nesting depth": (f"more than {MAX_DEPTH} levels of nesting", ""),
    "could not find expected ':'": ("expected a ':' after the key", "check the indentation and the quotes"),
    "did not find expected '-' indicator": (
        "expected a list item `- ...` or the end of the list here",
        "check the indentation",
    ),
}


def _in_plain_words(problem: str, char: str) -> tuple[str, str]:
    if char == "\t":
        return "not YAML: a tab in the indentation", "indent with spaces"
    if problem == "found character that cannot start any token":
        return f"not YAML: a value cannot start with {char!r}", "quote it"
    message, hint = _PLAIN_WORDS.get(problem, (problem, ""))
    return f"not YAML: {message}", hint


_NO_KEY = object()
_MERGE = object()


class _Reader:
    """Builds the value from the parser's events, in one flat loop: it is the hot path of loading a suite."""

    def __init__(self, text: str) -> None:
        self._next: Callable[[], Any] = CParser(text).get_event
        self._anchors: dict[str, tuple[JsonValue, int]] = {}
        self._open_anchors: set[str] = set()
        self._aliased = 0
        self.items: dict[Path, Mark] = {}
        self.errors: list[_YamlError] = []
        """Mistakes after which reading goes on."""

    def read(self) -> JsonValue:
        next_event = self._next
        next_event()  # the stream's start
        if isinstance(next_event(), yaml.StreamEndEvent):
            return None
        value = self._document()
        next_event()  # the document's end
        event = next_event()
        if not isinstance(event, yaml.StreamEndEvent):
            raise _YamlError("a second YAML document starts here: one file holds one", event.start_mark)
        return value

    def _document(self) -> JsonValue:  # noqa: C901 - one loop without calls: it runs for every word of a suite
        next_event, scalar_event, mapping_start, sequence_start = (
            self._next, yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
        )  # fmt: skip
        mapping_end, sequence_end = yaml.MappingEndEvent, yaml.SequenceEndEvent
        stack: list[tuple[Any, Any, Any, Any, int]] = []
        container: Any = None
        key: Any = _NO_KEY
        merged: Any = None
        anchor: Any = None
        nodes = start = 0
        while True:
            event = next_event()
            kind = event.__class__
            nodes += 1
            if kind is scalar_event:
                value: Any = event.value
                if event.tag is not None:
                    value = self._tagged_scalar(event)
                elif event.implicit[0]:
                    value = plain_scalar(value)
                if event.anchor is not None:
                    self._anchors[event.anchor] = (value, 1)
                if container.__class__ is dict and key is _NO_KEY:
                    key = _MERGE if event.implicit[0] and event.value == "<<" else key_text(value)
                    if key in container and not (merged and key in merged):
                        self.errors.append(_duplicate(key, event))
                    continue
            elif kind is mapping_start or kind is sequence_start:
                if container.__class__ is dict and key is _NO_KEY:
                    raise _YamlError("a key must be a plain word, not a list or a mapping", event.start_mark)
                self._check_start(event, len(stack))
                if len(stack) <= 2:
                    self._note(stack, container, key, event)
                stack.append((container, key, merged, anchor, start))
                container, key, merged, anchor, start = (
                    ({} if kind is mapping_start else []),
                    _NO_KEY,
                    None,
                    event.anchor,
                    nodes,
                )
                if anchor is not None:
                    self._open_anchors.add(anchor)
                continue
            elif kind is mapping_end or kind is sequence_end:
                value = container
                if anchor is not None:
                    self._open_anchors.discard(anchor)
                    self._anchors[anchor] = (value, nodes - start)
                container, key, merged, anchor, start = stack.pop()
            else:
                value, size = self._alias(event)
                nodes += size
                if container.__class__ is dict and key is _NO_KEY:
                    key = _alias_key(value, event)
                    if key in container and not (merged and key in merged):
                        self.errors.append(_duplicate(key, event))
                    continue
            if container is None:
                return value  # type: ignore[no-any-return]
            if container.__class__ is list:
                container.append(value)
            elif key is _MERGE:
                merged = _merge(container, value, merged, event)
                key = _NO_KEY
            else:
                container[key] = value
                if merged:
                    merged.discard(key)
                key = _NO_KEY

    def _note(self, stack: list[Any], container: Any, key: Any, event: Any) -> None:
        names = [frame_key if frame_key is not _NO_KEY else len(frame) for frame, frame_key, *_ in stack[1:]]
        if container is not None:
            names.append(len(container) if container.__class__ is list else key)
        if _MERGE not in names:
            self.items[tuple(names)] = Mark(event.start_mark.line + 1, event.start_mark.column + 1)

    def _tagged_scalar(self, event: Any) -> JsonValue:
        try:
            return _read_tagged_scalar(event)
        except _YamlError as error:
            self.errors.append(error)
            return str(event.value)

    def _check_start(self, event: Any, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise _YamlError(f"more than {MAX_DEPTH} levels of nesting", event.start_mark)
        if event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self.errors.append(_unknown_tag(event))

    def _alias(self, event: Any) -> tuple[JsonValue, int]:
        if event.anchor in self._open_anchors:
            raise _YamlError(
                f"*{event.anchor} is inside its own anchor &{event.anchor}: it would never end", event.start_mark
            )
        if event.anchor not in self._anchors:
            raise _YamlError(f"*{event.anchor} is used, but there is no &{event.anchor} before it", event.start_mark)
        value, size = self._anchors[event.anchor]
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise _YamlError(
                f"the aliases expand to more than {MAX_ALIASED:,} values", event.start_mark, "a YAML bomb?"
            )
        return value, size


def _merge(container: dict[str, JsonValue], source: JsonValue, merged: set[str] | None, event: Any) -> set[str]:
    sources = source if isinstance(source, list) else [source]
    merged = merged or set()
    for mapping in sources:
        if not isinstance(mapping, dict):
            raise _YamlError("`<<` takes a mapping or a list of mappings", event.start_mark)
        fresh = mapping.keys() - container.keys()
        container.update((name, value) for name, value in mapping.items() if name in fresh)
        merged |= fresh
    return merged


def _alias_key(value: JsonValue, event: Any) -> str:
    if isinstance(value, (list, dict)):
        raise _YamlError("a key must be a plain word, not a list or a mapping", event.start_mark)
    return key_text(value)


_SCALAR_TAGS: Mapping[str, Callable[[JsonValue], bool]] = {
    "tag:yaml.org,2002:int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "tag:yaml.org,2002:float": lambda value: isinstance(value, float),
    "tag:yaml.org,2002:bool": lambda value: isinstance(value, bool),
    "tag:yaml.org,2002:null": lambda value: value is None,
}


def _read_tagged_scalar(event: Any) -> JsonValue:
    if event.tag in ("!", "tag:yaml.org,2002:str"):
        return str(event.value)
    if event.tag not in _SCALAR_TAGS:
        raise _unknown_tag(event)
    value = plain_scalar(event.value)
    if event.tag.endswith("float") and isinstance(value, int):
        value = float(value)
    if not _SCALAR_TAGS[event.tag](value):
        raise _YamlError(f"expected {event.tag.rpartition(':')[2]}, got {event.value!r}", event.start_mark)
    return value


def _duplicate(key: Any, event: Any) -> _YamlError:
    return _YamlError(f"duplicate key {key!r}", event.start_mark, "remove or rename one of them")


def _unknown_tag(event: Any) -> _YamlError:
    tag = event.tag.replace("tag:yaml.org,2002:", "!!")
    return _YamlError(
        f"the tag {tag} is not supported", event.start_mark, "a suite holds text, numbers, lists and mappings"
    )


_UNPRINTABLE = re.compile("[\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")
"""JSON may hold these characters, and YAML may not."""


def read_marks(text: str) -> tuple[dict[Path, Mark], dict[Path, Mark]]:
    """Return the places of all values and of all keys of a text that is valid YAML or JSON.

    Where YAML cannot read what JSON can, what follows has no places.
    """
    marks: dict[Path, Mark] = {}
    keys: dict[Path, Mark] = {}
    with suppress(yaml.YAMLError):
        _mark_node(_events(_HALF.sub(r"\1??????", _UNPRINTABLE.sub("?", text))), (), marks, keys)
    return marks, keys


def _mark_of(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _events(text: str) -> Iterator[Any]:
    next_event = CParser(text).get_event
    skipped = (yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)
    while not isinstance(event := next_event(), yaml.StreamEndEvent):
        if not isinstance(event, skipped):
            yield event


def _mark_node(events: Iterator[Any], path: Path, marks: dict[Path, Mark], keys: dict[Path, Mark]) -> Any:
    """Note one node and those inside; return its first event, None at the end of a list or a mapping."""
    event = next(events, None)
    if event is None or isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
        return None
    marks[path] = _mark_of(event)
    if isinstance(event, yaml.SequenceStartEvent):
        index = 0
        while _mark_node(events, (*path, index), marks, keys):
            index += 1
    elif isinstance(event, yaml.MappingStartEvent):
        while isinstance(key := next(events), (yaml.ScalarEvent, yaml.AliasEvent)):
            name = key_text(plain_scalar(key.value)) if isinstance(key, yaml.ScalarEvent) else f"*{key.anchor}"
            keys[(*path, name)] = _mark_of(key)
            _mark_node(events, (*path, name), marks, keys)
    return event


def keys_with_anchors(text: str) -> frozenset[str]:
    """Return the top-level keys of a mapping that have an anchor (`&name`) below them, for aliases to repeat."""
    found: set[str] = set()
    depth, key, expects_key = 0, "", True
    for event in _events(text):
        if depth == 1 and expects_key and isinstance(event, yaml.ScalarEvent):
            key, expects_key = key_text(plain_scalar(event.value)), False
            continue
        if getattr(event, "anchor", None) and not isinstance(event, yaml.AliasEvent) and depth:
            found.add(key)
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        expects_key = depth == 1
    return frozenset(found)


def dump_yaml(value: JsonValue, *, flow_leaves: bool = False) -> str:
    """Return `value` as YAML that this module and any YAML 1.1 reader read back as the same value.

    Args:
        flow_leaves: write lists and mappings that hold no others on one line, in brackets.
    """
    style = None if flow_leaves else False
    # 110 columns: prose in agents and cases stays readable next to its indentation.
    dumped = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=style)
    return str(dumped)


class _Dumper(yaml.CSafeDumper):
    """PyYAML's dumper, which also quotes text that only YAML 1.2 reads as a number."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write repeated values out: a reader of a suite should not have to look up anchors."""
        return True


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(plain_scalar(text), str) else "'"
    if "\n" in text and text.isprintable() is False and _fits_a_block(text):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _fits_a_block(text: str) -> bool:
    return all(char == "\n" or char.isprintable() for char in text) and not text.startswith((" ", "\n"))


def _represent_number(dumper: yaml.CSafeDumper, number: float) -> yaml.ScalarNode:
    if math.isfinite(number):
        text = repr(number)
        mantissa, e, exponent = text.partition("e")
        return dumper.represent_scalar(
            "tag:yaml.org,2002:float", f"{mantissa}{'' if '.' in mantissa or not e else '.0'}{e}{exponent}"
        )
    return dumper.represent_float(number)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_number)
