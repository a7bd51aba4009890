"""TwinService: turns for pages and for the gateway. All of a turn's state is in its `Turn`, none of it here."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from evolve.core.model.errors import StoreFault
from pipecatapp.agent.asking import ApprovalDesk, refuse_without_page
from pipecatapp.agent.memory import DecidedApproval, MemoryEntry
from pipecatapp.agent.page_log import of_session
from pipecatapp.agent.sessions import Session
from pipecatapp.agent.turns import LOG, TurnParts, TurnRunner, new_id
from pipecatapp.core.approvals import LASTS_S
from pipecatapp.core.conversation import NoWords, question_of
from pipecatapp.core.ports import AgentReply, AgentRequest, ToolResult
from pipecatapp.core.twin import Phase, Turn
from pipecatapp.wire.agent_events import (
    AgentState,
    Entry,
    ErrorMessage,
    LogLevel,
    LogLine,
    Outcome,
    ServerMessage,
    Source,
    StateChanged,
    TextPart,
    ToolEnded,
    TurnEnded,
    TurnStarted,
)

_OUTCOMES: Final = {
    Phase.ANSWERED: Outcome.ANSWERED,
    Phase.CANCELLED: Outcome.CANCELLED,
    Phase.FAILED: Outcome.FAILED,
}
_KEPT_SESSIONS: Final = 1000
"""Sessions in memory; beyond them those that nobody watches are dropped, and read again when somebody comes back."""
_LOADED: Final = 200


class Busy(Exception):
    """No turn can start now; the text says why."""


class Keeper(Protocol):
    """The parts of the memory that turns use; see `Memory`."""

    async def add(self, key_name: str, entries: Sequence[MemoryEntry]) -> int:
        """Keep messages."""
        ...

    async def history(self, session: str, most: int) -> list[MemoryEntry]:
        """Return the newest messages of a session, the oldest first."""
        ...

    async def note_approval(self, approval: DecidedApproval) -> None:
        """Keep who allowed what."""
        ...


class TwinService:
    """The agent, for any number of sessions at once."""

    def __init__(
        self,
        parts: TurnParts,
        memory: Keeper | None,
        *,
        most_turns: int = 100,
        approval_s: float = LASTS_S,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Make a service without sessions.

        Args:
            parts: model, tools and metrics.
            memory: None to forget everything at the end.
            most_turns: at one time.
            approval_s: how long a person has to allow a call.
            clock: seconds that never go back.
            wall: seconds since 1970.
        """
        self._parts, self._memory, self._most_turns = parts, memory, most_turns
        self._clock, self._wall = clock, wall
        self.desk = ApprovalDesk(clock, wall, self._audit, lasts_s=approval_s)
        self._sessions: dict[str, Session] = {}
        self._queues: dict[str, asyncio.Queue[AgentReply]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = 0

    async def session(self, id: str, key_name: str) -> Session:
        """Return the session of an id, with what was said in it before."""
        found = self._sessions.get(id)
        if found is None:
            entries = await self._load(id)
            # Another page may have opened it meanwhile.
            found = self._sessions.setdefault(id, Session(id, key_name))
            if not found.history:
                found.remember(entries)
            self._drop_idle(found)
        return found

    @property
    def running(self) -> int:
        """How many turns run."""
        return self._running

    def sessions(self) -> list[Session]:
        """Return the sessions in memory."""
        return list(self._sessions.values())

    def say(self, session: Session, text: str, source: Source = Source.TEXT) -> str:
        """Start a turn with a person's words; return its id.

        Raises:
            Busy: a turn of the session runs, or too many of others do.
        """
        if session.task is not None:
            raise Busy("a turn is running; cancel it, or wait for its end")
        self._check_load()
        question = session.conversation.question(text)
        turn = Turn(new_id(), session.id, question, self._parts.toolbox.specs())
        runner = self._page_runner(session, turn)
        session.turn_id = turn.id
        self._publish(session, TurnStarted(turn.id, text, source))
        self._running += 1
        session.task = self._start(_carry_out(runner))
        # A callback: a task that is cancelled before its first step never runs any of its own code.
        session.task.add_done_callback(lambda _: self._end(session, runner.turn, source))
        return turn.id

    def cancel(self, session: Session, turn_id: str) -> bool:
        """End a turn of a session; return whether it ran."""
        if session.task is None or session.turn_id != turn_id:
            return False
        session.task.cancel()
        return True

    async def end_turn(self, session: Session, turn_id: str) -> None:
        """End a turn of a session, if it runs, and return when it has ended."""
        if self.cancel(session, turn_id) and session.task is not None:
            await asyncio.wait({session.task})

    async def answer(self, request: AgentRequest, queue: "asyncio.Queue[AgentReply]") -> None:
        """Answer a request of the gateway: the text goes on the request's own queue, which nobody else has."""
        id = request.response_queue_id
        if id in self._queues:
            raise Busy("a request with this id is running")
        self._check_load()
        self._queues[id] = queue
        self._running += 1
        try:
            await self._queue_turn(request)
        finally:
            del self._queues[id]
            self._running -= 1

    def forget(self, key_name: str) -> None:
        """Forget what was said in sessions of a key, as far as it is not in the memory."""
        for session in self._sessions.values():
            if session.key_name == key_name:
                session.forget()

    async def close(self) -> None:
        """End all turns, and wait until what they leave is kept."""
        for session in self._sessions.values():
            if session.task is not None:
                session.task.cancel()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- turns of pages

    def _page_runner(self, session: Session, turn: Turn) -> TurnRunner:
        async def ask(asking: Turn) -> ToolResult | None:
            return await self.desk.ask(session, asking)

        async def emit(message: ServerMessage) -> None:
            self._publish(session, message)
            self._publish_log(session, message)

        return TurnRunner(self._parts, turn, ask, emit)

    def _end(self, session: Session, turn: Turn, source: Source) -> None:
        self._running -= 1
        session.task = None
        outcome = _OUTCOMES.get(turn.phase, Outcome.CANCELLED)
        self._parts.metrics.count_turn(outcome, source)
        LOG.info("turn %s: %s after %d calls of tools", turn.id, outcome, turn.steps, extra=of_session(session.id))
        if outcome is Outcome.FAILED:
            self._publish(session, ErrorMessage(turn.id, "turn_failed", turn.problem))
        else:
            self._remember(session, turn)
        self._publish(session, TurnEnded(turn.id, outcome, turn.text))
        is_failed = outcome is Outcome.FAILED
        state = StateChanged(AgentState.ERROR, turn.id) if is_failed else StateChanged(AgentState.IDLE, "")
        self._publish(session, state)

    def _remember(self, session: Session, turn: Turn) -> None:
        """Keep the exchange; not that of a failed turn, whose request would look as if the next one went with it."""
        now = self._wall()
        texts = (("user", turn.question.request), ("assistant", turn.text))
        said = [Entry(turn.id, role, text, now) for role, text in texts if text]
        session.remember(said)
        if self._memory is not None:
            self._start(self._keep(session, said))

    def _publish(self, session: Session, message: ServerMessage) -> None:
        session.publish(message, self._clock())

    def _publish_log(self, session: Session, message: ServerMessage) -> None:
        if isinstance(message, ToolEnded):
            result = message.reason or "ok"
            level = LogLevel.WARNING if message.is_error else LogLevel.INFO
            line = f"{message.tool}: {result}, {message.seconds:.2f} s"
            self._publish(session, LogLine(self._wall(), level, "tools", line))

    # --- turns of the gateway

    async def _queue_turn(self, request: AgentRequest) -> None:
        id = request.response_queue_id
        try:
            question = question_of(request.request)
        except NoWords as error:
            await self._reply(AgentReply(id, error=str(error)))
            return

        async def emit(message: ServerMessage) -> None:
            if isinstance(message, TextPart):
                await self._reply(AgentReply(id, message.text))

        turn = Turn(new_id(), f"gateway:{id}", question, self._parts.toolbox.specs(), id)
        runner = TurnRunner(self._parts, turn, refuse_without_page, emit)
        try:
            await runner.run()
        finally:
            self._parts.metrics.count_turn(_OUTCOMES.get(runner.turn.phase, Outcome.CANCELLED), "gateway")
        await self._reply(_last_reply(runner.turn))

    async def _reply(self, reply: AgentReply) -> None:
        await self._queues[reply.response_queue_id].put(reply)

    # --- what turns leave

    async def _load(self, id: str) -> list[Entry]:
        if self._memory is None:
            return []
        try:
            found = await self._memory.history(id, _LOADED)
        except StoreFault as fault:  # without its past a session is of more use than none
            LOG.error("%s", fault)
            return []
        return [Entry(one.turn, one.role, one.text, one.at) for one in found]

    async def _keep(self, session: Session, said: Sequence[Entry]) -> None:
        assert self._memory is not None
        entries = [MemoryEntry(session.id, one.turn, one.role, one.text, one.at) for one in said]
        try:
            await self._memory.add(session.key_name, entries)
        except StoreFault as fault:
            self._note_unkept(fault)

    async def _audit(self, approval: DecidedApproval) -> None:
        session = of_session(approval.session)
        LOG.info("approval of %s in session %s: %s", approval.tool, approval.session, approval.outcome, extra=session)
        try:
            if self._memory is not None:
                await self._memory.note_approval(approval)
        except StoreFault as fault:
            self._note_unkept(fault)

    def _note_unkept(self, fault: StoreFault) -> None:
        self._parts.metrics.count_unkept()
        LOG.error("%s", fault)

    def _check_load(self) -> None:
        if self._running >= self._most_turns:
            raise Busy(f"{self._running} turns are running, as many as may")

    def _drop_idle(self, kept: Session) -> None:
        if len(self._sessions) > _KEPT_SESSIONS:
            idle = [one.id for one in self._sessions.values() if one.is_idle and one is not kept]
            for id in idle[: len(self._sessions) - _KEPT_SESSIONS]:
                del self._sessions[id]

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _carry_out(runner: TurnRunner) -> None:
    await runner.run()


def _last_reply(turn: Turn) -> AgentReply:
    id = turn.response_queue_id
    return AgentReply(id, error=turn.problem) if turn.phase is Phase.FAILED else AgentReply(id, is_final=True)
