"""Turns a mapping with promptfoo's response fields (output, error, cost, tokenUsage ...) into an Answer."""

from collections.abc import Mapping

from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.json_value import JsonValue
from evolve.providers.replies import finish_reason


def is_response(value: JsonValue) -> bool:
    """Return whether a mapping is a response, not the output itself."""
    return isinstance(value, dict) and ("output" in value or "error" in value)


def answer_from(fields: Mapping[str, JsonValue], latency_ms: float, raw: JsonValue = None) -> Answer:
    """Return the answer in the fields; `latency_ms` is used unless they have a `latencyMs`."""
    error = fields.get("error")
    return Answer(
        fields.get("output"),
        error=None if error in (None, "") else error if isinstance(error, str) else str(error),
        latency_ms=latency_ms if (own := _number(fields.get("latencyMs"))) is None else own,
        cost=_number(fields.get("cost")),
        tokens=usage_from(fields.get("tokenUsage")),
        finish_reason=finish_reason(fields.get("finishReason")),
        guardrails=_mapping_or_none(fields.get("guardrails")),
        log_probs=_numbers(fields.get("logProbs")),
        metadata=_mapping_or_none(fields.get("metadata")) or {},
        cached=fields.get("cached") is True,
        raw=fields.get("raw", raw),
    )


def usage_from(value: JsonValue) -> TokenUsage:
    """Return the tokens of promptfoo's `tokenUsage`; one request unless it has `numRequests`."""
    fields = value if isinstance(value, dict) else {}
    count = {
        key: int(_number(fields.get(key)) or 0) for key in ("total", "prompt", "completion", "cached", "numRequests")
    }
    total = count["total"] or count["prompt"] + count["completion"]
    return TokenUsage(total, count["prompt"], count["completion"], count["cached"], count["numRequests"] or 1)


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _numbers(value: JsonValue) -> tuple[float, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(float(item) for item in value if isinstance(item, int | float)) or None


def _mapping_or_none(value: JsonValue) -> Mapping[str, JsonValue] | None:
    return value if isinstance(value, dict) else None
