"""`evolve audit`: verifies and shows the audit log of a supervisor."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from evolve.cli._guard import run_guarded
from evolve.cli._incident_lines import record_line
from evolve.cli._options import add_json
from evolve.cli._parser import CommandParser, Example, add_command
from evolve.cli._supervisor_state import add_folder, audit_folder, incidents_path, known_incidents
from evolve.core.model.errors import ExitCode, InputError, Location, Problem
from evolve.core.text.counts import count
from evolve.core.text.visible import visible
from evolve.report.terminal import print_json, say
from evolve.store.audit_check import AuditCheck, read_records, verify
from evolve.store.audit_lines import FIRST_PREV, AuditLine
from evolve.store.audit_log import audit_files


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing with the audit log; return 0, 1 it was changed, 2 there is none, 4 it cannot be read."""
    options = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _verify(options: argparse.Namespace) -> int:
    """Check the whole log; return 1 when anything was changed."""
    check = _check(options)
    if options.json:
        print_json(check.to_json(), indent=2)
    else:
        say(_lines(check))
    return ExitCode.FAILURES if check.problems else ExitCode.DONE


def _check(options: argparse.Namespace) -> AuditCheck:
    folder = audit_folder(options)
    with known_incidents(options) as store:
        if store is not None:
            return verify(folder, store)
    files = audit_files(folder)
    if not files:
        raise _nothing(options)
    missing = Problem("this database, which has the log's head, is missing", Location(str(incidents_path(options))))
    return AuditCheck(0, len(files), FIRST_PREV, (), (missing,))


def _lines(check: AuditCheck) -> Iterator[str]:
    yield from (visible(str(problem)) for problem in check.problems)
    yield from (visible(f"note: {note}") for note in check.notes)
    if check.open_healings:
        yield visible(f"under way: {', '.join(check.open_healings)}")
    about = f"{count(check.records, 'record')} in {count(check.files, 'file')}"
    if check.problems:
        yield f"the audit log was changed: {count(len(check.problems), 'problem')}, {about}"
    else:
        yield f"the audit log is whole: {about}, head {check.head}"


def _show(options: argparse.Namespace) -> int:
    """Print records, a line each."""
    with known_incidents(options):
        pass  # a wrong --folder is reported
    folder = audit_folder(options)
    if not audit_files(folder):
        raise _nothing(options)
    prefix = options.incident if options.incident and options.incident.isascii() else ""
    for where, record in read_records(folder, prefix):
        if record is None:
            say([visible(f"{where}: not a record; run `evolve audit verify`")], sys.stderr)
        elif _is_wanted(record, options.incident):
            print_json(record.to_json()) if options.json else say([record_line(record)])
    return ExitCode.DONE


def _is_wanted(record: AuditLine, incident: str | None) -> bool:
    return incident is None or (bool(record.incident) and record.incident.startswith(incident))


def _nothing(options: argparse.Namespace) -> InputError:
    folder = audit_folder(options)
    return InputError(Problem(f"{folder}: there is no audit log", None, "`evolve supervise` writes one; see --folder"))


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve audit",
        description="Verify or show a supervisor's audit log: one record for each decision, chained by hashes.",
        examples=(
            Example("evolve audit verify", "was any record changed, removed or cut off?"),
            Example("evolve audit show --incident k3v9x2", "all decisions about one incident"),
        ),
        notes="exit codes: 0 done, 1 the log was changed, 2 there is none, 4 it cannot be read. "
        "See docs/supervisor.md.",
    )
    commands = made.add_subparsers(metavar="COMMAND", required=True, help="what to do with it")
    add = partial(_add, commands)
    command = add(
        "verify",
        _verify,
        "check every record, the chain, its end, and that each change has its result",
        [Example("evolve audit verify --json", "for a script")],
    )
    add_json(command)
    command = add(
        "show",
        _show,
        "print the records, a line each",
        [Example("evolve audit show --json", "as lines of JSON")],
    )
    command.add_argument("--incident", metavar="ID", help="only those of this incident, by the beginning of its ID")
    add_json(command, "print each record as a line of JSON")
    return made


def _add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str, examples: Sequence[Example]
) -> CommandParser:
    """Add one of the commands, with the options that all of them have; see `add_command`."""
    command = add_command(commands, name, run, text, examples)
    add_folder(command)
    return command


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
