"""Chooses the instance of an expert that gets a request: power of two choices, stickiness, ejection."""

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from evolve.core.model.json_value import JsonValue

_REMEMBERED: Final = 10_000
"""Conversations whose instance is remembered; at 200 bytes each this is 2 MB."""
_SLACK: Final = 4
"""Requests that the instance of a conversation may have more in flight than the idlest: computing a prompt of some
thousand tokens again costs more than waiting behind a few answers, but not behind a queue."""
_FIRST_EJECTION_S: Final = 1.0
_LONGEST_EJECTION_S: Final = 30.0


class Dice(Protocol):
    """What chance is needed for; `random.Random` fits."""

    def randrange(self, stop: int, /) -> int:
        """Return a whole number from 0 to below `stop`."""
        ...


@dataclass(frozen=True, slots=True)
class Instance:
    """One llama-server that serves an expert."""

    id: str
    """Unique in the cluster; the same after a restart."""
    url: str
    """`http://host:port`, without a path."""
    served_model: str = ""
    """The model file or name that it serves; empty where nobody said."""
    tags: tuple[str, ...] = ()
    api_key: str = ""
    mesh_service: str = ""
    """The name that it must prove by mutual TLS; empty outside of a mesh."""

    def __repr__(self) -> str:
        return f"Instance({self.id}, {self.url})"


@dataclass(slots=True)
class _Load:
    in_flight: int = 0
    failures: int = 0
    """Connection errors since the last success."""
    ejected_until: float = 0.0


class Routing:
    """What is known of the instances: requests in flight, errors, and which conversation is where."""

    def __init__(self) -> None:
        self._loads: dict[str, _Load] = {}
        self._homes: OrderedDict[bytes, str] = OrderedDict()

    def choose(
        self,
        instances: Sequence[Instance],
        *,
        dice: Dice,
        now: float,
        conversation: bytes = b"",
        without: Collection[str] = (),
    ) -> Instance | None:
        """Return the instance for a request; None where none is left.

        Args:
            instances: those that pass their checks.
            dice: draws the two of which the idler one is taken.
            now: seconds of a clock that never goes back.
            conversation: requests with the same one have a prompt's beginning in common; empty for none.
            without: ids that failed this request already.
        """
        left = [one for one in instances if one.id not in without]
        healthy = [one for one in left if not self._is_ejected(one.id, now)]
        # All of them ejected: one that was refused a moment ago may be back, and a refusal is the alternative.
        left = healthy or left
        if not left:
            return None
        chosen = self._home(left, conversation) or self._idler(left, dice)
        self._remember(conversation, chosen.id)
        return chosen

    def start(self, id: str) -> None:
        """Count a request that an instance gets now."""
        self._load(id).in_flight += 1

    def end(self, id: str) -> None:
        """Count a request as ended, whatever came of it."""
        self._load(id).in_flight -= 1

    def succeed(self, id: str) -> None:
        """Take an instance back that answered."""
        load = self._load(id)
        load.failures, load.ejected_until = 0, 0.0

    def fail(self, id: str, now: float) -> float:
        """Eject an instance whose connection failed; return for how many seconds, twice as long each time."""
        load = self._load(id)
        seconds = min(_FIRST_EJECTION_S * 2.0**load.failures, _LONGEST_EJECTION_S)
        # Beyond that the seconds stay the same, and the number would overflow one day.
        load.failures = min(load.failures + 1, 10)
        load.ejected_until = now + seconds
        return seconds

    def forget_all_but(self, ids: Collection[str]) -> None:
        """Drop what is known of instances that are gone and have no request in flight."""
        kept = {id: load for id, load in self._loads.items() if id in ids or load.in_flight > 0}
        self._loads = kept

    def in_flight(self, id: str) -> int:
        """Return how many requests an instance has."""
        load = self._loads.get(id)
        return load.in_flight if load else 0

    def _is_ejected(self, id: str, now: float) -> bool:
        """Whether an instance gets no request now, as long as there are others."""
        load = self._loads.get(id)
        return load is not None and load.ejected_until > now

    def _load(self, id: str) -> _Load:
        return self._loads.setdefault(id, _Load())

    def _home(self, left: Sequence[Instance], conversation: bytes) -> Instance | None:
        id = self._homes.get(conversation) if conversation else None
        home = next((one for one in left if one.id == id), None)
        if home is None:
            return None
        least = min(self.in_flight(one.id) for one in left)
        return home if self.in_flight(home.id) <= least + _SLACK else None

    def _idler(self, left: Sequence[Instance], dice: Dice) -> Instance:
        if len(left) == 1:
            return left[0]
        first = dice.randrange(len(left))
        second = dice.randrange(len(left) - 1)
        pair = left[first], left[second + (second >= first)]
        return min(pair, key=lambda one: self.in_flight(one.id))

    def _remember(self, conversation: bytes, id: str) -> None:
        if not conversation:
            return
        self._homes[conversation] = id
        self._homes.move_to_end(conversation)
        if len(self._homes) > _REMEMBERED:
            self._homes.popitem(last=False)


def conversation_of(key_name: str, request: JsonValue) -> bytes:
    """Return what all turns of one conversation have in common, as a hash; empty where a request has no beginning.

    It is the name of the key and everything up to the first message of the user, which later turns repeat.
    """
    if not isinstance(request, dict):
        return b""
    begin: list[JsonValue] = []
    messages = request.get("messages")
    for message in messages if isinstance(messages, list) else [request.get("prompt")]:
        begin.append(message)
        if isinstance(message, dict) and message.get("role") == "user":
            break
    if begin in ([], [None]):
        return b""
    return hashlib.blake2b(repr((key_name, begin)).encode("utf-8", "replace"), digest_size=16).digest()
