"""The session as its voice sees it: words start turns, and the character shows who speaks."""

from collections.abc import AsyncIterator, Callable
from typing import Final

from evolve.core.model.errors import EnvironmentFault
from pipecatapp.agent.page_log import of_session
from pipecatapp.agent.service import Busy, TwinService
from pipecatapp.agent.sessions import Session, Subscription
from pipecatapp.agent.turns import LOG
from pipecatapp.wire.agent_events import (
    LONGEST_TEXT,
    AgentState,
    ApprovalAsked,
    Outcome,
    Source,
    TextPart,
    TurnEnded,
)

_PHRASES: Final = {
    "approval": {"en": "This needs your approval on the page. "},
    "failed": {"en": "I could not answer that. "},
}
"""What is said that no model says, in the languages that there are."""


class SessionRoom:
    """A session's `VoiceRoom` for one microphone."""

    def __init__(
        self,
        service: TwinService,
        session: Session,
        observe: Callable[[str, float], None],
        clock: Callable[[], float],
        language: str,
    ) -> None:
        """Make one in which nobody speaks.

        Args:
            service: starts turns.
            session: whose words they are.
            observe: measures.
            clock: seconds that never go back.
            language: two letters.
        """
        self._service, self._session, self._observe, self._clock = service, session, observe, clock
        self._language = language
        self._turn = ""
        """The last one that this voice started."""
        self._answer: Subscription | None = None

    def person_speaks(self) -> None:
        """Show that the agent listens; nothing more is spoken of the last answer."""
        self._drop_answer()
        self._show(AgentState.LISTENING)

    def nothing_said(self) -> None:
        """Show again what was before."""
        self._show(None)

    def agent_speaks(self, *, is_speaking: bool) -> None:
        """Show that the agent's voice is heard, or has ended."""
        if is_speaking:
            self._show(AgentState.SPEAKING)
        elif self._session.voice is AgentState.SPEAKING:
            self._show(None)

    def report(self, level: int, problem: str) -> None:
        """Write a problem into the log, for the pages of this session alone."""
        LOG.log(level, "voice: %s", problem, extra=of_session(self._session.id))

    def observe(self, what: str, seconds: float) -> None:
        """Measure."""
        self._observe(what, seconds)

    async def ask(self, words: str) -> AsyncIterator[str]:
        """Start a turn, and return the parts of what is spoken.

        A turn that this voice started before ends: the person has said something else. One that was typed goes on.

        Raises:
            EnvironmentFault: no turn can start.
        """
        self._drop_answer()
        await self._service.end_turn(self._session, self._turn)
        # Before the turn, so that nothing of it is missed.
        answer = self._answer = self._session.subscribe()
        try:
            turn = self._turn = self._service.say(self._session, words[:LONGEST_TEXT], Source.VOICE)
        except Busy as error:
            self.close()
            raise EnvironmentFault(str(error)) from None
        # Shown from the end of the turn on: until its first sound nobody is idle.
        self._session.voice = AgentState.SPEAKING
        return self._parts(answer, turn)

    def close(self) -> None:
        """Leave the session; a turn goes on as text."""
        self._drop_answer()
        self._show(None)

    async def _parts(self, answer: Subscription, turn: str) -> AsyncIterator[str]:
        try:
            while True:
                match await answer.next():
                    case TextPart(turn=of, text=text) if of == turn:
                        yield text
                    case ApprovalAsked(turn=of) if of == turn:
                        yield self._phrase("approval")
                    case TurnEnded(turn=of, outcome=outcome) if of == turn:
                        if outcome is Outcome.FAILED:
                            yield self._phrase("failed")
                        return
        finally:
            self._session.close_page(answer)

    def _phrase(self, name: str) -> str:
        return _PHRASES[name].get(self._language, "")

    def _drop_answer(self) -> None:
        if self._answer is not None:
            self._session.close_page(self._answer)
            self._answer = None

    def _show(self, state: AgentState | None) -> None:
        self._session.show_voice(state, self._clock())
