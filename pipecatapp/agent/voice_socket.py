"""The websocket of a page's microphone: sound in, sound out, each within bounds."""

import asyncio
import logging
from typing import Final

from aiohttp import WSMsgType, web

from evolve.core.model.errors import EnvironmentFault
from pipecatapp.agent.sessions import Session
from pipecatapp.agent.voice import TooManyMicrophones
from pipecatapp.agent.voice_room import SessionRoom
from pipecatapp.agent.web import APP, is_own_origin, login_of, refused, without_login
from pipecatapp.voice.ports import PersonsVoice
from pipecatapp.wire.typed_messages import BadMessage
from pipecatapp.wire.voice_events import (
    LONGEST_FRAME,
    PATH,
    Hush,
    Push,
    Release,
    VoiceProblem,
    VoiceServerMessage,
    checked_sound,
    read_voice_client_message,
    write_voice_message,
)

_HEARTBEAT_S: Final = 30.0
_WRITE_LIMIT: Final = 256 * 1024
"""Bytes that wait for a slow page, 6 s of speech; then the pipeline waits, and ends where that lasts."""
_LOGGED_OUT: Final = 4401
_FAILED: Final = 1011


def add_voice_route(app: web.Application) -> None:
    """Add the route."""
    app.router.add_get(PATH, listen)


async def listen(request: web.Request) -> web.StreamResponse:
    """Serve one microphone until it is closed."""
    if not is_own_origin(request, needed=True):
        return refused(403, "foreign_origin", "the microphone is for the agent's own page")
    login = login_of(request)
    if login is None:
        return without_login()
    agent = request.app[APP]
    if agent.voice.problem:
        return refused(503, "no_voice", agent.voice.problem)
    session = await agent.service.session(login.session, login.key_name)
    try:
        with agent.voice.microphone(session.id):
            return await _serve(request, session)
    except TooManyMicrophones as error:
        return refused(429, "too_many_microphones", str(error))


async def _serve(request: web.Request, session: Session) -> web.StreamResponse:
    agent = request.app[APP]
    socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=LONGEST_FRAME, writer_limit=_WRITE_LIMIT)
    await socket.prepare(request)
    room = SessionRoom(agent.service, session, agent.metrics.observe_voice, agent.clock, agent.voice.language)
    page = SocketPage(socket)
    try:
        voice = await agent.voice.pipeline(room, page)
        await _talk(request, socket, voice)
    except ConnectionError:
        # The page has gone.
        return socket
    except EnvironmentFault as fault:
        room.report(logging.WARNING, str(fault))
        await page.send(VoiceProblem("no_voice", str(fault)))
    finally:
        room.close()
        await socket.close()
    return socket


async def _talk(request: web.Request, socket: web.WebSocketResponse, voice: PersonsVoice) -> None:
    """Listen until the page goes, or the pipeline ends by itself, even before it was ready."""
    running = asyncio.create_task(voice.run())
    talking = asyncio.create_task(_receive(request, socket, voice))
    try:
        done, _ = await asyncio.wait({running, talking}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if running in done:
            # The page must not keep a microphone that nobody hears.
            await socket.close(code=_FAILED)
    finally:
        running.cancel()
        talking.cancel()
        await asyncio.gather(running, talking, return_exceptions=True)


async def _receive(request: web.Request, socket: web.WebSocketResponse, voice: PersonsVoice) -> None:
    await voice.wait_ready()
    async for message in socket:
        if login_of(request) is None:
            await socket.close(code=_LOGGED_OUT, message=b"logged out")
            return
        try:
            if message.type is WSMsgType.BINARY:
                await voice.feed(checked_sound(message.data))
            elif message.type is WSMsgType.TEXT:
                await _act(voice, message.data)
        except BadMessage as error:
            await socket.send_str(write_voice_message(VoiceProblem("bad_message", str(error))))


async def _act(voice: PersonsVoice, data: str) -> None:
    match read_voice_client_message(data):
        case Push():
            await voice.push()
        case Release():
            await voice.release()
        case Hush():
            await voice.hush()


class SocketPage:
    """The page at the other end of a websocket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def send(self, message: VoiceServerMessage) -> None:
        """Send a message; a page that has gone needs none."""
        if not self._socket.closed:
            await self._socket.send_str(write_voice_message(message))

    async def send_sound(self, sound: bytes) -> None:
        """Send samples."""
        if not self._socket.closed:
            await self._socket.send_bytes(sound)
