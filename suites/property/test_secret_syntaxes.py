"""No secret of any kind survives in any syntax, whatever is around it and whatever it looks like."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.cases.redaction import Redactor
from fixtures.redaction_texts import PlantedText, leaks, planted_texts

PART = 10
"""Each example plants every tenth text, so that the test stays within seconds."""
AROUND = ("{}", "INFO start\n{}\nINFO end", "2026-03-04 08:12:40 app[7]: ok\n\n{}\n\nexit code 1", "{}\n\nretry in 3 s")
PLACES = yaml.safe_load((Path(__file__).parents[2] / "fixtures" / "redaction_places.yaml").read_text())
SHAPES = PLACES["shapes"]
NOT_HELD = PLACES["shapes_not_held"]


@given(st.integers(0, 10**6), st.sampled_from(AROUND))
@settings(max_examples=4, deadline=None)
def test_each_kind_is_masked_in_each_syntax_and_a_second_time_changes_nothing(seed: int, around: str):
    left = []
    for text in planted_texts("secrets", seed)[seed % PART :: PART]:
        redactor = Redactor(text.own)
        masked = redactor.redact({"log": around.format(text.text) if not text.own else text.text})
        assert redactor.redact(masked) == masked, text
        left += [text] if _is_left(text, json.dumps(masked, ensure_ascii=False)) else []
    assert left == []


@pytest.mark.parametrize("place", PLACES["held"], ids=lambda place: place[:40].replace("\n", " "))
def test_a_place_of_a_password_holds_for_every_shape_of_it(place: str):
    texts = {shape: place.replace("§", shape) for shape in SHAPES}
    assert [shape for shape, text in texts.items() if shape in str(Redactor().redact(text))] == []


@pytest.mark.parametrize("shape", NOT_HELD)
def test_a_shape_is_listed_as_not_held_only_as_long_as_it_is_not(shape: str):
    texts = [place.replace("§", shape) for place in PLACES["held"]]
    left = [text for text in texts if shape in str(Redactor().redact(text))]
    assert 0 < len(left) < len(texts) / 5


@pytest.mark.parametrize("place", PLACES["not_held"])
def test_a_place_is_listed_as_not_held_only_as_long_as_it_is_not(place: str):
    assert any(shape in str(Redactor().redact(place.replace("§", shape))) for shape in SHAPES)


@pytest.mark.parametrize("text", planted_texts("harmless", 7), ids=lambda text: text.text[:40].replace("\n", " "))
def test_a_second_redaction_of_a_harmless_text_changes_nothing(text: PlantedText):
    once = Redactor().redact(text.text)
    assert Redactor().redact(once) == once


def _is_left(text: PlantedText, masked: str) -> bool:
    return any(leaks(secret, masked) for secret in text.marked)
