"""Jobs as Nomad shows them: in a list, whole, planned, registered, scaled and dispatched."""

from dataclasses import dataclass, field

from evolve.cluster.fields import Fields, JsonObject, many
from evolve.cluster.nomad.evaluations import PlacementFailure, failures
from evolve.cluster.operations import ApiReply


@dataclass(frozen=True, slots=True)
class JobStub:
    """A job as the list of jobs shows it."""

    id: str
    namespace: str
    type: str
    status: str
    """`pending`, `running` or `dead`. A parameterized job is `running` while nothing runs."""
    is_stopped: bool
    """The only sign that somebody stopped it: a job that failed for good is `dead` too."""
    parent_id: str
    is_periodic: bool
    is_parameterized: bool
    create_index: int
    modify_index: int
    job_modify_index: int


@dataclass(frozen=True, slots=True)
class Job:
    """A whole job. What it runs, with all its secrets, is in `spec`, which no repr shows."""

    id: str
    namespace: str
    type: str
    status: str
    is_stopped: bool
    is_stable: bool
    version: int
    parent_id: str
    is_periodic: bool
    is_parameterized: bool
    create_index: int
    modify_index: int
    job_modify_index: int
    """What check-and-set compares."""
    spec: JsonObject = field(repr=False)


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """How many allocations of a group there are in each state, over all of the past."""

    queued: int
    starting: int
    running: int
    complete: int
    failed: int
    lost: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Registered:
    """What a register, revert, scale, stop, evaluate or periodic force answers."""

    eval_id: str
    """Empty for periodic and parameterized jobs, and where nothing was to be done."""
    job_modify_index: int
    index: int
    warnings: str


@dataclass(frozen=True, slots=True)
class Dispatched:
    """A child of a parameterized job."""

    job_id: str
    eval_id: str
    """Empty where the idempotency token was used before: then the child is the one of that time."""


@dataclass(frozen=True, slots=True)
class GroupUpdates:
    """What a plan would do with a group's allocations, as counts."""

    place: int
    stop: int
    migrate: int
    ignore: int
    in_place: int
    destructive: int
    canary: int


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What a register would change."""

    job_modify_index: int
    """0 for a job that does not exist."""
    diff: JsonObject = field(repr=False)
    """As Nomad gives it: fields with their old and new values, which may be secrets."""
    diff_type: str
    """`Added`, `Edited`, `None`; empty where no diff was asked for."""
    updates: dict[str, GroupUpdates]
    failures: dict[str, PlacementFailure]
    """Groups that no node could take."""
    warnings: str


@dataclass(frozen=True, slots=True)
class GroupScale:
    """A group's counts as the scale status shows them."""

    desired: int
    placed: int
    running: int
    healthy: int
    unhealthy: int


@dataclass(frozen=True, slots=True)
class ScaleStatus:
    """The counts of a job's groups."""

    job_modify_index: int
    is_stopped: bool
    groups: dict[str, GroupScale]


@dataclass(frozen=True, slots=True)
class Validation:
    """What Nomad says of a job without registering it."""

    errors: tuple[str, ...]
    warnings: str


def job_stubs(reply: ApiReply) -> tuple[JobStub, ...]:
    """Return a list of jobs."""
    return tuple(_stub(one) for one in many(reply.json))


def _stub(one: Fields) -> JobStub:
    return JobStub(
        id=one.key("ID"),
        namespace=one.text("Namespace"),
        type=one.text("Type"),
        status=one.text("Status"),
        is_stopped=one.flag("Stop"),
        parent_id=one.text("ParentID"),
        is_periodic=one.flag("Periodic"),
        is_parameterized=one.flag("ParameterizedJob"),
        create_index=one.number("CreateIndex"),
        modify_index=one.number("ModifyIndex"),
        job_modify_index=one.number("JobModifyIndex"),
    )


def job(reply: ApiReply) -> Job:
    """Return one job."""
    return _job(Fields(reply.json))


def job_versions(reply: ApiReply) -> tuple[Job, ...]:
    """Return the versions that Nomad keeps, the newest first."""
    return tuple(_job(one) for one in Fields(reply.json).many("Versions"))


def _job(one: Fields) -> Job:
    return Job(
        id=one.key("ID"),
        namespace=one.text("Namespace"),
        type=one.text("Type"),
        status=one.text("Status"),
        is_stopped=one.flag("Stop"),
        is_stable=one.flag("Stable"),
        version=one.number("Version"),
        parent_id=one.text("ParentID"),
        is_periodic=one.has("Periodic"),
        is_parameterized=one.has("ParameterizedJob"),
        create_index=one.number("CreateIndex"),
        modify_index=one.number("ModifyIndex"),
        job_modify_index=one.number("JobModifyIndex"),
        spec=one.raw,
    )


def summary(reply: ApiReply) -> dict[str, GroupSummary]:
    """Return a job's summary by group."""
    names = ("Queued", "Starting", "Running", "Complete", "Failed", "Lost", "Unknown")
    groups = Fields(reply.json).named("Summary")
    return {group: GroupSummary(*(one.number(name) for name in names)) for group, one in groups.items()}


def registered(reply: ApiReply) -> Registered:
    """Return what a change of a job answers."""
    one = Fields(reply.json)
    return Registered(one.text("EvalID"), one.number("JobModifyIndex"), reply.index, one.text("Warnings"))


def dispatched(reply: ApiReply) -> Dispatched:
    """Return what a dispatch answers."""
    one = Fields(reply.json)
    return Dispatched(one.key("DispatchedJobID"), one.text("EvalID"))


def job_plan(reply: ApiReply) -> JobPlan:
    """Return what a plan answers."""
    one = Fields(reply.json)
    return JobPlan(
        job_modify_index=one.number("JobModifyIndex"),
        diff=one.fields("Diff").raw,
        diff_type=one.fields("Diff").text("Type"),
        updates={name: _updates(group) for name, group in one.fields("Annotations").named("DesiredTGUpdates").items()},
        failures=failures(one, "FailedTGAllocs"),
        warnings=one.text("Warnings"),
    )


def _updates(one: Fields) -> GroupUpdates:
    names = ("Place", "Stop", "Migrate", "Ignore", "InPlaceUpdate", "DestructiveUpdate", "Canary")
    return GroupUpdates(*(one.number(name) for name in names))


def scale_status(reply: ApiReply) -> ScaleStatus:
    """Return a job's scale status."""
    one = Fields(reply.json)
    names = ("Desired", "Placed", "Running", "Healthy", "Unhealthy")
    groups = {
        name: GroupScale(*(group.number(key) for key in names)) for name, group in one.named("TaskGroups").items()
    }
    return ScaleStatus(one.number("JobModifyIndex"), one.flag("JobStopped"), groups)


def validation(reply: ApiReply) -> Validation:
    """Return what Nomad says of a job; it answers 200 for an invalid one too."""
    one = Fields(reply.json)
    errors = one.texts("ValidationErrors") or tuple(filter(None, (one.text("Error"),)))
    return Validation(errors, one.text("Warnings"))


def parsed_job(reply: ApiReply) -> JsonObject:
    """Return the job that HCL describes, as JSON."""
    return Fields(reply.json).raw
