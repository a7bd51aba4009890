"""Messages of the websocket `/ws` between the agent and a page: JSON objects with `v`, the version, and `type`.

Each class is one type of message; its fields are the message's, and all of them are always there. A side that reads a
type or a field that it does not know refuses the message: page and agent come out of one wheel.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, cast

from evolve.core.model.json_value import JsonValue
from pipecatapp.core.ports import Risk
from pipecatapp.wire.typed_messages import BadMessage, read_typed, write_typed

VERSION: Final = 1
PATH: Final = "/ws"
LONGEST_TEXT: Final = 8000
"""Characters that a person may say at once."""
LONGEST_MESSAGE: Final = 64 * 1024
"""Bytes of a client's message."""


class AgentState(StrEnum):
    """What the agent is doing for a session. The page itself adds `offline`."""

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    WORKING = "working"
    """A tool runs."""
    WAITING_FOR_APPROVAL = "waiting_for_approval"
    ERROR = "error"
    """The last turn failed; the next one leaves this state."""


class Source(StrEnum):
    """How a person's words came in."""

    TEXT = "text"
    VOICE = "voice"


class Outcome(StrEnum):
    """How a turn ended."""

    ANSWERED = "answered"
    CANCELLED = "cancelled"
    FAILED = "failed"


class ApprovalOutcome(StrEnum):
    """How an approval ended."""

    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """The turn ended before anybody answered."""


class LogLevel(StrEnum):
    """How much a line of the log matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class RowState(StrEnum):
    """The state of a component."""

    OK = "ok"
    STARTING = "starting"
    ASLEEP = "asleep"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It could not be asked; the detail says why."""


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One row of the table of components."""

    component: str
    """Its name, unique in the table."""
    state: RowState
    since: float | None
    """When it came into this state, in seconds since 1970; None where nobody knows."""
    detail: str
    link: str
    """Address of its own page, http or https; empty for none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was said in a session."""

    turn: str
    role: str
    """`user` or `assistant`."""
    text: str
    at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class ToolCard:
    """A tool, as the page lists it."""

    name: str
    description: str
    risk: Risk


# --- from the agent


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message on a connection."""

    session: str
    agent: str
    """NAME@VERSION of the agent that chooses tools."""
    model: str
    """Which model answers."""
    accuracy: float | None
    """Share of requests, 0 to 1, for which this model chose the right tool where it was measured; None where not."""
    advice: str
    """What a person can do about a weak model; empty for nothing."""
    has_voice: bool
    """Whether the agent listens and speaks: the websocket `/voice` is there."""
    voice_problem: str
    """Why it does not, in a sentence; empty where it does."""
    tools: tuple[ToolCard, ...]
    history: tuple[Entry, ...]
    """What was said in this session before, the oldest first."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The agent does something else now."""

    state: AgentState
    turn: str
    """The turn that it works on; empty in the state idle or listening."""


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """A person's words were taken; every page of the session gets it."""

    turn: str
    text: str
    source: Source


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of an answer, to be added to those before it."""

    turn: str
    text: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The end of a turn; exactly one for each that started."""

    turn: str
    outcome: Outcome
    text: str
    """The whole answer, which replaces its parts; what is left of it where the turn was cancelled or failed."""


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool runs."""

    turn: str
    call: str
    """Id of the call."""
    tool: str
    arguments: Mapping[str, JsonValue]
    risk: Risk


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """A tool has ended, or was not run at all: then there was no `tool_started`."""

    turn: str
    call: str
    tool: str
    is_error: bool
    reason: str
    """A word of `ToolReason`; empty for a result."""
    text: str
    """The result, capped and without secrets."""
    seconds: float


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """A person has to decide whether a call may run."""

    turn: str
    id: str
    """Of the approval; `approve` and `deny` name it."""
    tool: str
    arguments: Mapping[str, JsonValue]
    risk: Risk
    expires_s: float
    """Seconds from now until it counts as denied."""


@dataclass(frozen=True, slots=True)
class ApprovalEnded:
    """An approval is over: on every page its dialog closes."""

    turn: str
    id: str
    outcome: ApprovalOutcome


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the agent's log, without secrets."""

    at: float
    """Seconds since 1970."""
    level: LogLevel
    component: str
    text: str


@dataclass(frozen=True, slots=True)
class StatusRows:
    """All rows of the table of components; they replace those before."""

    rows: tuple[StatusRow, ...]


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """Something was not done."""

    turn: str
    """The turn that failed; empty where there is none."""
    code: str
    """A word for programs, for instance `bad_message`, `too_long`, `busy`, `unknown_approval`, `model_failed`."""
    text: str


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to `ping`."""


# --- from a page


@dataclass(frozen=True, slots=True)
class Say:
    """Words of a person: they start a turn."""

    text: str


@dataclass(frozen=True, slots=True)
class Approve:
    """A call may run."""

    id: str


@dataclass(frozen=True, slots=True)
class Deny:
    """A call must not run."""

    id: str


@dataclass(frozen=True, slots=True)
class CancelTurn:
    """End a turn without an answer."""

    turn: str


@dataclass(frozen=True, slots=True)
class Ping:
    """Keep the connection open."""


ServerMessage: TypeAlias = (
    Hello
    | StateChanged
    | TurnStarted
    | TextPart
    | TurnEnded
    | ToolStarted
    | ToolEnded
    | ApprovalAsked
    | ApprovalEnded
    | LogLine
    | StatusRows
    | ErrorMessage
    | Pong
)
ClientMessage: TypeAlias = Say | Approve | Deny | CancelTurn | Ping

SERVER_TYPES: Final[Mapping[str, type[ServerMessage]]] = {
    "hello": Hello,
    "state": StateChanged,
    "turn_started": TurnStarted,
    "part": TextPart,
    "turn_ended": TurnEnded,
    "tool_started": ToolStarted,
    "tool_ended": ToolEnded,
    "approval_asked": ApprovalAsked,
    "approval_ended": ApprovalEnded,
    "log": LogLine,
    "status": StatusRows,
    "error": ErrorMessage,
    "pong": Pong,
}
CLIENT_TYPES: Final[Mapping[str, type[ClientMessage]]] = {
    "say": Say,
    "approve": Approve,
    "deny": Deny,
    "cancel": CancelTurn,
    "ping": Ping,
}
_NAMES: Final = {kind: name for name, kind in (*SERVER_TYPES.items(), *CLIENT_TYPES.items())}


def write_message(message: ServerMessage | ClientMessage) -> str:
    """Return a message as JSON."""
    return write_typed(message, _NAMES[type(message)], VERSION)


def read_client_message(data: str | bytes) -> ClientMessage:
    """Return the message that a page sent.

    Raises:
        BadMessage: it is none, or a text in it is too long.
    """
    size = len(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    if size > LONGEST_MESSAGE:
        raise BadMessage(f"the message is longer than {LONGEST_MESSAGE} bytes")
    message = cast("ClientMessage", read_typed(data, CLIENT_TYPES, VERSION))
    return _checked_words(message) if isinstance(message, Say) else message


def _checked_words(message: Say) -> Say:
    if len(message.text) > LONGEST_TEXT:
        raise BadMessage(f"the text is longer than {LONGEST_TEXT} characters")
    if not message.text.strip():
        raise BadMessage("the text is empty")
    # JSON can say half of a surrogate pair, which no file and no database takes.
    return Say(message.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def read_server_message(data: str | bytes) -> ServerMessage:
    """Return the message that the agent sent, for clients in Python.

    Raises:
        BadMessage: it is none.
    """
    return cast("ServerMessage", read_typed(data, SERVER_TYPES, VERSION))
