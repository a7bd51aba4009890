"""Assertion types on text, words and an answer's numbers; the conformance data has many more cases."""

import math
from typing import Any

import pytest

from evolve.core.model.errors import CannotEvaluate
from fixtures.checks import judge

HOLDS: list[tuple[str, Any, Any, bool]] = [
    ("equals", "a", "a", True),
    ("equals", 2.0, "2", True),
    ("equals", {"a": [1, 2]}, '{"a": [1.0, 2]}', True),
    ("equals", {"a": 1}, '{"a": true}', False),
    ("equals", {"a": 0}, '{"a": -0.0}', False),
    ("equals", None, "null", True),
    ("equals", [1], "no json", False),
    ("contains", 5.0, "version 5", True),
    ("contains", "A", "a", False),
    ("icontains", "STRASSE", "straße", False),
    ("contains-any", 'x, "a, b"', "[a, b]", True),
    ("contains-any", [], "a", False),
    ("contains-all", ",", "anything", True),
    ("contains-all", ["a", None], "a null", True),
    ("icontains-all", "A, B", "ab", True),
    ("starts-with", "a", " a", False),
    ("regex", "^.$", "😀", False),
    ("regex", r"\d+", "a1", True),
    ("word-count", 2, "a\u00a0b", True),
    ("word-count", "2", " a  b ", True),
    ("word-count", {"min": 1, "max": 3}, "a b c d", False),
    ("word-count", {"max": 3}, "", True),
    ("levenshtein", "kitten", "sitting", True),
    ("levenshtein", "a" * 3, "😀" * 3, False),
    ("is-refusal", None, "I\u2019m sorry, but no", True),
    ("is-refusal", None, "It is not legal there", True),
    ("is-refusal", None, "notlegal", False),
    ("tool-call-f1", "a, b", [{"name": "b"}, {"function": {"name": "a"}}], True),
    ("tool-call-f1", ["a"], 'x\n{"tool_calls": [{"function": {"name": "a"}}]}', True),
]


@pytest.mark.parametrize(("name", "value", "output", "holds"), HOLDS)
def test_a_type_holds_or_its_negation_does(name: str, value: Any, output: Any, holds: bool) -> None:
    assert judge(name, value, output).passed is holds
    assert judge(f"not-{name}", value, output).passed is not holds


WRONG_VALUES: list[tuple[str, Any]] = [
    ("contains", ""), ("contains", True), ("contains", ["a"]), ("contains-any", ""), ("contains-any", 5),
    ("contains-all", '"a'), ("contains-all", '"a" b'), ("starts-with", 5), ("regex", ""), ("word-count", "many"),
    ("word-count", {"min": 3, "max": 1}), ("word-count", {}), ("levenshtein", 5), ("bleu", [1]), ("tool-call-f1", []),
    ("skill-used", {"min": 1}), ("skill-used", {"name": "a", "min": 2, "max": 1}), ("is-sql", "MySQL"),
    ("is-xml", {"elements": ["a"]}), ("is-json", {"type": "nonsense"}), ("is-json", {"requird": ["a"]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG_VALUES)
def test_a_value_of_the_wrong_kind_cannot_be_evaluated(name: str, value: Any) -> None:
    with pytest.raises(CannotEvaluate):
        judge(name, value, "{}")


@pytest.mark.parametrize("name", ["regex", "not-regex"])
def test_an_invalid_expression_fails_negated_or_not(name: str) -> None:
    verdict = judge(name, "(?i)a", "a")
    assert (verdict.passed, verdict.score) == (False, 0.0)
    assert "(?i)a" in verdict.reason


def test_a_missing_threshold_is_reported() -> None:
    with pytest.raises(CannotEvaluate, match="latency: expected a threshold in milliseconds"):
        judge("latency", None, "x", latency_ms=5)


def test_latency_and_cost_are_at_most_the_threshold() -> None:
    assert judge("latency", None, "x", threshold=5, latency_ms=5).passed
    assert judge("not-cost", None, "x", threshold=0.1, cost=0.2).passed
    with pytest.raises(CannotEvaluate, match="echo reports none"):
        judge("cost", None, "x", threshold=1)


def test_perplexity_is_of_the_log_probabilities() -> None:
    assert judge("perplexity", None, "x", threshold=math.e + 1e-9, log_probs=(-1.0, -1.0)).passed
    assert judge("not-perplexity", None, "x", log_probs=(-1.0,)).passed
    assert judge("perplexity-score", None, "x", log_probs=(0.0,)).score == 0.5
    assert judge("not-perplexity-score", None, "x", threshold=0.1, log_probs=(-900.0,)).score == 1.0
    with pytest.raises(CannotEvaluate, match="expected log probabilities"):
        judge("perplexity", None, "x", log_probs=())


def test_a_refusal_that_says_nothing_scores_nothing() -> None:
    for output in ("", " \n", {"a": 1}, None):
        verdict = judge("is-refusal", None, output)
        assert (verdict.passed, verdict.score) == (True, 0.0)
        assert not judge("not-is-refusal", None, output).passed


def test_finish_reasons_ignore_case() -> None:
    assert judge("finish-reason", "STOP", "x", finish_reason="stop").passed
    assert not judge("finish-reason", "stop", "x").passed
    assert judge("not-finish-reason", "stop", "x").passed


def test_guardrails_pass_what_nobody_flagged() -> None:
    assert judge("guardrails", None, "x").passed
    assert judge("guardrails", None, "x", guardrails={"flaggedInput": True}).passed
    flagged = judge("guardrails", None, "x", guardrails={"flagged": True, "reason": "a secret leaked"})
    assert (flagged.passed, flagged.reason) == (False, "a secret leaked")
    assert judge("not-guardrails", None, "x", guardrails={"flagged": True}).passed


SKILLS = {
    "skillCalls": [{"name": "diagnose"}, {"name": "deploy-web"}, {"name": "diagnose"}, {"name": "x", "is_error": True}]
}


@pytest.mark.parametrize(
    ("name", "value", "passes"),
    [
        ("skill-used", "diagnose", True),
        ("skill-used", "x", False),
        ("skill-used", ["diagnose", "rollback"], False),
        ("skill-used", {"name": "diagnose", "min": 2}, True),
        ("skill-used", {"pattern": "DEPLOY-*", "max": 1}, True),
        ("skill-used", {"name": "rollback", "max": 0}, True),
        ("not-skill-used", ["rollback", "deploy-web"], False),
        ("not-skill-used", {"pattern": "roll*"}, True),
    ],
)
def test_skills_are_counted_by_name_or_pattern(name: str, value: Any, passes: bool) -> None:
    assert judge(name, value, "x", metadata=SKILLS).passed is passes


def test_long_texts_are_cut_in_reasons() -> None:
    reason = judge("contains", "needle", "hay" * 10_000).reason
    assert 'contain "needle"' in reason
    assert len(reason) < 500
