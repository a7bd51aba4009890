"""`select-best` and `max-score`: which output of one test is the best.

They judge all outputs of a test at once. The runner evaluates a test's other assertions first, then calls the function
of each comparing assertion once for every `test_index`, with a `ComparisonInput`: `outputs`, `verdicts` (each whole,
with its components) and `evaluations` in one order. The function returns one verdict per output in that order; the
runner adds it to the output's own verdict (`scoring.apply_comparison`). Outputs that cannot be compared raise
CannotEvaluate; then all of them are errors.
"""

import math
import re
from typing import Final, NamedTuple

from evolve.core.assertions._grading import (
    GraderError,
    Reply,
    chat,
    open_comparison_grading,
    parse_output,
    to_grader_text,
)
from evolve.core.assertions._registry import comparison_type
from evolve.core.javascript.values import to_fixed, to_js_string
from evolve.core.model.answers import TokenUsage
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion
from evolve.core.model.verdicts import ComparisonInput, Verdict, flatten

INSTRUCTIONS: Final = (
    "You are shown several outputs, numbered from 0, and a criterion. Choose the one output that meets the criterion "
    "best; of equal ones the first. Neither length nor position counts. Answer with its number alone, for example: 0"
)
_NUMBER: Final = re.compile(r"[0-9]+")
_COMPARING: Final = frozenset(("select-best", "max-score"))


@comparison_type("select-best", value_schema={"type": "string"}, value_required=True)
async def select_best(comparison: ComparisonInput) -> tuple[Verdict, ...]:
    """Pass the output whose number the grader gives; fail all outputs when it gives none."""
    criteria = comparison.assertion.value
    if not isinstance(criteria, str):
        raise CannotEvaluate("select-best: expected the criterion, a text, as the value")
    outputs = _at_least_two(comparison)
    texts = [to_grader_text(output) for output in outputs]
    names: dict[str, JsonValue] = {
        **comparison.vars,
        "criteria": criteria,
        "outputs": [parse_output(output) if isinstance(output, str) else output for output in outputs],
    }
    pieces = {"criterion": criteria, **{f"output {index}": text for index, text in enumerate(texts)}}
    grading = open_comparison_grading(comparison)
    closing = f"The number of the best output, 0 to {len(outputs) - 1}:"
    try:
        default = chat(INSTRUCTIONS, pieces, closing)
        reply = await grading.ask("select-best", names, default, rubric=grading.rubric_prompt)
        best = _index(reply, len(outputs))
    except GraderError as failed:
        return _with_tokens([failed.verdict() for _ in outputs], failed.tokens)
    chosen = Verdict(True, 1.0, f"Output selected as the best: {criteria}")
    other = Verdict(False, 0.0, f"Output not selected: {criteria}")
    return _with_tokens([chosen if index == best else other for index in range(len(outputs))], reply.tokens)


def _at_least_two(comparison: ComparisonInput) -> tuple[JsonValue, ...]:
    if len(comparison.outputs) < 2:
        hint = "give the suite a second prompt or provider to compare it with"
        raise CannotEvaluate(f"{comparison.assertion.type}: expected at least two outputs, got one; {hint}")
    return comparison.outputs


def _index(reply: Reply, count: int) -> int:
    match = _NUMBER.search(reply.text("select-best"))
    # Longer numbers than any index are not converted: Python refuses thousands of digits.
    index = int(match[0]) if match and len(match[0]) < 10 else None
    if index is None or index >= count:
        raise GraderError(f"Invalid select-best verdict: {match[0][:20] if match else 'NaN'}", reply.tokens)
    return index


def _with_tokens(verdicts: list[Verdict], tokens: TokenUsage) -> tuple[Verdict, ...]:
    """Return the verdicts with the tokens of the one call at the first output, so that sums are right."""
    first, *others = verdicts
    counted = Verdict(first.passed, first.score, first.reason, tokens=tokens, metadata=first.metadata)
    return (counted, *(Verdict(item.passed, item.score, item.reason, metadata=item.metadata) for item in others))


@comparison_type(
    "max-score",
    value_schema={
        "type": ["object", "null"],
        "properties": {
            "method": {"enum": ["average", "sum"]},
            "weights": {"type": "object", "additionalProperties": {"type": "number"}},
            "threshold": {"type": "number"},
        },
        "additionalProperties": False,
    },
)
def max_score(comparison: ComparisonInput) -> tuple[Verdict, ...]:
    """Pass the output with the highest sum or mean of its other assertions' scores, the first of equal ones."""
    _at_least_two(comparison)
    options = comparison.assertion.value if isinstance(comparison.assertion.value, dict) else {}
    totals = [_total(verdict, options) for verdict in comparison.verdicts]
    if not any(total.scores for total in totals):
        raise CannotEvaluate("max-score: expected other assertions whose scores it compares; add one to the test")
    highest = max(total.score for total in totals)
    threshold = options.get("threshold")
    reached = not isinstance(threshold, int | float) or highest >= threshold
    winner = next(index for index, total in enumerate(totals) if total.score == highest)
    return tuple(
        _score_verdict(total, highest, index == winner, reached, threshold) for index, total in enumerate(totals)
    )


class _Total(NamedTuple):
    score: float
    scores: int
    weight: float


def _total(verdict: Verdict, options: dict[str, JsonValue]) -> _Total:
    weights = options.get("weights")
    weights = weights if isinstance(weights, dict) else {}
    total = total_weight = 0.0
    count = 0
    for component in flatten(verdict.components):
        kind = _kind(component)
        if kind is None or kind in _COMPARING:
            continue
        weight = weights.get(kind, 1)
        weight = float(weight) if isinstance(weight, int | float) else 1.0
        total += (0.0 if math.isnan(component.score) else component.score) * weight
        total_weight += weight
        count += 1
    if options.get("method") != "sum":
        total = total / total_weight if total_weight > 0 else 0.0
    # An output that was never judged cannot be the best, however low the others are.
    return _Total(total if count else -math.inf, count, total_weight)


def _kind(component: Verdict) -> str | None:
    requirement = component.requirement
    if not isinstance(requirement, Assertion):
        return None
    return f"not-{requirement.type}" if requirement.negated else requirement.type


def _score_verdict(total: _Total, highest: float, is_best: bool, reached: bool, threshold: JsonValue) -> Verdict:
    own = to_fixed(total.score, 3)
    if not total.scores:
        return Verdict(False, 0.0, f"Not selected (no scores, max: {to_fixed(highest, 3)})")
    if is_best and reached:
        reason = f"Selected as highest scoring output (score: {own})"
    elif total.score == highest and not reached:
        reason = f"Not selected - score {own} below threshold {to_js_string(threshold)}"
    else:
        reason = f"Not selected (score: {own}, max: {to_fixed(highest, 3)})"
    named = {"maxScore": total.score, "assertionCount": float(total.scores), "totalWeight": total.weight}
    passed = is_best and reached
    return Verdict(passed, 1.0 if passed else 0.0, reason, named_scores=named)
