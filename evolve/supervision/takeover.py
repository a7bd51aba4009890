"""After a failover: the healings that another supervisor began are verified here, and ours that another took are left.

The claims in Consul have what is needed for it. A claim changes hands by check-and-set, so that one supervisor at most
verifies a healing, or takes it back.
"""

from dataclasses import replace

from evolve.core.model.healing import OPEN_STATES, AttemptState, AuditEvent, AuditRecord, Incident, IncidentState
from evolve.core.model.json_value import JsonValue
from evolve.supervision.claims import Claim, Claims, FoundClaim
from evolve.supervision.incident_book import IncidentBook

_UNDER_WAY = (AttemptState.INTENDED, AttemptState.DONE)


class Takeover:
    """Brings a supervisor's memory and the claims together.

    Args:
        book: changes incidents.
        claims: of this supervisor.
    """

    def __init__(self, book: IncidentBook, claims: Claims) -> None:
        self._book, self._claims = book, claims

    async def reconcile(self) -> None:
        """Take over what others left, and hand over what others took. Call it when the lock was won.

        Raises:
            ClusterFault: Consul does not answer; call it again.
        """
        found = await self._claims.unsettled()
        for incident in self._book.records.open_incidents():
            await self._check_ours(incident)
        for one in found:
            await self._take(one)

    async def _check_ours(self, incident: Incident) -> None:
        if incident.state is not IncidentState.HEALING or not await self._is_lost(incident):
            return
        self._hand_over(incident)

    async def _is_lost(self, incident: Incident) -> bool:
        attempt = incident.attempts[-1]
        return attempt.state in _UNDER_WAY and not await self._claims.is_ours(attempt.key)

    def _hand_over(self, incident: Incident) -> None:
        """End an incident whose healing another supervisor verifies."""
        attempt, why = incident.attempts[-1], "another supervisor has taken the healing over"
        ended = (*incident.attempts[:-1], replace(attempt, state=AttemptState.HANDED_OVER, result=why))
        details: dict[str, JsonValue] = {"state": IncidentState.CLOSED, "why": why}
        changed = replace(
            incident, attempts=ended, state=IncidentState.CLOSED, note=why, plan=None, changed=self._book.clock()
        )
        record = AuditRecord(AuditEvent.HANDED_OVER, self._book.clock(), incident.id, attempt.id, details)
        self._book.records.record(record, changed)

    async def _take(self, found: FoundClaim) -> None:
        claim, begun = found.claim, found.claim.begun
        if begun is None or not begun.attempts:
            return  # another version wrote it
        known = self._book.records.read(begun.id)
        if claim.owner == self._claims.owner and known is not None:
            await self._settle_ended(found, known)
        elif claim.owner == self._claims.owner or await self._claims.take_over(found):
            # Our own claim without an incident: a kill came between the two.
            self._adopt(claim, begun, known)

    async def _settle_ended(self, found: FoundClaim, known: Incident) -> None:
        """Settle a claim whose healing is over here: a kill, or a fault of Consul, came before that."""
        attempt = next((one for one in known.attempts if one.id == found.claim.healing), None)
        # Without the attempt, the kill came between the claim and its record: nothing was written.
        if attempt is None or attempt.state not in _UNDER_WAY:
            await self._claims.settle(found.key, found.claim.healing)

    def _adopt(self, claim: Claim, begun: Incident, known: Incident | None) -> None:
        """Store another supervisor's incident as ours: the next look verifies its healing."""
        records, now = self._book.records, self._book.clock()
        other = records.open_incident(begun.namespace, begun.job)
        if other is not None and other.id != begun.id:
            self._book.close(other, IncidentState.CLOSED, f"another supervisor decided: incident {begun.id}")
        revision = known.revision if known is not None else 0
        is_open = known is not None and known.state in OPEN_STATES
        if known is not None and is_open and known.attempts and known.attempts[-1].state in _UNDER_WAY:
            self._hand_over(known)
            revision += 1
        note = f"taken over from {claim.by}"
        adopted = replace(begun, revision=revision, note=note, changed=now, state=IncidentState.HEALING)
        details: dict[str, JsonValue] = {"from": claim.by, "action": begun.attempts[-1].action}
        records.record(AuditRecord(AuditEvent.TAKEN_OVER, now, begun.id, claim.healing, details), adopted)
