"""Asks the people of a session whether a dangerous call may run."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from pipecatapp.agent.memory import DecidedApproval
from pipecatapp.agent.sessions import Session
from pipecatapp.core.approvals import LASTS_S, Approvals, UnknownApproval, digest_of
from pipecatapp.core.ports import ToolCall, ToolReason, ToolResult
from pipecatapp.core.twin import Turn
from pipecatapp.wire.agent_events import ApprovalAsked, ApprovalEnded, ApprovalOutcome

_REFUSALS: Final = {
    ApprovalOutcome.DENIED: ToolResult("the user did not allow this call", True, ToolReason.DENIED),
    ApprovalOutcome.EXPIRED: ToolResult("nobody allowed this call in time", True, ToolReason.EXPIRED),
}


class ApprovalDesk:
    """What waits for a decision, in all sessions."""

    def __init__(
        self,
        clock: Callable[[], float],
        wall: Callable[[], float],
        audit: Callable[[DecidedApproval], Awaitable[None]],
        *,
        lasts_s: float = LASTS_S,
    ) -> None:
        """Make a desk on which nothing waits.

        Args:
            clock: seconds that never go back.
            wall: seconds since 1970.
            audit: keeps each decision.
            lasts_s: how long a person may think; an approval can never be used after `LASTS_S`.
        """
        self._clock, self._wall, self._audit, self._lasts_s = clock, wall, audit, lasts_s
        self._approvals = Approvals(lambda: secrets.token_urlsafe(24))
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def decide(self, session: Session, id: str, *, is_approved: bool) -> None:
        """Note the decision of a person of a session.

        Raises:
            UnknownApproval: nothing of this id waits there.
        """
        self._approvals.decide(id, session.id, self._clock(), is_approved=is_approved)
        waiting = self._waiting.get(id)
        if waiting is None:
            raise UnknownApproval(id)
        if not waiting.done():
            waiting.set_result(None)

    async def ask(self, session: Session, turn: Turn) -> ToolResult | None:
        """Return None where the turn's call may run now; else the result that says why not."""
        call = turn.call
        assert call is not None
        approval = self._approvals.ask(session.id, call, self._clock())
        self._waiting[approval.id] = asyncio.get_running_loop().create_future()
        asked = ApprovalAsked(turn.id, approval.id, call.tool, call.arguments, turn.risk, self._lasts_s)
        session.publish(asked, self._clock())
        outcome = ApprovalOutcome.CANCELLED
        try:
            outcome = await self._outcome(approval.id, session, call)
        finally:
            del self._waiting[approval.id]
            self._approvals.withdraw(approval.id)
            session.publish(ApprovalEnded(turn.id, approval.id, outcome), self._clock())
            await self._audit(self._record(session, call, outcome))
        return _REFUSALS.get(outcome)

    async def _outcome(self, id: str, session: Session, call: ToolCall) -> ApprovalOutcome:
        try:
            async with asyncio.timeout(self._lasts_s):
                await self._waiting[id]
        except TimeoutError:
            return ApprovalOutcome.EXPIRED
        is_allowed = self._approvals.redeem(id, session.id, call, self._clock())
        return ApprovalOutcome.APPROVED if is_allowed else ApprovalOutcome.DENIED

    def _record(self, session: Session, call: ToolCall, outcome: ApprovalOutcome) -> DecidedApproval:
        arguments = json.dumps(call.arguments)
        digest = digest_of(session.id, call)
        return DecidedApproval(self._wall(), session.id, session.key_name, call.tool, arguments, digest, outcome)


async def refuse_without_page(_turn: Turn) -> ToolResult:
    """Return the refusal of a dangerous call where there is no page: nobody can be asked."""
    text = "this call needs a person's approval, which only the agent's page can give"
    return ToolResult(text, True, ToolReason.DENIED)
