"""The table of components: the agent itself, its model, services of Consul, nodes and jobs of Nomad."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.faults import ClusterFault
from evolve.cluster.nomad.client import NomadClient
from pipecatapp.agent.status_rows import Sinces, job_rows, node_rows, row, service_rows
from pipecatapp.agent.turns import LOG
from pipecatapp.serving.logs import place_of
from pipecatapp.wire.agent_events import RowState, StatusRow

Source = Callable[[], Awaitable[Sequence[StatusRow]]]
_FRESH_S: Final = 2.0
"""How long rows are used again: many pages that ask at once cost the cluster one look."""
_LOOK_S: Final = 5.0
"""What one source may take; the others are shown without it."""


class StatusBoard:
    """The rows of all sources."""

    def __init__(
        self,
        sources: dict[str, Source],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Make a board.

        Args:
            sources: what gives rows, by the name of the row that is shown when it does not answer.
            clock: seconds that never go back.
            wall: seconds since 1970.
        """
        self._sources, self._clock, self._wall = sources, clock, wall
        self._sinces = Sinces()
        self._rows: tuple[StatusRow, ...] = ()
        self._looked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def rows(self) -> tuple[StatusRow, ...]:
        """Return the rows as of now, or of two seconds ago at most."""
        async with self._lock:
            if self._clock() - self._looked_at >= _FRESH_S:
                found = await asyncio.gather(*(self._look(name, one) for name, one in self._sources.items()))
                self._rows = self._sinces.dated([one for rows in found for one in rows], self._wall())
                self._looked_at = self._clock()
        return self._rows

    async def _look(self, name: str, source: Source) -> Sequence[StatusRow]:
        try:
            async with asyncio.timeout(_LOOK_S):
                return await source()
        except TimeoutError:
            return [row(name, RowState.UNKNOWN, f"does not answer in {_LOOK_S:g} s")]
        except ClusterFault as fault:
            return [row(name, RowState.UNKNOWN, fault.message)]
        except Exception as error:  # of one source; the page goes on to get the rows of the others
            LOG.error("status of %s: %s", name, place_of(error))
            return [row(name, RowState.UNKNOWN, "a bug of the agent; its log has the details")]


def consul_source(client: ConsulClient, link: str) -> Source:
    """Return what gives the rows of Consul's services."""

    async def rows() -> Sequence[StatusRow]:
        services, checks = await asyncio.gather(client.catalog.services(), client.health.in_state("any"))
        return service_rows(services, checks, link)

    return rows


def nomad_source(client: NomadClient, link: str) -> Source:
    """Return what gives the rows of Nomad's nodes and jobs."""

    async def rows() -> Sequence[StatusRow]:
        nodes = await client.nodes.list()
        jobs = [one async for one in client.jobs.list()]
        return [*node_rows(nodes, link), *job_rows(jobs, link)]

    return rows
