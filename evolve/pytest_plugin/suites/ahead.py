"""Asks suites' providers before the items need the answers, concurrently, in an asyncio loop in a separate thread.

The main thread takes the items one by one. The other thread keeps a window of results ready and waits when it is full,
so that a run that stops early has paid for few unused answers.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from evolve.core.model.events import CaseResult
from evolve.core.suites.units import Unit
from evolve.evaluation.runner import SuiteRunner
from evolve.evaluation.setup import LoadedSuite, Settings, open_answers, runner_for

_WINDOW: Final = 64
"""The minimum of results kept ready for their items; fewer would wake the thread too often."""
_WAVES: Final = 8
"""The window as a multiple of the concurrent calls. It is refilled when it is empty; that wait is one wave at most."""
_LULL_S: Final = 0.05
_PATIENCE_S: Final = 0.25
"""Results are collected until none arrived for _LULL_S, or for _PATIENCE_S. Two threads that work at the same time take
the interpreter from each other at every system call: with a fast endpoint that was half of all CPU."""
_STOP_S: Final = 10.0
"""How long closing may take; a provider that hangs must not keep pytest from ending."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an item needs: the result with this id, from this unit of this suite."""

    loaded: LoadedSuite
    unit: Unit
    id: str


class Ahead:
    """Results for items. All methods are called from the main thread.

    Raises:
        EnvironmentFault: the store of answers cannot be used.
    """

    def __init__(self, settings: Settings, *, is_careful: bool = False) -> None:
        self._settings = settings
        self._answers = open_answers(settings)
        self._is_careful = is_careful
        self._pumps: dict[int, _Pump] = {}
        self._offered: set[int] = set()
        self._news = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="evolve-ahead", daemon=True)
        self._thread.start()

    @property
    def notice(self) -> str:
        """What the user should know about the store of answers; usually empty."""
        return self._answers.notice

    def offer(self, wanted: Iterable[Wanted]) -> None:
        """Announce the results that items will need, in this order."""
        fresh: dict[int, tuple[LoadedSuite, list[Unit]]] = {}
        for item in wanted:
            if id(item.unit) not in self._offered:
                self._offered.add(id(item.unit))
                fresh.setdefault(id(item.loaded), (item.loaded, []))[1].append(item.unit)
        for loaded, units in fresh.values():
            pump = self._pump(loaded)
            self._loop.call_soon_threadsafe(pump.add, units)

    def result(self, wanted: Wanted) -> CaseResult:
        """Wait for a result and return it; an exception from the thread is raised here."""
        pump = self._pump(wanted.loaded)
        found = pump.results.pop(wanted.id, None)
        if found is None:
            found = self._wait_for(pump, wanted)
        pump.taken += 1
        if pump.is_waiting and pump.ready <= 0:
            self._loop.call_soon_threadsafe(pump.go_on)
        if isinstance(found, BaseException):
            raise found
        return found

    def stop(self) -> None:
        """Cancel running work, close the providers, and end the thread."""
        if not self._thread.is_alive():
            return
        future = asyncio.run_coroutine_threadsafe(self._close(), self._loop)
        with suppress(TimeoutError):  # see _STOP_S
            future.result(_STOP_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_S)

    def _pump(self, loaded: LoadedSuite) -> "_Pump":
        pump = self._pumps.get(id(loaded))
        if pump is None:
            runner = runner_for(loaded, self._settings, self._answers)
            window = runner.concurrency if self._is_careful else max(_WINDOW, _WAVES * runner.concurrency)
            pump = self._pumps[id(loaded)] = _Pump(runner, window, self._news)
        return pump

    def _wait_for(self, pump: "_Pump", wanted: Wanted) -> "CaseResult | BaseException":
        with self._news:
            pump.awaited = wanted.id
            self._loop.call_soon_threadsafe(pump.demand, wanted.unit)
            while True:
                found = pump.results.pop(wanted.id, None)
                if found is not None:
                    pump.awaited = None
                    return found
                if not self._thread.is_alive():
                    raise RuntimeError("the thread that asks providers has ended")
                self._news.wait(1.0)  # not for ever, to notice when the thread has ended

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _close(self) -> None:
        for pump in self._pumps.values():
            await pump.close()
        await self._answers.close()


class _Pump:
    """Runs one suite's units in the loop's thread; the main thread reads `results` and the counters."""

    def __init__(self, runner: SuiteRunner, window: int, news: threading.Condition) -> None:
        self._runner = runner
        self._news = news
        self._pending: deque[Unit] = deque()
        self._urgent: deque[Unit] = deque()
        self._known: set[int] = set()
        self._running: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waker: asyncio.TimerHandle | None = None
        self.window = window
        self.results: dict[str, CaseResult | BaseException] = {}
        self.finished = self.taken = 0
        self.awaited: str | None = None
        self.is_waiting = False

    @property
    def ready(self) -> int:
        """Results that no item has taken yet."""
        return self.finished - self.taken

    def add(self, units: Iterable[Unit]) -> None:
        """Add units to the end of the queue."""
        self._pending.extend(units)
        self.go_on()

    def demand(self, unit: Unit) -> None:
        """Run a unit first, even if the window is full, because an item waits for it."""
        if self.awaited not in unit.ids:
            return  # it arrived meanwhile
        if id(unit) not in self._running and not any(name in self.results for name in unit.ids):
            self._urgent.append(unit)
            self.go_on()

    def go_on(self) -> None:
        """Start as many workers as there is work and room for."""
        self.is_waiting = False
        while len(self._tasks) < self._runner.concurrency and (unit := self._next()) is not None:
            task = asyncio.get_running_loop().create_task(self._work(unit))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel the workers, and close the suite's providers."""
        self._pending.clear()
        self._urgent.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._runner.close()

    def _next(self) -> Unit | None:
        unit = self._take_from(self._urgent, again=True)
        if unit is None and self._pending:
            if self.ready + len(self._running) >= self.window:
                self.is_waiting = True
                return None
            unit = self._take_from(self._pending, again=False)
        return unit

    def _take_from(self, queue: deque[Unit], *, again: bool) -> Unit | None:
        while queue:
            unit = queue.popleft()
            if id(unit) not in self._running and (again or id(unit) not in self._known):
                self._known.add(id(unit))
                self._running.add(id(unit))
                return unit
        return None

    async def _work(self, unit: Unit | None) -> None:
        while unit is not None:
            try:
                results: dict[str, CaseResult | BaseException] = {
                    result.evaluation.id: result for result in await self._runner.evaluate_unit(unit)
                }
            except Exception as error:  # our bug: the item that needs the result raises it
                results = dict.fromkeys(unit.ids, error)
            self._running.discard(id(unit))
            self._deliver(results)
            unit = self._next()
            if self._waker is not None and not self._running:
                self._wake()

    def _deliver(self, results: dict[str, "CaseResult | BaseException"]) -> None:
        self.finished += len(results)
        self.results.update(results)
        if self.awaited in self.results and self._waker is None:
            self._wake_in_a_lull(asyncio.get_running_loop().time() + _PATIENCE_S)

    def _wake_in_a_lull(self, latest: float) -> None:
        self._waker = asyncio.get_running_loop().call_later(_LULL_S, self._look, self.finished, latest)

    def _look(self, finished_before: int, latest: float) -> None:
        if self.finished == finished_before or asyncio.get_running_loop().time() >= latest:
            self._wake()
        else:
            self._wake_in_a_lull(latest)

    def _wake(self) -> None:
        """Wake the waiting thread."""
        if self._waker is not None:
            self._waker.cancel()
            self._waker = None
        with self._news:
            self._news.notify_all()
