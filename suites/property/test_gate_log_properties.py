"""A gate log reads back what was written, whatever is written, and survives being cut off anywhere."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.model.errors import InputError
from evolve.core.model.gate import Lane
from evolve.core.search.gate_history import GateRecord
from evolve.store.gate_lines import line_of_decision, line_of_opening, parse_lines
from evolve.store.gate_log import GateLog

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
LEVELS = st.floats(1e-9, 0.3)


@st.composite
def gate_records(draw: st.DrawFn) -> list[GateRecord]:
    """Gates of one project, some without a word."""
    runs = draw(st.lists(TEXT, max_size=6, unique=True))
    return [draw(gate(number, run)) for number, run in enumerate(runs, 1)]


@st.composite
def gate(draw: st.DrawFn, number: int, run: str) -> GateRecord:
    lane: Lane = draw(st.sampled_from(["better", "cheaper"]))
    opened = GateRecord(number, run, draw(TEXT), draw(TEXT), draw(TEXT), draw(LEVELS), lane=lane)
    if draw(st.booleans()):
        return opened
    word = draw(st.sampled_from(["proven", "provisional", "rejected"]))
    return replace(
        opened,
        decided=draw(TEXT),
        candidate=draw(TEXT),
        word=word,
        p_value=opened.alpha * draw(st.floats(0, 1)) if word == "proven" else draw(st.floats(0, 1)),
        gain=draw(st.floats(-1, 1)),
        cases=draw(st.integers(0, 400)),
        families=tuple(sorted(draw(st.sets(TEXT, max_size=5)))),
    )


def written(gates: list[GateRecord]) -> str:
    """All gates opened first, then the words, as when runs overlap."""
    return "".join(map(line_of_opening, gates)) + "".join(line_of_decision(gate) for gate in gates if gate.word)


@given(gate_records())
def test_gates_are_read_back_as_they_were_written(gates: list[GateRecord]) -> None:
    assert parse_lines(written(gates), "log") == gates


@given(gate_records(), st.data())
def test_a_log_cut_off_anywhere_keeps_its_whole_lines_and_goes_on(gates: list[GateRecord], data: st.DataObject) -> None:
    content = written(gates).encode()
    cut = content[: data.draw(st.integers(0, len(content)))]
    lines = cut.count(b"\n")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        path.write_bytes(cut)
        kept = len(GateLog(path).gates())
        assert min(lines, len(gates)) <= kept <= min(lines + 1, len(gates))
        GateLog(path).open("the next", agent="A", parent="A@1", date="2026-11-25")
        assert len(GateLog(path).gates()) >= kept
        assert path.read_bytes().startswith(cut[: cut.rfind(b"\n") + 1])


@given(gate_records().filter(lambda gates: len(gates) > 1), st.data())
def test_two_lines_that_changed_places_are_noticed(gates: list[GateRecord], data: st.DataObject) -> None:
    lines = list(map(line_of_opening, gates))
    one, other = data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True))
    lines[one], lines[other] = lines[other], lines[one]
    with pytest.raises(InputError, match="was expected"):
        parse_lines("".join(lines), "log")
