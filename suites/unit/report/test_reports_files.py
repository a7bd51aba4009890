"""The files that a run writes for other programs."""

import csv
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from evolve.core.evaluation.scoring import Part, aggregate, attach_requirement
from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.errors import InputError
from evolve.core.model.events import CaseResult, RunFinished
from evolve.core.model.suite import Assertion, AssertSet, Evaluation, Prompt, ProviderSpec, Suite, Test, TestOptions
from evolve.core.model.verdicts import Verdict
from evolve.report.short_text import cut
from evolve.report.suites.csv_rows import inert_cell, write_csv
from evolve.report.suites.jsonl import write_jsonl
from evolve.report.suites.junit import write_junit
from evolve.report.suites.promptfoo_json import write_promptfoo_json
from evolve.report.suites.text import failure_text
from evolve.system.atomic_files import output_file
from fixtures.report_runs import report_run

PROMPT = Prompt("Say {{x}}", "Say {{x}}")
ECHO = ProviderSpec("echo", "my echo")
CONTAINS = Assertion("contains", value="a", metric="m", weight=2.0)
NEGATED = Assertion("equals", negated=True, value="b", config={"k": 1})
GROUP = AssertSet((NEGATED,), metric="set")


def result(text: str = "Say a", *, test_index: int = 0, passed: bool = True, score: float = 1.0) -> CaseResult:
    test = Test({"x": "a"}, (CONTAINS, GROUP), "one", TestOptions(transform="output"), {"team": "ops"}, threshold=0.5)
    inner = aggregate([Part(NEGATED, attach_requirement(Verdict(True, 1.0, "Assertion passed"), NEGATED))])
    parts = [
        Part(
            CONTAINS,
            attach_requirement(Verdict(passed, score, "Assertion passed" if passed else f"no a in {text}"), CONTAINS),
        ),
        Part(GROUP, attach_requirement(inner, GROUP)),
    ]
    verdict = aggregate(parts)
    answer = Answer(text, tokens=TokenUsage(7, 4, 3, 1, 1), cost=0.25, latency_ms=12.5, metadata={"from": "cache"})
    evaluation = Evaluation(f"one {test_index}", test, test.vars, PROMPT, ECHO, test_index, 0)
    status = "pass" if verdict.passed else "fail"
    return CaseResult(
        evaluation,
        status,
        verdict,
        "Say a",
        test.vars,
        answer,
        text,
        named_scores=verdict.named_scores,
        latency_ms=12.5,
    )


def run(*results: CaseResult) -> RunFinished:
    suite = Suite("/work/suite.yaml", "/work", (PROMPT,), (ECHO,), (), config={"prompts": ["Say {{x}}"]})
    return RunFinished((suite,), ((suite, results),), 1.5, 1_700_000_000.0)


def written(path: Path, finished: RunFinished) -> dict:
    write_promptfoo_json(str(path), finished)
    return json.loads(path.read_text())


def test_the_result_file_has_promptfoos_structure(tmp_path):
    document = written(tmp_path / "r.json", run(result(), result(test_index=1, passed=False, score=0.0)))
    assert {"evalId", "results", "config", "shareableUrl", "metadata", "vars"} <= document.keys()
    results = document["results"]
    assert results["version"] == 3
    assert results["timestamp"] == "2023-11-14T22:13:20.000Z"
    assert {key: results["stats"][key] for key in ("successes", "failures", "errors")} == {
        "successes": 1,
        "failures": 1,
        "errors": 0,
    }
    assert results["stats"]["tokenUsage"]["total"] == 14
    assert document["vars"] == ["x"]
    (column,) = results["prompts"]
    assert (column["provider"], column["label"], column["raw"]) == ("my echo", "Say {{x}}", "Say {{x}}")
    assert column["metrics"]["testPassCount"] == 1
    assert column["metrics"]["namedScores"] == {"m": 2.0, "set": 2.0}


def test_a_row_holds_what_promptfoos_rows_hold(tmp_path):
    (row,) = written(tmp_path / "r.json", run(result()))["results"]["results"]
    assert row["provider"] == {"id": "echo", "label": "my echo"}
    assert row["prompt"]["raw"] == "Say a"
    assert row["response"]["output"] == "Say a"
    assert row["testCase"] == {
        "description": "one",
        "vars": {"x": "a"},
        "threshold": 0.5,
        "assert": [
            {"type": "contains", "value": "a", "weight": 2.0, "metric": "m"},
            {
                "type": "assert-set",
                "assert": [{"type": "not-equals", "value": "b", "config": {"k": 1}}],
                "metric": "set",
            },
        ],
        "options": {"transform": "output"},
        "metadata": {"team": "ops"},
    }
    assert (row["success"], row["score"], row["failureReason"], row["cost"], row["latencyMs"]) == (
        True,
        1.0,
        0,
        0.25,
        12.5,
    )
    assert [part.get("assertion", {}).get("type") for part in row["gradingResult"]["componentResults"]] == [
        "contains",
        None,
        "not-equals",
    ]
    assert "error" not in row


def test_an_error_without_an_answer_has_no_grading(tmp_path):
    verdict = Verdict(False, 0.0, "refused", error="refused")
    failed = replace(
        result(), status="error", verdict=verdict, answer=None, output=None, error="refused", error_kind="environment"
    )
    (row,) = written(tmp_path / "r.json", run(failed))["results"]["results"]
    assert (row["error"], row["gradingResult"], row["failureReason"]) == ("refused", None, 2)
    assert "response" not in row


@pytest.mark.parametrize("text", ["\x00\x1b[31m", "lone \ud800 surrogate", "]]>", "\u2028 & < >", "🙂"])
def test_no_text_breaks_a_report(tmp_path, text):
    finished = run(result(text, passed=False, score=0.0))
    assert written(tmp_path / "r.json", finished)["results"]["results"][0]["response"]["output"] == text
    write_jsonl(str(tmp_path / "r.jsonl"), finished)
    assert json.loads((tmp_path / "r.jsonl").read_text())["response"]["output"] == text
    write_csv(str(tmp_path / "r.csv"), finished)
    write_junit(str(tmp_path / "r.xml"), finished)
    etree.parse(tmp_path / "r.xml")


def test_numbers_that_json_lacks_are_null(tmp_path):
    document = written(tmp_path / "r.json", run(result(score=float("nan"))))
    assert document["results"]["results"][0]["score"] is None


def test_several_suites_share_one_result_file(tmp_path):
    one = run(result(), result(test_index=1))
    both = RunFinished(one.suites * 2, one.results * 2, 1.0)
    rows = written(tmp_path / "r.json", both)["results"]["results"]
    assert [(row["testIdx"], row["promptIdx"]) for row in rows] == [(0, 0), (1, 0), (2, 1), (3, 1)]


def test_json_lines_are_rows_that_name_their_suite(tmp_path):
    write_jsonl(str(tmp_path / "r.jsonl"), run(result(), result(test_index=1)))
    rows = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert [row["suite"] for row in rows] == ["/work/suite.yaml"] * 2


def test_csv_has_a_row_per_test_and_columns_per_prompt(tmp_path):
    write_csv(str(tmp_path / "r.csv"), run(result(), result('x, "y"\nz', test_index=1, passed=False, score=0.0)))
    with (tmp_path / "r.csv").open(newline="") as file:
        header, first, second = csv.reader(file)
    assert header[:6] == ["Description", "x", "[my echo] Say {{x}}", "Status", "Score", "Named Scores"]
    assert header[6:] == ["Metric: m", "Metric: set", "Grader Reason", "Comment"]
    assert first == [
        "one",
        "a",
        "Say a",
        "PASS",
        "1.00",
        '{"m":1,"set":1}',
        "1.00",
        "1.00",
        "All assertions passed",
        "",
    ]
    assert second[2:5] == ['x, "y"\nz', "FAIL", "0.33"]


def junit_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(Path(__file__).parents[3] / "fixtures" / "junit.xsd"))


def test_junit_is_valid_and_carries_score_and_reason(tmp_path):
    write_junit(str(tmp_path / "r.xml"), report_run(200))
    document = etree.parse(tmp_path / "r.xml")
    junit_schema().assertValid(document)
    assert document.getroot().get("tests") == "200"
    assert int(document.getroot().get("errors")) > 0
    case = document.find(".//testcase[failure]")
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert 0 <= float(properties["score"]) < 1
    assert properties["reason"].startswith("Expected output to contain")
    assert "output: " in case.find("failure").text


def test_a_failure_in_words_tells_prompt_output_and_each_failing_assertion():
    text = failure_text(result("Say b", passed=False, score=0.0))
    assert text.splitlines() == [
        "prompt: Say a",
        "output: Say b",
        "failed contains (m): no a in Say b",
        "score:  0.3333",
    ]


def test_what_was_expected_is_shown_where_the_reason_does_not_say_it():
    failed = result("Say b", passed=False, score=0.0)
    part = replace(failed.verdict.components[0], reason="not that", requirement=replace(CONTAINS, value="wanted"))
    text = failure_text(replace(failed, verdict=replace(failed.verdict, components=(part,), reason="not that")))
    assert "  expected: wanted" in text.splitlines()


def test_long_texts_are_cut_in_the_middle():
    assert cut("a" * 50 + "b" * 50, 30) == "a" * 20 + "… [70 characters] …" + "b" * 10


def test_a_report_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the report"):
        write_jsonl(str(tmp_path / "file" / "r.jsonl"), run(result()))


def test_a_broken_off_report_leaves_the_old_one(tmp_path):
    path = tmp_path / "r.txt"
    path.write_text("old")
    with suppress(KeyboardInterrupt), output_file(str(path)) as file:
        file.write("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_chat_shows_its_last_message_and_how_many_stand_before():
    chat = json.dumps([{"role": "system", "content": "long words"}, {"role": "user", "content": "Say b"}])
    text = failure_text(replace(result("Say b", passed=False, score=0.0), prompt=chat))
    assert "[1 message before]" in text
    assert "user: Say b" in text
    assert "long words" not in text


def test_code_of_several_lines_is_not_shown_as_the_expected_value():
    failed = result("Say b", passed=False, score=0.0)
    code = Assertion("javascript", value="const a = 1;\nreturn a > 1;")
    said = replace(failed.verdict, components=(Verdict(False, 0.0, "a is too small", requirement=code),))
    assert "const a" not in failure_text(replace(failed, verdict=said))
    threw = replace(said, components=(Verdict(False, 0.0, "Custom function threw error: x", requirement=code),))
    assert "const a" in failure_text(replace(failed, verdict=threw))


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1+1", "-", "-1e3x", "=-1", "-\u0661"],
)
def test_csv_cells_that_a_spreadsheet_would_run_are_escaped(tmp_path, text):
    write_csv(str(tmp_path / "r.csv"), run(replace(result(text), vars={text: text})))
    with (tmp_path / "r.csv").open(newline="") as file:
        header, row = csv.reader(file)
    assert f"'{text}" in header
    assert row.count(f"'{text}") >= 2
    assert text not in row
    write_csv(str(tmp_path / "raw.csv"), run(replace(result(text), vars={text: text})), raw=True)
    with (tmp_path / "raw.csv").open(newline="") as file:
        header, row = csv.reader(file)
    assert text in header
    assert row.count(text) >= 2


@pytest.mark.parametrize("text", ["", "-1", "+1.5", "-.5e-3", "a=1", "'=1", "1-2"])
def test_csv_cells_that_are_harmless_stay(text):
    assert inert_cell(text) == text
