"""Writes the answers that the gateway makes by itself: those of the agent."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from evolve.core.model.json_value import JsonValue
from pipecatapp.wire.sse import DONE, frame


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """What a whole answer and each of its chunks begin with."""

    id: str
    created: int
    """Seconds since 1970."""
    model: str

    def whole(self, text: str) -> bytes:
        """Return a whole answer."""
        message: JsonValue = {"role": "assistant", "content": text}
        choice: JsonValue = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return json.dumps({**self._fields("chat.completion"), "choices": [choice], "usage": _no_usage()}).encode()

    def first(self) -> bytes:
        """Return the event that begins a stream."""
        return self._chunk({"role": "assistant", "content": ""}, None)

    def part(self, text: str) -> bytes:
        """Return the event of a part of the text."""
        return self._chunk({"content": text}, None)

    def last(self, *, with_usage: bool) -> bytes:
        """Return the events that end a stream."""
        return b"".join(self._last(with_usage=with_usage))

    def _last(self, *, with_usage: bool) -> Iterator[bytes]:
        yield self._chunk({}, "stop")
        if with_usage:
            fields = {**self._fields("chat.completion.chunk"), "choices": [], "usage": _no_usage()}
            yield frame(json.dumps(fields).encode())
        yield DONE

    def _chunk(self, delta: JsonValue, finish_reason: str | None) -> bytes:
        choice: JsonValue = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return frame(json.dumps({**self._fields("chat.completion.chunk"), "choices": [choice]}).encode())

    def _fields(self, kind: str) -> dict[str, JsonValue]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def _no_usage() -> JsonValue:
    """An agent's turn takes several calls of models, whose tokens it does not report: no number is invented."""
    return {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
