"""Evaluations, and why an allocation could not be placed."""

from dataclasses import dataclass

from evolve.cluster.fields import Fields, many
from evolve.cluster.operations import ApiReply


@dataclass(frozen=True, slots=True)
class PlacementFailure:
    """Why no node could take one more allocation of a group."""

    nodes_evaluated: int
    nodes_filtered: int
    nodes_exhausted: int
    nodes_available: dict[str, int]
    """By datacenter; empty for a datacenter that no node is in."""
    constraints: dict[str, int]
    """What filtered nodes, such as `missing drivers`, with how many."""
    exhausted: dict[str, int]
    """What ran out, such as `memory`, with on how many nodes."""
    more: int
    """How many further allocations failed for the same reason."""


@dataclass(frozen=True, slots=True)
class NomadEvaluation:
    """One decision of the scheduler, made or pending."""

    id: str
    job_id: str
    namespace: str
    status: str
    """`pending`, `complete`, `blocked`, `failed` or `canceled`."""
    triggered_by: str
    deployment_id: str
    blocked_eval: str
    next_eval: str
    previous_eval: str
    wait_until: str
    """RFC 3339; empty unless it waits for a time."""
    create_index: int
    """An earlier job of the same ID left its evaluations: they are older than the job."""
    modify_index: int
    failures: dict[str, PlacementFailure]


def evaluation(reply: ApiReply) -> NomadEvaluation:
    """Return one evaluation."""
    return _evaluation(Fields(reply.json))


def evaluations(reply: ApiReply) -> tuple[NomadEvaluation, ...]:
    """Return a list of evaluations, in no order."""
    return tuple(_evaluation(one) for one in many(reply.json))


def _evaluation(one: Fields) -> NomadEvaluation:
    return NomadEvaluation(
        id=one.key("ID"),
        job_id=one.text("JobID"),
        namespace=one.text("Namespace"),
        status=one.text("Status"),
        triggered_by=one.text("TriggeredBy"),
        deployment_id=one.text("DeploymentID"),
        blocked_eval=one.text("BlockedEval"),
        next_eval=one.text("NextEval"),
        previous_eval=one.text("PreviousEval"),
        wait_until=one.text("WaitUntil"),
        create_index=one.number("CreateIndex"),
        modify_index=one.number("ModifyIndex"),
        failures=failures(one, "FailedTGAllocs"),
    )


def failures(one: Fields, name: str) -> dict[str, PlacementFailure]:
    """Return the placement failures of a field, by group."""
    return {group: _failure(found) for group, found in one.named(name).items()}


def _failure(one: Fields) -> PlacementFailure:
    return PlacementFailure(
        nodes_evaluated=one.number("NodesEvaluated"),
        nodes_filtered=one.number("NodesFiltered"),
        nodes_exhausted=one.number("NodesExhausted"),
        nodes_available=one.counts("NodesAvailable"),
        constraints=one.counts("ConstraintFiltered"),
        exhausted=one.counts("DimensionExhausted"),
        more=one.number("CoalescedFailures"),
    )
