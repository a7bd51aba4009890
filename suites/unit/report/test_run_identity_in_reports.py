"""Every file that a run writes names the run, and JUnit and annotations name the test's place."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from evolve.core.model.events import RunFinished
from evolve.core.model.run_identity import GitCommit, RunIdentity
from evolve.report.suites.csv_rows import write_csv
from evolve.report.suites.html import html_text
from evolve.report.suites.jsonl import write_jsonl
from evolve.report.suites.junit import write_junit
from evolve.report.suites.promptfoo_json import write_promptfoo_json
from fixtures.report_runs import report_run

COMMIT, HASH = "c" * 40, "f" * 64
IDENTITY = RunIdentity(
    "20261118-220640-a1b2c3",
    1_795_039_600.0,
    HASH,
    {"suites/agents/reflection.yaml": HASH},
    GitCommit(COMMIT, has_changes=True),
)


def named(tests: int = 8, **changes: object) -> RunFinished:
    return replace(report_run(tests), identity=replace(IDENTITY, **changes))


def test_the_result_file_names_the_run(tmp_path: Path) -> None:
    write_promptfoo_json(str(tmp_path / "r.json"), named())
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["evalId"] == f"eval-anneal-{IDENTITY.id}"
    assert document["metadata"]["run"] == {
        "id": IDENTITY.id,
        "startedAt": "2026-11-18T22:06:40.000Z",
        "commit": COMMIT,
        "hasUncommittedChanges": True,
        "configHash": HASH,
        "suites": [{"path": "suites/agents/reflection.yaml", "configHash": HASH}],
    }


def test_every_line_names_the_run(tmp_path: Path) -> None:
    write_jsonl(str(tmp_path / "r.jsonl"), named())
    rows = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert {(row["run"]["id"], row["run"]["commit"], row["run"]["configHash"]) for row in rows} == {
        (IDENTITY.id, COMMIT, HASH)
    }


def test_every_row_of_the_table_names_the_run(tmp_path: Path) -> None:
    write_csv(str(tmp_path / "r.csv"), named())
    with (tmp_path / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["run_id"], row["git_commit"], row["config_hash"]) for row in rows} == {(IDENTITY.id, COMMIT, HASH)}
    assert {row["run_started"] for row in rows} == {"2026-11-18T22:06:40.000Z"}


def test_junit_names_the_run_once_for_each_suite(tmp_path: Path) -> None:
    write_junit(str(tmp_path / "r.xml"), named())
    document = etree.parse(tmp_path / "r.xml")
    etree.XMLSchema(etree.parse(Path(__file__).parents[3] / "fixtures" / "junit.xsd")).assertValid(document)
    found = {p.get("name"): p.get("value") for p in document.iterfind("testsuite/properties/property")}
    assert found == {
        "run_id": IDENTITY.id,
        "run_started": "2026-11-18T22:06:40.000Z",
        "git_commit": COMMIT,
        "config_hash": HASH,
        "git_uncommitted_changes": "true",
    }


@pytest.mark.parametrize("commit", [None, GitCommit(COMMIT, has_changes=False)])
def test_outside_of_a_repository_no_commit_is_named(commit: GitCommit | None, tmp_path: Path) -> None:
    write_junit(str(tmp_path / "r.xml"), named(commit=commit))
    names = {p.get("name") for p in etree.parse(tmp_path / "r.xml").iterfind("testsuite/properties/property")}
    assert ("git_commit" in names) is (commit is not None)
    assert "git_uncommitted_changes" not in names


def test_the_page_names_the_run() -> None:
    page = html_text(named())
    assert IDENTITY.id in page
    assert COMMIT[:12] in page
    assert HASH[:12] in page
    assert "uncommitted changes" in page
