"""A failure case's file: what is wrong with it, and that it runs as a suite."""

from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.cases.case_format import case_schema, inert_types
from evolve.core.cases.failure_case import CaseSource, FailureCase, from_mapping, from_text, to_mapping, to_text
from evolve.core.cases.fingerprint import fingerprint, normalise, slug
from evolve.core.cases.inert import as_sent
from evolve.core.cases.labels import answers, label_assertions, label_problems, without_labels
from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.errors import InputError
from evolve.store.read_options import ReadOptions
from evolve.store.suites import load_suite

ROOT = Path(__file__).parents[4]
OUTPUT = {
    "type": "object",
    "properties": {"action": {"enum": ["restart", "free_disk", "escalate"]}},
    "required": ["action"],
}


def a_case(**changes: object) -> FailureCase:
    case = FailureCase(
        agent="REFLECTION_AGENT",
        fingerprint="0123456789ab",
        description="the disk is full",
        vars={"diagnostics": {"job_id": "web", "stderr": "No space left on device"}},
        prompt=as_sent('[{"role": "user", "content": "No space left on device"}]'),
        source=CaseSource(
            "suite", "the disk is full", "accuracy", "got restart", "echo", "REFLECTION_AGENT@2", "2025-03-04"
        ),
        settings={"temperature": 0},
        assertions=label_assertions(OUTPUT, ["free_disk"], ["restart"]),
        accepted=("free_disk",),
        forbidden=("restart",),
        family="disk-full",
    )
    return replace(case, **changes)  # type: ignore[arg-type]


def problems_of(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        from_text(text, "case.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_both_copies_of_the_schema_are_the_same():
    package = ROOT / "evolve/core/cases/case.schema.json"
    assert (ROOT / "failure_cases/case.schema.json").read_bytes() == package.read_bytes()


def test_the_schema_is_a_json_schema_that_accepts_a_written_case():
    jsonschema = pytest.importorskip("jsonschema")
    schema = dict(case_schema())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(to_mapping(a_case()))


def test_a_case_is_read_as_it_was_written():
    case = a_case()
    assert from_text(to_text(case), "case.yaml") == case
    assert from_mapping(to_mapping(case), "case.yaml") == case


def test_a_written_case_is_a_suite_of_one_test(tmp_path: Path):
    path = tmp_path / "case.yaml"
    path.write_text(to_text(a_case()))
    suite = load_suite(str(path), ReadOptions(default_providers=("echo",)))
    assert len(suite.tests) == len(suite.prompts) == 1
    assert suite.tests[0].metadata["accepted"] == ["free_disk"]
    assert [part.metric for part in suite.tests[0].requirements] == ["accuracy", "harm"]
    assert suite.prompts[0].config == {"temperature": 0}


def test_all_problems_are_reported_at_once_with_their_places():
    text = to_text(a_case())
    wrong = (
        text.replace("    status: open", "    staus: open")
        .replace("kind: suite", "kind: suit")
        .replace("type: is-json", "type: javascript", 1)
        .replace("prompts:", "providers: [echo]\nprompts:")
        .replace("split: train", "split: gate")
    )
    found = problems_of(wrong)
    assert [problem.split(": ")[0].count(":") for problem in found] == [2] * len(found)
    reported = "\n".join(found)
    assert "unknown key 'staus' (did you mean 'status'?)" in reported
    assert "did you mean 'suite'?" in reported
    assert "javascript is not allowed in a failure case" in reported
    assert "not supported by Anneal: providers" in reported
    assert "metadata.split" in reported
    assert len(found) == 5


@pytest.mark.parametrize(
    "type_name", ["python", "javascript", "webhook", "pytest", "not-python", "exec", "select-best"]
)
def test_types_that_run_code_or_compare_are_refused(type_name: str):
    text = to_text(a_case()).replace("type: is-json", f"type: {type_name}", 1)
    assert [problem for problem in problems_of(text) if type_name in problem]


def test_a_misspelt_type_is_reported_with_the_right_one():
    assert any("did you mean 'is-json'?" in p for p in problems_of(to_text(a_case()).replace("is-json", "is-jsn", 1)))


@pytest.mark.parametrize("text", ["{{ env.HOME }}", "{% include 'x' %}", "{# x #}", "file://secret.txt", "exec:ls"])
def test_text_that_would_act_is_refused_wherever_it_stands(text: str):
    written = to_text(a_case())
    for spot in ("stderr: No space left on device", "reason: got restart", "description: the disk is full"):
        assert spot in written
        key = spot.split(":")[0]
        assert any("would interpret" in p for p in problems_of(written.replace(spot, f'{key}: "{text}"', 1)))


def test_a_reference_is_refused():
    written = to_text(a_case()).replace("job_id: web", '"$ref": "#/tests"')
    assert any("would interpret" in problem for problem in problems_of(written))


def test_a_label_cannot_be_accepted_and_forbidden():
    assert any("both accepted and forbidden" in p for p in problems_of(to_text(a_case(forbidden=("free_disk",)))))


def test_a_retired_case_needs_a_reason_and_no_other_has_one():
    assert any("needs a reason" in problem for problem in problems_of(to_text(a_case(status="retired"))))
    assert any("only a retired case" in problem for problem in problems_of(to_text(a_case(retired_because="old"))))


def test_what_drives_nothing_is_skipped_by_runs():
    unlabelled = a_case(assertions=(), accepted=(), forbidden=())
    for case, word in (
        (unlabelled, "unlabelled"),
        (a_case(status="retired", retired_because="the job is gone"), "retired: the job is gone"),
        (a_case(status="flaky"), "flaky"),
    ):
        assert not case.drives_evolution
        assert word in str(parse_yaml(to_text(case), "case.yaml")["tests"][0]["metadata"]["skip"])  # type: ignore[index, call-overload]
        assert from_text(to_text(case), "case.yaml") == case
    assert a_case().drives_evolution
    assert "skip" not in to_text(a_case())


def test_labels_become_assertions_and_are_found_again():
    made = label_assertions(OUTPUT, ["free_disk"], ["restart"])
    other = {"type": "is-json", "metric": "format", "value": OUTPUT}
    assert without_labels([other, *made]) == (other,)
    assert answers(OUTPUT) == ["restart", "free_disk", "escalate"]
    assert label_assertions({"type": "string"}, ["x"], []) == ()


def test_wrong_labels_are_all_reported():
    assert label_problems(OUTPUT, ["restat", "escalate"], ["escalate", "bomb"]) == [
        "accepted: 'restat' is not an answer of this agent (did you mean 'restart'?)",
        "forbidden: 'bomb' is not an answer of this agent (known: restart, free_disk, escalate)",
        "'escalate' is both accepted and forbidden",
    ]


def test_every_type_that_a_case_may_use_is_one_that_runs_no_code():
    assert {"is-json", "contains", "regex", "equals"} <= inert_types()
    assert not inert_types() & {"python", "javascript", "webhook", "pytest", "select-best", "max-score"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("2025-03-04T08:12:40.118Z timeout after 30001ms", "<time> timeout after <n>ms"),
        ("connect to 10.0.3.7:8080 and [::1]:4646 refused", "connect to <address> and <address> refused"),
        ("cannot open /var/lib/x/y.py:10: no such file", "cannot open <path>: no such file"),
        ("job 7f3a2b1c-0000-4000-8000-123456789abc is dead", "job <id> is dead"),
        ("Expected restart, got free_disk", "expected restart, got free_disk"),
        ("{'b': 2, 'a': 1}", "{'a': <n>, 'b': <n>}"),
        ("key <secret:1a2b3c> is known", "key <id> is known"),
    ],
)
def test_incidentals_leave_a_message(message: str, expected: str):
    assert normalise(message) == expected


def test_a_fingerprint_tells_agents_tests_checks_and_messages_apart():
    prints = {
        fingerprint("A", "t", ["c"], ["m"]),
        fingerprint("B", "t", ["c"], ["m"]),
        fingerprint("A", "u", ["c"], ["m"]),
        fingerprint("A", "t", ["d"], ["m"]),
        fingerprint("A", "t", ["c"], ["n"]),
        fingerprint("A", "t", ["c", "m"], []),
    }
    assert len(prints) == 6


def test_a_slug_is_short_and_never_empty():
    assert slug("Ünïcode & Co: a test!") == "n-code-co-a-test"
    assert slug("???") == "case"
    assert len(slug("word " * 40)) <= 48
    assert len(slug("x" * 400)) <= 48


SUITE = """\
prompts: ["Alert: {{ alert }}"]
providers: [echo]
tests:
  - {vars: {alert: "disk full"}, metadata: {accepted: [storage]}}
  - {vars: {alert: "no route"}, metadata: {accepted: [network]}}
"""


@pytest.mark.parametrize(
    "text", [SUITE, SUITE.rsplit("\n", 2)[0] + "\n", SUITE.replace("tests:", "tests: file://t.yaml\nx:")]
)
def test_a_suite_gets_one_hint_in_place_of_all_that_it_lacks(text: str) -> None:
    with pytest.raises(InputError) as refused:
        from_text(text, "alerts.yaml")
    (problem,) = refused.value.problems
    assert problem.message == "this is a suite, not a failure case"
    assert problem.hint == "pass a suite with --suite: evolve --suite alerts.yaml"
