"""One supervisor decides at a time, and each failure is healed at most once: a lock and claims in Consul.

A lock is no fence: its holder may be stopped, lose it and go on. So each failure is claimed by its key before anything
is written: the key is created by check-and-set, which only one can win. Without Consul there is no claim, and without a
claim no write.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.consul.values import KeyValue
from evolve.cluster.faults import ClusterFault, NotFound, Rejected

LOCK = "anneal/supervisor/leader"
CLAIMS = "anneal/supervisor/claims/"
TTL_S = 15
"""Of the session; Consul allows 10 s at least."""
MARGIN_S = 3.0
"""The holder stops so much earlier than its session can end: its clock and the server's differ."""
CLAIM_LIFE_S = 7 * 86400.0
"""A failure's key names an allocation and a job version, and Nomad forgets both long before."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who may heal a failure."""

    incident: str
    healing: str
    by: str
    until: float
    """Seconds since 1970."""

    def to_bytes(self) -> bytes:
        """Return the value as it is stored."""
        fields = {"incident": self.incident, "healing": self.healing, "by": self.by, "until": self.until}
        return json.dumps(fields, sort_keys=True).encode()

    @staticmethod
    def from_key(found: KeyValue) -> "Claim | None":
        """Return the claim of a key; None where the value is none of ours."""
        try:
            value = json.loads(found.value)
            return Claim(str(value["incident"]), str(value["healing"]), str(value["by"]), float(value["until"]))
        except (ValueError, KeyError, TypeError):
            return None


class Claims:
    """The leader's lock and the claims of one supervisor.

    Args:
        consul: where they are kept.
        name: of this supervisor, for people.
        monotonic: seconds that never jump, for the lock's life.
        now: seconds since 1970, for the life of claims.
    """

    def __init__(
        self,
        consul: ConsulClient,
        name: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._consul, self.name = consul, name
        self._monotonic, self._now = monotonic, now
        self._session = ""
        self._held_until = 0.0

    @property
    def is_leader(self) -> bool:
        """Whether the lock is ours, counted by our own clock from before the last renewal."""
        return self._monotonic() < self._held_until

    async def hold(self) -> bool:
        """Take or renew the lock; return whether we have it. Call it several times in `TTL_S`.

        Raises:
            ClusterFault: Consul does not answer. The lock is ours until its time is over all the same.
        """
        asked = self._monotonic()
        if self._session and not await self._is_renewed():
            self._session, self._held_until = "", 0.0
        if not self._session:
            self._session = await self._consul.sessions.create(
                f"anneal supervisor {self.name}", ttl_s=TTL_S, lock_delay_s=1
            )
        try:
            is_ours = await self._consul.keys.acquire(LOCK, self._session, self.name.encode())
        except Rejected:  # the session ended between the two calls
            is_ours = False
        self._held_until = asked + TTL_S - MARGIN_S if is_ours else 0.0
        return is_ours

    async def _is_renewed(self) -> bool:
        try:
            await self._consul.sessions.renew(self._session)
        except NotFound:
            return False
        return True

    async def claim(self, key: str, incident: str, healing: str) -> bool:
        """Return whether we may heal the failure of this key: nobody else has claimed it, and we are the leader.

        Our own claim of the same incident is good again: the caller knows whether its write was done.

        Raises:
            ClusterFault: Consul does not answer; the claim may have been made. Nothing may be written then.
        """
        if not self.is_leader:
            return False
        path = CLAIMS + key
        made = Claim(incident, healing, self.name, self._now() + CLAIM_LIFE_S)
        if await self._consul.keys.write(path, made.to_bytes(), if_index=0):
            return self.is_leader
        found = await self._consul.keys.read(path)
        known = Claim.from_key(found) if found is not None else None
        if found is None or known is None or known.incident != incident:
            return False
        return await self._consul.keys.write(path, made.to_bytes(), if_index=found.modify_index) and self.is_leader

    async def sweep(self) -> int:
        """Delete claims whose life is over; return how many."""
        swept = 0
        for found in await self._consul.keys.read_all(CLAIMS):
            claim = Claim.from_key(found)
            if claim is not None and claim.until < self._now():
                swept += await self._consul.keys.delete(found.key, if_index=found.modify_index)
        return swept

    async def release(self) -> None:
        """Give the lock back, so that another supervisor need not wait for its end."""
        session, self._session, self._held_until = self._session, "", 0.0
        if session:
            try:
                # The end of a session closes its locks for a while; a released one is free at once.
                await self._consul.keys.release(LOCK, session)
                await self._consul.sessions.destroy(session)
            except ClusterFault:
                return  # it ends by itself
