"""promptfoo's arithmetic: from the verdicts of assertions to a test's verdict, from tests to a column's metrics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from evolve.core.javascript.values import to_fixed, to_js_string
from evolve.core.model.answers import TokenUsage
from evolve.core.model.events import CaseResult, PromptMetrics
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion, AssertSet, Requirement
from evolve.core.model.verdicts import Verdict, flatten

ALL_PASSED = "All assertions passed"
NO_ASSERTIONS = Verdict(True, 1.0, "No assertions")
_BLOCKED = "Content failed guardrail safety checks"
_ROUNDING = 1e-9
"""So that the error of a float division does not fail repeats that are exactly at the pass rate."""


class Part(NamedTuple):
    """One judged requirement of a test or of an assert-set, in the order of the file."""

    requirement: Requirement
    verdict: Verdict


def aggregate(parts: Sequence[Part], threshold: float | None = None) -> Verdict:
    """Return the verdict of a whole test or assert-set.

    The score is the weighted mean, 0 when the weights sum to 0. Without a threshold one failing part fails the whole.
    The reason is then that of the last failing part; assert-sets come after plain assertions, and a failing part
    without a reason does not count, as in promptfoo. With a threshold only the score decides.
    """
    total = weights = 0.0
    tokens = TokenUsage()
    failed = ""
    named = _Named()
    ordered = parts if len(parts) < 2 else sorted(parts, key=_is_set)
    for requirement, verdict in ordered:
        weight = requirement.weight
        total += verdict.score * weight
        weights += weight
        if requirement.metric or verdict.named_scores:
            named.add(requirement.metric, verdict, weight)
        if verdict.tokens.requests or verdict.tokens.total:
            tokens += verdict.tokens
        if not verdict.passed:
            failed = verdict.reason
    score = total / weights if weights > 0 else 0.0
    passed, reason = _outcome(score, failed, threshold)
    if any(_is_blocked(part) for part in parts):
        passed, reason = True, _BLOCKED
    components = tuple(part.verdict for part in parts)
    scores, named_weights = named.result()
    whole = Verdict(passed, score, reason, components, scores, named_weights, tokens)
    return _as_error(whole) if any(verdict.error for verdict in components) else whole


def _outcome(score: float, failed: str, threshold: float | None) -> tuple[bool, str]:
    if threshold is None or threshold != threshold:
        return not failed, failed or ALL_PASSED
    passed = score >= threshold
    sign = "≥" if passed else "<"
    return passed, f"Aggregate score {to_fixed(score, 2)} {sign} {to_js_string(threshold)} threshold"


def _as_error(whole: Verdict) -> Verdict:
    # The other verdicts are kept as components; sums without the failed one would mislead.
    reason = next(verdict.error for verdict in whole.components if verdict.error)
    return replace(whole, passed=False, score=0.0, reason=reason, error=reason, named_scores={}, named_weights={})


def _is_set(part: Part) -> bool:
    return isinstance(part.requirement, AssertSet)


def _is_blocked(part: Part) -> bool:
    requirement = part.requirement
    return (
        isinstance(requirement, Assertion)
        and requirement.type == "guardrails"
        and not part.verdict.passed
        and requirement.config.get("purpose") == "redteam"
    )


class _Named:
    """Weighted means of the named scores."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._weights: dict[str, float] = {}

    def add(self, metric: str | None, verdict: Verdict, weight: float) -> None:
        if metric:
            self._count(metric, verdict.score, weight)
        for name, score in verdict.named_scores.items():
            if name != metric:
                self._count(name, score, verdict.named_weights.get(name, 1.0) * weight)

    def _count(self, name: str, score: float, weight: float) -> None:
        self._sums[name] = self._sums.get(name, 0.0) + score * weight
        self._weights[name] = self._weights.get(name, 0.0) + weight

    def result(self) -> tuple[dict[str, float], dict[str, float]]:
        means = {
            name: total / self._weights[name] if self._weights[name] > 0 else 0.0 for name, total in self._sums.items()
        }
        return means, self._weights


def attach_requirement(
    verdict: Verdict, requirement: Requirement, metadata: Mapping[str, JsonValue] | None = None
) -> Verdict:
    """Return the verdict with its requirement; weight 0 makes a plain assertion pass, unless it is an error.

    `metadata` replaces the verdict's own.
    """
    passed = verdict.passed or (requirement.weight == 0 and isinstance(requirement, Assertion) and not verdict.error)
    # The same as `replace`, in a quarter of the time: this is called for each assertion of each test.
    return Verdict(
        passed,
        verdict.score,
        verdict.reason,
        verdict.components,
        verdict.named_scores,
        verdict.named_weights,
        verdict.tokens,
        requirement,
        verdict.error,
        verdict.metadata if metadata is None else metadata,
    )


def apply_comparison(whole: Verdict, comparison: Verdict) -> Verdict:
    """Return a test's verdict with the result of a comparing assertion (select-best, max-score) added."""
    components = (*whole.components, comparison)
    if whole.error:
        return replace(whole, components=components)
    if comparison.error:
        return _as_error(replace(whole, components=components))
    if comparison.passed:
        return replace(whole, components=components, named_scores={**whole.named_scores, **comparison.named_scores})
    best = isinstance(comparison.requirement, Assertion) and comparison.requirement.type == "max-score"
    return replace(
        whole,
        passed=False,
        score=comparison.score,
        # As in promptfoo: select-best always gives its reason, max-score only if it is the first to fail the test.
        reason=whole.reason if best and not whole.passed else comparison.reason,
        components=components,
        named_scores={**whole.named_scores, **comparison.named_scores},
    )


def merge_repeats(verdicts: Sequence[Verdict], pass_rate: float) -> Verdict:
    """Return one verdict for all repeats of a test; it passes when at least the share `pass_rate` passes."""
    passed = sum(verdict.passed for verdict in verdicts)
    error = next((verdict.error for verdict in verdicts if verdict.error), None)
    share = passed / len(verdicts)
    enough = share >= pass_rate - _ROUNDING
    sign = "≥" if enough else "<"
    reason = (
        f"{passed} of {len(verdicts)} repeats passed: {to_fixed(share, 2)} {sign} pass rate {to_js_string(pass_rate)}"
    )
    if not enough:
        reason += f"; last: {next(verdict.reason for verdict in reversed(verdicts) if not verdict.passed)}"
    names = {name for verdict in verdicts for name in verdict.named_scores}
    return Verdict(
        passed=enough and not error,
        score=sum(verdict.score for verdict in verdicts) / len(verdicts),
        reason=error or reason,
        components=tuple(verdicts),
        named_scores={
            name: _mean(v.named_scores[name] for v in verdicts if name in v.named_scores) for name in sorted(names)
        },
        tokens=sum((verdict.tokens for verdict in verdicts), TokenUsage()),
        error=error,
    )


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)


class Totals:
    """The sums over one prompt x provider column."""

    def __init__(self, provider: str, prompt_label: str) -> None:
        self._provider, self._label = provider, prompt_label
        self._outcomes = {"pass": 0, "fail": 0, "error": 0}
        self._score = self._cost = self._latency_ms = 0.0
        self._tokens = self._grader_tokens = TokenUsage()
        self._named: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._weights: dict[str, float] = {}
        self._assertions = [0, 0]

    def add(self, result: CaseResult) -> None:
        """Count one more evaluation of this column."""
        self._outcomes[result.status] += 1
        self._score += result.verdict.score
        self._latency_ms += result.latency_ms
        if result.answer is not None:
            self._cost += result.answer.cost or 0.0
            self._tokens += result.answer.tokens
        self._grader_tokens += result.verdict.tokens
        components = flatten(result.verdict.components)
        # As in promptfoo: the assertions of a test that is an error do not count.
        for component in components if result.status != "error" else ():
            self._assertions[0 if component.passed else 1] += 1
        for name, score in result.named_scores.items():
            self._count_named(name, score, components, result.verdict)

    def _count_named(self, name: str, score: float, components: Sequence[Verdict], verdict: Verdict) -> None:
        own = sum(isinstance(c.requirement, Assertion) and c.requirement.metric == name for c in components) or 1
        weight = verdict.named_weights.get(name)
        self._named[name] = self._named.get(name, 0.0) + (score if weight is None else score * weight)
        self._counts[name] = self._counts.get(name, 0) + own
        self._weights[name] = self._weights.get(name, 0.0) + (own if weight is None else weight)

    def metrics(self) -> PromptMetrics:
        """Return the metrics of the column so far."""
        return PromptMetrics(
            provider=self._provider,
            prompt_label=self._label,
            passed=self._outcomes["pass"],
            failed=self._outcomes["fail"],
            errors=self._outcomes["error"],
            score=self._score,
            tokens=self._tokens,
            cost=self._cost,
            latency_ms=self._latency_ms,
            named_scores=self._named,
            named_scores_count=self._counts,
            named_score_weights=self._weights,
            assertions_passed=self._assertions[0],
            assertions_failed=self._assertions[1],
            grader_tokens=self._grader_tokens,
        )


def column_metrics(results: Iterable[CaseResult]) -> dict[int, PromptMetrics]:
    """Return the metrics of each column by its prompt index, without the derived ones."""
    totals: dict[int, Totals] = {}
    for result in results:
        evaluation = result.evaluation
        column = totals.get(evaluation.prompt_index)
        if column is None:
            column = totals[evaluation.prompt_index] = Totals(evaluation.provider.name, evaluation.prompt.label)
        column.add(result)
    return {index: totals[index].metrics() for index in sorted(totals)}
