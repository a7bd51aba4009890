"""Carries out one turn: does what its state waits for, until it is over, and reports each step."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from evolve.core.model.errors import EnvironmentFault
from pipecatapp.agent.metrics import AgentMetrics
from pipecatapp.agent.page_log import of_session
from pipecatapp.core import twin
from pipecatapp.core.ports import BadArguments, Finding, Toolbox, ToolResult, TwinModel
from pipecatapp.core.twin import Phase, Turn
from pipecatapp.serving.logs import place_of
from pipecatapp.wire.agent_events import AgentState, ServerMessage, StateChanged, TextPart, ToolEnded, ToolStarted

LOG: Final = logging.getLogger("pipecatapp")
_STATES: Final = {
    Phase.CHOOSING: AgentState.THINKING,
    Phase.FILLING: AgentState.THINKING,
    Phase.ASKING: AgentState.WAITING_FOR_APPROVAL,
    Phase.RUNNING: AgentState.WORKING,
    Phase.ANSWERING: AgentState.THINKING,
}
_BUG: Final = "a bug of the agent; its log has the details under the turn's id"


Ask = Callable[[Turn], Awaitable[ToolResult | None]]
"""Asks a person whether the call of a turn may run: None where it may, else the result that says why not."""
Emit = Callable[[ServerMessage], Awaitable[None]]
"""Takes what happens in a turn; waits where its receiver is slow."""


@dataclass(frozen=True, slots=True)
class TurnParts:
    """What all turns share."""

    model: TwinModel
    toolbox: Toolbox
    metrics: AgentMetrics
    longest_s: float
    """Of a turn."""


def new_id() -> str:
    """Return an id of 128 random bits."""
    return secrets.token_hex(16)


class TurnRunner:
    """One turn under way. `turn` is its state as of now, also after it was cancelled."""

    def __init__(self, parts: TurnParts, turn: Turn, ask: Ask, emit: Emit) -> None:
        self.turn = turn
        self._parts = parts
        self._ask = ask
        self._emit = emit
        self._state: AgentState | None = None

    async def run(self) -> Turn:
        """Carry the turn out, and return its end; a fault of the model or a bug is an end, too."""
        try:
            async with asyncio.timeout(self._parts.longest_s):
                with self._parts.metrics.turn():
                    while not self.turn.is_over:
                        await self._step()
        except EnvironmentFault as fault:
            self._fail(fault.message)
        except TimeoutError:
            self._fail(f"the turn took more than {self._parts.longest_s:g} s")
        except asyncio.CancelledError:
            self.turn = twin.cancel(self.turn)
            raise
        except Exception as error:
            session = of_session(self.turn.session_id)
            LOG.error("turn %s: %s", self.turn.id, place_of(error), extra=session)  # noqa: TRY400 - without its text
            self._fail(_BUG)
        return self.turn

    def _fail(self, problem: str) -> None:
        if not self.turn.is_over:
            self.turn = twin.fail(self.turn, problem)

    async def _step(self) -> None:
        phase = self.turn.phase
        await self._show(_STATES[phase])
        with self._parts.metrics.stage(phase):
            await self._STEPS[phase](self)

    async def _choose(self) -> None:
        turn = self.turn
        # Without tools there is nothing to choose, and a small model would take a second for it.
        name = await self._parts.model.choose(turn.question, turn.tools) if turn.tools else twin.NO_TOOL
        await self._take(twin.choose(turn, name, new_id))

    async def _fill(self) -> None:
        tool = self.turn.tool
        assert tool is not None
        try:
            arguments = await self._parts.model.arguments(self.turn.question, tool)
        except BadArguments as error:
            await self._take(twin.misfill(self.turn, str(error), new_id))
        else:
            risk = await self._parts.toolbox.risk(tool.name, arguments)
            self.turn = twin.fill(self.turn, arguments, risk, new_id)

    async def _decide(self) -> None:
        refusal = await self._ask(self.turn)
        if refusal is None:
            self.turn = twin.approve(self.turn)
        else:
            await self._take(twin.refuse(self.turn, refusal))

    async def _run_tool(self) -> None:
        turn, call = self.turn, self.turn.call
        assert call is not None
        await self._emit(ToolStarted(turn.id, call.id, call.tool, call.arguments, turn.risk))
        began = time.perf_counter()
        result = await self._parts.toolbox.run(call, turn.session_id)
        await self._take(twin.finish_call(turn, result), time.perf_counter() - began)

    async def _answer(self) -> None:
        async for part in self._parts.model.answer(self.turn.question):
            await self._show(AgentState.SPEAKING)
            self.turn = twin.add_text(self.turn, part)
            await self._emit(TextPart(self.turn.id, part))
        self.turn = twin.end_answer(self.turn)

    async def _take(self, turn: Turn, seconds: float = 0.0) -> None:
        """Make a new state the turn's, and report the call that ended with it."""
        is_new = turn.steps > self.turn.steps
        self.turn = turn
        if is_new:
            await self._report(turn.question.findings[-1], seconds)

    async def _report(self, finding: Finding, seconds: float) -> None:
        call, result = finding.call, finding.result
        known = any(one.name == call.tool for one in self.turn.tools)
        self._parts.metrics.count_tool(call.tool if known else "unknown", result.reason)
        ended = ToolEnded(self.turn.id, call.id, call.tool, result.is_error, result.reason, result.text, seconds)
        await self._emit(ended)

    async def _show(self, state: AgentState) -> None:
        if state is not self._state:
            self._state = state
            await self._emit(StateChanged(state, self.turn.id))

    _STEPS: Final = {
        Phase.CHOOSING: _choose,
        Phase.FILLING: _fill,
        Phase.ASKING: _decide,
        Phase.RUNNING: _run_tool,
        Phase.ANSWERING: _answer,
    }
