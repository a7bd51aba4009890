"""How long incidents are kept that ended. Their records in the audit log stay for ever."""

from typing import Final

from evolve.core.model.healing import AuditEvent, AuditRecord
from evolve.store.audit_log import AuditLog
from evolve.store.incidents import IncidentStore

DAY_S: Final = 86400.0
KEPT_DAYS: Final = 90
LEAST_DAYS: Final = 8
"""A policy may count attempts for a week, and claims in Consul live for one."""


def prune(incidents: IncidentStore, log: AuditLog, days: int, now: float) -> int:
    """Delete the incidents that ended so many days ago or longer, record it, and return how many there were.

    Args:
        incidents: the store.
        log: gets a record where any were deleted.
        days: `LEAST_DAYS` or more.
        now: seconds since 1970.

    Raises:
        StoreFault: the files cannot be written.
    """
    number = incidents.prune(now - days * DAY_S)
    if number:
        log.append(AuditRecord(AuditEvent.PRUNED, now, details={"incidents": number, "older_than_days": days}))
    return number
