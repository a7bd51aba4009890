"""Server-sent events: a reader that gives whole events, and what writes them."""

DONE = b"data: [DONE]\n\n"
"""The last event of every stream of OpenAI's API."""
LONGEST_EVENT = 8 * 2**20
"""Bytes that one event may have; an embedding or a chunk with logprobs is far below."""


class EventTooLong(ValueError):
    """An event has more than `LONGEST_EVENT` bytes without an end."""


class SseReader:
    """Splits a stream into events, wherever the network cut it."""

    def __init__(self, longest: int = LONGEST_EVENT) -> None:
        self._rest = b""
        self._longest = longest

    def feed(self, data: bytes) -> list[bytes]:
        """Return the events that `data` completes, without the empty line that ends each.

        Raises:
            EventTooLong: what has no end yet is too long.
        """
        text = self._rest + data if self._rest else data
        held = b""
        if b"\r" in text:
            # A carriage return at the end may be half of a line's end.
            text, held = (text[:-1], b"\r") if text.endswith(b"\r") else (text, b"")
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *events, rest = text.split(b"\n\n")
        self._rest = rest + held
        if len(self._rest) > self._longest:
            raise EventTooLong(f"an event of more than {self._longest} bytes")
        return [event.strip(b"\n") for event in events if event.strip(b"\n")]


def data_of(event: bytes, field: bytes = b"data") -> bytes | None:
    """Return the value of a field of an event, its lines joined; None where it has none."""
    prefix = field + b":"
    if b"\n" not in event:
        return _value(event, prefix) if event.startswith(prefix) else None
    found = [_value(line, prefix) for line in event.split(b"\n") if line.startswith(prefix)]
    return b"\n".join(found) if found else None


def _value(line: bytes, prefix: bytes) -> bytes:
    return line[len(prefix) :].removeprefix(b" ")


def is_comment(event: bytes) -> bool:
    """Return whether an event has comments only."""
    return all(line.startswith(b":") for line in event.split(b"\n"))


def frame(payload: bytes) -> bytes:
    """Return one event with a payload of one line."""
    return b"data: " + payload + b"\n\n"


def comment(text: str) -> bytes:
    """Return a comment, which clients skip and which keeps a connection from looking idle."""
    return f": {text}\n\n".encode()
