"""Threads for a user's functions: a function that never returns does not keep the process from ending."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple


class _Call(NamedTuple):
    function: Callable[..., Any]
    args: Sequence[object]
    answer: Future[object]


class DaemonThreads:
    """A pool of threads; unlike with `ThreadPoolExecutor`, Python does not wait for them when it exits."""

    def __init__(self, count: int, name: str) -> None:
        self._count, self._name = count, name
        self._started = 0
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()

    async def run(self, function: Callable[..., Any], args: Sequence[object]) -> object:
        """Return what the function returns, or raise what it raises; calls wait until a thread is free."""
        call = _Call(function, args, Future())
        self._calls.put(call)
        if self._started < self._count:
            self._started += 1
            threading.Thread(target=self._work, name=f"{self._name}_{self._started}", daemon=True).start()
        return await asyncio.wrap_future(call.answer)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if not call.answer.set_running_or_notify_cancel():
                continue
            try:
                answered = call.function(*call.args)
            except BaseException as error:  # the caller gets it, also what `sys.exit` raises
                call.answer.set_exception(error)
            else:
                call.answer.set_result(answered)

    def close(self) -> None:
        """End the threads after their current calls."""
        for _ in range(self._started):
            self._calls.put(None)
