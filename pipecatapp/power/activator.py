"""One service that sleeps: its public port, its clients, its wakes and its sleeps."""

import asyncio
import contextlib
import itertools
import json
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Final

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.faults import ClusterFault
from pipecatapp.power.clients import Client
from pipecatapp.power.config import PowerService
from pipecatapp.power.metrics import PowerMetrics
from pipecatapp.power.registration import Described, Registration
from pipecatapp.power.splicing import Line, splice
from pipecatapp.power.state import Action, Actions, Phase, PowerState, Refusal
from pipecatapp.power.targets import Target, follow_targets
from pipecatapp.power.waiting import wait_for_change
from pipecatapp.power.wakers import Sleeper, WakeFailed, Waker
from pipecatapp.serving.listening import open_listener

LOG: Final = logging.getLogger("power_agent")
_TICK_S: Final = 0.25
_LOOK_S: Final = 5.0
_CONNECT_S: Final = 3.0


class Activator:
    """Serves one service. `start` needs the event loop that runs."""

    def __init__(
        self,
        service: PowerService,
        consul: ConsulClient,
        wakers: Sequence[Waker],
        metrics: PowerMetrics,
        *,
        sleeper: Sleeper | None = None,
        metrics_at: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make an activator that has not started.

        Args:
            service: what it serves.
            consul: who knows the instances.
            wakers: ways to wake it; all are used.
            metrics: what is counted.
            sleeper: the way to put it to sleep; None where it is not put to sleep.
            metrics_at: where Prometheus finds the metrics, as Consul shows it; empty for nowhere.
            clock: seconds that never go back.
        """
        self.service = service
        self.metrics = metrics
        self.state = PowerState(service.rules, clock())
        self._consul = consul
        self._wakers = wakers
        self._sleeper = sleeper
        self._metrics_at = metrics_at
        self._clock = clock
        self._numbers = itertools.count()
        self._targets: Mapping[str, Target] = {}
        self._changed = asyncio.Event()
        self._works: dict[Action, asyncio.Task[None]] = {}
        self._lasting: list[asyncio.Task[None]] = []
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._is_down = False
        self.crashed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Fails with an error that nobody foresaw."""
        self.port = 0
        """Where it listens, once it has started."""

    async def start(self) -> None:
        """Take connections from now on, and say so in Consul.

        Raises:
            EnvironmentFault: the address cannot be used.
        """
        listener = open_listener(self.service.listen)
        if self._sleeper is not None:
            # An agent before this one may have put it to sleep a moment ago, and Consul still shows what is stopped.
            with contextlib.suppress(ClusterFault):
                self.state.doom(await self._sleeper.stopped(), self._clock())
        self.port = listener.getsockname()[1]
        host = self.service.address or _shown(self.service.listen.host)
        self._registration = Registration(
            self._consul,
            self.service.name,
            (host, self.port),
            is_http=self.service.is_http,
            metrics_at=self._metrics_at,
        )
        self._show()
        self._server = await asyncio.start_server(self._accept, sock=listener)
        lasting = [follow_targets(self._consul, self.service.name, self._see), self._tick(), self._registration.run()]
        if self._sleeper is not None:
            lasting.append(self._look_at_count(self._sleeper))
        self._lasting = [self._background(work) for work in lasting]

    async def stop(self, drain_s: float = 0.0) -> None:
        """Take no more connections; those that there are have some time to end."""
        await self._registration.end()
        if self._server is not None:
            self._server.close()
        if self._clients and drain_s:
            await asyncio.wait(self._clients, timeout=drain_s)
        tasks = [*self._lasting, *self._works.values(), *self._clients]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Once more: the task that keeps the registration up to date may have been at it.
        await self._registration.end()

    @property
    def is_known(self) -> bool:
        """Whether Consul knows of it, as it is now."""
        return self._registration.is_known

    # The state, and what follows from it

    def _do(self, actions: Actions) -> None:
        """Have the actions under way, and let everybody look who waits for a change."""
        for action in actions:
            running = self._works.get(action)
            if running is None or running.done():
                work = self._wake() if action is Action.WAKE else self._retire()
                self._works[action] = self._background(work)
        self._show()
        self._changed.set()
        self._changed = asyncio.Event()

    def _background(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        # A mistake of ours: what would hang from now on ends with a traceback, and systemd starts it again.
        if not task.cancelled() and (error := task.exception()) is not None and not self.crashed.done():
            self.crashed.set_exception(error)

    def _show(self) -> None:
        self.metrics.show(self.service.name, self.state)
        is_down = self._is_down and self.state.phase is Phase.ASLEEP
        self._registration.describe(Described("down" if is_down else self.state.phase.value, self.state.failure))

    def _see(self, targets: Mapping[str, Target]) -> None:
        self._targets = targets
        self._do(self.state.see(tuple(targets), self._clock()))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            before = self.state.phase
            actions = self.state.tick(self._clock())
            if actions or self.state.waiting or self.state.phase is not before:
                self._do(actions)

    async def _look_at_count(self, sleeper: Sleeper) -> None:
        """Find out again and again whether it sleeps, or is wanted and does not run."""
        while True:
            if self.state.phase is Phase.ASLEEP:
                with contextlib.suppress(ClusterFault):
                    self._is_down = await sleeper.count() > 0
                    self._show()
            await asyncio.sleep(_LOOK_S)

    async def _wake(self) -> None:
        # A loop: it may be put to waking again while the ways of the last time end.
        while self.state.phase is Phase.WAKING:
            LOG.info("%s: waking", self.service.name)
            ways = [asyncio.create_task(self._wake_by(waker)) for waker in self._wakers]
            try:
                await self._until_awake()
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    async def _until_awake(self) -> None:
        """Return when it is not waking any more; a wake fails when nobody waits any longer."""
        began = self._clock()
        while self.state.phase is Phase.WAKING:
            if self._clock() - began > self.service.timeout_s and not self.state.waiting:
                self._fail(f"no instance passes within {self.service.timeout_s:g} s")
                return
            await wait_for_change(self._changed, 1.0)
        if self.state.phase is Phase.AWAKE:
            LOG.info("%s: awake after %.1f s", self.service.name, self._clock() - began)
            self.metrics.count_wake(self.service.name, "awake")

    async def _wake_by(self, waker: Waker) -> None:
        while True:
            try:
                self._do(self.state.woke(await waker.wake(), self._clock()))
            except WakeFailed as failed:
                self._fail(str(failed))
                return
            except ClusterFault as fault:
                LOG.warning("%s: not woken yet: %s", self.service.name, fault)
            await asyncio.sleep(waker.again_s)

    def _fail(self, reason: str) -> None:
        if self.state.phase is not Phase.WAKING:
            return
        LOG.error("%s: cannot be woken: %s", self.service.name, reason)
        self.metrics.count_wake(self.service.name, "failed")
        self._do(self.state.fail(reason, self._clock()))

    async def _retire(self) -> None:
        """Put it to sleep, unless a client comes before the write."""
        doomed = None
        try:
            if self._sleeper is not None and await self._registration.is_alone():
                doomed = await self._sleeper.retire(self.state.commit)
        except (ClusterFault, WakeFailed) as fault:
            LOG.warning("%s: not put to sleep: %s", self.service.name, fault)
        self.metrics.count_sleep(self.service.name, "kept" if doomed is None else "asleep")
        # Before the actions: a next decision needs a task of its own.
        self._works.pop(Action.RETIRE, None)
        now = self._clock()
        self._do(self.state.keep(now) if doomed is None else self.state.retired(doomed, now))

    # Clients

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(next(self._numbers), Line(reader, writer))
        task = asyncio.create_task(self._serve(client))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)
        task.add_done_callback(lambda _: client.abandon())

    async def _serve(self, client: Client) -> None:
        began = self._clock()
        client.line.watch()
        try:
            server = await client.unless_gone(
                self._connect(client), is_gone_at_end=lambda: self._is_gone_at_end(client)
            )
            if isinstance(server, Refusal):
                await self._refuse(client, server)
            elif server is None:
                self.metrics.count_gone(self.service.name)
                client.line.reset()
            else:
                self.metrics.note_wait(self.service.name, self._clock() - began)
                await splice(client.line, server, client.ahead)
        except asyncio.CancelledError:
            client.line.reset()
            raise
        finally:
            self._do(self.state.leave(client.number, self._clock()))

    def _is_gone_at_end(self, client: Client) -> bool:
        """Whether a client that has closed its direction has left: clients of HTTP do not wait for an answer then.

        Of others, one that has sent nothing and would have to wait wants nothing.
        """
        has_to_wait = self.state.choose(self._clock()) is None and client.number not in self.state.served
        return has_to_wait and (self.service.is_http or not client.ahead.data)

    async def _connect(self, client: Client) -> Line | Refusal:
        """Return a connection to an instance, sooner or later."""
        if not self.service.may_wake(client.host):
            return await self._connect_awake(client) or Refusal.NOT_ALLOWED
        if (refusal := self.state.refuses(self._clock())) is not None:
            return refusal
        self._do(self.state.arrive(client.number, self._clock()))
        try:
            async with asyncio.timeout(self.service.timeout_s):
                while client.number in self.state.waiting:
                    changed = self._changed
                    if (line := await self._connect_awake(client)) is not None:
                        return line
                    await changed.wait()
        except TimeoutError:
            return Refusal.TIMEOUT
        return Refusal.WAKE_FAILED

    async def _connect_awake(self, client: Client) -> Line | None:
        """Return a connection to an instance that passes; None where there is none now."""
        while (id := self.state.choose(self._clock())) is not None:
            was_waiting = client.number in self.state.waiting
            self._do(self.state.begin(client.number, id, self._clock()))
            try:
                async with asyncio.timeout(_CONNECT_S):
                    line = client.server = Line(*await asyncio.open_connection(*self._targets[id]))
            except (OSError, KeyError, TimeoutError) as exc:
                LOG.warning("%s: %s takes no connection: %s", self.service.name, id, exc or type(exc).__name__)
                self._do(self.state.lose(client.number, self._clock(), waits=was_waiting))
                continue
            line.watch()
            return line
        return None

    async def _refuse(self, client: Client, refusal: Refusal) -> None:
        LOG.warning("%s: client refused: %s %s", self.service.name, refusal.value, self.state.failure)
        self.metrics.count_refused(self.service.name, refusal)
        if self.service.is_http:
            await client.send_and_close(_unavailable(self.service, refusal, self.state.failure))
        else:
            await client.line.close()


def _shown(host: str) -> str:
    """Return the host that Consul shows; empty, the node's own, where it is every address."""
    return "" if host in ("0.0.0.0", "::") else host


def _unavailable(service: PowerService, refusal: Refusal, failure: str) -> bytes:
    """Return an answer of HTTP, with a body in the shape of OpenAI's API."""
    why = failure if refusal is Refusal.WAKE_FAILED and failure else refusal.value.replace("_", " ")
    error = {"message": f"{service.name}: {why}", "type": "server_error", "param": None, "code": refusal.value}
    body = json.dumps({"error": error}).encode()
    lines = (
        "HTTP/1.1 503 Service Unavailable",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"retry-after: {max(1, round(service.rules.retry_s))}",
        "connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode() + body
