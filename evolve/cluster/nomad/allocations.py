"""Allocations and their tasks."""

from dataclasses import dataclass, field

from evolve.cluster.fields import Fields, many
from evolve.cluster.operations import ApiReply


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """One thing that happened to a task."""

    type: str
    message: str = field(repr=False)
    """The text to show; a driver's or program's words, which may hold anything."""
    details: dict[str, str] = field(repr=False)
    exit_code: int
    signal: int
    fails_task: bool
    time_ns: int


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task of an allocation. Nomad keeps its newest ten events, the oldest first."""

    state: str
    """`pending`, `running` or `dead`."""
    has_failed: bool
    restarts: int
    events: tuple[TaskEvent, ...]


@dataclass(frozen=True, slots=True)
class NomadAllocation:
    """One instance of a group on a node. A list shows all of this but `has_job`."""

    id: str
    name: str
    namespace: str
    job_id: str
    group: str
    node_id: str
    eval_id: str
    deployment_id: str
    client_status: str
    """`pending`, `running`, `complete`, `failed`, `lost` or `unknown`; `lost` may run again for a moment."""
    client_description: str
    desired_status: str
    desired_description: str
    is_healthy: bool | None
    """As its deployment sees it; None before it decided, or without one."""
    is_canary: bool
    job_version: int
    previous_id: str
    next_id: str
    followup_eval_id: str
    """Names the pending evaluation that will replace it; empty for about a second after a failure."""
    tasks: dict[str, TaskState]
    create_index: int
    modify_index: int
    create_time_ns: int
    modify_time_ns: int


@dataclass(frozen=True, slots=True)
class StoppedAllocation:
    """What the stop of an allocation answers."""

    eval_id: str
    index: int


@dataclass(frozen=True, slots=True)
class AllocationCheck:
    """The newest result of a check with the provider `nomad`."""

    name: str
    service: str
    status: str
    """`success`, `failure` or `pending`."""
    output: str = field(repr=False)


def allocation(reply: ApiReply) -> NomadAllocation:
    """Return one allocation."""
    return read_allocation(Fields(reply.json))


def allocations(reply: ApiReply) -> tuple[NomadAllocation, ...]:
    """Return a list of allocations, in no order."""
    return tuple(read_allocation(one) for one in many(reply.json))


def stopped(reply: ApiReply) -> StoppedAllocation:
    """Return what a stop answers."""
    return StoppedAllocation(Fields(reply.json).text("EvalID"), reply.index)


def check_results(reply: ApiReply) -> tuple[AllocationCheck, ...]:
    """Return the results of an allocation's checks; none (null) where Consul has them."""
    found = Fields({"checks": reply.json}).named("checks").values()
    return tuple(
        AllocationCheck(one.text("Check"), one.text("Service"), one.text("Status"), one.text("Output")) for one in found
    )


def read_allocation(one: Fields) -> NomadAllocation:
    """Return the allocation of an object, out of an answer or an event."""
    health = one.fields("DeploymentStatus")
    return NomadAllocation(
        id=one.key("ID"),
        name=one.text("Name"),
        namespace=one.text("Namespace"),
        job_id=one.text("JobID"),
        group=one.text("TaskGroup"),
        node_id=one.text("NodeID"),
        eval_id=one.text("EvalID"),
        deployment_id=one.text("DeploymentID"),
        client_status=one.text("ClientStatus"),
        client_description=one.text("ClientDescription"),
        desired_status=one.text("DesiredStatus"),
        desired_description=one.text("DesiredDescription"),
        is_healthy=health.choice("Healthy"),
        is_canary=health.flag("Canary"),
        job_version=one.number("JobVersion") or one.fields("Job").number("Version"),
        previous_id=one.text("PreviousAllocation"),
        next_id=one.text("NextAllocation"),
        followup_eval_id=one.text("FollowupEvalID"),
        tasks={name: _task(task) for name, task in one.named("TaskStates").items()},
        create_index=one.number("CreateIndex"),
        modify_index=one.number("ModifyIndex"),
        create_time_ns=one.number("CreateTime"),
        modify_time_ns=one.number("ModifyTime"),
    )


def _task(one: Fields) -> TaskState:
    events = tuple(_event(event) for event in one.many("Events"))
    return TaskState(one.text("State"), one.flag("Failed"), one.number("Restarts"), events)


def _event(one: Fields) -> TaskEvent:
    return TaskEvent(
        type=one.text("Type"),
        message=one.text("DisplayMessage"),
        details=one.text_map("Details"),
        exit_code=one.number("ExitCode"),
        signal=one.number("Signal"),
        fails_task=one.flag("FailsTask"),
        time_ns=one.number("Time"),
    )
