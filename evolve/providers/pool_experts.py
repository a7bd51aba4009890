"""The experts of a pool while it is in use: who is there, how busy each is, who left and came back.

Each expert is probed with `GET /v1/models`: while it has requests in flight, so that a dead one is noticed before its
requests reach their deadline; and while it is away, so that it comes back. An expert is away as soon as a request to it
fails, or when two probes in a row find nobody; then its requests in flight are given up, and the callers ask another.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from evolve.core.model.errors import EnvironmentFault, InputError, Location
from evolve.providers.pool_members import Members
from evolve.providers.pool_models import Served, ServedModel, agreed_model, serves
from evolve.providers.pool_routing import choose
from evolve.system.credentials import safe_url
from evolve.system.retry import Transient

T = TypeVar("T")
Probe = Callable[[str, float], Coroutine[Any, Any, Served]]
"""Asks the expert of a URL for its models, for at most so many seconds; raises Transient or EnvironmentFault."""
_PROBE_EVERY_S = 1.0
_MISSES = 2
"""Probes in a row that must find nobody: one alone may be lost."""
_RETURN_S = 3.0
"""How long a request waits for an expert when all are away: enough for two probes."""
_PATIENCE_S = 30.0
"""A server that accepts connections may be busy for so long, as one with a single thread is while it generates."""
_UNLISTED_PATIENCE_S = 5.0
"""The same for one that Consul no longer lists as passing."""
_ENDING_S = 1.0
"""For a probe under way when the pool is closed."""
_FIRST_PATIENCE_S = 10.0
"""For the first look at each expert; the run waits for it."""


@dataclass(slots=True, eq=False)
class Expert:
    """One endpoint of the pool."""

    url: str
    load: int = 0
    """Requests in flight."""
    is_listed: bool = True
    away: str = "not seen yet"
    """Why it gets no requests; empty while it gets them."""
    rests_until: float = 0.0
    """When requests may come again, on the event loop's clock: it asked to be left alone."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while its requests in flight are given up."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when its probes have something to do."""

    @property
    def name(self) -> str:
        """The URL for messages."""
        return safe_url(self.url)

    @property
    def rest_s(self) -> float:
        """Seconds for which it is left alone still."""
        return max(0.0, self.rests_until - asyncio.get_running_loop().time())

    async def unless_gone(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work returns; raise Transient, and end the work, when the expert has left meanwhile."""
        task, gone = asyncio.ensure_future(work), asyncio.ensure_future(self.gone.wait())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Transient(f"the expert left: {self.away}")
            return task.result()
        finally:
            for one in (task, gone):
                one.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)


class Experts:
    """The experts of one pool, in one event loop.

    Args:
        members: where their URLs come from.
        probe: asks one for its models.
        wanted: the model's name; empty for the one model that all serve.
        slots: requests that an expert answers at once.
        where: the provider's place in the suite, for messages.
    """

    def __init__(
        self, members: Members, probe: Probe, *, wanted: str, slots: int, where: Location | None = None
    ) -> None:
        self._members, self._probe = members, probe
        self._wanted, self._slots, self._where = wanted, slots, where
        self._by_url: dict[str, Expert] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._probes: set[asyncio.Task[Served]] = set()
        self._follower: asyncio.Task[None] | None = None
        self._model: ServedModel | None = None
        self._refusal: InputError | None = None
        self._opening = asyncio.Lock()
        self._came_back = asyncio.Event()

    async def open(self) -> None:
        """Find the experts and look at each once; later calls return at once.

        Raises:
            InputError: they serve different models.
            Transient: none answers now.
            EnvironmentFault: they cannot be found.
        """
        if self._model is not None:
            return
        async with self._opening:
            if self._refusal is not None:
                raise self._refusal
            if self._follower is None:
                await self._find()
            if self._model is None:
                await self._agree()

    async def _find(self) -> None:
        listed = asyncio.Event()

        def on(urls: tuple[str, ...]) -> None:
            self._take(urls)
            listed.set()

        follower = asyncio.ensure_future(self._members.follow(on))
        waiting = asyncio.ensure_future(listed.wait())
        try:
            await asyncio.wait({follower, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not listed.is_set():
                follower.result()
        finally:
            waiting.cancel()
            if listed.is_set():
                self._follower = follower
            else:
                follower.cancel()
                await asyncio.gather(follower, return_exceptions=True)

    async def _agree(self) -> None:
        seen: dict[str, Served] = {}

        async def look(expert: Expert) -> None:
            try:
                seen[expert.url] = await self._probe(expert.url, _FIRST_PATIENCE_S)
            except (Transient, EnvironmentFault) as fault:
                expert.away = _reason(fault)

        experts = [one for one in self._by_url.values() if one.is_listed]
        await asyncio.gather(*(look(expert) for expert in experts))
        if not seen:
            raise self._nobody()
        try:
            # In the order of the list, so that the message is the same each time.
            listed = {expert.url: seen[expert.url] for expert in experts if expert.url in seen}
            self._model = agreed_model(listed, self._wanted, self._where)
        except InputError as refusal:
            self._refusal = refusal
            raise
        for expert in experts:
            if expert.url in seen:
                expert.away = ""
        # Not only these: others may have joined meanwhile, and are asked for their model by their probes.
        for expert in self._by_url.values():
            self._keep(expert)

    @property
    def model(self) -> str:
        """The model's name, after `open`."""
        assert self._model is not None
        return self._wanted or self._model.id

    @property
    def present(self) -> list[Expert]:
        """Those that get requests now."""
        return [one for one in self._by_url.values() if one.is_listed and not one.away]

    @property
    def size(self) -> int:
        """How many there are, those that are away included."""
        return len(self._by_url)

    async def wait_for_one(self) -> None:
        """Wait a moment for an expert to come back where all are away; each of them is being probed."""
        if self.present:
            return
        self._came_back.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_RETURN_S):
                await self._came_back.wait()

    @contextmanager
    def borrowed(self, key: str) -> Iterator[Expert]:
        """Lend the expert that answers the next request with this key; raises Transient when there is none."""
        present = {one.url: one for one in self.present}
        if not present:
            raise self._nobody()
        expert = present[choose(key, {url: one.load for url, one in present.items()}, self._slots)]
        expert.load += 1
        expert.wake.set()
        try:
            yield expert
        except Transient as failure:
            self._leave(expert, failure)
            raise
        finally:
            expert.load -= 1

    def _leave(self, expert: Expert, failure: Transient) -> None:
        """Give an expert no requests until a probe finds it well: one request to it has failed."""
        expert.away = expert.away or failure.reason
        rest_s = failure.retry_after_s or 0.0
        expert.rests_until = max(expert.rests_until, asyncio.get_running_loop().time() + rest_s)
        expert.wake.set()

    def _nobody(self) -> Transient:
        listed = [one for one in self._by_url.values() if one.is_listed]
        if not listed:
            return Transient("the pool has no expert", hint="no instance of the service passes its checks in Consul")
        reasons = "; ".join(f"{one.name}: {one.away}" for one in listed)
        who = f"none of {len(listed)} experts" if len(listed) > 1 else "no expert"
        text = f"{who} answers: {reasons}"
        rest_s = min(one.rest_s for one in listed) or None
        return Transient(text, retry_after_s=rest_s, hint="are the servers running, and are hosts and ports right?")

    # --- who is there

    def _take(self, urls: tuple[str, ...]) -> None:
        for url in urls:
            self._by_url.setdefault(url, Expert(url))
        for url, expert in self._by_url.items():
            if url in urls and not expert.is_listed:
                # It may have been started again with another model while nothing was asked of it.
                expert.away = expert.away or "not seen since it is listed again"
            expert.is_listed = url in urls
            expert.wake.set()
            if self._model is not None:
                self._keep(expert)

    def _keep(self, expert: Expert) -> None:
        if expert.url not in self._keepers:
            self._keepers[expert.url] = asyncio.ensure_future(self._watch_over(expert))

    async def _watch_over(self, expert: Expert) -> None:
        """Probe an expert while it is busy or away, and wait while there is nothing to know."""
        misses = 0
        while True:
            if not expert.load and not (expert.is_listed and expert.away):
                expert.wake.clear()
                await expert.wake.wait()
                continue
            # One that rests is probed only while its requests in flight need it.
            await asyncio.sleep(_PROBE_EVERY_S if expert.load else max(_PROBE_EVERY_S, expert.rest_s))
            fault = await self._fault_of(expert)
            misses = misses + 1 if fault else 0
            if not fault and expert.rest_s:
                expert.gone.clear()
            elif not fault:
                expert.away = ""
                expert.gone.clear()
                self._came_back.set()
            elif expert.away or misses >= _MISSES:
                expert.away = fault
            if misses >= _MISSES:
                expert.gone.set()

    async def _fault_of(self, expert: Expert) -> str:
        """Why an expert is to get no requests; empty for one that is well and serves the run's model."""
        limit_s = _PATIENCE_S if expert.is_listed else _UNLISTED_PATIENCE_S
        probe = asyncio.ensure_future(self._probe(expert.url, limit_s))
        self._probes.add(probe)
        probe.add_done_callback(self._probes.discard)
        try:
            # Shielded: one that is cancelled while it connects would leave its socket open.
            models = await asyncio.shield(probe)
        except (Transient, EnvironmentFault) as fault:
            return _reason(fault)
        if self._model is not None and not serves(models, self._model):
            return f"it serves {', '.join(map(str, models))}, not {self.model}"
        return ""

    async def close(self) -> None:
        """End the probes and the query to Consul."""
        tasks = [*self._keepers.values(), *([self._follower] if self._follower else [])]
        self._keepers, self._follower = {}, None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._end_probes()

    async def _end_probes(self) -> None:
        """Let the probes under way end, for a moment."""
        probes = set(self._probes)
        if probes:
            await asyncio.wait(probes, timeout=_ENDING_S)
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)


async def model_now(members: Members, probe: Probe, wanted: str, where: Location | None) -> str:
    """Return the name of the one model that all experts serve at the moment.

    Args:
        members: where the experts' URLs come from.
        probe: asks one for its models.
        wanted: the name that the user gave; empty without one.
        where: the provider's place in the suite.

    Raises:
        InputError: they serve different models.
        EnvironmentFault: none answers.
    """
    experts = Experts(members, probe, wanted=wanted, slots=1, where=where)
    try:
        await experts.open()
    except Transient as failure:
        raise EnvironmentFault(failure.reason, hint=failure.hint) from failure
    finally:
        await experts.close()
    return experts.model


def _reason(fault: Transient | EnvironmentFault) -> str:
    return fault.reason if isinstance(fault, Transient) else fault.message
