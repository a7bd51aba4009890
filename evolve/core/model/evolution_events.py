"""The events of an evolution, as values; the archive, the console, the report and tests listen to them.

The report is made from these events alone, so they contain everything that a reader needs.
`core/evolution/json_lines.py` serialises them: fields are strings, numbers, booleans, JSON values, tuples and
dataclasses of this module.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from evolve.core.model.answers import TokenUsage
from evolve.core.model.gate import BeyondLookup, GateDecision
from evolve.core.model.json_value import JsonValue

BudgetUnit: TypeAlias = Literal["answers", "tokens", "seconds"]
"""What a budget counts: answers, their tokens, or the seconds in which the model works on them, added up."""

SHOWN_CHARS = 2000
"""Characters of a case in an event: enough to recognise it; the report of a failed job may be many times longer."""

VOTE = "vote"
"""Id of the lookup, the candidate that needs no model: the better lookup of core/search/lookup.py."""
BY_HAND = "by-hand"
"""The operator of candidates that a person wrote."""


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
    """Short hex digest of the genome, or `vote` for the lookup. The incumbent is a candidate too."""
    parents: tuple[str, ...]
    operator: str
    """The operator that proposed it; `incumbent` or `vote` for those two."""
    note: str
    """What was changed, in a few words."""
    text: str
    """The genome as text for people and for diffs: the agent file without its evidence."""
    reflector: str = ""
    """The provider that wrote the proposal; empty where no model was asked."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that a run will cost, from a measurement on this machine before it starts."""

    answers: int
    """The budget without answers that the ledger already contains."""
    seconds: float
    seconds_per_answer: float
    tokens: int
    cost: float | None = None
    """US dollars; None when unknown."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a run cost."""

    search: int = 0
    """Paid calls of the search."""
    gate: int = 0
    """Paid calls of the gate. search + gate never exceeds the budget."""
    free: int = 0
    """Rollouts whose answer was in the ledger."""
    repeated: int = 0
    """Calls that were in flight when an earlier attempt was killed, and were made again."""
    shrinking: int = 0
    reflector: int = 0
    """Calls to reflectors; they have their own limit."""
    tokens: TokenUsage = TokenUsage()  # noqa: RUF009  # frozen
    model_s: float = 0.0
    """Seconds during which at least one call was in flight."""
    seconds: float = 0.0
    cost: float | None = None
    answer_s: float = 0.0
    """How long the model worked on the paid answers, added up: what a budget in seconds counts."""
    used: float = 0.0
    """Of the budget, in its unit; 0 in runs of earlier versions."""


@dataclass(frozen=True, slots=True)
class EvolutionStarted:
    """A run started; the incumbent is its first candidate."""

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
    """The command that repeats the run."""
    budget_unit: BudgetUnit = "answers"


@dataclass(frozen=True, slots=True)
class EstimateRevised:
    """What the rest of the run will cost at most, by what it has cost so far; the last one counts."""

    rest: Estimate
    spent: int
    """Paid calls so far."""


@dataclass(frozen=True, slots=True)
class CandidateProposed:
    """An operator proposed a candidate."""

    candidate: CandidateInfo
    spent: int
    """Paid calls so far."""


@dataclass(frozen=True, slots=True)
class ProposalRejected:
    """A proposal was rejected before any rollout: malformed, a duplicate, too long ..."""

    operator: str
    reason: str
    reflector: str = ""
    """The provider whose answer it was; empty where no model was asked."""
    kind: str = ""
    """Of a reflector's answer: the cause, as in core/search/proposals.py."""


@dataclass(frozen=True, slots=True)
class ReflectorStopped:
    """A reflector is not asked any more in this run; the others, and the operators that need no model, go on."""

    reason: str
    hint: str
    """What the user can do about it; options and commands in it exist."""
    calls: int
    """How often it was asked before."""
    reflector: str = ""
    """Its provider."""


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
    """Whether the answer was in the ledger, or needed no model."""
    tokens: TokenUsage = TokenUsage()  # noqa: RUF009  # frozen
    seconds: float = 0.0
    spent: int = 0
    """Paid calls of search and gate so far, including this one."""
    used: float = 0.0
    """Tokens or seconds that the run has used of its budget so far; 0 for a budget in answers."""


@dataclass(frozen=True, slots=True)
class CandidateScreened:
    """A candidate was screened on a few cases."""

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
    """Mean score on the cases that it answered, 0..1."""
    dropped: bool = False
    """Whether it left the race early."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A candidate may become a parent from now on; `is_best` if no other has a higher mean."""

    candidate: str
    is_best: bool
    reason: str


@dataclass(frozen=True, slots=True)
class GateStarted:
    """The search ended; its winner is compared with the incumbent on the gate's families."""

    winner: str
    incumbent: str
    cases: int
    families: int


@dataclass(frozen=True, slots=True)
class GateDecided:
    """The gate decided; `number` counts all gates of the project, from 1."""

    candidate: str
    number: int
    decision: GateDecision
    vote: float | None = None
    """The lookup's mean on the same cases; None when the agent's answers are not a closed set."""
    beyond: BeyondLookup | None = None
    """What the winner is worth beyond the best baseline without a model; None where there is no baseline."""


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
    """A new version was written to an agent file."""

    agent: str
    """NAME@VERSION of the new one."""
    file: str
    candidate: str
    word: str


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A promotion was undone."""

    agent: str
    """NAME@VERSION of the version that was restored; empty when the promotion had created the file."""
    file: str


@dataclass(frozen=True, slots=True)
class EvolutionFinished:
    """A run finished."""

    winner: str
    """Id of the candidate that was compared at the gate; the incumbent's when no candidate was better in the search."""
    outcome: Literal["proven", "provisional", "rejected", "untested", "no-better", "interrupted", "nothing-to-do"]
    """untested: better on the cases that the search has seen, but no gate was opened."""
    reason: str
    account: Account
    still_failing: tuple[str, ...] = ()
    """Ids of the train and failure cases that the winner fails."""


EvolutionEvent: TypeAlias = (
    EvolutionStarted
    | EstimateRevised
    | CandidateProposed
    | ProposalRejected
    | ReflectorStopped
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
