"""Reads logs by their offsets. `origin=end&offset=0` would be the whole log, and never is asked for."""

from dataclasses import dataclass, field
from typing import Literal

Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class LogPart:
    """A part of a log. What a program prints may hold secrets: it is in no repr."""

    data: bytes = field(repr=False)
    next_offset: int
    """Where the next part begins, from the log's start; -1 where only the end was asked for."""

    @property
    def text(self) -> str:
        """The bytes as text; half a character at the cut becomes U+FFFD."""
        return self.data.decode("utf-8", "replace")


def tail_query(task: str, stream: Stream, size: int) -> dict[str, str]:
    """Return the parameters for the last bytes of a log.

    Args:
        task: the name of the task.
        stream: stdout or stderr.
        size: bytes, at least 1.
    """
    return {**_query(task, stream), "origin": "end", "offset": str(max(1, size))}


def from_query(task: str, stream: Stream, offset: int) -> dict[str, str]:
    """Return the parameters for a log from an offset on, in bytes from its start."""
    return {**_query(task, stream), "origin": "start", "offset": str(max(0, offset))}


def _query(task: str, stream: Stream) -> dict[str, str]:
    return {"task": task, "type": stream, "plain": "true"}
