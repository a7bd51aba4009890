"""`evolve adapt DIAGNOSTICS.json`: a failed job becomes a failure case, and the case starts an evolution.

One evolution per agent at a time: a failure that arrives during one waits in a queue on disk, and the process that
evolves the agent takes it next. When that process is killed, the next call takes it.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from evolve.adaptation.intake import ask, take_in
from evolve.adaptation.reflection_agent import DEFAULT_AGENT, read_diagnostics, read_report
from evolve.adaptation.worker import Worker, start_in_background
from evolve.cli._adaptation_options import CASES, parser, read_options
from evolve.cli._guard import run_guarded
from evolve.cli._options import reflectors
from evolve.core.adaptation.failures import Labels, QueuedRequest
from evolve.core.adaptation.status import AgentAnswer, IntakeResult, RunStatus
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.evolution.summary import EvolutionSummary
from evolve.core.model.actions import Action
from evolve.core.model.errors import ExitCode
from evolve.core.model.provider_id import named_provider
from evolve.evaluation.agent_client import open_agent_client
from evolve.evolution.run import EvolutionResult, Observer
from evolve.report.evolution.adaptation_lines import at_limit, intake_lines, intake_values, status_lines, status_values
from evolve.report.evolution.console import EvolutionConsole
from evolve.report.evolution.lines import summary_lines
from evolve.report.terminal import print_json, say
from evolve.store.adaptation_files import AdaptationFiles
from evolve.store.adaptation_queue import AdaptationQueue
from evolve.store.agents import find_agent
from evolve.store.case_files import CaseFolder
from evolve.store.case_writer import CI_FOLDER, is_ci, redactor_for
from evolve.system.cache_folder import cache_folder

_MODULE = "evolve.cli.adaptation_manager"
"""This command's module by name: when it runs as a program, `__name__` is `__main__`."""

__all__ = ["main", "parser"]


def main(arguments: Sequence[str]) -> int:
    """Adapt; return 0 done, also when there was nothing to adapt; 2 wrong input, 4 the environment."""
    options = read_options(arguments)
    cache_dir = cache_folder(os.environ)
    files = AdaptationFiles(cache_dir)
    with closing(AdaptationQueue(files.folder)) as queue:
        if options.queue:
            return _show_status(queue, options)
        call = _Call(options, cache_dir, files, queue)
        if options.work:
            return call.work_on(call.waiting_agents())
        return call.adapt()


class _Call:
    """One call of the command."""

    def __init__(
        self, options: argparse.Namespace, cache_dir: Path, files: AdaptationFiles, queue: AdaptationQueue
    ) -> None:
        self._options, self._cache_dir, self._files, self._queue = options, cache_dir, files, queue
        self._agent = str(find_agent(options.agent or DEFAULT_AGENT).resolve())
        self._worker = Worker(queue, files, options.per_day, _print_line, _observers)

    def adapt(self) -> int:
        """Record one report and start the evolution that it needs."""
        with redirect_stdout(sys.stderr):  # what a user's Python code prints is not a result
            taken = replace(asyncio.run(self._take_in()), agent_file=self._own_agent())
        if not self._options.json:
            say(intake_lines(taken))
        # In any case, continue with what a killed process left in the queue.
        if not self._queue.waits(self._agent):
            return self._report(taken)
        if self._options.wait:
            return self.work_on([self._agent], taken)
        return self._report(taken, **self._start(taken))

    def waiting_agents(self) -> list[str]:
        """Return the agents that have failures in the queue; only the one that was named, if any."""
        if self._options.agent:
            return [self._agent]
        return [status.agent for status in self._queue.status() if self._queue.waits(status.agent)]

    def work_on(self, agents: Sequence[str], taken: IntakeResult | None = None) -> int:
        """Evolve in the foreground until nothing waits."""
        results: list[EvolutionResult] = []
        for agent in agents:
            # A process without a failure of its own in the queue has nothing to wait for.
            is_ours = taken is not None and taken.step == "evolve"
            for result in self._worker.work(agent, wait=is_ours, log=self._options.log):
                results.append(result)
                self._show(result)
        if taken is not None and not results:
            taken = self._done_elsewhere(taken)
        evolutions = [result.result_json() for result in results]
        return self._report(taken, evolutions=evolutions, waits=any(map(self._queue.waits, agents)))

    async def _take_in(self) -> IntakeResult:
        options = self._options
        client = open_agent_client(self._agent, options.provider)
        labels = Labels(tuple(options.accepted), tuple(options.forbidden)).checked(client.agent.output)
        redactor = redactor_for(os.environ, self._cache_dir)
        try:
            diagnostics = read_diagnostics(read_report(options.diagnostics))
            given = AgentAnswer(Action(options.answer)) if options.answer else None
            return take_in(
                diagnostics,
                given or await ask(client, diagnostics, redactor),
                labels,
                client=client,
                queued=self._request(),
                queue=self._queue,
                folder=_case_folder(options.cases),
                redactor=redactor,
            )
        finally:
            await client.close()

    def _own_agent(self) -> str:
        name = self._options.agent or ""
        return name if name.endswith(".md") else ""

    def _request(self) -> QueuedRequest:
        options = self._options
        answers, minutes, tokens = options.budget
        reflector, others = reflectors(options.reflector, os.environ)
        request = EvolutionRequest(
            agent=self._agent,
            suite=options.suite,
            budget=answers,
            minutes=minutes,
            tokens=tokens,
            seed=options.seed,
            # From this call's environment: the process that runs the evolution may have another one.
            provider=named_provider(options.provider, os.environ),
            reflector=reflector,
            other_reflectors=others,
            output_dir=options.output_dir,
        )
        return QueuedRequest(request, str(Path(options.cases or CASES).resolve()), str(Path.cwd()))

    def _start(self, taken: IntakeResult) -> dict[str, Any]:
        """What now runs in the background, or why nothing does."""
        running = self._queue.status_of(self._agent).running
        with self._files.lock(self._agent) as is_free:
            pass
        if not is_free:
            return self._behind(taken, running)
        if self._worker.is_at_limit(self._agent):
            self._say(at_limit(self._options.per_day))
            return {"background": "limit"}
        pid, path = start_in_background(self._files, self._agent, module=_MODULE, per_day=self._options.per_day)
        self._say(f"evolving in the background: process {pid}, log {path}")
        return {"background": "started", "pid": pid, "log": str(path)}

    def _behind(self, taken: IntakeResult, running: RunStatus | None) -> dict[str, Any]:
        """What another process does about this report; empty when the report is not in the queue."""
        if taken.step != "evolve" or taken.recorded is None:
            return {}
        pid, log = (running.pid, running.log) if running else (None, "")
        is_in_it = running is not None and taken.recorded.fingerprint in [item.fingerprint for item in running.failures]
        what = "is evolving the agent with it" if is_in_it else "takes it next, after the evolution that runs now"
        self._say(f"process {pid or 'unknown'} {what}")
        return {"background": "running" if is_in_it else "queued", "pid": pid, "log": log}

    def _say(self, line: str) -> None:
        if not self._options.json:
            say([line])

    def _show(self, result: EvolutionResult) -> None:
        if self._options.json:
            return
        evolution = EvolutionSummary()
        for event in result.events:
            evolution.add(event)
        say(summary_lines(evolution, report=result.report, next_commands=result.next_commands()))

    def _done_elsewhere(self, taken: IntakeResult) -> IntakeResult:
        """The report with the result of the process that evolved the agent with it while we waited."""
        if taken.recorded is None or taken.step != "evolve":
            return taken
        evolved = self._queue.evolved(self._agent, taken.recorded.fingerprint)
        if evolved is not None:
            self._say(f"another process has evolved the agent with it: {evolved.outcome} in run {evolved.run}")
        return replace(taken, evolved=evolved)

    def _report(self, taken: IntakeResult | None, **more: Any) -> int:
        if self._options.json:
            values = {**(intake_values(taken) if taken else {}), **more}
            print_json(values)
        return ExitCode.DONE


def _observers() -> list[Observer]:
    return [EvolutionConsole(sys.stderr, time.monotonic, os.environ)]


def _print_line(line: str) -> None:
    say([f"evolve: {line}"], sys.stderr)
    sys.stderr.flush()


def _case_folder(cases: str | None) -> CaseFolder:
    to_reports = is_ci(os.environ) and cases is None
    return CaseFolder(cases or CASES, new_cases=CI_FOLDER if to_reports else None)


def _show_status(queue: AdaptationQueue, options: argparse.Namespace) -> int:
    agents = queue.status()
    if options.json:
        print_json(status_values(agents))
    else:
        say(status_lines(agents, options.per_day))
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
