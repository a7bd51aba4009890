"""Where a supervisor's incidents and audit log are: the option --folder, and the files in it."""

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from evolve.cli._options import complete, positive
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.healing import Incident
from evolve.core.text.did_you_mean import did_you_mean
from evolve.store.audit_log import FOLDER
from evolve.store.incidents import NAME, IncidentStore
from evolve.store.retention import LEAST_DAYS
from evolve.system.disk_faults import store_fault
from evolve.system.state_folder import state_folder

_SHOWN = 5
"""Incidents that a message lists."""


def add_folder(parser: Any) -> None:
    """Add --folder, the supervisor's."""
    text = "the supervisor's folder; default: supervisor/ in EVOLVE_STATE_DIR, else in $XDG_STATE_HOME/evolve"
    complete(parser.add_argument("--folder", metavar="DIR", help=text), "folder")


def supervisor_folder(options: argparse.Namespace, env: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that --folder names, or the usual one."""
    return Path(options.folder) if options.folder else state_folder(env) / "supervisor"


def incidents_path(options: argparse.Namespace, env: Mapping[str, str] = os.environ) -> Path:
    """Return the database of incidents."""
    return supervisor_folder(options, env) / NAME


def audit_folder(options: argparse.Namespace, env: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the audit log."""
    return supervisor_folder(options, env) / FOLDER


@contextmanager
def known_incidents(options: argparse.Namespace) -> Iterator[IncidentStore | None]:
    """Open the incidents; None where no supervisor has run yet, so that a look makes no files.

    Raises:
        InputError: --folder names no folder of a supervisor.
    """
    path = incidents_path(options)
    try:
        is_there = path.is_file()
    except OSError as error:
        raise store_fault(f"cannot read {path}", path, error, hint="ask the user who runs the supervisor") from error
    if not is_there:
        if options.folder:
            hint = "--folder takes the folder that `evolve supervise` has"
            raise InputError(Problem(f"{path.parent}: no supervisor has written here", None, hint))
        yield None
        return
    with closing(IncidentStore(path)) as store:
        yield store


def incident_named(store: IncidentStore | None, prefix: str) -> Incident:
    """Return the one incident whose ID begins with a text.

    Raises:
        InputError: there is none, or there are several.
    """
    # An argument that is no UTF-8 is no text for SQLite.
    found = store.find(prefix) if store is not None and prefix and prefix.isascii() else ()
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(one.id for one in found[:_SHOWN])
        raise InputError(Problem(f"{len(found)} incidents begin with {prefix!r}: {names}"))
    known = [one.id for one in store.list()] if store is not None else []
    hint = did_you_mean(prefix, known) or "`evolve incidents --all` lists them"
    raise InputError(Problem(f"no incident {prefix[:40]!r}", None, hint))


def kept_days(text: str) -> int:
    """Return after how many days incidents that ended may be deleted."""
    days = positive(text)
    if days < LEAST_DAYS:
        raise argparse.ArgumentTypeError(f"expected {LEAST_DAYS} days or more, got {text!r}")
    return days
