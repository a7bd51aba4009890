"""Events of an evolution as lines of JSON."""

import json
import math
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.evolution.json_lines import from_line, to_line
from evolve.core.model.answers import TokenUsage
from evolve.core.model.errors import InputError, Location
from evolve.core.model.evolution_events import (
    Account,
    CandidateInfo,
    CandidateProposed,
    EvolutionEvent,
    EvolutionFinished,
    ProposalRejected,
    RolloutScored,
)
from evolve.core.model.json_value import JsonValue

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def value_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    if hint == JsonValue:
        return JSON
    if hint is float:
        return st.floats(allow_nan=False)
    if get_origin(hint) is tuple:
        return st.lists(value_of(get_args(hint)[0]), max_size=2).map(tuple)
    if isinstance(hint, UnionType):
        return st.one_of([value_of(item) for item in get_args(hint)])
    if is_dataclass(hint):
        return st.builds(hint, **{field.name: value_of(field.type) for field in fields(hint)})
    return st.from_type(hint)


EVENTS = st.one_of([value_of(kind) for kind in get_args(EvolutionEvent)])
ROLLOUT = RolloutScored(
    "c1", "t1", "train", 0.5, False, True, "no", {"action": ["restart"]}, tokens=TokenUsage(3, 2, 1)
)


@given(EVENTS)
def test_a_line_gives_its_event_back(event):
    line = to_line(event)
    assert from_line(line) == event
    assert line.isascii()
    assert "\n" not in line


@given(EVENTS)
def test_a_line_is_json_that_names_its_kind(event):
    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert json.loads(to_line(event), parse_constant=refuse)["event"] == type(event).__name__


def test_free_values_keep_their_kind():
    for output in (True, 1, 1.0, "1", None, [True], {"a": 1.0}):
        rollout = RolloutScored("c", "t", "val", 1.0, True, False, "", output)
        read = from_line(to_line(rollout))
        assert type(read.output) is type(output)
        assert json.dumps(read.output) == json.dumps(output)


def test_what_json_has_no_number_for_comes_back():
    rollout = RolloutScored("c", "t", "val", math.inf, True, False, "", math.nan, seconds=math.nan)
    read = from_line(to_line(rollout))
    assert read.score == math.inf
    assert math.isnan(read.seconds)
    assert read.output == "NaN"


def test_fields_at_their_default_take_no_room():
    assert to_line(ProposalRejected("add_rule", "a twin")) == (
        '{"event":"ProposalRejected","operator":"add_rule","reason":"a twin"}'
    )
    assert "seconds" not in to_line(ROLLOUT)


def test_half_of_a_surrogate_pair_survives():
    event = CandidateProposed(CandidateInfo("c", ("p",), "add_rule", "\ud83d", "text\u2028"), 3)
    assert from_line(to_line(event)) == event


def changed(**fields: object) -> str:
    return json.dumps({**json.loads(to_line(ROLLOUT)), **fields})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "invalid JSON"),
        ("[" * 100_000, "invalid JSON"),
        ("[]", "expected an object with 'event', got list"),
        ("{}", "event=None: unknown event"),
        ('{"event": "RolloutScore"}', "unknown event (did you mean 'RolloutScored'?)"),
        ('{"event": "Teleported"}', "a newer version may have written it"),
        (changed(scroe=1), "RolloutScored: unknown field 'scroe' (did you mean 'score'?)"),
        (changed(mood="good"), "unknown field 'mood' (a newer version may have written it"),
        (changed(score="high"), 'RolloutScored.score: expected a number, got "high"'),
        (changed(score=True), "RolloutScored.score: expected a number, got true"),
        (changed(passed=1), "RolloutScored.passed: expected true or false, got 1"),
        (changed(repeat=1.5), "RolloutScored.repeat: expected a whole number, got 1.5"),
        (changed(tokens=[]), "RolloutScored.tokens: expected an object, got []"),
        (changed(tokens={"total": "x"}), 'RolloutScored.tokens.total: expected a whole number, got "x"'),
        ('{"event":"ProposalRejected"}', "the field 'operator' is missing"),
    ],
)
def test_a_wrong_line_says_what_is_wrong(line, message):
    with pytest.raises(InputError) as caught:
        from_line(line)
    assert message in str(caught.value)


def test_all_problems_of_a_line_are_reported_with_its_place():
    with pytest.raises(InputError) as caught:
        from_line('{"event":"ProposalRejected","operator":3,"why":""}', Location("events.jsonl", 7))
    assert [str(problem) for problem in caught.value.problems] == [
        "events.jsonl:7: ProposalRejected: unknown field 'why' "
        "(a newer version may have written it: read it with that version)",
        "events.jsonl:7: ProposalRejected.operator: expected text, got 3",
        "events.jsonl:7: ProposalRejected: the field 'reason' is missing",
    ]


def test_a_wrong_word_is_refused_with_the_right_ones():
    line = to_line(EvolutionFinished("c", "proven", "", Account(), ("t",))).replace("proven", "perfect")
    with pytest.raises(InputError, match="expected one of proven, provisional, rejected, untested, no-better"):
        from_line(line)
