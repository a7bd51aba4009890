"""`is-json` and `contains-json`: the output is JSON, or has an object in it, and fits the schema."""

from collections.abc import Callable
from functools import lru_cache

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import quote, wrong_value
from evolve.core.formats.json_objects import json_objects
from evolve.core.formats.json_schema_words import JSON_SCHEMA
from evolve.core.formats.json_schemas import compile_json_schema
from evolve.core.formats.json_text import parse_json
from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.errors import CannotEvaluate, InputError
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("is-json", value_schema=JSON_SCHEMA)
def is_json(check: AssertionInput) -> Verdict:
    """Pass when the whole output is JSON. Negated, with a schema: it is not JSON, or does not fit."""
    try:
        output = parse_json(check.text)
    except ValueError as exc:
        return check.verdict(False, f"Expected JSON: {exc}, got {quote(check.text)}")
    problem_of = _schema_check(check)
    problem = problem_of(output) if problem_of else None
    if problem is not None:
        return check.verdict(False, f"The output does not fit the schema: {problem}, got {quote(check.text)}")
    word = "that does not fit the schema" if problem_of else "that is not JSON"
    return check.verdict(True, f"Expected output {word}, got {quote(check.text)}" if check.negated else "")


@assertion_type("contains-json", value_schema=JSON_SCHEMA)
def contains_json(check: AssertionInput) -> Verdict:
    """Pass when some object in braces can be read (as YAML, a superset of JSON) and fits. Lists do not count."""
    found = json_objects(check.text)
    first = next(found, None)
    if first is None:
        return check.verdict(False, f"Expected output to contain JSON, got {quote(check.text)}")
    problem_of = _schema_check(check)
    if problem_of is None:
        return check.verdict(True, f"Expected output without JSON, got {quote(check.text)}" if check.negated else "")
    problem = problem_of(first)
    while problem is not None and (candidate := next(found, None)) is not None:
        problem = problem_of(candidate)
    if problem is not None:
        return check.verdict(
            False, f"No JSON in the output fits the schema; the last one: {problem}, got {quote(check.text)}"
        )
    return check.verdict(
        True, f"Expected no JSON that fits the schema, got {quote(check.text)}" if check.negated else ""
    )


def _schema_check(check: AssertionInput) -> Callable[[JsonValue], str | None] | None:
    """Return the value as a compiled schema; None without one ('' and null count as none)."""
    value = check.assertion.value
    if isinstance(value, dict):
        return compile_json_schema(value)
    if isinstance(value, str):
        return compile_json_schema(_schema_text(value)) if value else None
    if value is None or value is False or value == 0:
        return None
    raise wrong_value(check, "a JSON schema, as a mapping or as text")


@lru_cache(maxsize=256)
def _schema_text(text: str) -> JsonValue:
    try:
        return parse_yaml(text, "value")
    except InputError as exc:
        raise CannotEvaluate(f"expected a schema in YAML or JSON: {exc}") from exc
