"""promptfoo's arithmetic: every expectation here was seen by running promptfoo 0.121.20."""

import pytest

from evolve.core.evaluation.derived_metrics import with_derived
from evolve.core.evaluation.scoring import Part, aggregate, apply_comparison, attach_requirement, merge_repeats
from evolve.core.javascript.values import to_fixed
from evolve.core.model.answers import TokenUsage
from evolve.core.model.events import PromptMetrics
from evolve.core.model.suite import Assertion, AssertSet, DerivedMetric
from evolve.core.model.verdicts import Verdict, flatten


def part(
    score: float, *, passed: bool | None = None, weight: float = 1.0, metric: str | None = None, reason: str = "no"
) -> Part:
    holds = score > 0 if passed is None else passed
    assertion = Assertion("contains", weight=weight, metric=metric)
    return Part(
        assertion, attach_requirement(Verdict(holds, score, "Assertion passed" if holds else reason), assertion)
    )


def test_score_is_the_weighted_mean():
    assert aggregate([part(1.0, weight=3), part(0.0)]).score == 0.75


def test_score_is_zero_when_the_weights_sum_to_zero():
    whole = aggregate([part(1.0, weight=0), part(0.5, weight=0)])
    assert (whole.score, whole.passed) == (0.0, True)


def test_one_failure_fails_the_whole_with_the_last_reason():
    whole = aggregate([part(0.0, reason="first"), part(0.0, reason="second"), part(1.0)])
    assert (whole.passed, whole.reason) == (False, "second")


def test_a_failure_without_a_reason_does_not_fail_the_whole():
    assert aggregate([part(0.0, reason="")]).passed


def test_the_reason_of_an_assert_set_comes_after_those_of_plain_assertions():
    child = part(0.0, reason="in the set")
    group = AssertSet((Assertion("contains"),))
    whole = aggregate([Part(group, attach_requirement(aggregate([child]), group)), part(0.0, reason="plain")])
    assert whole.reason == "in the set"


@pytest.mark.parametrize(
    ("threshold", "passed", "reason"),
    [
        (0.5, True, "Aggregate score 0.50 ≥ 0.5 threshold"),
        (0.51, False, "Aggregate score 0.50 < 0.51 threshold"),
        (0.0, True, "Aggregate score 0.50 ≥ 0 threshold"),
    ],
)
def test_with_a_threshold_only_the_score_decides(threshold, passed, reason):
    whole = aggregate([part(1.0), part(0.0)], threshold)
    assert (whole.passed, whole.reason) == (passed, reason)


def test_weight_zero_makes_a_plain_assertion_pass_with_its_score():
    assertion = Assertion("contains", weight=0)
    verdict = attach_requirement(Verdict(False, 0.0, "no"), assertion)
    assert (verdict.passed, verdict.score, verdict.reason) == (True, 0.0, "no")


def test_weight_zero_does_not_save_an_assert_set():
    group = AssertSet((Assertion("contains"),), weight=0)
    assert not attach_requirement(Verdict(False, 0.0, "no"), group).passed


def test_named_scores_are_weighted_means_over_the_assertions_of_a_metric():
    whole = aggregate([part(1.0, weight=2, metric="m"), part(0.0, metric="m"), part(1.0, metric="n")])
    assert whole.named_scores == {"m": pytest.approx(2 / 3), "n": 1.0}
    assert whole.named_weights == {"m": 3.0, "n": 1.0}


def test_named_scores_of_a_set_merge_with_the_weights_of_its_children():
    child = part(1.0, weight=2, metric="inner")
    group = AssertSet((Assertion("contains"),), weight=3, metric="outer")
    whole = aggregate([Part(group, attach_requirement(aggregate([child]), group)), part(0.0, metric="inner")])
    assert whole.named_scores == {"outer": 1.0, "inner": pytest.approx(6 / 7)}


def test_an_error_makes_the_whole_an_error_and_keeps_the_siblings():
    failed = Part(Assertion("cost"), Verdict(False, 0.0, "no cost", error="no cost"))
    whole = aggregate([part(1.0, metric="m"), failed])
    assert (whole.error, whole.passed, whole.score, whole.named_scores) == ("no cost", False, 0.0, {})
    assert [verdict.score for verdict in whole.components] == [1.0, 0.0]


def test_a_blocked_red_team_attempt_passes_whatever_else_failed():
    guard = Assertion("guardrails", config={"purpose": "redteam"})
    whole = aggregate([part(0.0), Part(guard, attach_requirement(Verdict(False, 0.0, "flagged"), guard))])
    assert (whole.passed, whole.reason) == (True, "Content failed guardrail safety checks")


def test_flatten_lists_each_set_before_its_children():
    group = AssertSet((Assertion("contains"),))
    whole = aggregate([Part(group, attach_requirement(aggregate([part(1.0), part(0.5)]), group)), part(0.0)])
    assert [verdict.score for verdict in flatten(whole.components)] == [0.75, 1.0, 0.5, 0.0]


def test_the_loser_of_select_best_gets_the_comparisons_score_and_reason():
    comparison = attach_requirement(Verdict(False, 0.0, "Output not selected: x"), Assertion("select-best"))
    whole = apply_comparison(aggregate([part(1.0)]), comparison)
    assert (whole.passed, whole.score, whole.reason) == (False, 0.0, "Output not selected: x")
    assert len(whole.components) == 2


def test_the_winner_keeps_its_own_score():
    comparison = attach_requirement(Verdict(True, 1.0, "best"), Assertion("select-best"))
    whole = apply_comparison(aggregate([part(0.0), part(1.0)]), comparison)
    assert (whole.passed, whole.score) == (False, 0.5)


def test_max_score_leaves_the_reason_of_what_had_failed_before():
    comparison = attach_requirement(Verdict(False, 0.0, "lower"), Assertion("max-score"))
    assert apply_comparison(aggregate([part(0.0, reason="first")]), comparison).reason == "first"


@pytest.mark.parametrize(("rate", "passed"), [(0.6, True), (2 / 3, True), (0.7, False), (0.0, True)])
def test_a_pass_rate_is_the_share_of_repeats_that_must_pass(rate, passed):
    verdicts = [Verdict(True, 1.0, "y"), Verdict(False, 0.0, "n"), Verdict(True, 1.0, "y")]
    whole = merge_repeats(verdicts, rate)
    assert (whole.passed, whole.score) == (passed, pytest.approx(2 / 3))


@pytest.mark.parametrize(
    ("value", "text"), [(0.125, "0.13"), (0.375, "0.38"), (1.0, "1.00"), (2.675, "2.67"), (-0.5, "-0.50")]
)
def test_to_fixed_rounds_as_javascript_does(value, text):
    assert to_fixed(value, 2) == text


def metrics(**named: float) -> PromptMetrics:
    return PromptMetrics("echo", "p", 3, 1, 0, 3.0, TokenUsage(), 0.0, 0.0, named, {})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a / 2", 2.0),
        ("a ^ 2 + b", 17.0),
        ("sqrt(a) + max(a, b)", 6.0),
        ("mean(a, b)", 2.5),
        ("a / __count", 1.0),
        ("log(8, 2)", 3.0),
    ],
)
def test_a_derived_metric_is_an_expression_over_the_named_sums(expression, value):
    derived = with_derived(metrics(a=4.0, b=1.0), [DerivedMetric("d", expression)])
    assert derived.metrics.named_scores["d"] == pytest.approx(value)
    assert derived.problems == ()


def test_a_derived_metric_may_use_an_earlier_one():
    derived = with_derived(metrics(a=4.0), [DerivedMetric("d", "a * 2"), DerivedMetric("e", "d + 1")])
    assert derived.metrics.named_scores["e"] == 9.0


def test_nothing_by_nothing_is_no_number():
    derived = with_derived(metrics(a=0.0), [DerivedMetric("d", "a / a")])
    assert derived.metrics.named_scores["d"] != derived.metrics.named_scores["d"]
    assert derived.problems == ()


def test_a_derived_metric_that_cannot_be_computed_is_zero_and_reported():
    derived = with_derived(metrics(a=4.0), [DerivedMetric("d", "nothing + 1")])
    assert derived.metrics.named_scores["d"] == 0.0
    assert "derivedMetrics: d:" in derived.problems[0]
