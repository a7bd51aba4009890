"""`evolve reflect`: a failed job's diagnostics in, one line of JSON with the action out."""

import asyncio
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from typing import TextIO

from evolve.adaptation.reflection_agent import (
    DEFAULT_AGENT,
    JobReport,
    Outcome,
    read_report,
    reflect,
    stdin_lines,
)
from evolve.cli._guard import run_guarded
from evolve.cli._options import add_agent, add_concurrency, add_provider, complete
from evolve.cli._parser import CommandParser, Example
from evolve.core.model.errors import ExitCode, InputError, Location, Problem
from evolve.evaluation.agent_client import AgentClient, open_agent_client


def main(arguments: Sequence[str] | None = None) -> int:
    """Read reports and print one line for each, in their order; return 0, 2 or 4."""
    options = parser().parse_args(arguments)
    reports = _reports(options.diagnostics)
    lines = sys.stdout
    with redirect_stdout(sys.stderr):  # what a user's Python code prints is not an answer
        client = open_agent_client(options.agent, options.provider)
        return asyncio.run(_answer_all(client, reports, options.concurrency, lines))


async def _answer_all(client: AgentClient, reports: Sequence[JobReport], concurrency: int, lines: TextIO) -> int:
    gate = asyncio.Semaphore(concurrency)

    async def one(report: JobReport) -> Outcome:
        async with gate:
            return await reflect(client, report)

    code = ExitCode.DONE
    tasks = [asyncio.ensure_future(one(report)) for report in reports]
    try:
        for task in tasks:
            outcome = await task
            print(outcome.reflection.line(), file=lines, flush=True)
            if outcome.code:
                print(f"evolve: {outcome.reflection.error}", file=sys.stderr)
            code = max(code, outcome.code)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()
    return code


def _reports(names: Iterable[str]) -> list[JobReport]:
    """Every report of the files; `-` is standard input with one report a line."""
    reports: list[JobReport] = []
    problems: list[Problem] = []
    for name in names:
        if name == "-":
            numbered = enumerate(stdin_lines(), 1)
            reports += [JobReport(Location("<stdin>", number), line) for number, line in numbered if line.strip()]
            continue
        try:
            reports.append(read_report(name))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    if not reports:
        raise InputError(
            Problem("no diagnostics given", None, "pass JSON files, or - for JSON lines on standard input")
        )
    return reports


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve reflect",
        description="Name the action that heals a failed job: one line of JSON for each report, in their order.",
        examples=(
            Example("evolve reflect failed.json", "one report"),
            Example("evolve reflect - --concurrency 2", "JSON lines on standard input"),
        ),
        notes="exit codes: 0 done, 2 a report is wrong, 4 the endpoint failed; the remaining reports are still "
        "processed. See docs/agents.md.",
    )
    files = made.add_argument(
        "diagnostics", nargs="+", metavar="DIAGNOSTICS.json|-", help="JSON files; - reads one JSON report a line"
    )
    complete(files, "file")
    add_agent(made, f"the agent to ask; default {DEFAULT_AGENT}", default=DEFAULT_AGENT)
    add_provider(made)
    add_concurrency(made, "reports in flight at once; default 4", default=4)
    return made


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
