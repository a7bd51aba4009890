"""A client of an activator, until it is served: what it sends ahead, and whether it is still there."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

from pipecatapp.power.splicing import Line, ReadAhead

T = TypeVar("T")
_CLOSE_S: Final = 2.0


class Client:
    """One connection."""

    def __init__(self, number: int, line: Line) -> None:
        """Read nothing yet.

        Args:
            number: unique in its activator.
            line: its connection.
        """
        self.number = number
        self.line = line
        self.server: Line | None = None
        """The connection to its instance."""
        self.ahead = ReadAhead(line.reader)
        peer = line.writer.get_extra_info("peername")
        self.host = str(peer[0]) if peer else ""

    async def unless_gone(self, work: Coroutine[None, None, T], *, is_gone_at_end: Callable[[], bool]) -> T | None:
        """Return what a work returns; None, with the work cancelled, as soon as the client has left.

        Args:
            work: what it waits for.
            is_gone_at_end: whether a client counts as gone that has closed its direction and may still read.
        """
        working = asyncio.create_task(work)
        reading = asyncio.create_task(self.ahead.until_end())
        try:
            await asyncio.wait({working, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and (reading.exception() is not None or is_gone_at_end()):
                return None
            return await working
        finally:
            working.cancel()
            reading.cancel()
            await asyncio.gather(working, reading, return_exceptions=True)

    def abandon(self) -> None:
        """Close what is still open: a task that was cancelled may not have come to it."""
        self.line.abandon()
        if self.server is not None:
            self.server.abandon()

    async def send_and_close(self, answer: bytes) -> None:
        """Answer, and close when the client has read it: unread bytes of its request would reset the connection."""
        with contextlib.suppress(OSError, TimeoutError):
            self.line.writer.write(answer)
            self.line.writer.write_eof()
            async with asyncio.timeout(_CLOSE_S):
                while await self.line.reader.read(2**16):
                    pass
        await self.line.close()
