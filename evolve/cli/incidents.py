"""`evolve incidents`: what a supervisor watches and did: a table, or one with its history. Deletes old ones too."""

import argparse
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

from evolve.cli._guard import INTERRUPTED, run_guarded
from evolve.cli._incident_lines import details, incident_json, table
from evolve.cli._options import add_json
from evolve.cli._parser import CommandParser, Example
from evolve.cli._supervisor_state import add_folder, audit_folder, incident_named, kept_days, known_incidents
from evolve.core.model.errors import ExitCode
from evolve.core.model.healing import Incident
from evolve.core.model.json_value import JsonValue
from evolve.core.text.counts import count
from evolve.report.terminal import print_json, say
from evolve.store.audit_check import read_records
from evolve.store.audit_lines import AuditLine
from evolve.store.audit_log import AuditLog
from evolve.store.incidents import IncidentStore
from evolve.store.retention import KEPT_DAYS, LEAST_DAYS, prune

_EVERY_S: Final = 1.0
"""Between two looks of --watch."""
_PRUNE: Final = "prune"
_CLEAR: Final = "\x1b[H\x1b[J"
"""Moves to the top of the terminal and clears it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Show incidents; return 0 done, 2 no such incident, 4 the files cannot be read."""
    made = parser()
    options = made.parse_args(arguments)
    if options.watch and options.json:
        made.error("--watch and --json exclude each other")
    if options.older_than is not None and options.id != _PRUNE:
        made.error("--older-than belongs to `evolve incidents prune`")
    if options.id == _PRUNE:
        return _prune(options)
    if options.watch:
        return _watch(options)
    if options.json:
        print_json(_values(options), indent=2)
    else:
        say(_lines(options))
    return ExitCode.DONE


def _prune(options: argparse.Namespace) -> int:
    """Delete the incidents that ended long ago."""
    with known_incidents(options) as store:
        days = options.older_than or KEPT_DAYS
        number = prune(store, AuditLog(audit_folder(options), store), days, time.time()) if store is not None else 0
    if options.json:
        print_json({"deleted": number, "older_than_days": days})
    else:
        say([f"deleted {count(number, 'incident')} that ended {days} days ago or longer; the audit log stays"])
    return ExitCode.DONE


def _watch(options: argparse.Namespace) -> int:
    """Show again whatever changes, until Ctrl-C: a terminal is cleared first, other outputs get it below."""
    is_terminal, before = sys.stdout.isatty(), None
    try:
        while True:
            lines = list(_lines(options))
            if is_terminal or lines != before:
                say(_on_screen(lines) if is_terminal else lines)
                sys.stdout.flush()
                before = lines
            time.sleep(_EVERY_S)
    except KeyboardInterrupt:
        return INTERRUPTED


def _on_screen(lines: Sequence[str]) -> list[str]:
    """The lines for a cleared terminal: those that fit, because the first ones would scroll away."""
    height = shutil.get_terminal_size().lines - 1
    shown = list(lines) if len(lines) <= height else [*lines[: height - 1], f"and {len(lines) - height + 1} more lines"]
    return [f"{_CLEAR}{shown[0]}", *shown[1:]]


def _lines(options: argparse.Namespace) -> Iterator[str]:
    with known_incidents(options) as store:
        if options.id:
            found = incident_named(store, options.id)
            yield from details(found, _history(options, found))
            return
        shown = _shown(store, options)
        if not shown:
            kind = "incidents" if options.all else "open incidents"
            yield f"no {kind}" if store is not None else "no incidents: no supervisor has run here (evolve supervise)"
            return
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        yield from table(shown, time.time(), width=width)
        yield count(len(shown), "incident" if options.all else "open incident")


def _values(options: argparse.Namespace) -> JsonValue:
    with known_incidents(options) as store:
        if not options.id:
            return [incident_json(one) for one in _shown(store, options)]
        found = incident_named(store, options.id)
        return {**incident_json(found), "history": [one.to_json() for one in _history(options, found)]}


def _shown(store: IncidentStore | None, options: argparse.Namespace) -> tuple[Incident, ...]:
    return store.list(is_open=None if options.all else True) if store is not None else ()


def _history(options: argparse.Namespace, incident: Incident) -> Iterator[AuditLine]:
    for _, record in read_records(audit_folder(options), incident.id):
        if record is not None and record.incident == incident.id:
            yield record


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve incidents",
        description="Show the failed jobs that a supervisor watches, or one of them with its plan and its history.",
        examples=(
            Example("evolve incidents", "those that are open"),
            Example("evolve incidents --watch", "the same, live"),
            Example("evolve incidents k3v9x2 --json", "all about one, for a script"),
            Example("evolve incidents prune --older-than 30", "delete what ended long ago; its audit records stay"),
        ),
        notes="exit codes: 0 done, 2 no such incident, 4 the files cannot be read. See docs/supervisor.md.",
    )
    made.add_argument("id", nargs="?", metavar="ID", help="the beginning of an incident's ID, or `prune`")
    made.add_argument("--all", action="store_true", help="also those that ended; the newest 1,000")
    made.add_argument("--watch", action="store_true", help="show them again when something changes, until Ctrl-C")
    text = f"with `prune`: delete those that ended so many days ago; {LEAST_DAYS} or more; default {KEPT_DAYS}"
    made.add_argument("--older-than", type=kept_days, metavar="DAYS", help=text)
    add_json(made, "print the result as JSON on stdout, and nothing else")
    add_folder(made)
    return made


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
