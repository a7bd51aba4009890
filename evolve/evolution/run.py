"""One evolution from its request to its result: both the command and the worker evolve an agent through it.

It archives the run, writes its winner and its report, and passes every event to observers. It prints nothing.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import ExitStack, aclosing, closing
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Protocol

from evolve.core.evolution.request import EvolutionRequest
from evolve.core.evolution.summary import fold
from evolve.core.model.errors import EnvironmentFault, InputError, Location, Problem
from evolve.core.model.evolution_events import (
    CandidateProposed,
    CaseRecorded,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
    GateDecided,
    ReflectorStopped,
)
from evolve.core.model.gate import BeyondLookup
from evolve.core.model.json_value import JsonValue
from evolve.core.model.provider_id import provider_id
from evolve.core.search.case_index import CaseIndex
from evolve.core.search.gate_size import small_gate
from evolve.core.search.genome import Genome, agent_of, demos_of
from evolve.evaluation.setup import Settings
from evolve.evolution.inputs import EvolutionInputs, drop_overused_gate_families, read_inputs, run_id
from evolve.evolution.loop import Evolution
from evolve.evolution.settle_cases import settle_cases
from evolve.evolution.setup import OPENERS, KnownBudget, Openers, Resources, open_resources, prepare
from evolve.executors.distributors import opened_distributor
from evolve.store.agent_files import write_agent
from evolve.store.archive import Archive, Recorder
from evolve.store.gate_log import AgentGates, GateLog

GATE_LOG = "gate_log.jsonl"


class Observer(Protocol):
    """Follows a run. It is entered before the first event and left after the last."""

    def __enter__(self) -> object:
        """Begin to show the run."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, also when the run failed."""

    def warn(self, text: str) -> None:
        """Take a message that the user should see; may be called before the observer is entered."""

    def on(self, event: EvolutionEvent) -> None:
        """Take one event."""


@dataclass(frozen=True, slots=True)
class EvolutionResult:
    """The result of a run."""

    run: str
    agent: str
    """NAME@VERSION of the agent that was evolved."""
    # Not in the repr: when asyncio restores Ctrl-C's handler, it makes the main task's repr, with its result in it.
    events: tuple[EvolutionEvent, ...] = field(repr=False)
    finished: EvolutionFinished
    gate: GateDecided | None
    """None where the run ended before its gate decided."""
    winner_file: Path | None
    """None where no candidate entered the gate."""
    report: Path

    @property
    def is_interrupted(self) -> bool:
        """Whether the user stopped the run; the same request continues it."""
        return self.finished.outcome == "interrupted"

    def next_commands(self) -> list[str]:
        """Return what one would type next; each is a complete command."""
        anyway = " --despite-lookup" if self._beyond and not self._beyond.is_beyond else ""
        promote = {
            "proven": f"evolve promote {self.run}{anyway}",
            "provisional": f"evolve promote {self.run} --provisional{anyway}",
        }
        if self.finished.outcome == "untested":
            return [f"evolve diff {self.run}"]
        if self.finished.outcome in promote:
            return [f"evolve diff {self.run}", promote[self.finished.outcome]]
        return []

    @property
    def _beyond(self) -> BeyondLookup | None:
        return self.gate.beyond if self.gate else None

    def _beyond_json(self) -> dict[str, JsonValue] | None:
        found = self._beyond
        return {**asdict(found), "gain": found.gain, "is_beyond": found.is_beyond} if found else None

    def _budget_json(self) -> dict[str, JsonValue] | None:
        """The budget and what was used of it, in its unit; None for a run without its first event."""
        started = next((event for event in self.events if isinstance(event, EvolutionStarted)), None)
        if started is None:
            return None
        return {"unit": started.budget_unit, "total": started.budget, "used": fold(self.events).used}

    def result_json(self) -> dict[str, JsonValue]:
        """Return the result for machines."""
        return {
            "run": self.run,
            "agent": self.agent,
            "outcome": self.finished.outcome,
            "reason": self.finished.reason,
            "winner": self.finished.winner,
            "written_by_hand": list(fold(self.events).origins),
            "winner_file": str(self.winner_file) if self.winner_file else None,
            "gate": asdict(self.gate.decision) if self.gate else None,
            "vote": self.gate.vote if self.gate else None,
            "beyond_lookup": self._beyond_json(),
            "reflector_stopped": next((e.reason for e in self.events if isinstance(e, ReflectorStopped)), None),
            "reflectors": [asdict(one) for one in fold(self.events).reflectors],
            "budget": self._budget_json(),
            "account": asdict(self.finished.account),
            "still_failing": list(self.finished.still_failing),
            "report": str(self.report),
        }


def run_request(request: EvolutionRequest, observers: Sequence[Observer]) -> EvolutionResult:
    """Read what a request names, and run it in an event loop of its own.

    Raises:
        InputError: every problem of agent, suite and cases; or what `run` raises.
        EnvironmentFault: the endpoint failed; the message names the command that continues the run.
        KeyboardInterrupt: the user stopped it before its first event.
    """
    # Strictly: hours are spent on what these files say, and warnings would scroll away.
    strict = Settings(undefined="strict", unknown_keys="error", concurrency=request.concurrency)
    inputs = read_inputs(request, strict)
    try:
        # Opened when the inputs are known to be right: joining a cluster takes seconds.
        with opened_distributor(request.executor) as distributor:
            inputs = replace(inputs, settings=replace(strict, distributor=distributor))
            return asyncio.run(run(request, inputs, observers))
    except EnvironmentFault as fault:
        hint = f"the same command continues from here: {request.command}"
        raise EnvironmentFault(f"{fault}; all answers so far are stored", hint=hint) from fault


async def run(
    request: EvolutionRequest, inputs: EvolutionInputs, observers: Sequence[Observer], *, openers: Openers = OPENERS
) -> EvolutionResult:
    """Evolve the agent on the cases, and return the result; a run that the user stopped has one, too.

    Args:
        request: what was asked for.
        inputs: what `read_inputs` returned for it.
        observers: who follows the run.
        openers: how provider and ledger are opened; each is opened once.

    Raises:
        InputError: provider or reflector is wrong, or a folder cannot be written.
        EnvironmentFault: the endpoint failed; the same request, run again, continues from there.
    """
    settings = inputs.settings
    provider = provider_id(inputs.agent, request.provider, settings.env, file=inputs.agent_path)
    async with open_resources(provider, settings, openers) as opened:
        index = CaseIndex(inputs.agent, inputs.tasks, opened.templates.render)
        settled: tuple[CaseRecorded, ...] = ()
        if request.shrink_budget:
            settled, paid = await settle_cases(request, inputs, opened, index)
            inputs = replace(read_inputs(request, settings), shrinking=paid)
            index = CaseIndex(inputs.agent, inputs.tasks, opened.templates.render, index)
        return await _Run(request, inputs, opened, index, settled, observers).result()


class _Run:
    """One run from its first answer to its report.

    Args:
        settled: the events of new cases that were settled before.
    """

    def __init__(
        self,
        request: EvolutionRequest,
        inputs: EvolutionInputs,
        opened: Resources,
        index: CaseIndex,
        settled: Sequence[CaseRecorded],
        observers: Sequence[Observer],
    ) -> None:
        self._request, self._inputs, self._opened, self._index = request, inputs, opened, index
        self._settled, self._observers = settled, observers
        self._id = run_id(request, inputs, opened.provider_id)
        self._folder = Path(request.output_dir) / self._id
        self._events: list[EvolutionEvent] = []
        self._gate: GateDecided | None = None
        self._winner_file: Path | None = None

    async def result(self) -> EvolutionResult:
        """The run's result. The report is written in any case."""
        from evolve.report.evolution.html import write_evolution_html

        report = self._folder / "report.html"
        self._make_folder()
        with closing(Archive(self._inputs.settings.cache_dir)) as archive:
            known = _known_budget(archive, self._id)
            gates = self._gates()
            evolution = await prepare(
                self._request, self._inputs, self._opened, self._index, gates, run=self._id, known_budget=known
            )
            with ExitStack() as following:
                for observer in self._observers:
                    following.enter_context(observer)
                try:
                    finished = await self._follow(evolution, archive)
                except asyncio.CancelledError:
                    finished = evolution.interrupted_event()
                    self._take(finished)
                finally:
                    if self._events:
                        write_evolution_html(report, self._events)
                        _point_to(self._folder)
        title = self._inputs.agent.title
        return EvolutionResult(self._id, title, tuple(self._events), finished, self._gate, self._winner_file, report)

    async def _follow(self, evolution: Evolution, archive: Archive) -> EvolutionFinished:
        recorder: Recorder | None = None
        async with aclosing(evolution.events()) as events:
            async for event in events:
                if isinstance(event, EvolutionStarted):
                    path = self._inputs.agent_path
                    recorder = archive.begin(event, agent_file=path, winner_file=self._winner_path)
                assert recorder is not None
                recorder.event(event)
                if isinstance(event, CandidateProposed | EvolutionStarted):
                    _archive_candidate(recorder, evolution, event)
                self._take(event)
                if isinstance(event, EvolutionStarted):
                    for settled in self._settled:
                        recorder.event(settled)
                        self._take(settled)
                if isinstance(event, GateDecided):
                    self._gate = event
                if isinstance(event, EvolutionFinished):
                    if evolution.winner is not None:
                        self._write_winner(evolution.winner.genome)
                    return event
        raise AssertionError("a run ends with EvolutionFinished")

    def _take(self, event: EvolutionEvent) -> None:
        self._events.append(event)
        for observer in self._observers:
            observer.on(event)

    @property
    def _winner_path(self) -> Path:
        return self._folder / "winner" / f"{self._inputs.agent.name}.md"

    def _write_winner(self, genome: Genome) -> None:
        """Write an agent file into the run's folder; promotion gives it its version and evidence."""
        agent, inputs = self._inputs.agent, self._inputs
        made = replace(agent_of(genome, agent), parent=agent.title, evidence=None)
        demos = demos_of(genome, inputs.tasks, inputs.own_demos)
        write_agent(self._winner_path, made, demos, self._opened.templates.render)
        self._winner_file = self._winner_path

    def _make_folder(self) -> None:
        """Make the run's folder before the first answer is paid for.

        Raises:
            InputError: the run's folder cannot be made.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot make the run's folder: {error.strerror}"
            raise InputError(Problem(message, Location(str(self._folder)), "pass another --output-dir")) from None

    def _gates(self) -> AgentGates:
        agent, path = self._inputs.agent, self._inputs.agent_path
        log = GateLog(path.parent / GATE_LOG)
        if not os.access(path.parent, os.W_OK):
            hint = f"copy the agent to a folder that you can write, and pass it: --agent {path.name}"
            raise InputError(Problem("cannot record a gate next to the agent", Location(str(path.parent)), hint))
        # A damaged log is reported here, before the first answer is paid for.
        earlier = [gate for gate in log.gates() if gate.run != self._id]
        self._inputs, advice = drop_overused_gate_families(self._inputs, earlier)
        today, lane = (lambda: date.today().isoformat()), self._request.objective
        gates = AgentGates(log, agent.name, agent.title, today, lane)
        for text in (advice, _about_suite(self._inputs.missing_suite), self._about_gate(gates)):
            for observer in self._observers if text else ():
                observer.warn(text)
        return gates

    def _about_gate(self, gates: AgentGates) -> str:
        """A warning of a gate that can prove nothing, before the first answer is paid for; empty for most gates."""
        alpha, is_open = gates.level(self._id)
        lack = small_gate({t.family for t in self._inputs.tasks if t.split == "gate" and t.is_scored}, alpha)
        if not lack or is_open:
            return ""
        if self._request.small_gate:
            return f"{lack}; --small-gate opens it anyway, which uses up its level"
        what = "it stays closed, and the winner ends untested"
        return f"{lack}; {what}. Add tests of other families with `split: gate`, or open it anyway with --small-gate"


def _about_suite(missing: str) -> str:
    if not missing:
        return ""
    return f"the agent's suite {missing} is not here: only the failure cases are used; pass its file with --suite"


def _archive_candidate(recorder: Recorder, evolution: Evolution, event: CandidateProposed | EvolutionStarted) -> None:
    info = event.candidate if isinstance(event, CandidateProposed) else event.incumbent
    genome = evolution.genome(info.id)
    if genome is not None:
        recorder.candidate(genome, info.parents, info.operator, info.note)


def _point_to(folder: Path) -> None:
    """Make `latest`, in the folder of all runs, point to this one."""
    part = folder.with_name(f".latest.{os.getpid()}")
    part.unlink(missing_ok=True)
    part.symlink_to(folder.name)
    part.replace(folder.with_name("latest"))


def _known_budget(archive: Archive, run: str) -> KnownBudget | None:
    """The budget of an earlier attempt of the run; None for the first attempt."""
    if not archive.knows(run):
        return None
    first = next(iter(archive.events(run)), None)
    return (first.budget, first.budget_unit) if isinstance(first, EvolutionStarted) else None
