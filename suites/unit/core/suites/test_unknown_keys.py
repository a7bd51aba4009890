"""Which unknown keys are errors, and which only warnings."""

import json
from pathlib import Path
from typing import Any

import pytest

from evolve.core.model.errors import InputError
from evolve.core.model.strictness import UnknownKeys
from evolve.core.model.suite import Suite
from evolve.evaluation.setup import Settings, load

SUITE: dict[str, Any] = {
    "prompts": [{"raw": "{{ q }}"}],
    "providers": [{"id": "openai:chat:m", "config": {}}],
    "defaultTest": {"options": {}},
    "tests": [
        {"vars": {"q": "a"}, "assert": [{"type": "contains", "value": "a"}]},
        {"vars": {"q": "d"}, "assert": [{"type": "word-count", "value": {"max": 9}}]},
        {"vars": {"q": "b"}, "assert": [{"type": "assert-set", "assert": [{"type": "is-json"}]}]},
    ],
    "scenarios": [{"config": [{"vars": {"q": "c"}, "assert": [{"type": "is-json"}]}]}],
    "evaluateOptions": {},
    "derivedMetrics": [{"name": "m", "value": "1"}],
}
HARMLESS = [
    ((), "passRateThreshold"),
    ((), "version"),
    ((), "grading"),
    ((), "format_version"),
    (("prompts", 0), "file"),
    (("prompts", 0), "provider"),
    (("providers", 0), "timeout"),
    (("providers", 0), "modelName"),
    (("providers", 0, "config"), "maxConcurrency"),
    (("defaultTest",), "severity"),
    (("tests", 0), "name"),
    (("tests", 0), "category"),
    (("tests", 0, "assert", 0), "schema"),
    (("tests", 0, "assert", 0), "name"),
    (("tests", 2, "assert", 0), "name"),
    (("tests", 2, "assert", 0, "assert", 0), "comment"),
    (("scenarios", 0), "notes"),
    (("scenarios", 0, "config", 0), "id"),
    (("evaluateOptions",), "colour"),
    (("derivedMetrics", 0), "unit"),
]
MISTAKES = [
    ((), "provders", "did you mean 'providers'?"),
    ((), "assert", "put it into a test, or into `defaultTest` for all tests"),
    ((), "vars", "put it into a test, or into `defaultTest` for all tests"),
    ((), "asserts", "did you mean 'assert'? put it into a test, or into `defaultTest` for all tests"),
    ((), "repeat", "put it under `evaluateOptions`"),
    (("prompts", 0), "lable", "did you mean 'label'?"),
    (("providers", 0), "confg", "did you mean 'config'?"),
    (("providers", 0), "temperature", "put it under `config`"),
    (("providers", 0), "temprature", "did you mean 'temperature'? put it under `config`"),
    (("providers", 0, "config"), "temprature", "did you mean 'temperature'?"),
    (("providers", 0, "config"), "transform", "put it one level up, with `id`"),
    (("defaultTest",), "asserts", "did you mean 'assert'?"),
    (("defaultTest", "options"), "transfrom", "did you mean 'transform'?"),
    (("tests", 0), "tresholds", "did you mean 'threshold'?"),
    (("tests", 0), "thresh", "did you mean 'threshold'?"),
    (("tests", 0), "assertions", "did you mean 'assert'?"),
    (("tests", 0), "rubricPrompt", "put it under `options`"),
    (("tests", 0, "assert", 0), "valeu", "did you mean 'value'?"),
    (("tests", 1, "assert", 0, "value"), "least", "known: min, max"),
    (("tests", 0, "assert", 0), "vars", "put it into the test, one level up"),
    (("tests", 2, "assert", 0, "assert", 0), "wieght", "did you mean 'weight'?"),
    (("scenarios", 0), "assert", "put it into an entry of `config` or of `tests`"),
    (("evaluateOptions",), "maxConcurency", "did you mean 'maxConcurrency'?"),
]


def load_with(folder: Path, path: tuple[str | int, ...], key: str, mode: UnknownKeys) -> Suite:
    config = json.loads(json.dumps(SUITE))
    holder = config
    for step in path:
        holder = holder[step]
    holder[key] = [{"type": "is-json"}] if key.startswith("asser") else {"q": "x"} if key == "vars" else 1
    file = folder / "suite.json"
    file.write_text(json.dumps(config, indent=1))
    return load(str(file), Settings(env={"OPENAI_API_KEY": "dummy"}, unknown_keys=mode)).suite


@pytest.mark.parametrize(("path", "key"), HARMLESS)
def test_a_key_that_resembles_none_is_a_warning_with_its_place(tmp_path: Path, path: Any, key: str) -> None:
    for mode in ("typos", "warn"):
        (warning,) = load_with(tmp_path, path, key, mode).warnings  # type: ignore[arg-type]
        assert f"{key!r}, which is ignored" in warning
        assert is_at(tmp_path, int(warning.removeprefix(f"{tmp_path}/suite.json:").partition(":")[0]), key)
    with pytest.raises(InputError, match=repr(key)):
        load_with(tmp_path, path, key, "error")


@pytest.mark.parametrize(("path", "key", "hint"), MISTAKES)
def test_a_key_that_resembles_one_or_belongs_elsewhere_is_an_error(
    tmp_path: Path, path: Any, key: str, hint: str
) -> None:
    for mode, end in (("typos", f"{hint}; --unknown-keys warn ignores it"), ("error", hint)):
        with pytest.raises(InputError) as caught:
            load_with(tmp_path, path, key, mode)  # type: ignore[arg-type]
        (problem,) = caught.value.problems
        assert problem.hint == end
        assert problem.where is not None
        assert is_at(tmp_path, problem.where.line, key)
    (warning,) = load_with(tmp_path, path, key, "warn").warnings
    assert warning.endswith(f"which is ignored ({hint})")


def is_at(folder: Path, line: int | None, key: str) -> bool:
    lines = (folder / "suite.json").read_text().splitlines()
    return lines[(line or 0) - 1].strip().startswith(f'"{key}":')


def test_a_key_of_many_tests_is_one_warning(tmp_path: Path) -> None:
    tests = "".join(f"  - {{vars: {{q: '{number}'}}, name: x}}\n" for number in range(12))
    (tmp_path / "suite.yaml").write_text(f"prompts: ['{{{{q}}}}']\nproviders: [echo]\ntests:\n{tests}")
    first, _ = load(str(tmp_path / "suite.yaml"), Settings(env={})).suite.warnings
    assert first.endswith("4:22: tests[0].name: unknown key 'name', which is ignored; also in 11 other places")


@pytest.mark.parametrize("mode", ["typos", "error", "warn"])
def test_a_failure_case_is_read_strictly_whatever_the_mode(tmp_path: Path, mode: UnknownKeys) -> None:
    folder = tmp_path / "failure_cases" / "a"
    folder.mkdir(parents=True)
    (folder / "case.yaml").write_text("prompts: [{raw: x}]\ntests: [{vars: {}, severity: high}]\n")
    with pytest.raises(InputError, match="unknown key 'severity'"):
        load(str(folder / "case.yaml"), Settings(env={}, unknown_keys=mode))
