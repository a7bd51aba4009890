"""No secret of any kind survives in any syntax of the benchmark's texts, whatever is around it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.cases.redaction import Redactor
from fixtures.redaction_texts import PlantedText, leaks, planted_texts

KNOWN_LEAKS = 0.03
"""The share of texts whose secret nothing shows, such as a word after a template mark."""
PART = 10
"""Each example plants every tenth text, so that the test stays within seconds."""
AROUND = ("{}", "INFO start\n{}\nINFO end", "2026-03-04 08:12:40 app[7]: ok\n\n{}\n\nexit code 1", "{}\n\nretry in 3 s")


@given(st.integers(0, 10**6), st.sampled_from(AROUND))
@settings(max_examples=4, deadline=None)
def test_each_kind_is_masked_in_each_syntax_and_a_second_time_changes_nothing(seed: int, around: str):
    texts = planted_texts("secrets", seed)[seed % PART :: PART]
    left = []
    for text in texts:
        redactor = Redactor(text.own)
        masked = redactor.redact({"log": around.format(text.text) if not text.own else text.text})
        assert redactor.redact(masked) == masked, text
        left += [text] if _is_left(text, json.dumps(masked, ensure_ascii=False)) else []
    assert len(left) <= max(1, KNOWN_LEAKS * len(texts)), [text.text for text in left]


@pytest.mark.parametrize("text", planted_texts("harmless", 7), ids=lambda text: text.text[:40].replace("\n", " "))
def test_a_second_redaction_of_a_harmless_text_changes_nothing(text: PlantedText):
    once = Redactor().redact(text.text)
    assert Redactor().redact(once) == once


def _is_left(text: PlantedText, masked: str) -> bool:
    return any(leaks(secret, masked) for secret in text.marked)
