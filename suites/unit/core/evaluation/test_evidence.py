"""An agent's recorded scores, and what a run of its suite may lose."""

import json
from dataclasses import replace

import pytest

from evolve.core.evaluation.evidence import Evidence, SplitRecord, judge, parse_evidence
from evolve.core.evaluation.outcomes import complete_splits, exit_code, outcome
from evolve.core.model.agents import Agent
from evolve.core.model.errors import ExitCode, InputError
from evolve.core.model.events import CaseResult
from evolve.core.model.suite import Evaluation, Prompt, ProviderSpec, Suite, Test
from evolve.core.model.verdicts import Verdict
from fixtures.agents.record_evidence import recorded

SUITE = Suite("s.yaml", ".", (), (), ())
EVIDENCE = Evidence("AGENT.md", 0.05, {"train": SplitRecord(10, 0.8), "val": SplitRecord(4, 0.5)})


def case(number: int, split: str, status: str = "pass", kind: str = "", **metadata: object) -> CaseResult:
    test = Test({}, (), metadata={"split": split, **metadata})
    evaluation = Evaluation(f"{split} {number}", test, {}, Prompt("p", "p"), ProviderSpec("echo"), number, 0)
    return CaseResult(evaluation, status, Verdict(status == "pass", 0.0, "r"), "p", {}, None, None, error_kind=kind)


def cases(split: str, passed: int, failed: int = 0, errors: int = 0) -> list[CaseResult]:
    statuses = ["pass"] * passed + ["fail"] * failed + ["error"] * errors
    return [case(number, split, status) for number, status in enumerate(statuses)]


@pytest.mark.parametrize(("passed", "kept"), [(80, True), (75, True), (74, False), (100, True)])
def test_a_split_may_fall_by_the_tolerance_and_no_more(passed, kept):
    (verdict,) = judge(cases("train", passed, 100 - passed), EVIDENCE)
    assert verdict.is_kept is kept


def test_each_split_is_judged_by_itself():
    verdicts = judge(cases("train", 5, 5) + cases("val", 3, 1), EVIDENCE)
    assert [(v.split, v.is_kept) for v in verdicts] == [("train", False), ("val", True)]


def test_the_tolerance_can_be_given():
    (verdict,) = judge(cases("train", 5, 5), EVIDENCE, 0.3)
    assert verdict.is_kept


def test_a_case_that_could_not_be_judged_fails_its_split():
    (verdict,) = judge(cases("val", 3, 0, 1), EVIDENCE)
    assert not verdict.is_kept
    assert "1 could not be judged" in verdict.text


def test_a_split_without_a_record_cannot_fall():
    (verdict,) = judge(cases("gate", 0, 3), EVIDENCE)
    assert verdict.is_kept
    assert "no recorded score" in verdict.text


def test_the_verdict_says_how_far_it_fell():
    (verdict,) = judge(cases("train", 6, 4), EVIDENCE)
    assert verdict.text == "split train: 6 of 10 passed (0.600), recorded 0.800 on 10, tolerance 0.05: it fell by 0.200"


def test_failures_of_a_kept_split_are_known_and_do_not_fail_the_run():
    found = outcome(SUITE, cases("val", 2, 2), evidence=EVIDENCE, complete=frozenset({"val"}))
    assert (len(found.known), len(found.failures), found.is_good) == (2, 0, True)
    assert exit_code([found]) == ExitCode.DONE


def test_failures_of_a_fallen_split_are_failures():
    found = outcome(SUITE, cases("val", 1, 3), evidence=EVIDENCE, complete=frozenset({"val"}))
    assert (len(found.known), len(found.failures), found.is_good) == (0, 3, False)


def test_a_part_of_a_split_and_a_split_without_a_record_are_judged_case_by_case():
    found = outcome(SUITE, cases("val", 3, 1) + cases("gate", 3, 1), evidence=EVIDENCE, complete=frozenset({"gate"}))
    assert len(found.failures) == 2


def test_a_selection_is_complete_where_it_leaves_nothing_out():
    evaluations = [item.evaluation for item in cases("val", 3) + cases("train", 3)]
    assert complete_splits(evaluations, evaluations[:4]) == {"val"}


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        (["evaluation"], ExitCode.FAILURES),
        (["input"], ExitCode.INPUT),
        (["input", "environment"], ExitCode.ENVIRONMENT),
    ],
)
def test_a_fault_of_the_environment_outweighs_all_else(kinds, code):
    results = [case(number, "val", "error", kind) for number, kind in enumerate(kinds)]
    assert exit_code([outcome(SUITE, [*results, case(9, "val", "fail")])]) == code


def test_an_expected_failure_is_none():
    found = outcome(SUITE, [case(0, "val", "fail", xfail="known")])
    assert (len(found.expected), found.is_good) == (1, True)


FRONT = """\
---
name: A
evidence:
  suite: s.yaml
  tolerance: 0.1
  splits:
    val: {cases: 4, accuracy: 0.75}
---
body
"""


def test_evidence_is_read_from_the_front_matter():
    assert parse_evidence(FRONT, "A.md") == Evidence("A.md", 0.1, {"val": SplitRecord(4, 0.75)})


def test_an_agent_without_evidence_has_none():
    assert parse_evidence("---\nname: A\n---\nbody\n", "A.md") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no front matter", "no front matter"),
        (FRONT.replace("0.75", "75"), "splits.val: expected cases"),
        (FRONT.replace("0.1", "often"), "tolerance: expected a number from 0 to 1, got 'often'"),
        ("---\nevidence: {tolerance: 0.1}\n---\n", "splits: expected a mapping of each split"),
        ("---\nevidence: [1]\n---\n", "expected a mapping with splits"),
        ("---\nname: A\nevidence: {a: 1, a: 2}\n---\n", "A.md:3:18: duplicate key 'a'"),
    ],
)
def test_malformed_evidence_is_an_input_error(text, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        parse_evidence(text, "A.md")


SEVERAL = """\
---
name: A
model: own
evidence:
  suite: s.yaml
  tolerance: 0.1
  splits:
    val: {cases: 4, accuracy: 0.25}
  models:
    large:
      splits: {val: {cases: 4, accuracy: 0.75}, gate: {cases: 2, accuracy: 1}}
    strict: {tolerance: 0, splits: {val: {cases: 4, accuracy: 0.5}}}
    promoted: {gate: {p: 0.01}}
---
body
"""


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (None, (0.1, 0.25, "")),
        ("own", (0.1, 0.25, "")),
        ("large", (0.1, 0.75, "large")),
        ("strict", (0.0, 0.5, "strict")),
        ("promoted", None),
        ("another", None),
    ],
)
def test_each_model_has_its_own_record(model, expected):
    found = parse_evidence(SEVERAL, "A.md", model)
    assert (found and (found.tolerance, found.splits["val"].accuracy, found.model)) == expected


def test_one_record_alone_judges_every_provider():
    assert parse_evidence(FRONT, "A.md", "another") == parse_evidence(FRONT, "A.md")


def test_a_file_may_record_other_models_only():
    only = SEVERAL.replace("  splits:\n    val: {cases: 4, accuracy: 0.25}\n", "")
    assert parse_evidence(only, "A.md", "own") is None
    assert parse_evidence(only, "A.md", "large") is not None


def test_a_record_of_another_model_names_it():
    found = parse_evidence(SEVERAL, "A.md", "large")
    assert found is not None
    assert found.source == "A.md for large"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("accuracy: 0.75", "accuracy: 75", "evidence: models: large: splits.val: expected cases"),
        (
            "{tolerance: 0, splits",
            "{tolerance: often, splits",
            "models: strict: tolerance: expected a number",
        ),
        ("promoted: {gate: {p: 0.01}}", "promoted: 5", "evidence: models: promoted: expected a mapping"),
        ("    promoted: {gate", "    x: {}\n    promoted: {gate", "evidence: models: x: splits: expected a mapping"),
    ],
)
def test_malformed_evidence_of_any_model_is_an_input_error(old, new, message):
    assert old in SEVERAL
    with pytest.raises(InputError, match=message):
        parse_evidence(SEVERAL.replace(old, new), "A.md")


def test_recorded_scores_of_another_model_leave_the_others(tmp_path):
    rows = [
        {"testCase": {"metadata": {"split": "val"}}, "success": passed, "provider": {"id": "large"}}
        for passed in (1, 0)
    ]
    (tmp_path / "r.json").write_text(json.dumps({"results": {"results": rows}}))
    own = {"splits": {"val": {"cases": 2, "accuracy": 0.0}}}
    agent = Agent("A", 1, "", (), {}, "own", (), evidence={**own, "models": {"third": own}})
    found = recorded(agent, "s.yaml", [tmp_path / "r.json"])
    scores = {"tolerance": 0.08, "splits": {"val": {"cases": 2, "accuracy": 0.5}}}
    assert found == {**own, "suite": "s.yaml", "models": {"third": own, "large": scores}}
    assert recorded(replace(agent, model="large"), "s.yaml", [tmp_path / "r.json"])["splits"] == scores["splits"]
