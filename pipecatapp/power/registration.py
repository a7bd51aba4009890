"""What Consul says of an activator: where it takes connections, and what its service does, as a tag.

The service is `activator-NAME`, never NAME: nobody who asks for passing instances of NAME may find a sleeping one.
"""

import asyncio
import contextlib
import logging
from typing import Final, NamedTuple

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.faults import ClusterFault
from evolve.core.model.json_value import JsonValue
from pipecatapp.core.activators import ACTIVATOR_PREFIX, METRICS_META, SCHEME_META, SERVICE_META, STATE_META
from pipecatapp.power.waiting import wait_for_change

LOG: Final = logging.getLogger("power_agent")
_TTL_S: Final = 15
_EVERY_S: Final = 5.0


class Described(NamedTuple):
    """What is published of an activator."""

    state: str
    """asleep, waking, awake, retiring, or down: it is to run, and no instance passes."""
    failure: str = ""
    """Why the last wake failed."""


class Registration:
    """One activator in Consul."""

    def __init__(
        self, consul: ConsulClient, service: str, address: tuple[str, int], *, is_http: bool, metrics_at: str = ""
    ) -> None:
        """Register nothing yet.

        Args:
            consul: the client.
            service: the name of what sleeps.
            address: host, or empty for the node's own, and port.
            is_http: whether it speaks HTTP.
            metrics_at: where Prometheus finds the agent's metrics; empty for nowhere.
        """
        self._consul = consul
        self._name = f"{ACTIVATOR_PREFIX}{service}"
        self._service = service
        self._host, self._port = address
        self._is_http = is_http
        self._metrics_at = metrics_at
        self._id = f"{self._name}-{self._port}"
        self._described: Described | None = None
        self._published: Described | None = None
        self._changed = asyncio.Event()

    @property
    def is_known(self) -> bool:
        """Whether Consul has taken what was described."""
        return self._published is not None and self._published == self._described

    def describe(self, described: Described) -> None:
        """Publish a state as soon as Consul takes it."""
        if described != self._described:
            self._described = described
            self._changed.set()

    async def run(self) -> None:
        """Keep the registration up to date, for ever; without that Consul says within 15 s that it does not pass."""
        while True:
            self._changed.clear()
            try:
                await self._publish()
            except ClusterFault as fault:
                self._published = None
                LOG.warning("%s: Consul does not take its state: %s", self._service, fault)
                await asyncio.sleep(1.0)
                continue
            await wait_for_change(self._changed, _EVERY_S)

    async def _publish(self) -> None:
        described = self._described
        if described is None:
            return
        if described == self._published:
            await self._consul.services.pass_check(f"{self._id}:alive")
            return
        await self._consul.services.register(self._document(described))
        self._published = described

    def _document(self, described: Described) -> dict[str, JsonValue]:
        meta: dict[str, JsonValue] = {
            SERVICE_META: self._service, STATE_META: described.state, SCHEME_META: "http" if self._is_http else "",
            "failure": described.failure[:512], **({METRICS_META: self._metrics_at} if self._metrics_at else {}),
        }  # fmt: skip
        check: dict[str, JsonValue] = {
            "CheckID": f"{self._id}:alive", "Name": "the activator takes connections", "TTL": f"{_TTL_S}s",
            "Status": "passing", "DeregisterCriticalServiceAfter": "1h",
        }  # fmt: skip
        return {
            "ID": self._id, "Name": self._name, "Address": self._host, "Port": self._port,
            "Tags": ["activator", described.state], "Meta": meta, "Check": check,
        }  # fmt: skip

    async def is_alone(self) -> bool:
        """Return whether no other activator of this service passes: it would have clients that this one does not see.

        Raises:
            ClusterFault: Consul does not answer.
        """
        me = await self._consul.agent.self()
        found = await self._consul.health.service(self._name, passing=True)
        return all((one.node, one.id) == (me.node, self._id) for one in found)

    async def end(self) -> None:
        """Take it out of Consul."""
        with contextlib.suppress(ClusterFault):
            await self._consul.services.deregister(self._id)
