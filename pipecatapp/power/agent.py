"""The power agent: an activator for each service, in one event loop, until it is asked to end."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Final

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.nomad.client import NomadClient
from pipecatapp.power.activator import LOG, Activator
from pipecatapp.power.config import PowerConfig, PowerService
from pipecatapp.power.job_count import JobCount
from pipecatapp.power.magic_packets import MagicPackets
from pipecatapp.power.metrics import PowerMetrics
from pipecatapp.power.wakers import Waker
from pipecatapp.serving.logs import log_to_stderr

_DRAIN_S: Final = 20.0
"""What connections may take when the agent is asked to end."""


class PowerAgent:
    """All activators of a configuration. Use it as a context manager, in the event loop that serves."""

    def __init__(self, config: PowerConfig) -> None:
        self.metrics = PowerMetrics()
        self._config = config
        self._opened = AsyncExitStack()
        self.activators: dict[str, Activator] = {}
        """By the service's name."""

    async def __aenter__(self) -> "PowerAgent":
        """Start; nothing is left running where that fails.

        Raises:
            EnvironmentFault: an address cannot be used.
        """
        async with AsyncExitStack() as opening:
            if self._config.metrics is not None:
                opening.callback(self.metrics.serve(self._config.metrics))
            consul = await opening.enter_async_context(ConsulClient(self._config.consul))
            nomad = None
            if self._config.nomad is not None:
                nomad = await opening.enter_async_context(NomadClient(self._config.nomad))
            for service in self._config.services:
                activator = self.activators[service.name] = self._activator(service, consul, nomad)
                await activator.start()
                opening.push_async_callback(activator.stop)
            self._opened = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def drain(self) -> None:
        """Take no more connections, and give those that there are some time to end."""
        await asyncio.gather(*(one.stop(_DRAIN_S) for one in self.activators.values()))

    def _activator(self, service: PowerService, consul: ConsulClient, nomad: NomadClient | None) -> Activator:
        wakers: list[Waker] = [MagicPackets(service.lan)] if service.lan else []
        job = JobCount(nomad, service.nomad) if nomad is not None and service.nomad is not None else None
        if job is not None:
            wakers.append(job)
        listen = self._config.metrics
        return Activator(
            service, consul, wakers, self.metrics, sleeper=job, metrics_at=listen.advertised if listen else ""
        )


def serve(config: PowerConfig, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; connections have some time to end.

    Args:
        config: as it was checked.
        say: gets a line for a person, for each service.

    Raises:
        EnvironmentFault: an address cannot be used.
    """
    log_to_stderr(LOG)
    asyncio.run(_serve(config, say))


async def _serve(config: PowerConfig, say: Callable[[str], None]) -> None:
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    async with PowerAgent(config) as agent:
        for name, activator in agent.activators.items():
            say(f"{name} at {activator.service.listen.host}:{activator.port}")
        crashes = [activator.crashed for activator in agent.activators.values()]
        ends: list[asyncio.Future[Any]] = [asyncio.ensure_future(asked.wait()), *crashes]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for crash in crashes:
            if crash.done():
                crash.result()
        await agent.drain()
