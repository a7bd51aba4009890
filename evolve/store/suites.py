"""Loads a suite: the config and every file that it names, checked, merged and turned into values.

    load_suite -> read_document (YAML) -> $ref -> check -> providers | tests, scenarios | prompts -> Suite

All problems are collected and raised at once, with file, line and column.
"""

import contextlib
import gc
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeVar

from evolve.core.cases.case_format import check_text
from evolve.core.formats.env_file import parse_env_file
from evolve.core.formats.yaml12 import Document, keys_with_anchors, read_document
from evolve.core.model.errors import CannotEvaluate, InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import DerivedMetric, Place, Prompt, ProviderSpec, ScriptRef, Suite, Test
from evolve.core.suites.code_problems import code_problems, unbuilt_code_problems
from evolve.core.suites.references import UndefinedUse, find_undefined, template_problems, unknown_names
from evolve.core.suites.suite_format import (
    Defaults,
    Findings,
    Source,
    build_provider,
    build_test,
    checker,
    env_texts,
)
from evolve.core.suites.usable_parts import Flaws
from evolve.core.suites.visible_env import is_case_path, visible_env
from evolve.core.templating.templates import Templates
from evolve.core.user_code.extensions import check_extension
from evolve.store.files import LocalFiles
from evolve.store.hooked_suites import (
    Parts,
    call_before_all,
    changed_default,
    changed_prompts,
    changed_providers,
    changed_scenarios,
    changed_tests,
    scenario_as_shown,
    suite_of_parts,
    tests_of_scenario,
)
from evolve.store.prompts import read_prompts
from evolve.store.read_options import ReadOptions
from evolve.store.references import resolve_references
from evolve.store.test_files import TestReader
from evolve.store.var_files import read_vars

T = TypeVar("T")

_READS_VARIABLES: Final = re.compile(
    r"(turns:)?(https?(:|$)|python:|javascript:|exec:|file://|.*\.(py|[cm]?[jt]sx?)(:|$))"
)
"""Providers that get a test's variables in addition to the prompt."""


def load_suite(path: str, options: ReadOptions | None = None) -> Suite:
    """Return the suite in a YAML or JSON file; messages show the path as it is given here.

    Raises:
        InputError: every problem of the config and of its files.
    """
    loader = _loader(path, options or ReadOptions())
    with _without_garbage_collection():
        return loader.load()


def load_merged(paths: Sequence[str], options: ReadOptions | None = None) -> Suite:
    """Return several configs as one suite, as promptfoo does for several `-c`.

    All tests are run with all prompts and providers; equal ones count once. The default tests are merged, and their
    assertions add up. Of everything else the last config wins.

    Raises:
        InputError: every problem of the configs, or that they are in different folders.
    """
    if len({os.path.dirname(os.path.abspath(path)) for path in paths}) > 1:
        raise InputError(Problem("expected all configs in one folder, got one from another", Location(paths[1])))
    options = options or ReadOptions()
    loaders = [_loader(path, options) for path in paths]
    with _without_garbage_collection():
        return _merge_suites(loaders)


def _merge_suites(loaders: Sequence["_Loader"]) -> Suite:
    first = loaders[0]
    for loader in loaders[1:]:
        loader.findings = first.findings
    documents = [loader.document() for loader in loaders]
    configs = [loader.checked(document) for loader, document in zip(loaders, documents, strict=True)]
    read = tuple(zip(loaders, configs, documents, strict=True))
    whole = _merge_configs(configs)
    for loader in loaders:
        first._file_env.update(loader._file_env)
    env = {**first.options.env, **first._file_env, **env_texts(whole.get("env"))}
    readers = [loader.reader() for loader in loaders]
    default_tests = [
        loader.default_test(config, document, reader)
        for (loader, config, document), reader in zip(read, readers, strict=True)
    ]
    defaults = Defaults.of_all([source for source in default_tests if source])
    providers = [found for loader, config, document in read for found in loader.providers(config, document, env)]
    tests = tuple(
        test
        for (loader, config, document), reader in zip(read, readers, strict=True)
        for test in loader.tests(config, document, reader, defaults)
    )
    prompts = [
        found
        for loader, config, document in read
        if config.get("prompts") is not None
        for found in loader.prompts(config, document, tests)
    ] or first.prompts(whole, documents[0], tests)
    texts: dict[tuple[str, str], Prompt] = {}
    for prompt in prompts:
        texts.setdefault((prompt.raw, prompt.label), prompt)
    once: dict[tuple[str, str | None, str], ProviderSpec] = {}
    for spec in providers or [ProviderSpec(name) for name in first.options.default_providers]:
        once.setdefault((spec.id, spec.label, str(dict(spec.config))), spec)
    if whole.get("extensions"):
        first.findings.add(
            Problem("not supported by Anneal: extensions of configs that are merged", documents[0].locate())
        )
    return first.finished(whole, documents, tuple(texts.values()), tuple(once.values()), tests)


def _merge_configs(configs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the settings of all configs; lists are concatenated, of other keys the last one counts."""
    whole: dict[str, Any] = {}
    for config in configs:
        for key, value in config.items():
            before = whole.get(key)
            if isinstance(before, list) and isinstance(value, list):
                whole[key] = before + value
            elif isinstance(before, dict) and isinstance(value, dict) and key != "defaultTest":
                whole[key] = {**before, **value}
            else:
                whole[key] = value
    descriptions = [str(config["description"]) for config in configs if config.get("description")]
    return {**whole, "description": ", ".join(descriptions)}


def _loader(path: str, options: ReadOptions) -> "_Loader":
    full = os.path.abspath(path)
    files = LocalFiles(os.path.dirname(full), options.root, may_fetch=options.may_fetch and not is_case_path(full))
    return _Loader(full, path, files, Findings(options.unknown_keys), options)


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector: loading makes hundreds of thousands of values and no garbage to find."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(slots=True)
class _Loader:
    path: str
    shown: str
    files: LocalFiles
    findings: Findings
    options: ReadOptions
    _file_env: dict[str, str] = field(default_factory=dict)
    _prompt_places: dict[int, Place] = field(default_factory=dict)

    def load(self) -> Suite:
        document = self.document()
        config = self.checked(document)
        env = {**self.options.env, **self._file_env, **env_texts(config.get("env"))}
        providers = self.providers(config, document, env) or tuple(
            ProviderSpec(name) for name in self.options.default_providers
        )
        reader = self.reader()
        defaults = Defaults.of(self.default_test(config, document, reader))
        tests = self.tests(config, document, reader, defaults)
        prompts = self.prompts(config, document, tests)
        if config.get("extensions"):
            self.check_extensions(config, document)
            if self.options.runs_hooks and not self.findings.problems:
                given = Parts(prompts, providers, tests)
                prompts, providers, tests = self._after_hook(config, document, reader, given)
        return self.finished(config, [document], prompts, providers, tests)

    def check_extensions(self, config: Mapping[str, Any], document: Document) -> None:
        """Report the extensions that cannot be called."""
        for index, extension in enumerate(config.get("extensions") or ()):
            check = partial(check_extension, extension, self.files, self.options.scripts)
            self._read_part(document, ("extensions", index), check, None)

    def _after_hook(self, config: Mapping[str, Any], document: Document, reader: TestReader, given: Parts) -> Parts:
        """Return the parts as the hook `beforeAll` changed them."""
        self.options.scripts.node.use_env({**self.options.env, **self._file_env, **env_texts(config.get("env"))})
        change = partial(self._changed, config, document, reader, given)
        return self._read_part(document, ("extensions",), change, given)

    def _changed(self, config: Mapping[str, Any], document: Document, reader: TestReader, given: Parts) -> Parts:
        default = self.default_test(config, document, reader)
        plain = list(reader.read(config.get("tests"), document, ("tests",)))
        scenarios = [
            scenario_as_shown(scenario, reader)
            for scenario in self._scenarios(config.get("scenarios") or [], document, reader)
        ]
        suite = suite_of_parts(config, given, default, plain, scenarios)
        made = call_before_all(config["extensions"], suite, self.files, self.options.scripts)
        prompts = changed_prompts(suite, made, given.prompts, self.files)
        providers = changed_providers(suite, made, given.providers, self.findings)
        if all(made.get(key) == suite.get(key) for key in ("tests", "scenarios", "defaultTest")):
            return Parts(prompts, providers, given.tests)
        defaults = Defaults.of(changed_default(suite, made, default, self.findings))
        layers = [[source] for source in changed_tests(made, plain, reader)]
        layers.extend(_scenario_layers(changed_scenarios(made, scenarios, self.findings), reader, defaults))
        return Parts(prompts, providers, self._built(layers, defaults))

    def finished(
        self,
        config: Mapping[str, Any],
        documents: Sequence[Document],
        prompts: tuple[Prompt, ...],
        providers: tuple[ProviderSpec, ...],
        tests: tuple[Test, ...],
    ) -> Suite:
        """Return the suite of its parts; raise InputError with every problem.

        Args:
            config: the checked config.
            documents: where it came from, for messages.
            prompts: the parts, which may be incomplete when there are problems.
            providers: as above.
            tests: as above.
        """
        found = self.findings
        before = len(found.problems)
        if not found.may_miss_parts:  # a misspelt key may be the missing one
            self._require(config, documents[0], providers, tests)
            if self.options.undefined != "empty" and config.get("prompts") is None and not found.problems:
                self._require_prompts(documents[0], providers, tests)
        is_whole = not found.may_miss_parts and len(found.problems) == before
        if is_whole and not found.partial & {"prompts", "providers", "names"}:
            found.problems.extend(unknown_names(prompts, providers, tests))
        found.problems.extend(self._code_problems(documents, providers, tests))
        if self.options.undefined != "empty":
            found.problems.extend(template_problems(prompts, tests, self._prompt_places))
            if tests and not found.partial & {"prompts", "tests"} and not found.may_miss_parts:
                self._add_undefined(find_undefined(prompts, tests, self._prompt_places))
        suite = self._suite(config, prompts, providers, tests)
        if self.options.inspect is not None:
            found.problems.extend(self.options.inspect(suite))
        self.stop_on_problems()
        return suite

    def _add_undefined(self, uses: Iterable[UndefinedUse]) -> None:
        for use in uses:
            if use.meant or self.options.undefined == "strict":
                self.findings.problems.append(use.problem())
            else:
                self.findings.warnings.append(use.warning())

    def _code_problems(
        self, documents: Sequence[Document], providers: Sequence[ProviderSpec], tests: Sequence[Test]
    ) -> Iterator[Problem]:
        """Yield the problems of the code in what was built, and in what could not be built."""
        seen: set[tuple[str, str]] = set()
        yield from code_problems(providers, tests, seen)
        if self.findings.problems:
            for document in documents:
                yield from unbuilt_code_problems(document.value, document, (), seen)
        for source in self.findings.rejected:
            yield from unbuilt_code_problems(source.value, source.document, source.path, seen)

    def _suite(
        self,
        config: Mapping[str, Any],
        prompts: tuple[Prompt, ...],
        providers: tuple[ProviderSpec, ...],
        tests: tuple[Test, ...],
    ) -> Suite:
        options = {**(config.get("commandLineOptions") or {}), **(config.get("evaluateOptions") or {})}
        return Suite(
            path=self.path,
            base_dir=self.files.base_dir,
            prompts=prompts,
            providers=providers,
            tests=tests,
            description=config.get("description") or "",
            derived_metrics=tuple(
                DerivedMetric(part["name"], part["value"]) for part in config.get("derivedMetrics") or ()
            ),
            env={**self._file_env, **env_texts(config.get("env"))},
            repeat=int(options.get("repeat") or 1),
            max_concurrency=options.get("maxConcurrency") or config.get("maxConcurrency"),
            delay_ms=options.get("delay") or 0.0,
            timeout_ms=options.get("timeoutMs") or 0.0,
            max_time_ms=options.get("maxEvalTimeMs") or 0.0,
            config=dict(config),
            warnings=self.findings.warning_texts(),
            extensions=tuple(config.get("extensions") or ()),
        )

    # --- the config itself

    def document(self) -> Document:
        """Return the config of the file, unchecked."""
        try:
            text = self.files.read_text(self.path)
        except InputError as error:
            raise _at_file(error, self.shown) from None
        document = read_document(text, self.shown, self.findings.problems)
        if not isinstance(document.value, dict):
            what = "it is empty" if document.value is None else "it is not a mapping"
            raise InputError(Problem(f"a suite needs prompts, providers and tests, but {what}", document.locate()))
        return document

    def checked(self, document: Document) -> Mapping[str, Any]:
        """Return the config with its references resolved, without what is broken."""
        before = len(self.findings.problems)  # those of configs that are merged with this one
        if is_case_path(self.path):
            # Before anything is resolved or opened: a case may be a stranger's, and must not name code, files or $ref.
            with self._collect():
                check_text(document.text, self.shown)
            self._stop_on_more_than(before)
        own_keys: set[str] = set()
        document.value = resolve_references(document, self.files, own_keys, self.findings.problems)
        free_keys = lambda: frozenset(own_keys) | keys_with_anchors(document.text)  # noqa: E731
        flaws = Flaws()
        for path in document.broken:
            self.findings.note_broken(path)
            flaws.note(path)
        report = self.findings.report_on(document, (), free_keys, flaws=flaws, is_config=True)
        checker()(document.value, (), report)
        broken = self.findings.broken
        given: Mapping[str, Any] = document.value if isinstance(document.value, dict) else {}
        self._read_env_files(document, given)
        if _ENV.search(document.text):
            seen = visible_env(self.options.env, self.path, document.value)
            given = _with_env(
                given, {**seen, **self._file_env, **env_texts(given.get("env") if "env" not in broken else None)}
            )
        config: dict[str, Any] = {key: value for key, value in given.items() if value is not None and key not in broken}
        config = flaws.usable_config(config)
        if "targets" in config and "providers" in config:
            self._problem(document, ("targets",), "providers and targets mean the same: use one of them")
        if "targets" in config:
            config["providers"] = config["targets"]
        return config

    def _read_env_files(self, document: Document, given: Mapping[str, Any]) -> None:
        """Read the files of `envPath`; their variables win over the process's, those of `env` over both."""
        if is_case_path(self.path):  # a stranger's file must not choose what is read here
            return
        places = ((("commandLineOptions", "envPath"), given.get("commandLineOptions")), (("envPath",), given))
        for path, holder in places:
            named = holder.get("envPath") if isinstance(holder, dict) and path[0] not in self.findings.broken else None
            for name in [named] if isinstance(named, str) else named or ():
                text = self._read_part(document, path, partial(self.files.read_text, name), "")
                self._file_env.update(parse_env_file(text))

    def _require(
        self, config: Mapping[str, Any], document: Document, providers: Sequence[ProviderSpec], tests: Sequence[Test]
    ) -> None:
        if not providers and "providers" not in self.findings.partial:
            self._problem(document, (), "there are no providers", "for example `providers: [echo]`")
        may_add = bool(config.get("extensions")) and not self.options.runs_hooks  # `beforeAll` may make the tests
        if not tests and "tests" not in self.findings.partial and not may_add:
            key = "tests" if "tests" in config else "scenarios" if "scenarios" in config else None
            self._problem(
                document, (key,) if key else (), "there are no tests", "for example `tests: [{vars: {question: Why?}}]`"
            )

    def _require_prompts(self, document: Document, providers: Sequence[ProviderSpec], tests: Sequence[Test]) -> None:
        """Report a model that would get an empty prompt; a program may read the test's variables instead."""
        test = next((test for test in tests if "prompt" not in test.vars), None)
        model = next((spec.id for spec in providers if not _READS_VARIABLES.match(spec.id)), None)
        if self.options.needs_prompts and test is not None and model is not None:
            message = f"there are no prompts for {model}, and a test without the variable `prompt`"
            self._problem(document, (), message, "for example `prompts: ['Answer: {{question}}']`")

    # --- prompts

    def prompts(self, config: Mapping[str, Any], document: Document, tests: Sequence[Test]) -> tuple[Prompt, ...]:
        """Return the prompts of text, files and functions."""
        listed = config.get("prompts")
        if listed is None:
            is_given = all("prompt" in test.vars for test in tests)
            return (Prompt("{{prompt}}" if is_given else '{{ prompt | default("") }}', "{{prompt}}"),)
        prompts: list[Prompt] = []
        nothing: list[Prompt] = []
        with self.findings.reading("prompts"):
            for entry, path in _prompt_entries(listed):
                for prompt in self._read_part(document, path, partial(read_prompts, entry, self.files), nothing):
                    self._prompt_places[len(prompts)] = document.place(path)
                    prompts.append(prompt)
        return tuple(prompts)

    # --- providers

    def providers(
        self, config: Mapping[str, Any], document: Document, env: Mapping[str, str]
    ) -> tuple[ProviderSpec, ...]:
        """Return the providers, those of provider files included."""
        key = "targets" if "targets" in config else "providers"
        listed = config.get("providers") or []
        entries = (
            [(listed, (key,))]
            if isinstance(listed, str)
            else [(entry, (key, index)) for index, entry in enumerate(listed) if entry is not None]
        )
        providers: list[ProviderSpec] = []
        with self.findings.reading("providers"):
            for entry, path in entries:
                source = Source({"provider": entry}, document, path)
                providers.extend(self._read_part(document, path, partial(self._provider, source, env), []))
        return tuple(providers)

    def _provider(self, source: Source, env: Mapping[str, str]) -> list[ProviderSpec]:
        entry = source.value["provider"]
        entry = _render_env(entry, env)
        if isinstance(entry, str) and entry.startswith("file://") and entry.endswith((".yaml", ".yml", ".json")):
            return self._provider_file(entry.removeprefix("file://"), env)
        return [build_provider(entry, source.at())]

    def _provider_file(self, path: str, env: Mapping[str, str]) -> list[ProviderSpec]:
        document = read_document(self.files.read_text(path), self.files.shown(self.files.resolve(path)))
        document.value = resolve_references(document, self.files, set(), self.findings.problems)
        entries = list(enumerate(document.value)) if isinstance(document.value, list) else [(None, document.value)]
        found: list[ProviderSpec] = []
        for index, entry in entries:
            at = () if index is None else (index,)
            usable = self.findings.checked("providerItem", entry, document, at)
            if usable is not None and not document.holds_broken(at):
                found.append(build_provider(_render_env(usable, env), document.place(at)))
        return found

    # --- tests

    def reader(self) -> TestReader:
        """Return a reader of the files that tests name."""
        return TestReader(self.files, self.findings, self.options.scripts, {**self.options.env, **self._file_env})

    def tests(
        self, config: Mapping[str, Any], document: Document, reader: TestReader, defaults: Defaults
    ) -> tuple[Test, ...]:
        """Return the tests and scenarios that have no problems, merged with the defaults.

        Args:
            config: the checked config.
            document: where it came from, for messages.
            reader: reads the files that tests name.
            defaults: what every test starts from.
        """
        with self.findings.reading("tests"):
            return self._built(self._layers(config, document, reader, defaults), defaults)

    def _layers(
        self, config: Mapping[str, Any], document: Document, reader: TestReader, defaults: Defaults
    ) -> list[list[Source]]:
        layers = [[source] for source in reader.read(config.get("tests"), document, ("tests",))]
        scenarios = self._scenarios(config.get("scenarios") or [], document, reader)
        layers.extend(_scenario_layers(scenarios, reader, defaults))
        return layers

    def _built(self, sources: Iterable[list[Source]], defaults: Defaults) -> tuple[Test, ...]:
        tests: list[Test] = []
        for layers in sources:
            build = partial(build_test, layers, defaults, self._read_vars)
            test = self._read_part(layers[-1].document, layers[-1].path, build, None)
            if test is not None:
                tests.append(test)
        return tuple(tests)

    def _read_vars(
        self, given: Mapping[str, JsonValue], is_expanded: bool, source: Source
    ) -> tuple[Mapping[str, JsonValue], Mapping[str, ScriptRef]]:
        return read_vars(
            given, is_expanded, self.files, lambda *path: source.document.locate(*source.path, "vars", *path)
        )

    def default_test(self, config: Mapping[str, Any], document: Document, reader: TestReader) -> Source | None:
        """Return the default test that every test starts from; None when the config has none."""
        value = config.get("defaultTest")
        with self.findings.reading("tests"):
            if isinstance(value, str):
                return self._read_part(document, ("defaultTest",), partial(reader.read_default, value), None)
            metadata = config.get("metadata")
            if metadata and not (value or {}).get("metadata"):
                value = {**(value or {}), "metadata": metadata}
            return reader.with_files(Source(value, document, ("defaultTest",))) if value else None

    def _scenarios(self, listed: Sequence[Any], document: Document, reader: TestReader) -> list[Source]:
        found: list[Source] = []
        for index, entry in enumerate(listed):
            path = ("scenarios", index)
            if isinstance(entry, str):
                found.extend(self._read_part(document, path, partial(reader.read_scenarios, entry), []))
            elif entry is not None:
                found.append(Source(entry, document, path))
        return found

    # --- problems

    def _problem(self, document: Document, path: tuple[str | int, ...], message: str, hint: str = "") -> None:
        self.findings.add(Problem(message, document.locate(*path), hint))

    def _read_part(self, document: Document, path: tuple[str | int, ...], read: Callable[[], T], otherwise: T) -> T:
        """Return the result of `read`; its problems without a place get the place of the reference."""
        try:
            return read()
        except InputError as error:
            for problem in error.problems:
                self.findings.add(problem if problem.where else replace(problem, where=document.locate(*path)))
            return otherwise

    def _collect(self) -> "_Collecting":
        return _Collecting(self.findings)

    def _stop_on_more_than(self, before: int) -> None:
        """Raise InputError with every problem if there are more than before."""
        if len(self.findings.problems) > before:
            self.stop_on_problems()

    def stop_on_problems(self) -> None:
        """Raise InputError with the problems found so far, if any."""
        if self.findings.problems:
            raise InputError(self.findings.sort_problems(self.shown), self.findings.warning_texts())


@dataclass(slots=True)
class _Collecting:
    findings: Findings

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, InputError):
            self.findings.problems.extend(error.problems)
            return True
        return False


def _scenario_layers(scenarios: Iterable[Source], reader: TestReader, defaults: Defaults) -> Iterator[list[Source]]:
    """Yield each entry of a scenario's config with each of its tests."""
    number = 0
    has_one = bool(defaults.source and "conversationId" in (defaults.source.value.get("metadata") or {}))
    for scenario in scenarios:
        tests = list(tests_of_scenario(scenario, reader)) if scenario.value.get("tests") else [None]
        for index, data in enumerate(scenario.value["config"]):
            # Its tests are one conversation, as with promptfoo, unless all tests are one.
            own = {} if has_one else {"conversationId": f"__scenario_{number}__"}
            number += 1
            named = {**data, "metadata": {**own, **(data.get("metadata") or {})}}
            layer = reader.with_files(Source(named, scenario.document, (*scenario.path, "config", index)))
            for test in tests:
                yield [layer, test] if test is not None else [layer]


def _at_file(error: InputError, shown: str) -> InputError:
    return InputError([replace(problem, where=problem.where or Location(shown)) for problem in error.problems])


def _prompt_entries(listed: Any) -> Iterator[tuple[str | Mapping[str, Any], tuple[str | int, ...]]]:
    if isinstance(listed, str):
        yield listed, ("prompts",)
    elif isinstance(listed, list):
        for index, entry in enumerate(listed):
            if entry is not None:  # it has a problem, which was reported
                yield entry, ("prompts", index)
    else:
        for raw, label in listed.items():
            yield {"raw": raw, "label": label}, ("prompts", raw)


_ENV = re.compile(r"\{\{-?\s*env(?:\.(\w+)|\[\s*['\"]([^'\"]+)['\"]\s*\])((?:[^}]|\}(?!\}))*)\}\}")


_RENDERED_LATER = frozenset(("providers", "targets", "provider", "config", "env"))


def _with_env(value: Any, env: Mapping[str, str]) -> Any:
    """Return a config with `{{env.NAME}}` filled in where the name is defined.

    Providers' settings are not filled in: they may hold keys, which the results would show then.
    """
    if isinstance(value, str):
        return _render_env(value, env) if "{{" in value else value
    if isinstance(value, list):
        return [_with_env(part, env) for part in value]
    if isinstance(value, dict):
        return {name: part if name in _RENDERED_LATER else _with_env(part, env) for name, part in value.items()}
    return value


def _fill_in(env: Mapping[str, str], tag: re.Match[str]) -> str:
    """Return what a tag of the environment prints; the tag itself when its name is not set and has no default."""
    name, rest = tag[1] or tag[2], tag[3].strip(" \t\r\n-")
    if not rest:
        return env.get(name, tag[0])
    if name not in env and "|" not in rest:
        return tag[0]
    try:
        return Templates("empty", env).render(tag[0], {})
    except CannotEvaluate:
        return tag[0]


def _render_env(entry: Any, env: Mapping[str, str]) -> Any:
    """Return an entry with `{{env.NAME}}` in id and label filled in; its config is rendered when it is opened."""
    if isinstance(entry, str):
        return _ENV.sub(partial(_fill_in, env), entry) if "{{" in entry else entry
    if isinstance(entry, dict):
        return {key: _render_env(value, env) if key in ("id", "label") else value for key, value in entry.items()}
    return entry
