"""Calls of a model by OpenAI's API: a whole answer, or its parts as they come."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from evolve.core.model.errors import HttpFault
from evolve.core.model.json_value import JsonValue
from pipecatapp.agent.config import TurnTimeouts
from pipecatapp.agent.endpoints import Endpoint, Endpoints
from pipecatapp.wire.experts import Tokens, error_of_answer, error_of_value, tokens_of
from pipecatapp.wire.sse import EventTooLong, SseReader, data_of

_CALL: Final = "POST /v1/chat/completions"
_LARGEST_ANSWER: Final = 4 * 2**20
"""Bytes of a whole answer; far above what a choice or arguments have."""
_TRIES: Final = 3
"""Endpoints that are tried for one call, the same one again too: llama.cpp closes idle connections unannounced."""


class ModelCalls:
    """The connections to the model."""

    def __init__(
        self, endpoints: Endpoints, timeouts: TurnTimeouts, count_tokens: Callable[[Tokens], None] = lambda _: None
    ) -> None:
        """Open nothing yet; needs a running event loop.

        Args:
            endpoints: who can be asked.
            timeouts: of a connection, and of silence.
            count_tokens: gets the tokens of each answer.
        """
        self._endpoints = endpoints
        self.problem = ""
        """Why the last call reached no endpoint; empty when it did, and before the first one."""
        self._count_tokens = count_tokens
        self._session = aiohttp.ClientSession(
            # A new connection costs far less than a token, and a kept one may be closed when it is used.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect_s, sock_read=timeouts.idle_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def whole(self, body: Mapping[str, JsonValue]) -> str:
        """Return the text of an answer.

        Raises:
            HttpFault: no endpoint gave one.
        """
        async with self._asked(body) as response:
            data = await _read(response)
        try:
            value: JsonValue = json.loads(data)
        except ValueError:
            raise _fault("the model's answer is not JSON") from None
        self._count(value)
        return _text_of(value, "message")

    async def parts(self, body: Mapping[str, JsonValue]) -> AsyncIterator[str]:
        """Yield the parts of an answer's text.

        Raises:
            HttpFault: no endpoint gave one, or it broke off.
        """
        reader, has_ended = SseReader(), False
        request: dict[str, JsonValue] = {**body, "stream": True, "stream_options": {"include_usage": True}}
        async with self._asked(request) as response:
            async for data in _chunks(response):
                for event in reader.feed(data):
                    payload = data_of(event)
                    has_ended = has_ended or payload == b"[DONE]"
                    if payload and not has_ended and (text := self._part(payload)):
                        yield text
        if not has_ended:
            raise _fault("the model's answer broke off")

    def _part(self, payload: bytes) -> str:
        try:
            value: JsonValue = json.loads(payload)
        except ValueError:
            raise _fault("a part of the model's answer is not JSON") from None
        if isinstance(value, dict) and "error" in value:
            raise _fault(error_of_value(200, value).message)
        self._count(value)
        return _text_of(value, "delta")

    def _count(self, value: JsonValue) -> None:
        tokens = tokens_of(value)
        if tokens is not None:
            self._count_tokens(tokens)

    @asynccontextmanager
    async def _asked(self, body: Mapping[str, JsonValue]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give the response of the first endpoint that gives one."""
        found = list(self._endpoints.now())
        if not found:
            # No problem to keep: how many endpoints there are is known at each moment.
            raise _fault(f"no instance of {self._endpoints.name} passes its checks")
        try:
            response = await self._first_response(found, body)
        except HttpFault as fault:
            self.problem = fault.message
            raise
        self.problem = ""
        try:
            if response.status != 200:
                error = error_of_answer(response.status, await _read(response))
                raise _fault(error.message, response.status)
            yield response
        except (aiohttp.ClientError, TimeoutError, EventTooLong) as exc:
            raise _fault(f"the model's answer broke off ({type(exc).__name__})") from exc
        finally:
            # Not released: what is left of a stream must not be waited for.
            response.close()

    async def _first_response(self, found: Sequence[Endpoint], body: Mapping[str, JsonValue]) -> aiohttp.ClientResponse:
        failure: Exception | None = None
        for attempt in range(_TRIES):
            try:
                return await self._post(found[attempt % len(found)], body)
            except aiohttp.SocketTimeoutError as exc:
                raise _fault("the model did not answer in time") from exc
            except aiohttp.ClientConnectionError as exc:
                # Nothing of an answer came: it may be asked again, here or elsewhere.
                failure = exc
        where = f"the model {self._endpoints.name} cannot be reached ({type(failure).__name__})"
        raise _fault(f"{where}; check that it runs, and `model` in the agent's configuration") from failure

    async def _post(self, endpoint: Endpoint, body: Mapping[str, JsonValue]) -> aiohttp.ClientResponse:
        named = {"model": endpoint.model, **body} if endpoint.model else body
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
        url = f"{endpoint.url}/v1/chat/completions"
        return await self._session.post(url, json=named, headers=headers, allow_redirects=False)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for part in response.content.iter_any():
        data += part
        if len(data) > _LARGEST_ANSWER:
            raise _fault(f"the model's answer is larger than {_LARGEST_ANSWER} bytes")
    return bytes(data)


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for part in response.content.iter_any():
        yield part


def _text_of(value: JsonValue, key: str) -> str:
    """Return the text of an answer's message or of a chunk's delta; empty where it has none."""
    choices = value.get("choices") if isinstance(value, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get(key) if isinstance(first, dict) else None
    text = message.get("content") if isinstance(message, dict) else None
    return text if isinstance(text, str) else ""


def _fault(message: str, status: int | None = None) -> HttpFault:
    return HttpFault(message, call=_CALL, status=status)
