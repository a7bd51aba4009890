"""From a failure to its case."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.cases.capture import Failure, NotCaptured, find_known_ids, make_case
from evolve.core.cases.copied_assertions import copy_assertions
from evolve.core.cases.cutting import MAX_CASE, cut, cut_text
from evolve.core.cases.failure_case import FailureCase, from_text, to_text
from evolve.core.cases.redaction import Redactor
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.model.suite import Assertion, AssertSet
from evolve.store.case_agents import find_known_agent
from evolve.store.case_files import CaseFolder
from evolve.store.case_writer import CaseMaker, CaseWriter, case_folder, is_ci, redactor_for

OUTPUT = {"type": "object", "properties": {"action": {"enum": ["restart", "free_disk"]}}}
ALLOC = "3c9a2f1e-77d0-4d30-a6c1-0f8d2a6f1c10"
FAILURE = Failure(
    agent="REFLECTION_AGENT",
    test="the disk is full",
    vars={
        "diagnostics": {"job_id": "web", "alloc_id": ALLOC, "stderr": f"no space, alloc {ALLOC}\npassword=hunter2-x"}
    },
    prompt="Report: no space",
    checks=("accuracy",),
    reasons=("expected free_disk, got restart",),
    family="disk-full",
    split="train",
    agent_title="REFLECTION_AGENT@2",
    provider="echo",
    output='{"action": "restart"}',
    accepted=("free_disk",),
    forbidden=("restart",),
    output_schema=OUTPUT,
)


def made(failure: Failure = FAILURE, **changes: object) -> FailureCase:
    case = make_case(replace(failure, **changes), Redactor(["env-secret-9"]), today="2025-03-04")  # type: ignore[arg-type]
    assert isinstance(case, FailureCase), case
    return case


def refused(failure: Failure = FAILURE, **changes: object) -> str:
    found = make_case(replace(failure, **changes), Redactor(["env-secret-9"]), today="2025-03-04")  # type: ignore[arg-type]
    assert isinstance(found, NotCaptured)
    return found.reason


def test_a_failure_becomes_a_case_that_holds_what_is_needed_and_no_secret():
    case = made()
    assert from_text(to_text(case), "case.yaml") == case
    assert case.drives_evolution
    assert case.accepted == ("free_disk",)
    assert [part["metric"] for part in case.assertions] == ["accuracy", "harm"]
    assert "hunter2" not in to_text(case)
    assert to_text(case).count(ALLOC) == 2
    assert (case.source.check, case.source.first_seen) == ("accuracy", "2025-03-04")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"split": "gate"}, "the split gate"),
        ({"split": "val"}, "the split val"),
        ({"prompt": ""}, "no exchange with an agent"),
        ({"agent": "../evil"}, "expected an agent's name"),
        ({"vars": {"a": json.loads("[" * 90 + "]" * 90)}}, "nested more than 80 levels"),
    ],
)
def test_some_failures_become_no_case(changes: dict[str, object], reason: str):
    assert reason in refused(**changes)


def test_a_scanner_that_fails_means_no_case():
    def broken(text: str) -> list[SecretSpan]:
        raise RuntimeError(text)

    found = make_case(FAILURE, Redactor(scanners=[broken]), today="2025-03-04")
    assert isinstance(found, NotCaptured)
    assert "not written" in found.reason
    assert "hunter2" not in found.reason


def test_a_secret_of_the_process_is_masked_everywhere():
    text = "it is env-secret-9"
    case = made(
        reasons=(text,), description=text, test=text, family=text, vars={text: [text]}, prompt=text, provider=text
    )
    assert "env-secret-9" not in to_text(case)


def test_secrets_in_the_settings_are_masked():
    case = made(settings={"header": "env-secret-9", "password": "hunter2-y", "temperature": 0})
    assert "env-secret-9" not in to_text(case)
    assert "hunter2-y" not in to_text(case)
    assert case.settings["temperature"] == 0


def test_the_models_other_wrong_answer_quoted_in_the_message_is_the_same_failure():
    one = made(reasons=('Expected JSON: no, got "restart it"',), output="restart it")
    other = made(reasons=('Expected JSON: no, got "stop it"',), output="stop it")
    assert one.fingerprint == other.fingerprint != made().fingerprint


def test_a_failing_case_keeps_its_fingerprint():
    assert made(fingerprint="0123456789ab").fingerprint == "0123456789ab"


def test_without_labels_the_assertions_decide_and_without_those_nobody():
    contains = {"type": "contains", "value": "free_disk"}
    nothing = {"accepted": (), "forbidden": (), "output_schema": {}}
    assert made(assertions=(contains,), **nothing).assertions == (contains,)
    assert not made(assertions=(contains,), is_judged_by_them=False, **nothing).is_labelled


def test_the_prompt_is_rendered_from_the_redacted_vars_where_the_agent_is_known():
    case = make_case(FAILURE, Redactor(), today="2025-03-04", render=lambda vars: json.dumps([vars["diagnostics"]]))
    assert isinstance(case, FailureCase)
    assert "hunter2" not in case.prompt
    assert "<secret:" in case.prompt


def test_ids_are_found_wherever_they_stand_in_the_vars():
    assert find_known_ids({"d": {"job_id": "a", "list": [{"node": "b"}, "c"]}, "image": "e", "other": "f"}) == (
        "a",
        "b",
        "e",
    )


def test_long_texts_keep_head_and_tail():
    text = "\n".join(f"line {number}" for number in range(2000))
    short = cut_text(text, 300)
    assert short.startswith("line 0\n")
    assert short.endswith("line 1999")
    assert "characters left out" in short
    assert cut_text("short", 300) == "short"


def test_a_cut_leaves_no_half_of_a_placeholder():
    text = "x" * 25 + "<secret:1a2b3c>" + "y" * 400 + "<id:1a2b3c>" + "z" * 60
    for length in range(80, 140):
        short = cut_text(text, length)
        assert short.count("<") == short.count(">") == short.count("<secret:1a2b3c>") + short.count("<id:1a2b3c>")


def test_a_large_value_is_cut_until_it_fits():
    value = {f"k{number}": ["x" * 900] * 300 for number in range(30)}
    smaller = cut(value)
    assert len(json.dumps(smaller)) <= MAX_CASE
    assert isinstance(smaller, dict)
    assert smaller.keys() == value.keys()


def test_only_assertions_without_code_files_and_graders_are_copied():
    kept = [
        Assertion("contains", value="a {{ b"),
        Assertion("is-json", value={"type": "object"}, metric="format"),
        Assertion("equals", negated=True, value="x", weight=2.0, threshold=0.5),
        AssertSet((Assertion("contains", value="a"),), threshold=0.5),
    ]
    dropped = [
        Assertion("javascript", value="true"),
        Assertion("python", value="True"),
        Assertion("webhook", value="http://x"),
        Assertion("pytest", value="x"),
        Assertion("equals", value="file://secret.txt"),
        Assertion("contains", value="a", transform="output"),
        Assertion("llm-rubric", value="good?", provider="exec:ls"),
        Assertion("is-json", value={"$ref": "#/x"}),
        Assertion("is-json", value={"const": "{{ env.HOME }}"}),
        AssertSet((Assertion("contains", value="a"), Assertion("javascript", value="1"))),
        Assertion("select-best", value="x"),
    ]
    found = copy_assertions([*kept, *dropped])
    assert found.left_out == tuple(dropped)
    assert found.assertions == (
        {"type": "contains", "value": "a {{ b"},
        {"type": "is-json", "value": {"type": "object"}, "metric": "format"},
        {"type": "not-equals", "value": "x", "threshold": 0.5, "weight": 2.0},
        {"type": "assert-set", "assert": [{"type": "contains", "value": "a"}], "threshold": 0.5},
    )
    assert from_text(to_text(made(assertions=found.assertions)), "x").assertions[:4] == found.assertions


def test_a_shipped_agent_is_known_with_its_schema_settings_and_prompt():
    agent = find_known_agent("REFLECTION_AGENT")
    assert agent is not None
    assert agent.title.startswith("REFLECTION_AGENT@")
    assert "response_format" in agent.settings
    assert "No space" in agent.render({"diagnostics": {"job_id": "a", "stderr": "No space left on device"}})
    assert find_known_agent("NO_SUCH_AGENT") is None


def test_a_run_tells_what_became_of_its_failures(tmp_path: Path):
    writer = CaseWriter(CaseFolder(tmp_path, max_new=1))
    maker = CaseMaker(Redactor())
    for failure in (FAILURE, FAILURE, replace(FAILURE, test="another"), replace(FAILURE, split="gate")):
        writer.take(maker.of_failure(failure, None))
    reported = "\n".join(writer.lines())
    assert "new failure cases: 1\n  " in reported
    assert "failures that are known cases: 1" in reported
    assert "beyond the limit of one run, not written: 1" in reported
    assert "failures not saved as cases: 1\n  tests of the split gate" in reported
    assert list(CaseWriter(CaseFolder(tmp_path)).lines()) == []


def test_a_broken_file_of_a_known_case_is_reported_and_ends_no_run(tmp_path: Path):
    case = made()
    path = tmp_path / f"x_{case.fingerprint}.yaml"
    path.write_text("a: [")
    writer = CaseWriter(CaseFolder(tmp_path))
    writer.take(case)
    assert any(str(path) in line for line in writer.lines())


def test_in_ci_new_cases_go_to_the_reports(tmp_path: Path):
    assert case_folder(tmp_path / "fc", {"CI": "true"}, tmp_path).record(made()) is not None
    assert list((tmp_path / "reports/failure_cases").rglob("*.yaml"))
    assert not (tmp_path / "fc").exists()
    assert [is_ci({"CI": word}) for word in ("1", "true", "false", "", "0")] == [True, True, False, False, False]


def test_placeholders_are_the_same_in_all_runs_that_share_a_cache(tmp_path: Path):
    text = "password=hunter2-hunter2"
    one, other = (redactor_for({}, tmp_path / "a").redact(text) for _ in range(2))
    assert one == other != redactor_for({}, tmp_path / "b").redact(text)
    assert (tmp_path / "a" / "redaction.key").stat().st_mode & 0o077 == 0
    assert "hunter2" not in str(redactor_for({"MY_TOKEN": "hunter2-9"}, Path("/proc/no")).redact("got hunter2-9"))
