"""A case result as a row of promptfoo's result structure (version 3)."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Final, TypeAlias

from evolve.core.evaluation.scoring import NO_ASSERTIONS
from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.events import CaseResult
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion, AssertSet, Requirement, Test, TestOptions
from evolve.core.model.verdicts import Verdict, flatten

Row: TypeAlias = dict[str, JsonValue]

_NOT_FAILED, _FAILED, _ERROR = 0, 1, 2
"""Promptfoo's `failureReason`."""
_KNOWN_ASSERTIONS = 10_000
"""More than a suite's own assertions; the cache keeps each object, so its memory must have a limit."""
_NO_DETAILS: Final[JsonValue] = {
    "reasoning": 0,
    "acceptedPrediction": 0,
    "rejectedPrediction": 0,
    "cacheReadInputTokens": 0,
    "cacheCreationInputTokens": 0,
}


class Rows:
    """Makes rows of one suite's results; what tests share is built once.

    Args:
        first_test: added to each test index, and `first_prompt` to each prompt index, where one file holds the
            results of several suites.
    """

    def __init__(self, suite_path: str, first_test: int = 0, first_prompt: int = 0) -> None:
        self._path = suite_path
        self._first_test, self._first_prompt = first_test, first_prompt
        self._prompt_ids: dict[str, str] = {}
        self._assertions: dict[int, tuple[Requirement, Row]] = {}

    def row(self, result: CaseResult) -> Row:
        """Return one entry of `results.results`."""
        evaluation, verdict, answer = result.evaluation, result.verdict, result.answer
        row: Row = {"cost": (answer.cost or 0) if answer else 0}
        if result.status != "pass":
            row["error"] = result.error or verdict.reason
        row["gradingResult"] = self._grading_row(verdict) if verdict.components or verdict is NO_ASSERTIONS else None
        row["id"] = self._row_id(result)
        row["latencyMs"] = _whole(result.latency_ms)
        row["namedScores"] = dict(result.named_scores)
        row["prompt"] = {
            "raw": result.prompt,
            "label": evaluation.prompt.label,
            "config": {**evaluation.prompt.config, **evaluation.test.options.config},
        }
        row["promptId"] = self.prompt_id(evaluation.prompt.raw)
        row["promptIdx"] = evaluation.prompt_index + self._first_prompt
        row["provider"] = {"id": evaluation.provider.full_id, "label": evaluation.provider.label or ""}
        if answer is not None:
            row["response"] = _response(answer, result.output)
        row["score"] = verdict.score
        row["success"] = result.status == "pass"
        row["testCase"] = self._test_case(evaluation.test, evaluation.vars)
        row["testIdx"] = evaluation.test_index + self._first_test
        row["tokenUsage"] = token_usage(answer.tokens if answer else TokenUsage(), verdict.tokens)
        row["vars"] = _vars_row(result)
        row["metadata"] = {**evaluation.test.metadata, **(answer.metadata if answer else {})}
        row["failureReason"] = (
            _ERROR if result.status == "error" else _NOT_FAILED if result.status == "pass" else _FAILED
        )
        row["caseId"] = evaluation.id
        return row

    def prompt_id(self, raw: str) -> str:
        """Return promptfoo's id of a prompt: the SHA-256 of its template."""
        if raw not in self._prompt_ids:
            self._prompt_ids[raw] = hashlib.sha256(raw.encode("utf-8", "backslashreplace")).hexdigest()
        return self._prompt_ids[raw]

    def _row_id(self, result: CaseResult) -> str:
        key = f"{self._path}\0{result.evaluation.id}\0{result.evaluation.repeat}"
        text = hashlib.md5(key.encode("utf-8", "backslashreplace"), usedforsecurity=False).hexdigest()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _grading_row(self, verdict: Verdict) -> Row:
        grading: Row = {"pass": verdict.passed, "score": verdict.score, "reason": verdict.reason}
        grading["namedScores"] = dict(verdict.named_scores)
        if verdict.named_weights:
            grading["namedScoreWeights"] = dict(verdict.named_weights)
        grading["tokensUsed"] = _token_counts(verdict.tokens)
        grading["componentResults"] = [self._component(component) for component in flatten(verdict.components)]
        return grading

    def _component(self, verdict: Verdict) -> Row:
        component: Row = {"pass": verdict.passed, "score": verdict.score, "reason": verdict.reason}
        if verdict.error:
            component["error"] = verdict.error
        if verdict.named_scores:
            component["namedScores"] = dict(verdict.named_scores)
        if verdict.named_weights:
            component["namedScoreWeights"] = dict(verdict.named_weights)
        if verdict.tokens.requests or verdict.tokens.total:
            component["tokensUsed"] = _token_counts(verdict.tokens)
        metadata: Row = dict(verdict.metadata)
        if isinstance(verdict.requirement, AssertSet):
            metadata["assertionSet"] = _set_facts(verdict.requirement)
        elif verdict.requirement is not None:
            component["assertion"] = self._requirement(verdict.requirement)
        if metadata:
            component["metadata"] = metadata
        return component

    def _test_case(self, test: Test, variables: Mapping[str, JsonValue]) -> Row:
        case: Row = {}
        if test.description:
            case["description"] = test.description
        case["vars"] = dict(variables)
        if test.has_provider_output:
            case["providerOutput"] = test.provider_output
        if test.threshold is not None:
            case["threshold"] = test.threshold
        case["assert"] = [self._requirement(requirement) for requirement in test.requirements]
        case["options"] = _options(test.options)
        case["metadata"] = dict(test.metadata)
        return case

    def _requirement(self, requirement: Requirement) -> Row:
        # Rendered assertions are new objects and would only fill the cache; keeping the object keeps its id() unique.
        known = self._assertions.get(id(requirement))
        if known is not None:
            return known[1]
        row = requirement_row(requirement)
        if len(self._assertions) < _KNOWN_ASSERTIONS:
            self._assertions[id(requirement)] = (requirement, row)
        return row


def _vars_row(result: CaseResult) -> Row:
    """The vars as the suite has them, with those that a function made for this prompt."""
    evaluation = result.evaluation
    made = {name: result.vars[name] for name in evaluation.test.var_scripts if name in result.vars}
    return {**evaluation.vars, **made}


def requirement_row(requirement: Requirement) -> Row:
    """Return an assertion or assert-set as it would be written in a suite."""
    if isinstance(requirement, AssertSet):
        row: Row = {"type": "assert-set", "assert": [requirement_row(item) for item in requirement.assertions]}
    else:
        row = {"type": f"not-{requirement.type}" if requirement.negated else requirement.type}
        row |= {key: value for key, value in _assertion_keys(requirement).items() if value is not None}
    if requirement.threshold is not None:
        row["threshold"] = requirement.threshold
    if requirement.weight != 1.0:
        row["weight"] = requirement.weight
    if requirement.metric is not None:
        row["metric"] = requirement.metric
    if requirement.config:
        row["config"] = dict(requirement.config)
    return row


def _assertion_keys(assertion: Assertion) -> Row:
    return {
        "value": assertion.value,
        "transform": assertion.transform,
        "provider": assertion.provider,
        "rubricPrompt": assertion.rubric_prompt,
    }


def _set_facts(requirement: AssertSet) -> Row:
    facts: Row = {"type": "assert-set", "assertionCount": len(requirement.assertions)}
    if requirement.metric is not None:
        facts["metric"] = requirement.metric
    if requirement.threshold is not None:
        facts["threshold"] = requirement.threshold
    if requirement.weight != 1.0:
        facts["weight"] = requirement.weight
    return facts


_OPTION_NAMES: Final = {
    "prefix": "prefix",
    "suffix": "suffix",
    "transform": "transform",
    "transform_vars": "transformVars",
    "disable_var_expansion": "disableVarExpansion",
    "disable_default_asserts": "disableDefaultAsserts",
    "repeat": "repeat",
    "provider": "provider",
    "rubric_prompt": "rubricPrompt",
}
_DEFAULT_OPTIONS: Final = TestOptions()


def _options(options: TestOptions) -> Row:
    if options is _DEFAULT_OPTIONS or options == _DEFAULT_OPTIONS:
        return {}
    row: Row = {}
    for name, key in _OPTION_NAMES.items():
        value = getattr(options, name)
        if value:
            row[key] = value
    return row | dict(options.config)


def _response(answer: Answer, output: JsonValue) -> Row:
    response: Row = {"output": output}
    if answer.raw is not None:
        response["raw"] = answer.raw
    if answer.cost is not None:
        response["cost"] = answer.cost
    response["cached"] = answer.cached
    response["tokenUsage"] = _token_counts(answer.tokens)
    if answer.error is not None:
        response["error"] = answer.error
    if answer.finish_reason is not None:
        response["finishReason"] = answer.finish_reason
    if answer.guardrails is not None:
        response["guardrails"] = dict(answer.guardrails)
    if answer.log_probs is not None:
        response["logProbs"] = list(answer.log_probs)
    response["metadata"] = dict(answer.metadata)
    return response


def _token_counts(usage: TokenUsage) -> Row:
    return {
        "total": usage.total,
        "prompt": usage.prompt,
        "completion": usage.completion,
        "cached": usage.cached,
        "numRequests": usage.requests,
    }


def token_usage(usage: TokenUsage, graders: TokenUsage) -> JsonValue:
    """Return promptfoo's `tokenUsage`, with the graders' part under `assertions`."""
    return {
        **_token_counts(usage),
        "completionDetails": _NO_DETAILS,
        "assertions": {**_token_counts(graders), "completionDetails": _NO_DETAILS},
    }


def _whole(value: float) -> int | float:
    return int(value) if value == int(value) else round(value, 3)


def dump_row(row: JsonValue) -> str:
    """Return JSON in one line; numbers that JSON does not have become null, as in JavaScript."""
    try:
        return json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return json.dumps(_finite(row), ensure_ascii=False, separators=(",", ":"))


def _finite(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
