"""What a client can ask for, as data: method, path, the right it needs, and what is made of the answer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

from evolve.cluster.fields import WrongShape
from evolve.core.model.json_value import JsonValue

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class ApiReply:
    """A successful answer, with what its headers say about the state."""

    status: int
    body: bytes
    index: int
    """Of the state as of the answer; 0 where the call has none."""
    next_token: str
    """Names the next page; empty on the last one."""
    content_type: str = ""

    def __repr__(self) -> str:
        return f"ApiReply(status={self.status}, {len(self.body)} bytes, index={self.index})"

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 become U+FFFD."""
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> JsonValue:
        """The body, parsed; WrongShape where it is not JSON."""
        try:
            value: JsonValue = json.loads(self.body)
        except (ValueError, RecursionError) as exc:
            raise WrongShape(f"no complete JSON ({len(self.body)} bytes)") from exc
        return value


@dataclass(frozen=True, slots=True)
class Operation(Generic[T_co]):
    """One call of an API."""

    name: str
    """As the documentation's table shows it: `jobs.plan`."""
    method: str
    path: str
    """With a place for each argument: `/v1/job/{job}/plan`."""
    parse: Callable[[ApiReply], T_co]
    """From a successful answer to a value; raises WrongShape."""
    right: str = ""
    """What a token's policy must allow; empty where no token is needed."""
    writes: bool = False
    """Whether it changes something, and so is never sent twice."""
    statuses: tuple[int, ...] = (200,)
    """All that the client makes something of, other than the faults that every call can have."""

    def path_for(self, names: Mapping[str, str]) -> str:
        """Return the path with its arguments, percent-encoded: an ID may contain slashes."""
        return self.path.format_map({key: quote(value, safe="") for key, value in names.items()})


def nothing(reply: ApiReply) -> None:
    """Check that the body is empty or JSON; a web page with status 200 is no success."""
    if reply.body.strip():
        _ = reply.json


def truth(reply: ApiReply) -> bool:
    """Return the answer `true` or `false`."""
    value = reply.json
    if not isinstance(value, bool):
        raise WrongShape("true or false is expected")
    return value


def word(reply: ApiReply) -> str:
    """Return an answer that is one text."""
    value = reply.json
    if not isinstance(value, str):
        raise WrongShape("a text is expected")
    return value
