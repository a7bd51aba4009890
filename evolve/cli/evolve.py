"""`evolve --test-case FILE|DIR`: evolves the agent that failed, and puts the winner through the gate.

The same command again goes on where an interrupted run stopped. Nothing but `evolve promote` changes an agent's file.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack, aclosing, redirect_stdout
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from evolve.cli._guard import INTERRUPTED, guarded
from evolve.cli._options import budget, positive, whole
from evolve.core.model.errors import EnvironmentFault, ExitCode, InputError, Location, Problem
from evolve.core.model.evolution_events import (
    CandidateProposed,
    CaseRecorded,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
    GateDecided,
)
from evolve.core.search.genome import Genome, agent_of, demos_of
from evolve.core.model.provider_id import DEFAULT_PROVIDER
from evolve.evaluation.setup import Settings
from evolve.evolution.inputs import Material, Wish, read_material, run_id, without_worn_families
from evolve.evolution.loop import Evolution
from evolve.evolution.settle_cases import settle_cases
from evolve.evolution.setup import Prepared, prepare
from evolve.report.evolution.console import EvolutionConsole
from evolve.report.evolution.lines import summary_lines
from evolve.report.terminal import command_line, say
from evolve.store.agent_files import write_agent
from evolve.store.archive import Archive, Recorder
from evolve.store.gate_log import AgentGates, GateLog

if TYPE_CHECKING:
    from evolve.report.evolution.live import LivePage

DEFAULT_BUDGET = 200
OUTPUT_DIR = "reports/evolve"
GATE_LOG = "gate_log.jsonl"


def main(arguments: Sequence[str]) -> int:
    """Evolves; 0 done, whatever the gate said; 2 wrong input, 4 the environment."""
    options = _parser().parse_args(arguments)
    wish = _wish(options, arguments)
    settings = Settings(concurrency=options.concurrency)
    with redirect_stdout(sys.stderr):  # what a user's Python prints is no result
        material = read_material(wish, settings)
        try:
            material, settled = _settled(wish, material, settings)
            run = _Run(options, wish, settings, material, settled)
            finished = asyncio.run(run.whole())
        except EnvironmentFault as fault:
            hint = f"the same command goes on from here: {wish.command}"
            raise EnvironmentFault(f"{fault}; what was answered is kept", hint=hint) from fault
    if finished is None:
        return INTERRUPTED
    if options.json:
        print(json.dumps(run.told(finished), ensure_ascii=False), flush=True)
    else:
        say(summary_lines(run.console.evolution, next_commands=run.next_commands(finished)))
    return ExitCode.DONE


def _settled(wish: Wish, material: Material, settings: Settings) -> tuple[Material, list[CaseRecorded]]:
    """The material after its new cases were asked again, where the user gave a budget for that."""
    if not wish.shrink_budget:
        return material, []
    events, bought = asyncio.run(settle_cases(wish, material, settings, _provider(wish, material, settings)))
    return replace(read_material(wish, settings), shrinking=bought), events


def _provider(wish: Wish, material: Material, settings: Settings) -> str:
    return wish.provider or settings.env.get("EVOLVE_PROVIDER") or material.agent.model or DEFAULT_PROVIDER


class _Run:
    """One run from its first answer to its report.

    Args:
        settled: what became of new cases before.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        wish: Wish,
        settings: Settings,
        material: Material,
        settled: Sequence[CaseRecorded],
    ) -> None:
        self._options, self._wish, self._settings, self._material = options, wish, settings, material
        self._settled = settled
        self._provider = _provider(wish, material, settings)
        self._id = run_id(wish, material, self._provider)
        self._folder = Path(options.output_dir) / self._id
        self._events: list[EvolutionEvent] = []
        self.console = EvolutionConsole(sys.stderr, time.monotonic, settings.env)
        self._decision: GateDecided | None = None
        self._winner_file: Path | None = None

    @property
    def report(self) -> Path:
        """Where the report is."""
        return self._folder / "report.html"

    @property
    def _winner_path(self) -> Path:
        return self._folder / "winner" / f"{self._material.agent.name}.md"

    async def whole(self) -> EvolutionFinished | None:
        """The run's last event; None when the user stopped it. The report is written in any case."""
        from evolve.report.evolution.html import write_evolution_html

        self._make_folder()
        archive = Archive(self._settings.cache_dir)
        known = _known_budget(archive, self._id)
        gates = self._gates()
        async with AsyncExitStack() as stack:
            stack.callback(archive.close)
            prepared = await prepare(
                self._wish,
                self._material,
                self._settings,
                gates,
                run=self._id,
                provider=self._provider,
                known_budget=known,
            )
            stack.push_async_callback(prepared.close)
            with ExitStack() as shown:
                shown.enter_context(self.console)
                live = self._live_page(shown)
                try:
                    return await self._follow(prepared, archive, live)
                except asyncio.CancelledError:
                    self._take(prepared.evolution.interrupted(), live)
                    return None
                finally:
                    if self._events:
                        write_evolution_html(self.report, self._events)
                        _point_to(self._folder)
        raise AssertionError("a run ends with EvolutionFinished")

    async def _follow(self, prepared: Prepared, archive: Archive, live: "LivePage | None") -> EvolutionFinished:
        evolution = prepared.evolution
        recorder: Recorder | None = None
        async with aclosing(evolution.events()) as events:
            async for event in events:
                if isinstance(event, EvolutionStarted):
                    recorder = archive.begin(event, agent_file=self._material.agent_path, winner_file=self._winner_path)
                assert recorder is not None
                recorder.event(event)
                if isinstance(event, CandidateProposed | EvolutionStarted):
                    self._archive_candidate(recorder, evolution, event)
                self._take(event, live)
                if isinstance(event, EvolutionStarted):
                    for settled in self._settled:
                        recorder.event(settled)
                        self._take(settled, live)
                if isinstance(event, GateDecided):
                    self._decision = event
                if isinstance(event, EvolutionFinished):
                    if evolution.winner is not None:
                        self._winner_file = self._write_winner(prepared, evolution.winner.genome)
                    return event
        raise AssertionError("a run ends with EvolutionFinished")

    def _take(self, event: EvolutionEvent, live: "LivePage | None") -> None:
        self._events.append(event)
        self.console.on(event)
        if live is not None:
            live.add(event)

    def _archive_candidate(
        self, recorder: Recorder, evolution: Evolution, event: CandidateProposed | EvolutionStarted
    ) -> None:
        info = event.candidate if isinstance(event, CandidateProposed) else event.incumbent
        genome = evolution.genome(info.id)
        if genome is not None:
            recorder.candidate(genome, info.parents, info.operator, info.note)

    def _write_winner(self, prepared: Prepared, genome: Genome) -> Path:
        """The winner as an agent file in the run's folder; promotion gives it its version and evidence."""
        agent = self._material.agent
        made = replace(agent_of(genome, agent), parent=agent.title, evidence=None)
        write_agent(
            self._winner_path, made, demos_of(genome, self._material.tasks, self._material.own_demos), prepared.render
        )
        return self._winner_path

    def _make_folder(self) -> None:
        """Before the first answer is bought.

        Raises:
            InputError: the run's folder cannot be made.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot make the run's folder: {error.strerror}"
            raise InputError(Problem(message, Location(str(self._folder)), "name another with --output-dir")) from None

    def _gates(self) -> AgentGates:
        agent, path = self._material.agent, self._material.agent_path
        log = GateLog(path.parent / GATE_LOG)
        if not os.access(path.parent, os.W_OK):
            hint = f"copy the agent to a folder of yours and name it: --agent {path.name}"
            raise InputError(Problem("no gate can be recorded beside the agent", Location(str(path.parent)), hint))
        # A damaged log is told here, before the first answer is bought.
        earlier = [gate for gate in log.gates() if gate.run != self._id]
        self._material, advice = without_worn_families(self._material, earlier)
        if advice:
            say([f"evolve: warning: {advice}"], sys.stderr)
        return AgentGates(log, agent.name, agent.title, lambda: date.today().isoformat())

    def _live_page(self, shown: ExitStack) -> "LivePage | None":
        if not self._options.live:
            return None
        from evolve.report.evolution.live import LivePage

        page = shown.enter_context(LivePage())
        say([f"evolve: the run can be watched at {page.url}"], sys.stderr)
        return page

    def next_commands(self, finished: EvolutionFinished) -> list[str]:
        """What one would type next."""
        commands = [f"open {self.report}"]
        if finished.outcome in ("proven", "provisional"):
            commands = [f"evolve diff {self._id}", f"evolve promote {self._id}", *commands]
        return commands

    def told(self, finished: EvolutionFinished) -> dict[str, object]:
        """The run for machines."""
        decision = asdict(self._decision.decision) if self._decision else None
        return {
            "run": self._id,
            "agent": self._material.agent.title,
            "outcome": finished.outcome,
            "reason": finished.reason,
            "winner": finished.winner,
            "winner_file": str(self._winner_file) if self._winner_file else None,
            "gate": decision,
            "vote": self._decision.vote if self._decision else None,
            "account": asdict(finished.account),
            "still_failing": list(finished.still_failing),
            "report": str(self.report),
        }


def _point_to(folder: Path) -> None:
    """Makes `latest`, beside the run's folder, lead to it."""
    part = folder.with_name(f".latest.{os.getpid()}")
    part.unlink(missing_ok=True)
    part.symlink_to(folder.name)
    part.replace(folder.with_name("latest"))


def _known_budget(archive: Archive, run: str) -> int | None:
    """The budget of an earlier attempt of the run; None when this is the first."""
    if not archive.knows(run):
        return None
    first = next(iter(archive.events(run)), None)
    return first.budget if isinstance(first, EvolutionStarted) else None


def _wish(options: argparse.Namespace, arguments: Sequence[str]) -> Wish:
    if not options.test_case and not options.suite:
        raise InputError(Problem("nothing to evolve on", None, "name failure cases (--test-case) or a suite (--suite)"))
    answers, minutes = options.budget
    return Wish(
        cases=tuple(options.test_case),
        suite=options.suite,
        agent=options.agent,
        budget=answers,
        minutes=minutes,
        seed=options.seed,
        provider=options.provider,
        reflector=options.reflector or os.environ.get("EVOLVE_REFLECTOR") or None,
        reflector_cap=options.reflector_cap,
        concurrency=options.concurrency,
        shrink_budget=options.shrink_budget,
        command=command_line("evolve", arguments),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evolve",
        description="Evolves the agent that failed: its prompt is searched, and the winner put through the gate.",
        epilog="The same command again goes on where a run stopped. `evolve promote` takes the winner over.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--test-case", action="append", default=[], metavar="FILE|DIR", help="failure cases; may be given several times"
    )
    add("--suite", metavar="FILE", help="the agent's suite; default: the one its evidence names")
    add("--agent", metavar="NAME|FILE.md", help="default: the agent that the cases name")
    add(
        "--budget",
        type=budget,
        default=(DEFAULT_BUDGET, None),
        metavar="N|Nm",
        help=f"answers that search and gate may buy together, or minutes (5m), as measured; default {DEFAULT_BUDGET}",
    )
    add(
        "--seed", type=int, default=1, metavar="S", help="the same seed on the same material is the same run; default 1"
    )
    add("--provider", metavar="ID", help="who answers; default: EVOLVE_PROVIDER, else the agent's own model")
    add("--reflector", metavar="ID", help="a capable model that writes proposals; default: EVOLVE_REFLECTOR, else none")
    add(
        "--reflector-cap",
        type=positive,
        default=30,
        metavar="N",
        help="questions to the reflector at most; default 30",
    )
    add(
        "--shrink-budget",
        type=whole,
        default=0,
        metavar="N",
        help="answers for making new failure cases smaller, or finding them flaky, first; default 0: as they are",
    )
    add("--concurrency", type=positive, metavar="N", help="questions at once")
    add("--output-dir", default=OUTPUT_DIR, metavar="DIR", help=f"where the run's folder goes; default {OUTPUT_DIR}")
    add("--live", action="store_true", help="a local page that follows the run")
    add("--json", action="store_true", help="the result as one JSON object on stdout, nothing else")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
