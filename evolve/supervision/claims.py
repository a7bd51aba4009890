"""One supervisor decides at a time, and each failure is healed at most once: a lock and claims in Consul.

A lock is no fence: its holder may be stopped, lose it and go on. So each failure is claimed by its key before anything
is written: the key is created by check-and-set, which only one can win. Without Consul there is no claim, and without a
claim no write.

A claim has the incident as it was then. So another supervisor can verify the healing when the one that began it died:
it takes the claim over, again by check-and-set, until the claim is settled.
"""

import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.consul.values import KeyValue
from evolve.cluster.faults import ClusterFault, NotFound, Rejected
from evolve.core.formats.dataclass_json import plain_fields, read_fields
from evolve.core.model.healing import Incident

TTL_S = 15
"""Of the session; Consul allows 10 s at least."""
MARGIN_S = 3.0
"""The holder stops so much earlier than its session can end: its clock and the server's differ."""
CLAIM_LIFE_S = 7 * 86400.0
"""A failure's key names an allocation and a job version, and Nomad forgets both long before."""
_TRIES: Final = 3
"""Of a change of an own claim: only a supervisor that takes it over is in the way."""


def lock_key(cluster: str) -> str:
    """Return the key of the leader's lock of a Nomad cluster: several may share one Consul."""
    return f"anneal/supervisor/{quote(cluster, safe='')}/leader"


def claims_below(cluster: str) -> str:
    """Return what the keys of a cluster's claims begin with."""
    return f"anneal/supervisor/{quote(cluster, safe='')}/claims/"


@dataclass(frozen=True, slots=True)
class Claim:
    """Who may heal a failure."""

    incident: str
    healing: str
    by: str
    """The supervisor's name, for people."""
    until: float
    """Seconds since 1970."""
    owner: str = ""
    """The memory that has the incident; it stays when a supervisor is started again."""
    begun: Incident | None = None
    """The incident with this healing, redacted, without its report; None where it cannot be read."""
    is_settled: bool = False
    """Whether the healing is over, so that nobody need verify it."""
    is_taken: bool = False
    """Whether another supervisor began the healing. It may live, and its change may still come."""

    @property
    def began(self) -> float:
        """When the healing began; 0 where that cannot be read."""
        return self.begun.attempts[-1].began if self.begun is not None and self.begun.attempts else 0.0

    def to_bytes(self) -> bytes:
        """Return the value as it is stored."""
        return json.dumps(plain_fields(self), sort_keys=True).encode()

    @staticmethod
    def from_key(found: KeyValue) -> "Claim | None":
        """Return the claim of a key; None where the value is none of ours."""
        try:
            value = json.loads(found.value)
            begun = read_fields(Incident, value.get("begun"), [])
            return Claim(
                incident=str(value["incident"]),
                healing=str(value["healing"]),
                by=str(value["by"]),
                until=float(value["until"]),
                owner=str(value.get("owner", "")),
                begun=begun if isinstance(begun, Incident) else None,
                is_settled=value.get("is_settled") is True,
                is_taken=value.get("is_taken") is True,
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class FoundClaim:
    """A claim as Consul has it."""

    key: str
    """Of the failure."""
    claim: Claim
    index: int
    """For check-and-set."""


class Claims:
    """The leader's lock and the claims of one supervisor.

    Args:
        consul: where they are kept.
        name: of this supervisor, for people.
        cluster: returns the name of the Nomad cluster, which all its supervisors share; asked once.
        owner: the supervisor's memory; without it, its name.
        monotonic: seconds that never jump, for the lock's life.
        now: seconds since 1970, for the life of claims.
    """

    def __init__(
        self,
        consul: ConsulClient,
        name: str,
        cluster: Callable[[], Awaitable[str]],
        *,
        owner: str = "",
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._consul, self.name, self.owner = consul, name, owner or name
        self._find_cluster, self._cluster = cluster, ""
        self._monotonic, self._now = monotonic, now
        self._session = ""
        self._held_until = 0.0
        self._not_noted: dict[str, str] = {}
        """Healings that are over, by key, whose claims do not have it yet."""
        self.term = 0
        """Counts how often the lock was won: before that, somebody else may have led."""

    @property
    def is_leader(self) -> bool:
        """Whether the lock is ours, counted by our own clock from before the last renewal."""
        return self._monotonic() < self._held_until

    async def hold(self) -> bool:
        """Take or renew the lock; return whether we have it. Call it several times in `TTL_S`.

        Raises:
            ClusterFault: Consul does not answer, or Nomad, which has the cluster's name. The lock is ours until its
                time is over all the same.
        """
        lock = lock_key(await self._known_cluster())
        asked, was_leader = self._monotonic(), self.is_leader
        if self._session and not await self._is_renewed():
            self._session, self._held_until, was_leader = "", 0.0, False
        if not self._session:
            self._session = await self._consul.sessions.create(
                f"anneal supervisor {self.name}", ttl_s=TTL_S, lock_delay_s=1
            )
        try:
            is_ours = await self._consul.keys.acquire(lock, self._session, self.name.encode())
        except Rejected:  # the session ended between the two calls
            is_ours = False
        self._held_until = asked + TTL_S - MARGIN_S if is_ours else 0.0
        if is_ours:
            self.term += not was_leader
            with suppress(ClusterFault):
                await self._settle_again()
        return is_ours

    async def _known_cluster(self) -> str:
        self._cluster = self._cluster or await self._find_cluster()
        return self._cluster

    async def _is_renewed(self) -> bool:
        try:
            await self._consul.sessions.renew(self._session)
        except NotFound:
            return False
        return True

    async def claim(self, key: str, begun: Incident, *, is_guarded: bool = True) -> bool:
        """Return whether we may heal the failure of this key: nobody else has claimed it, and we are the leader.

        Our own claim of the same incident is good again: the caller knows whether its write was done. Of a healing that
        another supervisor began, nobody knows it for sure: then only a guarded change may follow.

        Args:
            key: of the failure.
            begun: the incident with the healing as its last attempt, redacted.
            is_guarded: whether the change is made by check-and-set, so that of two only one is made.

        Raises:
            ClusterFault: Consul does not answer; the claim may have been made. Nothing may be written then.
        """
        if not self.is_leader:
            return False
        until = self._now() + CLAIM_LIFE_S
        # Its report is long, and who takes the healing over makes a new one.
        shown = replace(begun, report={})
        made = Claim(begun.id, begun.attempts[-1].id, self.name, until, self.owner, shown)
        if await self._write(key, made, 0):
            return self.is_leader
        found = await self._find(key)
        if found is None or found.claim.incident != begun.id or found.claim.owner != self.owner:
            return False
        if found.claim.is_taken and not is_guarded:
            return False
        again = replace(made, is_taken=found.claim.is_taken)
        return await self._write(key, again, found.index) and self.is_leader

    async def is_ours(self, key: str) -> bool:
        """Return whether nobody took our healing of this failure over. A claim that was swept is nobody's.

        Raises:
            ClusterFault: Consul does not answer.
        """
        found = await self._find(key)
        return found is None or found.claim.owner == self.owner

    async def settle(self, key: str, healing: str) -> None:
        """Note that a healing is over.

        Raises:
            ClusterFault: Consul does not answer; the next renewal of the lock tries it again.
        """
        self._not_noted[key] = healing
        for _ in range(_TRIES):
            if await self._is_noted(key, healing):
                self._not_noted.pop(key, None)
                return

    async def _is_noted(self, key: str, healing: str) -> bool:
        """Whether the claim has from now on that the healing is over, or is of another one."""
        found = await self._find(key)
        is_ours = found is not None and (found.claim.owner, found.claim.healing) == (self.owner, healing)
        if found is None or not is_ours or found.claim.is_settled:
            return True
        return await self._write(key, replace(found.claim, is_settled=True), found.index)

    async def _settle_again(self) -> None:
        # Otherwise the next leader would verify, and perhaps take back, what was healed long ago.
        for key, healing in [*self._not_noted.items()]:
            await self.settle(key, healing)

    async def unsettled(self) -> list[FoundClaim]:
        """Return the claims of healings that are not over, of any supervisor, in the order in which they began."""
        found = [one for one in await self._read_all() if not one.claim.is_settled and one.claim.until > self._now()]
        return sorted(found, key=lambda one: one.claim.began)

    async def take_over(self, found: FoundClaim) -> bool:
        """Return whether a claim is ours from now on: one supervisor at most gets it from another."""
        taken = replace(found.claim, by=self.name, owner=self.owner, is_taken=True)
        return self.is_leader and await self._write(found.key, taken, found.index)

    async def sweep(self) -> int:
        """Delete claims whose life is over; return how many."""
        below = claims_below(await self._known_cluster())
        swept = 0
        for one in await self._read_all():
            if one.claim.until < self._now():
                swept += await self._consul.keys.delete(below + one.key, if_index=one.index)
        return swept

    async def release(self) -> None:
        """Give the lock back, so that another supervisor need not wait for its end."""
        session, self._session, self._held_until = self._session, "", 0.0
        if session:
            try:
                # The end of a session closes its locks for a while; a released one is free at once.
                await self._consul.keys.release(lock_key(await self._known_cluster()), session)
                await self._consul.sessions.destroy(session)
            except ClusterFault:
                return  # it ends by itself

    async def _find(self, key: str) -> FoundClaim | None:
        found = await self._consul.keys.read(claims_below(await self._known_cluster()) + key)
        claim = Claim.from_key(found) if found is not None else None
        if found is None:
            return None
        # What we cannot read is somebody's.
        return FoundClaim(key, claim or Claim("", "", "", 0.0), found.modify_index)

    async def _read_all(self) -> list[FoundClaim]:
        below = claims_below(await self._known_cluster())
        read = [(one, Claim.from_key(one)) for one in await self._consul.keys.read_all(below)]
        return [FoundClaim(one.key[len(below) :], claim, one.modify_index) for one, claim in read if claim is not None]

    async def _write(self, key: str, claim: Claim, index: int) -> bool:
        path = claims_below(await self._known_cluster()) + key
        return await self._consul.keys.write(path, claim.to_bytes(), if_index=index)
