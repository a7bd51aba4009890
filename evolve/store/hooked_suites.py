"""What the hook `beforeAll` of a suite's extensions sees of the suite, and what it changes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from evolve.core.formats.schema_check import describe
from evolve.core.model.errors import CannotEvaluate, InputError, Problem
from evolve.core.model.suite import Prompt, ProviderSpec, Test
from evolve.core.suites.suite_format import Findings, Source, build_provider, checker
from evolve.core.user_code.extensions import run_hook_now
from evolve.store.files import LocalFiles
from evolve.store.prompts import read_prompts
from evolve.store.scripts import LocalScripts
from evolve.store.test_files import Generated, TestReader

_BY_HOOK = "the suite that beforeAll returned"


class Parts(NamedTuple):
    """The parts of a suite that a hook may change."""

    prompts: tuple[Prompt, ...]
    providers: tuple[ProviderSpec, ...]
    tests: tuple[Test, ...]


def suite_of_parts(
    config: Mapping[str, Any],
    parts: Parts,
    default: Source | None,
    tests: Sequence[Source],
    scenarios: Sequence[Source],
) -> dict[str, Any]:
    """Return the suite as the hook gets it: tests as their files have them, without the defaults.

    Args:
        config: the checked config; its other keys are shown as they are.
        parts: of the suite.
        default: the default test.
        tests: without those of scenarios.
        scenarios: as `scenario_as_shown` returns them.
    """
    return {
        **config,
        **({"scenarios": [dict(source.value) for source in scenarios]} if scenarios else {}),
        "prompts": [_prompt(prompt) for prompt in parts.prompts],
        "providers": [_provider(spec) for spec in parts.providers],
        "tests": [dict(source.value) for source in tests],
        "defaultTest": dict(default.value) if default else {},
    }


def scenario_as_shown(scenario: Source, reader: TestReader) -> Source:
    """Return a scenario with the files that it names read, as promptfoo shows it to hooks: `config` and `tests`."""
    entries = [
        reader.with_files(Source(data, scenario.document, (*scenario.path, "config", index)))
        for index, data in enumerate(scenario.value["config"])
    ]
    tests = tests_of_scenario(scenario, reader)
    value = {
        **scenario.value,
        "config": [dict(entry.value) for entry in entries],
        "tests": [dict(test.value) for test in tests],
    }
    return Source(value, scenario.document, scenario.path)


def tests_of_scenario(scenario: Source, reader: TestReader) -> Iterator[Source]:
    """Yield the tests of a scenario, those of its files included."""
    return reader.read(scenario.value.get("tests"), scenario.document, (*scenario.path, "tests"))


def call_before_all(
    extensions: Sequence[str], suite: Mapping[str, Any], files: LocalFiles, scripts: LocalScripts
) -> Mapping[str, Any]:
    """Return the suite that the hooks returned; raise InputError when one fails."""
    try:
        made = run_hook_now(extensions, "beforeAll", {"suite": dict(suite)}, files, scripts).get("suite")
    except CannotEvaluate as error:
        raise InputError(Problem(str(error))) from error
    if not isinstance(made, dict):
        raise InputError(Problem(f"beforeAll: expected a mapping as the context's suite, got {describe(made)}"))
    return made


def changed_prompts(
    suite: Mapping[str, Any], made: Mapping[str, Any], prompts: tuple[Prompt, ...], files: LocalFiles
) -> tuple[Prompt, ...]:
    """Return the prompts of the changed suite; those that are as before stay the same.

    Args:
        suite: before the hook.
        made: after it.
        prompts: before it.
        files: reads those that are files.
    """
    changed: list[Prompt] = []
    for entry in _list(made, "prompts"):
        if entry in suite["prompts"]:
            changed.append(prompts[suite["prompts"].index(entry)])
        elif isinstance(entry, str | dict):
            changed += read_prompts(entry, files)
        else:
            raise InputError(Problem(f"{_BY_HOOK}: expected prompts as text or mappings, got {describe(entry)}"))
    return tuple(changed)


def changed_providers(
    suite: Mapping[str, Any], made: Mapping[str, Any], providers: tuple[ProviderSpec, ...], findings: Findings
) -> tuple[ProviderSpec, ...]:
    """Return the providers of the changed suite; those that are as before stay the same.

    Args:
        suite: before the hook.
        made: after it.
        providers: before it.
        findings: gets the problems.
    """
    changed: list[ProviderSpec] = []
    for index, entry in enumerate(_list(made, "providers")):
        if entry in suite["providers"]:
            changed.append(providers[suite["providers"].index(entry)])
        elif _is_fine("providerItem", entry, index, findings):
            changed.append(build_provider(entry))
    return tuple(changed)


def changed_tests(made: Mapping[str, Any], tests: Sequence[Source], reader: TestReader) -> Iterator[Source]:
    """Yield the tests of the changed suite; those that are as before keep their places.

    Args:
        made: the changed suite.
        tests: before the hook.
        reader: checks the others.
    """
    for entry in _list(made, "tests"):
        same = next((source for source in tests if source.value == entry), None)
        if same is not None:
            yield same
        else:
            yield from reader.made_tests([entry], _BY_HOOK)


def changed_scenarios(made: Mapping[str, Any], scenarios: Sequence[Source], findings: Findings) -> Iterator[Source]:
    """Yield the scenarios of the changed suite; those that are as before keep their places.

    Args:
        made: the changed suite.
        scenarios: before the hook.
        findings: gets the problems.
    """
    for index, entry in enumerate(_list(made, "scenarios")):
        same = next((source for source in scenarios if source.value == entry), None)
        if same is not None:
            yield same
            continue
        document, path = Generated(_BY_HOOK, "", []), ("scenarios", index)
        usable = findings.checked("scenario", entry, document, path)
        if isinstance(usable, dict):
            yield Source(usable, document, path)


def changed_default(
    suite: Mapping[str, Any], made: Mapping[str, Any], default: Source | None, findings: Findings
) -> Source | None:
    """Return the default test of the changed suite.

    Args:
        suite: before the hook.
        made: after it.
        default: before it.
        findings: gets the problems.
    """
    entry = made.get("defaultTest")
    if entry == suite["defaultTest"]:
        return default
    document = Generated(_BY_HOOK, "", entry)
    before = len(findings.problems)
    checker("defaultTest")(entry, (), findings.report_on(document))
    return Source(entry, document) if len(findings.problems) == before and isinstance(entry, dict) else None


def _is_fine(kind: str, entry: Any, index: int, findings: Findings) -> bool:
    before = len(findings.problems)
    checker(kind)(entry, (index,), findings.report_on(Generated(_BY_HOOK, "", [])))
    return len(findings.problems) == before


def _list(made: Mapping[str, Any], key: str) -> list[Any]:
    entries = made.get(key) or []
    if not isinstance(entries, list):
        raise InputError(Problem(f"{_BY_HOOK}: expected a list of {key}, got {describe(entries)}"))
    return entries


def _prompt(prompt: Prompt) -> dict[str, Any]:
    shown: dict[str, Any] = {"raw": prompt.raw, "label": prompt.label}
    return {**shown, **({"config": dict(prompt.config)} if prompt.config else {})}


def _provider(spec: ProviderSpec) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": spec.id}
    if spec.label:
        shown["label"] = spec.label
    return {**shown, **({"config": dict(spec.config)} if spec.config else {})}
