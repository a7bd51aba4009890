"""`classifier`: a model sorts the answer into a class, with a score that reaches the threshold."""

from evolve.core.assertions._grading import EPSILON, GraderError, open_grading
from evolve.core.assertions._registry import assertion_type
from evolve.core.javascript.values import to_fixed, to_js_string
from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Classifier
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("classifier", value_schema={"type": ["string", "null"]})
async def classifier(check: AssertionInput) -> Verdict:
    """Pass when the score of the class `value`, or of the best class, reaches the threshold, 1 without one."""
    wanted = check.assertion.value
    if wanted is not None and not isinstance(wanted, str):
        raise CannotEvaluate("classifier: expected the name of a class as the value, or none")
    grading = open_grading(check)
    model = await grading.classifier()
    identity = model.classification_identity(check.text)
    answer = await grading.stored(identity, lambda: _ask(model, check.text))
    scores = _scores(answer.output)
    if answer.error or not scores:
        failed = GraderError(answer.error or "No classification scores returned", answer.tokens)
        return failed.verdict()
    threshold = 1.0 if check.assertion.threshold is None else check.assertion.threshold
    score = max(scores.values()) if wanted is None else scores.get(wanted, 0.0)
    passed = score >= threshold - EPSILON
    what = "Maximum classification score" if wanted is None else f"Classification {wanted} has score"
    reason = f"{what} {to_fixed(score, 2)} {'>=' if passed else '<'} {to_js_string(threshold)}"
    return Verdict(passed != check.negated, 1 - score if check.negated else score, reason, tokens=answer.tokens)


async def _ask(model: Classifier, text: str) -> Answer:
    found = await model.classify(text)
    scores: dict[str, JsonValue] = dict(found.scores)
    return Answer(scores, found.error, tokens=TokenUsage(requests=1))


def _scores(value: JsonValue) -> dict[str, float]:
    if not isinstance(value, dict):
        return {}
    return {name: float(score) for name, score in value.items() if isinstance(score, int | float)}
