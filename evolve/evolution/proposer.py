"""Who proposes next, and what: the bandit's choice of operators, and the reflector for those that ask a model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evolve.core.evolution.reflector_yield import UNREACHABLE
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault
from evolve.core.model.evolution_events import ProposalRejected, ReflectorStopped
from evolve.core.model.json_value import JsonValue
from evolve.core.retrieval.log_odds import LogOdds
from evolve.core.search.bandit import Bandit
from evolve.core.search.genome import Genome
from evolve.core.search.operators import Operator, Proposal, Situation, known_operators
from evolve.core.search.population import Candidate, choose_parent
from evolve.core.search.proposal_guard import ProposalGuard, answers_of
from evolve.core.search.proposals import Refused
from evolve.core.search.randomness import Rng
from evolve.core.search.tasks import Task
from evolve.evolution.reflectors import Member, Reflector, Reflectors


@dataclass(frozen=True, slots=True)
class Proposed:
    """A child that may be tried."""

    operator: str
    proposal: Proposal
    parent: Candidate
    reflector: str = ""
    """Who wrote it; empty for operators that ask no model."""


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
        reflectors: Sequence[Reflector] = (),
        operators: Sequence[Operator] | None = None,
    ) -> None:
        self._tasks = {task.id: task for task in tasks if task.split == "train"}
        self._shown, self._odds, self._chance = shown, odds, chance
        self._output, self._answers = output, answers_of(output)
        self._guard = ProposalGuard(incumbent, self._answers, self._tasks.values(), shown)
        self._reflectors = Reflectors(reflectors)
        self._events: list[ProposalRejected | ReflectorStopped] = []
        usable = known_operators() if operators is None else operators
        self._operators = {op.name: op for op in usable if op.reflecting is None or reflectors}
        self._bandit = Bandit((op.name, op.prior) for op in self._operators.values())
        favoured = [op for op in self._operators.values() if op.prior[0] > op.prior[1]]
        self._openings = sorted(favoured, key=lambda op: -op.prior[0] / sum(op.prior))

    @property
    def has_openings(self) -> bool:
        """Whether an operator that the evidence favours has not been tried yet."""
        return bool(self._openings)

    async def next(
        self, population: Sequence[Candidate], known: Mapping[str, object]
    ) -> tuple[Proposed | None, list[ProposalRejected | ReflectorStopped]]:
        """Return a proposal of a genome that is not `known`, and the events on the way.

        The operators that the evidence favours are tried once on the incumbent; after that the bandit chooses.
        """
        if self._openings:
            parent, names = population[0], [self._openings.pop(0).name]
        else:
            parent, names = choose_parent(population, self._chance), self._bandit.rank(self._chance)
        self._events = []
        for name in names:
            operator = self._operators[name]
            found, writer = await self._propose(operator, parent, population)
            if isinstance(found, Proposal):
                found = self._refusal(operator, found, parent, known) or found
            if isinstance(found, Refused):
                self._refuse(operator, found, writer)
            elif found is not None:
                if writer is not None:
                    writer.refusals.taken()
                by = writer.reflector.name if writer else ""
                return Proposed(name, found, parent, by), self._events
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

    def learn(self, child: Candidate, gain: float) -> None:
        """Report what a child was worth: to the bandits (see `Bandit.pay`), and to the reflector that wrote it.

        Args:
            child: its scores are those of the trial.
            gain: mean of the child minus that of its parent.
        """
        if child.operator in self._operators:  # none made what a person wrote
            self._bandit.pay(child.operator, gain, len(child.scores))
        if child.reflector:
            self._reflectors.learn(child.reflector, gain, len(child.scores), child.note)

    def _refuse(self, operator: Operator, refused: Refused, writer: Member | None) -> None:
        """Record a refusal, and stop asking the reflector after too many equal ones of its own."""
        name = writer.reflector.name if writer else ""
        self._events.append(ProposalRejected(operator.name, refused.reason, name, refused.kind))
        if writer is None:
            return
        self._reflectors.refused(name)
        writer.refusals.add(refused)
        if why := writer.refusals.why_stop:
            self._stop_asking(writer, why, writer.refusals.hint)

    def _stop_asking(self, member: Member, why: str, hint: str) -> None:
        member.is_asked = False
        self._events.append(ReflectorStopped(why, hint, member.reflector.calls, member.reflector.name))

    async def _propose(
        self, operator: Operator, parent: Candidate, population: Sequence[Candidate]
    ) -> tuple[Proposal | Refused | None, Member | None]:
        """What the operator proposes, and the reflector that wrote it."""
        situation = Situation(
            parent, population, self._tasks, self._shown, self._odds, self._chance, self._answers, self._output
        )
        if operator.reflecting is None:
            return operator.propose(situation), None
        inputs = operator.reflecting.ask(situation) if self._reflectors.is_asking else None
        while inputs is not None and (member := self._reflectors.choose(self._chance)):
            answer = await self._answer(operator, member, inputs, operator.reflecting.limit(situation))
            if isinstance(answer, Refused):
                return answer, member
            if answer is not None:
                return operator.reflecting.read(situation, answer), member
        return None, None

    async def _answer(
        self, operator: Operator, member: Member, inputs: Mapping[str, JsonValue], limit: int
    ) -> str | Refused | None:
        """One reflector's answer; None where it is not asked any more."""
        try:
            answer = await member.reflector.propose(member.refusals.remind(inputs), limit)
        except CannotEvaluate as error:
            return Refused("no-answer", f"the reflector has no answer: {error}")
        except EnvironmentFault as fault:
            # The search continues without it: the operators that ask no model still work.
            name, why = member.reflector.name, f"the reflector failed and is not asked again: {fault}"
            self._events.append(ProposalRejected(operator.name, why, name, UNREACHABLE))
            self._stop_asking(member, f"it failed: {fault}", "check its endpoint, then run the same command again")
            return None
        if answer is None:
            member.is_asked = False
        return answer
