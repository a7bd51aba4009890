"""The client of one Consul agent. Each method is one call; what it needs and returns is in `operations.py`."""

from collections.abc import Mapping
from typing import TypeVar

from evolve.cluster.address import ClusterAddress
from evolve.cluster.blocking import Rate, Seen, Watch
from evolve.cluster.caller import CONSUL, Caller, Patience
from evolve.cluster.consul import operations as ops
from evolve.cluster.consul.values import (
    ConsulAgent,
    ConsulSession,
    ConsulToken,
    Intention,
    KeyValue,
    MeshLeaf,
    MeshRoots,
    ServiceCheck,
    ServiceInstance,
)
from evolve.cluster.faults import NotFound
from evolve.cluster.fields import JsonObject
from evolve.cluster.operations import Operation
from evolve.core.model.json_value import JsonValue

T = TypeVar("T")


class ConsulPart:
    """The calls about one kind of thing, through a shared caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def _ask(
        self,
        operation: Operation[T],
        query: Mapping[str, str] | None = None,
        body: JsonValue | bytes = None,
        **names: str,
    ) -> T:
        value, _ = await self._caller.ask(operation, names, query=query, body=body)
        return value

    def _watch(
        self,
        operation: Operation[T],
        names: Mapping[str, str],
        query: Mapping[str, str],
        wait_s: float,
        rate: Rate | None,
    ) -> Watch[T]:
        async def read(index: int, seconds: float) -> Seen[T]:
            blocking = {"index": str(index), "wait": f"{round(seconds * 1000)}ms"} if index else {}
            held_s = seconds if index else 0.0
            value, reply = await self._caller.ask(operation, names, query={**query, **blocking}, wait_s=held_s)
            return Seen(value, reply.index)

        return Watch(read, wait_s=wait_s, rate=rate)


class Health(ConsulPart):
    """Services by their checks."""

    async def service(self, name: str, *, passing: bool = False) -> tuple[ServiceInstance, ...]:
        """Return the instances of a service; none for an unknown one. A warning is not passing."""
        return await self._ask(ops.HEALTH_SERVICE, _passing(passing), service=name)

    def watch(
        self, name: str, *, passing: bool = False, wait_s: float = 60.0, rate: Rate | None = None
    ) -> Watch[tuple[ServiceInstance, ...]]:
        """Return a watch on the instances of a service.

        Args:
            name: of the service.
            passing: only those whose checks all pass.
            wait_s: how long one query may wait.
            rate: limits of the queries.
        """
        return self._watch(ops.HEALTH_SERVICE, {"service": name}, _passing(passing), wait_s, rate)

    async def checks(self, name: str) -> tuple[ServiceCheck, ...]:
        """Return the checks of a service."""
        return await self._ask(ops.HEALTH_CHECKS, service=name)

    async def in_state(self, state: str) -> tuple[ServiceCheck, ...]:
        """Return all checks that are `passing`, `warning` or `critical`."""
        return await self._ask(ops.HEALTH_STATE, state=state)

    async def connect(self, name: str, *, passing: bool = False) -> tuple[ServiceInstance, ...]:
        """Return the proxies through which a service is reached in the mesh."""
        return await self._ask(ops.HEALTH_CONNECT, _passing(passing), service=name)

    def watch_connect(
        self, name: str, *, passing: bool = False, wait_s: float = 60.0, rate: Rate | None = None
    ) -> Watch[tuple[ServiceInstance, ...]]:
        """Return a watch on the proxies through which a service is reached in the mesh.

        Args:
            name: of the service.
            passing: only those whose checks all pass.
            wait_s: how long one query may wait.
            rate: limits of the queries.
        """
        return self._watch(ops.HEALTH_CONNECT, {"service": name}, _passing(passing), wait_s, rate)


class Keys(ConsulPart):
    """Keys and values, check-and-set, and locks."""

    async def read(self, key: str) -> KeyValue | None:
        """Return a key; None where it does not exist."""
        try:
            (found,) = await self._ask(ops.KEY_READ, key=key)
        except NotFound:
            return None
        return found

    async def read_all(self, prefix: str) -> tuple[KeyValue, ...]:
        """Return all keys with a prefix."""
        try:
            return await self._ask(ops.KEY_READ, {"recurse": "true"}, key=prefix)
        except NotFound:
            return ()

    async def list(self, prefix: str) -> tuple[str, ...]:
        """Return the names of all keys with a prefix."""
        try:
            return await self._ask(ops.KEY_LIST, {"keys": "true"}, key=prefix)
        except NotFound:
            return ()

    def watch(self, key: str, *, wait_s: float = 60.0, rate: Rate | None = None) -> Watch[tuple[KeyValue, ...]]:
        """Return a watch on one key; None means that the key does not exist."""
        return self._watch(ops.KEY_READ, {"key": key}, {}, wait_s, rate)

    async def write(self, key: str, value: bytes, *, if_index: int | None = None) -> bool:
        """Write a key; return False where check-and-set failed. A plain write goes through a lock.

        Args:
            key: the key.
            value: at most 512 KiB.
            if_index: the ModifyIndex that the key must have; 0 for a key that must not exist.
        """
        query = {} if if_index is None else {"cas": str(if_index)}
        return await self._ask(ops.KEY_WRITE, query, value, key=key)

    async def delete(self, key: str, *, if_index: int | None = None, below: bool = False) -> bool:
        """Delete a key, or with `below` all keys with this prefix; return False where check-and-set failed."""
        query = {} if if_index is None else {"cas": str(if_index)}
        return await self._ask(ops.KEY_DELETE, {**query, **({"recurse": "true"} if below else {})}, key=key)

    async def acquire(self, key: str, session: str, value: bytes = b"") -> bool:
        """Take the lock of a key; return False where another holds it, or held it within the lock delay."""
        return await self._ask(ops.KEY_WRITE, {"acquire": session}, value, key=key)

    async def release(self, key: str, session: str, value: bytes = b"") -> bool:
        """Release the lock on a key; return False if the caller does not hold it."""
        return await self._ask(ops.KEY_WRITE, {"release": session}, value, key=key)


class Sessions(ConsulPart):
    """Sessions, which hold locks. One may live for twice its time to live: holders count by themselves."""

    async def create(self, name: str, *, ttl_s: int, lock_delay_s: int = 15, deletes_keys: bool = False) -> str:
        """Return the ID of a new session.

        Args:
            name: for people.
            ttl_s: 10 to 86,400 s.
            lock_delay_s: how long a lock stays closed after its holder was lost.
            deletes_keys: whether its keys go with it; otherwise they are released.
        """
        behavior = "delete" if deletes_keys else "release"
        body: JsonValue = {"Name": name, "TTL": f"{ttl_s}s", "LockDelay": f"{lock_delay_s}s", "Behavior": behavior}
        return await self._ask(ops.SESSION_CREATE, body=body)

    async def renew(self, id: str) -> ConsulSession:
        """Return the session with its time to live begun again; NotFound where it has expired."""
        (found,) = await self._ask(ops.SESSION_RENEW, id=id)
        return found

    async def destroy(self, id: str) -> None:
        """End a session; its locks are released or deleted."""
        await self._ask(ops.SESSION_DESTROY, id=id)

    async def read(self, id: str) -> ConsulSession | None:
        """Return a session; None where it does not exist."""
        found = await self._ask(ops.SESSION_READ, id=id)
        return found[0] if found else None

    async def list(self) -> tuple[ConsulSession, ...]:
        """Return all sessions."""
        return await self._ask(ops.SESSION_LIST)


class Catalog(ConsulPart):
    """All services of the datacentre, whatever their checks say."""

    async def services(self) -> dict[str, tuple[str, ...]]:
        """Return the names of all services with their tags."""
        return await self._ask(ops.CATALOG_SERVICES)

    def watch_services(self, *, wait_s: float = 60.0, rate: Rate | None = None) -> Watch[dict[str, tuple[str, ...]]]:
        """Return a watch on the names of all services with their tags.

        It wakes when services come and go, not when their checks change.
        """
        return self._watch(ops.CATALOG_SERVICES, {}, {}, wait_s, rate)

    async def service(self, name: str) -> tuple[ServiceInstance, ...]:
        """Return the instances of a service."""
        return await self._ask(ops.CATALOG_SERVICE, service=name)


class Services(ConsulPart):
    """The services of this agent."""

    async def register(self, service: JsonObject) -> None:
        """Register a service, as Consul's API takes it; doing it again changes it."""
        await self._ask(ops.SERVICE_REGISTER, body=dict(service))

    async def deregister(self, id: str) -> None:
        """Deregister a service."""
        await self._ask(ops.SERVICE_DEREGISTER, id=id)

    async def list(self) -> tuple[ServiceInstance, ...]:
        """Return the services of this agent."""
        return await self._ask(ops.SERVICE_LIST)

    async def checks(self) -> tuple[ServiceCheck, ...]:
        """Return the checks of this agent."""
        return await self._ask(ops.SERVICE_CHECKS)

    async def pass_check(self, id: str) -> None:
        """Report that a check with a time to live passes."""
        await self._ask(ops.SERVICE_PASS, id=id)


class Intentions(ConsulPart):
    """Which service may connect to which, through the mesh. A service's own port stays open."""

    async def list(self) -> tuple[Intention, ...]:
        """Return all intentions."""
        return await self._ask(ops.INTENTION_LIST)

    async def create(self, source: str, destination: str, action: str) -> str:
        """Return the ID of a new intention; Rejected where there is one for the pair."""
        return await self._ask(ops.INTENTION_CREATE, body=_intention(source, destination, action))

    async def update(self, id: str, source: str, destination: str, action: str) -> None:
        """Change an intention.

        Args:
            id: of the intention.
            source: a service's name, or `*`.
            destination: a service's name, or `*`.
            action: allow or deny.
        """
        await self._ask(ops.INTENTION_UPDATE, body=_intention(source, destination, action), id=id)

    async def delete(self, id: str) -> None:
        """Delete an intention; NotFound where it does not exist."""
        await self._ask(ops.INTENTION_DELETE, id=id)

    async def allows(self, source: str, destination: str) -> bool:
        """Return whether a connection is allowed."""
        return await self._ask(ops.INTENTION_CHECK, {"source": source, "destination": destination})

    async def of_destination(self, name: str) -> tuple[Intention, ...]:
        """Return the intentions that apply to connections to a service."""
        return await self._ask(ops.INTENTION_MATCH, {"by": "destination", "name": name})


class MeshIdentity(ConsulPart):
    """What a program needs to speak in the mesh itself, without a proxy of its own."""

    def watch_roots(self, *, wait_s: float = 60.0, rate: Rate | None = None) -> Watch[MeshRoots]:
        """Return a watch on the authorities."""
        return self._watch(ops.MESH_ROOTS, {}, {}, wait_s, rate)

    def watch_leaf(self, service: str, *, wait_s: float = 60.0, rate: Rate | None = None) -> Watch[MeshLeaf]:
        """Return a watch on the certificate of a service; the agent renews it in time.

        Args:
            service: whose name it carries.
            wait_s: how long one query may wait.
            rate: limits of the queries.
        """
        return self._watch(ops.MESH_LEAF, {"service": service}, {}, wait_s, rate)


class ConsulAgentCalls(ConsulPart):
    """The agent itself, and the token."""

    async def self(self) -> ConsulAgent:
        """Return what the agent says of itself."""
        return await self._ask(ops.AGENT_SELF)

    async def leader(self) -> str:
        """Return the leader's address; empty where there is none. Needs no token."""
        return await self._ask(ops.AGENT_LEADER)

    async def token(self) -> ConsulToken:
        """Return the token that asks, without its secret."""
        return await self._ask(ops.AGENT_TOKEN)


class ConsulClient:
    """One Consul agent. Use it as a context manager, or close it at the end."""

    def __init__(self, address: ClusterAddress, patience: Patience | None = None) -> None:
        caller = self._caller = Caller(address, CONSUL, patience)
        self.health = Health(caller)
        self.keys = Keys(caller)
        self.sessions = Sessions(caller)
        self.catalog = Catalog(caller)
        self.services = Services(caller)
        self.intentions = Intentions(caller)
        self.mesh = MeshIdentity(caller)
        self.agent = ConsulAgentCalls(caller)

    @property
    def url(self) -> str:
        """`http://host:port` of the agent."""
        return self._caller.address.url

    def __repr__(self) -> str:
        return f"ConsulClient({self._caller.address.url})"

    async def __aenter__(self) -> "ConsulClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.close()


def _passing(passing: bool) -> dict[str, str]:
    return {"passing": "true"} if passing else {}


def _intention(source: str, destination: str, action: str) -> dict[str, JsonValue]:
    return {"SourceName": source, "DestinationName": destination, "SourceType": "consul", "Action": action}
