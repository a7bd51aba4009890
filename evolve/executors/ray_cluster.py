"""A Ray cluster as the place where providers are asked: the one file that knows Ray (the extra `ray`).

This process keeps the ledger, the budget and every decision; the nodes only answer. Requests that come together are
sent as blocks, one for each free slot of the cluster, and a node sends each answer as soon as it has it. Nothing is
tried again by Ray itself: when a node dies, this process sends what has no answer yet to the others, so that no answer
that has arrived is paid for twice.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from evolve import __version__
from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import EnvironmentFault, EvolveError
from evolve.core.model.extras import install_command
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Provider
from evolve.executors.opening import Opening

_GATHER_S = 0.005
"""Requests that come within this time are sent together."""
_BLOCK = 8
"""Requests of one block, at most: a slow block must not keep a node busy while others are idle."""
_LOOK_EVERY_S = 5.0
_LOSSES = 5
"""Nodes that may die under one request, before it counts as the one that kills them."""
Result = Answer | EvolveError


def answer_block(opening: Opening, version: str, requests: Sequence[Request]) -> Iterator[tuple[int, Result]]:
    """Yield the answers to a block with their numbers, as they arrive; runs on a node.

    Args:
        opening: the provider.
        version: of Anneal on the machine that asks.
        requests: the block.
    """
    if version != __version__:
        text = f"this node has Anneal {__version__}, and the machine that asks has {version}"
        fault = EnvironmentFault(text, hint="install the same version on all nodes of the Ray cluster")
        yield from ((number, fault) for number in range(len(requests)))
        return
    loop = asyncio.new_event_loop()
    try:
        yield from _answers(loop, opening, requests)
    finally:
        loop.close()


def _answers(
    loop: asyncio.AbstractEventLoop, opening: Opening, requests: Sequence[Request]
) -> Iterator[tuple[int, Result]]:
    try:
        provider = opening.open(os.environ)
    except EvolveError as error:
        yield from ((number, error) for number in range(len(requests)))
        return
    waiting = {loop.create_task(_answer(provider, number, request)) for number, request in enumerate(requests)}
    try:
        while waiting:
            done, waiting = loop.run_until_complete(asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED))
            yield from (task.result() for task in done)
    finally:
        loop.run_until_complete(provider.close())


async def _answer(provider: Provider, number: int, request: Request) -> tuple[int, Result]:
    try:
        return number, await provider.answer(request)
    except EvolveError as error:
        return number, error


@dataclass(slots=True)
class _Node:
    """A node of the cluster, as this process uses it."""

    id: str
    cpus: int
    load: int = 0
    """Blocks that it is working on for this process."""


class RayCluster:
    """The nodes of a Ray cluster; implements `Distributor`.

    Ray's own SPREAD gives short tasks to the workers that it has leased, so each block is sent to a node by name.

    Args:
        ray: the module.
    """

    def __init__(self, ray: Any) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray, self._on_node = ray, NodeAffinitySchedulingStrategy
        self._wrapped: type[Exception] = ray.exceptions.RayTaskError
        # Ray's own retries would repeat whole blocks.
        self._remote = ray.remote(num_cpus=1, max_retries=0, num_returns="streaming")(answer_block)
        self._nodes: dict[str, _Node] = {}
        self._looked_at = -_LOOK_EVERY_S
        self._look()

    @property
    def slots(self) -> int:
        """See `Distributor.slots`: the CPUs of all nodes."""
        return max(1, sum(node.cpus for node in self._nodes.values()))

    def distribute(self, provider: Provider, opening: Opening) -> "RayProvider":
        """See `Distributor.distribute`."""
        return RayProvider(provider, opening, self)

    async def run(self, opening: Opening, block: "Sequence[_Asked]") -> None:
        """Have a node answer a block; requests of a node that died stay without an answer, and count the loss."""
        node = self._choose()
        node.load += 1
        try:
            task = self._remote.options(scheduling_strategy=self._on_node(node.id, soft=True))
            async for part in task.remote(opening, __version__, [asked.request for asked in block]):
                number, result = await part
                block[number].arrive(result)
        except self._wrapped:
            raise  # a bug of ours on the node
        except self._ray.exceptions.RayError as error:
            self._looked_at = -_LOOK_EVERY_S
            for asked in block:
                asked.lose(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        finally:
            node.load -= 1

    def _choose(self) -> _Node:
        """The node with the most free CPUs for its size."""
        if time.monotonic() - self._looked_at > _LOOK_EVERY_S:
            self._look()
        if not self._nodes:
            raise EnvironmentFault("the Ray cluster has no node with a CPU", hint="look at it with `ray status`")
        return min(self._nodes.values(), key=lambda node: (node.load / node.cpus, node.id))

    def _look(self) -> None:
        """Learn which nodes are alive: some may have joined or left."""
        self._looked_at = time.monotonic()
        alive = {str(one["NodeID"]): int(one["Resources"].get("CPU", 0)) for one in self._ray.nodes() if one["Alive"]}
        kept = self._nodes
        self._nodes = {id: kept.get(id) or _Node(id, cpus) for id, cpus in alive.items() if cpus}


@dataclass(slots=True, eq=False)
class _Asked:
    """A request that waits for its answer."""

    request: Request
    result: "asyncio.Future[Answer]"
    losses: int = 0

    def arrive(self, result: Result) -> None:
        """Give the caller the answer or the error."""
        if self.result.done():
            return
        if isinstance(result, Answer):
            self.result.set_result(result)
        else:
            self.result.set_exception(result)

    def lose(self, why: str) -> None:
        """Count a node that died with this request; too many are a fault."""
        self.losses += not self.result.done()
        if self.losses >= _LOSSES:
            hint = "look at the nodes with `ray status`; the same command continues"
            self.arrive(EnvironmentFault(f"{self.losses} nodes of the Ray cluster died, the last: {why}", hint=hint))


class RayProvider:
    """A provider whose requests the nodes of a cluster answer. Identities are made here."""

    def __init__(self, local: Provider, opening: Opening, cluster: RayCluster) -> None:
        self.id = local.id
        self._local, self._opening, self._cluster = local, opening, cluster
        self._waiting: list[_Asked] = []
        self._sending: asyncio.Task[None] | None = None
        self._blocks: set[asyncio.Task[None]] = set()

    def identity(self, request: Request) -> JsonValue:
        """See `Provider.identity`."""
        return self._local.identity(request)

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`; raises EnvironmentFault also where too many nodes died."""
        asked = _Asked(request, asyncio.get_running_loop().create_future())
        self._send([asked])
        return await asked.result

    def _send(self, asked: Sequence[_Asked]) -> None:
        self._waiting += asked
        if self._waiting and (self._sending is None or self._sending.done()):
            self._sending = asyncio.ensure_future(self._send_soon())

    async def _send_soon(self) -> None:
        await asyncio.sleep(_GATHER_S)
        waiting = [asked for asked in self._waiting if not asked.result.done()]
        self._waiting = []
        size = block_size(len(waiting), self._cluster.slots)
        for start in range(0, len(waiting), size):
            task = asyncio.ensure_future(self._run(waiting[start : start + size]))
            self._blocks.add(task)
            task.add_done_callback(self._blocks.discard)

    async def _run(self, block: list[_Asked]) -> None:
        try:
            await self._cluster.run(self._opening, block)
        except Exception as error:
            for asked in block:
                if not asked.result.done():
                    asked.result.set_exception(error)
            return
        self._send([asked for asked in block if not asked.result.done()])

    async def close(self) -> None:
        """See `Provider.close`; blocks under way are given up."""
        tasks = [*self._blocks, *([self._sending] if self._sending else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sending = None
        await self._local.close()


def block_size(waiting: int, slots: int) -> int:
    """Return how many requests a block has, so that each slot of the cluster gets one first."""
    return max(1, min(_BLOCK, -(-waiting // max(1, slots))))


@contextmanager
def opened_ray(address: str) -> Iterator[RayCluster]:
    """Join the cluster of an address; without one that of this machine, or a new one on it. It is left at the end.

    Raises:
        EnvironmentFault: Ray is not installed, or the cluster does not answer.
    """
    # Before the import, which reads them.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as exc:
        raise EnvironmentFault("--executor ray needs Ray", hint=install_command("ray")) from exc
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
    try:
        ray.init(address=address or None, **(options if not address else {**options, "include_dashboard": None}))
    except (ConnectionError, RuntimeError, ValueError) as exc:
        why = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        hint = "this machine must be a node of the cluster: ray start --address=HOST:PORT"
        raise EnvironmentFault(f"no Ray cluster at {address or 'this machine'}: {why}", hint=hint) from exc
    try:
        yield RayCluster(ray)
    finally:
        ray.shutdown()
