"""`POST /v1/turns`: a request of the gateway; the answer's events are its queue."""

import asyncio
from typing import Final

from aiohttp import web

from pipecatapp.agent.service import Busy
from pipecatapp.agent.web import APP, refused
from pipecatapp.core.ports import AgentReply, AgentRequest
from pipecatapp.wire.agent_turns import PATH, reply_data, request_of
from pipecatapp.wire.openai import ApiError
from pipecatapp.wire.sse import frame

_WAITING: Final = 64
"""Replies that may wait for a slow gateway; the turn waits then."""


def add_turn_route(app: web.Application) -> None:
    """Add the route."""
    app.router.add_post(PATH, answer_turn)


async def answer_turn(request: web.Request) -> web.StreamResponse:
    """Answer one request; it ends when the gateway goes."""
    agent = request.app[APP]
    try:
        agent.keys.name_of(request.headers.get("Authorization", ""))
    except ApiError as error:
        return web.Response(body=error.body(), status=error.status, content_type="application/json")
    # A page of others can make a browser post a form here, but neither JSON nor without its origin.
    if request.content_type != "application/json" or "Origin" in request.headers:
        return refused(415, "json_needed", "expected JSON of the gateway")
    given = request_of(await request.read())
    if given is None:
        return refused(400, "bad_request", "expected response_queue_id, key_name and request")
    return await _answer(request, given)


async def _answer(request: web.Request, given: AgentRequest) -> web.StreamResponse:
    queue: asyncio.Queue[AgentReply] = asyncio.Queue(_WAITING)
    turn = asyncio.create_task(request.app[APP].service.answer(given, queue))
    response = web.StreamResponse(headers={"content-type": "text/event-stream", "cache-control": "no-cache"})
    try:
        await response.prepare(request)
        while (reply := await _next(queue, turn)) is not None:
            await response.write(frame(reply_data(reply)))
            if reply.is_final or reply.error:
                break
        error = _problem(turn)
        if error:
            await response.write(frame(reply_data(AgentReply(given.response_queue_id, error=error))))
        await response.write_eof()
    except ConnectionError:
        # The gateway has gone: nobody waits for the rest.
        pass
    finally:
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
    return response


async def _next(queue: "asyncio.Queue[AgentReply]", turn: "asyncio.Task[None]") -> AgentReply | None:
    """Return the next reply; None when the turn has ended without one."""
    getting = asyncio.ensure_future(queue.get())
    try:
        await asyncio.wait({getting, turn}, return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            return getting.result()
        return None if queue.empty() else queue.get_nowait()
    finally:
        getting.cancel()


def _problem(turn: "asyncio.Task[None]") -> str:
    error = turn.exception() if turn.done() and not turn.cancelled() else None
    if error is None:
        return ""
    return str(error) if isinstance(error, Busy) else "a bug of the agent"
