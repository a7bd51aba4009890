"""The files of a suite that run in Node.js, checked before the first question: nothing in them is run for that."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from evolve.core.javascript.node_needs import code_needs_node, file_needs_node
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Files, Node
from evolve.core.model.suite import Assertion, Suite, Test
from evolve.core.suites.references import assertions_of
from evolve.core.templating.templates import has_tags
from evolve.core.user_code.functions import FILE, is_javascript, split_reference


def node_problems(suite: Suite, files: Files, node: Node) -> list[Problem]:
    """Return why JavaScript and TypeScript of a suite cannot run, each problem once.

    Providers check their own files when they are opened.

    Args:
        suite: what could be read of it.
        files: reads its files.
        node: looks at files and inline code.
    """
    problems: list[Problem] = []
    seen: set[str] = set()
    for value, where in _code(suite):
        if value in seen:
            continue
        seen.add(value)
        if not value.startswith(FILE):
            if code_needs_node(value):
                problems += node.code_problems(value, files.resolve("."), where)
            continue
        path, _ = split_reference(value)
        if is_javascript(path):
            problems += _file_problems(path, files, node)
    return list(dict.fromkeys(problems))


def _file_problems(path: str, files: Files, node: Node) -> Sequence[Problem]:
    try:
        full = files.resolve(path)
        needs_node = file_needs_node(full, files.read_text)
    except InputError:
        return ()  # a file that cannot be read is the error of its test, as that of an assertion in Python
    return node.problems(full) if needs_node else ()


def _code(suite: Suite) -> Iterator[tuple[str, Location | None]]:
    """Yield inline JavaScript and references to files, each with its place."""
    for prompt in suite.prompts:
        if prompt.function is not None and not prompt.function.path.startswith("exec:"):
            yield FILE + prompt.function.path, None
    for provider in suite.providers:
        if provider.transform:
            yield provider.transform, provider.place.inside("transform") if provider.place else None
    for test in suite.tests:
        yield from _code_of_test(test)


def _code_of_test(test: Test) -> Iterator[tuple[str, Location | None]]:
    def at(*path: str) -> Location | None:
        return test.place.inside(*path) if test.place else None

    for name, script in test.var_scripts.items():
        yield FILE + script.path, at("vars", name)
    options = test.options
    for key, code in (("transform", options.transform), ("transformVars", options.transform_vars)):
        if code:
            yield code, at("options", key)
    if test.scoring:
        yield test.scoring, at("assertScoringFunction")
    for key, value in (("rubricPrompt", options.rubric_prompt), ("provider", options.provider)):
        for text in _references(value):
            yield text, at("options", key)
    for assertion in assertions_of(test.requirements):
        if not _is_plain(assertion):
            yield from _code_of_assertion(assertion)


def _is_plain(assertion: Assertion) -> bool:
    """Return whether an assertion certainly has no code: nearly all of the thousands of a large suite."""
    value = assertion.value
    is_text = not isinstance(value, list) and not (isinstance(value, str) and value.startswith(FILE))
    has_more = assertion.transform or assertion.config or assertion.rubric_prompt or assertion.provider
    return is_text and assertion.type != "javascript" and not has_more


def _code_of_assertion(assertion: Assertion) -> Iterator[tuple[str, Location | None]]:
    def at(key: str) -> Location | None:
        return assertion.place.inside(key) if assertion.place else None

    is_code = assertion.type == "javascript"
    for text in _texts(assertion.value):
        if (is_code or text.startswith(FILE)) and not has_tags(text):
            yield text, at("value")
    transforms: Mapping[str, JsonValue] = {
        "transform": assertion.transform, "contextTransform": assertion.config.get("contextTransform")
    }  # fmt: skip
    for key, code in transforms.items():
        if isinstance(code, str) and code:
            yield code, at(key)
    for key, value in (("rubricPrompt", assertion.rubric_prompt), ("provider", assertion.provider)):
        for text in _references(value):
            yield text, at(key)


def _references(value: object) -> Iterator[str]:
    """Yield the files among a prompt or a provider of a grader: a text, a list, or mappings by kind and with an id."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key != "config":
                yield from _references(part)
    for text in _texts(value):
        if text.startswith(FILE):
            yield text


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    return [part for part in value if isinstance(part, str)] if isinstance(value, list) else ()
