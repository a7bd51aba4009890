"""`answer-relevance`: a grader guesses questions from the answer, which are compared with the real question.

After Es et al., "RAGAS: Automated Evaluation of Retrieval Augmented Generation", 2023.
"""

from typing import Final

from evolve.core.assertions._grading import (
    EPSILON,
    GraderError,
    Grading,
    chat,
    needs_prompt,
    open_grading,
    parse_output,
)
from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions.similar import cosine
from evolve.core.javascript.values import to_fixed, to_js_string
from evolve.core.model.answers import TokenUsage
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Embedding
from evolve.core.model.verdicts import AssertionInput, Verdict

QUESTIONS: Final = 3
"""As in promptfoo: one guess is often off, and each costs a call."""
INSTRUCTIONS: Final = (
    "You are shown an answer. Write the one question that it answers best, as its asker would have put it, with the "
    "names and numbers that it needs. Answer with the question alone, on one line."
)


@assertion_type("answer-relevance")
async def answer_relevance(check: AssertionInput) -> Verdict:
    """Score the mean cosine of the question (`query`, else the prompt) and three questions from the output.

    It passes at the threshold, 0 without one; `not-` has no effect, as in promptfoo.
    """
    if not isinstance(check.output, str):
        raise CannotEvaluate("answer-relevance: expected text as the output, got structured data")
    prompt = needs_prompt(check)
    query = check.vars.get("query")
    work = _Work(check, open_grading(check))
    try:
        return await work.verdict(query if isinstance(query, str) else prompt)
    except GraderError as failed:
        return GraderError(failed.reason, work.tokens + failed.tokens).verdict()


class _Work:
    """The calls of one assertion, and the tokens that they have used so far."""

    def __init__(self, check: AssertionInput, grading: Grading) -> None:
        self.tokens = TokenUsage()
        self._check, self._grading = check, grading

    async def verdict(self, question: str) -> Verdict:
        embedder = await self._grading.embedder()
        guesses = [await self._guess(number) for number in range(QUESTIONS)]
        asked = self._count(await self._grading.embed(embedder, question))
        scores = [cosine(asked, self._count(await self._grading.embed(embedder, guess))) for guess in guesses]
        return self._judge(guesses, scores)

    async def _guess(self, number: int) -> str:
        answer = self._check.text
        default = chat(INSTRUCTIONS, {"answer": answer}, "The question:")
        rubric = self._grading.rubric_prompt
        names = {"answer": parse_output(answer)}
        reply = await self._grading.ask("answer-relevance", names, default, rubric=rubric, nth=number)
        self.tokens += reply.tokens
        return reply.text("answer-relevance")

    def _count(self, embedding: Embedding) -> tuple[float, ...]:
        self.tokens += TokenUsage(total=embedding.tokens, prompt=embedding.tokens, requests=1)
        return embedding.vector

    def _judge(self, guesses: list[str], scores: list[float]) -> Verdict:
        threshold = self._check.assertion.threshold or 0
        score = (scores[0] + scores[1] + scores[2]) / QUESTIONS
        passed = score >= threshold - EPSILON
        sign = ">=" if passed else "<"
        questions: list[JsonValue] = [
            {"question": guess, "similarity": similarity} for guess, similarity in zip(guesses, scores, strict=True)
        ]
        metadata: dict[str, JsonValue] = {
            "generatedQuestions": questions,
            "averageSimilarity": score,
            "threshold": threshold,
        }
        reason = f"Relevance {to_fixed(score, 2)} is {sign} {to_js_string(threshold)}"
        return Verdict(passed, score, reason, tokens=self.tokens, metadata=metadata)
