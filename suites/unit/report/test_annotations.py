"""Failures in the form that GitHub Actions shows at lines of files."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.evaluation.outcomes import outcome
from evolve.core.model.errors import Location
from evolve.report.suites.annotations import SHOWN, annotation, annotations, is_wanted
from fixtures.report_runs import report_run


@pytest.mark.parametrize(
    ("choice", "env", "wanted"),
    [
        ("auto", {}, False),
        ("auto", {"GITHUB_ACTIONS": "true"}, True),
        ("auto", {"CI": "true"}, False),
        ("github", {}, True),
        ("none", {"GITHUB_ACTIONS": "true"}, False),
    ],
)
def test_annotations_are_for_github_or_on_request(choice: str, env: dict[str, str], wanted: bool) -> None:
    assert is_wanted(choice, env) is wanted


@given(st.text(), st.text(min_size=1).filter(lambda text: "/" not in text and "\0" not in text), st.text())
def test_any_text_is_one_line_that_github_can_take_apart(message: str, name: str, title: str) -> None:
    line = annotation(message, Location(f"/work/{name}", 3), {"GITHUB_WORKSPACE": "/elsewhere"}, title=title)
    assert not re.search("[\r\n]", line)
    facts, _, _ = line.removeprefix("::error ").partition("::")
    values = dict(part.split("=", 1) for part in facts.split(","))
    assert values["line"] == "3"
    assert re.sub("%(..)", lambda match: chr(int(match[1], 16)), values["file"]) == f"/work/{name}"


def test_line_ends_and_separators_are_escaped() -> None:
    line = annotation("50% of\nit", Location("a,b:c.yaml", 2, 5), {}, title="x: y, z")
    assert line == "::error file=a%2Cb%3Ac.yaml,line=2,col=5,title=x%3A y%2C z::50%25 of%0Ait"


def test_a_file_is_named_from_the_checkout() -> None:
    env = {"GITHUB_WORKSPACE": "/work"}
    assert annotation("m", Location("/work/prompts/s.yaml"), env) == "::error file=prompts/s.yaml::m"
    assert annotation("m", Location("/other/s.yaml"), env) == "::error file=/other/s.yaml::m"


def test_as_many_are_written_as_github_shows() -> None:
    ((suite, results),) = report_run(300).results
    lines = list(annotations([outcome(suite, results)], {}))
    assert len(lines) == SHOWN
    assert lines[0].startswith("::error file=suites/agents/reflection.yaml,title=")


def test_what_is_expected_to_fail_is_not_annotated() -> None:
    ((suite, results),) = report_run(300).results
    failed = next(result for result in results if result.status == "fail")
    evaluation = replace(failed.evaluation, test=replace(failed.evaluation.test, metadata={"xfail": True}))
    assert list(annotations([outcome(suite, [replace(failed, evaluation=evaluation)])], {})) == []
