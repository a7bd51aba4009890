"""Passes a request to an instance of an expert, and its answer to the client.

Another instance, or the next fallback, is tried only while no byte of an answer has reached the client.
"""

import asyncio
import io
import random
import time
from collections.abc import Mapping
from typing import Final

import aiohttp

from pipecatapp.core.routing import Instance, Routing, conversation_of
from pipecatapp.gateway.config import GatewayConfig
from pipecatapp.gateway.exchange import Exchange
from pipecatapp.gateway.experts import Experts
from pipecatapp.gateway.mesh import Mesh, tls_for
from pipecatapp.gateway.metrics import Metrics
from pipecatapp.wire.experts import error_of_answer, rename_model
from pipecatapp.wire.openai import ApiError, ParsedRequest
from pipecatapp.wire.streams import StreamCopy, broken_off

_MOST_SENT: Final = 3
"""How often one request is sent after a lost connection. One of them may be a kept connection that the expert had
closed; more would let a request that crashes experts crash all of them."""
_LONGEST_ANSWER: Final = 256 * 2**20
"""Bytes of a whole answer: embeddings of a long list are the largest."""

_ONE_PIECE: Final = 2**19
"""Bytes of a body up to which it is written in one piece."""


class _Lost(Exception):
    """An expert could not be reached, or its connection ended before a byte reached the client."""

    def __init__(self, reason: str, *, was_sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.was_sent = was_sent


class Relay:
    """Calls experts through one pool of connections. Close it at the end."""

    def __init__(
        self, config: GatewayConfig, experts: Experts, routing: Routing, metrics: Metrics, mesh: Mesh | None = None
    ) -> None:
        """Make a relay; it needs the event loop that runs.

        Args:
            config: time limits and fallbacks.
            experts: who passes.
            routing: who is busy.
            metrics: what is counted.
            mesh: who we are for experts in a mesh; None outside of one.
        """
        self._config = config
        self._experts = experts
        self._routing = routing
        self._metrics = metrics
        self._mesh = mesh
        limits = config.timeouts
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.connect_s, connect=None, sock_read=limits.idle_s
        )
        self._kept = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0),
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        # After a kept connection was lost, the next try must not get another one that is as old.
        self._fresh = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._kept.close()
        await self._fresh.close()

    async def relay(self, exchange: Exchange, request: ParsedRequest, path: str, key_name: str, model: str) -> None:
        """Answer a request with what an expert answers.

        Args:
            exchange: the request, and where the answer goes.
            request: its body.
            path: of the API.
            key_name: whose it is.
            model: the expert's id.

        Raises:
            ApiError: no expert answered it; nothing of an answer was sent, or the stream has to end with this error.
        """
        names = (model, *self._config.fallbacks.get(model, ()))
        # Where there is no choice, no hash: that of a picture takes the event loop tens of milliseconds.
        has_choice = any(len(self._experts.instances(name)) > 1 for name in names)
        conversation = conversation_of(key_name, dict(request.value)) if has_choice else b""
        if request.is_stream:
            exchange.keep_open(self._config.timeouts.comment_s)
        try:
            async with asyncio.timeout(self._config.timeouts.total_s):
                await self._try_all(exchange, request, path, conversation, model)
        except TimeoutError:
            message = f"no complete answer in {self._config.timeouts.total_s:g} s"
            raise ApiError(504, message, code="timeout", type="server_error") from None

    async def _try_all(
        self, exchange: Exchange, request: ParsedRequest, path: str, conversation: bytes, model: str
    ) -> None:
        tries = _Tries()
        for name in (model, *self._config.fallbacks.get(model, ())):
            if not self._experts.instances(name) and self._experts.knows(name):
                await self._experts.wait_for(name, self._config.timeouts.wake_s)
            while (instance := self._choose(name, conversation, tries)) is not None:
                try:
                    await self._ask(exchange, request, path, instance, name, tries)
                except _Lost as lost:
                    self._note_lost(instance, name, lost, tries)
                    if tries.sent >= _MOST_SENT:
                        raise _unreachable(name, lost.reason) from lost
                except ApiError as error:
                    # The expert lives: only an overload or a model that still loads is worth another instance.
                    self._metrics.count_failure(name, str(error.status))
                    if error.status not in (429, 503) or exchange.has_data:
                        raise
                    tries.again = None
                    self._exclude(instance, name, tries, was_sent=True)
                    tries.last = error
                else:
                    return
        raise tries.last or _unavailable(model)

    def _choose(self, name: str, conversation: bytes, tries: "_Tries") -> Instance | None:
        if tries.again is not None:
            return tries.again
        chosen = self._routing.choose(
            self._experts.instances(name),
            dice=random,
            now=time.monotonic(),
            conversation=conversation,
            without=tries.excluded,
        )
        if chosen is None:
            # Its activator takes no connections.
            chosen = self._routing.choose(
                self._experts.behind(name),
                dice=random,
                now=time.monotonic(),
                conversation=conversation,
                without=tries.excluded,
            )
        if chosen is None and tries.slow is not None:
            # Nobody else is left, and a busy machine may need longer than the limit to take a connection.
            chosen = tries.again = tries.slow
            tries.slow = None
        return chosen

    def _note_lost(self, instance: Instance, name: str, lost: _Lost, tries: "_Tries") -> None:
        self._metrics.count_failure(name, lost.reason)
        tries.sent += lost.was_sent
        if lost.reason == "disconnected" and tries.again is None:
            # llama.cpp closes kept connections without a word: the same instance once more, on a new connection.
            tries.again = instance
            return
        if lost.reason == "timeout" and not lost.was_sent and tries.again is None and not tries.excluded:
            tries.slow = instance
        tries.again = None
        self._exclude(instance, name, tries, was_sent=lost.was_sent)
        tries.last = _unreachable(name, lost.reason)
        self._routing.fail(instance.id, time.monotonic())

    def _exclude(self, instance: Instance, name: str, tries: "_Tries", *, was_sent: bool) -> None:
        tries.excluded.add(instance.id)
        behind = {one.id for one in self._experts.behind(name)}
        if was_sent and instance.id not in behind:
            # What an activator answers is its expert's: one that is overloaded is not asked a second time, where the
            # activator cannot see it.
            tries.excluded |= behind

    async def _ask(
        self,
        exchange: Exchange,
        request: ParsedRequest,
        path: str,
        instance: Instance,
        name: str,
        tries: "_Tries",
    ) -> None:
        session = self._kept if tries.again is None else self._fresh
        if self._mesh is not None and instance.mesh_service:
            await self._mesh.wait(self._config.timeouts.connect_s)
        tls = tls_for(instance, self._mesh)
        if tls is None:
            raise _Lost("no certificate", was_sent=False)
        exchange.answer_headers["x-expert"] = name
        exchange.notes.update(expert=name, instance=instance.id)
        self._routing.start(instance.id)
        try:
            async with session.post(
                f"{instance.url}{path}",
                data=_payload(request.bytes_for(instance.served_model or name)),
                headers=self._headers(exchange, instance),
                ssl=tls,
                allow_redirects=False,
            ) as response:
                await self._pass_on(exchange, request, response, name)
                self._routing.succeed(instance.id)
        except aiohttp.ClientError as exc:
            raise _Lost(_reason(exc), was_sent=not _is_before_sending(exc)) from exc
        except TimeoutError as exc:
            # A limit of one socket; the one of the whole request cancels this task instead.
            raise _Lost("timeout", was_sent=True) from exc
        finally:
            self._routing.end(instance.id)

    def _headers(self, exchange: Exchange, instance: Instance) -> Mapping[str, str]:
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        headers["x-request-id"] = str(exchange.notes.get("id", ""))
        if instance.api_key:
            headers["authorization"] = f"Bearer {instance.api_key}"
        return headers

    async def _pass_on(
        self, exchange: Exchange, request: ParsedRequest, response: aiohttp.ClientResponse, name: str
    ) -> None:
        if response.status != 200:
            raise error_of_answer(response.status, await _read(response))
        if request.is_stream and response.content_type == "text/event-stream":
            await self._copy_stream(exchange, response, name)
            # llama.cpp closes the connection after a stream, so it is no use to keep it.
            response.close()
            return
        body, tokens = rename_model(await _read(response), name)
        self._metrics.count_tokens(name, tokens)
        exchange.notes.update(prompt_tokens=tokens.prompt, completion_tokens=tokens.completion)
        if exchange.is_streaming:
            # Comments have begun a stream, and the expert answers without one.
            raise ApiError(502, "the expert does not stream", code="expert_error", type="server_error")
        await exchange.send_whole(body)

    async def _copy_stream(self, exchange: Exchange, response: aiohttp.ClientResponse, name: str) -> None:
        copy = StreamCopy(name)
        try:
            await _copy_events(exchange, response, copy)
        except (aiohttp.ClientError, TimeoutError):
            if not exchange.has_data:
                raise
            await exchange.finish(copy.fail(broken_off()))
        except asyncio.CancelledError:
            if not exchange.is_gone and exchange.has_data:
                # The gateway ends, or the time of the request is over: the client must not take this for the end.
                await exchange.finish(copy.fail(broken_off()))
            raise
        self._note_end(exchange, copy, name)

    def _note_end(self, exchange: Exchange, copy: StreamCopy, name: str) -> None:
        if copy.error is not None:
            exchange.notes["error"] = copy.error.code
            self._metrics.count_failure(name, copy.error.code)
        self._metrics.count_tokens(name, copy.tokens)
        exchange.notes.update(prompt_tokens=copy.tokens.prompt, completion_tokens=copy.tokens.completion)


class _Tries:
    """What was tried for one request."""

    def __init__(self) -> None:
        self.excluded: set[str] = set()
        self.again: Instance | None = None
        """The instance to ask once more, on a new connection."""
        self.slow: Instance | None = None
        """The instance that took too long to connect first; asked once more when nobody else is left."""
        self.sent = 0
        self.last: ApiError | None = None


def _payload(body: bytes) -> bytes | io.BytesIO:
    # aiohttp writes bytes in one piece, which holds up everybody else when there are many.
    return body if len(body) < _ONE_PIECE else io.BytesIO(body)


async def _copy_events(exchange: Exchange, response: aiohttp.ClientResponse, copy: StreamCopy) -> None:
    async for data in response.content.iter_any():
        events = copy.feed(data)
        if copy.error is not None and not copy.has_begun:
            raise copy.error
        if copy.is_done:
            await exchange.finish(events)
            return
        if events:
            await exchange.write(events)
    # The body ended as if it were whole, and the last event is missing.
    raise aiohttp.ServerDisconnectedError


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for data in response.content.iter_any():
        parts.append(data)
        size += len(data)
        if size > _LONGEST_ANSWER:
            raise ApiError(502, "the expert's answer is too long", code="expert_error", type="server_error")
    return b"".join(parts)


def _is_before_sending(exc: aiohttp.ClientError) -> bool:
    return isinstance(exc, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))


def _reason(exc: aiohttp.ClientError) -> str:
    """Return the kind of a failure: a label, without addresses."""
    if isinstance(exc, TimeoutError):
        return "timeout"
    return "refused" if _is_before_sending(exc) else "disconnected"


def _unreachable(name: str, reason: str) -> ApiError:
    message = f"{name} cannot be reached ({reason})"
    return ApiError(503, message, code="expert_unavailable", type="server_error", headers={"retry-after": "2"})


def _unavailable(name: str) -> ApiError:
    message = f"no instance of {name} passes its checks now"
    return ApiError(503, message, code="expert_unavailable", type="server_error", headers={"retry-after": "5"})
