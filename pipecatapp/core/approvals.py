"""Whether a person allows a call: each approval is for one call of one session, for a minute, and for one use."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from pipecatapp.core.ports import ToolCall
from pipecatapp.core.twin import canonical

LASTS_S: Final = 60.0
"""How long an approval can be answered and used. Who comes back from lunch has forgotten what was asked."""


class UnknownApproval(LookupError):
    """No such approval waits in this session: it never did, or it is over."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One request for a decision."""

    id: str
    """Random: only who was shown it can name it."""
    session_id: str
    digest: str
    """Of session, tool and arguments."""
    expires_at: float
    is_approved: bool = False


class Approvals:
    """The approvals that wait for a decision, or for their use."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        """Make a list without any.

        Args:
            new_id: makes an id that nobody can guess.
        """
        self._new_id = new_id
        self._open: dict[str, Approval] = {}

    def ask(self, session_id: str, call: ToolCall, now: float) -> Approval:
        """Return a new approval that waits for a decision.

        Args:
            session_id: whose people may decide.
            call: exactly what may be done then.
            now: seconds of a clock that never goes back.
        """
        self._drop_expired(now)
        approval = Approval(self._new_id(), session_id, digest_of(session_id, call), now + LASTS_S)
        self._open[approval.id] = approval
        return approval

    def decide(self, id: str, session_id: str, now: float, *, is_approved: bool) -> None:
        """Note a person's decision; a denied approval is over.

        Args:
            id: of the approval.
            session_id: the session of the person.
            now: seconds of a clock that never goes back.
            is_approved: whether the call may run.

        Raises:
            UnknownApproval: there is none in this session that waits.
        """
        self._drop_expired(now)
        approval = self._open.get(id)
        # The same answer for the id of another session: it must not show that there is one.
        if approval is None or approval.session_id != session_id or approval.is_approved:
            raise UnknownApproval(id)
        if is_approved:
            self._open[id] = replace(approval, is_approved=True)
        else:
            del self._open[id]

    def redeem(self, id: str, session_id: str, call: ToolCall, now: float) -> bool:
        """Return whether a call may run now; its approval is over then, whatever the result.

        Args:
            id: of the approval.
            session_id: whose call it is.
            call: what is about to run.
            now: seconds of a clock that never goes back.
        """
        approval = self._open.pop(id, None)
        return (
            approval is not None
            and approval.is_approved
            and now < approval.expires_at
            and approval.digest == digest_of(session_id, call)
        )

    def withdraw(self, id: str) -> None:
        """End an approval that nobody needs any more."""
        self._open.pop(id, None)

    def _drop_expired(self, now: float) -> None:
        for id in [id for id, one in self._open.items() if one.expires_at <= now]:
            del self._open[id]


def digest_of(session_id: str, call: ToolCall) -> str:
    """Return the SHA-256 of a session and what a call does, in hex; the call's own id is no part of it."""
    # Lengths in front: the end of one part is never the beginning of the next.
    parts = (session_id, call.tool, canonical(call.arguments))
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
