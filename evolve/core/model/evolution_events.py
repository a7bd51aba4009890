"""What happens while an agent evolves, as values: the archive, the console, the report and tests listen.

The report is made of these alone, so each says all that a reader needs. All are JSON-serialisable by
`core/evolution/json_lines.py`: fields are strings, numbers, booleans, JSON values, tuples and dataclasses of this
module.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from evolve.core.model.answers import TokenUsage
from evolve.core.model.gate import GateDecision
from evolve.core.model.json_value import JsonValue

SHOWN_CHARS = 2000
"""Of a case in an event; a report of a failed job may have many times as many."""
VOTE = "vote"
"""Id of the candidate that asks no model: the better lookup of core/search/lookup.py."""


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """One case of the run."""

    id: str
    description: str
    family: str
    split: str
    file: str = ""
    status: str = ""
    """A failure case's status; empty for a suite's own test."""
    shown: str = ""
    """The case as the prompt shows it, cut at SHOWN_CHARS."""
    accepted: tuple[JsonValue, ...] = ()


@dataclass(frozen=True, slots=True)
class CandidateInfo:
    """One candidate and where it came from."""

    id: str
    """Short hex digest of the genome; the incumbent's and the vote's are candidates too."""
    parents: tuple[str, ...]
    operator: str
    """The operator that proposed it; `incumbent` and `vote` for those two."""
    note: str
    """What was changed, in a few words."""
    text: str
    """The genome as text for people and for diffs: the agent file without its evidence."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will cost at most, as measured on this machine before it starts."""

    answers: int
    """Budget less what the ledger is known to hold."""
    seconds: float
    seconds_per_answer: float
    tokens: int
    cost: float | None = None
    """US dollars; None when unknown."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a run did cost."""

    search: int = 0
    """Answers bought by the search."""
    gate: int = 0
    """Answers bought by the gate. search + gate never exceeds the budget."""
    free: int = 0
    """Rollouts that the ledger knew."""
    repeated: int = 0
    """Calls that were in flight when an earlier attempt was killed, and had to be made again."""
    shrinking: int = 0
    reflector: int = 0
    """Calls to the reflector; they have their own cap."""
    tokens: TokenUsage = TokenUsage()  # noqa: RUF009  # frozen
    model_s: float = 0.0
    """Seconds in which at least one call was under way."""
    seconds: float = 0.0
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class EvolutionStarted:
    """A run begins; the incumbent is its first candidate."""

    run: str
    agent: str
    """NAME@VERSION."""
    provider: str
    seed: int
    budget: int
    tasks: tuple[TaskInfo, ...]
    incumbent: CandidateInfo
    estimate: Estimate
    started_s: float
    """Seconds since the epoch."""
    resumed: bool = False
    command: str = ""
    """The command that runs this again."""


@dataclass(frozen=True, slots=True)
class CandidateProposed:
    """An operator made a candidate."""

    candidate: CandidateInfo
    spent: int
    """Answers bought so far."""


@dataclass(frozen=True, slots=True)
class ProposalRejected:
    """A proposal that cost no rollout: malformed, a duplicate, too long ..."""

    operator: str
    reason: str


@dataclass(frozen=True, slots=True)
class RolloutScored:
    """One candidate answered one case once."""

    candidate: str
    task: str
    split: str
    score: float
    passed: bool
    is_harmful: bool
    reason: str
    output: JsonValue
    repeat: int = 0
    is_free: bool = False
    """The ledger knew it (or no model was asked)."""
    tokens: TokenUsage = TokenUsage()  # noqa: RUF009  # frozen
    seconds: float = 0.0
    spent: int = 0
    """Answers bought so far by search and gate, this one included."""


@dataclass(frozen=True, slots=True)
class CandidateScreened:
    """A candidate was tried on a few cases."""

    candidate: str
    kept: bool
    reason: str


@dataclass(frozen=True, slots=True)
class CandidateScored:
    """A candidate's race or validation ended."""

    candidate: str
    split: str
    cases: int
    mean: float
    """Mean score on the cases it answered, 0..1."""
    dropped: bool = False
    """It left the race early."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A candidate joined those that may become parents; `is_best` when none has a higher mean."""

    candidate: str
    is_best: bool
    reason: str


@dataclass(frozen=True, slots=True)
class GateStarted:
    """The search is over, its winner meets the incumbent on the gate's families."""

    winner: str
    incumbent: str
    cases: int
    families: int


@dataclass(frozen=True, slots=True)
class GateDecided:
    """The gate's word; `number` counts the gates of the project's life, from 1."""

    candidate: str
    number: int
    decision: GateDecision
    vote: float | None = None
    """The model-free vote's mean on the same cases; None where answers are no closed set."""


@dataclass(frozen=True, slots=True)
class CaseRecorded:
    """A failure case was written or changed."""

    file: str
    fingerprint: str
    agent: str
    status: str
    change: Literal["new", "repeat", "shrunk", "flaky", "pinned", "regression", "recurred"]


@dataclass(frozen=True, slots=True)
class Promoted:
    """An agent file got a new version."""

    agent: str
    """NAME@VERSION of the new one."""
    file: str
    candidate: str
    word: str


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A promotion was undone."""

    agent: str
    """NAME@VERSION of the one that is in the file again; empty where the promotion had made the file."""
    file: str


@dataclass(frozen=True, slots=True)
class EvolutionFinished:
    """A run is over."""

    winner: str
    """Id of the candidate that met the gate, the incumbent's when nothing was better in the search."""
    outcome: Literal["proven", "provisional", "rejected", "untested", "no-better", "interrupted", "nothing-to-do"]
    """untested: better on the cases that the search has seen, and no gate was opened."""
    reason: str
    account: Account
    still_failing: tuple[str, ...] = ()
    """Ids of train and failure cases that the winner fails."""


EvolutionEvent: TypeAlias = (
    EvolutionStarted
    | CandidateProposed
    | ProposalRejected
    | RolloutScored
    | CandidateScreened
    | CandidateScored
    | Accepted
    | GateStarted
    | GateDecided
    | CaseRecorded
    | Promoted
    | RolledBack
    | EvolutionFinished
)
