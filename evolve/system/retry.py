"""Decides whether, when and how often a failed call is tried again; nothing else retries."""

import asyncio
import email.utils
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from evolve.core.model.errors import HttpFault

T = TypeVar("T")


class Transient(Exception):
    """A try failed in a way that may pass, so another one may succeed."""

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        hint: str = "",
        was_sent: bool = True,
    ) -> None:
        """Describe one failed try.

        Args:
            reason: what happened, without credentials.
            status: of the reply; None when no reply was complete.
            retry_after_s: how long the endpoint asks to wait.
            hint: what to do about it.
            was_sent: False only when no byte of the request can have left.
        """
        self.reason = reason
        self.was_sent = was_sent
        self.status = status
        """Of the reply; None when no reply was complete."""
        self.retry_after_s = retry_after_s
        self.hint = hint
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The deadline of a call with all its tries, and the pauses between them. Tests set clock, sleep and random."""

    deadline_s: float
    """From the first try to the last byte of the last one."""
    attempt_s: float
    """One try, from connecting to the last byte of the body; never more than what is left of the deadline."""
    max_retries: int
    first_pause_s: float = 0.5
    """Long enough for a restarted connection, short enough not to be noticed in a run."""
    max_pause_s: float = 30.0
    """Limits are often per minute: a longer pause would waste what the endpoint allows again."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random

    def pause_s(self, tries: int, failure: Transient) -> float:
        """Return the pause after `tries` failed tries: what the endpoint asked for, else doubling with jitter.

        The jitter keeps callers that failed together from retrying together.
        """
        jitter = self.random()
        if failure.retry_after_s is not None:
            return failure.retry_after_s + jitter * self.first_pause_s
        return min(self.max_pause_s, self.first_pause_s * 2.0 ** (tries - 1)) * (0.5 + jitter / 2)

    async def run(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `attempt`, which is tried again while it raises Transient and the deadline allows.

        Args:
            attempt: one try; it raises Transient when another may succeed.
            what: the name of the call in messages, such as `POST http://host/path`; without credentials.

        Raises:
            HttpFault: no try succeeded; with the last reason, the tries and the seconds.
        """
        start = self.clock()
        tries = 0
        while True:
            tries += 1
            left = self.deadline_s - (self.clock() - start)
            try:
                return await self._try(attempt, min(self.attempt_s, left))
            except Transient as exc:
                failure = exc
            spent = self.clock() - start
            pause = self.pause_s(tries, failure)
            if tries > self.max_retries or spent + pause >= self.deadline_s:
                raise self._fault(what, failure, tries, spent) from failure
            await self.sleep(pause)

    async def _try(self, attempt: Callable[[], Awaitable[T]], seconds: float) -> T:
        # The limit covers connecting, waiting and the whole body, so that a body that drips ends too. It is at least
        # 1 ms, because with 0 the try would not even start.
        scope = asyncio.timeout(max(seconds, 0.001))
        try:
            async with scope:
                return await attempt()
        except TimeoutError as exc:
            if not scope.expired():
                raise
            raise Transient(f"no complete answer within {seconds:.3g} s") from exc

    def _fault(self, what: str, failure: Transient, tries: int, spent: float) -> HttpFault:
        reason = failure.reason
        if failure.retry_after_s is not None and spent + failure.retry_after_s >= self.deadline_s:
            reason += f" (it asks to wait {failure.retry_after_s:g} s; the deadline is {self.deadline_s:g} s)"
        count = "1 try" if tries == 1 else f"{tries} tries"
        text = f"{what}: {reason}; {count} in {spent:.1f} s"
        return HttpFault(text, call=what, status=failure.status, hint=failure.hint)


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds of `Retry-After` (a number or a date) or `retry-after-ms`; None without either."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    text = headers.get("Retry-After")
    if text is None or (seconds := _number(text)) is not None:
        return seconds if text is not None else None
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else -1.0
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
