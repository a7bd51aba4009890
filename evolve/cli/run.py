"""`evolve run SUITE|DIR...`: runs suites without pytest, reports what failed, and writes reports."""

import argparse
import asyncio
import gc
import importlib
import os
import re
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from evolve.cli._guard import INTERRUPTED, mute_stdout, run_guarded
from evolve.cli._options import add_agent, add_concurrency, add_executor, add_json, add_old_name, complete, positive
from evolve.cli._parser import CommandParser, Example
from evolve.cli._suites import add_reading, add_suites, suite_files
from evolve.cli._watch import watch
from evolve.core.evaluation.outcomes import SuiteOutcome, complete_splits, exit_code, outcome, skip_reason
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.events import CaseFinished, CaseResult, RunFinished
from evolve.core.model.json_value import JsonValue
from evolve.core.suites.expand import MAX_EVALUATIONS
from evolve.core.suites.selection import Selection, parse_metadata
from evolve.core.suites.units import units
from evolve.evaluation.run_identity import identify
from evolve.evaluation.runner import in_order, run_suites
from evolve.evaluation.setup import (
    LoadedSuite,
    Settings,
    check_keys,
    evidence_of,
    load_all,
    load_as_one,
    open_answers,
    runner_for,
)
from evolve.executors.distributors import opened_distributor
from evolve.executors.opening import Distributor
from evolve.report.suites.annotations import annotations, is_wanted, without_commands
from evolve.report.suites.console import Progress, open_progress, summary
from evolve.report.suites.matrix_table import MatrixTables, Screen
from evolve.report.suites.run_row import run_document
from evolve.report.terminal import Paint, command_line, print_json, say
from evolve.store.last_failed import LastFailed

if TYPE_CHECKING:
    from evolve.store.case_writer import CaseWriter

WRITERS = {
    ".json": ("promptfoo_json", "write_promptfoo_json"),
    ".jsonl": ("jsonl", "write_jsonl"),
    ".csv": ("csv_rows", "write_csv"),
    ".html": ("html", "write_html"),
    ".xml": ("junit", "write_junit"),
}
"""Writer of a report by the file's suffix: the module in `evolve.report.suites` and its function."""

_PATTERN_S = 5.0
"""A pattern takes milliseconds for 100,000 ids; one that backtracks takes years."""

_MANY = 3
"""Up to so many failing cases are named in the command that runs them again; with more it would not fit on a line,
and --last-failed is used."""


def main(arguments: Sequence[str]) -> int:
    """Run suites; return 0 all passed, 1 failures found, 2 wrong input, 4 the environment."""
    options = parser().parse_args(arguments)
    if options.watch:
        return watch([word for word in arguments if word != "--watch"], options.suites)
    for path in options.output:
        _writer(path)
    if options.json and options.table not in (None, "none"):
        raise InputError(Problem(f"--table {options.table} prints text, and --json only JSON", hint="leave out one"))
    settings = _settings(options)
    files = suite_files(options.suites)
    with redirect_stdout(sys.stderr):  # what a user's Python code prints is not a result
        loaded = (load_as_one(files, settings),) if options.merge else load_all(files, settings)
        _warn(loaded)
        selected = _select(loaded, _selection(options, settings))
        progress = open_progress(sys.stderr, settings.env, quiet=options.quiet or options.json)
        with opened_distributor(options.executor.text if options.executor else None) as distributor:
            run, outcomes = _run(selected, _with_distributor(settings, distributor), progress)
    failed = _remember(outcomes, settings)
    cases = _write_cases(options.write_cases, outcomes, settings, options.personal_data)
    again = _again(arguments, failed) if failed else ""
    if options.output or options.json:
        run = replace(run, identity=identify(run.suites, run.started_s))
    unwritten = _write_reports(options.output, run, arguments, raw_csv=options.csv_raw)
    code = INTERRUPTED if run.interrupted else exit_code(outcomes)
    annotates = is_wanted(options.annotations, settings.env)
    try:
        if options.json:
            say(annotations(outcomes, settings.env) if annotates else (), sys.stderr)
            written = [path for path in options.output if path not in unwritten]
            values = {**_machine_summary(run, outcomes, written, again), **_case_values(cases)}
            print_json(values)
        else:
            paint = Paint(sys.stdout, settings.env)
            tables = _tables(options, arguments, paint)
            lines = summary(run, outcomes, paint, again=again, brief=options.quiet, tables=tables)
            say(without_commands(lines, secrets.token_hex(16)) if annotates else lines)
            say(cases.lines() if cases else ())
            # To the same stream: in another one GitHub could read them before commands are allowed again.
            say(annotations(outcomes, settings.env) if annotates else ())
            sys.stdout.flush()
    except BrokenPipeError:
        mute_stdout()
    if unwritten:
        raise InputError([problem for error in unwritten.values() for problem in error.problems])
    return code


# --- the command line


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve run",
        description="Run suites in promptfoo's format: every test against its providers.",
        examples=(
            Example("evolve run alerts.yaml", "run every test of a suite"),
            Example("evolve run .", "run every suite in this folder and below"),
            Example(
                "evolve run alerts.yaml --agent ALERT_AGENT.md --write-cases failure_cases", "failed tests become cases"
            ),
            Example("evolve run alerts.yaml --filter-metadata split=val -o results.html", "some tests, with a report"),
            Example("evolve run alerts.yaml --last-failed", "only what failed in the last run"),
        ),
        notes="exit codes: 0 all passed, 1 failures found, 2 wrong input, 4 the environment. See docs/suites.md.",
    )
    add_suites(made)
    add = made.add_argument
    output = add(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="FILE",
        help="write a report: .json, .jsonl, .csv, .html, .xml",
    )
    complete(output, "file")
    add("--csv-raw", action="store_true", help="write .csv cells unchanged, also what a spreadsheet runs as a formula")
    add("--merge", action="store_true", help="treat all files as one suite, as promptfoo does with several -c")
    add("--filter-pattern", metavar="RE", help="only tests whose description or id matches")
    add("--filter-metadata", action="append", default=[], metavar="KEY=VALUE", help="only tests with this metadata")
    add("--filter-first-n", type=positive, metavar="N", help="only the first N tests of each suite")
    add("--filter-providers", metavar="RE", help="only providers whose id or label matches")
    add("--last-failed", action="store_true", help="only what failed in the last run of these suites")
    add("--repeat", type=positive, metavar="N", help="run each test N times")
    add("--safe", action="store_true", help="for files of strangers: refuse code, programs and addresses of their own")
    add(
        "--max-evaluations",
        type=positive,
        default=MAX_EVALUATIONS,
        metavar="N",
        help=f"refuse a suite whose lists and repeats multiply to more; default: {MAX_EVALUATIONS}",
    )
    add("--provider", action="append", default=[], metavar="ID", help="use this provider instead of the suites' own")
    add_agent(made, "use this agent's prompt instead of the suites' own prompts")
    add_concurrency(made, "questions in flight at once")
    add_executor(made, "ray[:ADDRESS]: nodes of a Ray cluster ask the providers (docs/scaling.md)", "ray")
    add_old_name(made, "--suite-concurrency", dest="concurrency", type=positive)
    add("--no-cache", action="store_true", help="neither use nor store answers")
    add_old_name(made, "--no-suite-cache", dest="no_cache", action="store_true")
    add_reading(made)
    add("--watch", action="store_true", help="run again whenever a file that the suites read changes; Ctrl-C ends")
    complete(
        add("--write-cases", metavar="DIR", help="write failing tests as failure cases into this folder"), "folder"
    )
    add(
        "--table",
        choices=("none", "short", "full"),
        help="outputs of all tests by provider and prompt: cut, or in full; default: short on a terminal, else none",
    )
    add(
        "--annotations",
        choices=("auto", "github", "none"),
        default="auto",
        help="failures as annotations of GitHub Actions; default: auto, where GITHUB_ACTIONS is set",
    )
    add(
        "--personal-data",
        choices=("mask", "keep"),
        default="mask",
        help="e-mail addresses, phone numbers and similar data in failure cases; default: mask",
    )
    add_json(made)
    add("-q", "--quiet", action="store_true", help="print only the totals")
    return made


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        undefined=options.undefined,
        unknown_keys=options.unknown_keys,
        concurrency=options.concurrency,
        use_cache=not options.no_cache,
        repeat=options.repeat,
        max_evaluations=options.max_evaluations,
        is_safe=options.safe,
        providers=tuple(options.provider),
        agent=options.agent,
    )


def _with_distributor(settings: Settings, distributor: Distributor | None) -> Settings:
    """The settings with the machines that ask the providers, and as many questions in flight as they answer at once."""
    if distributor is None:
        return settings
    return replace(settings, distributor=distributor, concurrency=settings.concurrency or distributor.slots)


def _selection(options: argparse.Namespace, settings: Settings) -> Selection:
    return Selection(
        pattern=_pattern(options.filter_pattern, "--filter-pattern"),
        providers=_pattern(options.filter_providers, "--filter-providers"),
        metadata=tuple(parse_metadata(text) for text in options.filter_metadata),
        first_n=options.filter_first_n,
        ids=LastFailed.in_folder(settings.cache_dir).ids() if options.last_failed else None,
    )


def _pattern(text: str | None, option: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text is not None else None
    except re.error as error:
        raise InputError(Problem(f"{option}={text!r} is not a regular expression: {error}")) from error


def _writer(path: str) -> Callable[[str, RunFinished], None]:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in WRITERS:
        raise InputError(Problem(f"--output {path}: unknown report format", hint=f"known: {', '.join(WRITERS)}"))
    if os.path.isdir(path):
        raise InputError(Problem(f"--output {path}: this is a folder", hint="pass the path of a file"))
    module, function = WRITERS[suffix]
    writer: Callable[[str, RunFinished], None] = getattr(
        importlib.import_module(f"evolve.report.suites.{module}"), function
    )
    return writer


def _write_reports(
    paths: Iterable[str], run: RunFinished, arguments: Sequence[str], *, raw_csv: bool
) -> dict[str, InputError]:
    """Write the reports; return the errors by path: one that fails stops neither the others nor the summary."""
    unwritten = {}
    for path in dict.fromkeys(paths):
        try:
            _write_report(path, run, arguments, raw_csv=raw_csv)
        except InputError as error:
            unwritten[path] = error
    return unwritten


def _write_report(path: str, run: RunFinished, arguments: Sequence[str], *, raw_csv: bool) -> None:
    if path.lower().endswith(".html"):
        from evolve.report.suites.html import write_html

        write_html(path, run, command=command_line("evolve run", arguments))
    elif raw_csv and path.lower().endswith(".csv"):
        from evolve.report.suites.csv_rows import write_csv

        write_csv(path, run, raw=True)
    else:
        _writer(path)(path, run)


def _warn(loaded: Iterable[LoadedSuite]) -> None:
    say((f"evolve: warning: {warning}" for item in loaded for warning in item.suite.warnings), sys.stderr)


# --- what is run


@dataclass(frozen=True, slots=True)
class _Selected:
    """A suite with the evaluations that were asked for."""

    loaded: LoadedSuite
    complete: frozenset[str]
    skipped: int


def _select(loaded: Sequence[LoadedSuite], selection: Selection) -> list[_Selected]:
    found = []
    for item in loaded:
        with _pattern_limit():
            chosen = selection.choose(item.evaluations, os.path.abspath(item.suite.path))
        asked = [evaluation for evaluation in chosen if skip_reason(evaluation) is None]
        complete = complete_splits(item.evaluations, asked)
        # The groups of a whole suite are known from loading it.
        groups = item.units if len(asked) == len(item.evaluations) else units(asked)
        chosen_suite = replace(item, evaluations=tuple(asked), units=groups)
        found.append(_Selected(chosen_suite, complete, len(chosen) - len(asked)))
    if not any(item.loaded.evaluations or item.skipped for item in found):
        hint = "the last run of these suites passed" if selection.ids is not None else "check the --filter options"
        raise InputError(Problem("no test was selected", hint=hint))
    return found


@contextmanager
def _pattern_limit() -> Iterator[None]:
    """Stop a regular expression that backtracks for ever: Python's `re` has no limit, but looks for signals."""

    def stop(*_: object) -> None:
        text = f"--filter-pattern or --filter-providers took longer than {_PATTERN_S:g} s"
        raise InputError(Problem(text, hint="nested repetition such as (a+)+ backtracks; write it without"))

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, _PATTERN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _run(
    selected: Sequence[_Selected], settings: Settings, progress: Progress
) -> tuple[RunFinished, list[SuiteOutcome]]:
    evidence = [evidence_of(item.loaded.suite) for item in selected]
    try:
        with _gc_paused():
            run = _run_in_loop(_collect(selected, settings, progress))
    finally:
        progress.stop()
    outcomes = [
        outcome(
            suite,
            results,
            evidence=known,
            complete=item.complete if not run.interrupted else frozenset(),
            skipped=item.skipped,
        )
        for item, known, (suite, results) in zip(selected, evidence, run.results, strict=True)
    ]
    return run, outcomes


@contextmanager
def _gc_paused() -> Iterator[None]:
    """Let the garbage collector run rarely: suites and results live until the end, so it would find nothing."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # Python's own 700 and 10 would scan all results again every few tests
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _run_in_loop(collecting: Coroutine[Any, Any, RunFinished]) -> RunFinished:
    """The coroutine's result, from an event loop of its own.

    The loop's main task must have no result: when asyncio restores the handler of Ctrl-C, Python makes that task's
    repr for a message that is thrown away, and all results would be in it.
    """
    ended: list[RunFinished] = []

    async def keep() -> None:
        ended.append(await collecting)

    asyncio.run(keep())
    return ended[0]


async def _collect(selected: Sequence[_Selected], settings: Settings, progress: Progress) -> RunFinished:
    """Run the suites; the result has everything that was finished, also when the user stops it."""
    answers = open_answers(settings)
    noticed = answers.notice
    if noticed:
        say([f"evolve: warning: {noticed}"], sys.stderr)
    for item in selected:
        check_keys(item.loaded, settings)
    runners = [runner_for(item.loaded, settings, answers) for item in selected]
    finished: dict[str, list[CaseResult]] = {runner.suite.path: [] for runner in runners}
    started_s, begun = time.time(), time.perf_counter()
    try:
        work = [(runner, item.loaded.units) for runner, item in zip(runners, selected, strict=True)]
        async with aclosing(run_suites(work)) as events:
            async for event in events:
                progress.handle(event)
                if isinstance(event, CaseFinished):
                    finished[event.suite.path].append(event.result)
                elif isinstance(event, RunFinished):
                    return event
        raise AssertionError("a run ends with RunFinished")
    except asyncio.CancelledError:
        results = tuple((runner.suite, in_order(finished[runner.suite.path])) for runner in runners)
        suites = tuple(runner.suite for runner in runners)
        return RunFinished(suites, results, time.perf_counter() - begun, started_s, interrupted=True)
    finally:
        for resource in (*runners, answers):
            await resource.close()
        if answers.notice != noticed:
            say([f"evolve: warning: {answers.notice}"], sys.stderr)


# --- afterwards


def _tables(options: argparse.Namespace, arguments: Sequence[str], paint: Paint) -> MatrixTables | None:
    """The tables that were asked for; by default only people get them, not logs and other programs."""
    usual: Literal["none", "short"] = "short" if sys.stdout.isatty() and not options.quiet else "none"
    size: Literal["none", "short", "full"] = options.table or usual
    if size == "none":
        return None
    kept = _without_values(arguments, ("--table",))
    # Without a terminal the width of a log: few are narrower.
    screen = Screen(shutil.get_terminal_size((120, 24)).columns, sys.stdout.encoding or "utf-8", paint.is_on)
    return MatrixTables(size, screen, full_command=command_line("evolve run", [*kept, "--table", "full"]))


def _remember(outcomes: Sequence[SuiteOutcome], settings: Settings) -> list[CaseResult]:
    """Remember what failed for `--last-failed`, and return it."""
    memory = LastFailed.in_folder(settings.cache_dir)
    failed: list[CaseResult] = []
    for item in outcomes:
        again = item.to_repeat
        failed.extend(again)
        ran = [result.evaluation.id for result in item.results]
        memory.note(os.path.abspath(item.suite.path), ran, [result.evaluation.id for result in again])
    memory.save()
    return failed


def _write_cases(
    folder: str | None, outcomes: Sequence[SuiteOutcome], settings: Settings, personal_data: str
) -> "CaseWriter | None":
    """Make failure cases of what failed; None without --write-cases.

    Args:
        folder: where the cases are written; None for none.
        outcomes: the outcomes of the suites.
        settings: of the run.
        personal_data: `mask` or `keep`.
    """
    if folder is None:
        return None
    from evolve.store.case_files import CaseFolder
    from evolve.store.case_writer import CaseMaker, CaseWriter, redactor_for

    maker = CaseMaker(redactor_for(settings.env, settings.cache_dir, keeps_personal_data=personal_data == "keep"))
    writer = CaseWriter(CaseFolder(folder))
    for result in (result for item in outcomes for result in item.failures):
        writer.take(maker.of_result(result))
    return writer


def _case_values(writer: "CaseWriter | None") -> Mapping[str, JsonValue]:
    return {} if writer is None else {"failure_cases": writer.values()}


def _again(arguments: Sequence[str], failed: Sequence[CaseResult]) -> str:
    """The command that runs just the failing cases: by name if they are few, else with --last-failed."""
    words = _without_filters(arguments)
    if len(failed) <= _MANY:
        names = sorted({re.escape(result.evaluation.id).replace(r"\ ", " ") for result in failed})
        return command_line("evolve run", [*words, "--filter-pattern", f"^({'|'.join(names)})$"])
    return command_line("evolve run", [*words, "--last-failed"])


def _without_filters(arguments: Sequence[str]) -> list[str]:
    kept = _without_values(arguments, ("--filter-pattern", "--filter-first-n", "--filter-metadata"))
    return [word for word in kept if word != "--last-failed"]


def _without_values(arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    """The arguments without these options and their values."""
    kept, rest = [], list(arguments)
    while rest:
        word = rest.pop(0)
        if word in options:
            rest = rest[1:]
        elif not word.startswith(tuple(f"{option}=" for option in options)):
            kept.append(word)
    return kept


def _machine_summary(
    run: RunFinished, outcomes: Sequence[SuiteOutcome], reports: Sequence[str], again: str
) -> Mapping[str, JsonValue]:
    results = [result for item in outcomes for result in item.results]
    return {
        "run": run_document(run),
        "passed": sum(item.passed for item in outcomes),
        "failed": sum(len(item.failures) for item in outcomes),
        "errors": sum(len(item.errors) for item in outcomes),
        "known_failures": sum(len(item.known) for item in outcomes),
        "expected_failures": sum(len(item.expected) for item in outcomes),
        "skipped": sum(item.skipped for item in outcomes),
        "mean_score": sum(result.verdict.score for result in results) / len(results) if results else 0.0,
        "seconds": round(run.seconds, 3),
        "interrupted": run.interrupted,
        "suites": [_suite_summary(item) for item in outcomes],
        "reports": list(reports),
        "run_again": again or None,
    }


def _suite_summary(item: SuiteOutcome) -> JsonValue:
    return {
        "path": item.suite.path,
        "is_good": item.is_good,
        "failures": [_case_summary(result) for result in item.to_repeat],
        "splits": [
            {"split": v.split, "cases": v.cases, "passed": v.passed, "accuracy": v.accuracy, "is_kept": v.is_kept}
            for v in item.splits
        ],
    }


def _case_summary(result: CaseResult) -> JsonValue:
    return {
        "id": result.evaluation.id,
        "status": result.status,
        "score": result.verdict.score,
        "reason": result.error or result.verdict.reason,
        "error_kind": result.error_kind or None,
    }


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
