"""The latency of an embedded model is its own work, not the wait for our other questions."""

import pytest

from evolve.core.model.answers import Answer
from evolve.providers.llamacpp import without_queue


@pytest.mark.parametrize(
    ("timings", "latency_ms"),
    [
        ({"prompt_ms": 40.5, "predicted_ms": 59.5, "prompt_n": 7}, 100.0),
        ({"prompt_ms": 4000, "predicted_ms": 9000}, 5000.0),
        ({"prompt_ms": 40.5}, 5000.0),
        (None, 5000.0),
    ],
)
def test_the_wait_for_a_slot_is_left_out(timings, latency_ms):
    raw = {"choices": [], "timings": timings}
    assert without_queue(Answer("x", latency_ms=5000.0, raw=raw)).latency_ms == latency_ms


def test_an_answer_without_a_response_keeps_what_was_measured():
    assert without_queue(Answer("x", latency_ms=12.0)).latency_ms == 12.0
