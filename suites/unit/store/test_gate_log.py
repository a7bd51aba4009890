"""The committed record of a project's gates, and the families that they have worn out."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.model.errors import EnvironmentFault, InputError
from evolve.core.model.gate import GateDecision, Pair
from evolve.core.search.alpha import next_alpha
from evolve.core.search.gate import decide
from evolve.core.search.gate_history import GateRecord, families_hash, usable_gate_families
from evolve.store.gate_lines import line_of_decision, line_of_opening, parse_lines
from evolve.store.gate_log import AgentGates, GateLog

DATE = "2026-11-25"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agents" / "gate_log.jsonl"


def gates(path: Path, agent: str = "A") -> AgentGates:
    return AgentGates(GateLog(path), agent, f"{agent}@2", lambda: DATE)


def decision(alpha: float, better: int = 8) -> GateDecision:
    return decide([Pair(f"t{i}", f"f{i}", 0.0, 1.0) for i in range(better)], alpha=alpha)


def pass_gate(path: Path, run: str, *, better: int = 8, families: tuple[str, ...] = ("f0", "f1")) -> float:
    mine = gates(path)
    _, alpha = mine.open(run)
    mine.record(run, "c1", decision(alpha, better), families)
    return alpha


def problems(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        GateLog(path).gates()
    return [str(problem) for problem in caught.value.problems]


def change(path: Path, line: int, **fields: object) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1] = json.dumps({**json.loads(lines[line - 1]), **fields})
    path.write_text("\n".join(lines) + "\n")


def test_a_gate_is_read_back_as_it_was_decided(path):
    alpha = pass_gate(path, "r1", families=("b", "a", "b"))
    assert GateLog(path).gates() == [
        GateRecord(1, "r1", "A", "A@2", DATE, alpha, DATE, "c1", "proven", 1 / 256, 1.0, 8, ("a", "b"))
    ]


def test_each_lane_spends_levels_of_its_own(path):
    cheaper = replace(gates(path), lane="cheaper")
    assert pass_gate(path, "r1") == next_alpha([])
    assert cheaper.open("r2") == (2, next_alpha([]))
    assert pass_gate(path, "r3") == next_alpha([True])
    assert cheaper.open("r4") == (4, next_alpha([False]))
    assert cheaper.open("r2") == (2, next_alpha([])), "the run's own gate, opened before"
    assert [gate.lane for gate in GateLog(path).gates()] == ["better", "cheaper", "better", "cheaper"]
    assert [json.loads(line).get("lane") for line in path.read_text().splitlines() if "opened" in line] == [
        None,
        "cheaper",
        None,
        "cheaper",
    ]


def test_a_file_that_is_not_there_has_no_gates_and_is_not_made_by_reading(path):
    assert GateLog(path).gates() == []
    assert GateLog(path).next_alpha() == next_alpha([])
    assert not path.parent.exists()


def test_each_gate_spends_its_own_level(path):
    spent = [pass_gate(path, f"r{i}", better=1) for i in range(4)]
    assert spent == [next_alpha([False] * i) for i in range(4)]
    assert GateLog(path).next_alpha() == next_alpha([False] * 4)


def test_proofs_are_counted_by_the_levels_that_follow(path):
    for i in range(3):
        pass_gate(path, f"r{i}")
    assert GateLog(path).next_alpha() == next_alpha([True] * 3) > next_alpha([False] * 3)


def test_a_gate_that_came_to_no_word_has_spent_its_level(path):
    gates(path).open("killed")
    assert gates(path).open("next") == (2, next_alpha([False]))


def test_a_killed_run_finds_its_gate_again(path):
    assert gates(path).open("r1") == gates(path).open("r1") == (1, next_alpha([]))
    assert len(path.read_text().splitlines()) == 1


def test_a_run_has_one_word(path):
    alpha = pass_gate(path, "r1")
    gates(path).record("r1", "other", decision(alpha, better=1), ("f9",))
    (gate,) = GateLog(path).gates()
    assert (gate.candidate, gate.word) == ("c1", "proven")


def test_a_word_needs_an_opened_gate_at_its_level(path):
    with pytest.raises(ValueError, match="run r1 has opened no gate"):
        gates(path).record("r1", "c", decision(0.01), ())
    gates(path).open("r1")
    with pytest.raises(ValueError, match=r"at the level 0\.01"):
        gates(path).record("r1", "c", decision(0.01), ())


def test_gates_opened_at_once_have_different_numbers(path):
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda i: gates(path).open(f"r{i}"), range(24)))
    assert sorted(number for number, _ in opened) == list(range(1, 25))
    assert [gate.number for gate in GateLog(path).gates()] == list(range(1, 25))


@pytest.mark.parametrize("kept", [1, 5, 40, 90])
def test_a_last_line_cut_off_by_a_crash_is_overwritten(path, kept):
    pass_gate(path, "r1")
    whole = path.read_bytes()
    gates(path).open("r2")
    path.write_bytes(path.read_bytes()[: len(whole) + kept])
    assert len(GateLog(path).gates()) == 1
    assert gates(path).open("r3")[0] == 2
    assert [gate.run for gate in GateLog(path).gates()] == ["r1", "r3"]


def test_a_last_line_that_lacks_only_its_newline_counts(path):
    pass_gate(path, "r1")
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert gates(path).open("r2")[0] == 2
    assert [gate.run for gate in GateLog(path).gates()] == ["r1", "r2"]


def test_edited_numbers_are_refused_with_their_line(path):
    pass_gate(path, "r1")
    pass_gate(path, "r2")
    change(path, 3, gate=7)
    change(path, 4, gate=7)
    (problem,) = problems(path)
    assert problem.startswith(f"{path}:3: gate 7 is opened where gate 2 was expected")
    assert "after a merge" in problem
    with pytest.raises(InputError):
        gates(path).open("r3")


def test_a_line_taken_away_is_noticed(path):
    pass_gate(path, "r1")
    pass_gate(path, "r2")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[2:]))
    assert problems(path)[0].startswith(f"{path}:1: gate 2 is opened where gate 1 was expected")


def test_every_problem_is_reported_with_its_line(path):
    pass_gate(path, "r1")
    change(path, 2, word="brilliant", p=2, familes=[])
    with path.open("a") as file:
        file.write("<<<<<<< HEAD\n[]\n")
    reported = "\n".join(problems(path))
    assert f"{path}:2: word" in reported
    assert f"{path}:2: p: 2 is more than the maximum of 1" in reported
    assert "unknown key 'familes' (did you mean 'families'?)" in reported
    assert f"{path}:3: not JSON" in reported
    assert f"{path}:4: " in reported


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"p": 0.03}, "gate 1 is called proven at p = 0.03, above its level"),
        ({"families": ["f0"]}, "families_hash is not the hash of families"),
        ({"run": "r9"}, "a decision of gate 1 of run r9, which was not opened before"),
        ({"gate": 2}, "a decision of gate 2 of run r1, which was not opened before"),
    ],
)
def test_an_edited_word_is_refused(path, fields, message):
    pass_gate(path, "r1")
    change(path, 2, **fields)
    assert f"{path}:2: {message}" in problems(path)[0]


def test_a_second_word_and_a_second_gate_of_a_run_are_refused(path):
    pass_gate(path, "r1")
    path.write_text(path.read_text() * 2)
    reported = problems(path)
    assert f"{path}:3: run r1 opens a second gate" in reported[0]
    assert f"{path}:4: a second decision of gate 1" in reported[1]


def test_a_log_that_is_no_text_is_refused_with_its_line(path):
    pass_gate(path, "r1")
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
    assert problems(path) == [f"{path}:3: not UTF-8 (restore the line from git)"]


def test_a_log_that_cannot_be_written_is_the_environments_fault(path):
    path.mkdir(parents=True)
    with pytest.raises(EnvironmentFault, match="no gate is decided without a record"):
        gates(path).open("r1")


def record(agent: str, *families: str) -> GateRecord:
    return GateRecord(1, "r", agent, f"{agent}@1", DATE, 0.01, DATE, "c", "rejected", families=families)


def test_a_family_is_worn_after_three_words_about_the_same_agent():
    history = [record("A", "x", "y"), record("A", "x"), record("A", "x"), record("B", "y", "y2"), record("B", "y")]
    supply = usable_gate_families(["z", "y", "x"], history, "A")
    assert (supply.usable, supply.worn) == (("z", "y"), ("x",))
    assert supply.advice.startswith("2 of 3 gate families are left: 1 were read by 3 gates")


def test_a_gate_without_a_word_wears_nothing():
    undecided = replace(record("A"), word=None, decided="")
    assert usable_gate_families(["x"], [undecided] * 5, "A").usable == ("x",)


def test_what_a_search_has_seen_serves_no_gate():
    supply = usable_gate_families(["x", "y"], [], "A", searched=["x", "train only"])
    assert (supply.usable, supply.searched) == (("y",), ("x",))


def test_an_exhausted_supply_says_what_to_do():
    supply = usable_gate_families(["x"], [record("A", "x")] * 3, "A")
    assert supply.is_exhausted
    assert supply.advice.startswith("no gate family is left")
    assert "add cases of new root causes" in supply.advice


def test_a_fresh_supply_needs_no_advice():
    assert usable_gate_families(["x"], [], "A").advice == ""


def test_the_hash_of_families_knows_no_order():
    assert families_hash(["b", "a", "b"]) == families_hash(["a", "b"]) != families_hash(["ab"])


def test_new_harm_is_in_the_log_and_is_never_proven():
    opened = GateRecord(1, "a", "A", "A@1", DATE, 0.0191)
    gate = replace(
        opened, decided=DATE, candidate="c0ffee", word="rejected", families=("f",), p_value=0.01, new_harm=("case 1",)
    )
    text = line_of_opening(gate) + line_of_decision(gate)
    assert parse_lines(text, "log") == [gate]
    assert '"new_harm": ["case 1"]' in text
    with pytest.raises(InputError, match="its candidate does new harm"):
        parse_lines(text.replace('"rejected"', '"proven"'), "log")
    assert "new_harm" not in line_of_decision(replace(gate, new_harm=()))
