"""What `evolve approve` and `evolve reject` share: who decides about which plan."""

import getpass
import os
import sys
from typing import Any

from evolve.core.healing.redacted import redact_text, shown_text
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.healing import Incident, IncidentState, PendingPlan
from evolve.store.case_writer import redactor_for
from evolve.system.cache_folder import cache_folder

_NAME_LIMIT = 100
"""Characters of a person's name."""


def add_person(parser: Any) -> None:
    """Add --by."""
    parser.add_argument("--by", metavar="NAME", help="who decides, for the records; default: the user's name")


def person(given: str | None) -> str:
    """Return who decides, redacted: the given name, else the user behind `sudo`, else the user."""
    name = given or os.environ.get("SUDO_USER") or _user()
    return shown_text(" ".join(redacted_words(name).split()), _NAME_LIMIT) or "unknown"


def redacted_words(text: str) -> str:
    """Return a person's words without secrets; names and addresses of people stay."""
    redactor = redactor_for(os.environ, cache_folder(os.environ), keeps_personal_data=True)
    return redact_text(text, redactor)


def waiting_plan(incident: Incident) -> PendingPlan:
    """Return the plan that waits for a person.

    Raises:
        InputError: the incident does not wait.
    """
    if incident.state is not IncidentState.WAITING or incident.plan is None:
        why = f": {incident.note}" if incident.note else ""
        message = f"incident {incident.id} does not wait for approval, it is {incident.state}{why}"
        raise InputError(Problem(message, None, f"`evolve incidents {incident.id}` shows it"))
    return incident.plan


def is_confirmed(question: str) -> bool:
    """Ask a yes-or-no question on the terminal; anything but `y` or `yes` is no.

    Raises:
        InputError: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise InputError(Problem("nobody to ask: standard input is not a terminal", None, "pass --yes"))
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user ID without a name, as in some containers
        return f"user {os.getuid()}"
