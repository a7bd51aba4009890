"""What the checks of a role share is made once, also when it cannot be made; real plays, on no host at all."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.model.role_checks import CheckOutcome, TaskLine
from evolve.infra.checks import check_mode, converge, function, hidden_changes, idempotence
from evolve.infra.verification.plays import Played, Player
from evolve.infra.verification.running import run_check
from evolve.infra.verification.scenario import load_scenario
from evolve.infra.verification.verification import (
    BlockedByEarlierCheck,
    Converged,
    Repeated,
    Verification,
    VerificationOptions,
)
from fixtures.silent_engine import on_no_host, silent_engine


@pytest.fixture
def role(tmp_path: Path) -> Path:
    """A role whose converge hangs."""
    folder = tmp_path / "roles" / "slow"
    scenario = folder / "molecule" / "default"
    scenario.mkdir(parents=True)
    (folder / "tasks").mkdir()
    (folder / "tasks" / "main.yml").write_text("[]\n")
    (scenario / "converge.yml").write_text(
        "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.command: sleep 60\n"
    )
    return folder


@pytest.fixture
def player() -> Iterator[Player]:
    with Player(timeout_s=2) as player:
        yield player


def test_a_converge_that_hangs_is_played_once_and_reported_once(role: Path, player: Player) -> None:
    verification = on_no_host(role, player)
    first = run_check(converge.check, verification)
    assert first.outcome is CheckOutcome.ERROR
    assert "took longer than 2 s" in first.reasons[0]
    for check in (converge.check, idempotence.check, hidden_changes.check, function.check):
        finding = run_check(check, verification)
        assert finding.outcome is CheckOutcome.NOT_CHECKED
        assert finding.reasons == ("the first converge could not be made: the play took longer than 2 s and was ended",)
    assert player._count == 1


def test_hosts_that_cannot_be_made_are_tried_once(role: Path, player: Player) -> None:
    verification = Verification(load_scenario(role), "bookworm", silent_engine(), player, VerificationOptions())
    first = run_check(check_mode.check, verification)
    assert first.outcome is CheckOutcome.ERROR
    for check in (check_mode.check, converge.check, idempotence.check, function.check):
        finding = run_check(check, verification)
        assert finding.outcome is CheckOutcome.NOT_CHECKED
        assert finding.reasons[0].startswith("no hosts could be made: ")
        assert "\n" not in finding.reasons[0]


def test_a_second_converge_that_could_not_be_made_leaves_the_first(role: Path, player: Player) -> None:
    verification = on_no_host(role, player)
    verification.__dict__["first"] = converged(verification)
    assert run_check(idempotence.check, verification).outcome is CheckOutcome.ERROR
    why = "the second converge could not be made: the play took longer than 2 s and was ended"
    assert run_check(hidden_changes.check, verification).reasons == (why,)
    assert run_check(function.check, verification).reasons[0].startswith("slow has no tests")


def converged(verification: Verification) -> Converged:
    """A first converge that ended well."""
    line = TaskLine("h", "slow", "t", "main.yml", 1, "command", "ok", 0.1)
    return Converged(verification.fresh(), Played(0, (line,), "", 0.1), {})


@pytest.mark.parametrize(("rc", "why"), [(2, "the second converge fails"), (0, "the second converge reports changes")])
def test_what_keeps_hidden_changes_from_being_reported_is_named(role: Path, player: Player, rc: int, why: str) -> None:
    verification = on_no_host(role, player)
    done = converged(verification)
    changed = tuple(replace(line, status="changed") for line in done.played.lines)
    verification.__dict__.update(first=done, second=Repeated(replace(done.played, rc=rc, lines=changed), ()))
    with pytest.raises(BlockedByEarlierCheck, match=why):
        hidden_changes.check(verification)
