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


async def splice(client: Line, server: Line, ahead: ReadAhead) -> None:
    """Carry bytes both ways until both directions have ended; a lost connection ends both at once.

    Args:
        client: whose connection it is.
        server: the instance's.
        ahead: what the client has sent already.
    """
    to_server = asyncio.create_task(_send_ahead(client, server, ahead))
    to_client = asyncio.create_task(_copy(server.reader, client.writer))
    try:
        await asyncio.gather(to_server, to_client)
    except OSError:
        # The other side must not take this for an end.
        client.reset()
        server.reset()
    finally:
        for task in (to_server, to_client):
            task.cancel()
        await asyncio.gather(to_server, to_client, return_exceptions=True)
        await asyncio.gather(client.close(), server.close())


async def _send_ahead(client: Line, server: Line, ahead: ReadAhead) -> None:
    if ahead.data:
        server.writer.write(bytes(ahead.data))
        ahead.data.clear()
        await server.writer.drain()
    if ahead.has_ended:
        server.writer.write_eof()
        return
    await _copy(client.reader, server.writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
    writer.write_eof()
