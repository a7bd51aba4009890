"""The HTML report holds everything of a run, and nothing of a run can break out of it."""

import html.parser
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.model.events import CaseResult, RunFinished
from evolve.core.model.suite import Assertion, AssertSet
from evolve.core.model.verdicts import Verdict
from evolve.report.page import embedded_json
from evolve.report.quantities import dollars, duration, milliseconds, percent
from evolve.report.suites.html import html_text, write_html
from evolve.report.suites.html_numbers import latency, numbers
from evolve.report.suites.html_rows import COLUMNS
from evolve.report.text_table import TEXT_LIMIT
from fixtures.report_runs import report_run

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]><img src=x onerror=alert(1)>",
    "\"'&amp;&#x3c;\\u003c/script>",
    "\u2028\u2029\x00\ud800",
    "javascript:alert(1)",
)


class Page(html.parser.HTMLParser):
    """What a browser's parser finds in a report."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self._script: str | None = None
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._script = (dict(attrs).get("id") or "code") if tag == "script" else None

    def handle_endtag(self, _tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script:
            self.raw[self._script] = self.raw.get(self._script, "") + data
        else:
            self.text += data

    @property
    def data(self) -> Any:
        return json.loads(self.raw["data"])


def rows_of(page: Page) -> list[dict[str, Any]]:
    return [dict(zip(page.data["columns"], row, strict=True)) for row in page.data["rows"]]


def one_result(run: RunFinished, **changes: Any) -> RunFinished:
    ((suite, results),) = run.results
    return replace(run, results=((suite, (replace(results[0], **changes),)),))


def test_the_page_asks_for_nothing() -> None:
    page = Page(html_text(report_run(20)))
    assert not [tag for tag, _ in page.tags if tag in ("link", "img", "iframe", "object", "base", "form")]
    assert not [values for _, values in page.tags if "src" in values or "style" in values]
    policies = [values["content"] for tag, values in page.tags if values.get("http-equiv") == "Content-Security-Policy"]
    assert policies
    assert "default-src 'none'" in str(policies[0])
    assert "unsafe" not in str(policies[0])


def test_every_result_is_there_failures_first() -> None:
    run = report_run(300)
    rows = rows_of(Page(html_text(run)))
    results = run.results[0][1]
    assert sorted(row["order"] for row in rows) == list(range(300))
    assert [row["status"] for row in rows] == sorted(row["status"] for row in rows)
    words = ("error", "fail", "pass")
    assert all(words[row["status"]] == results[row["order"]].status for row in rows)


def test_texts_come_back_as_they_were() -> None:
    run = report_run(200)
    page = Page(html_text(run))
    texts = page.data["texts"]
    for row in rows_of(page):
        result: CaseResult = run.results[0][1][row["order"]]
        assert "".join(texts[number] for number in row["prompt"]) == result.prompt
        assert row["output"] == -1 or texts[row["output"]] == result.output
        assert [texts[number] for number in row["vars"]] == [part for pair in result.vars.items() for part in pair]
        assert [texts[check[4]] for check in row["assertions"]] == [part.reason for part in result.verdict.components]
        assert (row["anchor"], row["score"]) == (result.evaluation.id, pytest.approx(result.verdict.score, abs=1e-4))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str, tmp_path: Path) -> None:
    run = report_run(1)
    evaluation = run.results[0][1][0].evaluation
    test = replace(evaluation.test, description=text, metadata={text: text, "family": text})
    assertion = Assertion("contains", value=text, metric=text)
    verdict = Verdict(False, 0.0, text, (Verdict(False, 0.0, text, requirement=assertion),), {text: 0.0})
    hostile = one_result(
        run,
        evaluation=replace(evaluation, id=text, test=test),
        status="fail",
        verdict=verdict,
        prompt=text,
        vars={text: text},
        output=text,
        error=text,
        named_scores={text: 0.0},
    )
    calm = Page(html_text(one_result(run, status="fail", verdict=verdict, error="x"), title="x", command="x"))
    write_html(str(tmp_path / "report.html"), hostile, title=text, command=text)
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in calm.tags]
    assert not [values for _, values in page.tags if any(name.startswith("on") for name in values)]
    assert page.data["texts"][rows_of(page)[0]["output"]] == text


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_embedded_json_is_json_without_markup(value: Any) -> None:
    text = embedded_json(value)
    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029]", text)


def test_long_texts_are_cut_and_counted() -> None:
    run = one_result(report_run(1), output="a" * TEXT_LIMIT * 3)
    page = Page(html_text(run))
    shown = page.data["texts"][rows_of(page)[0]["output"]]
    assert len(shown) < TEXT_LIMIT + 100
    assert re.search(r"\[8000\d characters\]", shown)


def test_equal_ids_of_two_suites_get_anchors_of_their_own() -> None:
    run = report_run(3)
    twice = replace(run, suites=run.suites * 2, results=run.results * 2)
    anchors = [row["anchor"] for row in rows_of(Page(html_text(twice)))]
    assert len(set(anchors)) == 6


def test_parts_of_an_assert_set_are_indented() -> None:
    part = Verdict(True, 1.0, "Assertion passed", requirement=Assertion("is-json"))
    whole = Verdict(True, 1.0, "ok", (part,), requirement=AssertSet((Assertion("is-json"),)))
    page = Page(html_text(one_result(report_run(1), verdict=Verdict(True, 1.0, "ok", (whole,)))))
    texts = page.data["texts"]
    found = [(texts[check[1]], check[8]) for check in rows_of(page)[0]["assertions"]]
    assert found == [("assert-set", 0), ("is-json", 1)]


def test_scores_that_are_no_numbers_do_not_break_the_data() -> None:
    page = Page(html_text(one_result(report_run(1), verdict=Verdict(False, float("nan"), "x"))))
    assert rows_of(page)[0]["score"] is None


def test_an_empty_run_is_a_report_too() -> None:
    run = replace(report_run(1), results=())
    assert rows_of(Page(html_text(run))) == []


def test_the_top_needs_no_script() -> None:
    run = report_run(500)
    found = numbers(run)
    text = re.sub(r"\s+", " ", Page(html_text(run)).text)
    assert f"{found.whole.failed} failed, {found.whole.errors} errors" in text
    assert "By provider and prompt" in text
    assert "By split" in text
    assert (
        f"{len([r for r in run.results[0][1] if r.answer and r.answer.cached])} of 500 answers from the store" in text
    )


def test_groups_add_up_to_the_whole() -> None:
    found = numbers(report_run(400))
    for groups in (found.columns, *(groups for _, groups in found.by_metadata)):
        assert sum(group.tests for group in groups) == found.whole.tests == 400
        assert sum(group.failed for group in groups) == found.whole.failed
    assert [key for key, _ in found.by_metadata] == ["split", "family"]


def test_a_suite_is_named_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ((suite, results),) = report_run(1).results
    suite = replace(suite, path=str(tmp_path / "suites" / "a.yaml"))
    page = Page(html_text(RunFinished((suite,), ((suite, results),), 1.0)))
    assert page.data["suites"] == ["suites/a.yaml"]
    assert str(tmp_path) not in page.text


def test_an_interrupted_run_says_so() -> None:
    assert "stopped before its end" in html_text(replace(report_run(2), interrupted=True))


def test_columns_are_what_the_script_reads() -> None:
    assets = Path(html_text.__code__.co_filename).parents[1] / "assets"
    script = "".join(path.read_text("utf-8") for path in assets.glob("report*.js"))
    assert {name for name in COLUMNS if re.search(rf"\b(row|a)\.{name}\b", script)} == set(COLUMNS)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script)


@pytest.mark.parametrize(
    ("values", "expected"),
    [((), (0, 0, 0, 0, 0)), ((5,), (1, 5, 5, 5, 5)), (tuple(range(1, 101)), (100, 50, 90, 99, 100))],
)
def test_percentiles_are_values_that_occurred(values: tuple[float, ...], expected: tuple[float, ...]) -> None:
    found = latency(values)
    assert (found.calls, found.p50, found.p90, found.p99, found.longest) == expected


def test_numbers_are_readable() -> None:
    assert [percent(share) for share in (1, 0.9996, 0.5, 0, 0.29)] == ["100%", "99.9%", "50%", "0%", "29%"]
    assert [milliseconds(value) for value in (0.44, 312.4, 2400)] == ["0.4 ms", "312 ms", "2.4 s"]
    assert [duration(value) for value in (0.8, 83, 7500)] == ["0.8 s", "1 min 23 s", "2 h 5 min"]
    assert [dollars(value) for value in (0, 1.25, 0.0031)] == ["$0.00", "$1.25", "$0.0031"]
