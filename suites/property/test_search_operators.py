"""What every operator's child keeps: the contract of its agent, its way through the archive and through the file."""

import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.model.agents import CASE_SECTION, DemoSettings
from evolve.core.retrieval.log_odds import LogOdds
from evolve.core.search.genome import Genome, agent_of, demos_of, genome_of
from evolve.core.search.operators import Operator, Proposal, Situation, known_operators
from evolve.core.search.operators._demo_settings import MAX_DEMOS
from evolve.core.search.operators._rules import MAX_RULES
from evolve.core.search.population import Candidate
from evolve.core.search.proposals import Refused, check_rule, check_section, read_text
from evolve.core.search.tasks import Score
from evolve.core.templating.templates import Templates
from evolve.store.agent_files import agent_text, write_agent
from evolve.store.agents import load_agent, load_bank
from evolve.store.archive import genome_from_text, genome_to_text
from fixtures.engine_runs import SMALL_WORLD, EngineRun, shown
from fixtures.simulated import Simulation

SIMULATION = Simulation(SMALL_WORLD)
TASKS = SIMULATION.tasks()
TRAIN = {task.id: task for task in TASKS if task.split == "train"}
HELD_OUT = [task for task in TASKS if task.split != "train"]
ODDS = LogOdds([shown(task) for task in TRAIN.values()], [str(task.label) for task in TRAIN.values()])
OPERATORS = {operator.name: operator for operator in known_operators()}
RENDER = Templates("strict").render
SAID = [
    '{"text": "Look at the first word of the report, then name its answer."}',
    '{"text": "When two words disagree the rarer one decides."}',
    '{"text": "1. Mind the\\r\\n second line — «it» decides: 50 % of all."}',
    '{"text": "## Rules"}',
    "Sure!",
]
NAMES = sorted(OPERATORS)
STEPS = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 999), st.sampled_from(SAID)), min_size=1, max_size=9)


def a_situation(population: list[Candidate], seed: int) -> Situation:
    output = SIMULATION.agent.output
    return Situation(population[-1], population, TRAIN, shown, ODDS, random.Random(seed), output=output)


def proposed(operator: Operator, situation: Situation, said: str) -> Proposal | None:
    """The operator's child, with a reflector that says `said`."""
    if operator.reflecting is None:
        return operator.propose(situation)
    asked = operator.reflecting.ask(situation)
    if asked is None:
        return None
    reported = "\n".join(str(value) for value in asked.values())
    assert not any(shown(task) in reported for task in HELD_OUT), "a held-out case was shown to the reflector"
    found = operator.reflecting.read(situation, said)
    return None if isinstance(found, Refused) else found


def answered(genome: Genome, number: int, chance: random.Random) -> Candidate:
    """A candidate that is right about half of the train cases."""
    candidate = Candidate(genome, (), "test", "", number)
    for task in TRAIN.values():
        value = float(chance.random() < 0.5)
        candidate.scores[task.id] = Score(value, value > 0, "", {"answer": "no"})
    return candidate


def descendants(steps: list[tuple[str, int, str]]) -> list[tuple[Genome, Proposal]]:
    """(parent, child) along a line of operators; each child that there is becomes the next parent."""
    chance = random.Random(0)
    population = [answered(genome_of(SIMULATION.agent), 0, chance)]
    found = []
    for name, seed, said in steps:
        child = proposed(OPERATORS[name], a_situation(population, seed), said)
        if child is not None:
            found.append((population[-1].genome, child))
            population.append(answered(child.genome, len(population), chance))
    return found


def test_there_are_the_operators_that_the_design_names() -> None:
    assert {op.name for op in known_operators() if op.reflecting} == {
        "contrast",
        "describe",
        "edit-rule",
        "mixed-rule",
        "reflect-rule",
        "rewrite",
        "tell-apart",
    }
    assert len(NAMES) >= 14


@given(steps=STEPS)
def test_a_child_keeps_the_agents_contract_and_its_bounds(steps: list[tuple[str, int, str]]) -> None:
    base = SIMULATION.agent
    for parent, child in descendants(steps):
        agent = agent_of(child.genome, base)
        assert (agent.name, agent.output, agent.model, agent.inputs) == (
            base.name,
            base.output,
            base.model,
            base.inputs,
        )
        assert agent.section(CASE_SECTION) == base.section(CASE_SECTION)
        assert [s.title for s in agent.sections].count(CASE_SECTION) == 1
        assert child.genome.sampling == base.sampling
        assert child.note
        assert len(child.genome.rules) <= MAX_RULES
        assert len(set(child.genome.rules)) == len(child.genome.rules)
        demos = child.genome.demos
        assert demos is None or 1 <= demos.k <= MAX_DEMOS
        assert set(child.genome.demo_ids or ()) <= TRAIN.keys()
        assert parent == genome_from_text(genome_to_text(parent)), "parents stay as they are"


@given(steps=STEPS)
def test_a_child_comes_back_from_the_archive_as_it_was(steps: list[tuple[str, int, str]]) -> None:
    for _, child in descendants(steps):
        back = genome_from_text(genome_to_text(child.genome))
        assert back == child.genome
        assert back.id == child.genome.id


@settings(max_examples=40)
@given(steps=STEPS)
@example(steps=[("rewrite", 0, SAID[2]), ("compress", 1, SAID[0])])
def test_a_child_comes_back_from_its_agent_file_as_it_was(steps: list[tuple[str, int, str]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "SIMULATED_AGENT.md"
        for _, child in descendants(steps):
            path.write_text(agent_text(agent_of(child.genome, SIMULATION.agent)), encoding="utf-8")
            back = genome_of(load_agent(path))
            assert (back.sections, back.rules, back.demos, back.scratch) == (
                child.genome.sections,
                child.genome.rules,
                child.genome.demos,
                child.genome.scratch,
            )


@settings(max_examples=25)
@given(steps=STEPS, spots=st.lists(st.integers(0, len(HELD_OUT) - 1), min_size=1, max_size=4))
def test_the_file_of_a_winner_asks_what_the_gate_asked(steps: list[tuple[str, int, str]], spots: list[int]) -> None:
    """What is promoted is what was measured: the same prompt, message by message."""
    run = EngineRun(SIMULATION)
    with TemporaryDirectory() as folder:
        for _, child in descendants(steps)[-2:]:
            path = Path(folder) / "SIMULATED_AGENT.md"
            agent = agent_of(child.genome, SIMULATION.agent)
            write_agent(path, agent, demos_of(child.genome, TASKS), RENDER)
            loaded = load_agent(path)
            bank = load_bank(loaded, path, RENDER)
            for task in (HELD_OUT[spot] for spot in spots):
                searched = run.rollouts.prompt(child.genome, task)
                assert render_agent(loaded, task.vars, bank, RENDER) == searched


@given(steps=STEPS, spot=st.integers(0, len(TASKS) - 1))
def test_no_prompt_shows_a_demo_of_the_cases_family_or_of_another_split(
    steps: list[tuple[str, int, str]], spot: int
) -> None:
    run, task = EngineRun(SIMULATION), TASKS[spot]
    hidden = [
        other for other in TASKS if other.id != task.id and (other.split != "train" or other.family == task.family)
    ]
    for _, child in descendants(steps)[-2:]:
        prompt = run.rollouts.prompt(child.genome, task).text
        assert shown(task) in prompt
        assert not any(shown(other) in prompt for other in hidden)


# --- genomes as such

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=40)
WORDS = TEXT.map(lambda text: " ".join(text.split())).filter(bool)
GENOMES = st.builds(
    Genome,
    rules=st.lists(WORDS, max_size=4).map(tuple),
    sections=st.just(()),
    demos=st.none()
    | st.builds(DemoSettings, TEXT, st.sampled_from(["static", "nearest", "likely"]), st.integers(1, 8)),
    demo_ids=st.none() | st.lists(st.text("0123456789abcdef", min_size=1, max_size=16), max_size=4).map(tuple),
    sampling=st.dictionaries(st.sampled_from(["temperature", "seed"]), st.integers(0, 9)),
    digest_chars=st.none() | st.integers(1, 2000),
    scratch=st.lists(TEXT, max_size=2).map(tuple),
    taught=st.lists(st.tuples(st.text("0123456789abcdef", min_size=1, max_size=16), TEXT), max_size=2).map(tuple),
)


@given(genome=GENOMES)
def test_any_genome_comes_back_from_the_archive(genome: Genome) -> None:
    assert genome_from_text(genome_to_text(genome)) == genome


@given(one=GENOMES, other=GENOMES)
def test_genomes_have_one_id_when_they_are_equal_and_else_two(one: Genome, other: Genome) -> None:
    assert (one.id == other.id) == (one == other)


# --- what a reflector may say


@given(text=st.text(max_size=300))
def test_no_answer_of_a_reflector_breaks_the_checks(text: str) -> None:
    for answer in (text, f'{{"text": "{text}"}}', f'{{"text": {text}}}'):
        rule = check_rule(answer, ["The first word decides."])
        body = check_section(answer, "Look at {{ report }}.")
        assert all(found.reason if isinstance(found, Refused) else found for found in (rule, body))


@given(text=TEXT)
def test_an_accepted_text_survives_the_agents_file(text: str) -> None:
    said = read_text(json.dumps({"text": text}))
    rule = check_rule(json.dumps({"text": text}), [])
    if not isinstance(rule, Refused):
        genome = Genome((), rules=(rule,))
        assert genome_of(agent_of(genome, SIMULATION.agent)).rules == (rule,)
    if not isinstance(said, Refused):
        assert said.encode("utf-8").decode("utf-8") == said
        assert "\r" not in said
