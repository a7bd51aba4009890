"""One request and its answer, on ASGI's own level: every layer above it costs more than the gateway's own work."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, Final, TypeAlias

from pipecatapp.gateway.config import BODY_LIMIT
from pipecatapp.wire.openai import ApiError
from pipecatapp.wire.sse import DONE, comment, frame

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

NOTES: Final = "pipecatapp.notes"
"""The key of the scope under which a request's line of the log is collected."""
_MOST_DROPPED: Final = 5
"""How many times the limit is read of a body that is too large, so that its sender learns why."""


class ClientGone(Exception):
    """The client closed its connection before its request was complete."""


class Exchange:
    """A request that is answered once: whole, by a stream, or by an error."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self.notes: dict[str, Any] = scope.setdefault(NOTES, {})
        self.began_at = time.perf_counter()
        self.answer_headers: dict[str, str] = {}
        """What the answer carries besides its own."""
        self.is_streaming = False
        """Whether the beginning of a stream was sent, be it a comment only."""
        self.has_data = False
        """Whether a byte of an answer was sent: no other expert may be asked now."""
        self.is_gone = False
        self._is_complete = False
        self._comments: asyncio.TimerHandle | None = None
        self._commenting: asyncio.Task[None] | None = None

    def header(self, name: bytes) -> str:
        """Return a header of the request; empty without it."""
        return self._headers.get(name, b"").decode("latin-1")

    async def read_body(self, limit: int = BODY_LIMIT) -> bytes:
        """Return the request's body.

        Raises:
            ApiError: 413, it is larger than the limit.
            ClientGone: the client left.
        """
        parts: list[bytes] = []
        size = 0
        has_more = True
        while has_more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            has_more = bool(message.get("more_body"))
            size += len(part)
            parts.append(part)
            if size > limit:
                # What is left is read and dropped: a client that is cut off while it sends sees no answer at all.
                parts.clear()
            if size > limit * _MOST_DROPPED:
                raise _too_large(limit)
        if size > limit:
            raise _too_large(limit)
        return b"".join(parts)

    async def until_gone(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work, and end it at once when the client goes."""
        task = asyncio.current_task()
        watcher = asyncio.ensure_future(self._watch(task))
        try:
            await work
        except asyncio.CancelledError:
            if not self.is_gone or task is None:
                raise
            task.uncancel()
        finally:
            watcher.cancel()
            self.stop_comments()

    async def _watch(self, task: "asyncio.Task[Any] | None") -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._is_complete and task is not None:
            self.is_gone = True
            task.cancel()

    def keep_open(self, seconds: float) -> None:
        """Send a comment to the client of a stream whenever there was nothing for it for some seconds."""

        def due() -> None:
            self._commenting = asyncio.ensure_future(self._comment())
            self._comments = asyncio.get_running_loop().call_later(seconds, due)

        self._comments = asyncio.get_running_loop().call_later(seconds, due)

    def stop_comments(self) -> None:
        """Send no more comments."""
        if self._comments is not None:
            self._comments.cancel()
            self._comments = None

    async def _comment(self) -> None:
        if not self.has_data and not self._is_complete:
            await self._begin_stream()
            await self._send({"type": "http.response.body", "body": comment("waiting"), "more_body": True})

    async def write(self, events: bytes) -> None:
        """Send events of a stream; the first ones begin it."""
        if not self.has_data:
            self.stop_comments()
            self.has_data = True
            self.note_first_byte()
        await self._begin_stream()
        await self._send({"type": "http.response.body", "body": events, "more_body": True})

    async def _begin_stream(self) -> None:
        if self.is_streaming:
            return
        self.is_streaming = True
        # Proxies that collect an answer before they send it would undo the stream.
        headers = {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"}
        await self._start(200, headers)

    async def finish(self, events: bytes = b"") -> None:
        """Send the last events, and end the stream."""
        if events:
            await self._begin_stream()
        self._is_complete = True
        await self._send({"type": "http.response.body", "body": events, "more_body": False})

    async def send_whole(self, body: bytes, status: int = 200, content_type: str = "application/json") -> None:
        """Send a whole answer."""
        self._is_complete = True
        self.note_first_byte()
        await self._start(status, {"content-type": content_type, "content-length": str(len(body))})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def send_error(self, error: ApiError) -> None:
        """Send an error: as the answer, or inside of a stream that has begun."""
        self.stop_comments()
        self.notes["error"] = error.code
        if self._is_complete:
            return
        if self.is_streaming:
            await self.finish(frame(error.body()) + DONE)
            return
        self.answer_headers.update(error.headers)
        await self.send_whole(error.body(), error.status)

    def note_first_byte(self) -> None:
        """Note for the log how long the first byte took."""
        self.notes.setdefault("first_byte_s", round(time.perf_counter() - self.began_at, 4))

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in {**headers, **self.answer_headers}.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})


def own_bug() -> ApiError:
    """Return the answer to a request that met a bug of ours; the log has the details."""
    message = "a bug of the gateway; its log has the details under the request's id"
    return ApiError(500, message, code="internal_error", type="server_error")


def _too_large(limit: int) -> ApiError:
    message = f"the body is larger than {limit // 2**20} MiB"
    return ApiError(413, message, code="request_too_large")
