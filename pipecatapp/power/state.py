"""Decides when a service is woken and when it may sleep. It does nothing itself: it returns what is to be done.

    asleep ──client──> waking ──an instance passes──> awake ──idle──> retiring ──count is 0──> asleep
       ^                  │                            ^  │               │
       └──wake failed─────┘                            │  └──none passes──┼──> asleep
                                                       └──a client came───┘

A service that is to be put to sleep is `retiring` from the decision on. Until `commit` a client brings it back; after
`commit` the write is on its way, and clients wait for its result. Instances that a sleep has doomed get no connection,
also while Consul still says that they pass.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

SUSPECT_S: Final = 1.0
"""How long an instance that could not be reached gets no further connection."""


class Phase(StrEnum):
    """What a service does, as Consul's tags show it."""

    ASLEEP = "asleep"
    WAKING = "waking"
    AWAKE = "awake"
    RETIRING = "retiring"


class Action(Enum):
    """What has to be under way. One that is already goes on: it is not begun a second time."""

    WAKE = "wake"
    RETIRE = "retire"


Actions = tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class PowerRules:
    """Limits of one service, in seconds."""

    idle_s: float = 0.0
    """Without a connection, until it may sleep; 0: it never does."""
    retry_s: float = 5.0
    """After a wake that failed, until a client causes the next one."""
    max_waiting: int = 64
    """Clients that wait at one time."""
    quiet_s: float = 0.0
    """From the start on, in which nothing is put to sleep."""


class Refusal(StrEnum):
    """Why a client gets no connection: a label of the metrics."""

    NOT_ALLOWED = "not_allowed"
    TOO_MANY = "too_many_waiting"
    WAKE_FAILED = "wake_failed"
    TIMEOUT = "timeout"


class PowerState:
    """One service and its clients. Each input is a method that returns the actions which follow from it.

    A client is a number that the caller chooses. It waits from `arrive` on, is served from `begin` on, and is gone with
    `leave`, which may come at any time and again.
    """

    def __init__(self, rules: PowerRules, now: float) -> None:
        """Begin with a service of which nothing is known.

        Args:
            rules: limits.
            now: seconds of a clock that never goes back, here and everywhere.
        """
        self.rules = rules
        self.phase = Phase.ASLEEP
        self.failure = ""
        """Why the last wake failed; empty after one that did not."""
        self.waiting: set[int] = set()
        self.served: dict[int, str] = {}
        """The instance of each client."""
        self.is_committed = False
        """Whether the write that puts it to sleep may have been sent."""
        self._passing: tuple[str, ...] = ()
        self._doomed: frozenset[str] = frozenset()
        self._doomed_before: frozenset[str] = frozenset()
        self._suspects: dict[str, float] = {}
        self._idle_since = now
        self._quiet_until = now + rules.quiet_s
        self._refuses_until = now

    def usable(self, now: float) -> tuple[str, ...]:
        """Return the instances that may get a connection."""
        return tuple(one for one in self._passing if one not in self._doomed and self._suspects.get(one, now) <= now)

    def choose(self, now: float) -> str | None:
        """Return the usable instance with the fewest clients; None where a client has to wait."""
        if self.phase is not Phase.AWAKE and (self.phase is not Phase.RETIRING or self.is_committed):
            return None
        loads = list(self.served.values())
        return min(self.usable(now), key=loads.count, default=None)

    def refuses(self, now: float) -> Refusal | None:
        """Return why a client that would have to wait is refused now; None where it may wait."""
        if self.phase is Phase.ASLEEP and now < self._refuses_until:
            return Refusal.WAKE_FAILED
        if len(self.waiting) >= self.rules.max_waiting and self.choose(now) is None:
            return Refusal.TOO_MANY
        return None

    def arrive(self, client: int, now: float) -> Actions:
        """Let a client wait; it wakes a service that sleeps."""
        self.waiting.add(client)
        return self._settle(now)

    def begin(self, client: int, id: str, now: float) -> Actions:
        """Give a client to an instance, before it connects there: from here on nothing is put to sleep below it."""
        self.waiting.discard(client)
        self.served[client] = id
        return self._settle(now)

    def leave(self, client: int, now: float) -> Actions:
        """Forget a client. A wake that it caused goes on."""
        self.waiting.discard(client)
        if self.served.pop(client, None) is not None and not self.served:
            self._idle_since = now
        return self._settle(now)

    def see(self, passing: Sequence[str], now: float) -> Actions:
        """Take over which instances pass."""
        self._passing = tuple(passing)
        self._suspects = {id: until for id, until in self._suspects.items() if id in passing}
        return self._settle(now)

    def lose(self, client: int, now: float, *, waits: bool) -> Actions:
        """Take a client back whose instance took no connection, and give that instance none for a moment.

        Args:
            client: that was begun.
            now: seconds.
            waits: whether it waits again; otherwise it is gone.
        """
        if (id := self.served.pop(client, None)) is not None:
            self._suspects[id] = now + SUSPECT_S
        if waits:
            self.waiting.add(client)
        elif not self.served:
            self._idle_since = now
        return self._settle(now)

    def tick(self, now: float) -> Actions:
        """Notice what time alone changes."""
        actions = self._settle(now)
        if self._may_sleep(now):
            self.phase = Phase.RETIRING
            return (*actions, Action.RETIRE)
        return actions

    def commit(self) -> bool:
        """Return whether the write may be sent that puts it to sleep; asked right before that, with nothing between."""
        if self.phase is not Phase.RETIRING or self.is_committed or self.served or self.waiting:
            return False
        self.is_committed = True
        self._doomed_before = self._doomed
        self._doomed = self._doomed.union(self._passing)
        return True

    def doom(self, ids: Iterable[str], now: float) -> Actions:
        """Note instances that are being stopped, by us or by others: they get no connection."""
        self._doomed = self._doomed.union(ids)
        return self._settle(now)

    def retired(self, doomed: Iterable[str], now: float) -> Actions:
        """Note that it sleeps; `doomed` are all instances that were there."""
        # Only those of now: earlier ones are gone, and the set would grow with each sleep.
        self._doomed = frozenset((*doomed, *self._passing))
        self.is_committed = False
        self.phase = Phase.ASLEEP
        return self._settle(now)

    def keep(self, now: float) -> Actions:
        """Note that it was not put to sleep, and let it be idle for as long again."""
        if self.is_committed:
            self._doomed, self.is_committed = self._doomed_before, False
        self._idle_since = now
        if self.phase is Phase.RETIRING:
            self.phase = Phase.AWAKE
        return self._settle(now)

    def woke(self, live: Collection[str], now: float) -> Actions:
        """Note that the wake was taken; `live` are instances that are to run from now on, also doomed ones."""
        self._doomed = self._doomed.difference(live)
        return self._settle(now)

    def fail(self, reason: str, now: float) -> Actions:
        """End a wake that came to nothing; who waited is refused."""
        if self.phase is not Phase.WAKING:
            return ()
        self.phase, self.failure = Phase.ASLEEP, reason
        self._refuses_until = now + self.rules.retry_s
        self.waiting.clear()
        return ()

    def _may_sleep(self, now: float) -> bool:
        is_idle = not self.served and not self.waiting and now - self._idle_since >= self.rules.idle_s > 0
        return is_idle and self.phase is Phase.AWAKE and now >= self._quiet_until

    def _settle(self, now: float) -> Actions:
        """Move on to the phase that fits; a client that waits is never left without a wake."""
        if self.phase is Phase.RETIRING:
            if self.is_committed or not (self.served or self.waiting):
                return ()
            self.phase, self._idle_since = Phase.AWAKE, now
        has_usable = bool(self.usable(now))
        if has_usable and self.phase is not Phase.AWAKE:
            self.phase, self.failure, self._idle_since = Phase.AWAKE, "", now
        elif not has_usable and self.phase is Phase.AWAKE:
            self.phase = Phase.ASLEEP
        if self.phase is Phase.ASLEEP and self.waiting:
            self.phase = Phase.WAKING
            return (Action.WAKE,)
        return ()
