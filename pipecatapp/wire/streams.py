"""Copies the stream of an expert event by event, so that what reaches the client is always whole events."""

import json
from typing import Final

from evolve.core.model.json_value import JsonValue
from pipecatapp.wire.experts import Tokens, error_of_value, tokens_of
from pipecatapp.wire.json_spans import NotAnObject, Span, replace_value, spans_of
from pipecatapp.wire.openai import ApiError
from pipecatapp.wire.sse import DONE, EventTooLong, SseReader, data_of, frame, is_comment

_DONE_DATA: Final = b"[DONE]"
_MODEL_KEY: Final = '"model"'
_USAGE: Final = b'"usage"'
_TIMINGS: Final = b'"timings"'


class StreamCopy:
    """One stream on its way to a client, under the gateway's name of the model."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._reader = SseReader()
        self._known: tuple[bytes, bytes] | None = None
        self.has_begun = False
        """Whether a part of the answer was copied."""
        self.is_done = False
        """Whether the last event was copied: nothing may follow."""
        self.tokens = Tokens()
        """What the expert counted, as far as it said."""
        self.error: ApiError | None = None
        """Why the stream ended before its time."""

    def feed(self, data: bytes) -> bytes:
        """Return what goes to the client; empty where no event is complete."""
        try:
            events = self._reader.feed(data)
        except EventTooLong as exc:
            return self.fail(ApiError(502, f"the expert sent {exc}", code="expert_error", type="server_error"))
        # One write for all events of one read.
        return b"".join([self._copy(event) for event in events if not self.is_done])

    def fail(self, error: ApiError) -> bytes:
        """Return an error and the end of the stream."""
        if self.is_done:
            return b""
        self.is_done = True
        self.error = error
        return frame(error.body()) + DONE

    def _copy(self, event: bytes) -> bytes:
        data = data_of(event)
        if data == _DONE_DATA:
            self.is_done = True
            return DONE
        if data is None:
            # Old versions of llama.cpp send errors in a field of their own.
            failure = data_of(event, b"error")
            return self._fail_with(failure) if failure is not None else self._comment(event)
        if data.lstrip().startswith(b'{"error"'):
            return self._fail_with(data)
        if _USAGE in data or _TIMINGS in data:
            self._count(data)
        self.has_begun = True
        return frame(self._rename(data))

    def _comment(self, event: bytes) -> bytes:
        """Return a comment, once there was an answer: before it, it would commit us to this expert for nothing."""
        return event + b"\n\n" if self.has_begun and is_comment(event) else b""

    def _rename(self, data: bytes) -> bytes:
        """Return a chunk with our name of the model.

        The bytes that name it are the same in each chunk, so they are looked for once. In a string of JSON they cannot
        occur: there its quotes have backslashes.
        """
        if self._known is not None and data.count(self._known[0]) == 1:
            return data.replace(*self._known)
        try:
            text = data.decode()
            spans = spans_of(text)
        except (UnicodeDecodeError, NotAnObject):
            return data
        self._known = next((found for span in spans if (found := _renaming(text, span, self._model))), None)
        return replace_value(text, spans, "model", self._model).encode()

    def _fail_with(self, data: bytes) -> bytes:
        return self.fail(error_of_value(502, _json(data)))

    def _count(self, data: bytes) -> None:
        self.tokens = tokens_of(_json(data)) or self.tokens


def _renaming(text: str, span: Span, model: str) -> tuple[bytes, bytes] | None:
    """Return the bytes that name the model, with the blanks that this expert writes, and what replaces them."""
    begin = text.rfind(_MODEL_KEY, 0, span.start) if span.key == "model" else -1
    if begin < 0 or text[begin + len(_MODEL_KEY) : span.start].strip() != ":":
        # The key has escapes.
        return None
    return text[begin : span.end].encode(), f"{text[begin : span.start]}{json.dumps(model)}".encode()


def broken_off() -> ApiError:
    """Return the error of an answer that began and has no end."""
    message = "the expert's connection ended before the answer did; the answer is incomplete"
    return ApiError(502, message, code="answer_incomplete", type="server_error")


def _json(data: bytes) -> JsonValue:
    try:
        value: JsonValue = json.loads(data)
    except ValueError:
        return None
    return value
