"""The loop by itself: errors of models and assertions, pinned cases, gates that cannot be, operators that fail."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from evolve.core.evolution.summary import fold
from evolve.core.model.agents import Section
from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault
from evolve.core.model.evolution_events import (
    CandidateProposed,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
    GateDecided,
    GateStarted,
    ProposalRejected,
    ReflectorStopped,
    RolloutScored,
)
from evolve.core.search.genome import genome_of
from evolve.core.search.operators import Proposal, known_operators
from evolve.core.search.operators._registry import Operator, Situation
from evolve.core.search.refusals import MAX_EQUAL_REFUSALS
from evolve.core.search.tasks import Task
from evolve.report.evolution.cost import yield_text
from fixtures.engine_runs import SMALL_WORLD, CountedGates, EngineRun, ScriptedReflector, account_of
from fixtures.memory_ledger import MemoryLedger
from fixtures.simulated import SimulatedProvider, Simulation, World

SIMULATION = Simulation(SMALL_WORLD)
PLAIN = tuple(operator for operator in known_operators() if operator.reflecting is None)
FOR_RULES = tuple(operator for operator in known_operators() if operator.name != "describe")
"""For reflectors that answer every question with a rule; `describe` refuses those."""


class Answering:
    """A provider that answers as `say` does; counts its calls."""

    id = "answering"

    def __init__(self, say: Callable[[Request], Awaitable[Answer]], *, is_known: bool = True) -> None:
        self._say, self._is_known = say, is_known
        self.calls = 0

    def identity(self, request: Request) -> Any:
        """See `Provider.identity`."""
        return {"prompt": request.prompt, "repeat": request.repeat} if self._is_known else None

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        self.calls += 1
        return await self._say(request)

    async def close(self) -> None:
        """Nothing to free."""


def last(events: list[EvolutionEvent]) -> EvolutionFinished:
    event = events[-1]
    assert isinstance(event, EvolutionFinished)
    return event


def of_kind(events: list[EvolutionEvent], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# --- models that answer with errors


@pytest.mark.parametrize("concurrency", [1, 5])
def test_an_answer_that_is_an_error_scores_nothing_and_is_bought_once_in_a_run(concurrency):
    async def say(_: Request) -> Answer:
        raise CannotEvaluate("the prompt is too long")

    provider = Answering(say)
    run = EngineRun(SIMULATION, budget=60, provider=provider, concurrency=concurrency)
    events = run.events()
    account = account_of(events)
    assert provider.calls == account.search + account.gate <= 60
    scored = [event for event in of_kind(events, RolloutScored) if event.candidate != "vote"]
    assert {(event.score, event.reason) for event in scored} == {(0.0, "the prompt is too long")}


@pytest.mark.parametrize("answer", [Answer('{"answer": "none"}'), Answer(None, error="no words")])
def test_candidates_that_ask_the_same_buy_once(answer):
    """Genomes can differ in what the prompt does not show."""

    async def say(_: Request) -> Answer:
        return answer

    def unseen(situation: Situation) -> Proposal | None:
        count = len(situation.population[0].scores) + situation.population[0].children
        genome = replace(situation.genome, digest_chars=count)
        return Proposal(genome, "not seen") if situation.population[0].children < 5 else None

    provider = Answering(say)
    run = EngineRun(SIMULATION, budget=60, provider=provider, operators=(Operator("unseen", unseen),))
    events = run.events()
    account = account_of(events)
    assert len(of_kind(events, CandidateProposed)) > 4
    assert account.free > 0
    assert (
        provider.calls
        == account.search + account.gate
        == len(of_kind(events, RolloutScored)) - account.free - votes(events)
    )


def votes(events: list[EvolutionEvent]) -> int:
    return sum(event.candidate == "vote" for event in of_kind(events, RolloutScored))


def test_an_error_of_yesterday_is_no_score_of_today():
    ledger = MemoryLedger()

    async def broken(_: Request) -> Answer:
        return Answer(None, error="no words today")

    living = SimulatedProvider(SIMULATION)
    EngineRun(SIMULATION, budget=60, provider=Answering(broken), ledger=ledger).events()
    today = EngineRun(SIMULATION, budget=60, provider=Answering(living.answer), ledger=ledger).events()
    assert any(event.passed for event in of_kind(today, RolloutScored) if event.candidate != "vote")
    assert not any(event.reason == "no words today" for event in of_kind(today, RolloutScored))


def test_a_model_without_an_identity_is_not_asked_the_same_twice_in_a_run():
    living = SimulatedProvider(SIMULATION)
    provider = Answering(living.answer, is_known=False)
    run = EngineRun(SIMULATION, budget=80, provider=provider)
    account = account_of(run.events())
    assert provider.calls == account.search + account.gate <= 80


def test_an_endpoint_that_fails_ends_the_run_and_stores_no_score():
    async def dead(_: Request) -> Answer:
        raise EnvironmentFault("connection refused")

    with pytest.raises(EnvironmentFault, match="connection refused"):
        EngineRun(SIMULATION, provider=Answering(dead)).events()


# --- what there is nothing to do about


def test_without_usable_train_cases_nothing_is_bought():
    tasks = [task for task in SIMULATION.tasks() if task.split != "train"]
    run = EngineRun(SIMULATION, tasks=tasks)
    events = run.events()
    assert last(events).outcome == "nothing-to-do"
    assert [type(event) for event in events] == [EvolutionStarted, EvolutionFinished]
    assert run.counted.calls == 0


def test_an_agent_that_passes_everything_has_nothing_to_mend():
    simulation = Simulation(World(seed=3, base=1.0, noise=0.0, families={"train": 14, "val": 4, "gate": 8}))
    run = EngineRun(simulation)
    events = run.events()
    assert last(events).outcome == "no-better"
    assert not run.gates.opened
    assert run.counted.calls <= 20, "the race and no more"


def test_a_search_without_operators_ends():
    assert last(EngineRun(SIMULATION, operators=()).events()).outcome == "no-better"


def test_operators_that_never_apply_or_only_repeat_end_the_search():
    never = Operator("never", lambda _: None)
    same = Operator("same", lambda situation: Proposal(situation.population[0].genome, "the same"))
    run = EngineRun(SIMULATION, operators=(never, same))
    events = run.events()
    assert last(events).outcome == "no-better"
    refused = of_kind(events, ProposalRejected)
    assert {(event.operator, event.reason) for event in refused} == {("same", "known already: the same")}


# --- the gate


@pytest.mark.parametrize("split", ["val", "gate"])
def test_without_held_out_cases_no_level_is_spent(split):
    tasks = [task for task in SIMULATION.tasks() if task.split != split]
    run = EngineRun(SIMULATION, budget=200, tasks=tasks)
    events = run.events()
    if split == "gate":
        assert run.gates.opened == []
        assert not of_kind(events, GateStarted)
        assert last(events).outcome == "untested"
        assert "the gate has no family and needs 6" in last(events).reason
    else:
        assert last(events).outcome in ("proven", "provisional", "rejected")


def with_gate_families(count: int) -> list[Task]:
    tasks = SIMULATION.tasks()
    kept = sorted({task.family for task in tasks if task.split == "gate"})[:count]
    return [task for task in tasks if task.split != "gate" or task.family in kept]


def test_a_gate_that_cannot_prove_anything_is_not_opened():
    run = EngineRun(SIMULATION, budget=200, tasks=with_gate_families(3))
    events = run.events()
    assert run.gates.opened == []
    assert not of_kind(events, GateStarted)
    assert last(events).outcome == "untested"
    assert "the gate has 3 families and needs 6" in last(events).reason


def test_a_small_gate_opens_when_the_user_asks_for_it():
    run = EngineRun(SIMULATION, budget=200, tasks=with_gate_families(3), opens_small_gate=True)
    assert of_kind(run.events(), GateDecided)
    assert run.gates.opened == ["a run"]


def test_a_small_gate_that_an_earlier_attempt_opened_is_decided():
    gates = CountedGates()
    gates.open("a run")
    run = EngineRun(SIMULATION, budget=200, tasks=with_gate_families(3), gates=gates)
    assert of_kind(run.events(), GateDecided)


def test_a_gate_that_the_budget_makes_small_is_not_opened():
    run = EngineRun(SIMULATION, budget=16)
    events = run.events()
    assert run.gates.opened == []
    assert last(events).outcome in ("untested", "no-better")


def pinned(tasks: list[Task], count: int) -> list[Task]:
    train = [task.id for task in tasks if task.split == "train"][:count]
    return [replace(task, status="pinned") if task.id in train else task for task in tasks]


def losing(simulation: Simulation, tasks: list[Task]) -> Answering:
    """The simulated model, which answers the pinned cases wrong for every prompt but the incumbent's."""
    living, incumbent = SimulatedProvider(simulation), genome_of(simulation.agent)
    guards = [task for task in tasks if task.status == "pinned"]
    asked_by_the_incumbent = {EngineRun(simulation).rollouts.prompt(incumbent, task).text for task in guards}

    async def say(request: Request) -> Answer:
        case = json.loads(request.prompt)[-1]["content"].removesuffix("\nAnswer:")
        is_guard = any(case.endswith(str(task.vars["report"])) for task in guards)
        is_lost = is_guard and request.prompt not in asked_by_the_incumbent
        return Answer('{"answer": "none"}') if is_lost else await living.answer(request)

    return Answering(say)


def test_a_pinned_case_that_is_lost_rejects_the_winner():
    tasks = pinned(SIMULATION.tasks(), 2)
    names = {task.description for task in tasks if task.status == "pinned"}
    provider = losing(SIMULATION, tasks)
    run = EngineRun(SIMULATION, budget=200, tasks=tasks, provider=provider, operators=PLAIN)
    events = run.events()
    (decided,) = of_kind(events, GateDecided)
    assert decided.decision.word == "rejected"
    assert set(decided.decision.lost_pinned) == names
    assert last(events).outcome == "rejected"
    account = account_of(events)
    assert account.search + account.gate == provider.calls <= 200


@pytest.mark.parametrize("budget", range(30, 130, 20))
def test_pinned_cases_are_asked_even_when_the_budget_is_small(budget):
    tasks = pinned(SIMULATION.tasks(), 3)
    provider = losing(SIMULATION, tasks)
    events = EngineRun(SIMULATION, budget=budget, tasks=tasks, provider=provider, operators=PLAIN).events()
    account = account_of(events)
    assert account.search + account.gate == provider.calls <= budget
    for decided in of_kind(events, GateDecided):
        assert decided.decision.word == "rejected", "no winner passes the gate unasked"


def test_a_run_that_was_stopped_says_so_and_names_its_best():
    run = EngineRun(SIMULATION)
    stopped = run.evolution.interrupted_event()
    assert (stopped.outcome, stopped.winner) == ("interrupted", run.evolution.plan.incumbent.id)
    run.events()
    assert run.evolution.genome(run.evolution.interrupted_event().winner) is not None


# --- the reflector


def test_the_first_failure_of_the_endpoint_is_reported_and_the_last_question():
    reflector = ScriptedReflector(EnvironmentFault("no route"))
    events = EngineRun(SIMULATION, reflector=reflector).events()
    reported = [event.reason for event in of_kind(events, ProposalRejected) if "reflector" in event.reason]
    assert reported == ["the reflector failed and is not asked again: no route"]
    assert reflector.calls == 1
    (only,) = fold(events).reflectors
    assert (only.asked, only.unreachable, only.malformed, only.refused) == (1, 1, 0, 0)
    assert yield_text(only).startswith("1 unreachable, 0 malformed")
    assert of_kind(events, CandidateProposed)


def test_a_question_without_an_answer_is_reported_and_the_next_is_asked():
    reflector = ScriptedReflector(CannotEvaluate("too long"), '{"text": "Mind the second word of the report."}')
    events = EngineRun(SIMULATION, reflector=reflector, budget=200).events()
    assert any(event.reason == "the reflector has no answer: too long" for event in of_kind(events, ProposalRejected))
    assert reflector.calls > 1


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ("", "the answer is empty"),
        ("Sure! Mind the words.", "expected a JSON object"),
        (CannotEvaluate("quota"), "quota"),
    ],
)
def test_a_reflector_that_is_refused_for_one_cause_is_not_asked_to_its_cap(answer, cause):
    reflector = ScriptedReflector(answer)
    events = EngineRun(SIMULATION, reflector=reflector, budget=300).events()
    (stopped,) = of_kind(events, ReflectorStopped)
    assert cause in stopped.reason
    assert "--reflector ID" in stopped.hint
    assert stopped.calls == reflector.calls == MAX_EQUAL_REFUSALS
    assert of_kind(events, CandidateProposed), "the operators without a model go on"


GOOD = ['{"text": "Mind word number %d of the report, and name what it points to."}' % n for n in range(40)]  # noqa: UP031  # braces


def test_of_several_reflectors_the_one_that_is_malformed_is_left_and_the_others_go_on():
    bad, good = ScriptedReflector("Sure!", name="bad"), ScriptedReflector(*GOOD, name="good")
    events = EngineRun(SIMULATION, reflector=bad, other_reflectors=[good], budget=300, operators=FOR_RULES).events()
    (stopped,) = of_kind(events, ReflectorStopped)
    assert (stopped.reflector, stopped.calls) == ("bad", bad.calls)
    assert good.calls > bad.calls == MAX_EQUAL_REFUSALS
    yields = {one.reflector: one for one in fold(events).reflectors}
    assert (yields["bad"].asked, yields["bad"].malformed, yields["bad"].screened) == (bad.calls, bad.calls, 0)
    reported = yields["good"]
    assert reported.asked == good.calls
    wrote = [e.candidate for e in of_kind(events, CandidateProposed) if e.candidate.reflector == "good"]
    assert reported.asked == reported.malformed + reported.duplicate + reported.refused + len(wrote)
    assert reported.won <= reported.screened <= len(wrote)
    assert account_of(events).reflector == bad.calls + good.calls


def test_a_reflector_whose_endpoint_is_gone_is_replaced_within_the_question():
    gone, good = ScriptedReflector(EnvironmentFault("no route"), name="gone"), ScriptedReflector(*GOOD, name="good")
    events = EngineRun(SIMULATION, reflector=gone, other_reflectors=[good], budget=200).events()
    assert gone.calls <= 1
    assert any(e.candidate.reflector == "good" for e in of_kind(events, CandidateProposed))


def test_the_reflector_whose_rules_help_is_asked_more_often_than_one_that_writes_useless_ones():
    """Each rule of the first names a word and its answer; over several seeds it gets most of the questions."""
    cases = {(word, case.answer) for case in SIMULATION.cases.values() for word in case.cause_words}
    forms = ("The word {} means {} in a report.", "Where {} is named, {} follows.", "See {}? Then say {} at once.")
    rules = [json.dumps({"text": form.format(*pair)}) for form in forms for pair in sorted(cases)]
    asked = [0, 0]
    for seed in range(6):
        useful = ScriptedReflector(*rules, name="useful")
        useless = ScriptedReflector(*GOOD, name="useless")
        reflectors = tuple(op for op in known_operators() if op.name == "reflect-rule")
        run = EngineRun(
            SIMULATION, reflector=useless, other_reflectors=[useful], budget=400, seed=seed, operators=reflectors
        )
        run.events()
        asked[0] += useful.calls
        asked[1] += useless.calls
    assert asked[0] > 1.2 * asked[1]


def test_a_refused_proposal_is_part_of_the_next_question():
    reflector = ScriptedReflector('{"text": "Answer {{ label }} for each report."}')
    EngineRun(SIMULATION, reflector=reflector, budget=300).events()
    first, second, *_ = (str(shown["wish"]) for shown in reflector.shown)
    assert "refused" not in first
    assert "instructions are text, not a template: write words in place of '{{ label }}'" in second


def test_a_proposal_that_did_not_help_is_part_of_the_next_question():
    reflector = ScriptedReflector(
        '{"text": "Mind the second word of the report."}', '{"text": "Name the answer that is rarest of all."}'
    )
    EngineRun(SIMULATION, reflector=reflector, budget=300, operators=FOR_RULES).events()
    assert any(
        "did not help: a rule by the reflector: Mind the second" in str(shown["wish"]) for shown in reflector.shown
    )


def test_a_section_that_is_rewritten_is_reported_with_its_operator():
    role, *_, case = SIMULATION.agent.sections
    longest = Section("Role", "You name the answer to a report, by the words in it. " * 20)
    agent = replace(SIMULATION.agent, sections=(longest, case))
    rewrite = tuple(operator for operator in known_operators() if operator.name == "rewrite")
    reflector = ScriptedReflector('{"text": "Read the report slowly and decide by its rarest word."}')
    events = EngineRun(SIMULATION, agent=agent, reflector=reflector, operators=rewrite).events()
    proposed = [e.candidate for e in of_kind(events, CandidateProposed) if e.candidate.operator == "rewrite"]
    assert role.title == "Role"
    assert proposed[0].note == "section Role by the reflector"


def test_a_proposal_that_drops_an_answer_is_refused_and_the_next_question_says_why():
    rewrite = tuple(operator for operator in known_operators() if operator.name == "rewrite")
    kept = SIMULATION.answers[0]
    reflector = ScriptedReflector(json.dumps({"text": f"Answer {kept} where nothing else is known of the report."}))
    events = EngineRun(SIMULATION, budget=200, reflector=reflector, operators=rewrite).events()
    assert not of_kind(events, GateStarted)
    assert [event.candidate.operator for event in of_kind(events, CandidateProposed)] == ["vote"]
    first, second, *_ = (str(shown["wish"]) for shown in reflector.shown)
    assert "Name each of these in it, as they are spelled: " in first
    assert "no longer name 3 answers of the output" in second


def test_a_proposal_that_copies_a_case_is_refused():
    case = next(task for task in SIMULATION.tasks() if task.split == "train")
    reflector = ScriptedReflector(json.dumps({"text": f"A case such as {str(case.vars['report'])[:120]} is known."}))
    events = EngineRun(SIMULATION, budget=200, reflector=reflector).events()
    refused = [event.reason for event in of_kind(events, ProposalRejected)]
    assert any(reason.startswith("the text copies a case (") for reason in refused)
    assert not any("is known." in event.candidate.note for event in of_kind(events, CandidateProposed))


def test_the_limit_of_a_proposal_is_in_the_question():
    reflector = ScriptedReflector('{"text": "Mind the second word of the report."}')
    EngineRun(SIMULATION, reflector=reflector, budget=300).events()
    asked = zip(reflector.shown, reflector.limits, strict=True)
    assert all(f"at most {limit} characters" in str(shown["wish"]) for shown, limit in asked)
    assert 240 in reflector.limits
