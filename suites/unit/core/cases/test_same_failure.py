"""Cases of an earlier version, and assertions that hold a secret."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from evolve.core.cases.capture import Failure, make_case
from evolve.core.cases.failure_case import FailureCase, from_text, to_text
from evolve.core.cases.redaction import Redactor
from evolve.core.model.json_value import JsonValue
from evolve.store.case_files import CaseFolder

EARLIER = Path("fixtures/earlier_cases").resolve()
ENTRIES = yaml.safe_load((EARLIER / "failures.yaml").read_text())


def failure(entry: dict[str, object]) -> Failure:
    text = str(entry["stderr"])
    return Failure(
        agent=str(entry["agent"]),
        test=str(entry["test"]),
        vars={"diagnostics": {"job_id": "web-7", "stderr": text}},
        prompt=f"Report: {text}",
        checks=tuple(entry["checks"]),  # type: ignore[arg-type]
        reasons=tuple(entry["reasons"]),  # type: ignore[arg-type]
        provider="echo",
        agent_title="REFLECTION_AGENT@2",
        split="train",
        assertions=({"type": "contains", "value": "free_disk"},),
    )


def case_of(failure: Failure, *secrets: str) -> FailureCase:
    case = make_case(failure, Redactor(secrets, key=b"another machine"), today="2026-12-01")
    assert isinstance(case, FailureCase), case
    return case


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["test"])
def test_a_case_of_an_earlier_version_is_found_as_the_same_failure(entry: dict[str, object], tmp_path: Path):
    shutil.copytree(EARLIER / "REFLECTION_AGENT", tmp_path / "REFLECTION_AGENT")
    event = CaseFolder(tmp_path).record(case_of(failure(entry)))
    assert event is not None
    assert event.change == "repeat", event
    assert len(list(tmp_path.glob("**/*.yaml"))) == len(ENTRIES)


def test_another_failure_of_the_same_test_is_new(tmp_path: Path):
    shutil.copytree(EARLIER / "REFLECTION_AGENT", tmp_path / "REFLECTION_AGENT")
    other = replace(failure(ENTRIES[0]), reasons=("the answer came too late, password=Winter-4417-x",))
    event = CaseFolder(tmp_path).record(case_of(other))
    assert event is not None
    assert event.change == "new"


def test_the_name_of_a_metric_is_redacted():
    text = to_text(case_of(failure(ENTRIES[2])))
    assert "2207" not in text


@pytest.mark.parametrize("kind", ["not-contains", "contains", "not-regex", "equals"])
def test_a_masked_assertion_makes_an_unlabelled_case_that_says_why(kind: str):
    leaking = replace(
        failure(ENTRIES[4]),
        assertions=({"type": kind, "value": "env-secret-9x"}, {"type": "is-json"}),
        checks=(kind,),
    )
    case = case_of(leaking, "env-secret-9x")
    assert case.assertions == ()
    assert not case.is_labelled
    assert "unlabelled: an assertion contained a secret" in case.source.reason
    assert from_text(to_text(case), "case.yaml") == case


def test_labels_judge_a_case_whose_assertion_is_left_out():
    output: dict[str, JsonValue] = {"type": "object", "properties": {"action": {"enum": ["restart", "free_disk"]}}}
    labelled = replace(
        failure(ENTRIES[4]),
        assertions=({"type": "not-contains", "value": "env-secret-9x"},),
        accepted=("free_disk",),
        output_schema=output,
    )
    case = case_of(labelled, "env-secret-9x")
    assert [part["metric"] for part in case.assertions] == ["accuracy"]
    assert case.is_labelled
