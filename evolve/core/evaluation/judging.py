"""Applying a test's assertions to one output: render and read values, call each type's function, sum the verdicts.

promptfoo's order: the assertion's transform, then its value (a script's answer, a file, a template), then its function.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from evolve.core.assertions import AssertionType, find_type
from evolve.core.evaluation.scoring import NO_ASSERTIONS, Part, aggregate, attach_requirement
from evolve.core.javascript.values import to_json
from evolve.core.model.answers import Answer
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, EvolveError, InputError
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Tools
from evolve.core.model.suite import Assertion, AssertSet, Evaluation, Requirement, Test
from evolve.core.model.verdicts import AssertionInput, ComparisonInput, Verdict, flatten
from evolve.core.templating.templates import Templates
from evolve.core.user_code.file_values import FILE, is_script, read_file_value, script_context, script_value
from evolve.core.user_code.functions import PythonFailed, function_answer

ErrorKind: TypeAlias = Literal["", "input", "environment", "evaluation"]
_SCRIPT_TYPES = frozenset(("javascript", "python"))
"""Types whose value may be a script that judges; for all others a script returns the expected value."""

_MODEL_GRADED = frozenset(
    (
        "answer-relevance",
        "classifier",
        "context-faithfulness",
        "context-recall",
        "context-relevance",
        "factuality",
        "g-eval",
        "llm-rubric",
        "model-graded-closedqa",
        "model-graded-factuality",
        "moderation",
        "similar",
        "similar:cosine",
        "similar:dot",
        "similar:euclidean",
    )
)
"""Types that ask a provider of their own; a test holds the list against the files."""


@dataclass(frozen=True, slots=True)
class Target:
    """One output, with the answer, evaluation and prompt that it came from."""

    output: JsonValue
    text: str
    answer: Answer
    evaluation: Evaluation
    vars: Mapping[str, JsonValue]
    prompt: str


def target(
    output: JsonValue, answer: Answer, evaluation: Evaluation, vars: Mapping[str, JsonValue], prompt: str
) -> Target:
    """Return the output with its text: itself, or its JSON.

    Args:
        output: after the provider's and the test's transforms.
        answer: the provider's whole answer.
        evaluation: the evaluation that was answered.
        vars: the evaluation's variables, after all functions of the suite.
        prompt: as it was sent.
    """
    return Target(output, output_text(output), answer, evaluation, vars, prompt)


def output_text(output: JsonValue) -> str:
    """Return what text assertions look at."""
    return output if isinstance(output, str) else to_json(output)


def error_kind(error: EvolveError) -> ErrorKind:
    """Return the kind of an error: the input's, the environment's, or an evaluation that was not possible."""
    if isinstance(error, EnvironmentFault):
        return "environment"
    return "input" if isinstance(error, InputError) else "evaluation"


def is_model_graded(test: Test) -> bool:
    """Return whether an assertion of the test asks a model, so that each verdict costs a call."""
    found = [
        assertion
        for requirement in test.requirements
        for assertion in (requirement.assertions if isinstance(requirement, AssertSet) else (requirement,))
    ]
    return any(assertion.type.removeprefix("not-") in _MODEL_GRADED for assertion in found)


def worst_error(verdict: Verdict) -> ErrorKind:
    """Return the kind of error among a verdict's components, the environment's first; "" when there is none."""
    kinds = {part.metadata.get("errorKind") for part in flatten(verdict.components) if part.error}
    order: tuple[ErrorKind, ...] = ("environment", "input", "evaluation")
    for kind in order:
        if kind in kinds:
            return kind
    return ""


class Judge:
    """Applies requirements to outputs; keeps the templates, tools and files that a suite's assertions share."""

    def __init__(self, templates: Templates, tools: Tools) -> None:
        self._templates = templates
        self._tools = tools
        self._file_values: dict[str, JsonValue] = {}

    async def verdict(self, given: Target) -> Verdict:
        """Return the verdict of a test's plain assertions; comparing ones are left out."""
        test = given.evaluation.test
        if not test.requirements:
            return NO_ASSERTIONS
        parts = []
        for requirement in test.requirements:
            if not _is_comparison(requirement):
                verdict = await self._requirement(requirement, given)
                parts.append(Part(verdict.requirement or requirement, verdict))
        verdict = aggregate(parts, test.threshold)
        return verdict if test.scoring is None else await self._score(test.scoring, verdict, test.threshold)

    async def _score(self, reference: str, verdict: Verdict, threshold: float | None) -> Verdict:
        """Return the verdict that the test's scoring function makes from its assertions' named scores."""
        if verdict.error:
            return verdict
        from evolve.core.assertions._script_verdicts import score_with, scoring_context

        context = scoring_context(verdict, threshold)
        try:
            answer = await function_answer(reference, "func", [dict(verdict.named_scores), context], self._tools)
        except CannotEvaluate as error:
            return replace(verdict, passed=False, score=0.0, reason=f"assertScoringFunction: {error}")
        return score_with(verdict, answer)

    async def compare(
        self, assertion: Assertion, targets: tuple[Target, ...], verdicts: tuple[Verdict, ...]
    ) -> tuple[Verdict, ...]:
        """Return one verdict per target of a comparing assertion; all are errors when it cannot be evaluated."""
        kind = _type_of(assertion)
        comparison = ComparisonInput(
            assertion,
            tuple(given.output if given.output is not None else "" for given in targets),
            verdicts,
            tuple(given.evaluation for given in targets),
            targets[0].vars,
            self._tools,
        )
        assert kind.compare is not None
        try:
            answered = kind.compare(comparison)
            compared = answered if isinstance(answered, tuple) else await answered
        except (CannotEvaluate, EnvironmentFault, InputError) as error:
            compared = (_error_verdict(error),) * len(targets)
        return tuple(attach_requirement(verdict, assertion) for verdict in compared)

    async def _requirement(self, requirement: Requirement, given: Target) -> Verdict:
        if isinstance(requirement, Assertion):
            return await self._assertion(requirement, given)
        parts = []
        for child in requirement.assertions:
            verdict = await self._assertion(child, given)
            parts.append(Part(verdict.requirement or child, verdict))
        return attach_requirement(aggregate(parts, requirement.threshold), self._apply_set(requirement, given.vars))

    async def _assertion(self, assertion: Assertion, given: Target) -> Verdict:
        applied = assertion
        try:
            kind = _type_of(assertion)
            output, text = given.output, given.text
            if assertion.transform:
                output = await self._transform(assertion.transform, given)
                text = output_text(output)
            applied = await self._apply(assertion, kind, output, given)
            check = AssertionInput(
                applied, output, text, given.answer, given.evaluation, given.vars, given.prompt, self._tools
            )
            answered = kind.evaluate(check)
            verdict = answered if isinstance(answered, Verdict) else await answered
        except PythonFailed as failed:
            verdict = Verdict(False, 0.0, str(failed))
        except (CannotEvaluate, EnvironmentFault, InputError) as error:
            verdict = _error_verdict(error)
        if isinstance(applied.value, str) and applied.value != assertion.value:
            return attach_requirement(verdict, applied, {**verdict.metadata, "renderedAssertionValue": applied.value})
        return attach_requirement(verdict, applied)

    async def _transform(self, code: str, given: Target) -> JsonValue:
        from evolve.core.user_code.transforms import apply_transform

        context: dict[str, JsonValue] = {"vars": dict(given.vars), "prompt": {"label": given.prompt}}
        if given.answer.metadata:
            context["metadata"] = dict(given.answer.metadata)
        return await apply_transform(code, given.output, context, self._tools)

    async def _apply(self, assertion: Assertion, kind: AssertionType, output: JsonValue, given: Target) -> Assertion:
        """Return the assertion with its value and metric rendered; itself if neither is a template."""
        value = assertion.value
        if isinstance(value, str):
            value = await self._text_value(value, kind, output, given, assertion)
        elif isinstance(value, list):
            value = [self._list_item(item, given.vars) for item in value]
            value = assertion.value if value == assertion.value else value
        metric = self._metric(assertion.metric, given.vars)
        if value is assertion.value and metric is assertion.metric:
            return assertion
        return replace(assertion, value=value, metric=metric)

    async def _text_value(
        self, value: str, kind: AssertionType, output: JsonValue, given: Target, assertion: Assertion
    ) -> JsonValue:
        if value.startswith(FILE):
            if kind.name in _SCRIPT_TYPES:
                return value
            if not is_script(value):
                return self._file_value(value)
            context = script_context(given.prompt, given.vars, given.evaluation, given.answer, output, assertion)
            return await script_value(value, output, context, self._tools)
        return value if kind.raw_value else self._templates.render(value, given.vars)

    def _list_item(self, item: JsonValue, variables: Mapping[str, JsonValue]) -> JsonValue:
        if not isinstance(item, str):
            return item
        return self._file_value(item) if item.startswith(FILE) else self._templates.render(item, variables)

    def _file_value(self, value: str) -> JsonValue:
        if value not in self._file_values:
            self._file_values[value] = read_file_value(value, self._tools.files)
        return self._file_values[value]

    def _apply_set(self, requirement: AssertSet, variables: Mapping[str, JsonValue]) -> AssertSet:
        metric = self._metric(requirement.metric, variables)
        return requirement if metric is requirement.metric else replace(requirement, metric=metric)

    def _metric(self, metric: str | None, variables: Mapping[str, JsonValue]) -> str | None:
        return self._templates.render(metric, variables) if metric and "{" in metric else metric


def _type_of(assertion: Assertion) -> AssertionType:
    kind = find_type(assertion.type)
    if kind is None:
        raise CannotEvaluate(f"unknown assertion type: {assertion.type}")
    return kind


def _is_comparison(requirement: Requirement) -> bool:
    if isinstance(requirement, AssertSet):
        return False
    kind = find_type(requirement.type)
    return kind is not None and kind.compares


def _error_verdict(error: EvolveError) -> Verdict:
    return Verdict(False, 0.0, str(error), error=str(error), metadata={"errorKind": error_kind(error)})
