"""Evolves agents for the failures in the queue: one evolution per agent at a time, all its failures together."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import evolve
from evolve.core.adaptation.status import Batch
from evolve.core.model.errors import EnvironmentFault, InputError, Location, Problem
from evolve.core.text.counts import count
from evolve.evolution.run import EvolutionResult, Observer, run_request
from evolve.report.evolution.adaptation_lines import at_limit, count_failures
from evolve.report.terminal import command_line
from evolve.store.adaptation_files import AdaptationFiles
from evolve.store.adaptation_queue import AdaptationQueue
from evolve.store.agents import find_agent, load_agent

_PROGRAM = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
"""`python -m` for exactly this package: with -P, a folder named `evolve` in the caller's working folder is ignored. The
path is not passed in a variable, because commands that the evolution starts would inherit it."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Evolves agents in this process.

    Args:
        queue: the failures that wait.
        files: the locks of agents.
        per_day: at most so many evolutions of one agent start in a day.
        say: shows what happens.
        observers: makes the observers of one evolution.
    """

    queue: AdaptationQueue
    files: AdaptationFiles
    per_day: int
    say: Callable[[str], None]
    observers: Callable[[], Sequence[Observer]]

    def work(self, agent: str, *, wait: bool = False, log: str = "") -> Iterator[EvolutionResult]:
        """Evolve an agent until none of its failures waits; yields the result of each evolution.

        Does nothing while another process evolves the agent: that process takes everything that is queued.

        Args:
            agent: its file, absolute.
            wait: whether to wait until that other process has finished.
            log: where this process's output goes, for `--status`.

        Raises:
            InputError, EnvironmentFault: the evolution could not be completed; its failures stay in the queue.
            KeyboardInterrupt: the user stopped it; its failures stay in the queue.
        """
        while True:
            with self.files.lock(agent, wait=wait) as is_mine:
                if not is_mine:
                    return
                while self._may_start(agent) and (batch := self.queue.begin(agent, log)) is not None:
                    result = self._evolve(batch)
                    if result is not None:
                        yield result
            # A process that queued a failure after our last look and before we released the lock found the lock held.
            if not self.queue.waits(agent) or self.is_at_limit(agent):
                return

    def is_at_limit(self, agent: str) -> bool:
        """Whether no further evolution of the agent may start today."""
        return self.queue.count_started_today(agent) >= self.per_day

    def _may_start(self, agent: str) -> bool:
        if not self.queue.waits(agent):
            return False
        if self.is_at_limit(agent):
            self.say(at_limit(self.per_day))
            return False
        return True

    def _evolve(self, batch: Batch) -> EvolutionResult | None:
        """The result of the evolution; None when all its cases are gone."""
        try:
            cases = _cases(batch)
            if not cases:
                self.say(f"the cases of {count(len(batch.failures), 'failure')} are gone: nothing to evolve")
                self.queue.finish(batch, "", "nothing-to-do")
                return None
            self.say(f"evolving {Path(batch.agent).stem} for {count_failures(len(batch.failures))}")
            result = self._run(batch, cases)
        except BaseException as error:  # any error: the failures must return to the queue
            why = f"stopped: {str(error) or type(error).__name__}"
            self.queue.give_back(batch, why, counts=not isinstance(error, InputError))
            raise
        self.queue.finish(batch, result.run, result.finished.outcome)
        return result

    def _run(self, batch: Batch, cases: Sequence[str]) -> EvolutionResult:
        request = replace(batch.queued.request, cases=tuple(cases))
        request = replace(request, command=command_line("evolve", request.words()))
        # What a user's Python code prints is not a result of ours.
        with chdir(_folder(batch)), redirect_stdout(sys.stderr):
            result = run_request(request, self.observers())
        if result.is_interrupted:
            raise KeyboardInterrupt
        return result


def start_in_background(files: AdaptationFiles, agent: str, *, module: str, per_day: int) -> tuple[int, Path]:
    """Start a process that works on the agent's queue and outlives this one; returns its process id and its log.

    Args:
        files: where its log goes.
        agent: the agent's file, absolute.
        module: the module of the command to start; it takes --work, --agent, --per-day and --log.
        per_day: at most so many evolutions of the agent start in a day.

    Raises:
        EnvironmentFault: it cannot be started.
    """
    log = files.new_log(agent)
    words = ["--work", "--agent", agent, "--per-day", str(per_day), "--log", str(log)]
    try:
        with log.open("xb") as output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-u",
                    "-P",
                    "-c",
                    _PROGRAM,
                    str(Path(evolve.__file__).resolve().parent.parent),
                    module,
                    *words,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise EnvironmentFault(f"cannot start an evolution in the background: {error}") from error
    # We do not wait for it: it outlives us. Without this line, Popen warns when it is garbage-collected.
    process.returncode = 0
    return process.pid, log


def _cases(batch: Batch) -> list[str]:
    """The agent's folder of cases, because pinned ones guard it, and the failures' files that are elsewhere.

    Empty when all of the failures' files are gone.
    """
    files = [Path(failure.file) for failure in batch.failures if Path(failure.file).is_file()]
    if not files:
        return []
    folder = Path(batch.queued.cases) / load_agent(find_agent(batch.agent)).name
    others = sorted({str(path) for path in files if not path.is_relative_to(folder)})
    return [*([str(folder)] if folder.is_dir() else []), *others]


def _folder(batch: Batch) -> Path:
    folder = Path(batch.queued.folder)
    if not folder.is_dir():
        raise InputError(Problem("the folder where the failure was reported is gone", Location(str(folder))))
    return folder
