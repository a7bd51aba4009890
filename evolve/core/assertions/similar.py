"""`similar`: how near an output's embedding is to that of a text; cosine, dot product or Euclidean distance."""

import math
from collections.abc import Sequence
from typing import Final

from evolve.core.assertions._grading import EPSILON, GraderError, Grading, open_grading, to_grader_text
from evolve.core.assertions._registry import assertion_type
from evolve.core.javascript.values import to_fixed, to_js_string
from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.ports import Embedder, SentenceComparer
from evolve.core.model.verdicts import AssertionInput, Verdict

DEFAULT_THRESHOLD: Final = 0.75
"""promptfoo's."""


@assertion_type(
    "similar",
    "similar:cosine",
    "similar:dot",
    "similar:euclidean",
    value_schema={"type": ["string", "array"], "minItems": 1},
    value_required=True,
)
async def similar(check: AssertionInput) -> Verdict:
    """Pass when the output is near enough to the value, or to one of several; `not-`: near to none of them."""
    value = check.assertion.value
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        raise CannotEvaluate("similar: expected text or a list of texts as the value")
    grading = open_grading(check)
    embedder = await grading.vectors_or_comparer()
    verdicts: list[Verdict] = []
    for text in texts:
        verdicts.append(await _compare(check, grading, embedder, to_grader_text(text)))
        if verdicts[-1].passed != check.negated:
            break
    return _choose(check, verdicts, several=not isinstance(value, str))


def _choose(check: AssertionInput, verdicts: list[Verdict], *, several: bool) -> Verdict:
    last = verdicts[-1]
    tokens = sum((verdict.tokens for verdict in verdicts), TokenUsage())
    if not several or last.passed != check.negated:
        chosen = last
    elif check.negated:
        chosen = min(verdicts, key=lambda verdict: verdict.score)
    else:
        reason = "None of the provided values met the similarity threshold"
        chosen = Verdict(False, max(verdict.score for verdict in verdicts), reason)
    return Verdict(chosen.passed, chosen.score, chosen.reason, tokens=tokens, metadata=chosen.metadata)


async def _compare(
    check: AssertionInput, grading: Grading, embedder: Embedder | SentenceComparer, text: str
) -> Verdict:
    if isinstance(embedder, SentenceComparer):
        return await _by_comparer(check, grading, embedder, text)
    try:
        expected = await grading.embed(embedder, text)
        output = await grading.embed(embedder, check.text)
    except GraderError as failed:
        return failed.verdict()
    spent = expected.tokens + output.tokens
    tokens = TokenUsage(total=spent, prompt=spent, requests=2)
    threshold = DEFAULT_THRESHOLD if check.assertion.threshold is None else check.assertion.threshold
    metric = check.assertion.type.partition(":")[2] or "cosine"
    if metric == "euclidean":
        return _by_distance(_distance(expected.vector, output.vector), threshold, check.negated, tokens)
    measure = dot_product if metric == "dot" else cosine
    return _by_similarity(measure(expected.vector, output.vector), threshold, check.negated, tokens)


async def _by_comparer(check: AssertionInput, grading: Grading, comparer: SentenceComparer, text: str) -> Verdict:
    async def ask() -> Answer:
        return Answer(await comparer.similarity(text, check.text), tokens=TokenUsage(requests=1))

    answer = await grading.stored(comparer.similarity_identity(text, check.text), ask)
    if not isinstance(answer.output, int | float):
        raise CannotEvaluate(f"similar: expected a number from the provider, got {answer.output!r}")
    threshold = DEFAULT_THRESHOLD if check.assertion.threshold is None else check.assertion.threshold
    return _by_similarity(float(answer.output), threshold, check.negated, answer.tokens)


def _by_similarity(similarity: float, threshold: float, negated: bool, tokens: TokenUsage) -> Verdict:
    near = similarity > threshold + EPSILON if negated else similarity >= threshold - EPSILON
    sign = "greater than or equal to" if near else "less than"
    reason = f"Similarity {to_fixed(similarity, 2)} is {sign} threshold {to_js_string(threshold)}"
    return Verdict(near != negated, 1 - similarity if negated else similarity, reason, tokens=tokens)


def _by_distance(distance: float, threshold: float, negated: bool, tokens: TokenUsage) -> Verdict:
    near = distance < threshold - EPSILON if negated else distance <= threshold + EPSILON
    sign = "less than or equal to" if near else "greater than"
    reason = f"Distance {to_fixed(distance, 2)} is {sign} threshold {to_js_string(threshold)}"
    nearness = 1 / (1 + distance)
    return Verdict(near != negated, 1 - nearness if negated else nearness, reason, tokens=tokens)


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors, 0 when one is zero.

    Raises:
        CannotEvaluate: they have different lengths.
    """
    product = dot_product(left, right)
    # A product of two roots, in promptfoo's order: the last bit can decide at the threshold.
    lengths = math.sqrt(dot_product(left, left)) * math.sqrt(dot_product(right, right))
    return product / lengths if lengths else 0.0


def dot_product(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the sum of products, added from the left; raises like `cosine`."""
    _same_length(left, right)
    total = 0.0
    for a, b in zip(left, right, strict=True):
        total += a * b
    return total


def _distance(left: Sequence[float], right: Sequence[float]) -> float:
    _same_length(left, right)
    total = 0.0
    for a, b in zip(left, right, strict=True):
        total += (a - b) * (a - b)
    return math.sqrt(total)


def _same_length(left: Sequence[float], right: Sequence[float]) -> None:
    if len(left) != len(right):
        raise CannotEvaluate(f"expected embeddings of one length, got {len(left)} and {len(right)}")
