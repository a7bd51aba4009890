"""`evolve check SUITE|DIR...`: every problem of suites and of the files that they name, without asking a model."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass

from evolve.cli._guard import run_guarded
from evolve.cli._options import add_agent, add_json
from evolve.cli._parser import CommandParser, Example
from evolve.cli._suites import add_reading, add_suites, suite_files
from evolve.core.model.errors import ExitCode, InputError, MissingKeyFault, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.text.counts import count
from evolve.evaluation.setup import Settings, check_keys, evidence_of, load
from evolve.report.terminal import print_json, say


def main(arguments: Sequence[str]) -> int:
    """Print the problems of all suites; return 2 when there are any, else 0."""
    options = parser().parse_args(arguments)
    files = suite_files(options.suites)
    settings = Settings(
        undefined=options.undefined,
        unknown_keys=options.unknown_keys,
        providers=tuple(options.provider),
        agent=options.agent,
        is_safe=options.safe,
        runs_hooks=False,
    )
    shows = sys.stderr.isatty() and len(files) > 1 and not (options.quiet or options.json)
    with redirect_stdout(sys.stderr):  # what a user's Python code prints is not a result
        checked = list(_check_all(files, settings, shows_progress=shows))
    if options.json:
        print_json(_machine_result(checked))
    else:
        say(_lines(checked, options))
    return ExitCode.INPUT if any(item.problems for item in checked) else ExitCode.DONE


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve check",
        description="Find every problem of suites and of the files that they name. No model is asked.",
        examples=(
            Example("evolve check promptfooconfig.yaml", "one suite"),
            Example("evolve check .", "every suite in this folder and below"),
            Example("evolve check . --json", "for machines: problems with file, line and column"),
        ),
        notes="exit codes: 0 no problems, 2 problems found. A package or a key that is missing on this machine is a "
        "warning here; `evolve run` stops. See docs/check.md.",
    )
    add_suites(made)
    made.add_argument(
        "--provider", action="append", default=[], metavar="ID", help="use this provider instead of the suites' own"
    )
    add_agent(made, "use this agent's prompt instead of the suites' own prompts")
    add_reading(made)
    made.add_argument("--safe", action="store_true", help="refuse what `evolve run --safe` refuses")
    add_json(made)
    made.add_argument("-q", "--quiet", action="store_true", help="print only the totals")
    return made


@dataclass(frozen=True, slots=True)
class CheckedSuite:
    """What is known of one suite without running it."""

    path: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """What is not installed or not set on this machine: the suite is right, and a run here stops before it asks."""
    evaluations: int | None = 0
    """How many questions a run asks; None where something that is missing makes the tests."""


def _check_all(files: Sequence[str], settings: Settings, *, shows_progress: bool) -> Iterator[CheckedSuite]:
    for number, path in enumerate(files, 1):
        if shows_progress:
            _show(f"checking {number} of {len(files)}: {path}")
        yield _check(path, settings)
    if shows_progress:
        _show("")


def _show(text: str) -> None:
    """Write over the line of the terminal; 78 characters fit on one."""
    sys.stderr.write(f"\r\x1b[K{text[:78]}")
    sys.stderr.flush()


def _check(path: str, settings: Settings) -> CheckedSuite:
    try:
        loaded = load(path, settings)
        evidence_of(loaded.suite)
    except InputError as error:
        problems = tuple(problem for problem in error.problems if not problem.is_missing_here)
        missing = tuple(str(problem) for problem in error.problems if problem.is_missing_here)
        return CheckedSuite(path, problems, error.warnings, missing, 0 if problems else None)
    missing = ()
    try:
        check_keys(loaded, settings)
    except MissingKeyFault as fault:
        missing = tuple(str(fault).splitlines())
    return CheckedSuite(path, (), loaded.suite.warnings, missing, len(loaded.evaluations))


def _lines(checked: Sequence[CheckedSuite], options: argparse.Namespace) -> Iterator[str]:
    if not options.quiet:
        for text in dict.fromkeys(text for item in checked for text in (*item.warnings, *item.missing)):
            yield f"warning: {text}"
        yield from (str(problem) for problem in _all_problems(checked))
    suites = count(len(checked), "suite")
    bad = sum(bool(item.problems) for item in checked)
    stopped = sum(bool(item.missing) and not item.problems for item in checked)
    if bad:
        yield f"{suites}: {len(checked) - bad} can run, {bad} cannot ({count(len(_all_problems(checked)), 'problem')})"
    elif stopped:
        yield f"{suites}: no problems; on this machine {stopped} cannot run, because something is missing (see above)"
    else:
        yield f"{suites}: all can run ({count(sum(item.evaluations or 0 for item in checked), 'question')})"


def _all_problems(checked: Sequence[CheckedSuite]) -> list[Problem]:
    """Return the problems of all suites, each once: several suites may name one file."""
    return list(dict.fromkeys(problem for item in checked for problem in item.problems))


def _machine_result(checked: Sequence[CheckedSuite]) -> JsonValue:
    return {
        "suites": [
            {
                "path": item.path,
                "can_run": not item.problems,
                "evaluations": item.evaluations,
                "problems": [_problem_values(problem) for problem in item.problems],
                "warnings": list(item.warnings),
                "missing": list(item.missing),
            }
            for item in checked
        ],
        "problems": len(_all_problems(checked)),
    }


def _problem_values(problem: Problem) -> JsonValue:
    where = problem.where
    return {
        "message": problem.message,
        "file": where.file if where else None,
        "line": where.line if where else None,
        "column": where.column if where else None,
        "path": where.path if where else None,
        "hint": problem.hint or None,
    }


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
