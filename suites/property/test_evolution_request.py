"""A request is one value: as words, as JSON in the queue, and as the value that the loop gets."""

import json
from dataclasses import fields, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evolve.cli.evolve import read_options
from evolve.core.adaptation.failures import QueuedRequest
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.json_value import JsonValue

TEXTS = st.text(min_size=1, max_size=20)
AMOUNTS = st.one_of(
    st.tuples(st.integers(1, 10**9), st.none(), st.none()),
    st.tuples(st.none(), st.floats(min_value=1e-9, max_value=1e9), st.none()),
    st.tuples(st.none(), st.none(), st.integers(1, 10**9)),
)


@st.composite
def requests(draw: st.DrawFn) -> EvolutionRequest:
    budget, minutes, tokens = draw(AMOUNTS)
    reflectors = draw(st.lists(TEXTS, max_size=3, unique=True))
    return EvolutionRequest(
        cases=draw(st.lists(TEXTS, min_size=1, max_size=4).map(tuple)),
        suite=draw(st.none() | TEXTS),
        agent=draw(st.none() | TEXTS),
        candidates=draw(st.lists(TEXTS, max_size=3).map(tuple)),
        budget=budget,
        minutes=minutes,
        tokens=tokens,
        seed=draw(st.integers(-(10**9), 10**9)),
        provider=draw(st.none() | TEXTS),
        reflector=reflectors[0] if reflectors else None,
        other_reflectors=tuple(reflectors[1:]),
        reflector_cap=draw(st.integers(1, 10**6)),
        concurrency=draw(st.none() | st.integers(1, 100)),
        shrink_budget=draw(st.integers(0, 10**6)),
        output_dir=draw(TEXTS),
        command=draw(st.text(max_size=20)),
    )


@given(requests())
def test_a_request_is_read_from_its_json_as_it_was(request_: EvolutionRequest):
    assert EvolutionRequest.from_json(json.loads(json.dumps(request_.to_json()))) == request_


@given(requests(), TEXTS, TEXTS)
def test_a_queued_request_is_read_from_its_text_as_it_was(request_: EvolutionRequest, cases: str, folder: str):
    queued = QueuedRequest(request_, cases, folder)
    assert QueuedRequest.from_text(queued.to_text()) == queued


@given(requests())
@example(EvolutionRequest(cases=("-",), seed=-1, output_dir="--json", agent="-a b"))
@example(EvolutionRequest(cases=("a",), budget=None, minutes=1e-9))
def test_its_words_make_the_command_ask_for_the_same(request_: EvolutionRequest):
    asked = read_options(request_.words(), {}).request
    assert asked == replace(request_, command=asked.command)


@given(st.dictionaries(st.sampled_from([item.name for item in fields(EvolutionRequest)]) | TEXTS, st.just([{}])))
def test_what_is_no_request_is_refused_with_every_reason(value: dict[str, JsonValue]):
    if not value:
        assert EvolutionRequest.from_json(value) == EvolutionRequest()
        return
    with pytest.raises(ValueError, match=r"expected|unknown") as caught:
        EvolutionRequest.from_json(value)
    assert all(f"{name}: " in str(caught.value) for name in value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], r"expected an object, got \[\]"),
        ({"seed": True}, "seed: expected a whole number, got true"),
        ({"minutes": "5m"}, 'minutes: expected a number above 0 or null, got "5m"'),
        ({"minutes": float("nan")}, "minutes: expected a number above 0 or null, got NaN"),
        ({"minutes": 10**400}, "minutes: expected a number above 0 or null, got 1000"),
        ({"minutes": 0}, "minutes: expected a number above 0 or null, got 0"),
        ({"budget": 0}, "budget: expected a positive integer or null, got 0"),
        ({"tokens": -5}, "tokens: expected a positive integer or null, got -5"),
        ({"concurrency": -1}, "concurrency: expected a positive integer or null, got -1"),
        ({"reflector_cap": 0}, "reflector_cap: expected a positive integer, got 0"),
        ({"shrink_budget": -1}, "shrink_budget: expected an integer of 0 or more, got -1"),
        ({"executor": "nomad"}, 'executor: expected ray, ray:ADDRESS or null, got "nomad"'),
        ({"cases": [1]}, r"cases: expected a list of text, got \[1\]"),
        ({"candidates": "MINE.md"}, r'candidates: expected a list of text, got "MINE.md"'),
        ({"output_dir": None}, "output_dir: expected text, got null"),
        ({"colour": 1}, "colour: unknown; known: cases, suite"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_expected(value: JsonValue, said: str):
    with pytest.raises(ValueError, match=said):
        EvolutionRequest.from_json(value)


def test_every_field_has_its_check():
    reported = EvolutionRequest(cases=("a",)).to_json()
    assert [item.name for item in fields(EvolutionRequest)] == list(reported)
    for name in reported:
        with pytest.raises(ValueError, match=rf"^{name}: expected "):
            EvolutionRequest.from_json({name: {}})
