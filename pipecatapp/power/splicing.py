"""Two TCP connections made one: bytes both ways, each end at its own time, and a reset stays a reset."""

import asyncio
import contextlib
import socket
import struct
from typing import Final, NamedTuple

_PIECE: Final = 2**16
"""Bytes that are read at once. A side that does not read holds the other one back after a few of these."""
AHEAD: Final = 2**18
"""Bytes that a waiting client may send ahead; what it sends beyond that stays in the kernel."""
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""A host that went away without a word would keep the service awake for ever: its connection ends after 2 minutes."""

LINGER_S: Final = 60.0
"""How long a client may send nothing after the server's end. One with a pool notices that end at its next request, and
must not keep the service awake until then. The kernel gives the half of a closed connection as long."""


class Line(NamedTuple):
    """One side's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def watch(self) -> None:
        """Have the kernel notice that the other host is gone, and send small pieces at once."""
        found: socket.socket | None = self.writer.get_extra_info("socket")
        if found is None:
            return
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def reset(self) -> None:
        """End it so that the other host notices that something is missing."""
        found: socket.socket | None = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            if found is not None:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def abandon(self) -> None:
        """End it where nobody has, however that came about."""
        if not self.writer.is_closing():
            self.writer.transport.abort()

    async def close(self) -> None:
        """Close it when everything was sent."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class ReadAhead:
    """What a client sends before there is an instance for it, so that its end is noticed."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.data = bytearray()
        self.has_ended = False
        """Whether the client has closed its direction; it may still read."""
        self._reader = reader

    async def until_end(self) -> None:
        """Return when the client has ended its direction; raise OSError where the connection was reset."""
        while len(self.data) < AHEAD:
            piece = await self._reader.read(min(_PIECE, AHEAD - len(self.data)))
            if not piece:
                self.has_ended = True
                return
            self.data += piece
        await asyncio.Event().wait()


class _Direction:
    """The bytes of one way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.copied = 0
        self._reader = reader
        self._writer = writer

    async def copy(self) -> None:
        """Copy until the reader's end, and end the writer's direction."""
        while piece := await self._reader.read(_PIECE):
            self.copied += len(piece)
            self._writer.write(piece)
            await self._writer.drain()
        self._writer.write_eof()

    async def copy_behind(self, ahead: ReadAhead) -> None:
        """Write what was read already, and copy the rest."""
        if ahead.data:
            self._writer.write(bytes(ahead.data))
            ahead.data.clear()
            await self._writer.drain()
        if ahead.has_ended:
            self._writer.write_eof()
            return
        await self.copy()


async def splice(client: Line, server: Line, ahead: ReadAhead, *, linger_s: float = LINGER_S) -> None:
    """Carry bytes both ways until both directions have ended; a lost connection ends both at once.

    Args:
        client: whose connection it is.
        server: the instance's.
        ahead: what the client has sent already.
        linger_s: after the server's end, how long the client may send nothing.
    """
    sending, answering = _Direction(client.reader, server.writer), _Direction(server.reader, client.writer)
    to_server = asyncio.create_task(sending.copy_behind(ahead))
    to_client = asyncio.create_task(answering.copy())
    sent = asyncio.create_task(_until_sent(to_server, to_client, sending, linger_s))
    try:
        await asyncio.gather(sent, to_client)
    except OSError:
        # The other side must not take this for an end.
        client.reset()
        server.reset()
    finally:
        for task in (to_server, to_client, sent):
            task.cancel()
        await asyncio.gather(to_server, to_client, sent, return_exceptions=True)
        await asyncio.gather(client.close(), server.close())


async def _until_sent(
    to_server: "asyncio.Task[None]", to_client: "asyncio.Task[None]", sending: _Direction, linger_s: float
) -> None:
    """Return when the client has ended its direction, or sends nothing for some time after the server's end."""
    await asyncio.wait({to_server, to_client}, return_when=asyncio.FIRST_COMPLETED)
    before = -1
    while not to_server.done() and sending.copied != before:
        before = sending.copied
        await asyncio.wait({to_server}, timeout=linger_s)
    if to_server.done():
        await to_server
