"""Code in a suite that cannot be parsed, found while it is loaded: regular expressions, JavaScript, Python.

Code with template tags is checked when it is rendered, and code in a file when it is run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from evolve.core.formats.yaml12 import Document
from evolve.core.javascript.engine import function_body, javascript_problem, regex_problem
from evolve.core.model.errors import Problem
from evolve.core.model.suite import Assertion, Place, ProviderSpec, Test
from evolve.core.suites.references import assertions_of
from evolve.core.templating.templates import has_tags
from evolve.core.user_code.inline_python import python_problem
from evolve.core.user_code.transforms import transform_problem


def _javascript(code: str) -> str | None:
    return javascript_problem(function_body(code.rstrip()), ("output", "context"))


_VALUES: Mapping[str, tuple[str, Callable[[str], str | None]]] = {
    "regex": ("this JavaScript regular expression does not parse", regex_problem),
    "javascript": ("this JavaScript does not parse", _javascript),
    "python": ("this Python does not parse", python_problem),
}
"""By type of assertion: the message, and the function that finds the fault in its value."""
_TRANSFORMS = ("contextTransform",)
"""Keys of assertions that hold a transform, in addition to `transform`."""
_UNBUILT_TRANSFORMS: Mapping[str, str] = {
    "transform": "output",
    "postprocess": "output",
    "transformVars": "vars",
    **dict.fromkeys(_TRANSFORMS, "output"),
}
"""Keys of a config that hold a transform, and the name of its first argument."""
_HOLDERS = ("providers", "targets", "tests", "defaultTest", "scenarios", "config", "options", "assert")
"""Keys of a config below which there is code; `config` is a scenario's list of tests."""


def code_problems(
    providers: Sequence[ProviderSpec], tests: Iterable[Test], seen: set[tuple[str, str]] | None = None
) -> Iterator[Problem]:
    """Yield one problem for each piece of code that does not parse, at the first place that has it.

    Args:
        providers: the suite's.
        tests: the suite's.
        seen: code that was checked before, as (kind, text); what is checked here is added.
    """
    seen = set() if seen is None else seen
    for kind, code, place, path in _code(providers, tests):
        message = _message(kind, code, seen)
        if message:
            yield Problem(message, place.inside(*path) if place else None)


def unbuilt_code_problems(
    value: Any, document: Document, base: tuple[str | int, ...], seen: set[tuple[str, str]]
) -> Iterator[Problem]:
    """Yield the same for a part of a config from which nothing can be made, because it has other problems.

    Args:
        value: the part.
        document: where it came from.
        base: the part's path there.
        seen: as in `code_problems`.
    """
    for kind, code, path in _unbuilt_code(value, base):
        message = _message(kind, code, seen)
        if message:
            yield Problem(message, document.locate(*path))


def _message(kind: str, code: str, seen: set[tuple[str, str]]) -> str:
    """Return why code does not parse; empty if it does, or if it is in `seen`, to which it is added."""
    if (kind, code) in seen or code.startswith("file://") or has_tags(code):
        return ""
    seen.add((kind, code))
    what, find = _VALUES.get(kind) or ("this transform does not parse as JavaScript", _transform_check(kind))
    found = find(code)
    return f"{what}: {_plain(found, code)}" if found else ""


def _unbuilt_code(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    """Yield (kind, code, path) of the assertions and transforms below a part of a config."""
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from _unbuilt_code(part, (*path, index))
    if not isinstance(value, dict):
        return
    kind, code = value.get("type"), value.get("value")
    if isinstance(kind, str):
        kind = kind.removeprefix("not-")
        if kind in _VALUES and isinstance(code, str):
            yield kind, code, (*path, "value")
    for key, name in _UNBUILT_TRANSFORMS.items():
        if isinstance(value.get(key), str):
            yield name, value[key], (*path, key)
    for key in _HOLDERS:
        # A scenario's `config` is a list of tests; any other is the user's own data.
        if key in value and not (key == "config" and not isinstance(value[key], list)):
            yield from _unbuilt_code(value[key], (*path, key))


def _transform_check(kind: str) -> Callable[[str], str | None]:
    return lambda code: transform_problem(code, kind)


def _code(
    providers: Sequence[ProviderSpec], tests: Iterable[Test]
) -> Iterator[tuple[str, str, Place | None, tuple[str, ...]]]:
    """Yield (kind, code, place, keys inside of it); the kind of a transform is the name of its first argument."""
    for provider in providers:
        if provider.transform:
            yield "output", provider.transform, provider.place, ("transform",)
    known: set[int] = set()
    for test in tests:
        options = test.options
        if options.transform:
            yield "output", options.transform, test.place, ("options", "transform")
        if options.transform_vars:
            yield "vars", options.transform_vars, test.place, ("options", "transformVars")
        for assertion in assertions_of(test.requirements):
            if id(assertion) not in known:  # all tests share the default test's assertions
                known.add(id(assertion))
                yield from _code_of(assertion)


def _code_of(assertion: Assertion) -> Iterator[tuple[str, str, Place | None, tuple[str, ...]]]:
    if assertion.type in _VALUES and isinstance(assertion.value, str):
        yield assertion.type, assertion.value, assertion.place, ("value",)
    if assertion.transform:
        yield "output", assertion.transform, assertion.place, ("transform",)
    for key in _TRANSFORMS:
        code = assertion.config.get(key)
        if isinstance(code, str):
            yield "output", code, assertion.place, (key,)


def _plain(found: str, code: str) -> str:
    """Return the fault without our wrapper: its closing brace is not in the user's code."""
    if "'}'" in found and "}" not in code:
        return "SyntaxError: the code ends too early"
    return found.removeprefix("not Python, ")
