"""JSON Schema draft 7, with the same results as ajv 8 in promptfoo's configuration.

The library is `jsonschema`. This module adds the points where ajv differs: unknown keywords and formats are errors,
formats are checked, patterns are JavaScript's with the flag u, `nullable` counts, keywords next to `$ref` count, NaN
and infinity are no numbers, nothing is ever fetched.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from evolve.core.formats.json_schema_words import ONE_SCHEMA, SCHEMA_LISTS, SCHEMA_MAPS, WORDS
from evolve.core.formats.json_text import parse_json
from evolve.core.javascript.engine import JavaScriptError, Regex
from evolve.core.javascript.values import to_json
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.text.did_you_mean import did_you_mean

ProblemOf = Callable[[JsonValue], str | None]
"""Returns what is wrong with a value, in one sentence; None when it fits."""

_MAX_KEPT = 512
"""Compiled schemas that are kept; far more than a suite has. It bounds the memory when schemas are generated."""
_kept: dict[int, tuple[JsonValue, ProblemOf]] = {}


def compile_json_schema(schema: JsonValue) -> ProblemOf:
    """Return the schema as a function; each schema is compiled only once.

    Raises:
        CannotEvaluate: the schema is not valid, or uses an unknown keyword or format.
    """
    known = _kept.get(id(schema))
    if known is not None and known[0] is schema:
        return known[1]
    compiled = _compile(to_json(schema))
    if len(_kept) >= _MAX_KEPT:
        _kept.clear()
    _kept[id(schema)] = (schema, compiled)
    return compiled


@lru_cache(maxsize=_MAX_KEPT)
def _compile(text: str) -> ProblemOf:
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

    schema: Any = parse_json(text)
    _check_schema(schema)
    return _problem_of(_validator_class()(schema, registry=REGISTRY))


def compile_open_schema(schema: JsonValue) -> ProblemOf:
    """Return a schema of any draft as a function, as model servers read it: unknown keywords and formats say nothing.

    Raises:
        CannotEvaluate: it is not valid in draft 2020-12, 7 or 4.
    """
    return _compile_open(to_json(schema))


@lru_cache(maxsize=_MAX_KEPT)
def _compile_open(text: str) -> ProblemOf:
    from jsonschema.validators import extend
    from jsonschema_specifications import REGISTRY

    schema: Any = parse_json(text)
    ours: dict[str, Any] = {**_keywords(), "pattern": _open_pattern}
    made = extend(_draft_of(schema), ours)  # type: ignore[no-untyped-call]
    return _problem_of(made(schema, registry=REGISTRY))


def _draft_of(schema: Any) -> Any:
    """Return the validator of the newest draft in which the schema is valid."""
    from jsonschema import Draft4Validator, Draft7Validator, Draft202012Validator, SchemaError

    faults = []
    for draft in (Draft202012Validator, Draft7Validator, Draft4Validator):
        try:
            draft.check_schema(schema, format_checker=_javascript_patterns())
        except SchemaError as error:
            faults.append(error)
        else:
            return draft
    raise CannotEvaluate(f"the JSON Schema is not valid: {_in_words(faults[0])}")


@cache
def _javascript_patterns() -> Any:
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    checker.checks("regex", CannotEvaluate)(lambda pattern: not isinstance(pattern, str) or _is_pattern(pattern))
    return checker


def _is_pattern(pattern: str) -> bool:
    try:
        _regex(pattern)
    except JavaScriptError:
        _loose_regex(pattern)
    return True


def _problem_of(validator: Any) -> ProblemOf:
    from referencing.exceptions import Unresolvable

    def problem_of(value: JsonValue) -> str | None:
        try:
            error = next(iter(validator.iter_errors(value)), None)
        except Unresolvable as exc:
            raise CannotEvaluate(f"the schema has a reference that leads nowhere: {exc}") from None
        except RecursionError:
            raise CannotEvaluate("the schema or the output is nested too deeply") from None
        return None if error is None else _in_words(error)

    return problem_of


def _in_words(error: Any) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    message = str(error.message)
    # The message quotes the value, which may be megabytes long.
    message = message if len(message) <= 300 else f"{message[:300]} ..."
    return f"{place.lstrip('.')}: {message}" if place else message


# --- Check the schema -------------------------------------------------------------------------------------------------

_DRAFT_7 = ("http://json-schema.org/draft-07/schema", "http://json-schema.org/draft-07/schema#")


def _check_schema(schema: Any) -> None:
    if not isinstance(schema, dict | bool):
        raise CannotEvaluate("the schema must be a mapping")
    if isinstance(schema, dict) and schema.get("$schema", _DRAFT_7[0]) not in _DRAFT_7:
        raise CannotEvaluate(f"the schema is not of draft 7: $schema is {schema['$schema']!r}")
    error = next(iter(_meta_validator().iter_errors(schema)), None)
    if error is not None:
        raise CannotEvaluate(f"the schema is not valid: {_in_words(error)}")
    _Words(schema).check(schema, "")


@cache
def _meta_validator() -> Any:
    from jsonschema import Draft7Validator

    return _validator_class()(Draft7Validator.META_SCHEMA)


class _Words:
    """Visits all parts of a schema that count, and refuses what ajv's strict mode refuses."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._seen: set[int] = set()

    def check(self, schema: Any, place: str) -> None:
        if not isinstance(schema, dict) or id(schema) in self._seen:
            return
        self._seen.add(id(schema))
        for fault in _faults(schema):
            raise CannotEvaluate(f"the schema is not valid{f' at {place}' if place else ''}: {fault}")
        for name, part in _parts(schema):
            self.check(part, f"{place}.{name}" if place else name)
        reference = schema.get("$ref")
        if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
            self.check(self._target(reference), reference)

    def _target(self, reference: str) -> Any:
        target = self._root
        for part in filter(None, reference[1:].split("/")):
            key = part.replace("~1", "/").replace("~0", "~")
            target = target[key] if isinstance(target, dict) and key in target else _item(target, key)
            if target is None:
                raise CannotEvaluate(f"the schema refers to {reference}, which does not exist")
        return target


def _item(target: Any, key: str) -> Any:
    return target[int(key)] if isinstance(target, list) and key.isdecimal() and int(key) < len(target) else None


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for word, part in schema.items():
        if word in ONE_SCHEMA:
            yield word, part
        elif word in SCHEMA_LISTS or word == "items":
            yield from (
                ((f"{word}[{at}]", item) for at, item in enumerate(part)) if isinstance(part, list) else ((word, part),)
            )
        elif word in SCHEMA_MAPS or word == "dependencies":
            yield from ((f"{word}.{name}", item) for name, item in part.items())


def _faults(schema: Mapping[str, Any]) -> Iterator[str]:
    for word in schema.keys() - WORDS:
        yield f"unknown keyword {word!r} {did_you_mean(word, WORDS)}".rstrip()
    name = schema.get("format")
    if name is not None:
        yield from _format_faults(name)
    yield from _conditional_faults(schema)
    yield from _nullable_faults(schema)
    yield from _match_faults(schema)


def _conditional_faults(schema: Mapping[str, Any]) -> Iterator[str]:
    if "if" in schema and not {"then", "else"} & schema.keys():
        yield "`if` without `then` or `else`"
    if "if" not in schema and {"then", "else"} & schema.keys():
        yield "`then` or `else` without `if`"
    if "additionalItems" in schema and not isinstance(schema.get("items"), list):
        yield "`additionalItems` needs `items` as a list"
    if schema.get("enum") == []:
        yield "`enum` is empty"


def _nullable_faults(schema: Mapping[str, Any]) -> Iterator[str]:
    if "nullable" not in schema:
        return
    types = schema.get("type")
    if types is None:
        yield "`nullable` without `type`"
    elif "null" in ([types] if isinstance(types, str) else types) and schema["nullable"] is False:
        yield "`nullable: false` contradicts the type null"


def _match_faults(schema: Mapping[str, Any]) -> Iterator[str]:
    patterns = schema.get("patternProperties", {})
    if all(part is True or part == {} for part in patterns.values()):
        return
    for pattern in patterns:
        for name in schema.get("properties", ()):
            if _matches(pattern, name):
                yield f"the property {name!r} also matches the pattern {pattern!r}"


# --- Where ajv and jsonschema differ ---------------------------------------------------------------------------------


@cache
def _validator_class() -> Any:
    from jsonschema import Draft7Validator
    from jsonschema.validators import create

    applicable: Any = _applicable
    return create(
        meta_schema=Draft7Validator.META_SCHEMA,
        validators=dict(Draft7Validator.VALIDATORS) | _keywords(),
        type_checker=Draft7Validator.TYPE_CHECKER.redefine("number", _is_number),
        applicable_validators=applicable,
    )


def _keywords() -> dict[str, Any]:
    return {
        "additionalProperties": _additional_properties,
        "format": _format,
        "multipleOf": _multiple_of,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "type": _type,
    }


def _applicable(schema: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return schema.items()


def _is_number(_checker: Any, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _type(validator: Any, types: Any, value: Any, schema: Any) -> Iterator[Any]:
    names = [types] if isinstance(types, str) else types
    if value is None and schema.get("nullable") is True:
        return
    if not any(validator.is_type(value, name) for name in names):
        yield _error(f"{value!r} is not of type {' or '.join(names)}")


def _pattern(_validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(value, str) and not _matches(pattern, value):
        yield _error(f"{value!r} does not match {pattern!r}")


def _open_pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:
    try:
        _regex(pattern)
    except JavaScriptError:
        # Without the flag u, JavaScript takes an escape that means nothing, such as `\\!`, for the character.
        is_match = not isinstance(value, str) or _loose_regex(pattern).search(value)
        yield from () if is_match else [_error(f"{value!r} does not match {pattern!r}")]
    else:
        yield from _pattern(validator, pattern, value, schema)


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], value: Any, _schema: Any) -> Iterator[Any]:
    if not isinstance(value, dict):
        return
    for pattern, part in patterns.items():
        for name, item in value.items():
            if _matches(pattern, name):
                yield from validator.descend(item, part, path=name, schema_path=pattern)


def _additional_properties(validator: Any, others: Any, value: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(value, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, item in value.items():
        if name in known or any(_matches(pattern, name) for pattern in patterns):
            continue
        if others is False:
            yield _error(f"the property {name!r} is not allowed")
        else:
            yield from validator.descend(item, others, path=name)


def _multiple_of(_validator: Any, divisor: float, value: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(value, int | float) and not isinstance(value, bool) and not _is_multiple(value, divisor):
        yield _error(f"{value!r} is not a multiple of {divisor}")


def _is_multiple(value: float, divisor: float) -> bool:
    try:
        return (float(value) / divisor).is_integer()
    except OverflowError:
        return False


def _format_faults(name: Any) -> Iterator[str]:
    from evolve.core.formats.json_formats import FORMATS, NUMBER_FORMATS

    if name not in FORMATS and name not in NUMBER_FORMATS:
        yield f"unknown format {name!r} {did_you_mean(name, FORMATS)}".rstrip()


def _format(_validator: Any, name: str, value: Any, _schema: Any) -> Iterator[Any]:
    from evolve.core.formats.json_formats import FORMATS, NUMBER_FORMATS

    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    check = NUMBER_FORMATS.get(name) if is_number else FORMATS.get(name) if isinstance(value, str) else None
    if check is not None and not check(value):
        yield _error(f"{value!r} is not of the format {name}")


def _error(message: str) -> Any:
    from jsonschema import ValidationError

    return ValidationError(message)


def _matches(pattern: str, text: str) -> bool:
    try:
        return _regex(pattern).search(text)
    except JavaScriptError as exc:
        raise CannotEvaluate(f"the schema's pattern {pattern!r} is not a regular expression: {exc}") from None


@lru_cache(maxsize=1024)  # the patterns of the schemas in use; each is compiled once
def _regex(pattern: str) -> Regex:
    return Regex(pattern, "u")


@lru_cache(maxsize=1024)
def _loose_regex(pattern: str) -> Regex:
    try:
        return Regex(pattern, "")
    except JavaScriptError as exc:
        raise CannotEvaluate(f"the schema's pattern {pattern!r} is not a regular expression: {exc}") from None
