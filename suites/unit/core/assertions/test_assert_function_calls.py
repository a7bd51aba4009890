"""`function-calls`: which calls are the expected ones, and what the reason says of others."""

from typing import Any

import pytest

from evolve.core.model.errors import CannotEvaluate
from fixtures.checks import judge

PUMP: Any = [{"pump.set": {"bar": [3.5, 4], "until": ["12.00 noon", ""], "valves": [[1, 2], ""]}}]


def called(**arguments: Any) -> Any:
    return {"name": "pump_set", "arguments": arguments}


@pytest.mark.parametrize(
    "output",
    [
        called(bar=3.5),
        called(bar=4.0, until="1200 NOON"),
        called(bar=4, valves=[1, 2]),
        "pump.set(bar=4, valves=(1, 2))",
    ],
)
def test_allowed_values_pass(output: Any):
    assert judge("function-calls", PUMP, output).passed
    assert not judge("not-function-calls", PUMP, output).passed


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("I can't.", "Expected calls of pump.set, got no call"),
        ([called(bar=4), called(bar=4)], 'Expected calls of pump.set, got pump_set({"bar":4}), pump_set({"bar":4})'),
        ({"name": "lamp", "arguments": {}}, "Expected a call of pump.set, got lamp"),
        (called(), "Expected the arguments bar of pump.set, which are missing"),
        (called(bar="3.5"), 'Expected bar of pump.set among [3.5,4], got "3.5"'),
        (called(bar=True), "Expected bar of pump.set among [3.5,4], got true"),
        (called(bar=4, valves=[2, 1]), 'Expected valves of pump.set among [[1,2],""], got [2,1]'),
        (called(bar=4, speed=1), "Expected no argument speed of pump.set, got 1"),
    ],
)
def test_a_reason_says_what_differs(output: Any, reason: str):
    verdict = judge("function-calls", PUMP, output)
    assert (verdict.passed, verdict.score, verdict.reason) == (False, 0.0, reason)
    assert judge("not-function-calls", PUMP, output).passed


def test_an_empty_list_expects_no_call():
    assert judge("function-calls", [], "Your functions don't fit.").passed
    assert judge("function-calls", [], called(bar=4)).reason == 'Expected no call, got pump_set({"bar":4})'


def test_mappings_compare_like_arguments():
    value: Any = [
        {"look": {"filter": [{"place": ["gate", "door"], "zoom": ["", 1]}], "rows": [[{"a": [1]}, {"a": [2]}], ""]}}
    ]
    for good in ({"place": "Gate"}, {"place": "door", "zoom": 1}):
        assert judge("function-calls", value, {"name": "look", "arguments": {"filter": good}}).passed
    for bad in ({}, {"place": "roof"}, {"place": "gate", "colour": 1}, "gate"):
        assert not judge("function-calls", value, {"name": "look", "arguments": {"filter": bad}}).passed
    rows = {"filter": {"place": "gate"}, "rows": [{"a": 1}, {"a": 2}]}
    assert judge("function-calls", value, {"name": "look", "arguments": rows}).passed


def test_several_calls_may_come_in_any_order_and_each_needs_its_own():
    value: Any = [{"f": {"x": [1, 2]}}, {"f": {"x": [1]}}]
    assert judge("function-calls", value, "[f(x=1), f(x=2)]").passed
    assert judge("function-calls", value, "[f(x=2), f(x=1)]").passed
    assert judge("function-calls", value, "[f(x=2), f(x=2)]").reason.startswith(
        "Expected a call of f with its arguments"
    )
    assert not judge("function-calls", value, "[f(x=1), g(x=2)]").passed


def test_a_single_value_stands_for_a_list_of_one():
    assert judge("function-calls", [{"f": {"x": 1}}], "f(x=1)").passed


@pytest.mark.parametrize("value", ["f", [1], [{"f": 1}], [{}]])
def test_a_rendered_value_of_the_wrong_kind_cannot_be_judged(value: Any):
    with pytest.raises(CannotEvaluate, match="function-calls: expected a list of calls"):
        judge("function-calls", value, "f()")
