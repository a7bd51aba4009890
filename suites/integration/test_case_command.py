"""`evolve cases` and `evolve run --write-cases` as a user types them."""

import json
from pathlib import Path

import pytest

from evolve.__main__ import main
from evolve.store.case_files import CaseFolder

SECRET = "canary-5c1b-XYZ9"
SUITE = f"""\
prompts: [{{raw: 'Report: {{{{report}}}}', label: REPORTS}}]
providers: [echo]
defaultTest:
  metadata: {{agent: REFLECTION_AGENT, split: train}}
tests:
  - {{description: one, vars: {{report: 'password={SECRET}'}}, assert: [{{type: contains, value: yes}}]}}
  - {{description: two, vars: {{report: x}}, metadata: {{accepted: [restart]}}, assert: [{{type: is-json}}]}}
  - {{description: three, vars: {{report: x}}, assert: [{{type: python, value: 'False'}}]}}
  - {{description: good, vars: {{report: x}}, assert: [{{type: contains, value: x}}]}}
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def files() -> dict[str, str]:
    """The files of three cases, by what failed."""
    Path("suite.yaml").write_text(SUITE)
    assert main(["run", "suite.yaml", "--write-cases", "failure_cases", "-q"]) == 1
    return {stored.case.source.test: str(stored.path) for stored in CaseFolder("failure_cases").load_all()}


def test_a_run_writes_cases_lists_them_and_exits_as_before(capsys):
    Path("suite.yaml").write_text(SUITE)
    assert main(["run", "suite.yaml", "--write-cases", "failure_cases"]) == 1
    out = capsys.readouterr().out
    assert "new failure cases: 3" in out
    cases = {stored.case.source.test: stored for stored in CaseFolder("failure_cases").load_all()}
    assert sorted(cases) == ["one", "three", "two"]
    assert all(str(stored.path) in out for stored in cases.values())
    assert [name for name, stored in cases.items() if not stored.case.is_labelled] == ["three"]
    assert SECRET not in "".join(stored.path.read_text() for stored in cases.values())


def test_a_second_run_writes_nothing_and_its_json_says_so(files, capsys):
    before = {name: Path(name).read_bytes() for name in files.values()}
    capsys.readouterr()
    assert main(["run", "suite.yaml", "--write-cases", "failure_cases", "--json"]) == 1
    reported = json.loads(capsys.readouterr().out)["failure_cases"]
    assert [item["change"] for item in reported["recorded"]] == ["repeat"] * 3
    assert reported["not_captured"] == []
    assert {name: Path(name).read_bytes() for name in files.values()} == before


def test_a_written_case_runs_and_fails_as_its_test_did(files, capsys):
    assert main(["run", files["one"], "--provider", "echo"]) == 1
    assert "FAIL one" in capsys.readouterr().out
    assert main(["run", files["three"], "--provider", "echo"]) == 0
    assert "skipped" in capsys.readouterr().out


def test_cases_are_listed_by_agent_status_and_label(files, capsys):
    capsys.readouterr()
    assert main(["cases", "list"]) == 0
    assert "3 failure cases" in capsys.readouterr().out
    assert main(["cases", "list", "--status", "unlabelled", "--json"]) == 0
    (only,) = json.loads(capsys.readouterr().out)
    assert (only["file"], only["status"], only["is_labelled"]) == (files["three"], "open", False)
    assert main(["cases", "list", "--agent", "NOBODY"]) == 0
    assert capsys.readouterr().out == "no such failure cases in failure_cases\n"


def test_a_folder_that_is_not_there_is_reported_and_a_project_without_cases_has_none(capsys):
    assert main(["cases", "list", "--folder", "typo"]) == 2
    assert "typo: no such folder" in capsys.readouterr().err
    assert main(["cases", "list"]) == 0
    assert capsys.readouterr().out == "no failure cases in failure_cases\n"


def test_dot_files_are_no_cases_to_bring_in(files, capsys):
    Path("in").mkdir()
    Path("in/._one.yaml").write_bytes(b"\0\5")
    Path("in/one.yaml").write_text(Path(files["one"]).read_text())
    capsys.readouterr()
    assert main(["cases", "import", "in", "--folder", "other"]) == 0
    assert capsys.readouterr().out.count("new: ") == 1


def test_a_case_is_shown_by_its_fingerprint(files, capsys):
    case = CaseFolder("failure_cases").load(files["one"])
    capsys.readouterr()
    assert main(["cases", "show", case.fingerprint]) == 0
    out = capsys.readouterr().out
    assert files["one"] in out
    assert "REFLECTION_AGENT" in out
    assert "password=<secret:" in out
    assert main(["cases", "show", files["one"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tests"][0]["metadata"]["fingerprint"] == case.fingerprint


def test_a_label_makes_a_case_drive_evolution(files):
    folder = CaseFolder("failure_cases")
    assert not folder.load(files["three"]).drives_evolution
    assert main(["cases", "label", files["three"], "free_disk", "restart", "--forbidden", "increase_memory"]) == 0
    case = folder.load(files["three"])
    assert case.drives_evolution
    assert (case.accepted, case.forbidden) == (("free_disk", "restart"), ("increase_memory",))
    assert main(["cases", "label", files["three"], "escalate"]) == 0
    again = folder.load(files["three"])
    assert (again.accepted, again.forbidden, len(again.assertions)) == (("escalate",), (), 1)


def test_wrong_labels_are_all_reported_and_change_nothing(files, capsys):
    before = Path(files["three"]).read_bytes()
    assert main(["cases", "label", files["three"], "restat", "escalate", "--forbidden", "escalate"]) == 2
    err = capsys.readouterr().err
    assert "did you mean 'restart'?" in err
    assert "both accepted and forbidden" in err
    assert err.count(files["three"]) == 2
    assert Path(files["three"]).read_bytes() == before


def test_a_fixed_case_is_pinned_and_a_label_opens_it_again(files, capsys):
    assert main(["cases", "pin", files["one"], files["two"]]) == 0
    folder = CaseFolder("failure_cases")
    assert folder.load(files["one"]).status == folder.load(files["two"]).status == "pinned"
    capsys.readouterr()
    assert main(["run", "suite.yaml", "--write-cases", "failure_cases"]) == 1
    assert "REGRESSIONS, pinned cases that fail again: 2" in capsys.readouterr().out
    assert main(["cases", "label", files["two"], "escalate"]) == 0
    assert folder.load(files["two"]).status == "open"


def test_nothing_is_pinned_when_one_of_the_cases_cannot_be(files, capsys):
    assert main(["cases", "pin", files["one"], files["three"], "nowhere.yaml"]) == 2
    err = capsys.readouterr().err
    assert "the case has no label and no assertion" in err
    assert "nowhere.yaml: no such failure case" in err
    assert CaseFolder("failure_cases").load(files["one"]).status == "open"


def test_a_pinned_case_can_be_waived_for_a_time(files, capsys):
    words = ["cases", "waive", files["two"], "--reason", "the model is being changed"]
    assert main([*words, "--until", "2999-01-31"]) == 2
    assert "only a pinned case can be waived; it is open" in capsys.readouterr().err
    assert main(["cases", "pin", files["two"]]) == 0
    assert main([*words, "--until", "2001-01-31"]) == 2
    assert "--until 2001-01-31 is in the past" in capsys.readouterr().err
    assert CaseFolder("failure_cases").load(files["two"]).guards("2026-01-01")
    assert main([*words, "--until", "2999-01-31"]) == 0
    case = CaseFolder("failure_cases").load(files["two"])
    assert not case.guards("2999-01-31")
    assert case.guards("2999-02-01")
    assert main(["cases", "show", files["two"]]) == 0
    assert "waived until 2999-01-31: the model is being changed" in capsys.readouterr().out


def test_a_retired_case_has_a_reason_and_is_only_counted(files, capsys):
    assert main(["cases", "retire", files["one"], "--reason", "  "]) == 2
    assert main(["cases", "retire", files["one"], "--reason", "the job is gone"]) == 0
    case = CaseFolder("failure_cases").load(files["one"])
    assert (case.status, case.retired_because) == ("retired", "the job is gone")
    assert main(["cases", "retire", files["one"], "--reason", "again"]) == 2
    assert "already retired: the job is gone" in capsys.readouterr().err
    assert main(["run", "suite.yaml", "--write-cases", "failure_cases"]) == 1
    assert "failures of retired cases: 1" in capsys.readouterr().out


def test_cases_from_elsewhere_are_checked_redacted_and_brought_in_once(files, capsys, monkeypatch):
    text = Path(files["one"]).read_text()
    Path("reports").mkdir()
    Path("reports/renamed.yaml").write_text(text.replace("password=", "NEW-canary-77 password="))
    for name in files.values():
        Path(name).unlink()
    monkeypatch.setenv("MY_PASSWORD", "NEW-canary-77")
    capsys.readouterr()
    assert main(["cases", "import", "reports"]) == 0
    assert capsys.readouterr().out.startswith("new: failure_cases/REFLECTION_AGENT/one_")
    ((path, case),) = CaseFolder("failure_cases").load_all()
    assert "NEW-canary-77" not in path.read_text()
    assert case.fingerprint in text
    assert main(["cases", "import", "reports", str(path)]) == 0
    assert capsys.readouterr().out.count("repeat: ") == 2


def test_nothing_is_brought_in_when_one_of_the_files_is_wrong(files, capsys):
    Path("in").mkdir()
    Path("in/good.yaml").write_text(Path(files["one"]).read_text())
    Path("in/bad.yaml").write_text(Path(files["two"]).read_text().replace("type: is-json", "type: python", 1))
    assert main(["cases", "import", "in", "--folder", "other"]) == 2
    assert "in/bad.yaml:" in capsys.readouterr().err
    assert not Path("other").exists()
    assert main(["cases", "import", "nowhere", "neither"]) == 2
    assert capsys.readouterr().err.count("no such file or folder") == 2


@pytest.mark.parametrize("words", [[], ["list"], ["show"], ["label"], ["pin"], ["waive"], ["retire"], ["import"]])
def test_each_command_explains_itself(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["cases", *words, "--help"])
    assert caught.value.code == 0
    assert "usage: evolve cases" in capsys.readouterr().out


LEAK = "Tr0ub4dor&3x"
LEAKING = f"""\
prompts: [{{raw: 'Report: {{{{report}}}}', label: REPORTS}}]
providers: [echo]
defaultTest:
  metadata: {{agent: REFLECTION_AGENT, split: train}}
tests:
  - description: leaks
    vars: {{report: 'the password is {LEAK}'}}
    assert: [{{type: ASSERTION, value: '{LEAK}'}}]
  - description: leaks next to another check
    vars: {{report: 'the password is {LEAK}'}}
    assert: [{{type: ASSERTION, value: '{LEAK}'}}, {{type: contains, value: Report}}]
  - description: names a person
    vars: {{report: 'mail of anna@example.org'}}
    assert: [{{type: not-contains, value: anna@example.org}}]
"""


@pytest.mark.parametrize("assertion", ["not-contains", "not-icontains", "not-regex"])
def test_a_case_whose_assertion_was_masked_never_passes_on_the_same_leaking_answer(assertion: str, capsys):
    Path("suite.yaml").write_text(LEAKING.replace("ASSERTION", assertion))
    assert main(["run", "suite.yaml", "--write-cases", "failure_cases"]) == 1
    written = CaseFolder("failure_cases").load_all()
    assert len(written) == 3
    for stored in written:
        capsys.readouterr()
        main(["run", str(stored.path), "--json"])
        summary = json.loads(capsys.readouterr().out)
        assert (summary["passed"], summary["skipped"]) == (0, 1)
        assert not stored.case.is_labelled
        assert "an assertion contained a secret" in stored.case.source.reason
        assert LEAK not in stored.path.read_text()


def test_a_case_with_its_personal_data_kept_fails_on_the_same_leaking_answer(capsys):
    Path("suite.yaml").write_text(LEAKING.replace("ASSERTION", "not-contains"))
    assert main(["run", "suite.yaml", "--write-cases", "failure_cases", "--personal-data", "keep"]) == 1
    (path,) = (
        stored.path for stored in CaseFolder("failure_cases").load_all() if stored.case.source.test == "names a person"
    )
    assert "not-contains" in path.read_text()
    capsys.readouterr()
    assert main(["run", str(path), "--provider", "echo"]) == 1
    assert "FAIL" in capsys.readouterr().out
