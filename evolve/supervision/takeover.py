"""After a failover: the healings that another supervisor began are verified here, and ours that another took are left.

The claims in Consul have what is needed for it. A claim changes hands by check-and-set, so that one supervisor at most
verifies a healing, or takes it back.
"""

from dataclasses import replace

from evolve.core.model.healing import AttemptState, AuditEvent, Incident, IncidentState
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
        if _is_under_way(incident) and not await self._claims.is_ours(incident.attempts[-1].key):
            self._hand_over(incident, "another supervisor has taken the healing over")

    def _hand_over(self, incident: Incident, why: str) -> None:
        """End an incident whose healing another supervisor verifies."""
        attempt, state = incident.attempts[-1], IncidentState.CLOSED
        ended = (*incident.attempts[:-1], replace(attempt, state=AttemptState.HANDED_OVER, result=why))
        details: dict[str, JsonValue] = {"state": state, "why": why}
        event, healing = AuditEvent.HANDED_OVER, attempt.id
        self._book.record(event, incident, details, healing, attempts=ended, state=state, note=why, plan=None)

    async def _take(self, found: FoundClaim) -> None:
        claim, begun = found.claim, found.claim.begun
        if begun is None or not begun.attempts:
            return  # another version wrote it
        if claim.owner != self._claims.owner:
            if await self._claims.take_over(found):
                self._adopt(claim, begun)
            return
        known = self._book.records.read(begun.id)
        attempts = known.attempts if known is not None else ()
        attempt = next((one for one in attempts if one.id == claim.healing), None)
        if claim.is_taken and (attempt is None or attempt.state is AttemptState.HANDED_OVER):
            self._adopt(claim, begun)  # a kill came between the claim and its record
        elif attempt is None or attempt.state not in _UNDER_WAY:
            # It is over, or it was never begun: a kill, or a fault of Consul, came before this.
            await self._claims.settle(found.key, claim.healing)

    def _adopt(self, claim: Claim, begun: Incident) -> None:
        """Store another supervisor's incident as ours: the next look verifies its healing."""
        records = self._book.records
        other = records.open_incident(begun.namespace, begun.job)
        if other is not None:
            self._leave(other, begun)
        known = records.read(begun.id)
        details: dict[str, JsonValue] = {"from": claim.by, "action": begun.attempts[-1].action}
        self._book.record(
            AuditEvent.TAKEN_OVER,
            begun,
            details,
            claim.healing,
            revision=known.revision if known is not None else 0,
            state=IncidentState.HEALING,
            note=f"taken over from {claim.by}",
        )

    def _leave(self, other: Incident, begun: Incident) -> None:
        """End what is known here of a job whose healing is verified as another incident, or from a newer state."""
        why = f"another supervisor decided: incident {begun.id}"
        if _is_under_way(other):
            self._hand_over(other, why)
        elif other.id != begun.id:
            self._book.close(other, IncidentState.CLOSED, why)


def _is_under_way(incident: Incident) -> bool:
    is_healing = incident.state is IncidentState.HEALING and bool(incident.attempts)
    return is_healing and incident.attempts[-1].state in _UNDER_WAY
