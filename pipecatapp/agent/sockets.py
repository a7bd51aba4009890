"""The websocket of a page: what it sends, and what it is sent, each within bounds."""

import asyncio
from typing import Final

from aiohttp import WSMsgType, web

from pipecatapp.agent.app import AgentApp
from pipecatapp.agent.service import Busy
from pipecatapp.agent.sessions import Session, Subscription, TooSlow
from pipecatapp.agent.web import APP, is_own_origin, login_of, refused, without_login
from pipecatapp.core.approvals import UnknownApproval
from pipecatapp.wire.agent_events import (
    LONGEST_MESSAGE,
    PATH,
    Approve,
    CancelTurn,
    ClientMessage,
    Deny,
    ErrorMessage,
    Ping,
    Pong,
    Say,
    StatusRows,
    read_client_message,
    write_message,
)
from pipecatapp.wire.typed_messages import BadMessage

_HEARTBEAT_S: Final = 30.0
_MOST_PAGES: Final = 20
"""Open pages of one session: more are no person's."""
_TOO_SLOW: Final = 1013
"""RFC 6455's registry: try again later."""
_LOGGED_OUT: Final = 4401


def add_socket_route(app: web.Application) -> None:
    """Add the route."""
    app.router.add_get(PATH, talk)


async def talk(request: web.Request) -> web.StreamResponse:
    """Serve one page until it goes."""
    if not is_own_origin(request, needed=True):
        return refused(403, "foreign_origin", "the websocket is for the agent's own page")
    login = login_of(request)
    if login is None:
        return without_login()
    agent = request.app[APP]
    session = await agent.service.session(login.session, login.key_name)
    if session.page_count >= _MOST_PAGES:
        return refused(429, "too_many_pages", f"{_MOST_PAGES} pages of this session are open")
    socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=LONGEST_MESSAGE)
    await socket.prepare(request)
    page = session.open_page(agent.hello(session), agent.clock())
    tasks = [asyncio.create_task(work) for work in (_send(request, socket, page), _show_rows(agent, page))]
    try:
        with agent.metrics.client():
            await _receive(request, socket, session, page)
    finally:
        session.close_page(page)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return socket


async def _show_rows(agent: AgentApp, page: Subscription) -> None:
    """Send the table of components; later ones come when it changes. Consul may take long: nothing waits for it."""
    page.put(StatusRows(await agent.board.rows()))


async def _send(request: web.Request, socket: web.WebSocketResponse, page: Subscription) -> None:
    try:
        while not socket.closed:
            message = await page.next()
            if login_of(request) is None:
                await _end_logged_out(socket)
                return
            await socket.send_str(write_message(message))
    except TooSlow:
        request.app[APP].metrics.count_dropped()
        await socket.close(code=_TOO_SLOW, message=b"too slow")
    except ConnectionError:
        # The page has gone; its receiving side ends by itself.
        return


async def _receive(request: web.Request, socket: web.WebSocketResponse, session: Session, page: Subscription) -> None:
    agent = request.app[APP]
    async for message in socket:
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        if login_of(request) is None:
            await _end_logged_out(socket)
            return
        try:
            _act(agent, session, page, read_client_message(message.data))
        except BadMessage as error:
            page.put(ErrorMessage("", "bad_message", str(error)))


async def _end_logged_out(socket: web.WebSocketResponse) -> None:
    """Close the connection of a page that was logged out elsewhere, or whose key was removed."""
    await socket.close(code=_LOGGED_OUT, message=b"logged out")


def _act(agent: AgentApp, session: Session, page: Subscription, message: ClientMessage) -> None:
    """Do what a page asks for; what cannot be done is answered to this page alone."""
    try:
        match message:
            case Say():
                agent.service.say(session, message.text)
            case Approve() | Deny():
                agent.service.desk.decide(session, message.id, is_approved=isinstance(message, Approve))
            case CancelTurn():
                if not agent.service.cancel(session, message.turn):
                    page.put(ErrorMessage(message.turn, "unknown_turn", "this turn is not running"))
            case Ping():
                page.put(Pong())
    except Busy as error:
        page.put(ErrorMessage("", "busy", str(error)))
    except UnknownApproval:
        page.put(ErrorMessage("", "unknown_approval", "this approval is over"))
