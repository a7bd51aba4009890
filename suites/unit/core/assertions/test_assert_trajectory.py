"""`trajectory:*`: verdicts on the trace that an answer's metadata has."""

from typing import Any

import pytest

from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.verdicts import Verdict
from fixtures.checks import judge

TRACE: Any = [
    {"type": "tool", "name": "job_status", "arguments": {"job": "whisper", "deep": {"a": 1, "b": [1, 2]}}},
    {"type": "tool", "name": "restart_job", "arguments": {"job": "whisper"}, "result": "ok"},
    {"type": "tool", "name": "job_status", "arguments": {"job": "whisper", "fresh": True}},
    {"type": "message", "name": "message", "output": "It runs."},
]


def on_trace(name: str, value: Any) -> Verdict:
    return judge(name, value, "x", metadata={"trajectory": TRACE})


@pytest.mark.parametrize(
    ("value", "passes", "negated_passes"),
    [
        ("restart_job", True, False),
        ("RESTART_*", True, False),
        (["job_status", "restart_job"], True, False),
        (["restart_job", "stop_job"], False, False),
        ("stop_job", False, True),
        ({"name": "job_status"}, True, False),
        ({"pattern": "job_*", "min": 2, "max": 2}, True, False),
        ({"name": "job_status", "max": 1}, False, True),
        ({"name": "restart_job", "min": 2}, False, True),
        ({"name": "stop_job", "min": 0, "max": 0}, True, False),
    ],
)
def test_tools_that_were_used(value: Any, passes: bool, negated_passes: bool):
    assert on_trace("trajectory:tool-used", value).passed is passes
    assert on_trace("not-trajectory:tool-used", value).passed is negated_passes


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        (["job_status", "restart_job"], True),
        (["restart_job", "job_status"], True),
        (["job_status", "job_status", "restart_job"], False),
        ({"steps": ["job_status", {"name": "restart_job"}, {"pattern": "job_*", "type": "tool"}]}, True),
        ({"steps": ["job_status", "restart_job", "job_status"], "mode": "exact"}, True),
        ({"steps": ["job_status", "restart_job"], "mode": "exact"}, False),
        ({"steps": ["job_status", "stop_job"], "mode": "in_order"}, False),
    ],
)
def test_the_order_of_tools(value: Any, passes: bool):
    assert on_trace("trajectory:tool-sequence", value).passed is passes
    assert on_trace("not-trajectory:tool-sequence", value).passed is not passes


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ({"name": "job_status", "args": {"job": "whisper"}}, True),
        ({"name": "job_status", "arguments": {"deep": {"a": 1}}}, True),
        ({"name": "job_status", "args": {"deep": {"b": [1]}}}, False),
        ({"name": "restart_job", "args": {"job": "whisper"}, "mode": "exact"}, True),
        ({"name": "job_status", "args": {"job": "whisper"}, "mode": "exact"}, False),
        ({"name": "job_status", "args": {"fresh": 1}}, False),
        ({"pattern": "*", "args": {"job": "piper"}}, False),
    ],
)
def test_arguments_of_a_tool(value: Any, passes: bool):
    assert on_trace("trajectory:tool-args-match", value).passed is passes
    assert on_trace("not-trajectory:tool-args-match", value).passed is not passes


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ({"max": 4}, True),
        ({"max": 3}, False),
        ({"type": "tool", "min": 3, "max": 3}, True),
        ({"type": ["message", "tool"], "min": 4}, True),
        ({"type": "message", "min": 2}, False),
        ({"pattern": "job_*", "max": 2}, True),
    ],
)
def test_numbers_of_steps(value: Any, passes: bool):
    assert on_trace("trajectory:step-count", value).passed is passes


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("trajectory:tool-used", "stop_job", "Expected a call of stop_job, got job_status, restart_job, job_status"),
        ("trajectory:tool-used", {"name": "stop_job"}, "Expected at least 1 calls of stop_job, got 0"),
        ("not-trajectory:tool-used", "job_*", "Expected no call of job_*, got job_status, restart_job, job_status"),
        ("trajectory:step-count", {"max": 1}, "Expected at most 1 steps, got 4"),
        (
            "trajectory:tool-args-match",
            {"name": "restart_job", "args": {"job": "piper"}},
            'Expected restart_job with {"job":"piper"}, got {"job":"whisper"}',
        ),
    ],
)
def test_reasons_name_what_was_expected_and_what_came(name: str, value: Any, reason: str):
    assert on_trace(name, value).reason == reason


def test_an_answer_without_a_trace_cannot_be_judged():
    with pytest.raises(CannotEvaluate, match="the answer has no trace; providers that write one: turns:PROVIDER"):
        judge("trajectory:tool-used", "f", "x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trajectory:tool-used", 7),
        ("trajectory:tool-used", {"min": 1}),
        ("trajectory:tool-sequence", "f"),
        ("trajectory:tool-sequence", [{"type": "tool"}]),
        ("trajectory:tool-args-match", {"name": "f"}),
        ("trajectory:step-count", {"type": "tool"}),
        ("trajectory:step-count", {"min": "two"}),
    ],
)
def test_a_rendered_value_of_the_wrong_kind_cannot_be_judged(name: str, value: Any):
    with pytest.raises(CannotEvaluate, match=f"{name}: expected "):
        on_trace(name, value)
