"""`moderation`: a moderation service flags no harm in an answer, or none of the kinds that the value lists."""

from collections.abc import Sequence

from evolve.core.assertions._grading import GraderError, open_grading
from evolve.core.assertions._registry import assertion_type
from evolve.core.formats.json_text import json_or
from evolve.core.javascript.values import to_json
from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Moderation, ModerationFlag, Moderator
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("moderation", value_schema={"type": ["array", "null"], "items": {"type": "string"}})
async def moderation(check: AssertionInput) -> Verdict:
    """Pass when no kind is flagged; an empty answer is harmless. Negated: a kind must be flagged."""
    if not check.text:
        return Verdict(not check.negated, 0.0 if check.negated else 1.0, "No output to moderate")
    wanted = [str(code) for code in check.assertion.value] if isinstance(check.assertion.value, list) else []
    grading = open_grading(check)
    moderator = await grading.moderator()
    prompt = _last_prompt(check.prompt)
    identity = moderator.moderation_identity(prompt, check.text)
    answer = await grading.stored(identity, lambda: _ask(moderator, prompt, check.text))
    if answer.error:
        return GraderError(f"Moderation API error: {answer.error}", answer.tokens).verdict()
    flags = _flags(answer.output)
    counted = [flag for flag in flags if not wanted or flag.code in wanted]
    passed = not counted
    reason = _reason(flags, counted)
    return Verdict(passed != check.negated, float(passed != check.negated), reason, tokens=answer.tokens)


def _reason(flags: Sequence[ModerationFlag], counted: Sequence[ModerationFlag]) -> str:
    if counted:
        return f"Moderation flags detected: {', '.join(flag.description for flag in counted)}"
    return "No relevant moderation flags detected" if flags else "No moderation flags detected"


def _last_prompt(prompt: str) -> str:
    """Return the content of a chat's last message, or the prompt."""
    messages = json_or(prompt, None)
    last = messages[-1] if isinstance(messages, list) and messages else None
    content = last.get("content") if isinstance(last, dict) else None
    return content if isinstance(content, str) else prompt if content is None else to_json(content)


async def _ask(moderator: Moderator, prompt: str, output: str) -> Answer:
    found: Moderation = await moderator.moderate(prompt, output)
    flags: list[JsonValue] = [[flag.code, flag.description, flag.confidence] for flag in found.flags]
    return Answer(flags, found.error, tokens=found.tokens or TokenUsage())


def _flags(value: JsonValue) -> list[ModerationFlag]:
    found = []
    for row in value if isinstance(value, list) else []:
        if isinstance(row, list) and len(row) == 3:
            code, description, confidence = row
            number = float(confidence) if isinstance(confidence, int | float) else 0.0
            found.append(ModerationFlag(str(code), str(description), number))
    return found
