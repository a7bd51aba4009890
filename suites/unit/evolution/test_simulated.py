"""The simulated provider: what it says follows from its world's truth, and its counts are right."""

import asyncio
import json
from dataclasses import replace

import pytest

from evolve.core.evaluation.agent_prompts import DemoBank, render_agent
from evolve.core.model.agents import DemoSettings, Section
from evolve.core.model.answers import Answer, Request
from evolve.core.search.genome import demos_of, genome_of
from evolve.core.templating.templates import Templates
from fixtures.simulated import SimulatedCase, SimulatedProvider, Simulation, World, prompt_of, read

STATIC = ["Role: You name the answer to a report."]


def ask(provider: SimulatedProvider, *prompts: str, repeat: int = 0) -> list[Answer]:
    async def all_of_them() -> list[Answer]:
        return [await provider.answer(Request(prompt, repeat=repeat)) for prompt in prompts]

    return asyncio.run(all_of_them())


def said(provider: SimulatedProvider, *prompts: str, repeat: int = 0) -> list[str]:
    return [json.loads(str(answer.output))["answer"] for answer in ask(provider, *prompts, repeat=repeat)]


def rightness(simulation: Simulation, static: list[str]) -> float:
    cases = list(simulation.cases.values())
    given = said(SimulatedProvider(simulation), *(prompt_of(static, case.text) for case in cases))
    return sum(answer == case.answer for answer, case in zip(given, cases, strict=True)) / len(cases)


def rules_for(simulation: Simulation) -> list[str]:
    """A rule for each cause."""
    known = {case.cause: case for case in simulation.cases.values()}
    return [f'Words such as "{case.cause_words[0]}" speak for {case.answer}.' for case in known.values()]


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return Simulation(World(seed=5))


@pytest.fixture(scope="module")
def case(simulation: Simulation) -> SimulatedCase:
    return next(iter(simulation.cases.values()))


def is_helped(simulation: Simulation, prompt: str) -> bool:
    return simulation.is_helped(read(prompt))


def test_one_prompt_has_one_answer(simulation, case):
    prompt = prompt_of(STATIC, case.text)
    first, second = SimulatedProvider(simulation), SimulatedProvider(Simulation(World(seed=5)))
    assert said(first, prompt, prompt) == said(second, prompt) * 2


def test_other_worlds_say_other_things():
    texts = {next(iter(Simulation(World(seed)).cases.values())).text for seed in range(5)}
    assert len(texts) == 5


def test_a_rule_helps_where_it_names_a_word_of_the_cause_and_the_answer(simulation, case):
    other = next(answer for answer in simulation.answers if answer != case.answer)
    word = case.cause_words[2]
    assert is_helped(simulation, prompt_of([*STATIC, f"{word} speaks for {case.answer}"], case.text))
    assert not is_helped(simulation, prompt_of([*STATIC, f"{word} speaks for {other}"], case.text))
    assert not is_helped(simulation, prompt_of([*STATIC, word, case.answer], case.text))
    assert not is_helped(simulation, prompt_of(STATIC, case.text))


def test_a_demo_helps_where_it_is_of_the_same_cause(simulation, case):
    cases = list(simulation.cases.values())
    alike = next(c for c in cases if c.cause == case.cause and c.family != case.family)
    unlike = next(c for c in cases if c.cause != case.cause)
    assert is_helped(
        simulation, prompt_of(STATIC, case.text, [(unlike.text, unlike.answer), (alike.text, alike.answer)])
    )
    assert not is_helped(simulation, prompt_of(STATIC, case.text, [(unlike.text, unlike.answer)]))
    wrong = next(answer for answer in simulation.answers if answer != case.answer)
    assert not is_helped(simulation, prompt_of(STATIC, case.text, [(alike.text, wrong)]))


@pytest.mark.parametrize("style", ["turns", "text"])
def test_prompts_of_real_agents_are_understood(simulation, style):
    render = Templates("strict").render
    tasks = simulation.tasks()
    settings = DemoSettings("demos.yaml", "nearest", k=3, style=style)
    agent = replace(
        simulation.agent, demos=settings, sections=(Section("Rules", "1. one rule"), *simulation.agent.sections)
    )
    bank = DemoBank(agent, settings, demos_of(genome_of(agent), tasks), render)
    gate = [task for task in tasks if task.split == "gate"]
    readings = [read(render_agent(agent, task.vars, bank, render, family=task.family).text) for task in gate]
    assert [f"case {reading.reference}" for reading in readings] == [task.description for task in gate]
    assert all(len(reading.demos) == 3 and "1. one rule" in reading.rules for reading in readings)
    assert sum(map(simulation.is_helped, readings)) / len(gate) > 0.9


def test_what_is_measured_is_what_is_expected_on_average():
    worlds = [Simulation(World(seed, gain=0.3)) for seed in range(12)]
    plain = sum(rightness(s, STATIC) for s in worlds) / len(worlds)
    helped = sum(rightness(s, [*STATIC, *rules_for(s)]) for s in worlds) / len(worlds)
    assert plain == pytest.approx(0.45, abs=0.04)
    assert helped - plain == pytest.approx(0.3, abs=0.04)


def test_the_expected_accuracy_of_a_prompt_is_known(simulation):
    texts = [case.text for case in simulation.cases.values()]
    assert simulation.accuracy(prompt_of(STATIC, text) for text in texts) == pytest.approx(0.45)
    helped = [*STATIC, *rules_for(simulation)]
    assert simulation.accuracy(prompt_of(helped, text) for text in texts) == pytest.approx(0.6)


def test_in_a_null_world_prompts_differ_and_none_is_better():
    worlds = [Simulation(World.null(seed)) for seed in range(12)]
    for simulation in worlds[:2]:
        prompts = [[prompt_of([*STATIC, line], c.text) for c in simulation.cases.values()] for line in ("a", "b")]
        provider = SimulatedProvider(simulation)
        one, other = (said(provider, *texts) for texts in prompts)
        assert 0.1 < sum(a != b for a, b in zip(one, other, strict=True)) / len(one) < 0.6
    plain = sum(rightness(s, STATIC) for s in worlds) / len(worlds)
    helped = sum(rightness(s, [*STATIC, *rules_for(s)]) for s in worlds) / len(worlds)
    assert helped == pytest.approx(plain, abs=0.04)


def test_in_a_null_world_words_do_not_tell_the_answer():
    simulation = Simulation(World.null(1))
    answers: dict[int, set[str]] = {}
    for case in simulation.cases.values():
        answers.setdefault(case.cause, set()).add(case.answer)
    assert all(len(said_of_one_cause) > 2 for said_of_one_cause in answers.values())


def test_asking_once_more_seldom_changes_the_answer(simulation):
    prompts = [prompt_of(STATIC, case.text) for case in simulation.cases.values()]
    provider = SimulatedProvider(Simulation(replace(simulation.world, repeat_noise=0.2)))
    again = [said(provider, *prompts, repeat=repeat) for repeat in (0, 1, 1)]
    assert again[1] == again[2]
    assert 0 < sum(a != b for a, b in zip(again[0], again[1], strict=True)) / len(prompts) < 0.3


def test_each_split_has_each_cause_and_families_keep_to_one_split(simulation):
    cases = simulation.cases.values()
    for split in ("train", "val", "gate"):
        assert {case.cause for case in cases if case.split == split} == set(range(simulation.world.causes))
    assert len({case.family for case in cases}) == len({(case.family, case.split) for case in cases})


def test_tasks_carry_the_right_answer(simulation):
    by_reference = {f"case {case.reference}": case for case in simulation.cases.values()}
    for task in simulation.tasks():
        case = by_reference[task.description]
        assert task.label == {"answer": case.answer}
        assert (task.family, task.split, task.accepted) == (case.family, case.split, (task.label,))


def test_calls_and_tokens_are_counted(simulation, case):
    provider = SimulatedProvider(simulation)
    answers = ask(provider, *(prompt_of(STATIC, case.text + " x" * n) for n in range(5)))
    assert provider.calls == provider.tokens.requests == 5
    assert provider.tokens.prompt == sum(answer.tokens.prompt for answer in answers)


def test_what_the_last_prompt_began_with_comes_from_the_cache(simulation, case):
    provider = SimulatedProvider(simulation)
    other = prompt_of(["Wholly other instructions, and longer ones at that."], case.text)
    same = prompt_of(STATIC, case.text)
    first, again, away, back = (answer.tokens for answer in ask(provider, same, same, other, same))
    assert first.cached == 0
    assert again.cached == again.prompt
    assert away.cached == back.cached < 10


def test_a_server_with_two_slots_remembers_two_prompts(simulation, case):
    provider = SimulatedProvider(simulation, slots=2)
    one, other = prompt_of(["One."], case.text), prompt_of(["Wholly other instructions, and long ones."] * 9, case.text)
    _, _, *later = (answer.tokens for answer in ask(provider, one, other, one, other))
    assert all(tokens.cached == tokens.prompt for tokens in later)


def test_the_identity_tells_worlds_prompts_and_repeats_apart(simulation):
    null = SimulatedProvider(Simulation(World.null(5)))
    one = SimulatedProvider(simulation)
    requests = [Request("p"), Request("q"), Request("p", repeat=1)]
    identities = [json.dumps(provider.identity(r)) for provider in (one, null) for r in requests]
    assert len(set(identities)) == 6
