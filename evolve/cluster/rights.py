"""What of a cluster can be reached, and what a token may do there, found out by calls that change nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.faults import ClusterFault, Denied, LostRace, NotFound, NotYet, Rejected
from evolve.cluster.nomad import operations as nomad_operations
from evolve.cluster.nomad.client import NomadClient

_ANSWERED = (NotFound, NotYet, LostRace, Rejected)
"""Faults that only somebody with the right is shown."""
_PROBE = "anneal-doctor"


@dataclass(frozen=True, slots=True)
class Right:
    """One use of the cluster, and whether the token allows it."""

    use: str
    needs: str
    """What a policy must allow."""
    is_given: bool


@dataclass(frozen=True, slots=True)
class ClusterRights:
    """What one agent answered."""

    version: str
    """Empty where the token may not ask for it."""
    identity: str
    """The token's name and policies, or that there are no ACLs."""
    rights: tuple[Right, ...]

    @property
    def given(self) -> tuple[str, ...]:
        """The uses that are allowed."""
        return tuple(right.use for right in self.rights if right.is_given)

    @property
    def missing(self) -> tuple[Right, ...]:
        """The uses that are not."""
        return tuple(right for right in self.rights if not right.is_given)


async def nomad_rights(nomad: NomadClient) -> ClusterRights:
    """Return what the token may do; a plan of a job that does not exist is the farthest that it goes.

    Raises:
        ClusterFault: the agent does not answer, or its servers have no leader.
    """
    await nomad.agent.leader()
    probes: Mapping[str, tuple[str, Callable[[], Awaitable[Any]]]] = {
        "read jobs": ("namespace: list-jobs", lambda: anext(nomad.jobs.list(prefix=_PROBE), None)),
        "read allocations": ("namespace: read-job", lambda: nomad.jobs.read(_PROBE)),
        "read nodes": ("node: read", nomad.nodes.list),
        "read the agent": ("agent: read", nomad.agent.self),
        "follow events": (nomad_operations.EVENT_STREAM.right, lambda: _first_event(nomad)),
        "plan and register": ("namespace: submit-job", lambda: nomad.jobs.plan(_probe_job())),
    }
    rights = await _all(probes)
    version = (await nomad.agent.self()).version if rights[3].is_given else ""
    return ClusterRights(version, await _nomad_identity(nomad), rights)


async def consul_rights(consul: ConsulClient) -> ClusterRights:
    """Return what the token may read. Its lists are empty without a right, so only reads of one thing tell.

    Raises:
        ClusterFault: the agent does not answer.
    """
    await consul.agent.leader()
    probes: Mapping[str, tuple[str, Callable[[], Awaitable[Any]]]] = {
        "read the agent": ('agent "…": read', consul.agent.self),
        "read keys": ('key_prefix "anneal/": read', lambda: consul.keys.read("anneal/doctor")),
    }
    rights = await _all(probes)
    version = (await consul.agent.self()).version if rights[0].is_given else ""
    return ClusterRights(version, await _consul_identity(consul), rights)


async def _all(probes: Mapping[str, tuple[str, Callable[[], Awaitable[Any]]]]) -> tuple[Right, ...]:
    given = await asyncio.gather(*(_is_given(ask) for _, ask in probes.values()))
    return tuple(Right(use, needs, is_given) for (use, (needs, _)), is_given in zip(probes.items(), given, strict=True))


async def _is_given(ask: Callable[[], Awaitable[Any]]) -> bool:
    try:
        await ask()
    except Denied:
        return False
    except _ANSWERED:
        return True
    return True


async def _first_event(nomad: NomadClient) -> None:
    """Wait for the stream's first line, which comes at once where the token may read it."""
    feed = nomad.events.feed("Job:*", "Allocation:*", "Evaluation:*", "Deployment:*")
    await feed.opened()


async def _nomad_identity(nomad: NomadClient) -> str:
    try:
        token = await nomad.agent.token()
    except ClusterFault as fault:
        return _without_token(fault)
    return f"{token.type} token {token.name or token.accessor_id}" + _policies(token.policies)


async def _consul_identity(consul: ConsulClient) -> str:
    try:
        token = await consul.agent.token()
    except ClusterFault as fault:
        return _without_token(fault)
    return f"token {token.description or token.accessor_id}" + _policies(token.policies)


def _policies(names: tuple[str, ...]) -> str:
    return f" (policies: {', '.join(names)})" if names else ""


def _without_token(fault: ClusterFault) -> str:
    if isinstance(fault, Rejected) and "ACL support disabled" in fault.message:
        return "no ACLs: anyone who reaches it may do everything"
    return "no valid token"


def _probe_job() -> dict[str, Any]:
    task = {"Name": "main", "Driver": "raw_exec", "Config": {"command": "/bin/true"}}
    group = {"Name": "app", "Count": 1, "Tasks": [task]}
    return {"ID": _PROBE, "Name": _PROBE, "Type": "batch", "Datacenters": ["*"], "TaskGroups": [group]}
