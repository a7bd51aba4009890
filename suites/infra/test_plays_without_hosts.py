"""Whose fault a failure is, where no host is needed to decide it; the plays run on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.core.model.role_checks import Check, CheckOutcome
from evolve.infra.checks import all_checks
from evolve.infra.verification.plays import Player
from evolve.infra.verification.running import attribute, run_check
from evolve.infra.verification.verification import Verification, report_failed
from fixtures.silent_engine import on_no_host

CONVERGE = """- hosts: localhost
  connection: local
  gather_facts: false
  pre_tasks: [{ansible.builtin.command: %s}]
  roles: [me.demo]
"""


@pytest.fixture
def player() -> Iterator[Player]:
    with Player() as player:
        yield player


def role(folder: Path, *, tasks: str = "[]", before: str = "'true'", roles: str = "me.demo") -> Path:
    files = {
        "tasks/main.yml": tasks,
        "meta/main.yml": "galaxy_info: {author: me}",
        "molecule/default/converge.yml": (CONVERGE % before).replace("me.demo", roles),
    }
    for name, text in files.items():
        path = folder / "ansible-role-demo" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return folder / "ansible-role-demo"


def outcome(verification: Verification, check: Check) -> tuple[CheckOutcome, str]:
    report = run_check(all_checks()[check], verification)
    return report.outcome, "\n".join([*report.reasons, *report.notes])


FAILS = "[{name: Fail, ansible.builtin.fail: {msg: no such thing}}]"


def test_a_clone_converges_under_the_name_that_its_scenario_gives_it(tmp_path: Path, player: Player) -> None:
    found, _ = outcome(on_no_host(role(tmp_path, tasks="[{ansible.builtin.debug: {msg: x}}]"), player), Check.CONVERGE)
    assert found is CheckOutcome.PASSED


def test_a_role_that_is_not_here_is_an_error_that_says_how_to_install_it(tmp_path: Path, player: Player) -> None:
    found, text = outcome(on_no_host(role(tmp_path, roles="other.role"), player), Check.CONVERGE)
    assert found is CheckOutcome.ERROR
    assert "ansible-galaxy role install -p anneal-roles other.role" in text


def test_a_task_before_the_role_that_fails_is_not_the_roles(tmp_path: Path, player: Player) -> None:
    verification = on_no_host(role(tmp_path, before="'false'"), player)
    found, text = outcome(verification, Check.CONVERGE)
    assert found is CheckOutcome.ERROR
    assert "a task that is not the role's fails" in text


def test_a_task_before_the_role_that_changes_again_is_a_note(tmp_path: Path, player: Player) -> None:
    verification = on_no_host(role(tmp_path, tasks="[{ansible.builtin.debug: {msg: x}}]"), player)
    found, text = outcome(verification, Check.IDEMPOTENCE)
    assert found is CheckOutcome.PASSED
    assert "the role did not make it: " in text


def test_a_failed_converge_is_explained_where_its_own_check_was_not_asked_for(tmp_path: Path, player: Player) -> None:
    verification = on_no_host(role(tmp_path, tasks=FAILS), player)
    assert outcome(verification, Check.IDEMPOTENCE) == (CheckOutcome.NOT_CHECKED, "the role does not converge")
    verification._wanted = frozenset((Check.IDEMPOTENCE,))
    found, text = outcome(verification, Check.IDEMPOTENCE)
    assert found is CheckOutcome.FAILED
    assert text.startswith("the role does not converge: ansible-role-demo/tasks/main.yml:1: ")
    assert "no such thing" in text


def test_check_mode_leaves_a_failure_that_the_converge_has_too_to_it(tmp_path: Path, player: Player) -> None:
    verification = on_no_host(role(tmp_path, tasks=FAILS), player)
    assert outcome(verification, Check.CHECK_MODE) == (CheckOutcome.NOT_CHECKED, "the role does not converge")
    assert outcome(verification, Check.CONVERGE)[0] is CheckOutcome.FAILED


def test_a_role_without_specification_fails_only_where_that_was_asked_for(tmp_path: Path, player: Player) -> None:
    verification = on_no_host(role(tmp_path), player)
    assert outcome(verification, Check.ARGUMENTS)[0] is CheckOutcome.NOT_CHECKED


def test_reasons_of_both_kinds_leave_a_failure_with_a_note(tmp_path: Path, player: Player) -> None:
    verification = on_no_host(role(tmp_path), player)
    missing, own = "the role 'a.b' was not found", "the service does not answer"
    assert attribute(report_failed([own]), verification) == report_failed([own])
    both = attribute(report_failed(["killed and run again:", missing, own]), verification)
    assert (both.outcome, both.reasons) == (CheckOutcome.FAILED, ("killed and run again:", own))
    assert "a.b" in both.notes[0]
    assert attribute(report_failed(["killed and run again:", missing]), verification).outcome is CheckOutcome.ERROR


def test_the_second_converge_sees_sets_in_another_order(tmp_path: Path, player: Player) -> None:
    text = "{{ ['a', 'b', 'c', 'd', 'e', 'f', 'g'] | difference(['a']) | join }}"
    tasks = f"[{{ansible.builtin.copy: {{content: \"{text}\", dest: {tmp_path}/names, mode: '0644'}}}}]"
    found, reason = outcome(on_no_host(role(tmp_path, tasks=tasks), player), Check.IDEMPOTENCE)
    assert found is CheckOutcome.FAILED
    assert "changed something again" in reason
