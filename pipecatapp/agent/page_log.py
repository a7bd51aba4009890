"""The agent's log on the pages: redacted, cut, at most so many lines at once, and those of a session only there.

The log has no words of anybody (docs/agent-app.md), so that any page may show it; what a library's fault carries along
is masked all the same.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from evolve.core.cases.redaction import CannotRedact, Redactor
from pipecatapp.agent.sessions import Session
from pipecatapp.wire.agent_events import LogLevel, LogLine

_LONGEST: Final = 2000
"""Characters of a line."""
_SEARCHED: Final = 20_000
"""Characters that are searched for secrets."""
_MOST_WAITING: Final = 200
"""Lines that may wait for the event loop: a thread that logs in a loop must not fill the memory."""
_LEVELS: Final = ((logging.ERROR, LogLevel.ERROR), (logging.WARNING, LogLevel.WARNING), (logging.INFO, LogLevel.INFO))
_OWN: Final = "pipecatapp"


def of_session(session_id: str) -> dict[str, str]:
    """Return what a call of a logger gets as `extra`, so that only the pages of a session show the line."""
    return {"session": session_id}


class PageLog(logging.Handler):
    """Sends lines of a logger to open pages; use it from any thread, while its event loop runs."""

    def __init__(
        self,
        sessions: Callable[[], Iterable[Session]],
        redactor: Redactor,
        clock: Callable[[], float],
    ) -> None:
        """Make a handler for the running event loop.

        Args:
            sessions: returns those in memory.
            redactor: masks what a fault carries along.
            clock: seconds that never go back.
        """
        super().__init__(logging.DEBUG)
        self._sessions, self._redactor, self._clock = sessions, redactor, clock
        self._loop = asyncio.get_running_loop()
        self._waiting = 0
        self._left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Send a line; one that cannot be made or sent is none, since a log must not fail what it reports."""
        if self._waiting >= _MOST_WAITING:
            self._left_out += 1
            return
        self._waiting += 1
        try:
            self._loop.call_soon_threadsafe(self._deliver, record)
        except RuntimeError:  # the event loop has ended
            self._waiting -= 1

    def _deliver(self, record: logging.LogRecord) -> None:
        # `emit` counts in any thread, and logging holds the handler's lock there.
        self.acquire()
        self._waiting -= 1
        self.release()
        session_id = getattr(record, "session", None)
        watched = [one for one in self._sessions() if one.page_count and session_id in (None, one.id)]
        if not watched:
            return
        lines = [self._line(record)]
        if self._left_out:
            lines.append(LogLine(record.created, LogLevel.WARNING, "agent", f"{self._left_out} lines were left out"))
            self._left_out = 0
        for session in watched:
            for line in lines:
                session.publish(line, self._clock())

    def _line(self, record: logging.LogRecord) -> LogLine:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit their format
            text = str(record.msg)
        level = next((shown for limit, shown in _LEVELS if record.levelno >= limit), LogLevel.DEBUG)
        component = record.name.removeprefix(_OWN).strip(".") or "agent"
        return LogLine(record.created, level, component, self._masked(text))

    def _masked(self, text: str) -> str:
        """Return a text without secrets, cut after that: half of a secret would not be found."""
        try:
            return str(self._redactor.redact(text[:_SEARCHED]))[:_LONGEST]
        except CannotRedact:
            return "a line that could not be searched for secrets; the agent's own log has it"
