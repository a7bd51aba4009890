"""What a cluster answered about one job, and the diagnosis that is made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from evolve.core.model.json_value import JsonValue

JsonFields: TypeAlias = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class TaskLogs:
    """The tails of a task's output."""

    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class JobAnswers:
    """Nomad's answers about one job, as JSON. What was not read, or answered with null, is empty."""

    job: JsonFields | None
    """None for a job that does not exist (any more)."""
    now_ns: int
    """When the answers were read, in nanoseconds since 1970, as Nomad counts."""
    allocations: tuple[JsonFields, ...] = ()
    evaluations: tuple[JsonFields, ...] = ()
    deployment: JsonFields | None = None
    """The newest one."""
    versions: tuple[JsonFields, ...] = ()
    """The newest first."""
    node: JsonFields | None = None
    """The node of the allocation that failed."""
    usage: JsonFields | None = None
    """The statistics of that allocation."""
    checks: tuple[JsonFields, ...] = ()
    """The health checks of that allocation."""
    logs: Mapping[tuple[str, str], TaskLogs] = field(default_factory=dict)
    """By allocation and task."""
    dependencies: Mapping[str, str] = field(default_factory=dict)
    """The state of each service that the job depends on, such as `passing`, `critical` or `absent`."""


class NoFailure(StrEnum):
    """Why nothing is to be done about a job."""

    GONE = "the job does not exist"
    STOPPED = "somebody stopped the job"
    PARENT = "a periodic or parameterized job runs nothing itself"
    FINISHED = "the batch job finished"
    HEALTHY = "nothing failed"
    RECOVERED = "the job recovered by itself"
    REPLACED = "only an old version fails, and it is being replaced"
    DRAINING = "the node is draining, and the job moves"
    RESTART_DELAY = "Nomad restarts the task after a delay"
    FOLLOW_UP = "Nomad reschedules the allocation"
    DEPLOYING = "a deployment is running"


@dataclass(frozen=True, slots=True)
class FailureKey:
    """What makes a failure one failure: equal keys are healed at most once."""

    namespace: str
    job: str
    group: str
    task: str
    allocation: str
    """Empty for a job that no node took."""
    job_version: int
    signature: str
    """What happened, without times, ids, addresses and numbers other than exit code and signal."""


@dataclass(frozen=True, slots=True)
class VersionChange:
    """One field that differs from the last healthy version."""

    field: str
    before: str | int | float | None = None
    after: str | int | float | None = None
    """Both None where the values may be secrets."""


@dataclass(frozen=True, slots=True)
class FailureEvidence:
    """What is known of the last run."""

    status: str
    exit_code: int | None = None
    signal: int | None = None
    oom_killed: bool | None = None
    restarts: int = 0
    events: tuple[JsonFields, ...] = ()
    """As `diagnostics.schema.json` has them, oldest first."""
    checks: tuple[JsonFields, ...] = ()
    placement: JsonFields = field(default_factory=dict)
    """Why no node took the job, by the evaluation."""
    deployment: JsonFields = field(default_factory=dict)
    logs: TaskLogs = TaskLogs()


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A failure of a job, with all that is known of it."""

    key: FailureKey
    evidence: FailureEvidence
    since_ns: int | None
    """When it failed first, in nanoseconds since 1970."""
    failures: int
    """How often it failed since then, restarts included."""
    driver: str = ""
    image: str = ""
    job_type: str = ""
    node: str = ""
    limits: JsonFields = field(default_factory=dict)
    usage: JsonFields = field(default_factory=dict)
    changes: tuple[VersionChange, ...] = ()
    dependencies: Mapping[str, str] = field(default_factory=dict)
    node_facts: JsonFields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobDiagnosis:
    """What is to be made of a job."""

    none: NoFailure | None
    """Why nothing is to be done; None where the job failed and Nomad does nothing more about it."""
    failed: FailedJob | None
    """The failure. Also given while Nomad is at work on it."""
