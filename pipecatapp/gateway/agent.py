"""The model `pipecat`: each request has a queue of its own, whose id travels with it, and the agent answers on it."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from pipecatapp.core.ports import Agent, AgentReply, AgentRequest
from pipecatapp.gateway.config import AgentAddress, Timeouts
from pipecatapp.gateway.exchange import Exchange
from pipecatapp.wire.agent_turns import PATH, reply_of, request_body
from pipecatapp.wire.chat_answers import AnswerHead
from pipecatapp.wire.openai import ApiError, ParsedRequest
from pipecatapp.wire.sse import EventTooLong, SseReader, data_of

MODEL: Final = "pipecat"
"""The id of the agent among the models."""
_WAITING: Final = 64
"""Replies that may wait for a slow client; the agent waits then."""


async def answer_by_agent(
    agent: Agent, exchange: Exchange, request: ParsedRequest, key_name: str, timeouts: Timeouts
) -> None:
    """Answer a chat request with what the agent puts on the request's queue.

    Args:
        agent: who answers.
        exchange: where the answer goes.
        request: with all messages.
        key_name: whose request it is.
        timeouts: of the whole answer.

    Raises:
        ApiError: the agent failed, or took too long.
    """
    queue_id = uuid.uuid4().hex
    queue: asyncio.Queue[AgentReply] = asyncio.Queue(_WAITING)
    turn = asyncio.create_task(agent.answer(AgentRequest(queue_id, key_name, request.value), queue))
    head = AnswerHead(f"chatcmpl-{queue_id}", int(time.time()), MODEL)
    if request.is_stream:
        exchange.keep_open(timeouts.comment_s)
    try:
        async with asyncio.timeout(timeouts.total_s):
            replies = _replies(queue, turn, queue_id)
            if request.is_stream:
                await _stream(exchange, replies, head, with_usage=request.wants_usage)
            else:
                text = "".join([reply.text async for reply in replies])
                await exchange.send_whole(head.whole(text))
    except TimeoutError:
        message = f"the agent did not answer in {timeouts.total_s:g} s"
        raise ApiError(504, message, code="timeout", type="server_error") from None
    finally:
        turn.cancel()


async def _stream(
    exchange: Exchange, replies: AsyncIterator[AgentReply], head: AnswerHead, *, with_usage: bool
) -> None:
    begin = head.first()
    async for reply in replies:
        if reply.text:
            await exchange.write(begin + head.part(reply.text))
            begin = b""
    await exchange.finish(begin + head.last(with_usage=with_usage))


async def _replies(
    queue: "asyncio.Queue[AgentReply]", turn: "asyncio.Task[None]", queue_id: str
) -> AsyncIterator[AgentReply]:
    """Yield the replies until the final one; a turn that ends without one is an error."""
    while True:
        getting = asyncio.ensure_future(queue.get())
        try:
            await asyncio.wait({getting, turn}, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done() and queue.empty():
                raise _failed(turn)
            reply = await getting
        finally:
            getting.cancel()
        if reply.response_queue_id != queue_id:
            # Another request's words: nobody may see them here.
            continue
        if reply.error:
            raise ApiError(502, reply.error[:500], code="agent_error", type="server_error")
        yield reply
        if reply.is_final:
            return


def _failed(turn: "asyncio.Task[None]") -> ApiError:
    error = None if turn.cancelled() else turn.exception()
    if isinstance(error, ApiError):
        return error
    return ApiError(502, "the agent ended its turn without an answer", code="agent_error", type="server_error")


class RemoteAgent:
    """The agent in another process: its answer is a stream of events, and that stream is the queue."""

    def __init__(self, address: AgentAddress, timeouts: Timeouts) -> None:
        self._address = address
        timeout = aiohttp.ClientTimeout(total=timeouts.total_s, sock_connect=timeouts.connect_s)
        self._session = aiohttp.ClientSession(
            # A new connection costs far less than a turn, and a kept one may be closed when it is used.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def answer(self, request: AgentRequest, queue: "asyncio.Queue[AgentReply]") -> None:
        """Answer a request; the agent's connection closes when the client has gone.

        Raises:
            ApiError: the agent cannot be reached, or its answer is none.
        """
        key = self._address.api_key
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        reader = SseReader()
        try:
            async with self._session.post(
                f"{self._address.url}{PATH}", data=request_body(request), headers=headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise _unreachable(f"status {response.status}")
                async for data in response.content.iter_any():
                    for event in reader.feed(data):
                        if (reply := reply_of(data_of(event) or b"")) is not None:
                            await queue.put(reply)
        except (aiohttp.ClientError, TimeoutError, EventTooLong) as exc:
            raise _unreachable(type(exc).__name__) from exc


def _unreachable(reason: str) -> ApiError:
    message = f"the agent cannot be reached ({reason})"
    return ApiError(503, message, code="agent_unavailable", type="server_error", headers={"retry-after": "5"})
