"""Each operator by itself, and that a winner's file shows reports as the search did."""

import json
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.evaluation.agent_prompts import DemoBank, render_agent
from evolve.core.model.agents import Demo, DemoSettings, Section
from evolve.core.model.suite import Test
from evolve.core.retrieval.log_odds import LogOdds
from evolve.core.search.genome import Genome, agent_of, demos_of, genome_of
from evolve.core.search.operators import Operator, Proposal, Situation, known_operators
from evolve.core.search.population import Candidate
from evolve.core.search.race import screen_tasks
from evolve.core.search.task_list import suite_tasks
from evolve.core.search.tasks import Score, Task
from evolve.core.templating.templates import Templates
from evolve.evaluation.setup import Settings, load
from evolve.store.agent_files import write_agent
from evolve.store.agents import find_agent, load_agent, load_bank

OPERATORS = {operator.name: operator for operator in known_operators()}
COLOURS = {"sky": "blue", "sea": "blue", "ice": "blue", "leaf": "green", "moss": "green", "fire": "red"}


def a_task(number: int, thing: str) -> Task:
    answer = {"colour": COLOURS[thing]}
    return Task(f"{number:04}", thing, f"family {number}", "train", {"thing": thing}, Test({}, ()), answer, (answer,))


TASKS = {f"{number:04}": a_task(number, thing) for number, thing in enumerate([*COLOURS] * 3)}
PLAIN = Genome((Section("Role", "You name colours.\nAnswer shortly."), Section("Tone", "Be calm.")))


def thing_of(task: Task) -> str:
    return str(task.vars["thing"])


def a_candidate(genome: Genome, failed: Iterable[str], number: int = 0) -> Candidate:
    wrong = set(failed)
    scores = {i: Score(float(i not in wrong), i not in wrong, "", {"colour": "red"}) for i in TASKS}
    return Candidate(genome, (), "test", "", number, scores)


def a_situation(genome: Genome, failed: Iterable[str], *others: Candidate, seed: int = 1) -> Situation:
    odds = LogOdds(
        [thing_of(t) for t in TASKS.values()], [f'{{"colour": "{COLOURS[thing_of(t)]}"}}' for t in TASKS.values()]
    )
    parent = a_candidate(genome, failed)
    return Situation(parent, [parent, *others], TASKS, thing_of, odds, random.Random(seed))


def children(name: str, genome: Genome, failed: Iterable[str] = ("0000", "0003"), tries: int = 30) -> list[Genome]:
    found = [OPERATORS[name].propose(a_situation(genome, failed, seed=seed)) for seed in range(tries)]
    return [proposal.genome for proposal in found if proposal is not None]


def test_a_demo_is_added_for_an_answer_that_is_not_shown_yet():
    first = children("add-demo", PLAIN)
    assert {genome.demo_ids for genome in first} == {("0000",), ("0003",)}
    static = replace(PLAIN, demos=DemoSettings("b", "static", k=1), demo_ids=("0000",))
    assert {genome.demo_ids for genome in children("add-demo", static)} == {("0000", "0003")}


def test_a_demo_is_swapped_for_one_of_the_same_answer():
    static = replace(PLAIN, demos=DemoSettings("b", "static", k=2), demo_ids=("0001", "0003"))
    for genome in children("swap-demo", static, failed=("0000", "0009")):
        assert genome.demo_ids in (("0000", "0003"), ("0001", "0009"))
        assert genome.demos == static.demos


@pytest.mark.parametrize(("now", "later"), [(1, {2}), (4, {3, 5}), (8, {7}), (9, {8}), (40, {8})])
def test_the_count_of_demos_moves_by_one_and_never_leaves_its_bounds(now, later):
    genome = replace(PLAIN, demos=DemoSettings("b", "nearest", k=now))
    assert {child.demos.k for child in children("demo-count", genome) if child.demos} == later


@pytest.mark.parametrize("now", [1, 150, 250, 333, 700, 1200, 9000])
def test_a_view_goes_to_the_next_length(now):
    genome = replace(PLAIN, digest_chars=now)
    found = {child.digest_chars for child in children("view", genome)}
    assert found
    assert now not in found
    assert found <= {150, 250, 400, 700, 1200}
    assert children("view", PLAIN) == []


def test_rules_are_dropped_and_moved_to_the_top():
    genome = replace(PLAIN, rules=("a", "b", "c"))
    assert {child.rules for child in children("drop-rule", genome)} == {("b", "c"), ("a", "c"), ("a", "b")}
    assert {child.rules for child in children("reorder-rules", genome)} == {("b", "a", "c"), ("c", "a", "b")}
    assert children("reorder-rules", replace(PLAIN, rules=("a",))) == []


def test_a_rule_by_log_odds_names_the_words_of_the_answer_that_is_missed_most():
    (child, *_) = children("add-rule", PLAIN, failed=("0000", "0001", "0003"))
    (rule,) = child.rules
    assert rule.endswith("speak for blue.")
    assert any(f'"{word}"' in rule for word in ("sky", "sea", "ice"))
    full = replace(PLAIN, rules=tuple(f"rule {number}" for number in range(10)))
    assert children("add-rule", full) == []


def test_compressing_leaves_out_one_line_but_no_section():
    bodies = {child.sections[0].body for child in children("compress", PLAIN)}
    assert bodies == {"You name colours.", "Answer shortly."}
    assert all(child.sections[1] == PLAIN.sections[1] for child in children("compress", PLAIN))


def test_a_crossover_takes_the_rules_of_both_and_the_demos_of_the_partner():
    one = replace(PLAIN, rules=("a", "b"))
    other = replace(PLAIN, rules=("b", "c"), demos=DemoSettings("b", "static", k=1), demo_ids=("0002",))
    partner = a_candidate(other, failed=("0005",), number=1)
    child = OPERATORS["crossover"].propose(a_situation(one, ["0000"], partner))
    assert child is not None
    assert (child.genome.rules, child.genome.demos, child.genome.demo_ids) == (("a", "b", "c"), other.demos, ("0002",))
    useless = a_candidate(other, failed=("0000", "0005"), number=1)
    assert OPERATORS["crossover"].propose(a_situation(one, ["0000"], useless)) is None


def changed(title: str, body: str) -> Genome:
    return replace(
        PLAIN, sections=tuple(Section(s.title, body if s.title == title else s.body) for s in PLAIN.sections)
    )


def joined(own: Candidate, *population: Candidate) -> Genome:
    situation = replace(a_situation(PLAIN, ()), parent=own, population=population)
    child = OPERATORS["crossover"].propose(situation)
    assert child is not None
    return child.genome


def test_a_crossover_takes_each_section_from_the_parent_that_wins_more_cases_with_it():
    ids = list(TASKS)
    incumbent = a_candidate(PLAIN, ids[:10])
    one = a_candidate(changed("Role", "You know colours."), ids[5:10], number=1)
    other = a_candidate(changed("Tone", "Be brief."), ids[:5], number=2)
    best = (Section("Role", "You know colours."), Section("Tone", "Be brief."))
    assert joined(one, incumbent, one, other).sections == best
    assert joined(other, incumbent, one, other).sections == best


def test_of_two_wordings_the_one_that_wins_more_cases_is_taken():
    ids = list(TASKS)
    incumbent = a_candidate(PLAIN, ids[:12])
    weak = a_candidate(replace(changed("Role", "Weak."), rules=("Ice is blue.",)), ids[2:11], number=1)
    strong = a_candidate(replace(changed("Role", "Strong."), digest_chars=150), ids[11:12], number=2)
    for own in (weak, strong):
        child = joined(own, incumbent, weak, strong)
        assert child.sections[0].body == "Strong."
        assert (child.rules, child.digest_chars) != (own.genome.rules, own.genome.digest_chars)


def test_a_crossover_takes_what_was_written_before_an_answer_with_the_demos_that_show_it():
    ids = list(TASKS)
    taught = replace(
        PLAIN, demos=DemoSettings("b", "nearest", k=2), taught=(("0001", '{"why": "it is", "colour": "blue"}'),)
    )
    incumbent = a_candidate(PLAIN, ids[:10])
    thinking = a_candidate(replace(taught, demo_ids=("0001",), scratch=("why",)), ids[:5], number=1)
    other = a_candidate(replace(PLAIN, rules=("Ice is blue.",)), ids[5:10], number=2)
    child = joined(other, incumbent, thinking, other)
    assert child.taught
    assert child.scratch == ("why",)


def reflecting() -> list[Operator]:
    """Those that ask about one cluster of failures."""
    others = ("contrast", "mixed-rule", "describe", "tell-apart")
    return [operator for operator in OPERATORS.values() if operator.reflecting and operator.name not in others]


@pytest.mark.parametrize("operator", reflecting(), ids=lambda operator: operator.name)
def test_a_reflector_is_asked_about_one_cluster_with_right_and_given_answers(operator):
    genome = replace(PLAIN, rules=("Mind the words.",))
    asked = operator.reflecting.ask(a_situation(genome, ["0000", "0001", "0002", "0003"]))
    assert set(asked) == {"instructions", "rules", "failures", "correct", "wish"}
    failures = asked["failures"].split("\n\n")
    rights = {line for part in failures for line in part.splitlines() if line.startswith("Right:")}
    assert len(rights) == 1, "one expected answer, so one cause"
    assert 1 <= len(failures) <= 5
    assert "Given:" in failures[0]
    assert operator.reflecting.ask(a_situation(genome, [])) is None, "nothing failed, nothing to ask"


def read(name: str, genome: Genome, text: str) -> Proposal | str:
    how = OPERATORS[name].reflecting
    assert how is not None
    return how.read(a_situation(genome, ["0000"]), text)


def test_a_reflector_s_rule_goes_to_the_end_and_its_edit_replaces_the_last():
    said = '{"text": "Things of the sky are blue."}'
    genome = replace(PLAIN, rules=("Mind the words.",))
    added, edited = read("reflect-rule", genome, said), read("edit-rule", genome, said)
    assert isinstance(added, Proposal)
    assert isinstance(edited, Proposal)
    assert added.genome.rules == ("Mind the words.", "Things of the sky are blue.")
    assert edited.genome.rules == ("Things of the sky are blue.",)


def test_a_rewrite_replaces_the_section_that_the_failures_point_to():
    palette = Section("Palette", "red, blue, green")
    genome = replace(PLAIN, sections=(*PLAIN.sections, palette))
    found = read("rewrite", genome, '{"text": "A thing is blue, green or red."}')
    assert isinstance(found, Proposal)
    assert found.genome.sections == (*PLAIN.sections, Section("Palette", "A thing is blue, green or red."))


PALETTE = replace(PLAIN, sections=(*PLAIN.sections, Section("Palette", "red, blue and green are colours")))
ANSWERS = ("blue", "green", "red")


def asked_about_answers(name: str, genome: Genome, failed: Iterable[str] = ("0000", "0003")) -> str | None:
    how = OPERATORS[name].reflecting
    assert how is not None
    inputs = how.ask(replace(a_situation(genome, failed), answers=ANSWERS))
    return None if inputs is None else str(inputs["wish"])


@pytest.mark.parametrize("name", ["describe", "tell-apart"])
def test_a_question_about_all_answers_shows_cases_of_each_and_the_failures_first(name):
    wish = asked_about_answers(name, PALETTE)
    assert wish is not None
    cases = wish.partition(":\n")[2].splitlines()
    assert [line for line in cases if not line.startswith("- ")][:3] == ["blue:", "green:", "red:"]
    blue, green, red = (cases.index(f"{answer}:") for answer in ANSWERS)
    assert [green - blue, red - green] == [4, 4], "three of each"
    assert cases[blue + 1] == '- sky (given: {"colour": "red"})'
    assert cases[green + 1] == '- leaf (given: {"colour": "red"})'
    assert all("given" not in line for line in cases[red + 1 :][:3])


@pytest.mark.parametrize("name", ["describe", "tell-apart"])
def test_nothing_is_asked_about_all_answers_where_there_is_one_or_no_closed_set(name):
    how = OPERATORS[name].reflecting
    assert how is not None
    assert how.ask(a_situation(PALETTE, ["0000"])) is None
    assert how.ask(replace(a_situation(PALETTE, ["0000"]), answers=("blue",))) is None


def test_descriptions_replace_the_section_that_names_the_answers_and_may_be_longer():
    described = "\n".join(f"{answer}: {'things of that kind ' * 5}" for answer in ANSWERS)
    how = OPERATORS["describe"].reflecting
    assert how is not None
    situation = replace(a_situation(PALETTE, ["0000"]), answers=ANSWERS * 4)
    found = how.read(situation, json.dumps({"text": described}))
    assert isinstance(found, Proposal)
    assert found.genome.sections == (*PLAIN.sections, Section("Palette", described.strip()))
    assert len(described) <= how.limit(situation) == 140 * 12
    assert asked_about_answers("describe", PLAIN) is None, "no section names the answers"


def test_rules_that_tell_answers_apart_are_added_up_to_ten():
    how = OPERATORS["tell-apart"].reflecting
    assert how is not None
    said = '{"text": "1. Water and the sky are blue.\\n\\nPlants of the forest are green.\\nToo short."}'
    found = how.read(replace(a_situation(PALETTE, ["0000"]), answers=ANSWERS), said)
    assert isinstance(found, Proposal)
    assert found.genome.rules == ("Water and the sky are blue.", "Plants of the forest are green.")
    nearly_full = replace(PALETTE, rules=tuple(f"rule number {number}" for number in range(9)))
    assert asked_about_answers("tell-apart", nearly_full) is None
    two = replace(nearly_full, rules=nearly_full.rules[:8])
    assert "up to 2 new rules" in str(asked_about_answers("tell-apart", two))


def test_where_failures_point_to_no_section_each_is_rewritten_in_turn():
    rewrite = OPERATORS["rewrite"].reflecting
    assert rewrite is not None
    genome = Genome((Section("Plan", "Think first."), Section("Reply", "Be calm.")))
    situation = a_situation(genome, ["0000"])
    asked = []
    for children_before in range(3):
        situation.parent.children = children_before
        asked.append(str(rewrite.ask(situation)["wish"]).split("'")[1])  # type: ignore[index]
    assert asked == ["Plan", "Reply", "Plan"]


@pytest.fixture(scope="module")
def reports() -> list[Task]:
    """Some of the reflection suite's cases: real diagnostics, of several splits."""
    suite = Path(__file__).parents[3] / "agents/reflection.yaml"
    agent = load_agent(find_agent("REFLECTION_AGENT_PLAIN"))
    loaded = load(str(suite), Settings(env={}))
    return suite_tasks(loaded.evaluations, agent.output, str(suite))[::6]


SETTINGS = [
    DemoSettings("demos.yaml", "nearest", k=3, digest=700),
    DemoSettings("demos.yaml", "likely", k=2, digest=700, style="text"),
    DemoSettings("demos.yaml", "likely", k=4, digest=700),
    DemoSettings("demos.yaml", "static", k=2),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: f"{settings.select}-{settings.style}-{settings.k}")
@pytest.mark.parametrize("view", [150, 400])
def test_a_winners_file_shows_reports_as_the_search_did(settings, view, reports, tmp_path):
    base = load_agent(find_agent("REFLECTION_AGENT_PLAIN"))
    train = [task for task in reports if task.split == "train"]
    ids = tuple(task.id for task in train[:2]) if settings.select == "static" else None
    genome = replace(genome_of(base), demos=settings, demo_ids=ids, digest_chars=view)
    agent, render = agent_of(genome, base), Templates("strict").render
    path = tmp_path / f"{base.name}.md"
    write_agent(path, agent, demos_of(genome, reports), render)
    loaded = load_agent(path)
    bank = load_bank(loaded, path, render)
    searched = DemoBank(agent, settings, demos_of(genome, reports), render)
    held_out = [task for task in reports if task.split != "train"][:8]
    assert held_out
    for task in held_out:
        asked = render_agent(agent, task.vars, searched, render, family=task.family)
        assert render_agent(loaded, task.vars, bank, render) == asked


def half_right(*partial: str) -> Candidate:
    """A candidate that passes all cases but these, for which it gets most of the credit."""
    parent = a_candidate(PLAIN, ())
    return replace(parent, scores={**parent.scores, **{i: Score(0.75, False, "no source", "red") for i in partial}})


def test_a_failure_is_what_did_not_pass_whatever_credit_it_got():
    parent = half_right("0001", "0002")
    situation = replace(a_situation(PLAIN, ()), parent=parent, population=[parent])
    assert [task.id for task in situation.failures] == ["0001", "0002"]
    assert len(situation.passes) == len(TASKS) - 2
    screen = screen_tasks(parent, list(TASKS.values()), random.Random(1))
    assert {task.id for task in screen[:2]} == {"0001", "0002"}


@pytest.mark.parametrize("operator", ["reflect-rule", "rewrite"])
def test_a_reflector_is_asked_about_cases_without_a_label_with_the_reasons(operator):
    unlabelled = {i: replace(task, label=None, accepted=()) for i, task in TASKS.items()}
    parent = half_right(*list(TASKS)[:8])
    situation = replace(a_situation(PLAIN, ()), parent=parent, population=[parent], tasks=unlabelled)
    reflecting = OPERATORS[operator].reflecting
    assert reflecting is not None
    asked = reflecting.ask(situation)
    assert asked is not None
    shown = str(asked["failures"])
    assert shown.count('Given: "red"\nWrong because: no source') == 5
    assert "Right: null" not in shown


def test_teaching_shows_the_agents_own_whole_answers_in_place_of_labels():
    thinking = replace(PLAIN, scratch=("why",))
    situation = a_situation(thinking, ["0000", "0003"])
    for score_id, score in situation.parent.scores.items():
        thought = {"why": f"because of {score_id}"}
        situation.parent.scores[score_id] = replace(score, thought=thought, output=TASKS[score_id].label)
    found = OPERATORS["teach"].propose(situation)
    assert found is not None
    demos = demos_of(found.genome, list(TASKS.values()))
    assert len(demos) == len(TASKS) - 2
    first = next(task for task in TASKS.values() if task.id not in ("0000", "0003"))
    assert demos[0].output == {"why": f"because of {first.id}", **first.label}  # type: ignore[dict-item]
    assert list(demos[0].output) == ["why", "colour"]
    at_once = replace(situation.parent, genome=found.genome)
    plain = OPERATORS["answer-at-once"].propose(replace(situation, parent=at_once))
    assert plain is not None
    assert [demo.output for demo in demos_of(plain.genome, list(TASKS.values()))] == [
        d.output for d in unthought(demos)
    ]


def unthought(demos: list[Demo]) -> list[Demo]:
    return [replace(demo, output={"colour": demo.output["colour"]}) for demo in demos]  # type: ignore[call-overload,index]


def test_teaching_shows_right_answers_of_cases_without_a_label():
    unlabelled = {i: replace(task, label=None, accepted=()) for i, task in TASKS.items()}
    situation = replace(a_situation(PLAIN, ["0000"]), tasks=unlabelled)
    found = OPERATORS["teach"].propose(situation)
    assert found is not None
    assert {demo.output["colour"] for demo in demos_of(found.genome, list(unlabelled.values()))} == {"red"}  # type: ignore[call-overload,index]
    assert OPERATORS["teach"].propose(a_situation(PLAIN, ["0000"])) is None, "a demo of the label shows the same"


def test_a_contrast_names_a_case_that_another_candidate_answered_right_and_what_it_reads():
    contrast = OPERATORS["contrast"].reflecting
    assert contrast is not None
    other = a_candidate(replace(PLAIN, rules=("The sky is blue.",)), failed=("0003",), number=1)
    asked = contrast.ask(a_situation(PLAIN, ["0000", "0003"], other))
    assert asked is not None
    assert str(asked["failures"]).startswith("sky\nRight: ")
    assert "Its difference: The sky is blue." in str(asked["wish"])
    assert contrast.ask(a_situation(PLAIN, ["0003"], other)) is None


def test_a_mixed_question_has_failures_of_several_answers_and_the_commonest_confusions():
    mixed = OPERATORS["mixed-rule"].reflecting
    assert mixed is not None
    asked = mixed.ask(a_situation(PLAIN, [i for i in TASKS if TASKS[i].label != {"colour": "red"}]))
    assert asked is not None
    rights = {line for line in str(asked["failures"]).splitlines() if line.startswith("Right: ")}
    assert len(rights) == 2
    assert 'Most often wrong, over all cases: {"colour": "red"} in place of {"colour": "blue"} (9 times)' in str(
        asked["wish"]
    )
    assert mixed.ask(a_situation(PLAIN, ["0000"])) is None
