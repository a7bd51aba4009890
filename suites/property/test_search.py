"""What holds for every evolution: its budget, its seed, and what it may show to whom."""

import asyncio
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault
from evolve.core.model.evolution_events import (
    VOTE,
    Accepted,
    BudgetUnit,
    CandidateProposed,
    CandidateScored,
    CandidateScreened,
    EvolutionEvent,
    EvolutionFinished,
    GateDecided,
    GateStarted,
    RolloutScored,
)
from evolve.core.model.families import split_of_family
from evolve.core.model.suite import Test
from evolve.core.search.bandit import Bandit
from evolve.core.search.genome import Genome
from evolve.core.search.population import Candidate, best_of, choose_parent, choose_weighted, front
from evolve.core.search.race import (
    balance,
    blocks,
    race_size,
    screen_candidate,
    screen_tasks,
    still_racing,
    weights,
)
from evolve.core.search.samples import sample
from evolve.core.search.tasks import Score, Task
from fixtures.engine_runs import SMALL_WORLD, EngineRun, ScriptedReflector, account_of, shown, timeless
from fixtures.memory_ledger import MemoryLedger
from fixtures.simulated import SimulatedProvider, Simulation, World

RUNS = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIMULATION = Simulation(SMALL_WORLD)
BUDGETS = st.integers(6, 400)
SEEDS = st.integers(0, 10_000)


# --- whole evolutions


@RUNS
@given(budget=BUDGETS, seed=SEEDS, gain=st.sampled_from([0.0, 0.2, 0.5]))
def test_the_budget_equals_the_counted_calls_and_is_never_exceeded(budget: int, seed: int, gain: float) -> None:
    world = World(seed=seed % 7, gain=gain, causes=4, answers=4, families={"train": 14, "val": 4, "gate": 8})
    run = EngineRun(Simulation(world), budget=budget, seed=seed)
    events = run.events()
    account = account_of(events)
    assert account.search + account.gate == run.counted.calls <= budget
    assert account.repeated == account.reflector == 0
    assert account.tokens.total == run.counted.tokens.total
    paid = [event for event in events if isinstance(event, RolloutScored) and not event.is_free]
    assert len(paid) <= account.search + account.gate
    spent = [event.spent for event in events if isinstance(event, RolloutScored | CandidateProposed)]
    assert spent == sorted(spent)


AMOUNTS: dict[BudgetUnit, st.SearchStrategy[int]] = {"tokens": st.integers(1, 90_000), "seconds": st.integers(1, 360)}


@RUNS
@given(unit=st.sampled_from(["tokens", "seconds"]), data=st.data(), seed=SEEDS, concurrency=st.integers(1, 9))
def test_tokens_and_seconds_are_never_exceeded_and_equal_what_was_counted(
    unit: BudgetUnit, data: st.DataObject, seed: int, concurrency: int
) -> None:
    budget = data.draw(AMOUNTS[unit])
    run = EngineRun(SIMULATION, budget=budget, unit=unit, seed=seed, concurrency=concurrency)
    events = run.events()
    account = account_of(events)
    used = {"tokens": run.counted.tokens.total, "seconds": run.counted.tokens.total * 0.004}[unit]
    assert run.rollouts.budget.used == pytest.approx(used)
    # Nothing is known of the time of the first answer.
    first = next(e.used for e in events if isinstance(e, RolloutScored)) if account.search else 0.0
    assert used <= max(budget, first if unit == "seconds" else 0)
    again = EngineRun(SIMULATION, budget=budget, unit=unit, seed=seed)
    assert timeless(again.events()) == timeless(events)


@pytest.mark.parametrize(("unit", "budget"), [("tokens", 60_000), ("seconds", 240)])
def test_a_budget_in_tokens_or_seconds_is_used_for_a_search_and_a_gate(unit: BudgetUnit, budget: int) -> None:
    run = EngineRun(SIMULATION, budget=budget, unit=unit)
    events = run.events()
    account = account_of(events)
    assert [event for event in events if isinstance(event, GateDecided)]
    assert account.search > 40
    assert account.gate >= 20
    assert sum(isinstance(event, Accepted) for event in events) >= 1


@RUNS
@given(unit=st.sampled_from(["tokens", "seconds"]), data=st.data(), seed=SEEDS, answers=st.integers(0, 30))
def test_a_run_with_tokens_or_seconds_that_broke_off_ends_as_if_it_had_not(
    unit: BudgetUnit, data: st.DataObject, seed: int, answers: int
) -> None:
    ledger, budget = MemoryLedger(), data.draw(AMOUNTS[unit])
    alone = EngineRun(SIMULATION, budget=budget, unit=unit, seed=seed)
    whole = timeless(alone.events())
    assume(alone.counted.calls > answers)
    mortal = Mortal(SIMULATION, answers)
    until_death(EngineRun(SIMULATION, budget=budget, unit=unit, seed=seed, ledger=ledger, provider=mortal))
    again = EngineRun(SIMULATION, budget=budget, unit=unit, seed=seed, ledger=ledger)
    events = timeless(again.events())
    assert events[:-1] == whole[:-1]
    assert answers + again.counted.calls == alone.counted.calls


@RUNS
@given(budget=BUDGETS, seed=SEEDS, concurrency=st.integers(2, 9))
def test_the_same_seed_is_the_same_run_however_many_questions_are_asked_at_once(
    budget: int, seed: int, concurrency: int
) -> None:
    one = EngineRun(SIMULATION, budget=budget, seed=seed)
    other = EngineRun(SIMULATION, budget=budget, seed=seed, concurrency=concurrency)
    assert timeless(one.events()) == timeless(other.events())


@RUNS
@given(budget=st.integers(40, 250), seed=SEEDS)
def test_a_run_begun_again_tells_the_same_and_buys_nothing(budget: int, seed: int) -> None:
    ledger = MemoryLedger()
    first = EngineRun(SIMULATION, budget=budget, seed=seed, ledger=ledger)
    second = EngineRun(SIMULATION, budget=budget, seed=seed, ledger=ledger)
    assert timeless(first.events()) == timeless(second.events())
    assert second.counted.calls == 0


class Mortal:
    """The simulated model, until its endpoint dies."""

    def __init__(self, simulation: Simulation, answers: int) -> None:
        self._living, self._left = SimulatedProvider(simulation), answers
        self.id = self._living.id
        self.identity, self.close = self._living.identity, self._living.close

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        if self._left == 0:
            raise EnvironmentFault("the endpoint died")
        self._left -= 1
        return await self._living.answer(request)


def until_death(run: EngineRun) -> list[EvolutionEvent]:
    """What a run reports before its endpoint dies."""
    reported: list[EvolutionEvent] = []

    async def listen() -> None:
        async for event in run.evolution.events():
            reported.append(event)  # noqa: PERF401  # what came before the fault must not be lost

    with pytest.raises(EnvironmentFault, match="the endpoint died"):
        asyncio.run(listen())
    return reported


@RUNS
@given(budget=st.integers(40, 250), seed=SEEDS, answers=st.integers(0, 30))
def test_a_run_that_broke_off_ends_as_if_it_had_not(budget: int, seed: int, answers: int) -> None:
    ledger, alone = MemoryLedger(), EngineRun(SIMULATION, budget=budget, seed=seed)
    whole = timeless(alone.events())
    assume(alone.counted.calls > answers)
    until_death(EngineRun(SIMULATION, budget=budget, seed=seed, ledger=ledger, provider=Mortal(SIMULATION, answers)))
    again = EngineRun(SIMULATION, budget=budget, seed=seed, ledger=ledger)
    events = timeless(again.events())
    assert events[:-1] == whole[:-1]
    reported, untroubled = account_of(events), account_of(whole)
    assert replace(reported, repeated=0) == untroubled
    assert reported.repeated == 1, "the call at which the endpoint died"
    assert answers + again.counted.calls == alone.counted.calls


@RUNS
@given(budget=st.integers(60, 250), seed=SEEDS, answers=st.integers(5, 30))
def test_what_others_buy_meanwhile_changes_nothing_of_what_was_decided(budget: int, seed: int, answers: int) -> None:
    ledger = MemoryLedger()
    broken = EngineRun(SIMULATION, budget=budget, seed=seed, ledger=ledger, provider=Mortal(SIMULATION, answers))
    reported = timeless(until_death(broken))
    EngineRun(SIMULATION, budget=budget, seed=seed + 1, run="another", ledger=ledger).events()
    again = timeless(EngineRun(SIMULATION, budget=budget, seed=seed, ledger=ledger).events())
    assert again[: len(reported)] == reported


@RUNS
@given(budget=BUDGETS, seed=SEEDS)
def test_the_events_of_a_run_tell_one_story(budget: int, seed: int) -> None:
    run = EngineRun(SIMULATION, budget=budget, seed=seed)
    events = run.events()
    known = {events[0].incumbent.id}  # type: ignore[union-attr]
    for event in events[1:]:
        if isinstance(event, CandidateProposed):
            assert event.candidate.id not in known
            assert set(event.candidate.parents) <= known
            known.add(event.candidate.id)
        if isinstance(event, RolloutScored | CandidateScreened | CandidateScored | Accepted):
            assert event.candidate in known
    answered = Counter((e.candidate, e.task) for e in events if isinstance(e, RolloutScored) and e.candidate != VOTE)
    assert set(answered.values()) <= {1}, "no candidate is asked the same twice"
    assert sum(isinstance(event, EvolutionFinished) for event in events) == 1
    assert isinstance(events[-1], EvolutionFinished)
    assert events[-1].winner in known
    assert sum(isinstance(event, GateDecided) for event in events) == len(run.gates.reported) == len(run.gates.opened)


@RUNS
@given(budget=st.integers(60, 400), seed=SEEDS, gain=st.sampled_from([0.0, 0.4]))
def test_what_becomes_a_parent_was_better_than_its_own(budget: int, seed: int, gain: float) -> None:
    world = World(seed=seed % 7, gain=gain, causes=4, answers=4, families={"train": 14, "val": 4, "gate": 8})
    events = EngineRun(Simulation(world), budget=budget, seed=seed).events()
    train: dict[str, dict[str, float]] = {}
    for event in events:
        if isinstance(event, RolloutScored) and event.split == "train":
            train.setdefault(event.candidate, {})[event.task] = event.score
    parents = {e.candidate.id: e.candidate.parents for e in events if isinstance(e, CandidateProposed)}
    for accepted in (event.candidate for event in events if isinstance(event, Accepted)):
        own, (parent, *_) = train[accepted], parents[accepted]
        assert sum(own.values()) > sum(train[parent][task] for task in own)


@RUNS
@given(budget=st.integers(60, 400), seed=SEEDS)
def test_what_is_held_out_is_read_in_its_own_time_only(budget: int, seed: int) -> None:
    """No val case before the race is over, no gate case before the gate; none is ever a demo."""
    run = EngineRun(SIMULATION, budget=budget, seed=seed)
    events = run.events()
    gate = next((i for i, event in enumerate(events) if isinstance(event, GateStarted)), len(events))
    validating = next((i for i, e in enumerate(events) if isinstance(e, RolloutScored) and e.split == "val"), gate)
    before_val, before_gate = events[:validating], events[:gate]
    assert {e.split for e in before_val if isinstance(e, RolloutScored)} <= {"train"}
    assert {e.split for e in before_gate if isinstance(e, RolloutScored)} <= {"train", "val"}
    assert not any(isinstance(event, CandidateProposed) for event in events[validating:])
    held_out = {task.id for task in SIMULATION.tasks() if task.split != "train"}
    proposed = [event.candidate.id for event in events if isinstance(event, CandidateProposed)]
    for name in proposed:
        genome = run.evolution.genome(name)
        assert name == VOTE or genome is not None
        assert not held_out.intersection((genome and genome.demo_ids) or ())


@RUNS
@given(budget=st.integers(60, 300), seed=SEEDS, cap=st.integers(0, 12))
def test_a_reflector_sees_train_cases_only_and_its_cap_is_its_own(budget: int, seed: int, cap: int) -> None:
    said = (
        '{"text": "Look at the first word of each report."}',
        "Sure, here you are!",
        '{"text": "Cut o',
        CannotEvaluate("too long a prompt"),
        '{"text": "Say what the report is about, in one word."}',
    )
    reflector = ScriptedReflector(*said, cap=cap)
    run = EngineRun(SIMULATION, budget=budget, seed=seed, reflector=reflector)
    account = account_of(run.events())
    assert account.reflector == reflector.calls <= cap
    assert account.search + account.gate == run.counted.calls <= budget
    held_out = [shown(task) for task in SIMULATION.tasks() if task.split != "train"]
    reported = "\n".join(str(value) for inputs in reflector.shown for value in inputs.values())
    assert not any(text in reported for text in held_out)


@RUNS
@given(budget=st.integers(60, 200), seed=SEEDS, good=st.integers(0, 3))
def test_a_search_survives_its_reflector(budget: int, seed: int, good: int) -> None:
    rules = [f'{{"text": "Look at word number {number} of each report."}}' for number in range(good)]
    reflector = ScriptedReflector(*rules, EnvironmentFault("no such host"))
    run = EngineRun(SIMULATION, budget=budget, seed=seed, reflector=reflector)
    account = account_of(run.events())
    assert reflector.calls <= good + 1, "once it failed it is not asked again"
    assert account.search + account.gate == run.counted.calls <= budget


# --- splits and samples


def a_task(number: int, family: str, label: str, split: str = "train") -> Task:
    return Task(f"{number:04}", f"case {number}", family, split, {}, Test({}, ()), label, (label,))  # type: ignore[arg-type]


TASKS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["red", "green", "blue"])), min_size=0, max_size=40
).map(lambda pairs: [a_task(number, family, label) for number, (family, label) in enumerate(pairs)])


@given(tasks=TASKS, sizes=st.tuples(st.integers(0, 45), st.integers(0, 45)), seed=st.integers(0, 99))
def test_a_smaller_sample_is_the_beginning_of_a_larger_one(
    tasks: list[Task], sizes: tuple[int, int], seed: int
) -> None:
    less, more = sorted(sizes)
    assert sample(tasks, less, seed=seed) == sample(tasks, more, seed=seed)[:less]
    assert len(sample(tasks, more, seed=seed)) == min(more, len(tasks))


@given(tasks=TASKS, size=st.integers(0, 45), seed=st.integers(0, 99), chance=st.randoms(use_true_random=False))
def test_a_sample_does_not_depend_on_the_order_of_the_tasks(
    tasks: list[Task], size: int, seed: int, chance: random.Random
) -> None:
    mixed = list(tasks)
    chance.shuffle(mixed)
    assert sample(mixed, size, seed=seed) == sample(tasks, size, seed=seed)


@given(tasks=TASKS, size=st.integers(0, 45), seed=st.integers(0, 99))
def test_a_sample_has_as_many_families_as_it_can(tasks: list[Task], size: int, seed: int) -> None:
    drawn = sample(tasks, size, seed=seed)
    assert len({task.family for task in drawn}) == min(len(drawn), len({task.family for task in tasks}))
    assert len({task.id for task in drawn}) == len(drawn)


@given(family=st.text())
def test_the_split_of_a_family_is_its_name_s_alone(family: str) -> None:
    assert split_of_family(family) == split_of_family(family)
    assert split_of_family(family) in ("train", "val", "gate")


def test_splits_have_their_shares() -> None:
    counts = Counter(split_of_family(f"family {number}") for number in range(5000))
    assert abs(counts["train"] / 5000 - 0.6) < 0.03
    assert abs(counts["val"] / 5000 - 0.2) < 0.03


# --- population, race and bandit

NAMES = [f"{number:04}" for number in range(8)]
SCORES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=8)


def a_candidate(number: int, scores: dict[str, float], children: int = 0) -> Candidate:
    known = {name: Score(value, value >= 0.5, "") for name, value in scores.items()}
    genome = Genome((), rules=(f"rule {number}",))
    return Candidate(genome, (), "test", "", number, known, children)


POPULATIONS = st.lists(st.tuples(SCORES, st.integers(0, 9)), min_size=1, max_size=6).map(
    lambda rows: [a_candidate(number, scores, children) for number, (scores, children) in enumerate(rows)]
)


@given(population=POPULATIONS)
def test_the_front_counts_the_cases_that_tell_candidates_apart(population: list[Candidate]) -> None:
    wins = front(population)
    for member in population:
        own = wins.get(member.id, 0)
        assert own <= len(member.scores)
        for case in member.scores:
            values = [other.scores[case].value for other in population if case in other.scores]
            if max(values) == min(values):
                continue
            assert (member.scores[case].value == max(values)) <= (own >= 1)
    reported = [case for case in NAMES if len({m.scores[case].value for m in population if case in m.scores}) > 1]
    assert sum(wins.values()) >= len(reported)


@given(population=POPULATIONS, chance=st.randoms(use_true_random=False))
def test_a_parent_is_always_found(population: list[Candidate], chance: random.Random) -> None:
    assert choose_parent(population, chance) in population


@given(population=POPULATIONS)
def test_the_best_is_of_equals_the_earlier(population: list[Candidate]) -> None:
    prior = population[0].mean()
    best = best_of(population)
    better = [m for m in population if m.cautious_mean(prior) > best.cautious_mean(prior)]
    equal = [m.number for m in population if m.cautious_mean(prior) == best.cautious_mean(prior)]
    assert not better
    assert best.number == min(equal)


@given(scores=SCORES, prior=st.floats(0, 1))
def test_a_cautious_mean_lies_between_the_mean_and_the_prior(scores: dict[str, float], prior: float) -> None:
    candidate = a_candidate(1, scores)
    low, high = sorted((candidate.mean(), prior))
    assert low - 1e-9 <= candidate.cautious_mean(prior) <= high + 1e-9


@given(
    weights=st.lists(st.sampled_from([0.0, 0.5, 3.0]), min_size=1, max_size=6), spot=st.floats(0, 1, exclude_max=True)
)
def test_nobody_without_weight_is_drawn_where_another_has_some(weights: list[float], spot: float) -> None:
    class Fixed(random.Random):
        def random(self) -> float:
            return spot

    members = [a_candidate(number, {}) for number in range(len(weights))]
    drawn = choose_weighted(members, weights, Fixed())
    assert weights[drawn.number] > 0 or not any(weights)


@given(scores=SCORES, chance=st.randoms(use_true_random=False))
def test_a_screen_has_failures_first_and_as_many_passes(scores: dict[str, float], chance: random.Random) -> None:
    race = [a_task(number, "f", "red") for number in range(10)]
    parent = a_candidate(0, scores)
    tasks = screen_tasks(parent, race, chance)
    failed = [task.id for task in tasks if scores[task.id] < 0.5]
    passed = len(tasks) - len(failed)
    known_passes = sum(value >= 0.5 for value in scores.values())
    assert [task.id for task in tasks][: len(failed)] == failed
    assert passed == min(3, known_passes)
    assert len(failed) == min(6 - passed, len(scores) - known_passes)


@given(scores=SCORES, chosen=st.sets(st.sampled_from(NAMES)))
def test_a_balanced_race_has_the_same_cases_and_both_kinds_in_turn(scores: dict[str, float], chosen: set[str]) -> None:
    race = [a_task(number, "f", "red") for number in range(8)]
    incumbent = a_candidate(0, scores)
    ordered = balance(race, incumbent)
    assert sorted(task.id for task in ordered) == sorted(task.id for task in race)
    failures = sum(value < 0.5 for value in scores.values())
    both = 2 * min(failures, len(scores) - failures)
    assert [scores[task.id] < 0.5 for task in ordered[:both]] == [True, False] * (both // 2)


@given(scores=SCORES, chosen=st.sets(st.sampled_from(NAMES)), own=st.booleans())
def test_known_failures_count_what_failures_count_in_the_suite(
    scores: dict[str, float], chosen: set[str], own: bool
) -> None:
    """The incumbent's weighted mean is its rate on the suite, whether failure cases are tests of the suite or not."""
    incumbent = a_candidate(0, {name: float(value >= 0.5) for name, value in scores.items()})
    selected = {name for name in chosen if scores.get(name, 1.0) < 0.5}
    plain = [a_task(number, "f", "red") for number in range(8)]
    race = [replace(t, status="open", is_of_suite=own) if t.id in selected else t for t in plain]
    assert weights(race, incumbent, []) == {}, "failure cases alone"
    incumbent.weights = weights(race, incumbent, race)
    others = [value >= 0.5 for name, value in scores.items() if name not in selected]
    if not incumbent.weights:
        assert not selected or not others or incumbent.plain_mean() in (0.0, 1.0)
        return
    rate = (sum(others) + 1) / (len(others) + 2)
    share = (8 - len(selected)) / 8 if own else 1.0
    assert incumbent.mean() == pytest.approx(rate * share)
    assert sum(incumbent.weights.values()) == pytest.approx(len(scores))


@given(own=SCORES, better=SCORES)
def test_a_screen_and_a_race_are_permissive_to_the_parent_itself(
    own: dict[str, float], better: dict[str, float]
) -> None:
    race = [a_task(number, "f", "red") for number in range(10)]
    parent, twin = a_candidate(0, own), a_candidate(1, own)
    both = [task for task in race if task.id in own]
    assert not screen_candidate(twin, parent, both).kept, "what fixes nothing is no child worth a race"
    assert still_racing(twin, parent, race).kept
    lifted = a_candidate(2, {name: max(value, better.get(name, 0)) for name, value in own.items()})
    assert still_racing(lifted, parent, race).kept, "better answers never end a race"


@given(budget=st.integers(0, 2000), available=st.integers(0, 500))
def test_a_race_has_its_size(budget: int, available: int) -> None:
    size = race_size(budget, available)
    assert size <= min(40, available)
    assert size >= min(12, available)
    steps = blocks(size)
    assert steps == sorted(set(steps))
    assert steps[-1] == size


TRIALS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(-1, 1), st.integers(0, 60)), max_size=60)


@given(trials=TRIALS, chance=st.randoms(use_true_random=False))
def test_a_bandit_always_ranks_all_its_operators(trials: list[tuple[str, float, int]], chance: random.Random) -> None:
    bandit = Bandit([("a", (1.0, 1.0)), ("b", (0.6, 1.2)), ("c", (3.0, 1.0))])
    for operator, gain, rollouts in trials:
        bandit.pay(operator, gain, rollouts)
        assert all(0 < bandit.mean(name) < 1 for name in "abc")
        assert sorted(bandit.rank(chance)) == ["a", "b", "c"]


@given(trials=TRIALS, gain=st.floats(0.05, 1), rollouts=st.integers(1, 60))
def test_a_gain_is_never_worth_less_than_none(trials: list[tuple[str, float, int]], gain: float, rollouts: int) -> None:
    def mean_after(own: float) -> float:
        bandit = Bandit([(name, (1.0, 1.0)) for name in "abc"])
        for operator, before, size in trials:
            bandit.pay(operator, before, size)
        bandit.pay("a", own, rollouts)
        return bandit.mean("a")

    assert mean_after(gain) > mean_after(0.0) == mean_after(-gain)


def test_a_bandit_comes_to_prefer_what_pays() -> None:
    chance = random.Random(1)
    bandit = Bandit([("pays", (1.0, 1.0)), ("never", (3.0, 1.0))])
    for _ in range(40):
        bandit.pay("pays", 0.3, 12)
        bandit.pay("never", 0.0, 12)
    first = Counter(bandit.rank(chance)[0] for _ in range(200))
    assert first["pays"] > 190
