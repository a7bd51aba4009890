"""What Consul's API answers, as values."""

import base64
import binascii
from dataclasses import dataclass, field

from evolve.cluster.fields import Fields, WrongShape, many, texts
from evolve.cluster.operations import ApiReply


@dataclass(frozen=True, slots=True)
class ServiceCheck:
    """One check of a service or node."""

    id: str
    name: str
    status: str
    """`passing`, `warning` or `critical`; a check begins critical."""
    output: str = field(repr=False)
    service_id: str
    service_name: str
    notes: str = ""
    """What the one who registered it wrote for people."""


@dataclass(frozen=True, slots=True)
class ServiceInstance:
    """One instance of a service, with its checks where the answer has them."""

    id: str
    name: str
    node: str
    address: str
    """Its own, else its node's."""
    port: int
    tags: tuple[str, ...]
    meta: dict[str, str]
    checks: tuple[ServiceCheck, ...]

    @property
    def status(self) -> str:
        """The worst of its checks; `passing` without any."""
        found = {check.status for check in self.checks}
        return next((status for status in ("critical", "warning") if status in found), "passing")


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One key."""

    key: str
    value: bytes = field(repr=False)
    flags: int
    session: str
    """Who holds the lock; empty where nobody does."""
    lock_index: int
    create_index: int
    modify_index: int
    """What check-and-set compares; writing the same value does not move it."""


@dataclass(frozen=True, slots=True)
class ConsulSession:
    """What holds locks. It may live for twice its time to live: holders must count by themselves."""

    id: str
    name: str
    node: str
    ttl: str
    behavior: str
    lock_delay_ns: int
    create_index: int


@dataclass(frozen=True, slots=True)
class Intention:
    """Whether one service may connect to another through the mesh."""

    id: str
    source: str
    destination: str
    action: str
    """`allow` or `deny`; it acts on new connections only."""
    precedence: int


@dataclass(frozen=True, slots=True)
class MeshRoots:
    """Who signs the certificates of the mesh."""

    trust_domain: str
    """`ID.consul`; names in the mesh begin with it."""
    certificates: tuple[str, ...]
    """PEM; while the authority changes there are two."""


@dataclass(frozen=True, slots=True)
class MeshLeaf:
    """The certificate with which a service shows who it is in the mesh; the agent renews it before its end."""

    certificate: str
    """PEM, with what leads to the root."""
    key: str = field(repr=False)
    uri: str
    """`spiffe://TRUST-DOMAIN/ns/default/dc/DATACENTER/svc/SERVICE`."""


@dataclass(frozen=True, slots=True)
class ConsulAgent:
    """The agent that was asked."""

    version: str
    datacenter: str
    node: str
    is_server: bool


@dataclass(frozen=True, slots=True)
class ConsulToken:
    """The token that asked, without its secret."""

    accessor_id: str
    description: str
    policies: tuple[str, ...]


def instances(reply: ApiReply) -> tuple[ServiceInstance, ...]:
    """Return the instances of a health answer."""
    return tuple(_with_checks(one) for one in many(reply.json))


def _with_checks(one: Fields) -> ServiceInstance:
    service, node = one.fields("Service"), one.fields("Node")
    return ServiceInstance(
        id=service.key("ID"),
        name=service.text("Service"),
        node=node.text("Node"),
        address=service.text("Address") or node.text("Address"),
        port=service.number("Port"),
        tags=service.texts("Tags"),
        meta=service.text_map("Meta"),
        checks=tuple(_check(check) for check in one.many("Checks")),
    )


def checks(reply: ApiReply) -> tuple[ServiceCheck, ...]:
    """Return a list of checks."""
    return tuple(_check(one) for one in many(reply.json))


def agent_checks(reply: ApiReply) -> tuple[ServiceCheck, ...]:
    """Return the checks of an agent."""
    found = Fields(reply.json)
    return tuple(_check(found.fields(name)) for name in found.raw)


def _check(one: Fields) -> ServiceCheck:
    return ServiceCheck(
        id=one.key("CheckID"),
        name=one.text("Name"),
        status=one.text("Status"),
        output=one.text("Output"),
        service_id=one.text("ServiceID"),
        service_name=one.text("ServiceName"),
        notes=one.text("Notes"),
    )


def catalog_instances(reply: ApiReply) -> tuple[ServiceInstance, ...]:
    """Return the instances of a catalogue answer, without checks."""
    return tuple(
        ServiceInstance(
            id=one.key("ServiceID"),
            name=one.text("ServiceName"),
            node=one.text("Node"),
            address=one.text("ServiceAddress") or one.text("Address"),
            port=one.number("ServicePort"),
            tags=one.texts("ServiceTags"),
            meta=one.text_map("ServiceMeta"),
            checks=(),
        )
        for one in many(reply.json)
    )


def agent_instances(reply: ApiReply) -> tuple[ServiceInstance, ...]:
    """Return the services of an agent, without checks."""
    found = Fields(reply.json)
    return tuple(_of_agent(found.fields(name)) for name in found.raw)


def _of_agent(one: Fields) -> ServiceInstance:
    return ServiceInstance(
        id=one.key("ID"),
        name=one.text("Service"),
        node="",
        address=one.text("Address"),
        port=one.number("Port"),
        tags=one.texts("Tags"),
        meta=one.text_map("Meta"),
        checks=(),
    )


def service_tags(reply: ApiReply) -> dict[str, tuple[str, ...]]:
    """Return the names of all services with their tags."""
    found = Fields(reply.json)
    return {name: found.texts(name) for name in found.raw}


def key_values(reply: ApiReply) -> tuple[KeyValue, ...]:
    """Return the keys of an answer with their values."""
    return tuple(_key_value(one) for one in many(reply.json))


def _key_value(one: Fields) -> KeyValue:
    try:
        value = base64.b64decode(one.text("Value"), validate=True)
    except binascii.Error as exc:
        raise WrongShape("Value is not base64") from exc
    return KeyValue(
        key=one.key("Key"),
        value=value,
        flags=one.number("Flags"),
        session=one.text("Session"),
        lock_index=one.number("LockIndex"),
        create_index=one.number("CreateIndex"),
        modify_index=one.number("ModifyIndex"),
    )


def keys(reply: ApiReply) -> tuple[str, ...]:
    """Return a list of keys."""
    return texts(reply.json)


def created_id(reply: ApiReply) -> str:
    """Return the ID of what was made."""
    return Fields(reply.json).key("ID")


def sessions(reply: ApiReply) -> tuple[ConsulSession, ...]:
    """Return sessions; none for an unknown one."""
    return tuple(
        ConsulSession(
            id=one.key("ID"),
            name=one.text("Name"),
            node=one.text("Node"),
            ttl=one.text("TTL"),
            behavior=one.text("Behavior"),
            lock_delay_ns=one.number("LockDelay"),
            create_index=one.number("CreateIndex"),
        )
        for one in many(reply.json)
    )


def intentions(reply: ApiReply) -> tuple[Intention, ...]:
    """Return all intentions."""
    return tuple(_intention(one) for one in many(reply.json))


def matching_intentions(reply: ApiReply) -> tuple[Intention, ...]:
    """Return the intentions that apply to one service, the first that matches first."""
    found = Fields(reply.json)
    return tuple(_intention(one) for name in found.raw for one in found.many(name))


def _intention(one: Fields) -> Intention:
    return Intention(
        one.key("ID"),
        one.text("SourceName"),
        one.text("DestinationName"),
        one.text("Action"),
        one.number("Precedence"),
    )


def mesh_roots(reply: ApiReply) -> MeshRoots:
    """Return the authorities of the mesh."""
    found = Fields(reply.json)
    pems = (pem for root in found.many("Roots") for pem in (root.key("RootCert"), *root.texts("IntermediateCerts")))
    return MeshRoots(found.text("TrustDomain"), tuple(pems))


def mesh_leaf(reply: ApiReply) -> MeshLeaf:
    """Return a certificate with its key."""
    one = Fields(reply.json)
    return MeshLeaf(one.key("CertPEM"), one.key("PrivateKeyPEM"), one.key("ServiceURI"))


def is_allowed(reply: ApiReply) -> bool:
    """Return whether a connection is allowed."""
    return Fields(reply.json).flag("Allowed")


def consul_agent(reply: ApiReply) -> ConsulAgent:
    """Return what the agent says of itself."""
    config = Fields(reply.json).fields("Config")
    return ConsulAgent(config.key("Version"), config.text("Datacenter"), config.text("NodeName"), config.flag("Server"))


def consul_token(reply: ApiReply) -> ConsulToken:
    """Return the token that asked."""
    one = Fields(reply.json)
    policies = tuple(policy.text("Name") for policy in one.many("Policies"))
    return ConsulToken(one.key("AccessorID"), one.text("Description"), policies)
