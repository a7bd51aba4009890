"""Deployments: the roll-out of one version of a job."""

from dataclasses import dataclass

from evolve.cluster.fields import Fields, many
from evolve.cluster.operations import ApiReply


@dataclass(frozen=True, slots=True)
class DeploymentGroup:
    """How far one group is."""

    desired: int
    placed: int
    healthy: int
    unhealthy: int
    desired_canaries: int
    placed_canaries: tuple[str, ...]
    is_promoted: bool
    reverts: bool
    progress_by: str
    """RFC 3339; empty before the first placement, and then the deployment runs for ever."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The roll-out of one version."""

    id: str
    job_id: str
    namespace: str
    job_version: int
    status: str
    """`running`, `successful`, `failed`, `cancelled`, `paused` and others."""
    description: str
    create_index: int
    modify_index: int
    groups: dict[str, DeploymentGroup]

    @property
    def is_active(self) -> bool:
        """Whether it still goes on; as long as it does, scaling is refused."""
        return self.status not in ("successful", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class DeploymentChanged:
    """What fail and promote answer."""

    eval_id: str
    reverted_version: int | None
    """The version that a failed deployment went back to."""


def deployment(reply: ApiReply) -> Deployment:
    """Return one deployment."""
    return _deployment(Fields(reply.json))


def latest_deployment(reply: ApiReply) -> Deployment | None:
    """Return the newest deployment of a job; None where there is none, or no such job."""
    return None if reply.json is None else deployment(reply)


def deployments(reply: ApiReply) -> tuple[Deployment, ...]:
    """Return a list of deployments, in no order."""
    return tuple(_deployment(one) for one in many(reply.json))


def deployment_changed(reply: ApiReply) -> DeploymentChanged:
    """Return what a change of a deployment answers."""
    one = Fields(reply.json)
    version = one.number("RevertedJobVersion") if one.has("RevertedJobVersion") else None
    return DeploymentChanged(one.text("EvalID"), version)


def _deployment(one: Fields) -> Deployment:
    return Deployment(
        id=one.key("ID"),
        job_id=one.text("JobID"),
        namespace=one.text("Namespace"),
        job_version=one.number("JobVersion"),
        status=one.text("Status"),
        description=one.text("StatusDescription"),
        create_index=one.number("CreateIndex"),
        modify_index=one.number("ModifyIndex"),
        groups={name: _group(group) for name, group in one.named("TaskGroups").items()},
    )


def _group(one: Fields) -> DeploymentGroup:
    return DeploymentGroup(
        desired=one.number("DesiredTotal"),
        placed=one.number("PlacedAllocs"),
        healthy=one.number("HealthyAllocs"),
        unhealthy=one.number("UnhealthyAllocs"),
        desired_canaries=one.number("DesiredCanaries"),
        placed_canaries=one.texts("PlacedCanaries"),
        is_promoted=one.flag("Promoted"),
        reverts=one.flag("AutoRevert"),
        progress_by=one.text("RequireProgressBy"),
    )
