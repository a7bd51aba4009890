"""What Prometheus reads of the agent. Labels are stages, tools and results; never a word of anybody."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipecatapp.wire.experts import Tokens

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Bounds from the agent's own cost to a long wait for a person."""

_VOICE: Final = {
    "stt": ("stt", "Speech to text, an utterance"),
    "tts": ("tts", "Text to speech, from an answer's first sentence to its first sound"),
    "answer": ("voice_answer", "From the end of what a person says to the first sound of the answer"),
}
"""What the voice measures, with the names and texts of its series."""


class AgentMetrics:
    """All series, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._stages = Histogram(
            "pipecatapp_stage_seconds", "Stages of turns", ["stage"], buckets=_SECONDS, registry=registry
        )
        self._turns = Counter("pipecatapp_turns", "Turns by their end", ["outcome", "source"], registry=registry)
        self._running = Gauge("pipecatapp_turns_running", "Turns under way", registry=registry)
        self._tools = Counter("pipecatapp_tool_calls", "Calls of tools", ["tool", "result"], registry=registry)
        self._tokens = Counter("pipecatapp_tokens", "Tokens by the model's count", ["kind"], registry=registry)
        self._clients = Gauge("pipecatapp_websocket_clients", "Open pages", registry=registry)
        self._dropped = Counter("pipecatapp_clients_dropped", "Pages that read too slowly", registry=registry)
        self._voice = {
            what: Histogram(f"pipecatapp_{name}_seconds", text, buckets=_SECONDS, registry=registry)
            for what, (name, text) in _VOICE.items()
        }
        self._listeners = Gauge("pipecatapp_microphones", "Open microphones", registry=registry)
        self._unkept = Counter("pipecatapp_memory_failures", "Writes to the memory that failed", registry=registry)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage of a turn: choosing, filling, asking, running, answering or turn."""
        began = perf_counter()
        try:
            yield
        finally:
            self._stages.labels(name).observe(perf_counter() - began)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Count a turn as running, and measure it."""
        with self._running.track_inprogress(), self.stage("turn"):
            yield

    def count_turn(self, outcome: str, source: str) -> None:
        """Count a turn that has ended."""
        self._turns.labels(outcome, source).inc()

    def count_tool(self, tool: str, reason: str) -> None:
        """Count a call of a tool; the tool is one of those that there are, the reason empty for a result."""
        self._tools.labels(tool, reason or "ok").inc()

    def count_tokens(self, tokens: Tokens) -> None:
        """Add an answer's tokens."""
        self._tokens.labels("prompt").inc(tokens.prompt)
        self._tokens.labels("completion").inc(tokens.completion)

    @contextmanager
    def client(self) -> Iterator[None]:
        """Count an open page."""
        with self._clients.track_inprogress():
            yield

    def count_dropped(self) -> None:
        """Count a page that was closed because it read too slowly."""
        self._dropped.inc()

    def count_unkept(self) -> None:
        """Count a write to the memory that failed."""
        self._unkept.inc()

    def observe_voice(self, what: str, seconds: float) -> None:
        """Measure a part of the voice: stt, tts or answer."""
        self._voice[what].observe(seconds)

    @contextmanager
    def microphone(self) -> Iterator[None]:
        """Count an open microphone."""
        with self._listeners.track_inprogress():
            yield
