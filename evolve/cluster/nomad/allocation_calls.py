"""The client's calls about allocations and their logs."""

from collections.abc import AsyncIterator

from evolve.cluster.nomad import operations as ops
from evolve.cluster.nomad.allocations import AllocationCheck, NomadAllocation, StoppedAllocation
from evolve.cluster.nomad.logs import LogPart, Stream, from_query, tail_query
from evolve.cluster.nomad.part import NomadPart
from evolve.core.model.json_value import JsonValue


class Allocations(NomadPart):
    """Allocations, their tasks and their logs."""

    def list(self, *, prefix: str = "", expression: str = "") -> AsyncIterator[NomadAllocation]:
        """Yield all allocations, page by page."""
        given = {"prefix": prefix, "filter": expression}
        return self._pages(ops.ALLOCATION_LIST, {key: value for key, value in given.items() if value})

    async def checks(self, id: str) -> tuple[AllocationCheck, ...]:
        """Return the results of an allocation's checks with the provider `nomad`; Consul has those of its own."""
        return await self._ask(ops.ALLOCATION_CHECKS, id=id)

    async def read(self, id: str) -> NomadAllocation:
        """Return one allocation."""
        return await self._ask(ops.ALLOCATION_READ, id=id)

    async def restart(self, id: str, *, task: str = "") -> None:
        """Restart the tasks, or one, in place and without the restart delay; it answers before anything happened."""
        body: JsonValue = {"TaskName": task} if task else {"AllTasks": False}
        await self._ask(ops.ALLOCATION_RESTART, body=body, id=id)

    async def stop(self, id: str) -> StoppedAllocation:
        """Stop an allocation; Nomad places another."""
        return await self._ask(ops.ALLOCATION_STOP, id=id)

    async def tail(self, id: str, task: str, stream: Stream, size: int) -> LogPart:
        """Return the last bytes of a log.

        Args:
            id: of the allocation.
            task: its task.
            stream: stdout or stderr.
            size: bytes.
        """
        return LogPart(await self._ask(ops.ALLOCATION_LOGS, tail_query(task, stream, size), id=id), -1)

    async def log_from(self, id: str, task: str, stream: Stream, offset: int) -> LogPart:
        """Return a log from an offset on, with the offset to go on from.

        Args:
            id: of the allocation.
            task: its task.
            stream: stdout or stderr.
            offset: bytes from the log's start.
        """
        data = await self._ask(ops.ALLOCATION_LOGS, from_query(task, stream, offset), id=id)
        return LogPart(data, max(0, offset) + len(data))
