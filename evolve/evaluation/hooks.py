"""The extensions of a suite during a run: before and after each test, and after all."""

import sys
from collections.abc import Mapping
from dataclasses import replace

from evolve.core.model.errors import CannotEvaluate, EvolveError, InputError
from evolve.core.model.events import CaseResult
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Files, Scripts
from evolve.core.model.suite import Evaluation, ScriptRef, Suite
from evolve.core.suites.suite_dump import options_mapping, requirements_mapping
from evolve.core.suites.suite_format import Defaults, Findings, Source, build_test, checker
from evolve.core.user_code.extensions import run_hook
from evolve.report.suites.promptfoo_rows import Rows
from evolve.report.terminal import say
from evolve.store.test_files import Generated


class SuiteHooks:
    """Calls the extensions of one suite."""

    def __init__(self, suite: Suite, files: Files, scripts: Scripts) -> None:
        self._suite = suite
        self._files = files
        self._scripts = scripts
        self._rows = Rows(suite.path)
        self._finished: list[JsonValue] = []

    async def before_each(self, evaluation: Evaluation) -> Evaluation:
        """Return the evaluation as the hooks changed its test; raise CannotEvaluate or InputError."""
        given = _test_mapping(evaluation)
        context = await run_hook(self._suite.extensions, "beforeEach", {"test": given}, self._files, self._scripts)
        made = context.get("test")
        return evaluation if made == given else _changed(evaluation, given, made)

    async def after_each(self, result: CaseResult) -> None:
        """Show the hooks a result; raise CannotEvaluate or InputError."""
        row = self._rows.row(result)
        self._finished.append(row)
        context: Mapping[str, JsonValue] = {"test": _test_mapping(result.evaluation), "result": row}
        await run_hook(self._suite.extensions, "afterEach", context, self._files, self._scripts)

    async def close(self) -> None:
        """Show the hooks all results, once and only if there are any; what they raise is only a warning then."""
        finished, self._finished = self._finished, []
        if not finished:
            return
        prompts: JsonValue = [{"raw": prompt.raw, "label": prompt.label} for prompt in self._suite.prompts]
        suite: JsonValue = {"description": self._suite.description, "prompts": prompts}
        context: Mapping[str, JsonValue] = {"results": finished, "suite": suite, "prompts": prompts}
        try:
            await run_hook(self._suite.extensions, "afterAll", context, self._files, self._scripts)
        except EvolveError as error:  # the results are complete, and must not get lost for this
            say([f"evolve: warning: {error}"], sys.stderr)


def _test_mapping(evaluation: Evaluation) -> dict[str, JsonValue]:
    test = evaluation.test
    assertions: list[JsonValue] = list(requirements_mapping(test))
    mapping: dict[str, JsonValue] = {
        "vars": dict(evaluation.vars),
        "assert": assertions,
        "options": options_mapping(test.options),
        "metadata": dict(test.metadata),
    }
    if test.description:
        mapping["description"] = test.description
    if test.threshold is not None:
        mapping["threshold"] = test.threshold
    return mapping


def _changed(evaluation: Evaluation, given: Mapping[str, JsonValue], made: JsonValue) -> Evaluation:
    if not isinstance(made, dict):
        raise CannotEvaluate("the hook beforeEach: expected a mapping as the context's test")
    document = Generated("the test that beforeEach returned", "", made)
    findings = Findings("warn")
    checker("test")(made, (), findings.report_on(document))
    if findings.problems:
        raise InputError(findings.problems)
    built = build_test([Source(made, document)], Defaults(), _without_files)
    test = replace(
        evaluation.test,
        vars=built.vars,
        description=built.description,
        metadata=built.metadata,
        threshold=built.threshold,
    )
    if made.get("assert") != given["assert"]:
        test = replace(test, requirements=built.requirements)
    if made.get("options") != given["options"]:
        test = replace(test, options=built.options)
    return replace(evaluation, test=test, vars=built.vars)


def _without_files(
    given: Mapping[str, JsonValue], _: bool, __: Source
) -> tuple[Mapping[str, JsonValue], Mapping[str, ScriptRef]]:
    return given, {}
