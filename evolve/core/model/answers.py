"""A request to a provider and its answer, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evolve.core.model.json_value import JsonValue


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one or more calls; `cached` is the part of `prompt` that came from a prefix cache."""

    total: int = 0
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    requests: int = 0

    def __add__(self, other: "TokenUsage") -> "TokenUsage":
        return TokenUsage(
            self.total + other.total,
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.cached + other.cached,
            self.requests + other.requests,
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a provider."""

    prompt: str
    """Rendered text. Chat providers send a JSON array of messages as a chat."""
    vars: Mapping[str, JsonValue] = field(default_factory=dict)
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    """The prompt's own settings; they override the provider's, key by key."""
    raw_prompt: str = ""
    """The template before rendering, and its label: context for Python and exec providers."""
    label: str = ""
    repeat: int = 0
    """Number of the repetition of the same case, from 0; part of the answer's identity."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    """The test's metadata, for providers that hand a context to user code."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's answer. Faults of the infrastructure are raised instead."""

    output: JsonValue
    """Text, or structured data (tool calls, parsed JSON)."""
    error: str | None = None
    """The provider's own statement that it has no answer (a Python provider's `error`); the test becomes an error."""
    latency_ms: float = 0.0
    cost: float | None = None
    """US dollars; None when unknown."""
    tokens: TokenUsage = TokenUsage()
    finish_reason: str | None = None
    guardrails: Mapping[str, JsonValue] | None = None
    log_probs: tuple[float, ...] | None = None
    """Natural logarithms, one per generated token."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    cached: bool = False
    raw: JsonValue = None
    """The endpoint's whole response, where the provider keeps it."""

    @property
    def is_cut(self) -> bool:
        """Whether the answer was cut off at the token limit."""
        return self.finish_reason == "length"


def repeated_identity(identity: JsonValue, repeat: int) -> JsonValue:
    """Return the key of one repetition of a request; suites and evolutions use the same keys, so they share answers.

    Args:
        repeat: number of the repetition; 0 is the request itself.
    """
    return {"repeat": repeat, "of": identity} if repeat else identity
