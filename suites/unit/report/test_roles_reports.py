"""The reports of a verification of roles: the same words in all of them, and captured text that cannot act."""

import html.parser
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from evolve.core.model.errors import InputError
from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult, TaskLine
from evolve.report.roles.console import verification_lines
from evolve.report.roles.html import roles_page, write_roles_html
from evolve.report.roles.junit import roles_junit_text, write_roles_junit
from evolve.report.roles.matrix import (
    RoleMatrix,
    checks_not_made,
    is_good,
    missing_results,
    rows,
    short_totals,
    slowest,
    totals,
)
from evolve.report.terminal import Paint
from fixtures.verification_runs import verification

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<img src=x onerror=alert(1)>",
    "]]>&amp;\"' onfocus=alert(1) x='",
    "\x1b[31mred\x1b]0;title\x07",
    "\u2028\x00\ud800\ufffe",
    "javascript:alert(1)",
)
PASSED = CheckResult("mqtt", "bookworm", Check.CONVERGE, CheckOutcome.PASSED, seconds=2.0)


def report(*results: CheckResult, **settings) -> RoleMatrix:
    return RoleMatrix(results, 1_795_420_000.0, 3.0, **settings)


class Page(html.parser.HTMLParser):
    """The elements and the text that a browser's parser finds."""

    def __init__(self, found: RoleMatrix) -> None:
        super().__init__()
        self.source = "".join(roles_page(found))
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._inside = ""
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, _tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.words += f"{data} "

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", self.words)

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def lines(found: RoleMatrix, tmp_path: Path) -> list[str]:
    with (tmp_path / "out").open("w") as stream:
        return list(verification_lines(found, Paint(stream, {})))


# --- the matrix


def test_rows_are_roles_on_releases_in_order():
    names = [row.name for row in rows(verification().results)]
    assert names == sorted(names)
    assert len(names) == 12


def test_of_two_results_for_a_check_the_worse_counts_and_both_are_reported():
    failed = replace(PASSED, outcome=CheckOutcome.FAILED, reason="port 80", evidence={"journal": "x"}, seconds=1.0)
    for pair in ((PASSED, failed), (failed, PASSED)):
        (row,) = rows(pair)
        cell = row.cells[Check.CONVERGE]
        assert (cell.outcome, cell.reason, cell.seconds) == (CheckOutcome.FAILED, "port 80", 3.0)
        assert cell.evidence == {"journal": "x"}


def test_totals_name_every_outcome_once():
    table = rows(verification().results)
    found = totals(table)
    assert list(found) == list(CheckOutcome)
    assert sum(found.values()) == 119
    assert short_totals(table) == "2 failed, 1 error, 87 passed, 20 unchanged, 9 not checked, 1 not run"


def test_an_error_is_not_good_and_an_unchecked_thing_is():
    assert is_good(rows([replace(PASSED, outcome=CheckOutcome.NOT_CHECKED)]))
    assert is_good(rows([replace(PASSED, outcome=CheckOutcome.UNCHANGED)]))
    assert not is_good(rows([replace(PASSED, outcome=CheckOutcome.ERROR)]))
    assert not is_good(rows([replace(PASSED, outcome=CheckOutcome.FAILED)]))


def test_the_runs_of_a_task_are_added_up_over_checks_and_releases():
    task = TaskLine("h", "mqtt", "Install", "roles/mqtt/tasks/install.yml", 3, "apt", "ok", 2.0)
    quick = replace(task, task="Configure", line=9, seconds=0.5)
    other = replace(PASSED, check=Check.RESTART, release="bullseye", tasks=(replace(task, seconds=4.0),))
    first, second = slowest(rows([replace(PASSED, tasks=(task, quick)), other]))
    assert (first.task, first.spot, first.runs) == ("Install", "roles/mqtt/tasks/install.yml:3", 2)
    assert (first.seconds, first.longest_s) == (6.0, 4.0)
    assert second.task == "Configure"


def test_what_was_not_checked_is_listed_once_with_all_its_roles():
    gaps = {(gap.check, gap.why): list(gap.names) for gap in checks_not_made(rows(verification().results))}
    why = "the role has no earlier commit"
    assert len(gaps[Check.UPGRADE, why]) == 9
    assert not [why for _, why in gaps if why.startswith("not run")], "the matrix says what was not run"
    nested = "not checked: a running container needs a host that allows nesting"
    assert gaps[Check.FUNCTION, nested] == ["docker@bookworm", "docker@bullseye"]
    assert (Check.RESTART, "the environment failed: the host did not come back within 60 s") in gaps
    assert len(gaps) == 3


# --- the page


def test_every_word_of_the_matrix_stands_on_the_page():
    text = Page(verification()).text
    for word in ("✓ passed", "✗ failed", "! error", "? not checked", "= unchanged", "· not run", "hidden changes"):
        assert word in text


def test_each_cell_leads_to_a_place_that_exists():
    page = Page(verification())
    targets = {value.removeprefix("#") for value in page.values("href")}
    assert targets <= set(page.values("id"))
    assert "mqtt@bookworm/idempotence" in targets
    assert len(page.values("id")) == len(set(page.values("id")))


def test_a_failure_is_open_and_shows_reason_tasks_items_diff_and_journal():
    page = Page(verification())
    opened = [attributes["id"] for tag, attributes in page.tags if tag == "details" and "open" in attributes]
    assert opened == [
        "llama_cpp@bullseye/restart",
        "mqtt@bookworm/idempotence",
        "mqtt@bullseye/idempotence",
    ]
    for part in (
        "2 tasks changed something in the second converge:",
        "roles/mqtt/tasks/configure.yml:14",
        "items: plain, websocket",
        "listener 1884 opened",
        "+listener 1884",
        "handler",
    ):
        assert part in page.text


def test_the_page_says_when_where_and_how_to_run_it_again():
    text = Page(verification()).text
    for part in ("2026-11-23", "2 cores, 24 GiB", "took 3 min 34 s", "pytest suites/infra -k 'mqtt or llama_cpp'"):
        assert part in text


@pytest.mark.parametrize("text", HOSTILE)
def test_captured_text_adds_no_element_to_the_page(text):
    def said(words: str) -> RoleMatrix:
        task = TaskLine(words, words, words, words, 1, words, "failed", 1.0, (words,), words, f"+{words}", True)
        result = CheckResult(
            words, words, Check.FUNCTION, CheckOutcome.FAILED, words, (words,), {words: words}, 1.0, (task,)
        )
        gap = replace(result, check=Check.UPGRADE, outcome=CheckOutcome.NOT_CHECKED)
        return report(result, gap, machine=words, command=words)

    hostile, plain = Page(said(text)), Page(said("words"))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(attributes) for _, attributes in hostile.tags] == [sorted(found) for _, found in plain.tags]
    assert "\x1b" not in hostile.source


def test_nothing_is_requested_from_anywhere():
    page = Page(verification())
    assert not [tag for tag, _ in page.tags if tag in ("link", "img", "iframe", "object", "form")]
    assert page.values("src") == []
    assert all(value.startswith("#") for value in page.values("href"))


def test_a_verification_of_nothing_says_so():
    page = Page(report())
    assert "No role was verified." in page.text


def test_many_tasks_are_counted_where_they_are_not_shown():
    tasks = tuple(TaskLine("h", "r", f"task {n}", "t.yml", n, "copy", "changed", 0.1) for n in range(1, 401))
    assert "100 more tasks are not shown." in Page(report(replace(PASSED, tasks=tasks))).text


def test_a_place_that_cannot_be_written_is_the_users_mistake(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the report"):
        write_roles_html(str(tmp_path / "file" / "roles.html"), verification())


# --- JUnit


def junit(found: RoleMatrix) -> etree._Element:
    document = etree.fromstring(roles_junit_text(found).encode())
    etree.XMLSchema(etree.parse(Path(__file__).parents[3] / "fixtures" / "junit.xsd")).assertValid(document)
    return document


def test_junit_is_valid_and_has_a_suite_per_role_and_release(tmp_path):
    write_roles_junit(str(tmp_path / "roles.xml"), verification())
    assert (tmp_path / "roles.xml").read_text() == roles_junit_text(verification())
    document = junit(verification())
    assert document.attrib == {"name": "roles", "tests": "119", "failures": "2", "errors": "1", "time": "214.500"}
    suites = document.findall("testsuite")
    assert len(suites) == 12
    assert suites[8].attrib["name"] == "mqtt@bookworm"
    assert [case.get("name") for case in suites[8]] == list(Check)
    assert (suites[8].get("tests"), suites[8].get("failures"), suites[8].get("skipped")) == ("10", "1", "1")


def test_junit_tells_a_failure_with_its_tasks_and_evidence():
    case = junit(verification()).find(".//testcase[failure]")
    assert (case.get("name"), case.get("classname")) == ("idempotence", "roles.mqtt.bookworm")
    assert case.find("failure").get("message") == "2 tasks changed something in the second converge:"
    text = case.find("failure").text
    assert "changed: roles/mqtt/tasks/configure.yml:14: mqtt : Write the listeners (items: plain, websocket)" in text
    assert "--- journal of mosquitto.service" in text


@pytest.mark.parametrize(
    ("outcome", "tag"),
    [
        (CheckOutcome.FAILED, "failure"),
        (CheckOutcome.ERROR, "error"),
        (CheckOutcome.NOT_CHECKED, "skipped"),
        (CheckOutcome.UNCHANGED, "skipped"),
    ],
)
def test_each_outcome_has_its_element_and_its_reason(outcome, tag):
    reported = junit(report(replace(PASSED, outcome=outcome, reason="because"))).find(f".//testcase/{tag}")
    assert (reported.get("message"), reported.get("type")) == ("because", str(outcome))


def test_junit_keeps_notes_of_what_passed():
    found = junit(report(replace(PASSED, notes=("killed after task 7",))))
    assert [p.get("value") for p in found.iter("property")] == ["passed", "killed after task 7"]
    assert found.find(".//failure") is None


@given(st.text(st.characters(codec=None), max_size=40))
def test_no_text_breaks_junit_or_the_page(text):
    failed = replace(PASSED, outcome=CheckOutcome.FAILED, reason=text, notes=(text,), evidence={text: text})
    found = report(failed, command=text)
    document = roles_junit_text(found).encode("utf-8", "backslashreplace")
    assert etree.fromstring(document).get("failures") == "1"
    assert Page(found).source.endswith("</html>\n")


# --- the console


def test_the_matrix_as_text_has_a_column_for_each_check(tmp_path):
    found = lines(verification(), tmp_path)
    assert found[0].split() == ["check", "hidden"]
    words = "role arguments preflight mode converge idempotence changes function restart interruption upgrade seconds"
    assert found[1].split() == words.split()
    mqtt = next(line for line in found if line.startswith("mqtt@bookworm"))
    assert mqtt[found[1].index("idempotence") :].startswith("failed ")
    assert mqtt[found[1].index("upgrade") :].startswith("not checked")
    assert max(map(len, found[:14])) < 155


def test_the_lines_tell_each_failure_with_reason_and_the_totals_last(tmp_path):
    found = "\n".join(lines(verification(), tmp_path))
    assert "FAIL mqtt@bookworm idempotence (9.4 s)\n  2 tasks changed something" in found
    assert "    mosquitto[411]: listener 1884 opened" in found
    assert "ERROR llama_cpp@bullseye restart (60.2 s)\n  the host did not come back within 60 s" in found
    assert "  upgrade: the role has no earlier commit (consul@bookworm, " in found
    assert re.search(r"FAIL: 2 failed, 1 error, 87 passed, .*; 214\.5 s\nagain: pytest suites/infra", found)


@pytest.mark.parametrize(
    ("checks", "said"),
    [([Check.CONVERGE], "every check that was selected was run"), (list(Check), "every check was run on every role")],
)
def test_a_page_without_gaps_claims_no_more_than_was_selected(checks, said):
    page = "".join(roles_page(report(*(replace(PASSED, check=check) for check in checks))))
    assert f"Nothing: {said}." in page


def test_a_good_verification_ends_with_pass(tmp_path):
    assert lines(report(PASSED), tmp_path)[-1] == "PASS: 0 failed, 1 passed, 9 not run; 1 role and release; 3.0 s"


def test_an_interrupted_run_passes_nothing_and_names_what_did_not_run(tmp_path: Path) -> None:
    missing = missing_results([("mqtt", "bookworm", Check.RESTART), ("mqtt", "bookworm", Check.UPGRADE)], "Ctrl-C")
    text = "\n".join(lines(report(PASSED, *missing, interrupted="Ctrl-C"), tmp_path))
    assert "PASS:" not in text
    assert "INTERRUPTED (Ctrl-C): " in text
    assert "restart, upgrade: did not run: Ctrl-C (mqtt@bookworm)" in text


def test_checks_that_share_a_reason_share_a_line(tmp_path: Path) -> None:
    why = "no hosts could be made"
    unchecked = [CheckResult("a", "bookworm", check, CheckOutcome.NOT_CHECKED, why) for check in list(Check)[:3]]
    assert "  arguments, preflight, check mode: no hosts could be made (a@bookworm)" in lines(
        report(*unchecked), tmp_path
    )


def test_nothing_captured_acts_on_the_terminal(tmp_path):
    evil = "\x1b[31m\x07\u202e"
    failed = replace(PASSED, role=evil, outcome=CheckOutcome.FAILED, reason=evil, evidence={evil: evil})
    assert not re.search("[\x1b\x07\u202e]", "\n".join(lines(report(failed, command=evil), tmp_path)))


def test_long_evidence_ends_with_its_last_lines_and_says_so(tmp_path):
    journal = "\n".join(f"line {n}" for n in range(1, 41))
    failed = replace(PASSED, outcome=CheckOutcome.FAILED, reason="x", evidence={"journal": journal})
    found = "\n".join(lines(report(failed), tmp_path))
    assert "journal (the last 15 of 40 lines):" in found
    assert "    line 26\n" in found
    assert "line 25" not in found


def test_a_traceback_stands_once_on_the_console_only_in_pytests_part(tmp_path):
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n    f()\nValueError: no\n'
    reported = replace(PASSED, outcome=CheckOutcome.ERROR, reason=f"a script failed on host one: {trace}look at it")
    found = "\n".join(lines(report(reported), tmp_path))
    assert "  a script failed on host one: ValueError: no\n  look at it\n" in found
    assert 'File "x.py"' not in found
    assert "".join(roles_page(report(reported))).count("x.py") == 1
    assert roles_junit_text(report(reported)).count("x.py") == 1
