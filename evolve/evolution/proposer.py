"""Who proposes next, and what: the bandit's choice of operators, and the reflector for those that ask a model."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.model.agents import Agent, Render
from evolve.core.model.answers import Request
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault
from evolve.core.model.evolution_events import ProposalRejected
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Ledger, Provider
from evolve.core.retrieval.log_odds import LogOdds
from evolve.core.search.bandit import Bandit
from evolve.core.search.operators import Operator, Proposal, Situation, known_operators
from evolve.core.search.population import Candidate, choose_parent
from evolve.core.search.randomness import Rng
from evolve.core.search.tasks import Task


class Reflector(Protocol):
    """The adaptation agent, which writes proposals."""

    calls: int
    """How often it was asked in this run."""

    async def propose(self, inputs: Mapping[str, JsonValue]) -> str | None:
        """Return its answer as text; None when its cap is reached.

        Raises:
            EnvironmentFault: its endpoint failed.
            CannotEvaluate: it has no answer to this.
        """
        ...


class AgentReflector:
    """Asks an agent for proposals, at most `cap` times in a run; answers that are in the ledger are free.

    Args:
        run: the run that pays; its calls do not count against the search's budget.
    """

    def __init__(self, agent: Agent, provider: Provider, ledger: Ledger, render: Render, *, run: str, cap: int) -> None:
        self._agent, self._provider, self._ledger, self._render = agent, provider, ledger, render
        self._run = f"reflector:{run}"
        self._cap = cap
        self.calls = 0

    async def propose(self, inputs: Mapping[str, JsonValue]) -> str | None:
        """See `Reflector.propose`; an answer that is not text is returned as JSON."""
        if self.calls >= self._cap:
            return None
        self.calls += 1
        made = render_agent(self._agent, inputs, None, self._render)
        # Every question is a new one, even if two are equal: otherwise a refused proposal would return again and again.
        request = Request(made.text, dict(inputs), made.config, label=self._agent.title, repeat=self.calls)
        identity = self._provider.identity(request) or {"prompt": made.text}
        numbered: JsonValue = {"call": self.calls, "run": self._run, "of": identity}
        received = await self._ledger.answer(numbered, self._run, lambda: self._provider.answer(request))
        answer = received.answer
        if answer.error is not None:
            raise CannotEvaluate(answer.error)
        return answer.output if isinstance(answer.output, str) else json.dumps(answer.output)


class Proposing:
    """Makes children of a population.

    Args:
        tasks: all cases; operators see those of the train split.
        odds: the words of the labelled train cases; None where the agent's answers are not a closed set.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        *,
        shown: Callable[[Task], str],
        odds: LogOdds | None,
        chance: Rng,
        reflector: Reflector | None = None,
        operators: Sequence[Operator] | None = None,
    ) -> None:
        self._tasks = {task.id: task for task in tasks if task.split == "train"}
        self._shown, self._odds, self._chance = shown, odds, chance
        self._reflector = reflector
        self._is_reflecting = reflector is not None
        """False after its first failure."""
        usable = known_operators() if operators is None else operators
        self._operators = {op.name: op for op in usable if op.reflecting is None or reflector is not None}
        self._bandit = Bandit((op.name, op.prior) for op in self._operators.values())
        favoured = [op for op in self._operators.values() if op.prior[0] > op.prior[1]]
        self._openings = sorted(favoured, key=lambda op: -op.prior[0] / sum(op.prior))

    @property
    def has_openings(self) -> bool:
        """Whether an operator that the evidence favours has not been tried yet."""
        return bool(self._openings)

    async def next(
        self, population: Sequence[Candidate], known: Mapping[str, object]
    ) -> tuple[tuple[str, Proposal, Candidate] | None, list[ProposalRejected]]:
        """Return (operator, proposal, parent) of a genome that is not `known`, and what was refused on the way.

        The operators that the evidence favours are tried once on the incumbent; after that the bandit chooses.
        """
        if self._openings:
            parent, names = population[0], [self._openings.pop(0).name]
        else:
            parent, names = choose_parent(population, self._chance), self._bandit.rank(self._chance)
        refused: list[ProposalRejected] = []
        for name in names:
            found = await self._propose(self._operators[name], parent, population)
            if isinstance(found, str):
                refused.append(ProposalRejected(name, found))
            elif found is not None and found.genome.id in known:
                refused.append(ProposalRejected(name, f"known already: {found.note}"))
            elif found is not None:
                return (name, found, parent), refused
        return None, refused

    def learn(self, operator: str, gain: float, rollouts: int) -> None:
        """Report to the bandit what a child was worth; see `Bandit.pay`."""
        self._bandit.pay(operator, gain, rollouts)

    async def _propose(
        self, operator: Operator, parent: Candidate, population: Sequence[Candidate]
    ) -> Proposal | str | None:
        situation = Situation(parent, population, self._tasks, self._shown, self._odds, self._chance)
        if operator.reflecting is None:
            return operator.propose(situation)
        inputs = operator.reflecting.ask(situation) if self._is_reflecting else None
        if inputs is None or self._reflector is None:
            return None
        try:
            answer = await self._reflector.propose(inputs)
        except CannotEvaluate as error:
            return f"the reflector has no answer: {error}"
        except EnvironmentFault as fault:
            # The search continues without it: the operators that ask no model still work.
            self._is_reflecting = False
            return f"the reflector failed and is not asked again: {fault}"
        return None if answer is None else operator.reflecting.read(situation, answer)
