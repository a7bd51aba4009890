"""Answers of llama-server, in OpenAI's shape where they are not: errors, and the counts of tokens."""

import json
from dataclasses import dataclass
from typing import Final

from evolve.core.model.json_value import JsonValue
from pipecatapp.wire.json_spans import NotAnObject, replace_value, spans_of
from pipecatapp.wire.openai import ApiError

_OWN_MISTAKES: Final = ("Failed to parse",)
"""How llama.cpp begins the message of a 500 whose cause is the request, such as a tool without a function."""
_LONGEST_MESSAGE: Final = 1000
_PASSED_ON: Final = frozenset((400, 413, 415, 422))
"""Statuses that speak of the request. Any other error is the expert's, and the client can do nothing about it."""
_CODES: Final = {"exceed_context_size_error": "context_length_exceeded", "not_supported_error": "not_supported"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one answer; 0 where the expert did not say."""

    prompt: int = 0
    completion: int = 0


def tokens_of(answer: JsonValue) -> Tokens | None:
    """Return the tokens that an answer or a chunk counts, by `usage` or by llama.cpp's `timings`."""
    if not isinstance(answer, dict):
        return None
    usage, timings = answer.get("usage"), answer.get("timings")
    if isinstance(usage, dict):
        return Tokens(_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))
    if isinstance(timings, dict):
        prompt = _count(timings, "prompt_n") + _count(timings, "cache_n")
        return Tokens(prompt, _count(timings, "predicted_n"))
    return None


def _count(counts: dict[str, JsonValue], name: str) -> int:
    value = counts.get(name)
    return int(value) if isinstance(value, (int, float)) and value >= 0 else 0


def rename_model(body: bytes, model: str) -> tuple[bytes, Tokens]:
    """Return a whole answer under our name of the model, with its tokens.

    Raises:
        ApiError: 502, the answer is no JSON object.
    """
    try:
        text = body.decode()
        spans = spans_of(text)
    except (UnicodeDecodeError, NotAnObject):
        raise ApiError(502, "the expert's answer is not JSON", code="expert_error", type="server_error") from None
    tokens = tokens_of({span.key: span.value for span in spans}) or Tokens()
    return replace_value(text, spans, "model", model).encode(), tokens


def error_of_answer(status: int, body: bytes) -> ApiError:
    """Return an expert's error in OpenAI's shape."""
    try:
        value: JsonValue = json.loads(body)
    except ValueError:
        value = None
    return error_of_value(status, value)


def error_of_value(status: int, value: JsonValue) -> ApiError:
    """Return an expert's error in OpenAI's shape.

    Args:
        status: of the expert's answer; of an error inside a stream it is in the value.
        value: the body, parsed; None where it was no JSON.
    """
    detail = value.get("error") if isinstance(value, dict) and "error" in value else value
    fields = detail if isinstance(detail, dict) else {"message": detail} if isinstance(detail, str) else {}
    code = fields.get("code")
    status = code if isinstance(code, int) and 400 <= code <= 599 and status >= 500 else status
    kind = str(fields.get("type") or "")
    message = str(fields.get("message") or f"the expert answered with status {status}")[:_LONGEST_MESSAGE]
    if status == 501 or (status == 500 and message.startswith(_OWN_MISTAKES)):
        status = 400
    if status == 429:
        return ApiError(429, message, code="expert_busy", type="rate_limit_error", headers={"retry-after": "1"})
    if status not in _PASSED_ON:
        # The expert's 401 is not the client's: it is our key that the expert refused.
        reached = 503 if status == 503 else 502
        headers = {"retry-after": "5"} if reached == 503 else {}
        return ApiError(reached, message, code="expert_error", type="server_error", headers=headers)
    param = fields.get("param")
    own = code if isinstance(code, str) else _CODES.get(kind, "invalid_value")
    return ApiError(status, message, code=own, param=param if isinstance(param, str) else None)
