"""A JSON Schema, compiled to functions that report every problem of a value in plain words.

It knows only the keywords that our schemas use; `UnsupportedKeywordError` names any other. It adds to the standard:
`x-refused` (keys that promptfoo knows and Anneal refuses, with the reason), `x-ignored` (keys without effect here),
`x-elsewhere` (keys that have an effect only in another place, with that place) and `x-may-be-empty` (keys that may have
no value, which is reported like an unknown key).
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from evolve.core.model.json_value import JsonValue
from evolve.core.text.did_you_mean import closest, did_you_mean, meant_key

Path: TypeAlias = tuple[str | int, ...]
Kind: TypeAlias = Literal["value", "unknown key", "mistaken key", "needed key", "refused key", "ignored key"]
"""What a problem is about. A mistaken key resembles a known one, or is one of another place; an unknown key does not. A
needed key is a mistaken one in place of a key that must be there: nothing can be made of the rest."""


class Reporter(Protocol):
    """Receives one problem."""

    def __call__(self, path: Path, message: str, hint: str = "", kind: Kind = "value") -> None:
        """Receive a problem.

        Args:
            path: the keys and indices that lead to the part.
            message: what is wrong.
            hint: what to do about it.
            kind: any other than "value" means that the problem is the last key of the path, not its value.
        """
        ...


Check: TypeAlias = Callable[[Any, Path, Reporter], None]
Overrides: TypeAlias = Mapping[str, Check]


class UnsupportedKeywordError(ValueError):
    """The schema uses a keyword that this module does not know."""


_COMMENTS = {"$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples", "deprecated"}
_KEYWORDS = {
    "$ref", "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "minLength", "pattern", "items",
    "minItems", "maxItems", "properties", "patternProperties", "additionalProperties", "required", "minProperties",
    "anyOf", "oneOf", "if", "then", "else", "x-refused", "x-ignored", "x-elsewhere",
    "x-may-be-empty", "x-expected",
}  # fmt: skip
_TYPES: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "null": ("nothing", (type(None),)),
    "boolean": ("true or false", (bool,)),
    "integer": ("a whole number", (int,)),
    "number": ("a number", (int, float)),
    "string": ("text", (str,)),
    "array": ("a list", (list, tuple)),
    "object": ("a mapping", (dict,)),
}


def compile_schema(schema: Any, overrides: Overrides | None = None) -> Check:
    """Return a function that reports every problem of a value; `overrides` replace definitions of `$defs` by name."""
    return _Compiler(schema, overrides or {}).check_for(schema)


class _Compiler:
    def __init__(self, root: Any, overrides: Overrides) -> None:
        self._definitions: Mapping[str, Any] = root.get("$defs", {}) if isinstance(root, dict) else {}
        self._named: dict[str, Check] = dict(overrides)

    def check_for(self, schema: Any) -> Check:
        if schema is True:
            return _anything
        if schema is False:
            return _nothing
        unknown = schema.keys() - _KEYWORDS - _COMMENTS
        if unknown:
            raise UnsupportedKeywordError(f"keyword {sorted(unknown)[0]!r}")
        return _all_of(list(self._parts(schema)))

    def _parts(self, schema: Mapping[str, Any]) -> Iterable[Check]:
        if "$ref" in schema:
            yield self._reference(schema["$ref"])
        branches = schema.get("anyOf") or schema.get("oneOf")
        if branches:
            yield self._any_of(branches, schema.get("x-expected", ""))
        if "if" in schema:
            yield self._conditional(schema)
        inner = [*_scalar_checks(schema), *self._container_checks(schema)]
        if "type" in schema:
            yield _type_check(schema["type"], schema.get("x-expected", ""), _all_of(inner))
        elif inner:
            yield _all_of(inner)

    def _reference(self, reference: str) -> Check:
        name = reference.removeprefix("#/$defs/")
        if name not in self._definitions:
            raise UnsupportedKeywordError(f"$ref {reference!r}")

        def check(value: Any, path: Path, report: Reporter) -> None:
            compiled = self._named.get(name)
            if compiled is None:
                compiled = self._named[name] = self.check_for(self._definitions[name])
            compiled(value, path, report)

        return check

    def _resolve(self, schema: Any) -> Any:
        while isinstance(schema, dict) and "$ref" in schema:
            schema = self._definitions[schema["$ref"].removeprefix("#/$defs/")]
        return schema

    def _any_of(self, branches: Sequence[Any], expected: str) -> Check:
        """Return a check that reports the problems of the branch whose type fits the value."""
        typed = [(_type_names(self._resolve(branch)), self.check_for(branch)) for branch in branches]
        words = expected or _join_words([word for names, _ in typed for word in names])

        def check(value: Any, path: Path, report: Reporter) -> None:
            fitting = [branch for names, branch in typed if any(_is_type(value, name) for name in names)]
            if not fitting:
                report(path, f"expected {words}, got {describe(value)}")
            else:
                _report_best(fitting, value, path, report)

        return check

    def _conditional(self, schema: Mapping[str, Any]) -> Check:
        holds = _condition(schema["if"])
        then, otherwise = self.check_for(schema.get("then", True)), self.check_for(schema.get("else", True))

        def check(value: Any, path: Path, report: Reporter) -> None:
            (then if holds(value) else otherwise)(value, path, report)

        return check

    def _container_checks(self, schema: Mapping[str, Any]) -> Iterable[Check]:
        if "items" in schema:
            yield _items(self.check_for(schema["items"]))
        if "minItems" in schema or "maxItems" in schema:
            yield _size(schema.get("minItems", 0), schema.get("maxItems"), schema.get("x-expected", ""))
        if schema.keys() & {
            "properties",
            "patternProperties",
            "additionalProperties",
            "required",
            "x-refused",
            "x-ignored",
            "x-elsewhere",
        }:
            yield self._mapping_check(schema)
        if "minProperties" in schema:
            yield _size(schema["minProperties"], None)

    def _mapping_check(self, schema: Mapping[str, Any]) -> Check:
        properties = {name: self.check_for(part) for name, part in schema.get("properties", {}).items()}
        others = schema.get("additionalProperties", True)
        keys = _Keys(
            properties,
            tuple(schema.get("required", ())),
            None if others is False else self.check_for(others),
            tuple(
                (re.compile(pattern), self.check_for(part))
                for pattern, part in schema.get("patternProperties", {}).items()
            ),
            schema.get("x-refused", {}),
            schema.get("x-elsewhere", {}),
            frozenset(schema.get("x-ignored", ())),
            frozenset(schema.get("x-may-be-empty", ())),
        )
        return keys.check


@dataclass(frozen=True, slots=True)
class _Keys:
    known: Mapping[str, Check]
    required: tuple[str, ...]
    others: Check | None
    patterns: tuple[tuple[re.Pattern[str], Check], ...]
    refused: Mapping[str, str]
    elsewhere: Mapping[str, str]
    ignored: frozenset[str]
    may_be_empty: frozenset[str]

    def check(self, value: Any, path: Path, report: Reporter) -> None:
        if not isinstance(value, dict):
            return
        known = self.known
        for name, part in value.items():
            check = known.get(name)
            if check is not None and part is None and name in self.may_be_empty:
                report((*path, name), f"{name} is empty", "leave it out", "unknown key")
            elif check is not None:
                check(part, (*path, name), report)
            else:
                self._check_other(name, value, (*path, name), report)
        for name in self.required:
            if name not in value and not self._is_misspelt(name, value):
                report(path, f"the key {name!r} is missing")

    def _check_other(self, name: str, value: Mapping[str, Any], path: Path, report: Reporter) -> None:
        for pattern, check in self.patterns:
            if pattern.search(name):
                return check(value[name], path, report)
        if name in self.refused:
            return report(path, f"not supported by Anneal: {name}", self.refused[name], "refused key")
        if name in self.ignored:
            return report(path, f"{name} has no effect here", "", "ignored key")
        if self.others is None:
            return self._report_unknown(name, value, path, report)
        return self.others(value[name], path, report)

    def _report_unknown(self, name: str, value: Mapping[str, Any], path: Path, report: Reporter) -> None:
        meant = meant_key(name, [*self.known, *self.refused])
        hint = self.elsewhere.get(name) or (f"did you mean {meant!r}?" if meant else self._hint_elsewhere(name))
        kind: Kind = "mistaken key" if hint else "unknown key"
        if meant in self.required and meant not in value and name not in self.elsewhere:
            kind = "needed key"
        report(path, f"unknown key {name!r}", hint or f"known: {', '.join(self.known)}", kind)

    def _hint_elsewhere(self, name: str) -> str:
        meant = closest(name, self.elsewhere)
        return f"did you mean {meant!r}? {self.elsewhere[meant]}" if meant else ""

    def _is_misspelt(self, name: str, value: Mapping[str, Any]) -> bool:
        """Return whether an unknown key resembles this one; that key was reported, and one mistake gets one message."""
        return self.others is None and any(meant_key(key, self.known) == name for key in value if key not in self.known)


def _condition(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    """Compile the only form of `if` that our schemas use: a mapping that has keys, some with a fixed value."""
    if schema.keys() - {"type", "required", "properties"} or schema.get("type") != "object":
        raise UnsupportedKeywordError(f"if {schema!r}")
    required = schema.get("required", ())
    constants = {name: part["const"] for name, part in schema.get("properties", {}).items()}

    def holds(value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        for name in required:
            if name not in value:
                return False
        return all(value.get(name, constant) == constant for name, constant in constants.items())

    return holds


def _anything(_value: Any, _path: Path, _report: Reporter) -> None:
    return None


def _nothing(_value: Any, path: Path, report: Reporter) -> None:
    report(path, "no value is allowed here")


def _all_of(checks: Sequence[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]
    if not checks:
        return _anything

    def check(value: Any, path: Path, report: Reporter) -> None:
        for part in checks:
            part(value, path, report)

    return check


def _type_check(types: str | Sequence[str], expected: str, inner: Check) -> Check:
    names = [types] if isinstance(types, str) else list(types)
    words = expected or _join_words([_TYPES[name][0] for name in names])
    classes = tuple(cls for name in names for cls in _TYPES[name][1])
    is_bool_fine = "boolean" in names

    def check(value: Any, path: Path, report: Reporter) -> None:
        fits = isinstance(value, classes) and (is_bool_fine or not isinstance(value, bool))
        if fits or ("integer" in names and isinstance(value, float) and value.is_integer()):
            inner(value, path, report)
        else:
            report(path, f"expected {words}, got {describe(value)}", _quote_hint(names, value))

    return check


def _quote_hint(names: Sequence[str], value: Any) -> str:
    if "string" in names and isinstance(value, (bool, int, float)):
        return "put it in quotes"
    return "remove the quotes" if {"number", "integer"} & {*names} and _looks_like_number(value) else ""


def _looks_like_number(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)\s*", value) is not None


def _type_names(schema: Any) -> list[str]:
    if not isinstance(schema, dict):
        return list(_TYPES)
    if "type" in schema:
        return [schema["type"]] if isinstance(schema["type"], str) else list(schema["type"])
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return [name for name in _TYPES if any(_is_type(value, name) for value in values)]
    return list(_TYPES)


def _is_type(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name][1])


def _problems(check: Check, value: Any) -> list[tuple[Path, str, str, Kind]]:
    found: list[tuple[Path, str, str, Kind]] = []

    def _note(path: Path, message: str, hint: str = "", kind: Kind = "value") -> None:
        found.append((path, message, hint, kind))

    check(value, (), _note)
    return found


def _report_best(branches: Sequence[Check], value: Any, path: Path, report: Reporter) -> None:
    """Report the problems of the branch that has the fewest; nothing when one branch has none."""
    if len(branches) == 1:
        branches[0](value, path, report)
        return
    best = min((_problems(branch, value) for branch in branches), key=len)
    for inner, message, hint, kind in best:
        report((*path, *inner), message, hint, kind)


def _scalar_checks(schema: Mapping[str, Any]) -> Iterable[Check]:
    if "enum" in schema or "const" in schema:
        yield _one_of(schema.get("enum", [schema.get("const")]))
    for keyword, (holds, words) in _BOUNDS.items():
        if keyword in schema:
            yield _bound(holds, schema[keyword], words)
    if "minLength" in schema:
        yield _not_empty(schema["minLength"])
    if "pattern" in schema:
        yield _pattern_check(schema["pattern"], schema.get("x-expected", ""))


def _one_of(values: Sequence[JsonValue]) -> Check:
    def check(value: Any, path: Path, report: Reporter) -> None:
        if not any(value == known and isinstance(value, bool) == isinstance(known, bool) for known in values):
            names = [known for known in values if isinstance(known, str)]
            hint = did_you_mean(value, names) if isinstance(value, str) else ""
            report(path, f"expected {_join_words([repr(known) for known in values])}, got {describe(value)}", hint)

    return check


_BOUNDS: Mapping[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (operator.ge, "less than the minimum of"),
    "exclusiveMinimum": (operator.gt, "not more than"),
    "maximum": (operator.le, "more than the maximum of"),
}


def _bound(holds: Callable[[Any, Any], bool], limit: float, words: str) -> Check:
    def check(value: Any, path: Path, report: Reporter) -> None:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not holds(value, limit):
            report(path, f"{value} is {words} {limit}")

    return check


def _not_empty(length: int) -> Check:
    def check(value: Any, path: Path, report: Reporter) -> None:
        if isinstance(value, str) and len(value) < length:
            report(path, "the text is empty" if not value else f"the text is shorter than {length}")

    return check


def _pattern_check(pattern: str, expected: str) -> Check:
    compiled = re.compile(pattern)

    def check(value: Any, path: Path, report: Reporter) -> None:
        if isinstance(value, str) and compiled.search(value) is None:
            report(path, f"expected {expected or f'text that matches {pattern}'}, got {describe(value)}")

    return check


def _items(item: Check) -> Check:
    def check(value: Any, path: Path, report: Reporter) -> None:
        if isinstance(value, (list, tuple)):
            for index, part in enumerate(value):
                item(part, (*path, index), report)

    return check


def _size(least: int, most: int | None, expected: str = "") -> Check:
    def check(value: Any, path: Path, report: Reporter) -> None:
        if isinstance(value, (list, dict)):
            if len(value) < least:
                report(path, "it is empty" if not value else f"fewer than {least} entries")
            elif most is not None and len(value) > most:
                report(path, expected or f"more than {most} entries")

    return check


def _join_words(words: Sequence[str]) -> str:
    unique = list(dict.fromkeys(_TYPES[word][0] if word in _TYPES else word for word in words))
    return " or ".join(filter(None, [", ".join(unique[:-1]), unique[-1]])) if unique else "a value"


def describe(value: Any) -> str:
    """Return a value as a message shows it: its kind, and its beginning (40 characters keep a message on one line).

    >>> describe("a"), describe(None), describe([1, 2])
    ("the text 'a'", 'nothing', 'a list')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value[:37] + '...' if len(value) > 40 else value!r}"
    return "a list" if isinstance(value, (list, tuple)) else "a mapping"
