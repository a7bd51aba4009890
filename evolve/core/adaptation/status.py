"""How things stand with failures that wait for an evolution: what the queue gives, and what commands print."""

from dataclasses import dataclass
from typing import NamedTuple

from evolve.core.adaptation.failures import QueuedRequest, Step
from evolve.core.adaptation.reflection import Action
from evolve.core.model.evolution_events import CaseRecorded


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """What the agent answered about a job."""

    action: Action
    error: str = ""
    """Why it is `error`."""


class Evolved(NamedTuple):
    """What became of an evolution with a case."""

    run: str
    outcome: str


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """What became of one report."""

    job_id: str
    agent: str
    """NAME@VERSION."""
    said: AgentAnswer
    recorded: CaseRecorded | None = None
    """None when the agent was right already."""
    step: Step | None = None
    """None likewise."""
    is_new_in_queue: bool = False
    """False when the failure waited or was under way already."""
    evolved: Evolved | None = None
    """The earlier evolution, where the step is `known`."""
    agent_file: str = ""
    """The agent's file as the caller named it; empty for an agent that comes with the package."""


class Waiting(NamedTuple):
    """One failure in the queue."""

    fingerprint: str
    file: str
    queued_s: float
    """Seconds since the epoch, as all times here."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The failures that one evolution has taken."""

    number: int
    agent: str
    """The agent's file."""
    failures: tuple[Waiting, ...]
    queued: QueuedRequest
    """The newest failure's."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One evolution that was started."""

    pid: int
    is_alive: bool
    started_s: float
    log: str
    """Empty for one in the foreground."""
    ended_s: float | None
    outcome: str
    failures: tuple[Waiting, ...]
    """That it has taken and that are not done yet."""


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """How things stand with one agent."""

    agent: str
    """Its file."""
    waiting: tuple[Waiting, ...]
    started_today: int
    last: RunStatus | None
    """The newest evolution; None before the first."""

    @property
    def running(self) -> RunStatus | None:
        """The evolution that runs now."""
        return self.last if self.last is not None and self.last.is_alive and self.last.ended_s is None else None

    @property
    def was_killed(self) -> bool:
        """Whether the newest evolution ended without a word: its failures wait for the next call."""
        return self.last is not None and self.last.ended_s is None and not self.last.is_alive
