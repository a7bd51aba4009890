"""Checks a failure case's file: it follows the schema, and nothing in it is executed or rendered."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path as FilePath
from typing import Any, Final

from evolve.core.assertions import known_types
from evolve.core.cases.inert import is_inert, is_inert_prompt
from evolve.core.formats.schema_check import Check, Kind, Path, Reporter, compile_schema, describe
from evolve.core.formats.yaml12 import Document, path_text, read_document
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.suites.visible_env import is_case_path
from evolve.core.text.did_you_mean import did_you_mean

CODE_TYPES: Final = frozenset(("javascript", "python", "webhook", "pytest", "exec"))
"""Assertion types that run code or call a service: a case must not contain them."""

_PROMPT: Final = ("prompts", 0, "raw")
_HINT: Final = "escape captured text: write {% raw %}{{{% endraw %} for {{"


@cache
def case_schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a failure case."""
    schema: Mapping[str, Any] = json.loads(FilePath(__file__).with_name("case.schema.json").read_text("utf-8"))
    return schema


@cache
def inert_types() -> frozenset[str]:
    """Return the assertion types that a case may use, without `not-`."""
    known = known_types()
    return frozenset(name for name, found in known.items() if name not in CODE_TYPES and not found.compares)


def check_text(text: str, file: str) -> Mapping[str, JsonValue]:
    """Return the checked mapping of a case's file.

    Raises:
        InputError: with every problem, sorted by line and column.
    """
    document = read_document(text, file)
    return _check_document(document.value, document, file)


def check_mapping(value: JsonValue, file: str) -> Mapping[str, JsonValue]:
    """Return the mapping itself; raise InputError with every problem in it."""
    return _check_document(value, None, file)


def _check_document(value: JsonValue, document: Document | None, file: str) -> Mapping[str, JsonValue]:
    problems: list[Problem] = []

    def _report(path: Path, message: str, hint: str = "", kind: Kind = "value") -> None:
        problems.append(Problem(message, _place(path, document, file, is_key=kind != "value"), hint))

    _check()(value, (), _report)
    if isinstance(value, dict):
        _check_inert(value, _report)
    if isinstance(value, dict) and not problems:
        _check_labels(value, _report)
    if problems and _is_suite(value) and not is_case_path(file):
        # The rules for failure cases do not help a user who passed a suite by mistake. In a folder of failure cases the
        # hint would be wrong: no file there is read as a suite.
        hint = f"pass a suite with --suite: evolve --suite {file}"
        raise InputError(Problem("this is a suite, not a failure case", Location(file), hint))
    if problems or not isinstance(value, dict):
        raise InputError(sorted(problems, key=_line))
    return value


def _is_suite(value: JsonValue) -> bool:
    """Whether a file has prompts and tests but none of the metadata keys that mark the single test of a case."""
    if not isinstance(value, dict) or not {"prompts", "tests"} <= value.keys():
        return False
    tests = value["tests"]
    if not isinstance(tests, list) or len(tests) != 1:
        return True
    metadata = tests[0].get("metadata") if isinstance(tests[0], dict) else None
    return not (isinstance(metadata, dict) and metadata.keys() & {"fingerprint", "source"})


@cache
def _check() -> Check:
    return compile_schema(case_schema(), {"assertionType": _check_type})


def _check_type(value: Any, path: Path, report: Reporter) -> None:
    if not isinstance(value, str):
        return report(path, f"expected an assertion type, got {describe(value)}")
    name = value.removeprefix("not-")
    if name in CODE_TYPES:
        return report(path, f"{value} is not allowed in a failure case", "use a type without code: is-json, ...")
    if name not in inert_types():
        known = name in known_types()
        reason = f"{value} compares outputs, but a case has one" if known else f"unknown assertion type {value!r}"
        return report(path, reason, "" if known else did_you_mean(name, inert_types()))
    return None


def _check_inert(value: Mapping[str, JsonValue], report: Reporter) -> None:
    for path, text, is_key in _texts(dict(value), ()):
        fine = is_inert_prompt(text) if path == _PROMPT else is_inert(text)
        if not fine:
            report(
                path,
                f"a template engine or a loader would interpret {describe(text)}",
                _HINT,
                "ignored key" if is_key else "value",
            )


def _texts(value: JsonValue, path: Path) -> Iterator[tuple[Path, str, bool]]:
    if isinstance(value, str):
        yield path, value, False
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _texts(part, (*path, index))
    elif isinstance(value, dict):
        for key, part in value.items():
            yield (*path, key), key, True
            yield from _texts(part, (*path, key))


def _check_labels(value: Any, report: Reporter) -> None:
    metadata = value["tests"][0]["metadata"]
    path = ("tests", 0, "metadata")
    for answer in metadata["accepted"]:
        if answer in metadata["forbidden"]:
            report((*path, "forbidden"), f"{answer!r} is both accepted and forbidden", "remove it from one of them")
    if metadata["status"] == "retired" and not metadata.get("reason"):
        report((*path, "status"), "a retired case needs a reason", "evolve cases retire FILE --reason ...")
    if metadata["status"] != "pinned" and metadata.get("waived"):
        report((*path, "waived"), "only a pinned case can be waived")
    if metadata["status"] != "retired" and metadata.get("reason"):
        report((*path, "reason"), "only a retired case has a reason")


def _place(path: Path, document: Document | None, file: str, *, is_key: bool) -> Location:
    if document is None:
        return Location(file, path=path_text(path))
    return document.locate_key(*path) if is_key else document.locate(*path)


def _line(problem: Problem) -> tuple[int, int]:
    where = problem.where
    return (where.line or 0, where.column or 0) if where else (0, 0)
