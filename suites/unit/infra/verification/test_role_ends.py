"""The end of a role and of a run: what cannot be cleaned up is reported, and neither a check nor the report is lost."""

import sys
from pathlib import Path

import pytest

from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult
from evolve.infra.verification.plays import Player
from evolve.infra.verification.verification import VerificationOptions
from evolve.pytest_plugin.roles.report import write_report
from evolve.pytest_plugin.roles.session import RoleSession
from evolve.pytest_plugin.roles.subject import Subject
from evolve.report.terminal import Paint
from fixtures.silent_engine import on_no_host

LEFT = "left behind by web@bookworm: hosts that nobody removes (./bootstrap.sh hosts sweep)"


@pytest.fixture
def web(tmp_path: Path) -> Path:
    path = tmp_path / "roles" / "web"
    (path / "tasks").mkdir(parents=True)
    (path / "tasks" / "main.yml").write_text("[]\n")
    return path


def test_hosts_that_cannot_be_removed_are_a_line_and_no_error(web: Path) -> None:
    with Player() as player:
        running = on_no_host(web, player)
        running.fresh()
        session = RoleSession(VerificationOptions(), skips_unchanged=False)
        session._running = (Subject(web, "bookworm"), running)
        session._players[web] = player
        session.close()
        assert len(session.leftovers) == 1
        assert session.leftovers[0].startswith("left behind by web@bookworm: remove lab web-")
        assert "./bootstrap.sh hosts sweep" in session.leftovers[0]
        assert not player._folder.exists()  # its processes have ended too
        session.close()
        assert len(session.leftovers) == 1


def test_a_memory_that_cannot_be_written_is_a_line(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from evolve.pytest_plugin.roles.unchanged import Known, UnchangedRoles

    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(web / "cache"))
    session = RoleSession(VerificationOptions(), skips_unchanged=True)
    subject = Subject(web, "bookworm")
    session._unchanged = UnchangedRoles(VerificationOptions())
    session._unchanged._known[subject] = Known("h", ())
    session._unchanged._memory.close()  # any write fails now, as on a full disk
    session._results[subject] = [CheckResult("web", "bookworm", Check.CONVERGE, CheckOutcome.PASSED)]
    session.close()
    assert len(session.leftovers) == 1
    assert session.leftovers[0].startswith("passed checks could not be stored for --infra-skip-unchanged: ")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_summary_says_what_was_left_behind(web: Path, pytester: pytest.Pytester, workers: str) -> None:
    pytester.makeconftest(
        "def pytest_collection_finish(session):\n"
        "    if session.items:\n"
        f"        session.config.pluginmanager.getplugin('evolve-roles')._roles.leftovers.append({LEFT!r})\n"
    )
    pytester.makepyfile("def test_one(): pass\ndef test_two(): pass\n")
    words = ("-n", workers, "--infra-roles", str(web.parent), "-k", "test_one or test_two", str(pytester.path))
    result = pytester.runpytest_subprocess(*words)
    result.assert_outcomes(passed=2)
    assert result.outlines.count(LEFT) == max(int(workers), 1)


def test_a_report_that_cannot_be_written_loses_no_line(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    results = [CheckResult("web", "bookworm", Check.CONVERGE, CheckOutcome.FAILED, reason="it does not start")]
    lines = list(write_report(tmp_path / "reports", results, started_s=0, seconds=1, paint=Paint(sys.stdout, {})))
    assert any("it does not start" in line for line in lines)
    assert lines[-1].startswith("no report: ")
    assert lines[-1].endswith("choose another folder with --infra-report")
