"""A suite's time limits: `evaluateOptions.timeoutMs` for one evaluation, `maxEvalTimeMs` for all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from evolve.core.model.errors import EnvironmentFault

_UNLIMITED: AbstractAsyncContextManager[None] = nullcontext()


class TimeLimits:
    """Ends evaluations that take too long; what an endpoint does not answer in time is an error of the run.

    Args:
        timeout_ms: for asking and judging one evaluation; 0 is no limit.
        max_time_ms: for all evaluations, from the start of the first; 0 is no limit.
    """

    def __init__(self, timeout_ms: float, max_time_ms: float) -> None:
        self._timeout_ms, self._max_time_ms = timeout_ms, max_time_ms
        self._end_s: float | None = None

    def one_evaluation(self, now_s: float) -> AbstractAsyncContextManager[None]:
        """Limit the time of one evaluation; most suites have no limit, and a block without one costs nothing.

        Args:
            now_s: the time at its start, on any clock that never goes back.

        Raises:
            EnvironmentFault: a limit is passed; the message names it.
        """
        return self._limited(now_s) if self._timeout_ms or self._max_time_ms else _UNLIMITED

    @asynccontextmanager
    async def _limited(self, now_s: float) -> AsyncIterator[None]:
        left_s = self._left_s(now_s)
        if left_s is not None and left_s <= 0:
            raise self._suite_fault()
        own_s = self._timeout_ms / 1000 if self._timeout_ms else None
        is_own = own_s is not None and (left_s is None or own_s <= left_s)
        try:
            async with asyncio.timeout(own_s if is_own else left_s) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise (self._own_fault() if is_own else self._suite_fault()) from None

    def _left_s(self, now_s: float) -> float | None:
        if not self._max_time_ms:
            return None
        if self._end_s is None:
            self._end_s = now_s + self._max_time_ms / 1000
        return self._end_s - now_s

    def _own_fault(self) -> EnvironmentFault:
        return EnvironmentFault(f"no result after {self._timeout_ms:g} ms, the suite's timeoutMs")

    def _suite_fault(self) -> EnvironmentFault:
        return EnvironmentFault(f"the suite did not end within {self._max_time_ms:g} ms, its maxEvalTimeMs")
