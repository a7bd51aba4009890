"""`evolve reject ID`: a person takes an incident over; its plan is not carried out."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from evolve.cli._decisions import add_person, person, redacted_words, waiting_plan
from evolve.cli._guard import run_guarded
from evolve.cli._parser import CommandParser, Example
from evolve.cli._supervisor_state import add_folder, audit_folder, incident_named, known_incidents
from evolve.core.model.errors import ExitCode
from evolve.core.model.healing import AuditEvent, AuditRecord, IncidentState
from evolve.report.terminal import say
from evolve.store.audit_log import AuditLog


def main(arguments: Sequence[str] | None = None) -> int:
    """Reject; return 0 done, 2 no plan waits, 4 the files cannot be used or the supervisor was faster."""
    options = parser().parse_args(arguments)
    with known_incidents(options) as store:
        incident = incident_named(store, options.id)
        assert store is not None
        plan, now, who = waiting_plan(incident), time.time(), person(options.by)
        reason = redacted_words(options.reason)
        note = f"{plan.action} was rejected by {who}" + (f": {reason}" if reason else "")
        details = {"by": who, "plan": plan.plan_hash, "action": plan.action, "why": reason}
        record = AuditRecord(AuditEvent.REFUSED, now, incident.id, details=details)
        changed = replace(incident, state=IncidentState.ESCALATED, plan=None, note=note, changed=now)
        # The approval first: after a kill between the two the plan waits again, and nobody has approved it.
        store.consume_approval(incident.id, plan.plan_hash)
        AuditLog(audit_folder(options), store).append_with(record, changed)
        say([f"rejected by {who}: incident {incident.id} is yours until the job is well or changed"])
    return ExitCode.DONE


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve reject",
        description="Reject the plan of an incident that waits for approval: the supervisor leaves the job to people.",
        examples=(Example('evolve reject k3v9x2 --reason "the image is being rebuilt"', "with a reason"),),
        notes="exit codes: 0 done, 2 no plan waits, 4 the files cannot be used, or the supervisor was faster. "
        "See docs/supervisor.md.",
    )
    made.add_argument("id", metavar="ID", help="the beginning of an incident's ID")
    made.add_argument("--reason", default="", metavar="TEXT", help="why, for the records")
    add_person(made)
    add_folder(made)
    return made


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
