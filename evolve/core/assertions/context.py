"""`context-recall`, `context-relevance`, `context-faithfulness`: retrieved context against question and answer.

After Es et al., "RAGAS: Automated Evaluation of Retrieval Augmented Generation", 2023, with promptfoo's counting.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from evolve.core.assertions._grading import (
    GraderError,
    Grading,
    Reply,
    at_least,
    chat,
    load_rubric,
    needs_prompt,
    open_grading,
    parse_output,
    text_value,
)
from evolve.core.assertions._registry import assertion_type
from evolve.core.javascript.values import JS_SPACE, js_strip
from evolve.core.model.answers import TokenUsage
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict
from evolve.core.user_code.transforms import apply_transform

Context: TypeAlias = str | list[str]

_ATTRIBUTED, _NOT_ATTRIBUTED = "[attributed]", "[not attributed]"
_INSUFFICIENT: Final = "Insufficient Information"
_FINAL: Final = "final verdict for each statement in order:"

RECALL_INSTRUCTIONS: Final = (
    "You check which statements of an answer a context supports. Write each sentence of the answer on a line of its "
    "own, in order, and end the line with [Attributed] when the context states it or clearly implies it, else with "
    "[Not Attributed]. Write nothing else."
)
RELEVANCE_INSTRUCTIONS: Final = (
    "You pick from a context the sentences that are needed to answer a question. Copy each of them unchanged, one to a "
    f"line, and nothing else. When no sentence helps, answer exactly: {_INSUFFICIENT}"
)
STATEMENTS_INSTRUCTIONS: Final = (
    "You are shown a question and an answer. Break the answer into short statements that can each be true or false by "
    "itself; replace pronouns by what they stand for. Write one statement to a line, without numbers, and nothing else."
)
VERDICTS_INSTRUCTIONS: Final = (
    "You check statements against a context. For each statement, in order, write one short sentence on what the "
    "context says about it; a statement is supported only when the context states it or it follows from it. Close with "
    "one line that starts with `Final verdict for each statement in order:` and then has Yes. or No. for each "
    "statement, for example: Final verdict for each statement in order: Yes. No. Yes."
)


@assertion_type("context-recall", value_schema={"type": "string"}, value_required=True, keys=("contextTransform",))
async def context_recall(check: AssertionInput) -> Verdict:
    """Score the share of the expected answer's statements that the context (or the prompt) supports."""
    truth, prompt = text_value(check), needs_prompt(check)
    context = await _context(check, prompt)
    grading = open_grading(check)
    names = {**check.vars, "context": _join(context), "groundTruth": truth}
    default = chat(RECALL_INSTRUCTIONS, {"context": _join(context), "answer": truth}, "The marked sentences:")
    try:
        reply = await grading.ask("context-recall", names, default, rubric=grading.rubric_prompt)
    except GraderError as failed:
        return failed.verdict()
    lines = [line for line in _lines(reply.text("context-recall")) if _is_marked(line.lower())]
    supported = [_NOT_ATTRIBUTED not in line.lower() for line in lines]
    score = sum(supported) / len(lines) if lines else 0.0
    metadata: dict[str, JsonValue] = {
        "context": _plain(context),
        "sentenceAttributions": [
            {"sentence": line, "attributed": is_supported} for line, is_supported in zip(lines, supported, strict=True)
        ],
    }
    return at_least("Recall", score, _threshold(check), reply.tokens, metadata)


def _is_marked(line: str) -> bool:
    return _ATTRIBUTED in line or _NOT_ATTRIBUTED in line


@assertion_type("context-relevance", keys=("contextTransform",))
async def context_relevance(check: AssertionInput) -> Verdict:
    """Score the share of the context's sentences (or chunks) that the question needs."""
    query = _query(check)
    context = await _context(check, None)
    grading = open_grading(check)
    names: dict[str, JsonValue] = {"context": _join(context), "query": query}
    pieces = {"context": _join(context), "question": query}
    try:
        default = chat(RELEVANCE_INSTRUCTIONS, pieces, "The sentences:")
        reply = await grading.ask("context-relevance", names, default, rubric=grading.rubric_prompt)
    except GraderError as failed:
        return failed.verdict()
    units = [chunk for chunk in context if js_strip(chunk)] if isinstance(context, list) else _sentences(context)
    relevant = _relevant(reply.text("context-relevance"), context)
    score = min(len(relevant), len(units)) / len(units) if units else 0.0
    metadata: dict[str, JsonValue] = {
        "context": _plain(context),
        "extractedSentences": list(relevant),
        "totalContextUnits": len(units),
    }
    return at_least("Context relevance", score, _threshold(check), reply.tokens, metadata)


def _relevant(reply: str, context: Context) -> Sequence[str]:
    if _INSUFFICIENT in reply:
        return ()
    split_already = isinstance(context, list) or len(_lines(context)) > 1
    return tuple(dict.fromkeys(_lines(reply) if split_already else _sentences(reply)))


@assertion_type("context-faithfulness", keys=("contextTransform",))
async def context_faithfulness(check: AssertionInput) -> Verdict:
    """Score the share of the answer's statements that the context supports; makes two calls."""
    query = _query(check)
    if not isinstance(check.output, str):
        raise CannotEvaluate("context-faithfulness: expected text as the output, got structured data")
    context = await _context(check, None)
    grading = open_grading(check)
    rubrics = _two_rubrics(grading)
    names = {**check.vars, "question": query, "answer": parse_output(check.text)}
    default = chat(STATEMENTS_INSTRUCTIONS, {"question": query, "answer": check.text}, "The statements:")
    tokens = TokenUsage()
    try:
        first = await grading.ask("context-faithfulness-longform", names, default, rubric=rubrics[0])
        tokens = first.tokens
        statements = _lines(first.text("context-faithfulness"))
        second = await _verdicts(check, grading, _join(context), statements, rubrics[1])
    except GraderError as failed:
        return GraderError(failed.reason, tokens + failed.tokens).verdict()
    score = faithfulness(second.text("context-faithfulness"), len(statements))
    metadata: dict[str, JsonValue] = {"context": _plain(context)}
    return at_least("Faithfulness", score, _threshold(check), tokens + second.tokens, metadata)


async def _verdicts(
    check: AssertionInput, grading: Grading, context: str, statements: list[str], rubric: JsonValue
) -> Reply:
    names: dict[str, JsonValue] = {**check.vars, "context": context, "statements": list(statements)}
    numbered = "\n".join(f"{number}. {statement}" for number, statement in enumerate(statements, 1))
    default = chat(
        VERDICTS_INSTRUCTIONS, {"context": context, "statements": numbered}, "The sentences and the final line:"
    )
    return await grading.ask("context-faithfulness-nli", names, default, rubric=rubric)


def faithfulness(reply: str, statements: int) -> float:
    """Return the share of statements with a Yes: from the final line, else from `verdict: yes` and `verdict: no`."""
    if not statements:
        return 0.0
    text = js_strip(reply.lower())
    before, found, final = text.partition(_FINAL)
    if found:
        verdicts = [part for part in final.split(".") if js_strip(part)]
        yes = sum("yes" in part for part in verdicts)
        known = len(verdicts)
    else:
        yes, known = before.count("verdict: yes"), before.count("verdict: yes") + before.count("verdict: no")
    if not known:
        return 0.0
    unsupported = (known - yes) + max(0, statements - known)
    return min(1.0, max(0.0, 1 - unsupported / statements))


def _two_rubrics(grading: Grading) -> tuple[JsonValue, JsonValue]:
    rubric = grading.rubric_prompt
    if not rubric:
        return None, None
    if not isinstance(rubric, list):
        raise CannotEvaluate(
            "context-faithfulness: expected a list of two prompts (for statements and for verdicts) as rubricPrompt"
        )
    parts = [part.get("content") if isinstance(part, dict) else part for part in rubric]
    first, second = (*parts, None, None)[:2]
    return load_rubric(first, grading.tools), load_rubric(second, grading.tools)


def _threshold(check: AssertionInput) -> float:
    return 0.0 if check.assertion.threshold is None else check.assertion.threshold


def _query(check: AssertionInput) -> str:
    query = check.vars.get("query")
    if not isinstance(query, str):
        raise CannotEvaluate(f"{check.assertion.type}: expected a variable 'query' with the question; add it to vars")
    return query


async def _context(check: AssertionInput, fallback: str | None) -> Context:
    """Return the context: the result of `contextTransform` on the output, else the variable, else `fallback`."""
    value: JsonValue = check.vars.get("context") or fallback
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise CannotEvaluate(f"{check.assertion.type}: expected a context that is text or a list of texts")
    code = check.assertion.config.get("contextTransform")
    if isinstance(code, str) and code:
        value = await _transform(check, code)
    if isinstance(value, str) and value:
        return value
    if isinstance(value, list) and value and all(isinstance(item, str) and item for item in value):
        return [str(item) for item in value]
    hint = "add a variable 'context' (text or a list of texts), or a contextTransform"
    raise CannotEvaluate(f"{check.assertion.type}: expected a context, got none; {hint}")


async def _transform(check: AssertionInput, code: str) -> JsonValue:
    """Apply `contextTransform` to the output after only the provider's transform: the test's may drop the context."""
    prompt: JsonValue = {"label": check.prompt}
    context: dict[str, JsonValue] = {"vars": dict(check.vars), "prompt": prompt}
    if check.answer.metadata:
        context["metadata"] = dict(check.answer.metadata)
    output = check.answer.output
    if check.evaluation.provider.transform:
        output = await apply_transform(check.evaluation.provider.transform, output, context, check.tools)
    found = await apply_transform(code, output, context, check.tools)
    if isinstance(found, str) or (isinstance(found, list) and all(isinstance(item, str) for item in found)):
        return found
    raise CannotEvaluate(f"contextTransform: expected text or a list of texts, got another value: {code}")


def _join(context: Context) -> str:
    return context if isinstance(context, str) else "\n\n".join(context)


def _plain(context: Context) -> JsonValue:
    return context if isinstance(context, str) else list(context)


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if js_strip(line)]


_SENTENCE_END: Final = re.compile(f"(?<=[.!?])[{JS_SPACE}]+")
_LIST_MARK: Final = re.compile(r"[0-9]+[.)]")


def _sentences(text: str) -> list[str]:
    """Return the lines if there are several, else the sentences; bare list marks (`1.`) do not count."""
    lines = _lines(text)
    parts = [js_strip(part) for part in (lines if len(lines) > 1 else _SENTENCE_END.split(text))]
    return [part for part in parts if part and not _LIST_MARK.fullmatch(part)]
