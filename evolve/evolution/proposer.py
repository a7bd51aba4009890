"""Who proposes next, and what: the bandit's choice of operators, and the reflector for those that ask a model."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.model.agents import Agent, Render
from evolve.core.model.answers import Request
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault
from evolve.core.model.evolution_events import ProposalRejected, ReflectorStopped
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Ledger, Provider
from evolve.core.retrieval.log_odds import LogOdds
from evolve.core.search.bandit import Bandit
from evolve.core.search.genome import Genome
from evolve.core.search.operators import Operator, Proposal, Situation, known_operators
from evolve.core.search.population import Candidate, choose_parent
from evolve.core.search.proposal_guard import ProposalGuard, answers_of
from evolve.core.search.proposals import Refused
from evolve.core.search.randomness import Rng
from evolve.core.search.refusals import Refusals
from evolve.core.search.tasks import Task

_CHARS_PER_TOKEN = 2
"""At least, of an instruction in most languages: the limit in characters must be reached before that in tokens."""


class Reflector(Protocol):
    """The adaptation agent, which writes proposals."""

    calls: int
    """How often it was asked in this run."""

    async def propose(self, inputs: Mapping[str, JsonValue], max_chars: int) -> str | None:
        """Return its answer as text; None when its cap is reached.

        Args:
            inputs: the adaptation agent's.
            max_chars: how long the proposed text may be.

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

    async def propose(self, inputs: Mapping[str, JsonValue], max_chars: int) -> str | None:
        """See `Reflector.propose`; an answer that is not text is returned as JSON."""
        if self.calls >= self._cap:
            return None
        self.calls += 1
        made = render_agent(_limited(self._agent, max_chars), inputs, None, self._render)
        # Every question is a new one, even if two are equal: otherwise a refused proposal would return again and again.
        request = Request(made.text, dict(inputs), _lenient(made.config), label=self._agent.title, repeat=self.calls)
        identity = self._provider.identity(request) or {"prompt": made.text}
        numbered: JsonValue = {"call": self.calls, "run": self._run, "of": identity}
        received = await self._ledger.answer(numbered, self._run, lambda: self._provider.answer(request))
        answer = received.answer
        if answer.error is not None:
            raise CannotEvaluate(answer.error)
        if answer.output is None:
            return ""
        return answer.output if isinstance(answer.output, str) else json.dumps(answer.output)


def _limited(agent: Agent, max_chars: int) -> Agent:
    """The adaptation agent with the limit of one question in its schema, and tokens enough for it."""
    properties = agent.output.get("properties")
    text = properties.get("text") if isinstance(properties, dict) else None
    if not isinstance(properties, dict) or not isinstance(text, dict):
        return agent
    schema: dict[str, JsonValue] = {
        **agent.output,
        "properties": {**properties, "text": {**text, "maxLength": max_chars}},
    }
    known = agent.sampling.get("max_tokens")
    tokens = max(known if isinstance(known, int) else 0, max_chars // _CHARS_PER_TOKEN)
    return replace(agent, output=schema, sampling={**agent.sampling, "max_tokens": tokens})


def _lenient(config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The call's settings with a schema that is not strict: some endpoints refuse a strict one with a maxLength."""
    form = config.get("response_format")
    schema = form.get("json_schema") if isinstance(form, dict) else None
    if not isinstance(form, dict) or not isinstance(schema, dict):
        return dict(config)
    return {**config, "response_format": {**form, "json_schema": {**schema, "strict": False}}}


class Proposing:
    """Makes children of a population.

    Args:
        tasks: all cases; operators see those of the train split.
        incumbent: the current agent.
        output: its output schema.
        odds: the words of the labelled train cases; None where the agent's answers are not a closed set.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        *,
        incumbent: Genome,
        output: Mapping[str, JsonValue],
        shown: Callable[[Task], str],
        odds: LogOdds | None,
        chance: Rng,
        reflector: Reflector | None = None,
        operators: Sequence[Operator] | None = None,
    ) -> None:
        self._tasks = {task.id: task for task in tasks if task.split == "train"}
        self._shown, self._odds, self._chance = shown, odds, chance
        self._output, self._answers = output, answers_of(output)
        self._guard = ProposalGuard(incumbent, self._answers, self._tasks.values(), shown)
        self._reflector = reflector
        self._is_reflecting = reflector is not None
        """False after its first failure, and after too many equal refusals."""
        self._refusals = Refusals()
        self._events: list[ProposalRejected | ReflectorStopped] = []
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
    ) -> tuple[tuple[str, Proposal, Candidate] | None, list[ProposalRejected | ReflectorStopped]]:
        """Return (operator, proposal, parent) of a genome that is not `known`, and the events on the way.

        The operators that the evidence favours are tried once on the incumbent; after that the bandit chooses.
        """
        if self._openings:
            parent, names = population[0], [self._openings.pop(0).name]
        else:
            parent, names = choose_parent(population, self._chance), self._bandit.rank(self._chance)
        self._events = []
        for name in names:
            found = await self._propose(self._operators[name], parent, population)
            if isinstance(found, Proposal):
                found = self._refusal(self._operators[name], found, parent, known) or found
            if isinstance(found, Refused):
                self._refuse(self._operators[name], found)
            elif found is not None:
                if self._operators[name].reflecting is not None:
                    self._refusals.taken()
                return (name, found, parent), self._events
        return None, self._events

    def _refusal(
        self, operator: Operator, found: Proposal, parent: Candidate, known: Mapping[str, object]
    ) -> Refused | None:
        """Why a proposal is not worth a rollout; None for most."""
        if found.genome.id in known:
            return Refused("repeat", f"known already: {found.note}")
        lost = self._guard.check_answers(found.genome)
        if lost or operator.reflecting is None:
            return lost
        return self._guard.check_copies(found.genome, parent.genome)

    def learn(self, operator: str, gain: float, rollouts: int, note: str = "") -> None:
        """Report what a child was worth: to the bandit (see `Bandit.pay`), and to the reflector if it was its proposal.

        Args:
            operator: that made the child.
            gain: mean of the child minus that of its parent.
            rollouts: answers that were paid for.
            note: what was new in the child.
        """
        self._bandit.pay(operator, gain, rollouts)
        if gain <= 0 and self._operators[operator].reflecting is not None:
            self._refusals.did_not_help(note)

    def _refuse(self, operator: Operator, refused: Refused) -> None:
        """Record a refusal, and stop asking the reflector after too many equal ones of its own."""
        self._events.append(ProposalRejected(operator.name, refused.reason))
        if operator.reflecting is None or not self._is_reflecting:
            return
        self._refusals.add(refused)
        if why := self._refusals.why_stop:
            self._stop_asking(why, self._refusals.hint)

    def _stop_asking(self, why: str, hint: str) -> None:
        self._is_reflecting = False
        calls = self._reflector.calls if self._reflector else 0
        self._events.append(ReflectorStopped(why, hint, calls))

    async def _propose(
        self, operator: Operator, parent: Candidate, population: Sequence[Candidate]
    ) -> Proposal | Refused | None:
        situation = Situation(
            parent, population, self._tasks, self._shown, self._odds, self._chance, self._answers, self._output
        )
        if operator.reflecting is None:
            return operator.propose(situation)
        inputs = operator.reflecting.ask(situation) if self._is_reflecting else None
        if inputs is None or self._reflector is None:
            return None
        try:
            limit = operator.reflecting.limit(situation)
            answer = await self._reflector.propose(self._refusals.remind(inputs), limit)
        except CannotEvaluate as error:
            return Refused("no-answer", f"the reflector has no answer: {error}")
        except EnvironmentFault as fault:
            # The search continues without it: the operators that ask no model still work.
            self._events.append(
                ProposalRejected(operator.name, f"the reflector failed and is not asked again: {fault}")
            )
            self._stop_asking(f"it failed: {fault}", "check its endpoint, then run the same command again")
            return None
        return None if answer is None else operator.reflecting.read(situation, answer)
