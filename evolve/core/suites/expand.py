"""The evaluations of a suite, in promptfoo's order: its tests times their vars, repeats, providers and prompts."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import NamedTuple, TypeAlias

from evolve.core.formats.yaml12 import key_text
from evolve.core.model.errors import CannotEvaluate, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Evaluation, Place, Prompt, ProviderSpec, Suite, Test
from evolve.core.suites.references import names_prompt, names_provider
from evolve.core.text.counts import count

TransformVars: TypeAlias = Callable[[str, Mapping[str, JsonValue]], Mapping[str, JsonValue]]

MAX_ID = 100
"""Characters of an evaluation's id, so that a pytest node id with it fits on a line or two."""

MAX_EVALUATIONS = 100_000
"""Evaluations of one suite, unless the user allows more: twenty times a large suite. Lists multiply, so a mistake of a
few lines would otherwise fill the machine's memory before the first question."""

_MAX_VAR = 40
"""Characters of one variable's value in an id."""
_MAX_NAME = 70
"""Characters of a description or of the variables in an id; the rest is for the provider, the prompt and a number."""
_ROOM_FOR_NUMBER = 8
"""Characters kept free at the end for `#` and a number of up to seven digits, which makes equal ids distinct."""
_MAX_VARS = 4
"""Variables in an id: with more, each would be cut to a few characters."""
_MAX_LABEL = 20
"""Characters of a provider's or a prompt's name in an id."""
_MAX_NUMBERED_LABEL = 16
"""Characters of a name that gets a number: `~` and up to three digits make 20."""


class _Column(NamedTuple):
    """One prompt under one provider, as promptfoo's table has it."""

    number: int
    prompt: Prompt
    provider: ProviderSpec


def expand(
    suite: Suite,
    _templates: object = None,
    *,
    transform_vars: TransformVars | None = None,
    max_evaluations: int = MAX_EVALUATIONS,
) -> tuple[Evaluation, ...]:
    """Return all evaluations of a suite: by test, then repeat, vars, provider and prompt.

    A list among a test's vars whose first item is text makes one evaluation for each item; several lists make all
    combinations, the first key slowest. `test_index` counts tests x repeats x vars, as promptfoo's `testIdx` does.
    `transform_vars` runs `options.transformVars` before lists multiply; None leaves the vars unchanged.
    Templates are not needed: ids show vars as the file has them.

    Raises:
        InputError: every `options.transformVars` that fails; or there would be more than `max_evaluations`.
    """
    columns = _columns(suite)
    ids = _Ids(suite)
    evaluations: list[Evaluation] = []
    problems: dict[str, Problem] = {}
    test_index = 0
    for number, test in enumerate(suite.tests, 1):
        chosen = _columns_of(test, columns)
        try:
            variables_of_test = _transformed(test, transform_vars)
        except CannotEvaluate as error:  # a default test's code fails for every test: one problem is enough
            problems.setdefault(str(error), _transform_problem(test, error))
            continue
        repeats = test.options.repeat or suite.repeat or 1
        more = repeats * len(chosen) * _count_combinations(test, variables_of_test)
        if len(evaluations) + more > max_evaluations:
            raise _too_many(number, test, len(evaluations) + more, max_evaluations)
        combinations = tuple(_combinations(test, variables_of_test))
        for repeat in range(repeats):
            for variables in combinations:
                title = ids.title(number, test, variables)
                for column in chosen:
                    prompt, provider = column.prompt, column.provider
                    name = ids.name(title, column)
                    evaluations.append(
                        Evaluation(name, test, variables, prompt, provider, test_index, column.number, repeat, title)
                    )
                test_index += 1
    if problems:
        raise InputError(problems.values())
    return tuple(evaluations)


def _transform_problem(test: Test, error: CannotEvaluate) -> Problem:
    where = test.place.inside("options", "transformVars") if test.place else None
    return Problem(str(error), where, "options.transformVars runs when the suite is read")


def _columns(suite: Suite) -> tuple[_Column, ...]:
    pairs = [
        (prompt, provider)
        for provider in suite.providers
        for prompt in suite.prompts
        if provider.prompts is None or any(names_prompt(ref, prompt) for ref in provider.prompts)
    ]
    return tuple(_Column(index, prompt, provider) for index, (prompt, provider) in enumerate(pairs))


def _columns_of(test: Test, columns: tuple[_Column, ...]) -> Sequence[_Column]:
    options = test.options
    is_plain = test.prompts is None and test.providers is None and test.provider is None
    if is_plain and not options.prefix and not options.suffix:
        return columns
    return [_for_test(test, column) for column in columns if _is_allowed(test, column)]


def _is_allowed(test: Test, column: _Column) -> bool:
    prompt_fits = test.prompts is None or any(names_prompt(ref, column.prompt) for ref in test.prompts)
    return prompt_fits and (
        test.providers is None or any(names_provider(ref, column.provider) for ref in test.providers)
    )


def _for_test(test: Test, column: _Column) -> _Column:
    prompt, provider = column.prompt, column.provider
    if test.options.prefix or test.options.suffix:
        prompt = replace(prompt, raw=test.options.prefix + prompt.raw + test.options.suffix)
    if test.provider is not None:
        provider = own_provider(test, provider)
    return _Column(column.number, prompt, provider)


def own_provider(test: Test, replaced: ProviderSpec) -> ProviderSpec:
    """Return a test's own provider, under the name of the suite's provider that it replaces."""
    value = test.provider
    place = replaced.place
    if test.place is not None:
        place = Place(test.place.file, (*test.place.path, "provider"), test.place.locate)
    if not isinstance(value, dict):
        return ProviderSpec(str(value), label=replaced.name, place=place)
    config = value.get("config")
    return ProviderSpec(
        str(value["id"]), label=replaced.name, config=config if isinstance(config, dict) else {}, place=place
    )


def _too_many(number: int, test: Test, total: int, limit: int) -> InputError:
    text = (
        f"test {number}: lists of vars, repeats, providers and prompts multiply to {total:,} evaluations; "
        f"expected at most {limit:,}"
    )
    hint = "shorten the lists or the repeats, or allow more with --max-evaluations (pytest: ini suite_max_evaluations)"
    return InputError(Problem(text, test.place.location() if test.place else None, hint))


def _transformed(test: Test, transform_vars: TransformVars | None) -> Mapping[str, JsonValue]:
    if transform_vars is None or not test.options.transform_vars:
        return test.vars
    return {**test.vars, **transform_vars(test.options.transform_vars, test.vars)}


def _count_combinations(test: Test, variables: Mapping[str, JsonValue]) -> int:
    if test.options.disable_var_expansion:
        return 1
    return prod(len(value) for value in variables.values() if isinstance(value, list) and _multiplies(value))


def _combinations(test: Test, variables: Mapping[str, JsonValue]) -> Iterator[Mapping[str, JsonValue]]:
    if test.options.disable_var_expansion or not any(_multiplies(value) for value in variables.values()):
        yield variables
        return
    choices = [value if _multiplies(value) and isinstance(value, list) else [value] for value in variables.values()]
    for values in product(*choices):
        yield dict(zip(variables, values, strict=True))


def _multiplies(value: JsonValue) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], str)


class _Ids:
    """Makes readable ids, each one only once."""

    def __init__(self, suite: Suite) -> None:
        self._providers = _distinct([provider.name for provider in suite.providers])
        self._prompts = _distinct([prompt.label for prompt in suite.prompts])
        self._constant = _constant_names(suite.tests)
        self._used: dict[str, int] = {}
        self._labels: dict[tuple[str, str], str] = {}

    def title(self, number: int, test: Test, variables: Mapping[str, JsonValue]) -> str:
        """Return the part of an id that all columns share.

        Args:
            number: of the test in its suite, from 1; the title of a test without description and variables.
            test: gives the description.
            variables: the test's, or one combination of its lists.
        """
        base = _one_line(test.description, _MAX_NAME) if test.description else ""
        if not base or variables is not test.vars:
            shown = self._vars_text(test, variables)
            base = f"{base} ({shown})" if base and shown else base or shown or f"test {number}"
        return base

    def name(self, title: str, column: _Column) -> str:
        """Return a new id of at most MAX_ID characters, with the column's provider and prompt if there are several."""
        label = self._column_label(column)
        return self._unique(_clip(title, min(_MAX_NAME, MAX_ID - _ROOM_FOR_NUMBER - len(label))) + label)

    def _column_label(self, column: _Column) -> str:
        key = (column.provider.name, column.prompt.label)
        if key not in self._labels:
            parts = [
                names[name] for names, name in ((self._providers, key[0]), (self._prompts, key[1])) if len(names) > 1
            ]
            self._labels[key] = "".join(f"[{part}]" for part in parts)
        return self._labels[key]

    def _vars_text(self, test: Test, variables: Mapping[str, JsonValue]) -> str:
        names = [name for name in variables if name not in self._constant] or list(variables)
        if test.description:
            names = [name for name in names if _multiplies(test.vars.get(name))] or names
        parts = (f"{name}={_one_line(_value_text(variables[name]), _MAX_VAR)}" for name in names[:_MAX_VARS])
        return _clip(", ".join(parts), _MAX_NAME)

    def _unique(self, name: str) -> str:
        count = self._used[name] = self._used.get(name, 0) + 1
        if count == 1:
            return name
        numbered = f"{_clip(name, MAX_ID - _ROOM_FOR_NUMBER)}#{count}"
        while numbered in self._used:
            count = self._used[name] = count + 1
            numbered = f"{_clip(name, MAX_ID - _ROOM_FOR_NUMBER)}#{count}"
        self._used[numbered] = 1
        return numbered


def _distinct(names: Sequence[str]) -> Mapping[str, str]:
    """Return short forms of names; a number separates names that cutting would make equal."""
    short: dict[str, str] = {}
    for name in dict.fromkeys(names):
        text = _one_line(_FOLDERS.sub("", name), _MAX_LABEL)
        short[name] = text if text not in short.values() else f"{_clip(text, _MAX_NUMBERED_LABEL)}~{len(short) + 1}"
    return short


def _constant_names(tests: Sequence[Test]) -> frozenset[str]:
    """Return vars with one value in all tests, such as a default test's: they would not separate the ids."""
    if len(tests) < 2:
        return frozenset()
    first = tests[0].vars
    return frozenset(
        name
        for name, value in first.items()
        if not _multiplies(value) and all(name in test.vars and test.vars[name] == value for test in tests)
    )


def _value_text(value: JsonValue) -> str:
    if isinstance(value, list):
        return f"[{count(len(value), 'item')}]"
    return f"{{{', '.join(value)}}}" if isinstance(value, dict) else key_text(value)


_FOLDERS = re.compile(r"^(?:[\w.-]*/)+(?=[\w.-]+\.\w+:)")
"""The folders in a prompt's name such as `prompts/a.txt: text`; what follows them is more useful in a short name."""
_SPACE = re.compile(r"[\s\x00-\x1f\x7f\u200b-\u200f\u2028\u2029\ufeff]+")
"""White space, control characters, and the invisible ones that a terminal may obey or drop."""


def _one_line(text: str, limit: int) -> str:
    """Return one line without control characters; `::` separates parts of a pytest node id, so it becomes `:`."""
    # Four times the limit leaves enough after runs of spaces are joined, and a page of text costs no time.
    start = text[: limit * 4]
    if not (start.isprintable() and "  " not in start and "::" not in start):
        start = _SPACE.sub(" ", "".join(char if char.isprintable() or char.isspace() else " " for char in start))
        start = re.sub(r":{2,}", ":", start)
    return _clip(start.strip(), limit)


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
