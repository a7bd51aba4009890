"""What became of a reflector's earlier proposals: it is part of the next question, and a reason to stop asking."""

from collections import deque
from collections.abc import Mapping

from evolve.core.model.json_value import JsonValue
from evolve.core.search.proposals import RefusalKind, Refused
from evolve.core.text.counts import count

MAX_EQUAL_REFUSALS = 5
"""Each question after the first names the refusals before it. A model that still answers in the same wrong way does not
follow instructions of this kind: of one that fenced its JSON, 30 of 30 answers were refused."""
_REMEMBERED = 3
"""Refused texts, and texts that did not help, in one question: it must still fit a small model's context."""

_FORMAT = "try a model that answers in JSON: --reflector ID"
_HINTS: Mapping[RefusalKind, str] = {
    "empty": f"it may think longer than its limit of tokens allows; {_FORMAT}",
    "no-json": _FORMAT,
    "no-answer": "try another model: --reflector ID",
}
_OTHER_HINT = "try a more capable model: --reflector ID"


class Refusals:
    """Remembers what was refused and what did not help."""

    def __init__(self) -> None:
        self._reasons: deque[str] = deque(maxlen=_REMEMBERED)
        self._useless: deque[str] = deque(maxlen=_REMEMBERED)
        self._kind: RefusalKind | None = None
        self._in_a_row = 0

    def add(self, refused: Refused) -> None:
        """Remember a refusal."""
        self._in_a_row = self._in_a_row + 1 if refused.kind == self._kind else 1
        self._kind = refused.kind
        if refused.reason not in self._reasons:
            self._reasons.append(refused.reason)

    def taken(self) -> None:
        """End the row of refusals: a proposal was taken."""
        self._kind, self._in_a_row = None, 0
        self._reasons.clear()

    def did_not_help(self, note: str) -> None:
        """Remember a proposal that was measured and was not better than its parent."""
        self._useless.append(note)

    def remind(self, inputs: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return a question's inputs with what is remembered at the end of its wish."""
        parts = [str(inputs.get("wish", ""))]
        if self._useless:
            parts.append("Tried before, did not help: " + "; ".join(self._useless) + ". Propose something else.")
        if self._reasons:
            parts.append("Your answers before were refused: " + "; ".join(self._reasons) + ".")
        return {**inputs, "wish": "\n".join(parts)}

    @property
    def why_stop(self) -> str:
        """Why the reflector should not be asked any more; empty while it should."""
        if self._in_a_row < MAX_EQUAL_REFUSALS:
            return ""
        return f"{count(self._in_a_row, 'answer')} in a row refused for one cause, the last: {self._reasons[-1]}"

    @property
    def hint(self) -> str:
        """What the user can do about it."""
        return _HINTS.get(self._kind, _OTHER_HINT) if self._kind else _OTHER_HINT
