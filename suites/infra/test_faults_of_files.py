"""Roles and scenarios with a mistake in their files: a check names file and place, and what is wrong there."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.verification.host_set import HostSets
from evolve.infra.verification.plays import Player
from evolve.infra.verification.role_tests import run_tests
from evolve.infra.verification.scenario import load_scenario
from evolve.pytest_plugin.roles.session import RoleSession
from evolve.pytest_plugin.roles.subject import Subject
from fixtures.fault_trials import result, write

SCENARIO = "molecule/default"
FAILS = "---\n- name: Prepare\n  hosts: all\n  tasks:\n    - name: Fail\n      ansible.builtin.command: 'false'\n"
SPOILS = """---
- name: Prepare
  hosts: all
  tasks:
    - name: Spoil the first process
      ansible.builtin.shell:
        cmd: |
          printf '#!/bin/sh\\necho the disk is on fire; exit 1\\n' > /spoilt
          chmod 755 /spoilt
          mv /spoilt /lib/systemd/systemd
"""
TWO_PLATFORMS = "---\nplatforms:\n  - name: one\n  - name: two\n  - name: one\n"


class Mistake(NamedTuple):
    """Something wrong with a role's files."""

    files: Mapping[str, str]
    """What is written; an empty text removes the file."""
    said: tuple[str, ...]
    """What the reason must hold."""
    check: Check = Check.CONVERGE
    outcome: CheckOutcome = CheckOutcome.FAILED


MISTAKES = {
    "broken YAML in the role": Mistake(
        {"tasks/configure.yml": "---\n- name: Write\n  ansible.builtin.copy: {dest: /x\n"},
        ("page/tasks/configure.yml", "YAML parsing failed"),
    ),
    "broken YAML in the scenario": Mistake(
        {f"{SCENARIO}/molecule.yml": "---\nplatforms: [\n  - name: one\n"},
        ("molecule.yml:3: ", "expected"),
    ),
    "a playbook of the scenario that is not there": Mistake(
        {f"{SCENARIO}/molecule.yml": "---\nprovisioner: {playbooks: {converge: play/none.yml}}\n"},
        ("play/none.yml: the playbook for converge does not exist",),
    ),
    "two platforms of one name": Mistake(
        {f"{SCENARIO}/molecule.yml": TWO_PLATFORMS}, (SCENARIO, "two platforms are called 'one'")
    ),
    "a fault without a message": Mistake(
        {f"{SCENARIO}/preflight_faults.yaml": "---\n- name: a port\n"},
        ("preflight_faults.yaml: entry 1 lacks message",),
        Check.PREFLIGHT,
    ),
    "faults that are no list": Mistake(
        {f"{SCENARIO}/preflight_faults.yaml": "---\nname: a port\n"},
        ("preflight_faults.yaml: must be a list, not {'name': 'a port'}",),
        Check.PREFLIGHT,
    ),
    "a play that matches no host": Mistake(
        {f"{SCENARIO}/converge.yml": "---\n- name: Converge\n  hosts: databases\n  roles: [{role: page}]\n"},
        ("the play matched no host or ran no task: it proves nothing",),
    ),
    "a dependency that is not there": Mistake(
        {"meta/main.yml": "---\ndependencies: [{role: nowhere}]\n"},
        ("the role 'nowhere' was not found",),
        outcome=CheckOutcome.ERROR,  # it is missing on this machine, which is not the role's fault
    ),
    "a template with an undefined variable": Mistake(
        {"templates/page.env.j2": "PORT={{ page_port_of_another_name }}\n"},
        ("page/tasks/configure.yml:", "Write the settings", "'page_port_of_another_name' is undefined"),
    ),
    "a module that does not exist": Mistake(
        {"tasks/configure.yml": "---\n- name: Write\n  ansible.builtin.wirte:\n    dest: /x\n"},
        ("page/tasks/configure.yml:2", "ansible.builtin.wirte"),
    ),
    "a handler that does not exist": Mistake(
        {"handlers/main.yml": "---\n- name: Restart another\n  ansible.builtin.meta: noop\n"},
        ("Restart page", "was not found"),
    ),
    "a template that is not there": Mistake(
        {"templates/page.env.j2": ""},
        ("Write the settings", "page.env.j2"),
    ),
    "preparing that fails": Mistake(
        {f"{SCENARIO}/prepare.yml": FAILS},
        ("prepare.yml does not prepare the hosts", "prepare.yml:5: Fail on page-host", "fix prepare.yml"),
        outcome=CheckOutcome.ERROR,
    ),
    "preparing after which no host boots": Mistake(
        {f"{SCENARIO}/prepare.yml": SPOILS},
        ("host page-host", "ended while it booted", "the disk is on fire", "docs/hosts.md"),
        outcome=CheckOutcome.ERROR,
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_the_check_says_what_is_wrong_and_where(roles: RoleSession, role: Path, mistake: Mistake):
    write(role, mistake.files)
    expect(result(roles, role, mistake.check), mistake.outcome, mistake.said)


def expect(found: CheckResult, outcome: CheckOutcome, said: tuple[str, ...]) -> None:
    assert found.outcome is outcome, found
    assert [part for part in said if part not in found.reason] == [], found.reason
    assert "Traceback" not in found.reason


def test_every_mistake_of_a_scenario_is_said_at_once(roles: RoleSession, role: Path):
    write(
        role, {f"{SCENARIO}/molecule.yml": TWO_PLATFORMS, f"{SCENARIO}/preflight_faults.yaml": "---\n- name: a port\n"}
    )
    found = result(roles, role)
    assert len(found.reason.splitlines()) == 2, found.reason


def test_a_release_that_nobody_knows_is_an_error_with_those_that_are_known(roles: RoleSession, role: Path):
    found = roles.result(Subject(role, "bookwurm"), Check.CONVERGE)
    expect(found, CheckOutcome.FAILED, ("unknown release 'bookwurm'", "bookworm"))


def test_a_role_without_a_scenario_says_what_is_not_checked(roles: RoleSession, role: Path):
    write(role, {"molecule": ""})
    faults, tests = (result(roles, role, check) for check in (Check.PREFLIGHT, Check.FUNCTION))
    expect(faults, CheckOutcome.NOT_CHECKED, ("page/molecule/default/preflight_faults.yaml declares no way",))
    expect(tests, CheckOutcome.NOT_CHECKED, ("page has no tests", "molecule/default/tests/test_*.py"))


TESTS = f"{SCENARIO}/tests/test_page.py"


def test_tests_that_cannot_be_imported_say_why(roles: RoleSession, role: Path):
    write(role, {TESTS: "import nothing_of_that_name\n\n\ndef test_it(host): ...\n"})
    found = result(roles, role, Check.FUNCTION)
    expect(found, CheckOutcome.FAILED, ("test_page", "cannot be imported", "No module named 'nothing_of_that_name'"))


def test_tests_that_do_not_end_are_ended_and_the_last_is_named(clean_engine: DockerEngine, player: Player, role: Path):
    write(role, {TESTS: "import threading\n\n\ndef test_it():\n    threading.Event().wait()\n"})
    scenario = load_scenario(role)
    sets = HostSets(scenario, "bookworm", clean_engine, player)
    try:
        with pytest.raises(EnvironmentFault, match=r"(?s)tests of page took longer than 15 s.*test_page.py::test_it"):
            run_tests(scenario, sets.fresh(), timeout_s=15)
    finally:
        sets.close()
