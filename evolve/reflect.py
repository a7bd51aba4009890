"""`evolve reflect`: a failed job's diagnostics in, one line of JSON with the action out."""

import argparse
import asyncio
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple, TextIO

from evolve.command_line import guarded
from evolve.core.agents import Agent, DemoBank, render_agent
from evolve.core.answers import Request
from evolve.core.errors import CannotEvaluate, EnvironmentFault, ExitCode, InputError, Location, Problem
from evolve.core.json_value import JsonValue
from evolve.core.ports import Provider
from evolve.core.reflection import Action, Reflection, diagnostics_problems, read_action
from evolve.core.suite import ProviderSpec
from evolve.core.templating.templates import Templates
from evolve.providers import ProviderSettings, open_provider
from evolve.store.agents import AGENTS_DIR, find_agent, load_agent, load_bank
from evolve.store.files import LocalFiles
from evolve.store.scripts import LocalScripts

DEFAULT_AGENT = "REFLECTION_AGENT"
SCHEMA = "diagnostics.schema.json"
MAX_REPORT_BYTES = 8 * 1024 * 1024


class Report(NamedTuple):
    """One report as it came in: where it stands, and its text."""

    where: Location
    text: str


class Outcome(NamedTuple):
    """What is printed for one report, and what the shell is told."""

    reflection: Reflection
    code: ExitCode


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads reports, prints one line for each in their order."""
    options = _options(arguments)
    path = find_agent(options.agent)
    agent = load_agent(path)
    templates = Templates("strict")
    bank = load_bank(agent, path, templates.render)
    reports = _reports(options.diagnostics)
    lines = sys.stdout
    with redirect_stdout(sys.stderr):  # what a user's Python prints is no answer
        provider = _open(options.provider or os.environ.get("EVOLVE_PROVIDER") or agent.model, templates)
        reflector = Reflector(agent, bank, templates, provider)
        return asyncio.run(_answer_all(reflector, reports, options.concurrency, lines))


class Reflector:
    """Asks one agent about failed jobs."""

    def __init__(self, agent: Agent, bank: DemoBank | None, templates: Templates, provider: Provider) -> None:
        self._agent, self._bank, self._templates, self._provider = agent, bank, templates, provider
        self._schema: Mapping[str, JsonValue] = json.loads((AGENTS_DIR / SCHEMA).read_text(encoding="utf-8"))

    async def reflect(self, report: Report) -> Outcome:
        """The decision on one report; what is wrong with it, or with the endpoint, is part of the outcome."""
        try:
            diagnostics = self._read(report)
        except InputError as error:
            return self._failed("", f"input: {error}", ExitCode.INPUT)
        job_id = str(diagnostics["job_id"])
        try:
            return Outcome(await self._decide(job_id, diagnostics), ExitCode.DONE)
        except EnvironmentFault as error:
            return self._failed(job_id, f"environment: {error}", ExitCode.ENVIRONMENT)
        except CannotEvaluate as error:
            return self._failed(job_id, str(error), ExitCode.DONE)

    async def close(self) -> None:
        """Frees the provider."""
        await self._provider.close()

    async def _decide(self, job_id: str, diagnostics: Mapping[str, JsonValue]) -> Reflection:
        prompt = render_agent(self._agent, {"diagnostics": dict(diagnostics)}, self._bank, self._templates.render)
        answer = await self._provider.answer(Request(prompt.text, config=prompt.config, label=self._agent.title))
        action = read_action(answer.output)
        if action is None:
            shown = json.dumps(answer.output)[:200]
            return Reflection(
                job_id, Action.ERROR, self._agent.title, f"the model's answer is no valid action: {shown}"
            )
        return Reflection(job_id, action, self._agent.title)

    def _read(self, report: Report) -> Mapping[str, JsonValue]:
        try:
            value = json.loads(report.text)
        except ValueError as error:
            raise InputError(Problem(f"not JSON: {error}", report.where)) from None
        except RecursionError:
            raise InputError(Problem("not JSON: nested too deep", report.where)) from None
        problems = diagnostics_problems(value, self._schema)
        if problems:
            raise InputError([Problem(message, report.where, f"see {SCHEMA}") for message in problems])
        diagnostics: Mapping[str, JsonValue] = value
        return diagnostics

    def _failed(self, job_id: str, error: str, code: ExitCode) -> Outcome:
        return Outcome(Reflection(job_id, Action.ERROR, self._agent.title, error), code)


async def _answer_all(reflector: Reflector, reports: Sequence[Report], concurrency: int, lines: TextIO) -> int:
    gate = asyncio.Semaphore(concurrency)

    async def one(report: Report) -> Outcome:
        async with gate:
            return await reflector.reflect(report)

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
        await reflector.close()
    return code


def _reports(names: Iterable[str]) -> list[Report]:
    """Every report of the files; `-` is standard input with one report a line."""
    reports: list[Report] = []
    problems: list[Problem] = []
    for name in names:
        if name == "-":
            if isinstance(sys.stdin, io.TextIOWrapper):
                sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # logs hold any bytes
            lines = enumerate(sys.stdin, 1)
            reports += [Report(Location("<stdin>", number), line) for number, line in lines if line.strip()]
            continue
        try:
            reports.append(Report(Location(name), _text(Path(name))))
        except (OSError, ValueError) as error:
            problems.append(Problem(f"cannot read: {error}", Location(name)))
    if problems:
        raise InputError(problems)
    if not reports:
        raise InputError(
            Problem("no diagnostics given", None, "name JSON files, or - and JSON lines on standard input")
        )
    return reports


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_REPORT_BYTES:
        raise ValueError(f"larger than {MAX_REPORT_BYTES // 2**20} MiB")
    return path.read_text(encoding="utf-8")


def _open(model: str, templates: Templates) -> Provider:
    return open_provider(
        ProviderSpec(model),
        base_dir=os.getcwd(),
        files=LocalFiles(os.getcwd()),
        env=os.environ,
        scripts=LocalScripts(),
        templates=templates,
        settings=ProviderSettings.from_environment(os.environ),
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="evolve reflect",
        description="Names the action that heals a failed job: one line of JSON for each report, in their order.",
        epilog="exit codes: 0 done, 2 a report is wrong, 4 the endpoint failed; all others are answered all the same",
    )
    parser.add_argument("diagnostics", nargs="+", metavar="FILE|-", help="JSON files; - reads one JSON report a line")
    parser.add_argument("--agent", default=DEFAULT_AGENT, metavar="NAME|FILE.md", help=f"default: {DEFAULT_AGENT}")
    parser.add_argument(
        "--provider", metavar="ID", help="who answers; default: EVOLVE_PROVIDER, else the agent's own model"
    )
    parser.add_argument("--concurrency", type=int, default=4, metavar="N", help="reports in flight at once; default: 4")
    options = parser.parse_args(arguments)
    if options.concurrency < 1:
        parser.error("--concurrency must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
