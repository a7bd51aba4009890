"""Waits for a change, but not for ever."""

import asyncio
import contextlib


async def wait_for_change(changed: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or after some time; raise CancelledError whenever the caller is cancelled.

    `asyncio.wait_for` does not, before Python 3.12: it forgets that where the event comes at the same moment.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await changed.wait()
