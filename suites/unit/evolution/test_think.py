"""An agent that is right only when it may write before it answers: the search finds that."""

import json
from dataclasses import replace

from evolve.core.model.answers import Answer, Request
from evolve.core.model.evolution_events import CandidateProposed, EvolutionFinished, GateDecided, RolloutScored
from evolve.core.search.genome import Genome
from evolve.core.search.operators import known_operators
from fixtures.engine_runs import EngineRun, ScriptedReflector
from fixtures.memory_ledger import MemoryLedger
from fixtures.simulated import SimulatedProvider, Simulation, World, read

SIMULATION = Simulation(World(seed=5))
THINKING = tuple(operator for operator in known_operators() if operator.name in ("think", "answer-at-once"))


class Thinker(SimulatedProvider):
    """Right on nine of ten cases where its schema begins with a scratch field, on one of three without."""

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        self.calls += 1
        form = request.config["response_format"]
        fields = list(form["json_schema"]["schema"]["properties"])  # type: ignore[index,call-overload,arg-type]
        case = self.simulation.cases[read(request.prompt).reference]
        can_write = fields == ["why", "answer"]
        is_right = int(case.reference) % 10 < 9 if can_write else int(case.reference) % 3 == 0
        wrong = next(answer for answer in self.simulation.answers if answer != case.answer)
        said = {"answer": case.answer if is_right else wrong}
        return Answer(json.dumps({"why": f"about {case.reference}", **said} if can_write else said))


def test_the_search_lets_the_agent_think_and_the_gate_proves_it():
    ledger = MemoryLedger()
    run = EngineRun(SIMULATION, budget=200, provider=Thinker(SIMULATION), operators=THINKING, ledger=ledger)
    events = run.events()
    last = events[-1]
    assert isinstance(last, EvolutionFinished)
    assert last.outcome == "proven"
    assert run.evolution.winner is not None
    assert run.evolution.winner.genome.scratch == ("why",)
    outputs = [event.output for event in events if isinstance(event, RolloutScored)]
    assert all(isinstance(output, dict) and list(output) == ["answer"] for output in outputs)
    assert any(isinstance(event, GateDecided) and event.decision.candidate > 0.8 for event in events)


def test_what_was_thought_is_shown_to_the_reflector():
    agent = replace(SIMULATION.agent, scratch=("why",))
    rules = tuple(operator for operator in known_operators() if operator.name == "reflect-rule")
    reflector = ScriptedReflector('{"text": "Mind the second word of the report."}')
    EngineRun(
        SIMULATION, budget=200, agent=agent, provider=Thinker(SIMULATION), operators=rules, reflector=reflector
    ).events()
    assert 'Thought before: {"why": "about 0' in str(reflector.shown[0]["failures"])


def test_thinking_is_proposed_once_and_can_be_taken_away():
    agent = replace(SIMULATION.agent, scratch=("why",))
    events = EngineRun(SIMULATION, budget=200, agent=agent, operators=THINKING).events()
    proposed = [event.candidate.operator for event in events if isinstance(event, CandidateProposed)]
    assert proposed == ["vote", "answer-at-once"]


def test_a_genome_without_scratch_has_the_id_that_archives_know():
    assert Genome((), rules=("rule 1",)).id == "329ff88eb08f"
    assert Genome((), rules=("rule 1",), scratch=("why",)).id != Genome((), rules=("rule 1",)).id
