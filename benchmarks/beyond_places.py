"""One unit's place in `evolve_beyond.py`: its task, its model behind the meter, its folder, and what it found."""

import asyncio
import json
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from beyond_tasks import RENDER, BenchmarkTask
from evolve_meter import Channel, Meter
from evolve_splits import Outcome

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.model.agents import Agent, Demo
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.search.tasks import Task
from evolve.store.agent_files import write_agent
from evolve.store.agents import load_agent, load_bank

_AGENT = "found/FOUND.md"
_OUTPUTS = "found/outputs.json"


@dataclass(frozen=True, slots=True)
class UnitFound:
    """What an arm came up with: an agent in the unit's folder, or its outputs to the held-out cases."""

    note: str = ""
    """What a reader of the numbers should know."""
    outputs: Mapping[str, Mapping[str, JsonValue]] | None = None
    """By name of a way to answer, each case's output; the best way counts. None: the agent answers."""


@dataclass(frozen=True, slots=True)
class Place:
    """What an arm gets."""

    task: BenchmarkTask
    held_out: Sequence[Task]
    """The cases that judge; an arm may only answer them, with what it found."""
    meter: Meter
    search: Channel
    """Limited to the budget of tokens; proposals are bought here, too."""
    judging: Channel
    """Answers to the held-out cases."""
    folder: Path
    """Where the arm may write; what it writes to `work` is gone when the unit is started again."""
    seed: int
    budget: int
    """Tokens, read and written."""
    venvs: Path
    """Environments of other libraries."""
    proposer: str = "target"
    """The model that writes proposals, as the meter knows it."""

    @property
    def work(self) -> Path:
        """The arm's own folder."""
        return self.folder / "work"

    def keep_agent(self, agent: Agent, demos: Sequence[Demo] = ()) -> None:
        """Write the agent that the arm found."""
        path = self.folder / _AGENT
        path.parent.mkdir(parents=True, exist_ok=True)
        write_agent(path, agent, demos, RENDER)

    def ask(self, channel: Channel, agent: Agent, case: Task, file: Path) -> str:
        """Return the agent's answer to a case; empty where the prompt does not fit into the model.

        Args:
            channel: who pays.
            agent: the agent.
            case: the case.
            file: the agent's file; its bank is next to it.
        """
        prompt = render_agent(agent, case.vars, load_bank(agent, file, RENDER), RENDER)
        try:
            return self.meter.ask(channel, prompt.messages, prompt.config)
        except CannotEvaluate:
            return ""

    def agent_outcomes(self) -> list[Outcome]:
        """Ask the agent that was found about the held-out cases, and return what its answers are worth."""
        file = self.folder / _AGENT
        agent = load_agent(file)
        answers = [(case, self.ask(self.judging, agent, case, file)) for case in self.held_out]
        return asyncio.run(self._outcomes(answers, agent.scratch))

    def best_outcomes(self, outputs: Mapping[str, Mapping[str, JsonValue]]) -> tuple[str, list[Outcome]]:
        """Return the way that is right most often, by its name, and what its outputs are worth."""
        judged = {
            name: asyncio.run(self._outcomes([(case, known.get(case.id)) for case in self.held_out], ()))
            for name, known in outputs.items()
        }
        best = max(judged, key=lambda name: sum(outcome.is_right for outcome in judged[name]))
        return best, judged[best]

    async def _outcomes(self, answers: Sequence[tuple[Task, JsonValue]], scratch: Sequence[str]) -> list[Outcome]:
        return [await self.task.outcome(case, output, scratch) for case, output in answers]


def keep_found(folder: Path, found: UnitFound, spent: Mapping[str, JsonValue]) -> None:
    """Write what an arm found and spent; afterwards its search is never run again."""
    if found.outputs is not None:
        path = folder / _OUTPUTS
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found.outputs, indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / "found.json").write_text(json.dumps({"note": found.note, "spent": dict(spent)}), encoding="utf-8")


def known_found(folder: Path) -> tuple[UnitFound, dict[str, JsonValue]] | None:
    """Return what an earlier attempt found and spent; None where it did not get that far."""
    path = folder / "found.json"
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    outputs = folder / _OUTPUTS
    known = json.loads(outputs.read_text(encoding="utf-8")) if outputs.exists() else None
    return UnitFound(str(data["note"]), known), data["spent"]


def client_cpu_s() -> float:
    """Return the CPU seconds of this process and of its children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
