"""Tests from a table's rows, and promptfoo's short forms of assertions: `contains: x`, `similar(0.8): y`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from evolve.core.assertions import known_types
from evolve.core.formats.schema_check import Kind
from evolve.core.suites.suite_format import REFUSED_TYPES
from evolve.core.text.did_you_mean import closest, did_you_mean

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_EXPECTED = re.compile(r"__expected(\d*)")
_SHORT_FORM = re.compile(r"(not-)?([a-z][a-z0-9:-]*?)(?:\((\d+(?:\.\d+)?)\))?(?::([\s\S]*))?")
"""`not-TYPE(THRESHOLD): VALUE`; all but the type may be left out."""
_LISTS = frozenset(("contains-all", "contains-any", "icontains-all", "icontains-any"))
_WITH_THRESHOLD = frozenset((
    "answer-relevance", "classifier", "context-faithfulness", "context-recall", "context-relevance", "cost", "latency",
    "levenshtein", "perplexity-score", "perplexity", "rouge-n", "similar", "starts-with",
))  # fmt: skip
"""Types that promptfoo gives a threshold when a cell does not name one."""
_DEFAULT_THRESHOLD, _SIMILAR_THRESHOLD = 0.75, 0.8
"""Promptfoo's defaults in cells; the second is for `similar`."""
_FIELDS = frozenset(("__description", "__providerOutput", "__metric", "__threshold"))
_COLUMNS = ("__expected", "__prefix", "__suffix", "__description", "__providerOutput", "__metric", "__threshold")


_QUOTED_CHARS = 40
"""Characters of a cell that a message quotes: cells can be pages long."""


class CellError(ValueError):
    """A wrong column or cell, with a hint."""

    def __init__(self, column: str, message: str, hint: str = "", kind: Kind = "mistaken key") -> None:
        super().__init__(message)
        self.column, self.message, self.hint, self.kind = column, message, hint, kind


def check_columns(names: Sequence[str]) -> Iterator[CellError]:
    """Yield what is wrong with a table's header."""
    stripped = [name.strip() for name in names]
    if len(stripped) == 1 and (other := next((mark for mark in ";\t|" if mark in stripped[0]), None)):
        shown = "tab" if other == "\t" else repr(other)
        message = f"expected columns separated by commas, got one column with a {shown} in its name"
        yield CellError(stripped[0], message, "separate the columns by commas")
    for name in dict.fromkeys(name for name in stripped if name and stripped.count(name) > 1):
        yield CellError(name, f"two columns are called {name!r}", "remove or rename one of them")
    for name in stripped:
        is_known = name in _COLUMNS or _EXPECTED.fullmatch(name) or name.startswith(("__metadata:", "__config:"))
        if name.startswith("__") and not is_known:
            known = (*_COLUMNS, "__metadata:NAME", "__config:__expected1:threshold")
            hint = did_you_mean(name, _COLUMNS)
            kind: Kind = "mistaken key" if hint else "unknown key"
            yield CellError(name, f"unknown column {name!r}", hint or f"known: {', '.join(known)}", kind)
        elif re.match(r"_(expected|prefix|suffix|description|providerOutput|metric|threshold|metadata|config)", name):
            yield CellError(name, f"the column {name!r} has one underscore", f"did you mean '_{name}'?")


def case_of_row(row: Mapping[str, str], description: str) -> dict[str, Any]:
    """Return the test mapping for a row; all cells are text. `description` is for a row without its own.

    Raises:
        CellError: a cell holds neither a number nor an assertion where one is expected.
    """
    parts = _RowParts()
    for name, cell in row.items():
        parts.add(name.strip(), cell)
    return parts.test(description)


@dataclass(slots=True)
class _RowParts:
    vars: dict[str, str] = field(default_factory=dict)
    asserts: list[dict[str, Any]] = field(default_factory=list)
    thresholds: dict[int, float] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, cell: str) -> None:
        if not name.startswith("__"):
            self.vars[name] = cell
        elif name.startswith("__expected"):
            self.asserts += [_cell_assertion(name, cell.strip())] if cell.strip() else []
        elif name.startswith("__metadata:"):
            _add_metadata(self.metadata, name.removeprefix("__metadata:"), cell)
        elif name.startswith("__config:"):
            self.thresholds[_expected_index(name)] = _number(name, cell)
        elif name in ("__prefix", "__suffix"):
            self.options[name[2:]] = cell
        elif name in _FIELDS:
            self.fields[name[2:]] = (
                _number(name, cell) if name == "__threshold" and cell.strip() else cell.strip() and cell
            )
        else:
            self.vars[name] = cell

    def test(self, description: str) -> dict[str, Any]:
        metric = self.fields.pop("metric", "")
        for index, assertion in enumerate(self.asserts):
            if metric:
                assertion["metric"] = metric
            if index in self.thresholds:
                assertion["threshold"] = self.metadata["threshold"] = self.thresholds[index]
        fields = {name: value for name, value in self.fields.items() if value != ""}
        lists = {"assert": self.asserts, "options": self.options, "metadata": self.metadata}
        return {
            "description": description,
            "vars": self.vars,
            **fields,
            **{key: part for key, part in lists.items() if part},
        }


def _cell_assertion(column: str, cell: str) -> dict[str, Any]:
    try:
        return assertion_of_text(cell)
    except ValueError as error:
        raise CellError(column, str(error.args[0]), str(error.args[1]) if len(error.args) > 1 else "") from None


def _add_metadata(metadata: dict[str, Any], key: str, cell: str) -> None:
    if not cell.strip():
        return
    if key.endswith("[]"):
        parts = re.split(r"(?<!\\),", cell)
        metadata[key[:-2]] = [part.strip().replace("\\,", ",") for part in parts]
    else:
        metadata[key] = cell


def _expected_index(column: str) -> int:
    parts = column.removeprefix("__config:").split(":")
    match = _EXPECTED.fullmatch(parts[0])
    if len(parts) != 2 or match is None or match[1] == "0" or parts[1] != "threshold":
        raise CellError(
            column,
            f"unknown column {column!r}",
            "write __config:__expected:threshold or __config:__expected2:threshold",
        )
    return int(match[1] or 1) - 1


def _number(column: str, cell: str) -> float:
    text = cell.strip()
    if _NUMBER.fullmatch(text) is None:
        raise CellError(column, f"expected a number, got {text[:_QUOTED_CHARS]!r}")
    return float(text)


@cache
def _type_names() -> frozenset[str]:
    return frozenset((*known_types(), *REFUSED_TYPES))


def assertion_of_text(text: str) -> dict[str, Any]:
    """Return the assertion for a cell's text; text that is no short form must equal the output.

    Raises:
        ValueError: a list has a broken quote, or a type is misspelt; the second argument may be a hint.
    """
    script = _script_assertion(text)
    if script is not None:
        return script
    match = _SHORT_FORM.fullmatch(text)
    if match is None or match[2] not in _type_names():
        _refuse_misspelt_type(text)
        return {"type": "equals", "value": text}
    negation, name, threshold, value = match.groups()
    assertion: dict[str, Any] = {"type": f"{negation or ''}{name}"}
    if value is not None:
        assertion["value"] = (
            _split_list(value) if name in _LISTS and value else value if name.endswith("-json") else value.strip()
        )
    if name in _WITH_THRESHOLD:
        default = _SIMILAR_THRESHOLD if name == "similar" else _DEFAULT_THRESHOLD
        assertion["threshold"] = float(threshold) if threshold else default
    return assertion


def _script_assertion(text: str) -> dict[str, Any] | None:
    for prefix in ("javascript:", "fn:", "eval:"):
        if text.startswith(prefix):
            return {"type": "javascript", "value": text.removeprefix(prefix).strip()}
    for prefix in ("grade:", "llm-rubric:"):
        if text.startswith(prefix):
            return {"type": "llm-rubric", "value": text.removeprefix(prefix)}
    if text.startswith("python:"):
        return {"type": "python", "value": text.removeprefix("python:").strip()}
    if text.startswith("file://"):
        kind = re.search(r"\.(?:(py)|[cm]?[jt]s)(?::\w+)?$", text)
        return {"type": "python" if kind[1] else "javascript", "value": text} if kind else None
    return None


def _refuse_misspelt_type(text: str) -> None:
    # From 3 to 30 letters: shorter words are near too many types, and no type is longer.
    head = re.match(r"(not-)?([A-Za-z-]{3,30})(\([\d.]+\))?:", text)
    meant = closest(head[2], _type_names()) if head else None
    if head and meant and head[2] not in _type_names():
        raise ValueError(
            f"unknown assertion type {head[2]!r}",
            f"did you mean {meant!r}? write 'equals: ...' to compare the whole text",
        )


_FIELD = re.compile(r'"((?:\\["\\]|""|[^"])*)"\s*(?=,|$)|([^",][^,]*)')


def _split_list(text: str) -> list[str]:
    """Return the fields between commas; a quoted field keeps its commas and spaces."""
    fields: list[str] = []
    position = 0
    while True:
        position += len(text[position:]) - len(text[position:].lstrip(" \t\r\n,"))
        if position >= len(text):
            return fields
        match = _FIELD.match(text, position)
        if match is None:
            start = text[position : position + _QUOTED_CHARS]
            raise ValueError(f"expected a closing quote before the next comma, got {start!r}", 'write "" for a quote')
        quoted, bare = match.groups()
        fields.append(
            bare.strip() if quoted is None else re.sub(r'\\(["\\])|""', lambda found: found[1] or '"', quoted)
        )
        position = match.end()
