"""What a suite would run or call that `--safe` refuses: code and programs, and addresses that the suite chooses."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from evolve.core.model.errors import Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion, AssertSet, Place, Suite, Test

_CODE_FILE: Final = re.compile(r"\.(py|[cm]?[jt]sx?|rb|go|sh|bat|exe)(:|#|$)", re.I)
_PROGRAM: Final = re.compile(
    r"(?:turns:)*(exec|python|javascript|golang|ruby|package|file|https?|webhook|websocket|wss?|mcp|pool)(:|$)"
)
_CODE_TYPES: Final = frozenset({"python", "pytest", "webhook", "ruby"})
_ADDRESS_KEYS: Final = (
    "apiBaseUrl",
    "apiHost",
    "apiEndpoint",
    "endpoint",
    "baseUrl",
    "basePath",
    "host",
    "url",
    "urls",
)
_HINT: Final = "read the file; if you trust it, run without --safe"


def unsafe_parts(suite: Suite, own_files: frozenset[str] = frozenset()) -> Iterator[Problem]:
    """Yield a problem for each part of a suite that runs code, starts a program or calls an address of its own.

    JavaScript inside the suite's text stays: it runs in an engine without files, network and processes. What a file
    makes run while it is only read (generators of tests, code of vars) is refused where it is called.

    Args:
        suite: the suite with its files of tests.
        own_files: paths of prompt functions that are part of this package.
    """
    for provider in suite.providers:
        yield from _provider_problems(provider.id, provider.config, provider.transform, provider.place)
    for prompt in suite.prompts:
        if prompt.function is not None and prompt.function.path not in own_files:
            yield _refused(f"the prompt {prompt.function.path}", None)
    for test in suite.tests:
        yield from _test_problems(test)
    for metric in suite.derived_metrics:
        yield from _code_problems("a derived metric", metric.value, None)


def refuse_code(what: str) -> Problem:
    """Return the problem of a file or code that a suite names."""
    return _refused(what, None)


def _refused(what: str, place: Place | None) -> Problem:
    return Problem(
        f"--safe: {what} would run or call what the suite chooses", place.location() if place else None, _HINT
    )


def _provider_problems(
    name: str, config: Mapping[str, JsonValue], transform: str | None, place: Place | None
) -> Iterator[Problem]:
    if _PROGRAM.match(name) or _CODE_FILE.search(name):
        yield _refused(f"the provider {name!r}", place)
    for key in _ADDRESS_KEYS:
        if key in config:  # it would get your API key
            yield _refused(f"the provider {name!r}: config.{key}", place)
    yield from _code_problems(f"the transform of {name!r}", transform, place)


def _spec_problems(value: JsonValue, place: Place | None) -> Iterator[Problem]:
    """Yield the problems of a provider or grader: an id, a mapping with one, or one for each kind of grading."""
    if isinstance(value, str):
        yield from _provider_problems(value, {}, None, place)
    elif isinstance(value, dict) and isinstance(value.get("id"), str):
        config = value.get("config")
        yield from _provider_problems(str(value["id"]), config if isinstance(config, dict) else {}, None, place)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _spec_problems(item, place)


def _test_problems(test: Test) -> Iterator[Problem]:
    options = test.options
    yield from _spec_problems(test.provider, test.place)
    yield from _spec_problems(options.provider, test.place)
    for code in (options.transform, options.transform_vars, test.scoring):
        yield from _code_problems("its code", code, test.place)
    if test.var_scripts:
        yield _refused(f"vars of {', '.join(sorted({ref.path for ref in test.var_scripts.values()}))}", test.place)
    for requirement in test.requirements:
        inside = requirement.assertions if isinstance(requirement, AssertSet) else (requirement,)
        for assertion in inside:
            yield from _assertion_problems(assertion)


def _assertion_problems(assertion: Assertion) -> Iterator[Problem]:
    if assertion.type in _CODE_TYPES:
        yield _refused(f"the assertion {assertion.type}", assertion.place)
    else:
        yield from _code_problems(f"the assertion {assertion.type}", assertion.value, assertion.place)
    yield from _code_problems("a transform", assertion.transform, assertion.place)
    yield from _spec_problems(assertion.provider, assertion.place)


def _code_problems(what: str, value: JsonValue, place: Place | None) -> Iterator[Problem]:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, str) and item.startswith("file://") and _CODE_FILE.search(item):
            yield _refused(f"{what}, {item}", place)
