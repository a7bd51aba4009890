"""`evolve cases`: lists, shows, labels, pins, waives, retires and imports failure cases."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from evolve.cli._guard import run_guarded
from evolve.cli._options import add_agent, add_cases, add_json, add_old_name, complete
from evolve.cli._parser import CommandParser, Example, add_command
from evolve.core.cases.changes import pin_case, redact_again, retire_case, set_label, waive_case
from evolve.core.cases.failure_case import FailureCase, to_mapping
from evolve.core.formats.yaml12 import dump_yaml
from evolve.core.model.errors import EnvironmentFault, EvolveError, ExitCode, InputError, Location, Problem
from evolve.core.text.counts import count
from evolve.report.terminal import print_json, say
from evolve.store.agents import find_agent, load_agent
from evolve.store.case_files import CaseFolder, StoredCase, load_cases, yaml_files
from evolve.store.case_writer import redactor_for
from evolve.system.cache_folder import cache_folder

FOLDER = "failure_cases"
STATUSES = ("open", "pinned", "retired", "flaky", "unlabelled")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing with failure cases; return 0 done, 2 wrong input, 4 the environment."""
    options = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = options.run
    run(options)
    return ExitCode.DONE


# --- what it does


def _list(options: argparse.Namespace) -> None:
    """List the cases of the folder; the default folder may be missing, but one that the user names must exist."""
    if options.cases != FOLDER and not Path(options.cases).is_dir():
        raise InputError(Problem("no such folder", Location(options.cases), "--cases takes a folder of failure cases"))
    found = [
        stored
        for stored in CaseFolder(options.cases).load_all()
        if (not options.agent or stored.case.agent == options.agent)
        and (not options.status or options.status in (stored.case.status, _label_state(stored.case)))
    ]
    if options.json:
        print_json([_summary(stored) for stored in found], indent=2)
    else:
        kind = "such failure cases" if options.agent or options.status else "failure cases"
        say(_table(found) if found else [f"no {kind} in {options.cases}"])


def _show(options: argparse.Namespace) -> None:
    """Show one case."""
    path = _file(options.file, options.cases)
    case = CaseFolder(options.cases).load(path)
    if options.json:
        print_json({"file": str(path), **to_mapping(case)}, indent=2)
    else:
        say(_details(path, case))


def _label(options: argparse.Namespace) -> None:
    """Set the right answers, and those that would do harm."""

    def change(case: FailureCase) -> FailureCase:
        output = load_agent(find_agent(options.agent or case.agent)).output
        return set_label(case, options.actions, options.forbidden, output)

    _change(options, [options.file], change)


def _pin(options: argparse.Namespace) -> None:
    """Pin cases: no gate may lose them."""
    _change(options, options.files, pin_case)


def _waive(options: argparse.Namespace) -> None:
    """Let the gate ignore pinned cases until a day."""
    today = date.today().isoformat()
    _change(options, options.files, partial(waive_case, until=options.until, reason=options.reason, today=today))


def _retire(options: argparse.Namespace) -> None:
    """Stop using cases."""
    _change(options, options.files, partial(retire_case, reason=options.reason))


def _import(options: argparse.Namespace) -> None:
    """Copy cases from elsewhere: checked, redacted again, each fingerprint once."""
    found = load_cases(list(_case_files(options.sources)))
    redactor = redactor_for(os.environ, cache_folder(os.environ))
    folder = CaseFolder(options.cases, max_new=sys.maxsize)
    ready = [(path, _redact(path, case, lambda case: redact_again(case, redactor))) for path, case in found]
    for path, case in ready:
        event = folder.record(case)
        assert event is not None
        say([f"{event.change}: {event.file} (from {path})"])
    if not ready:
        say(["no failure cases found"])


def _redact(path: Path, case: FailureCase, redact: Callable[[FailureCase], FailureCase]) -> FailureCase:
    try:
        return redact(case)
    except EvolveError as error:
        raise EnvironmentFault(f"{path}: {error}", hint="nothing was imported") from None


def _change(options: argparse.Namespace, names: Iterable[str], change: Callable[[FailureCase], FailureCase]) -> None:
    """Change files one by one; problems in any of them are reported before the first is changed."""
    folder = CaseFolder(options.cases)
    problems: list[Problem] = []
    paths: list[Path] = []
    for name in dict.fromkeys(names):
        try:
            paths.append(_file(name, options.cases))
            change(folder.load(paths[-1]))
        except InputError as error:
            where = Location(str(paths[-1] if paths else name))
            problems += [Problem(item.message, item.where or where, item.hint) for item in error.problems]
    if problems:
        raise InputError(problems)
    for path in paths:
        after = folder.update(path, change)
        say([f"{path}: {after.status}, {_label_state(after)}"])


# --- which files


def _file(name: str, folder: str) -> Path:
    """The file of a path or of a fingerprint."""
    path = Path(name)
    if path.is_file():
        return path
    found = CaseFolder(folder).find(name) if name.isalnum() else None
    if found is None:
        hint = f"pass a file, or the fingerprint of a case in {folder} (evolve cases list)"
        raise InputError(Problem("no such failure case", Location(name), hint))
    return found


def _case_files(sources: Iterable[str]) -> Iterator[Path]:
    problems = [Problem("no such file or folder", Location(name)) for name in sources if not Path(name).exists()]
    if problems:
        raise InputError(problems)
    for name in sources:
        path = Path(name)
        yield from yaml_files(path) if path.is_dir() else [path]


# --- what is shown


def _label_state(case: FailureCase) -> str:
    return "labelled" if case.is_labelled else "unlabelled"


def _summary(stored: StoredCase) -> dict[str, Any]:
    case = stored.case
    return {
        "file": str(stored.path),
        "fingerprint": case.fingerprint,
        "agent": case.agent,
        "status": case.status,
        "is_labelled": case.is_labelled,
        "family": case.family,
        "description": case.description,
        "accepted": list(case.accepted),
        "forbidden": list(case.forbidden),
        "first_seen": case.source.first_seen,
    }


def _table(found: Sequence[StoredCase]) -> Iterator[str]:
    for path, case in found:
        right = ", ".join(map(str, case.accepted)) or _label_state(case)
        yield f"{case.status:8} {case.fingerprint} {case.agent}: {_first_line(case.description)} [{right}]"
        yield f"         {path}"
    yield count(len(found), "failure case")


def _details(path: Path, case: FailureCase) -> Iterator[str]:
    source = case.source
    yield f"{path}"
    status = f"{case.status}: {case.retired_because}" if case.retired_because else case.status
    if case.waiver:
        status += f", waived until {case.waiver.until}: {case.waiver.reason}"
    for name, value in (
        ("agent", f"{case.agent} (failed as {source.agent})"),
        ("what", case.description),
        ("status", f"{status}, {_label_state(case)}"),
        ("accepted", ", ".join(map(str, case.accepted)) or "not labelled"),
        ("forbidden", ", ".join(map(str, case.forbidden)) or "-"),
        ("family", case.family),
        ("from", f"{source.kind} {source.test}, first seen {source.first_seen}, answered by {source.provider}"),
        ("failed", f"{source.check}: {source.reason}"),
    ):
        yield f"{name:10} {value}"
    yield "vars:"
    yield from (f"  {line}" for line in dump_yaml(dict(case.vars)).splitlines())


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0]


# --- the command line


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve cases",
        description="List, show and change failure cases: tests that evolve wrote from real failures.",
        examples=(
            Example("evolve cases list", "the cases of the project"),
            Example("evolve cases list --status open --json", "for a script"),
            Example("evolve cases label 0123456789ab storage --agent ALERT_AGENT.md", "set the right answer"),
            Example("evolve cases import reports/failure_cases", "what CI has found"),
        ),
        notes="exit codes: 0 done, 2 wrong input, 4 the environment. See docs/failure-cases.md.",
    )
    commands = made.add_subparsers(metavar="COMMAND", required=True, help="what to do with them")
    add = partial(_add, commands)
    command = add(
        "list", _list, "list the cases of the folder", [Example("evolve cases list --status open", "only these")]
    )
    command.add_argument("--status", choices=STATUSES, help="only cases of this status")
    add_agent(command, "only this agent's cases")
    add_json(command)
    command = add(
        "show",
        _show,
        "show one case: what was asked, what failed, where it came from",
        [Example("evolve cases show 0123456789ab", "by its fingerprint")],
    )
    _add_file(command)
    add_json(command)
    command = add(
        "label",
        _label,
        "set the right answers, the best first",
        [Example("evolve cases label 0123456789ab storage --agent ALERT_AGENT.md", "one right answer")],
    )
    _add_file(command)
    command.add_argument("actions", metavar="ACTION", nargs="+", help="a right answer of the agent")
    command.add_argument("--forbidden", metavar="ACTION", nargs="+", default=[], help="answers that would do harm")
    add_agent(command, "the agent; default: the one that the case names")
    command = add(
        "pin",
        _pin,
        "make a fixed case guard its agent",
        [Example("evolve cases pin 0123456789ab", "no gate may lose it")],
    )
    _add_files(command)
    command = add(
        "waive",
        _waive,
        "ignore a pinned case in the gate until a day",
        [
            Example(
                'evolve cases waive 0123456789ab --until 2030-01-31 --reason "being fixed"', "until the end of January"
            )
        ],
    )
    _add_files(command)
    command.add_argument("--until", required=True, type=_day, metavar="YYYY-MM-DD", help="the last day")
    command.add_argument("--reason", required=True, metavar="TEXT", help="why the gate should ignore it")
    command = add(
        "retire",
        _retire,
        "stop using a case; if it fails again, that is only counted",
        [Example('evolve cases retire 0123456789ab --reason "the service is gone"', "it stays in its folder")],
    )
    _add_files(command)
    command.add_argument("--reason", required=True, metavar="TEXT", help="why it is no longer needed")
    command = add(
        "import",
        _import,
        "copy cases from elsewhere, such as those that CI left in reports/failure_cases",
        [Example("evolve cases import reports/failure_cases", "each fingerprint once, redacted again")],
    )
    sources = command.add_argument("sources", metavar="FILE|DIR", nargs="+", help="files and folders with cases")
    complete(sources, "file")
    return made


def _add_file(command: CommandParser) -> None:
    complete(command.add_argument("file", metavar="FILE", help="a file, or a fingerprint"), "file")


def _add_files(command: CommandParser) -> None:
    complete(command.add_argument("files", metavar="FILE", nargs="+", help="files, or fingerprints"), "file")


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day such as 2025-03-04, got {text!r}") from None


def _add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], text: str, examples: Sequence[Example]
) -> CommandParser:
    """Add one of the commands, with the options that all of them have; see `add_command`."""
    command = add_command(commands, name, run, text, examples)
    add_cases(command, f"the folder of failure cases; default {FOLDER}", default=FOLDER)
    add_old_name(command, "--folder", dest="cases")
    return command


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
