"""Which instances of which expert pass their checks: one blocking query of Consul for each expert, and fixed ones.

An expert with an activator is reached through that alone: it wakes the expert, and has to know of all its clients. In a
mesh there are none: an activator would have to be a proxy that the expert's name vouches for.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Final

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.consul.values import ServiceInstance
from pipecatapp.core.activators import ACTIVATOR_PREFIX, SCHEME_META, STATE_META
from pipecatapp.core.routing import Instance
from pipecatapp.gateway.following import Following

PREFIX: Final = "expert-"
"""What the services of experts are called in Consul, with a name behind it."""
_MODEL_CHECK: Final = "model"
"""The check whose note is the name of the served model: an expert that chooses its model itself registers it."""
_ACTIVATORS: Final = f"{ACTIVATOR_PREFIX}{PREFIX}"
_SIDECAR: Final = "-sidecar-proxy"
"""What Consul adds to the name of a service for that of its proxy."""


class Experts:
    """The experts as of now. What Consul said last stays valid while it does not answer."""

    def __init__(
        self,
        fixed: Mapping[str, tuple[Instance, ...]],
        consul: ConsulClient | None,
        *,
        api_key: str = "",
        is_mesh: bool = False,
        on_change: Callable[[str, tuple[Instance, ...]], None] = lambda *_: None,
    ) -> None:
        """Make a list that knows the fixed ones.

        Args:
            fixed: instances by the expert's id.
            consul: where the others are; None for no others.
            api_key: that the experts in Consul ask for.
            is_mesh: whether those in Consul are reached through their proxies in its mesh, and only so.
            on_change: gets an expert's id and its instances whenever they differ.
        """
        self._found: dict[str, tuple[Instance, ...]] = dict(fixed)
        self._activators: dict[str, tuple[Instance, ...]] = {}
        """By the expert's id; the first tag is the state."""
        self._fixed = frozenset(fixed)
        self._consul = consul
        self._api_key = api_key
        self._is_mesh = is_mesh
        self._on_change = on_change
        self._names = Following()
        self._followers = Following()
        self._changed = asyncio.Event()
        self._is_listed = asyncio.Event()
        """Set from Consul's first list of services on."""
        self.passed_over: tuple[str, ...] = ()
        """Activators in Consul that are not asked, because connections to them are outside of the mesh."""

    @property
    def problem(self) -> str:
        """Why Consul's last answer is old; empty while it answers."""
        return self._names.problem or self._followers.problem

    async def start(self) -> None:
        """Begin to follow Consul."""
        for id, instances in self._found.items():
            self._on_change(id, instances)
        if self._consul is not None:
            self._follow_names(self._consul)

    async def stop(self) -> None:
        """End following."""
        # First what starts further ones.
        await self._names.stop()
        await self._followers.stop()

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all experts, those without a passing instance too."""
        return tuple(sorted({*self._found, *self._activators}))

    def knows(self, id: str) -> bool:
        """Return whether there is such an expert, with a passing instance or without."""
        return id in self._found or id in self._activators

    def instances(self, id: str) -> tuple[Instance, ...]:
        """Return where an expert is asked: its activator, or its instances that pass; nowhere for an unknown one."""
        return self._activators.get(id) or self._found.get(id, ())

    def behind(self, id: str) -> tuple[Instance, ...]:
        """Return the instances of an expert that pass, also those behind an activator."""
        return self._found.get(id, ())

    def activators(self, id: str) -> tuple[Instance, ...]:
        """Return the activators of an expert that pass; none for one that never sleeps."""
        return self._activators.get(id, ())

    def is_awake(self, id: str) -> bool:
        """Return whether an expert answers without being woken first."""
        activators = self._activators.get(id)
        if activators:
            return any(one.tags[:1] in (("awake",), ("retiring",)) for one in activators)
        return bool(self._found.get(id))

    def tags(self) -> dict[str, tuple[str, ...]]:
        """Return the tags of each expert that has a passing instance."""
        return {
            id: tuple(dict.fromkeys(tag for one in found for tag in one.tags))
            for id, found in self._found.items()
            if found
        }

    def all_instance_ids(self) -> frozenset[str]:
        """Return the ids of all instances that pass."""
        known = (*self._found.values(), *self._activators.values())
        return frozenset(one.id for found in known for one in found)

    async def wait_for_list(self, id: str, seconds: float) -> bool:
        """Return whether it is certain if there is such an expert, after waiting for Consul's first list."""
        if self._consul is None or self.knows(id) or not id.startswith(PREFIX):
            return True
        try:
            async with asyncio.timeout(seconds):
                return await self._is_listed.wait()
        except TimeoutError:
            return False

    async def wait_for(self, id: str, seconds: float) -> bool:
        """Return whether an expert has a passing instance, after waiting for one."""
        try:
            async with asyncio.timeout(seconds):
                while not self.instances(id):
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _follow_names(self, consul: ConsulClient) -> None:
        watch = consul.catalog.watch_services()

        async def step() -> None:
            services = await watch.next() or {}
            names = {name for name in services if self._is_followed(name, services)}
            activators = (name for name in services if name.startswith(_ACTIVATORS))
            self.passed_over = tuple(sorted(activators)) if self._is_mesh else ()
            for name in names - self._followers.names():
                self._list_of(name).setdefault(_expert_of(name), ())
                self._follow(consul, name)
            for name in self._followers.names() - names:
                self._followers.end(name)
                self._set(name, ())
                self._list_of(name).pop(_expert_of(name), None)
            self._is_listed.set()

        self._names.start("services", step)

    def _is_followed(self, name: str, services: Collection[str]) -> bool:
        prefixes = PREFIX if self._is_mesh else (PREFIX, _ACTIVATORS)
        is_proxy = name.endswith(_SIDECAR) and name.removesuffix(_SIDECAR) in services
        return name.startswith(prefixes) and not is_proxy and _expert_of(name) not in self._fixed

    def _follow(self, consul: ConsulClient, name: str) -> None:
        look = consul.health.watch_connect if self._is_mesh else consul.health.watch
        watch = look(name, passing=True)

        async def step() -> None:
            found = await watch.next() or ()
            self._set(name, tuple(self._instance(one, name) for one in found))

        self._followers.start(name, step)

    def _list_of(self, name: str) -> dict[str, tuple[Instance, ...]]:
        return self._activators if name.startswith(_ACTIVATORS) else self._found

    def _set(self, name: str, instances: tuple[Instance, ...]) -> None:
        id = _expert_of(name)
        self._list_of(name)[id] = instances
        self._on_change(id, self._found.get(id, ()))
        self._changed.set()
        self._changed = asyncio.Event()

    def _instance(self, one: ServiceInstance, name: str) -> Instance:
        scheme = "https" if self._is_mesh else one.meta.get(SCHEME_META) or "http"
        host = f"[{one.address}]" if ":" in one.address else one.address
        return Instance(
            id=f"{one.node}/{one.id}",
            url=f"{scheme}://{host}:{one.port}",
            served_model=_served_model(one),
            tags=(one.meta.get(STATE_META, ""),) if one.name.startswith(_ACTIVATORS) else one.tags,
            api_key=self._api_key,
            mesh_service=name if self._is_mesh else "",
        )


def _served_model(one: ServiceInstance) -> str:
    notes = [check.notes for check in one.checks if check.name == _MODEL_CHECK and check.service_id == one.id]
    return next(iter(notes), "") or one.meta.get("model", "")


def _expert_of(name: str) -> str:
    """Return the id of the expert that a service of Consul is, or wakes."""
    return name.removeprefix(ACTIVATOR_PREFIX)
