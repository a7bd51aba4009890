"""The state of failures that wait for an evolution: what the queue returns and what commands print."""

from dataclasses import dataclass
from typing import NamedTuple

from evolve.core.adaptation.failures import QueuedRequest, Step
from evolve.core.model.actions import Action
from evolve.core.model.evolution_events import CaseRecorded


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """What the agent answered about a job."""

    action: Action
    error: str = ""
    """Why the action is `error`."""


class Evolved(NamedTuple):
    """The result of an earlier evolution with a case."""

    run: str
    outcome: str


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """The result of taking in one report."""

    job_id: str
    agent: str
    """NAME@VERSION."""
    answer: AgentAnswer
    recorded: CaseRecorded | None = None
    """The case; None when the agent's answer was right."""
    step: Step | None = None
    """What the case starts; None without a case."""
    is_new_in_queue: bool = False
    """False when the failure was waiting or being evolved already."""
    evolved: Evolved | None = None
    """The earlier evolution, if the step is `known`."""
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
    """The request of the newest failure."""


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
    """The failures that it has taken and not finished yet."""


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """The queue and the evolutions of one agent."""

    agent: str
    """Its file."""
    waiting: tuple[Waiting, ...]
    started_today: int
    last: RunStatus | None
    """The newest evolution; None before the first."""

    @property
    def running(self) -> RunStatus | None:
        """The evolution that is running; None when there is none."""
        return self.last if self.last is not None and self.last.is_alive and self.last.ended_s is None else None

    @property
    def was_killed(self) -> bool:
        """Whether the newest evolution died without recording its end; its failures wait for the next call."""
        return self.last is not None and self.last.ended_s is None and not self.last.is_alive
