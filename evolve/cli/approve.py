"""`evolve approve ID`: approves exactly the plan that is shown."""

import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import Final

from evolve.cli._decisions import add_person, is_confirmed, person, waiting_plan
from evolve.cli._guard import run_guarded
from evolve.cli._incident_lines import age, one_line, plan_lines
from evolve.cli._options import positive
from evolve.cli._parser import CommandParser, Example
from evolve.cli._supervisor_state import add_folder, audit_folder, incident_named, known_incidents
from evolve.core.model.errors import ExitCode, InputError, Problem
from evolve.core.model.healing import Approval, AuditEvent, AuditRecord, HealingLimits, Incident, PendingPlan
from evolve.report.terminal import say
from evolve.store.audit_log import AuditLog

_VALID_S: Final = int(HealingLimits().approval_s)
_SHORTEST_HASH: Final = 8
"""Digits of a plan's hash; fewer could be those of another plan by chance."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Approve; return 0 done, 1 not confirmed, 2 there is no such plan (any more), 4 the files cannot be used."""
    options = parser().parse_args(arguments)
    with known_incidents(options) as store:
        incident = incident_named(store, options.id)
        assert store is not None
        shown = _check(incident, options.plan, options.valid)
        say([one_line(f"incident {incident.id}: {incident.namespace}/{incident.job}, {incident.signature}")])
        say(plan_lines(shown))
        if not options.yes and not is_confirmed("approve exactly this plan?"):
            say(["not approved"])
            return ExitCode.FAILURES
        # A person takes a while to answer.
        latest = store.read(incident.id)
        assert latest is not None
        _check(latest, shown.plan_hash, options.valid)
        now, who = time.time(), person(options.by)
        approval = Approval(incident.id, shown.plan_hash, who, now, now + options.valid)
        details = {"by": who, "plan": shown.plan_hash, "action": shown.action, "valid_s": options.valid}
        record = AuditRecord(AuditEvent.APPROVED, now, incident.id, details=details)
        AuditLog(audit_folder(options), store).approve(record, approval)
        say([f"approved by {who} for {age(options.valid)}: the supervisor carries it out if it is still this plan"])
        say([f"next: evolve incidents {incident.id}"])
    return ExitCode.DONE


def _check(incident: Incident, given: str | None, valid_s: float) -> PendingPlan:
    """Return the plan that waits, if it is the given one and not too old.

    Raises:
        InputError: it is another one, or too old.
    """
    plan = waiting_plan(incident)
    hint = f"`evolve incidents {incident.id}` shows the plan"
    # Of `--plan=--`, argparse makes an empty list; it must not count as no hash.
    if given is not None and not plan.plan_hash.startswith(str(given)):
        message = f"the plan has changed: expected {str(given)[:12]}, got {plan.plan_hash[:12]}"
        raise InputError(Problem(message, None, hint))
    old_s = time.time() - plan.made
    if old_s > valid_s:
        message = f"the plan has expired: it was made {age(old_s)} ago, and is valid for {age(valid_s)}"
        raise InputError(Problem(message, None, "the supervisor makes a new one"))
    return plan


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve approve",
        description="Approve the plan of an incident that waits for a person: what you see is what may be done, once.",
        examples=(
            Example("evolve approve k3v9x2", "show the plan, and ask"),
            Example("evolve approve k3v9x2 --plan 4be1f0c29a7d --yes", "only if it is this plan; asks nothing"),
        ),
        notes="exit codes: 0 approved, 1 not confirmed, 2 no such plan (any more), 4 the files cannot be used. "
        "See docs/supervisor.md.",
    )
    made.add_argument("id", metavar="ID", help="the beginning of an incident's ID")
    made.add_argument("--plan", type=_hash, metavar="HASH", help="the plan to approve, by the beginning of its hash")
    add_person(made)
    made.add_argument("--yes", action="store_true", help="do not ask")
    text = f"seconds that the approval is valid, and that the plan may be old; default {_VALID_S}"
    made.add_argument("--valid", type=positive, default=_VALID_S, metavar="S", help=text)
    add_folder(made)
    return made


def _hash(text: str) -> str:
    given = text.lower()
    if len(given) < _SHORTEST_HASH or not set(given) <= set("0123456789abcdef"):
        raise ArgumentTypeError(f"expected at least {_SHORTEST_HASH} digits of a plan's hash, got {text!r}")
    return given


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
