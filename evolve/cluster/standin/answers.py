"""Requests, answers and refusals of the HTTP API."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .shapes import Json

VERSION = "2.0.6"
READ, WRITE, PLAIN, STREAM = "read", "write", "plain", "stream"


@dataclass(frozen=True)
class Answer:
    """A status, a body (text goes out as text), and which of Nomad's headers it carries."""

    status: int
    body: Any = None
    kind: str = PLAIN
    index: int | None = None
    """The index in the header; None means the state's own."""
    next_token: str = ""
    """Where the next page of a list begins; empty on the last one."""


@dataclass(frozen=True)
class Request:
    """One request; `match` holds what the path's pattern found."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    match: tuple[str, ...] = field(default=())
    topics: tuple[str, ...] = field(default=())
    """Of the event stream; the one parameter that may come several times."""

    def json(self) -> Json:
        """The body; raises Refused as Nomad does."""
        if not self.body:
            raise Refused(400, "Request body is empty")
        try:
            parsed = json.loads(self.body)
        except ValueError as fault:
            raise Refused(400, f"invalid request body: {fault}") from fault
        if not isinstance(parsed, dict):
            raise Refused(400, "json: cannot unmarshal the request body into an object")
        return parsed


class Refused(Exception):
    """An answer with an error: a status and a plain text."""

    def __init__(self, status: int, text: str, kind: str = PLAIN, index: int | None = None) -> None:
        super().__init__(text)
        self.answer = Answer(status, text, kind, index)


def whole_uuid(text: str, what: str) -> str:
    """Return the id; refuses, as Nomad does, one that has not the length of a UUID."""
    if len(text) != 36:
        raise Refused(500, f"{what} lookup failed: index error: UUID must be 36 characters")
    return text


Act = Callable[[Request], Answer]
Route = tuple[str, dict[str, Act]]
