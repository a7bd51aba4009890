"""What the parts of the app need of each other: an agent, its tools, and what chooses an expert."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from evolve.core.model.json_value import JsonValue


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """A chat request for the agent."""

    response_queue_id: str
    """Where the answer goes: the id of a queue that this request alone has."""
    key_name: str
    """Whose key it came with."""
    request: Mapping[str, JsonValue]
    """The whole request, with all its messages."""


@dataclass(frozen=True, slots=True)
class AgentReply:
    """A part of the agent's answer, or the last one."""

    response_queue_id: str
    text: str = ""
    is_final: bool = False
    error: str = ""
    """Why there is no answer; it ends the answer, too."""


class Agent(Protocol):
    """The agent with its tools. It puts replies on the request's queue, the last one with `is_final` or an error."""

    async def answer(self, request: AgentRequest, queue: "asyncio.Queue[AgentReply]") -> None:
        """Answer a request; cancelled when the client has gone."""
        ...


class ExpertChooser(Protocol):
    """Chooses an expert for requests to the model `moe`."""

    async def choose(self, message: str, tags: Mapping[str, tuple[str, ...]]) -> str | None:
        """Return the id of an expert for the last message; None where it is unsure.

        Args:
            message: the last one of the user.
            tags: of each expert, by its id.
        """
        ...


class Risk(StrEnum):
    """What a call of a tool can do."""

    READ = "read"
    """It changes nothing."""
    WRITE = "write"
    """It changes something that can be changed back."""
    DANGER = "danger"
    """It asks a person first, each time."""


class ToolReason(StrEnum):
    """Why a call gave no result; a closed set, because metrics count by it."""

    NONE = ""
    """There is a result."""
    UNKNOWN_TOOL = "unknown_tool"
    BAD_ARGUMENTS = "bad_arguments"
    """The arguments do not fit the tool's schema; the text says where."""
    TIMEOUT = "timeout"
    NOT_CONFIGURED = "not_configured"
    """The tool needs a setting that is missing; the text names it."""
    REFUSED = "refused"
    """The tool's own rules forbid it: a host, an address or a command that is not allowed."""
    DENIED = "denied"
    """A person said no."""
    EXPIRED = "expired"
    """Nobody answered in time whether it may run."""
    FAILED = "failed"
    """The tool ran, and what it needs failed."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool, as the agent and people see it."""

    name: str
    description: str
    """One sentence; TWIN_AGENT chooses by it."""
    schema: Mapping[str, JsonValue]
    """JSON Schema of the arguments: an object."""
    risk: Risk
    """Of an ordinary call; `Toolbox.risk` says that of one call."""
    timeout_s: float
    most_risk: Risk | None = None
    """Of the most dangerous calls, where calls differ."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool."""

    id: str
    """Its own, random."""
    tool: str
    arguments: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave: text for the agent, capped and without secrets."""

    text: str
    is_error: bool = False
    reason: ToolReason = ToolReason.NONE


class Toolbox(Protocol):
    """The tools that there are, and the one way to run them."""

    def specs(self) -> tuple[ToolSpec, ...]:
        """Return the tools in the order in which prompts and pages show them."""
        ...

    async def risk(self, tool: str, arguments: Mapping[str, JsonValue]) -> Risk:
        """Return what a call can do; where that cannot be found out it is dangerous.

        Args:
            tool: its name.
            arguments: that nobody has checked.
        """
        ...

    async def run(self, call: ToolCall, session_id: str) -> ToolResult:
        """Run a call and return its result; whatever goes wrong is a result, too.

        Checks the arguments against the tool's schema, ends the call after the tool's timeout, and cuts and redacts
        the output. Does not ask for approval: who calls it has asked.

        Args:
            call: with arguments that nobody has checked.
            session_id: whose call it is.
        """
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that was said."""

    role: str
    """`system`, `user` or `assistant`."""
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A call of a tool in a turn, and what it gave."""

    call: ToolCall
    result: ToolResult


@dataclass(frozen=True, slots=True)
class Question:
    """What a turn asks the model about."""

    request: str
    """The person's words."""
    history: tuple[Message, ...] = ()
    """What was said before, the oldest first."""
    findings: tuple[Finding, ...] = ()
    """What tools gave in this turn."""


class BadArguments(Exception):
    """The model's arguments do not fit the tool's schema; the text says why."""


class TwinModel(Protocol):
    """The model behind the agent. Its faults are EnvironmentFaults."""

    async def choose(self, question: Question, tools: Sequence[ToolSpec]) -> str:
        """Return the name of the tool that serves the question; `none` where none does."""
        ...

    async def arguments(self, question: Question, tool: ToolSpec) -> Mapping[str, JsonValue]:
        """Return the arguments for a tool, which fit its schema.

        Raises:
            BadArguments: the model's do not fit.
        """
        ...

    def answer(self, question: Question) -> AsyncIterator[str]:
        """Yield the parts of the answer to the person."""
        ...


class SpeechToText(Protocol):
    """Writes down what a person says. Its faults are EnvironmentFaults."""

    async def load(self) -> None:
        """Get ready, so that the first words need not wait for it."""
        ...

    async def transcribe(self, sound: bytes) -> str:
        """Return the words of one utterance; empty where there are none.

        Args:
            sound: 16-bit samples of one channel, 16,000 a second.
        """
        ...

    async def close(self) -> None:
        """Release what it holds."""
        ...


class TextToSpeech(Protocol):
    """Speaks. Its faults are EnvironmentFaults."""

    @property
    def rate(self) -> int:
        """Samples a second of its sound."""
        ...

    async def prepare(self) -> None:
        """Start what takes time, because somebody is about to be answered; may be called at any time, or never."""
        ...

    def speak(self, sentences: AsyncIterator[str]) -> AsyncIterator[bytes]:
        """Yield the sound of one answer, 16-bit samples of one channel, from its first sentence on.

        Args:
            sentences: each one line of words, as they become known.
        """
        ...

    async def close(self) -> None:
        """End all programs."""
        ...
