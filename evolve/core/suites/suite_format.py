"""The suite format: checks of a config, and the values of `suite.py` made from it.

`suite.schema.json` in this folder is the one description of the format, and the editor's schema too. The checks of
assertion types and provider entries are here, because their keys depend on their type. Only that schema is read from
disk here: `evolve.store.suites` reads the documents.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path as FilePath
from typing import Any, Literal, TypeAlias

from evolve.core.assertions import AssertionType, find_type, known_types
from evolve.core.formats.schema_check import (
    Check,
    Kind,
    Path,
    Reporter,
    UnsupportedKeywordError,
    compile_schema,
    describe,
)
from evolve.core.formats.yaml12 import Document
from evolve.core.model.errors import Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.strictness import UnknownKeys
from evolve.core.model.suite import Assertion, AssertSet, Place, ProviderSpec, Requirement, ScriptRef, Test, TestOptions
from evolve.core.suites.misplaced_keys import check_metadata, check_options, check_vars
from evolve.core.suites.usable_parts import LISTS, Flaws, assertion_of
from evolve.core.text.counts import count
from evolve.core.text.did_you_mean import closest, did_you_mean, meant_key, with_the_option

NO_RED_TEAM = "Anneal has no red teaming"
"""The reason why keys, assertion types and providers of red teaming are refused."""
REFUSED_TYPES: Mapping[str, str] = {
    "agent-rubric": "use llm-rubric",
    "conversation-relevance": "use answer-relevance",
    "human": "a person cannot grade an automatic test; use llm-rubric",
    "pi": "use llm-rubric",
    "ruby": "use javascript or python",
    "search-rubric": "use llm-rubric",
    "trace-error-spans": "traces are not collected",
    "trace-span-count": "traces are not collected",
    "trace-span-duration": "traces are not collected",
    "trajectory:goal-success": "use llm-rubric",
}
"""Assertion types of promptfoo that are refused by name, with what to use instead."""

PROVIDER_SETTINGS = frozenset((
    "temperature", "max_tokens", "max_completion_tokens", "top_p", "top_k", "min_p", "stop", "seed", "n", "user",
    "tools", "tool_choice", "functions", "function_call", "response_format", "presence_penalty", "frequency_penalty",
    "logit_bias", "logprobs", "top_logprobs", "grammar", "reasoning_effort", "apiKey", "apiBaseUrl", "passthrough",
    "model", "maxTokens", "maxOutputTokens", "topP", "topK", "stopSequences",
))  # fmt: skip
"""Settings of providers that suites put among a test's `options`; a name close to one is a typing error."""

ASSERTION_KEYS = frozenset(
    ("type", "value", "threshold", "weight", "metric", "transform", "provider", "rubricPrompt", "config")
)
NOTES = frozenset(("description", "label", "reason", "tags", "displayPrompt"))
"""Keys with notes for readers, which public suites have in many places; they have no effect, as in promptfoo."""
_WITHOUT_EFFECT: Mapping[str, str] = {
    "caseSensitive": "icontains and its like ignore case",
    "ignoreCase": "icontains and its like ignore case",
}
"""Keys of assertions that public suites have, and that have no effect in promptfoo either; with what to use instead."""

_OF_TESTS: Mapping[str, str] = {
    "assert": "only `type: assert-set` holds assertions",
    "vars": "put it into the test, one level up",
    "options": "put it into the test, one level up",
}
"""Keys that have an effect in a test, and none in its assertions; with what to do."""

_PROVIDER_KEYS = frozenset(("id", "label", "config", "prompts", "transform", "delay", "env", "inputs"))


@cache
def suite_schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a suite."""
    schema: Mapping[str, Any] = json.loads((FilePath(__file__).with_name("suite.schema.json")).read_text("utf-8"))
    return schema


@cache
def checker(definition: str = "") -> Check:
    """Return a check that reports every problem of a config, or of one part: its name in `$defs` (`test`)."""
    schema = suite_schema()
    part = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]} if definition else schema
    return compile_schema(part, _overrides())


def _overrides() -> Mapping[str, Check]:
    return {
        "assertion": _check_assertion,
        "providerItem": _check_provider,
        "options": _check_options,
        "grader": _check_grader,
        "testItem": _check_test_item,
        "vars": _check_free_data(check_vars),
        "metadata": _check_free_data(check_metadata),
    }


def _check_free_data(misplaced: Check) -> Check:
    """Return a check that accepts any mapping without a test's own keys."""

    def check(value: Any, path: Path, report: Reporter) -> None:
        if isinstance(value, dict):
            misplaced(value, path, report)
        else:
            report(path, f"expected a mapping, got {describe(value)}")

    return check


# --- Problems, collected ---------------------------------------------------------------------------------------------


Part: TypeAlias = Literal["prompts", "providers", "tests", "names"]
"""`names`: those of prompts and providers, which other parts refer to."""
_UNKNOWN = frozenset(("unknown key", "mistaken key", "needed key"))
"""Kinds of problems that `--unknown-keys` decides about."""
_PARTS: Mapping[str | int, Part] = {
    "prompts": "prompts",
    "providers": "providers",
    "targets": "providers",
    "tests": "tests",
    "scenarios": "tests",
    "defaultTest": "tests",
}
"""Top-level keys and the part of the suite that is made of them."""


_DEFINING: frozenset[str | int] = frozenset((
    *_PARTS, "vars", "options", "transformVars", "storeOutputAs", "path", "config", "raw"
))  # fmt: skip
"""Keys that define prompts, providers, tests or variables."""
_TEXTS: frozenset[str | int] = frozenset(("id", "raw"))
_NAMES: frozenset[str | int] = frozenset(("id", "label"))


@dataclass(slots=True)
class Findings:
    """All errors and warnings about a suite and its files."""

    unknown_keys: UnknownKeys = "typos"
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    broken: set[str | int] = field(default_factory=set)
    """The config's own top-level keys that have problems: values below them must not be used."""
    rejected: list["Source"] = field(default_factory=list)
    """Tests of other files that have problems: no test is made of them, but their code can be checked."""
    partial: set[Part] = field(default_factory=set)
    """Parts of the suite that are not complete, because something in them has a problem."""
    _side_issues: int = 0
    """How many of the problems leave all names and tests of their part there."""

    def report_on(
        self,
        document: Document,
        base: Path = (),
        free_keys: Callable[[], frozenset[str]] = frozenset,
        *,
        flaws: Flaws | None = None,
        is_config: bool = False,
    ) -> Reporter:
        """Return a reporter of problems below `base` of a document.

        Args:
            document: the parsed file, which gives lines and columns.
            base: added in front of each reported path.
            free_keys: called when needed; top-level names that belong to the user: targets of `$ref` or of an anchor.
            flaws: gets the places of all problems that are not only warnings.
            is_config: whether what has problems is noted with `note_broken`.
        """

        def report(path: Path, message: str, hint: str = "", kind: Kind = "value") -> None:
            """Add one problem.

            Args:
                path: below `base`.
                message: what is wrong.
                hint: what to do.
                kind: decides between error and warning, and between the place of the key and that of its value.
            """
            full = (*base, *path)
            if document.is_broken(full):
                return
            if kind in _UNKNOWN and len(full) == 1 and full[0] in free_keys():
                return
            where = (document.locate if kind == "value" else document.locate_key)(*full)
            if not self.is_warning(kind):
                if kind == "mistaken key" and full[0] == "prompts" and _resembles(full[-1], _TEXTS):
                    kind = "needed key"  # without its text a prompt is none
                self._side_issues += _is_side_issue(full, kind)
                if kind in _UNKNOWN and _resembles(full[-1], _NAMES):
                    self.partial.add("names")
                if flaws is not None:
                    flaws.note(full, kind)
                if is_config:
                    self.note_broken(full, kind)
            self.add(self._worded(message, where, hint, kind), kind)

        return report

    def checked(self, definition: str, value: Any, document: Document, base: Path = ()) -> Any:
        """Return what can be used of a part of a document after its check; None where that is nothing.

        Args:
            definition: the part's name in the schema's `$defs`.
            value: the part.
            document: the parsed file.
            base: where the part is in it.
        """
        flaws = Flaws()
        checker(definition)(value, base, self.report_on(document, flaws=flaws))
        return flaws.usable(value, base)

    def _worded(self, message: str, where: Location, hint: str, kind: Kind) -> Problem:
        if kind == "ignored key" or kind not in _UNKNOWN:
            return Problem(message, where, hint)
        if self.is_warning(kind):  # the list of all known keys would only bury the name
            return Problem(f"{message}, which is ignored", where, "" if kind == "unknown key" else hint)
        return Problem(message, where, with_the_option(hint) if self.unknown_keys == "typos" else hint)

    def note_broken(self, path: Path, kind: Kind = "value") -> None:
        """Note that a part of the config has a problem, and so what must not be used, or is not complete."""
        key = path[0] if path else ""
        is_side_issue = _is_side_issue(path, kind)
        is_entry = key in LISTS and len(path) > 1 and isinstance(path[1], int)
        if path and not is_entry and (not is_side_issue or (key in LISTS and len(path) > 1)):
            self.broken.add(key)
        if key in _PARTS and not is_side_issue:
            self.partial.add(_PARTS[key])

    @property
    def may_miss_parts(self) -> bool:
        """Whether prompts, providers or tests may be missing because a top-level key has a problem."""
        return not self.broken <= suite_schema()["properties"].keys() - _PARTS.keys()

    @contextmanager
    def reading(self, part: Part) -> Iterator[None]:
        """Note that a part of the suite is not complete when problems are found in this context."""
        before = len(self.problems) - self._side_issues
        yield
        if len(self.problems) - self._side_issues > before:
            self.partial.add(part)

    def add(self, problem: Problem, kind: Kind = "value") -> None:
        """Record an error, or a warning where the kind of problem or the user's choice makes it one."""
        if self.is_warning(kind):
            self.warnings.append(problem)
        else:
            self.problems.append(problem)

    def is_warning(self, kind: Kind) -> bool:
        """Return whether a problem of this kind is only a warning for this user."""
        if kind == "unknown key":
            return self.unknown_keys != "error"
        return kind == "ignored key" or (kind in _UNKNOWN and self.unknown_keys == "warn")

    def warning_texts(self) -> tuple[str, ...]:
        """Return the warnings as `grouped_texts` does."""
        return grouped_texts(self.warnings)

    def sort_problems(self, first: str) -> list[Problem]:
        """Return each problem once, those of the file `first` first, from top to bottom.

        What belongs to red teaming is one problem, at the first such place: such a file is refused as a whole.
        """
        ordered = sorted(dict.fromkeys(self.problems), key=lambda problem: _order(problem, first))
        red_team = [problem for problem in ordered if problem.hint == NO_RED_TEAM]
        return [problem for problem in ordered if problem.hint != NO_RED_TEAM or problem is red_team[0]]


def _is_side_issue(path: Path, kind: Kind) -> bool:
    """Return whether a problem leaves what its part defines: it is in an assertion, or a key that names nothing."""
    is_key = kind in ("unknown key", "mistaken key")
    return assertion_of(path) is not None or (is_key and not _resembles(path[-1], _DEFINING))


def _resembles(key: str | int, known: frozenset[str | int]) -> bool:
    return key in known or closest(str(key), map(str, known)) is not None


def grouped_texts(warnings: Iterable[Problem]) -> tuple[str, ...]:
    """Return each warning once, at its first place in a file: a key that all tests of a file have is one warning."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in dict.fromkeys(warnings):
        groups.setdefault((problem.message, problem.where.file if problem.where else ""), []).append(problem)
    return tuple(_with_count(group) for group in groups.values())


def _with_count(group: Sequence[Problem]) -> str:
    first, more = group[0], len(group) - 1
    return str(first) if not more else f"{first}; also in {count(more, 'other place')}"


def _order(problem: Problem, first: str) -> tuple[bool, str, int, int]:
    where = problem.where
    if where is None:
        return (False, "", 0, 0)
    return (where.file != first, where.file, where.line or 0, where.column or 0)


# --- Checks that depend on a type ------------------------------------------------------------------------------------


def _check_assertion(value: Any, path: Path, report: Reporter) -> None:
    if not isinstance(value, dict):
        report(
            path,
            f"expected an assertion, a mapping with `type`, got {describe(value)}",
            "for example `- type: contains`",
        )
        return
    name = value.get("type")
    if not isinstance(name, str):
        _report_missing_type(value, path, report)
        return
    kind = _find_type(name, (*path, "type"), report)
    if kind is not None:
        _check_keys_of_type(kind, value, path, report)


def _report_missing_type(value: Mapping[str, Any], path: Path, report: Reporter) -> None:
    if "type" in value:
        report((*path, "type"), f"expected the name of an assertion type, got {describe(value['type'])}")
        return
    for key in value:
        if closest(key, ("type",)):
            report((*path, key), f"unknown key {key!r}", "did you mean 'type'?", "needed key")
            return
    report(path, "the key 'type' is missing", "put all keys of one assertion under one '-'")


def _find_type(name: str, path: Path, report: Reporter) -> AssertionType | None:
    base = name.removeprefix("not-")
    kind = find_type(base)
    if base == "assert-set":
        report(
            path,
            "not-assert-set does not exist; negate its assertions instead"
            if name != base
            else "an assert-set cannot hold another assert-set",
        )
    elif base in REFUSED_TYPES or base.startswith("promptfoo:redteam:"):
        report(
            path,
            f"not supported by Anneal: the assertion type {name}",
            REFUSED_TYPES.get(base, NO_RED_TEAM),
        )
    elif kind is None:
        hint = did_you_mean(name, [*known_types(), *(f"not-{known}" for known in known_types()), "assert-set"])
        report(path, f"unknown assertion type {name!r}", hint or "docs/promptfoo.md lists all types")
    elif name != base and kind.compares:
        report(path, f"{name} does not exist: {base} compares outputs")
    else:
        return kind
    return None


@cache
def _assertion_parts() -> Mapping[str, Check]:
    schema = suite_schema()
    properties: Mapping[str, Any] = schema["$defs"]["assertion"]["properties"]
    grader = {"grader": _check_grader}
    return {
        key: compile_schema({**part, "$defs": schema["$defs"]}, grader)
        for key, part in properties.items()
        if key in ASSERTION_KEYS and key != "type"
    }


def _check_keys_of_type(kind: AssertionType, value: Mapping[str, Any], path: Path, report: Reporter) -> None:
    parts = _assertion_parts()
    for key, part in value.items():
        check = parts.get(key)
        if check is not None:
            check(part, (*path, key), report)
        elif key in _WITHOUT_EFFECT and key not in kind.keys:
            report((*path, key), f"{key} has no effect, as in promptfoo", _WITHOUT_EFFECT[key], "ignored key")
        elif key not in ASSERTION_KEYS and key not in kind.keys and key not in NOTES:
            known = [*parts, "type", *sorted(kind.keys)]
            meant = meant_key(key, known)
            hint = _OF_TESTS.get(key) or (f"did you mean {meant!r}?" if meant else "")
            report(
                (*path, key),
                f"unknown key {key!r}",
                hint or f"{kind.name} takes {', '.join(known)}",
                "mistaken key" if hint else "unknown key",
            )
    given = value.get("value")
    if given is None and kind.value_required:
        if "value" in value or not any(closest(key, ("value",)) for key in value):
            report(path, f"{kind.name} needs a value")
    elif "value" in value and not _is_rendered_later(given):
        _value_check(kind.name)(given, (*path, "value"), _without_notes(report))


def _without_notes(report: Reporter) -> Reporter:
    """Return a reporter for a value that holds no notes: an unknown key in it is a mistake."""

    def strict(path: Path, message: str, hint: str = "", kind: Kind = "value") -> None:
        report(path, message, hint, "mistaken key" if kind == "unknown key" else kind)

    return strict


def _is_rendered_later(value: JsonValue) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value or value.startswith("file://"))


@cache
def _value_check(name: str) -> Check:
    kind = find_type(name)
    schema = True if kind is None else kind.value_schema
    try:
        return compile_schema(schema)
    except UnsupportedKeywordError:
        return _by_jsonschema(schema)


def _by_jsonschema(schema: Any) -> Check:
    def check(value: Any, path: Path, report: Reporter) -> None:
        import jsonschema

        for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
            report((*path, *error.absolute_path), error.message)

    return check


@cache
def _provider_checks() -> tuple[Check, Check]:
    definitions = suite_schema()["$defs"]
    compiled = [
        compile_schema({"$ref": f"#/$defs/{name}", "$defs": definitions})
        for name in ("providerMapping", "providerSettings")
    ]
    return compiled[0], compiled[1]


def _check_provider(value: Any, path: Path, report: Reporter) -> None:
    mapping, settings = _provider_checks()
    if isinstance(value, str):
        if not value:
            report(path, "the text is empty")
    elif not isinstance(value, dict):
        report(path, f"expected a provider's id or a mapping, got {describe(value)}", "for example `- echo`")
    elif "id" in value or len(value) != 1 or next(iter(value)) in _PROVIDER_KEYS:
        mapping(value, path, report)
    else:
        name, inner = next(iter(value.items()))
        if isinstance(inner, dict):
            settings(inner, (*path, name), report)
        else:
            _report_single_key(name, inner, path, report)


def _report_single_key(name: str, inner: Any, path: Path, report: Reporter) -> None:
    hint = did_you_mean(name, _PROVIDER_KEYS)
    if hint:
        report((*path, name), f"unknown key {name!r}", hint, "needed key")
    else:
        report(
            (*path, name),
            f"expected the provider's settings, a mapping, got {describe(inner)}",
            f"or write `- id: {name}`",
        )


def _check_test_item(value: Any, path: Path, report: Reporter) -> None:
    if isinstance(value, dict):
        checker("generator" if _is_generator(value) else "test")(value, path, report)
    elif not isinstance(value, str):
        report(path, f"expected a test, or file://... with tests, got {describe(value)}")
    elif not value:
        report(path, "the text is empty")


def _is_generator(value: Mapping[str, Any]) -> bool:
    if "vars" in value or "assert" in value:
        return False
    return "path" in value or any(closest(key, ("path",)) for key in value)


_GRADER_KINDS = frozenset(("text", "embedding", "classification", "moderation"))


def _check_grader(value: Any, path: Path, report: Reporter) -> None:
    """Check a provider that grades: an entry as in `providers`, or a mapping of kinds of graders."""
    if not isinstance(value, dict) or not value.keys() & (_GRADER_KINDS | {"config"}):
        _check_provider(value, path, report)
        return
    for kind in _GRADER_KINDS & value.keys():
        _check_provider(value[kind], (*path, kind), report)
    # The mapping may also hold a provider for all other kinds. Settings without an id get a placeholder here; an
    # assertion that needs the grader reports the missing id.
    own = {key: part for key, part in value.items() if key not in _GRADER_KINDS}
    if own:
        _check_provider(own if "id" in own else {"id": "none", **own}, path, report)


@cache
def _option_parts() -> tuple[Check, frozenset[str]]:
    schema = suite_schema()["$defs"]
    options = schema["options"]
    known = frozenset((*options["properties"], *options["x-ignored"]))
    return compile_schema({**options, "$defs": schema}, {"grader": _check_grader}), known


def _check_options(value: Any, path: Path, report: Reporter) -> None:
    """Check options: they may hold any setting of a provider, so only a name close to a known one is a mistake."""
    check, known = _option_parts()
    check(value, path, report)
    if isinstance(value, dict):
        check_options(value, path, report)
        for key in value:
            if key not in known and key not in PROVIDER_SETTINGS:
                hint = did_you_mean(key, known | PROVIDER_SETTINGS)
                if hint:
                    report((*path, key), f"unknown key {key!r}", hint, "mistaken key")


# --- Values ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """A checked part of a document, before it becomes one of our values."""

    value: Mapping[str, Any]
    document: Document
    path: Path = ()

    def at(self, *path: str | int) -> Place:
        """Return the place of something inside this part."""
        return self.document.place((*self.path, *path))


VarsReader: TypeAlias = Callable[
    [Mapping[str, JsonValue], bool, Source], tuple[Mapping[str, JsonValue], Mapping[str, ScriptRef]]
]
"""Reads `file://` in vars: (vars, whether lists multiply, source) -> (vars, the vars that a function makes)."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """The values that a default test gives to every test."""

    source: Source | None = None
    requirements: tuple[Requirement, ...] = ()

    @staticmethod
    def of(source: Source | None) -> "Defaults":
        """Return the defaults of a checked default test."""
        return Defaults(source, build_requirements(source)) if source else Defaults()

    @staticmethod
    def of_all(sources: Sequence[Source]) -> "Defaults":
        """Return the merged defaults of several default tests: later ones win, assertions add up."""
        if len(sources) < 2:
            return Defaults.of(sources[0] if sources else None)
        requirements = tuple(part for source in sources for part in build_requirements(source))
        return Defaults(Source(_merge(sources), sources[0].document, sources[0].path), requirements)


def build_test(layers: Sequence[Source], defaults: Defaults, read_vars: VarsReader) -> Test:
    """Return one test from its layers (a scenario's entry and a test, or a test alone); later ones win."""
    own = layers[-1]
    sources = [defaults.source, *layers] if defaults.source else list(layers)
    merged: Mapping[str, Any] = own.value if len(sources) == 1 else _merge(sources)
    options = _options(merged.get("options"))
    requirements = tuple(part for layer in layers for part in build_requirements(layer))
    if not options.disable_default_asserts:
        requirements = defaults.requirements + requirements
    variables, scripts = read_vars(merged.get("vars") or {}, not options.disable_var_expansion, own)
    output = merged.get("providerOutput")
    return Test(
        vars=variables,
        requirements=requirements,
        description=own.value.get("description") or (layers[0].value.get("description") or ""),
        options=options,
        metadata=merged.get("metadata") or {},
        threshold=merged.get("threshold"),
        provider_output=output,
        has_provider_output=output is not None and output != "",
        providers=_names(merged.get("providers")),
        prompts=_names(merged.get("prompts")),
        provider=merged.get("provider"),
        scoring=merged.get("assertScoringFunction"),
        var_scripts=scripts,
        place=own.at(),
    )


def _names(value: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _merge(sources: Sequence[Source]) -> Mapping[str, Any]:
    merged: dict[str, Any] = {}
    for source in sources:
        merged.update((key, value) for key, value in source.value.items() if value is not None)
    for key in ("vars", "options", "metadata"):
        parts = [source.value[key] for source in sources if source.value.get(key)]
        if len(parts) > 1:
            merge = _merge_options if key == "options" else _merge_mappings
            merged[key] = merge(parts)
        elif parts:
            merged[key] = parts[0]
    return merged


def _merge_mappings(parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


def _merge_options(parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Merge options, later ones win; an empty prefix or suffix keeps the default test's, as in promptfoo."""
    return {
        name: value
        for part in parts
        for name, value in part.items()
        if value != "" or name not in ("prefix", "suffix") or part is parts[0]
    }


_NO_OPTIONS = TestOptions()
_OPTION_FIELDS = {
    "prefix": "prefix",
    "suffix": "suffix",
    "transform": "transform",
    "transformVars": "transform_vars",
    "disableVarExpansion": "disable_var_expansion",
    "disableDefaultAsserts": "disable_default_asserts",
    "disableConversationVar": "disable_conversation_var",
    "repeat": "repeat",
    "storeOutputAs": "store_output_as",
    "provider": "provider",
    "rubricPrompt": "rubric_prompt",
}
_OPTIONS_WITHOUT_EFFECT = frozenset(("postprocess", "runSerially"))


def _options(raw: Mapping[str, Any] | None) -> TestOptions:
    if not raw:
        return _NO_OPTIONS
    fields = {name: raw[key] for key, name in _OPTION_FIELDS.items() if raw.get(key) is not None}
    if "transform" not in fields and raw.get("postprocess"):
        fields["transform"] = raw["postprocess"]
    further = {
        key: value for key, value in raw.items() if key not in _OPTION_FIELDS and key not in _OPTIONS_WITHOUT_EFFECT
    }
    return replace(_NO_OPTIONS, **fields, config=further)


def build_requirements(source: Source) -> tuple[Requirement, ...]:
    """Return the assertions of a checked test; None is one that has a problem."""
    listed: Sequence[Mapping[str, Any] | None] = source.value.get("assert") or ()
    return tuple(_requirement(value, source, ("assert", index)) for index, value in enumerate(listed) if value)


def _requirement(value: Mapping[str, Any], source: Source, path: Path) -> Requirement:
    if value["type"] != "assert-set":
        return _assertion(value, source, path)
    weight = value.get("weight")
    return AssertSet(
        assertions=tuple(
            _assertion(part, source, (*path, "assert", index)) for index, part in enumerate(value["assert"]) if part
        ),
        threshold=value.get("threshold"),
        weight=1.0 if weight is None else weight,
        metric=value.get("metric"),
        config=value.get("config") or {},
        place=source.at(*path),
    )


def _assertion(value: Mapping[str, Any], source: Source, path: Path) -> Assertion:
    name: str = value["type"]
    negated = name.startswith("not-")
    weight = value.get("weight")
    config = value.get("config") or {}
    kind = None if value.keys() <= ASSERTION_KEYS else find_type(name.removeprefix("not-"))
    if kind is not None:
        config = {**config, **{key: part for key, part in value.items() if key in kind.keys}}
    return Assertion(
        name[4:] if negated else name,
        negated,
        value.get("value"),
        value.get("threshold"),
        1.0 if weight is None else weight,
        value.get("metric"),
        value.get("transform"),
        value.get("provider"),
        value.get("rubricPrompt"),
        config,
        source.at(*path),
    )


def build_provider(value: str | Mapping[str, Any], place: Place | None = None) -> ProviderSpec:
    """Return a checked provider entry: an id, a mapping with id, or a mapping of one id to its settings."""
    if isinstance(value, str):
        return ProviderSpec(value, place=place, in_full=_in_full(value))
    if "id" not in value and len(value) == 1:
        name, settings = next(iter(value.items()))
        value = {"id": name, **(settings or {})}
    return ProviderSpec(
        id=value["id"],
        label=value.get("label"),
        config=value.get("config") or {},
        prompts=_names(value.get("prompts")),
        transform=value.get("transform"),
        delay_ms=value.get("delay") or 0.0,
        env=env_texts(value.get("env")),
        place=place,
    )


_PYTHON_FILE = re.compile(r"(?:python:|file://)(?:\./)?([^:]+\.py)(?::([^:/]+))?")
"""Both spellings of a Python provider; they must get one full id, as in promptfoo."""


def _in_full(name: str) -> str | None:
    python = _PYTHON_FILE.fullmatch(name)
    return f"python:{python[1]}:{python[2] or 'default'}" if python else None


def env_texts(env: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Return the values of an `env` mapping as text, as an environment holds them."""
    return {
        name: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for name, value in (env or {}).items()
    }
