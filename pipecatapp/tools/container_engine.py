"""One container on a Docker engine, by its API on a Unix socket: made, followed, and gone afterwards."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import aiohttp

from evolve.core.model.errors import DockerFault

_API: Final = "http://docker/v1.40"
"""Of Docker 19.03, which has all that is needed."""
_HEADER: Final = 8
"""Bytes before each piece of output: the stream, three zeros, and the length."""
_REMOVE_S: Final = 10.0
"""How long a call waits for the engine to remove its container; the next call removes it otherwise."""
LABEL: Final = "anneal.code_runner"


class NoEngine(DockerFault):
    """Nothing answers on the socket."""


class NoImage(DockerFault):
    """The engine does not have the image."""


class ContainerEnd(NamedTuple):
    """How a container ended."""

    code: int
    was_out_of_memory: bool


class Container:
    """A container that was made."""

    def __init__(self, session: aiohttp.ClientSession, id: str) -> None:
        self._session = session
        self.id = id

    async def run(self, max_bytes: int) -> tuple[bytes, ContainerEnd | None]:
        """Start it and follow it; return its output, and how it ended: None where it wrote more than the limit.

        Args:
            max_bytes: of its output that are read.
        """
        path = f"/containers/{self.id}"
        # Attached before it starts: nothing that it writes is stored on the engine's disk.
        async with _call(self._session, "POST", f"{path}/attach?stream=1&stdout=1&stderr=1") as attached:
            async with _call(self._session, "POST", f"{path}/start"):
                pass
            output = await _read_frames(attached.content, max_bytes)
        if len(output) > max_bytes:
            return output[:max_bytes], None
        async with _call(self._session, "POST", f"{path}/wait") as waited:
            code = int((await waited.json())["StatusCode"])
        async with _call(self._session, "GET", f"{path}/json") as inspected:
            state = (await inspected.json())["State"]
        return output, ContainerEnd(code, bool(state.get("OOMKilled")))


@asynccontextmanager
async def container(socket: str, settings: Mapping[str, Any]) -> AsyncIterator[Container]:
    """Make a container, and remove it at the end of the block, however that ends.

    Args:
        socket: of the engine, `unix:///PATH`.
        settings: of the API's `POST /containers/create`.

    Raises:
        NoEngine: nothing answers on the socket.
        NoImage: the engine does not have the image.
        DockerFault: it refuses something else.
    """
    connector = aiohttp.UnixConnector(socket.removeprefix("unix://"), limit=0)
    # Its name is known before it exists: a container whose making was cancelled is removed, too.
    name = f"anneal-code-{secrets.token_hex(8)}"
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        try:
            async with _call(session, "POST", f"/containers/create?name={name}", settings) as made:
                id = str((await made.json())["Id"])
            yield Container(session, id)
        finally:
            await asyncio.shield(_remove(session, name))


async def remove_older(socket: str, seconds: float, now: float) -> None:
    """Remove containers of a process that was killed.

    Args:
        socket: of the engine.
        seconds: which age no container of a living process has.
        now: seconds since 1970.
    """
    connector = aiohttp.UnixConnector(socket.removeprefix("unix://"))
    filters = json.dumps({"label": [LABEL]})
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as session:
        async with _call(session, "GET", f"/containers/json?all=1&filters={filters}") as listed:
            found = await listed.json()
        for one in found:
            if one["Created"] < now - seconds:
                await _remove(session, one["Id"])


async def _remove(session: aiohttp.ClientSession, name: str) -> None:
    try:
        async with asyncio.timeout(_REMOVE_S), session.delete(f"{_API}/containers/{name}?force=1&v=1"):
            pass  # 404: it was never made; 409: another process removes it
    except (aiohttp.ClientError, OSError):
        pass  # the next call removes what is left


@asynccontextmanager
async def _call(
    session: aiohttp.ClientSession, method: str, path: str, body: Mapping[str, Any] | None = None
) -> AsyncIterator[aiohttp.ClientResponse]:
    try:
        async with session.request(method, _API + path, json=body) as response:
            if response.status >= 400:
                await _raise(response)
            yield response
    except aiohttp.ClientConnectorError as error:
        message = f"no Docker engine answers on {getattr(session.connector, 'path', '')}"
        raise NoEngine(message, hint="set tools.code_runner.docker") from error
    except aiohttp.ClientError as error:
        raise DockerFault(f"the Docker engine broke off: {type(error).__name__}") from error


async def _raise(response: aiohttp.ClientResponse) -> None:
    message = str((await response.json()).get("message", ""))[:300]
    if response.status == 404 and "image" in message.lower():
        raise NoImage(message, hint="docker pull IMAGE, or set tools.code_runner.image")
    raise DockerFault(f"the Docker engine answered {response.status}: {message}")


async def _read_frames(stream: aiohttp.StreamReader, max_bytes: int) -> bytes:
    """Return the pieces of both streams as they came, until they end or there are more than the limit."""
    output = bytearray()
    try:
        while len(output) <= max_bytes:
            header = await stream.readexactly(_HEADER)
            left = int.from_bytes(header[4:], "big")
            while left and len(output) <= max_bytes:
                piece = await stream.readexactly(min(left, 64 * 1024))
                output += piece
                left -= len(piece)
    except asyncio.IncompleteReadError:
        pass  # the end
    return bytes(output)
