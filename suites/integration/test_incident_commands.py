"""`evolve incidents`, `approve`, `reject` and `audit` as a user types them."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.__main__ import main
from evolve.core.model.healing import AttemptState, AuditEvent, Incident, IncidentState
from evolve.store.audit_log import AuditLog, audit_files
from evolve.store.incidents import IncidentStore
from fixtures.incidents import PLAN, attempt, incident, record, waiting
from fixtures.processes import wait_for

SECRET = "canary-5c1b-XYZ9-long"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOLVE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DEPLOY_TOKEN", SECRET)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path / "state" / "supervisor"


@pytest.fixture
def store(folder: Path) -> Iterator[IncidentStore]:
    with closing(IncidentStore(folder / "incidents.sqlite")) as opened:
        yield opened


def fresh(**more: object) -> Incident:
    """Return an incident whose plan was made just now."""
    made = waiting(**more)
    assert made.plan is not None
    return replace(made, plan=replace(made.plan, made=time.time()))


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


# --- incidents


def test_without_a_supervisor_there_is_nothing_to_show_and_nothing_is_made(folder, capsys):
    assert main(["incidents"]) == 0
    assert "no supervisor has run here" in capsys.readouterr().out
    assert main(["incidents", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["incidents", "k3v9"]) == 2
    assert main(["incidents", "--folder", "elsewhere"]) == 2
    assert "elsewhere: no supervisor has written here" in capsys.readouterr().err
    assert main(["audit", "verify"]) == main(["audit", "show"]) == 2
    assert not folder.exists()


def test_open_incidents_are_a_table_of_one_line_each(store, capsys):
    opened = time.time() - 7 * 60
    store.save(waiting("aaaaaaaaaa", opened=opened))
    store.save(incident("bbbbbbbbbb", "web", opened=opened, note="two\nlines \x1b[31mred"))
    store.save(incident("cccccccccc", "old", state=IncidentState.HEALED))
    assert main(["incidents"]) == 0
    assert lines_of(capsys) == [
        "ID          JOB           SINCE  STATE    ACTION           NOTE",
        "aaaaaaaaaa  default/shop  7m     waiting  increase_memory  increase_memory waits for approval",
        "bbbbbbbbbb  default/web   7m     open     -                two lines \\x1b[31mred",
        "2 open incidents",
    ]
    assert main(["incidents", "--all"]) == 0
    assert "cccccccccc" in capsys.readouterr().out


def test_one_incident_is_shown_with_its_plan_and_its_history(store, folder, capsys):
    log = AuditLog(folder / "audit", store)
    found = log.append_with(record(what="exit 1"), waiting(attempts=(attempt("h1", AttemptState.UNDONE, result="x"),)))
    log.append(replace(record(), incident="other"))
    assert main(["incidents", "abc"]) == 0
    out = lines_of(capsys)
    assert out[0] == "incident abcdefghij: default/shop"
    assert "  TaskGroups[app].Tasks[main].Resources.MemoryMB: 256 -> 512" in out
    assert any("h1 restart, undone: x" in line for line in out)
    assert out[-2].endswith("opened abcdefghij what=exit 1"), out
    assert out[-1] == "next: evolve approve abcdefghij"
    assert main(["incidents", "abc", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["plan"]["arguments"] == {"memory_mb": 512}
    assert shown["attempts"][0]["state"] == "undone"
    assert shown["revision"] == found.revision
    assert [one["event"] for one in shown["history"]] == ["opened"]


def test_an_id_that_is_none_or_several_is_reported(store, capsys):
    store.save(incident("aabbbbbbbb", "one"))
    store.save(incident("aacccccccc", "two"))
    assert main(["incidents", "aa"]) == 2
    assert "2 incidents begin with 'aa': aabbbbbbbb, aacccccccc" in capsys.readouterr().err
    assert main(["incidents", "aabbbbbbbc"]) == 2
    assert "did you mean 'aabbbbbbbb'" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["\udcff", "é", "%", "*", "'; DROP TABLE incidents; --", "a" * 100_000, "\n", "../x"])
def test_any_other_text_is_no_id(store, capsys, given):
    store.save(incident())
    for words in (["incidents", given], ["approve", given, "--yes"], ["reject", given]):
        assert main(words) == 2
        assert "no incident" in capsys.readouterr().err
    assert store.read("abcdefghij") is not None


def test_a_name_without_any_character_to_show_is_unknown(store):
    store.save(fresh())
    assert main(["approve", "abc", "--yes", "--by", "\udcff\u202e"]) == 0
    assert store.approval("abcdefghij", PLAN, time.time()).by == "unknown"


def run(*words: str, **more: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "evolve", *words]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)  # type: ignore[call-overload]


def test_watch_prints_what_changes_until_ctrl_c(store, tmp_path):
    seen = tmp_path / "seen"
    with seen.open("w") as output:
        process = subprocess.Popen([sys.executable, "-m", "evolve", "incidents", "--watch"], stdout=output)
    try:
        wait_for("no incidents", lambda: "no open incidents" in seen.read_text())
        store.save(incident("bbbbbbbbbb", "web"))
        wait_for("the new incident", lambda: "bbbbbbbbbb  default/web" in seen.read_text())
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert "\x1b" not in seen.read_text(), "only a terminal is cleared"


def test_old_incidents_are_deleted_and_their_records_stay(store, folder, capsys):
    now = time.time()
    log = AuditLog(folder / "audit", store)
    for id, days, state in (
        ("oldhealed1", 40, IncidentState.HEALED),
        ("oldopen123", 400, IncidentState.ESCALATED),
        ("younghea1d", 20, IncidentState.HEALED),
    ):
        at = now - days * 86400
        made = incident(id, job=id, state=state, opened=at, changed=at, attempts=(attempt(f"{id}-1"),))
        log.append_with(replace(record(AuditEvent.OPENED), incident=id), made)
    assert main(["incidents", "prune", "--older-than", "30"]) == 0
    assert lines_of(capsys) == ["deleted 1 incident that ended 30 days ago or longer; the audit log stays"]
    assert [one.id for one in store.list()] == ["oldopen123", "younghea1d"]
    assert main(["audit", "verify"]) == 0
    assert main(["audit", "show"]) == 0
    shown = capsys.readouterr().out
    assert "oldhealed1" in shown
    assert "pruned incidents=1 older_than_days=30" in shown
    assert main(["incidents", "prune", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"deleted": 0, "older_than_days": 90}


@pytest.mark.parametrize(
    "words", [("prune", "--older-than", "7"), ("--older-than", "30"), ("prune", "--older-than", "x")]
)
def test_what_may_still_be_needed_is_not_deleted(store, capsys, words):
    with pytest.raises(SystemExit) as ended:
        main(["incidents", *words])
    assert ended.value.code == 2


def test_watch_and_json_exclude_each_other(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["incidents", "--watch", "--json"])
    assert ended.value.code == 2


# --- approve and reject


def test_an_approval_is_bound_to_the_plan_that_was_shown(store, folder, capsys):
    store.save(fresh())
    assert main(["approve", "abc", "--plan", PLAN[:12], "--by", f"ann {SECRET}", "--yes"]) == 0
    out = capsys.readouterr().out
    assert "TaskGroups[app].Tasks[main].Resources.MemoryMB: 256 -> 512" in out
    assert "for 1h" in out
    approval = store.approval("abcdefghij", PLAN, time.time())
    assert approval is not None
    assert approval.by.startswith("ann <secret:")
    assert 3599 <= approval.expires - approval.at <= 3601
    assert store.approval("abcdefghij", "7e" * 32, time.time()) is None
    assert main(["audit", "show"]) == 0
    assert f"approved abcdefghij by={approval.by} plan={PLAN}" in capsys.readouterr().out
    assert SECRET not in "".join(path.read_text() for path in audit_files(folder / "audit"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--plan", "0123456789ab"], "the plan has changed: expected 0123456789ab, got 7d7d7d7d7d7d"),
        (["--valid", "60"], "the plan has expired: it was made 2m ago, and is valid for 1m"),
    ],
)
def test_another_plan_or_an_old_one_is_refused(store, capsys, words, message):
    made = fresh()
    store.save(replace(made, plan=replace(made.plan, made=time.time() - 120)))
    assert main(["approve", "abc", "--yes", *words]) == 2
    assert message in capsys.readouterr().err
    assert store.approval("abcdefghij", PLAN, time.time()) is None


def test_an_incident_that_does_not_wait_is_not_approved(store, capsys):
    store.save(incident(note="looked at"))
    assert main(["approve", "abc", "--yes"]) == main(["reject", "abc"]) == 2
    assert "incident abcdefghij does not wait for approval, it is open: looked at" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["7d7d", "not a hash", ""])
def test_a_hash_that_is_none_is_wrong_use(given, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["approve", "abc", f"--plan={given}"])
    assert ended.value.code == 2
    assert "expected at least 8 digits of a plan's hash" in capsys.readouterr().err


def test_an_empty_list_that_argparse_makes_is_no_missing_hash(store, capsys):
    store.save(fresh())
    assert main(["approve", "abc", "--plan=--", "--yes"]) == 2
    assert "the plan has changed" in capsys.readouterr().err


def test_without_a_terminal_nobody_is_asked(store):
    store.save(fresh())
    process = run("approve", "abc", stdin=subprocess.DEVNULL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "pass --yes" in err
    assert store.approval("abcdefghij", PLAN, time.time()) is None


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_on_a_terminal_a_person_confirms(store, answer, code):
    store.save(fresh())
    ours, theirs = pty.openpty()
    process = run("approve", "abc", stdin=theirs)
    os.write(ours, f"{answer}\n".encode())
    out, err = process.communicate(timeout=60)
    os.close(theirs)
    os.close(ours)
    assert "256 -> 512" in out
    assert "approve exactly this plan? [y/N]" in err
    assert process.returncode == code
    assert (store.approval("abcdefghij", PLAN, time.time()) is not None) == (code == 0)


def test_a_rejected_plan_leaves_the_job_to_people(store, capsys):
    store.save(fresh())
    assert main(["approve", "abc", "--yes"]) == 0
    assert main(["reject", "abc", "--by", "ann", "--reason", f"no: {SECRET}"]) == 0
    found = store.read("abcdefghij")
    assert (found.state, found.plan) == (IncidentState.ESCALATED, None)
    assert found.note.startswith("increase_memory was rejected by ann: no: <secret:")
    assert store.approval("abcdefghij", PLAN, time.time()) is None
    capsys.readouterr()
    assert main(["audit", "verify"]) == 0
    assert "the audit log is whole: 2 records in 1 file, head " in capsys.readouterr().out


# --- audit


def test_an_edited_log_is_found_with_file_and_line(store, folder, capsys):
    log = AuditLog(folder / "audit", store)
    for _ in range(3):
        log.append(record(AuditEvent.OPENED))
    (path,) = audit_files(folder / "audit")
    assert main(["audit", "verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []
    path.write_bytes(path.read_bytes().replace(b'"n":2', b'"n":4'))
    assert main(["audit", "verify"]) == 1
    assert lines_of(capsys) == [
        f"{path}:2: the record was edited: its content does not have its hash",
        "the audit log was changed: 1 problem, 2 records in 1 file",
    ]
    assert main(["audit", "verify", "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["file"], problem["line"]) == (str(path), 2)
    assert main(["audit", "show", "--json"]) == 0
    shown = capsys.readouterr()
    assert [json.loads(line)["n"] for line in shown.out.splitlines()] == [1, 3]
    assert f"{path}:2: not a record" in shown.err


def test_a_log_without_its_database_was_changed(store, folder, capsys):
    AuditLog(folder / "audit", store).append(record())
    store.close()
    (folder / "incidents.sqlite").unlink()
    assert main(["audit", "verify"]) == 1
    assert "this database, which has the log's head, is missing" in capsys.readouterr().out


def test_files_that_are_no_database_are_the_environments_fault(folder, capsys):
    folder.mkdir(parents=True)
    (folder / "incidents.sqlite").write_text("this is no database, and long enough to be read as a header of one" * 9)
    for words in (["incidents"], ["approve", "abc"], ["reject", "abc"], ["audit", "verify"], ["audit", "show"]):
        assert main(words) == 4
        assert "EVOLVE_STATE_DIR" in capsys.readouterr().err
