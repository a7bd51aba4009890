"""Sessions of people: what was said, what runs, and the pages that watch, each with a bounded queue."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pipecatapp.core.conversation import Conversation
from pipecatapp.core.ports import Message
from pipecatapp.wire.agent_events import (
    AgentState,
    ApprovalAsked,
    ApprovalEnded,
    Entry,
    Hello,
    LogLine,
    ServerMessage,
    StateChanged,
    TurnEnded,
    TurnStarted,
)

_SHOWN: Final = 200
"""Messages of the past that a new page gets."""
_WAITING: Final = 512
"""Messages that may wait for a slow page. An answer of 1,000 tokens in a second may fill it; then the page reconnects,
and gets what it missed as history."""
_SPARED: Final = 128
"""Places that lines of the log leave free for the rest."""


class TooSlow(Exception):
    """A page did not read what it was sent."""


class Subscription:
    """What one page is still to be sent."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[ServerMessage] = asyncio.Queue(_WAITING)
        self._is_late = False

    def put(self, message: ServerMessage) -> None:
        """Add a message; a page that does not read loses lines of the log first, and then its connection."""
        if isinstance(message, LogLine) and self._queue.qsize() > _WAITING - _SPARED:
            return
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self._is_late = True

    async def next(self) -> ServerMessage:
        """Return the next message.

        Raises:
            TooSlow: messages were lost; the page has to connect again.
        """
        if self._is_late:
            raise TooSlow
        return await self._queue.get()


class Session:
    """One session: a browser's login, and what happens in it."""

    def __init__(self, id: str, key_name: str) -> None:
        self.id = id
        self.key_name = key_name
        self.conversation = Conversation()
        self.history: deque[Entry] = deque(maxlen=_SHOWN)
        """What a page shows that connects now, the oldest first."""
        self.task: asyncio.Task[None] | None = None
        """The turn that runs."""
        self.turn_id = ""
        self.voice: AgentState | None = None
        """`listening` or `speaking` while somebody speaks; None in silence."""
        self._pages: set[Subscription] = set()
        self._turn_state = self._state = StateChanged(AgentState.IDLE, "")
        self._started: TurnStarted | None = None
        self._asked: ApprovalAsked | None = None
        self._asked_until = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nobody watches and nothing runs."""
        return not self._pages and self.task is None

    @property
    def page_count(self) -> int:
        """How many pages are open."""
        return len(self._pages)

    def remember(self, entries: Sequence[Entry]) -> None:
        """Add messages to what pages show and the model is shown."""
        self.history.extend(entries)
        self.conversation = self.conversation.with_messages(Message(one.role, one.text) for one in entries)

    def forget(self) -> None:
        """Remove what pages show and the model is shown; a turn that runs goes on."""
        self.history.clear()
        self.conversation = Conversation()

    def publish(self, message: ServerMessage, now: float) -> None:
        """Send a message to all pages of the session.

        Args:
            message: for the pages.
            now: seconds of a clock that never goes back.
        """
        match message:
            case StateChanged():
                self._turn_state = message
                if self.voice is not None and self._shown() == self._state:
                    return
                message = self._state = self._shown()
            case TurnStarted():
                self._started = message
            case TurnEnded():
                self._started = None
            case ApprovalAsked():
                self._asked, self._asked_until = message, now + message.expires_s
            case ApprovalEnded():
                self._asked = None
        for page in self._pages:
            page.put(message)

    def show_voice(self, voice: AgentState | None, now: float) -> None:
        """Show who speaks, before what a turn does.

        Args:
            voice: `listening` or `speaking`; None in silence.
            now: seconds of a clock that never goes back.
        """
        self.voice = voice
        if self._shown() != self._state:
            self.publish(self._turn_state, now)

    def _shown(self) -> StateChanged:
        """A turn goes on while a person speaks, and ends while its answer is still spoken."""
        is_over = self._turn_state.state is AgentState.IDLE
        if self.voice is AgentState.LISTENING or (self.voice is AgentState.SPEAKING and is_over):
            return StateChanged(self.voice, "")
        return self._turn_state

    def subscribe(self) -> Subscription:
        """Return a subscription to what happens from now on; `close_page` ends it."""
        found = Subscription()
        self._pages.add(found)
        return found

    def open_page(self, hello: Hello, now: float) -> Subscription:
        """Return a subscription for a new page: it begins with what a page must know that was not there before.

        Args:
            hello: the first message.
            now: seconds of a clock that never goes back.
        """
        page = Subscription()
        page.put(hello)
        if self._started is not None:
            page.put(self._started)
        page.put(self._state)
        if self._asked is not None:
            page.put(replace(self._asked, expires_s=max(0.0, self._asked_until - now)))
        self._pages.add(page)
        return page

    def close_page(self, page: Subscription) -> None:
        """Send nothing more to a page."""
        self._pages.discard(page)
