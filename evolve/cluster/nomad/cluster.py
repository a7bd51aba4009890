"""Nodes, the agent itself, servers, and what a token may do."""

from dataclasses import dataclass

from evolve.cluster.fields import Fields, many
from evolve.cluster.operations import ApiReply


@dataclass(frozen=True, slots=True)
class NomadNode:
    """One client of the cluster."""

    id: str
    name: str
    datacenter: str
    status: str
    """`ready`, `down`, `initializing` or `disconnected`."""
    eligibility: str
    """`eligible` or `ineligible`; it stays ineligible after a drain."""
    is_draining: bool
    drivers: dict[str, bool]
    """Whether each driver is healthy."""
    version: str
    modify_index: int


@dataclass(frozen=True, slots=True)
class NomadAgent:
    """The agent that was asked."""

    version: str
    region: str
    datacenter: str
    has_acl: bool


@dataclass(frozen=True, slots=True)
class NomadServer:
    """One server, as the others see it."""

    name: str
    address: str
    status: str


@dataclass(frozen=True, slots=True)
class NomadToken:
    """The token that asked, without its secret."""

    accessor_id: str
    """`anonymous` without a token."""
    name: str
    type: str
    """`client` or `management`; a management token may do everything."""
    policies: tuple[str, ...]
    expires: str
    """RFC 3339; empty where it does not."""


@dataclass(frozen=True, slots=True)
class AgentHealth:
    """Whether the agent's server and client parts work; None for a part that it has not."""

    server: bool | None
    client: bool | None


def node(reply: ApiReply) -> NomadNode:
    """Return one node."""
    return _node(Fields(reply.json))


def nodes(reply: ApiReply) -> tuple[NomadNode, ...]:
    """Return the list of nodes."""
    return tuple(_node(one) for one in many(reply.json))


def agent(reply: ApiReply) -> NomadAgent:
    """Return what the agent says of itself."""
    config = Fields(reply.json).fields("config")
    version = config.fields("Version").text("Version")
    has_acl = config.fields("ACL").flag("Enabled")
    return NomadAgent(version, config.text("Region"), config.text("Datacenter"), has_acl)


def servers(reply: ApiReply) -> tuple[NomadServer, ...]:
    """Return the servers of the region."""
    members = Fields(reply.json).many("Members")
    return tuple(NomadServer(one.key("Name"), one.text("Addr"), one.text("Status")) for one in members)


def token(reply: ApiReply) -> NomadToken:
    """Return the token that asked."""
    one = Fields(reply.json)
    expires = one.text("ExpirationTime")
    return NomadToken(one.key("AccessorID"), one.text("Name"), one.text("Type"), one.texts("Policies"), expires)


def health(reply: ApiReply) -> AgentHealth:
    """Return the agent's health."""
    one = Fields(reply.json)
    parts = {name: one.fields(name).flag("ok") if one.has(name) else None for name in ("server", "client")}
    return AgentHealth(parts["server"], parts["client"])


def namespaces(reply: ApiReply) -> tuple[str, ...]:
    """Return the names of the namespaces that the token may see; none without one."""
    return tuple(one.key("Name") for one in many(reply.json))


def _node(one: Fields) -> NomadNode:
    return NomadNode(
        id=one.key("ID"),
        name=one.text("Name"),
        datacenter=one.text("Datacenter"),
        status=one.text("Status"),
        eligibility=one.text("SchedulingEligibility"),
        is_draining=one.flag("Drain") or one.has("DrainStrategy"),
        drivers={name: driver.flag("Healthy") for name, driver in one.named("Drivers").items()},
        version=one.text("Version") or one.fields("Attributes").text("nomad.version"),
        modify_index=one.number("ModifyIndex"),
    )
