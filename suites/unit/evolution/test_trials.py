"""Children under trial: who is dropped and why, and how many are asked at once."""

import json
from dataclasses import replace

from evolve.core.model.answers import Answer, Request
from evolve.core.model.evolution_events import Accepted, CandidateScored, EvolutionEvent
from evolve.core.search.operators import Operator, Proposal
from evolve.core.search.operators._registry import Situation
from fixtures.engine_runs import SMALL_WORLD, EngineRun
from fixtures.simulated import SimulatedProvider, Simulation, read

SIMULATION = Simulation(SMALL_WORLD)


class ByRule(SimulatedProvider):
    """Right on every second case; with the word `alike` in a rule it gives one answer to all."""

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        self.calls += 1
        reading = read(request.prompt)
        case = self.simulation.cases[reading.reference]
        is_right = int(case.reference) % 2 == 0
        answers = self.simulation.answers
        given = case.answer if is_right else next(answer for answer in answers if answer != case.answer)
        if any("alike" in line for line in reading.rules):
            given = answers[0]
        return Answer(json.dumps({"answer": given}))


def proposing(*rules: str) -> Operator:
    """An operator that adds these rules in turn, to whatever parent there is."""

    def propose(situation: Situation) -> Proposal | None:
        known = {rule for member in situation.population for rule in member.genome.rules}
        spot = situation.population[0].children
        if spot >= len(rules) or rules[spot] in known:
            return None
        return Proposal(replace(situation.genome, rules=(*situation.genome.rules, rules[spot])), rules[spot])

    return Operator("rule", propose)


def events_of(*rules: str) -> list[EvolutionEvent]:
    return EngineRun(SIMULATION, budget=200, provider=ByRule(SIMULATION), operators=(proposing(*rules),)).events()


def test_a_child_that_answers_everything_alike_is_dropped():
    events = events_of("answer alike")
    assert not any(isinstance(event, Accepted) for event in events)
    scored = [e for e in events if isinstance(e, CandidateScored) and e.dropped]
    assert all(f'answers {{"answer": "{SIMULATION.answers[0]}"}} to ' in event.reason for event in scored)
