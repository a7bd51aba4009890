"""The supervisor's values: what a job may have done to it, a planned action, an incident with its attempts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from evolve.core.model.actions import Action, Proposal
from evolve.core.model.incidents import FailedJob, JsonFields
from evolve.core.model.json_value import JsonValue


class Mode(StrEnum):
    """How far the supervisor goes with a job."""

    OBSERVE = "observe"
    """It diagnoses and records."""
    SUGGEST = "suggest"
    """It also plans, and carries a plan out when a person approved exactly that plan."""
    ACT = "act"
    """It carries plans out by itself."""


@dataclass(frozen=True, slots=True)
class JobRule:
    """What may be done to the jobs that a pattern names."""

    pattern: str
    """`NAMESPACE/JOB`, with `*` and `?`; a pattern without `/` is of any namespace."""
    mode: Mode = Mode.SUGGEST
    actions: frozenset[Action] = frozenset()
    """Those that may be taken."""
    max_memory_mb: int = 0
    """The ceiling of `increase_memory` for a task, in MiB; 0 for twice what the job had before it was healed first."""
    scratch_paths: tuple[str, ...] = ()
    """Absolute folders below which `free_disk` may delete files."""
    remedies: Mapping[str, int] = field(default_factory=dict)
    """By the setting at fault, the version to go back to, instead of the last healthy one."""


@dataclass(frozen=True, slots=True)
class HealingLimits:
    """How much the supervisor does, whatever fails. Times in seconds."""

    attempts: int = 3
    """Of one incident, and of those before it that ended less than `relapse_s` ago."""
    first_backoff_s: float = 30.0
    longest_backoff_s: float = 3600.0
    per_hour: int = 10
    """Healings of all jobs."""
    common_cause_jobs: int = 10
    """When so many jobs begin to fail within `common_cause_s`, nothing is healed and a person is called."""
    common_cause_s: float = 60.0
    healthy_s: float = 30.0
    """How long a job must be healthy without a break until it is healed."""
    verify_s: float = 300.0
    """How long a job may take to become healthy."""
    relapse_s: float = 3600.0
    """A job that fails again so soon after it was healed is not healed for good: its earlier attempts count."""
    approval_s: float = 3600.0
    """How long an approval is valid."""
    node_memory_share: float = 0.9
    """Of a node's memory, the most that all limits together may ask for after a change."""
    cases_per_day: int = 5
    """Failure cases of one job."""


@dataclass(frozen=True, slots=True)
class HealingPolicy:
    """The rules of a cluster: the first rule whose pattern fits a job counts; a job without a rule is observed."""

    rules: tuple[JobRule, ...] = ()
    limits: HealingLimits = HealingLimits()


@dataclass(frozen=True, slots=True)
class RegisterJob:
    """Register the job with some fields changed, if nobody changed it since it was read."""

    spec: JsonFields = field(repr=False)
    """The whole job."""
    if_index: int
    """The JobModifyIndex that it must have."""
    touched: tuple[str, ...]
    """The fields that change, as Nomad's diff names them: `Meta[anneal_healing]`,
    `TaskGroups[app].Tasks[main].Resources.MemoryMB`."""


@dataclass(frozen=True, slots=True)
class RevertJob:
    """Make an old version's content the newest version, if the current version is still `if_version`."""

    version: int
    if_version: int


@dataclass(frozen=True, slots=True)
class RestartTask:
    """Restart the tasks of a running allocation in place."""

    allocation: str
    task: str


@dataclass(frozen=True, slots=True)
class EmptyFolders:
    """Delete the files below declared scratch folders of a node, then run the job again."""

    paths: tuple[str, ...]
    then: RegisterJob


@dataclass(frozen=True, slots=True)
class Await:
    """Do nothing until the service passes its checks, then run the job again."""

    service: str
    then: RegisterJob


@dataclass(frozen=True, slots=True)
class CallPerson:
    """Report the incident to people; nothing is changed."""

    reason: str


PlannedAction: TypeAlias = RegisterJob | RevertJob | RestartTask | EmptyFolders | Await | CallPerson


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an action is not taken."""

    reason: str
    """`not allowed: ...`, `ceiling: ...`, `diff: ...`, `placement: ...`, `nothing to go back to: ...`,
    `not known: ...`, `job changed: ...`, `already done: ...`."""


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What a plan is made of. Everything but the proposal comes from the cluster and the policy."""

    failed: FailedJob
    proposal: Proposal
    rule: JobRule
    limits: HealingLimits
    job: JsonFields = field(repr=False)
    """The whole job as Nomad has it."""
    versions: tuple[JsonFields, ...] = field(repr=False)
    """The versions that Nomad keeps, the newest first."""
    healing: str
    """The ID of this healing. A change of a job carries it in the Meta key `anneal_healing`."""
    tried: tuple[Action, ...] = ()
    """The actions of this incident that did not help, the oldest first."""
    node_memory_mb: int = 0
    """Of the node that ran the job; 0 where it is not known."""
    node_reserved_mb: int = 0
    """What the limits of all else that runs there ask for: without the task that failed."""
    other_nodes: int = 0
    """How many further nodes are ready and eligible."""
    healthy_versions: frozenset[int] = frozenset()
    """Versions that ran well although Nomad did not mark them as stable: it never marks those of batch jobs."""


HEALING_META = "anneal_healing"
"""The job's Meta key that names the healing which changed it last."""


class AttemptState(StrEnum):
    """What became of one healing."""

    INTENDED = "intended"
    """The intent is on disk. Whether the cluster was changed is not known."""
    DONE = "done"
    """The cluster was changed; whether it helped is not known yet."""
    HEALED = "healed"
    UNDONE = "undone"
    """It did not help and the change was taken back."""
    FAILED = "failed"
    """It did not help; there was nothing to take back, or it could not be taken back."""
    NOT_DONE = "not done"
    """The cluster refused the change, or somebody else was faster."""
    HANDED_OVER = "handed over"
    """Another supervisor verifies it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One healing of an incident."""

    id: str
    key: str
    """`key_digest` of the failure."""
    action: Action
    plan_hash: str
    state: AttemptState
    began: float
    """Seconds since 1970."""
    index_before: int = 0
    """The job's JobModifyIndex before the change."""
    version_before: int = 0
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)
    target: Mapping[str, JsonValue] = field(default_factory=dict)
    """By what the change is found again in the cluster, where it carries no mark of ours: `version`, `allocation`."""
    result: str = ""
    """Redacted."""
    healthy_since: float = 0.0
    """Since when the job has been healthy without a break; 0 while it is not."""
    running_before: int = 0
    """The job's running allocations before the change."""
    harmed: bool = False
    """Fewer ran after it than before."""
    undo_began: float = 0.0
    """When its undo was intended; 0 where none was."""


class IncidentState(StrEnum):
    """Where an incident is."""

    OPEN = "open"
    """A failure is known; the next decision waits for its time."""
    WAITING = "waiting"
    """A plan waits for a person's approval."""
    HEALING = "healing"
    """An attempt is under way: intended, or done and not verified."""
    HEALED = "healed"
    RECOVERED = "recovered"
    """By itself or by a person."""
    ESCALATED = "escalated"
    """People were called; the supervisor does nothing more about it."""
    CLOSED = "closed"
    """The job is gone or stopped."""


OPEN_STATES = frozenset({IncidentState.OPEN, IncidentState.WAITING, IncidentState.HEALING, IncidentState.ESCALATED})
"""Of incidents whose job is not known to be well."""


@dataclass(frozen=True, slots=True)
class PendingPlan:
    """A plan that waits for approval."""

    plan_hash: str
    action: Action
    arguments: Mapping[str, JsonValue]
    summary: tuple[str, ...]
    """What would change, a line each, redacted."""
    made: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Incident:
    """The failure of a job from its first sign to its end."""

    id: str
    """`ID` of the command line: ten lower-case letters and digits."""
    namespace: str
    job: str
    group: str
    task: str
    state: IncidentState
    opened: float
    """Seconds since 1970, as are all times."""
    changed: float
    key: str
    """`key_digest` of the newest failure."""
    signature: str
    """Redacted."""
    job_version: int = 0
    """Of the newest failure."""
    report: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    """The diagnostics of the newest failure, redacted."""
    node: str = ""
    next_at: float = 0.0
    """The next decision is not made before."""
    well_since: float = 0.0
    """Since when the job has been well again without a break; 0 while it is not."""
    attempts: tuple[Attempt, ...] = ()
    earlier_attempts: int = 0
    """Of the job's incidents before this one, which it followed too soon."""
    plan: PendingPlan | None = None
    note: str = ""
    """The newest reason or result, for people; redacted."""
    case: str = ""
    """The fingerprint of the failure case that was written of it."""
    revision: int = 0
    """Counts its changes; who saves an older revision loses the race."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's word for exactly one plan."""

    incident: str
    plan_hash: str
    by: str
    at: float
    expires: float


class AuditEvent(StrEnum):
    """What a record of the audit log is about."""

    OPENED = "opened"
    PROPOSED = "proposed"
    PLANNED = "planned"
    REFUSED = "refused"
    APPROVED = "approved"
    INTENDED = "intended"
    """Written before a change; `DONE` or `NOT_DONE` with the same `healing` follows each."""
    DONE = "done"
    NOT_DONE = "not done"
    VERIFIED = "verified"
    UNDO_INTENDED = "undo intended"
    """Written before an undo; `UNDONE`, or `VERIFIED` where it failed, follows each."""
    UNDONE = "undone"
    TAKEN_OVER = "taken over"
    """Another supervisor's healing: an intent that is verified here."""
    HANDED_OVER = "handed over"
    """The end of a healing that another supervisor verifies."""
    ESCALATED = "escalated"
    CLOSED = "closed"
    CASE = "case"
    REPAIRED = "repaired"
    """The log's file was not as it was left; what was found instead is in `details`."""
    PRUNED = "pruned"
    """Old incidents were deleted; how many is in `details`. Their records stay."""
    STARTED = "started"
    """The supervisor began; `mode`, its version and policy are in `details`."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One decision. Texts are redacted before they come here."""

    event: AuditEvent
    at: float
    incident: str = ""
    healing: str = ""
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    """For example `input_hash`, `prompt_version`, `model`, `answer`, `plan`, `diff`, `result`, `latency_s`."""
