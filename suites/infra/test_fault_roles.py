"""Sixteen small faults of roles: the check that finds each, or the page that says why none on hosts can."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from evolve.core.model.role_checks import Check, CheckOutcome
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.verification.host_set import HostOptions
from evolve.infra.verification.verification import VerificationOptions
from evolve.pytest_plugin.roles.session import RoleSession
from evolve.pytest_plugin.roles.subject import Subject

HERE = Path(__file__).parents[2]
FOLDER = HERE / "fixtures" / "fault_roles"
PAGE = HERE / "docs" / "roles.md"


class FaultRole(NamedTuple):
    """A role with one fault."""

    name: str
    check: Check | None
    """What finds it; None: nothing on hosts does."""
    text: str = ""
    """A part of the reason."""
    outcome: CheckOutcome = CheckOutcome.FAILED
    watched: str = ""
    """A glob of `--infra-watch` without which nothing finds it."""


HIDDEN = Check.HIDDEN_CHANGES
ROLES = (
    FaultRole("quiet_time_stamp", HIDDEN, "/etc/quiet_time_stamp: its content changed"),
    FaultRole("template_with_now", Check.IDEMPOTENCE, "Write the settings"),
    FaultRole("quiet_restart", HIDDEN, "unit quiet_restart.service was started again"),
    FaultRole("chpasswd_new_salt", HIDDEN, "/etc/shadow: its content changed"),
    FaultRole("password_hash_without_salt", Check.IDEMPOTENCE, "Make the account"),
    FaultRole("mode_back_and_forth", Check.IDEMPOTENCE, "Write the key"),
    FaultRole("delayed_write", HIDDEN, "a transient unit was made by systemd-run"),
    FaultRole("sqlite_of_root", HIDDEN, "/var/lib/sqlite_of_root.db: its content changed"),
    FaultRole(
        "sqlite_of_service", HIDDEN, "/var/lib/keeper/runs.db: its content changed", watched="/var/lib/keeper/**"
    ),
    FaultRole("sysctl_at_run_time", Check.CONVERGE, "kernel settings", CheckOutcome.ERROR),
    FaultRole("dropin_without_reload", Check.RESTART, "systemd-logind.service runs with old unit files"),
    FaultRole("unsorted_difference", Check.IDEMPOTENCE, "Write the names"),
    FaultRole("quiet_line_in_hosts", HIDDEN, "/etc/hosts: its content changed"),
    FaultRole("quiet_write_in_opt", HIDDEN, "/opt/quiet/build: its content changed"),
    FaultRole("unpinned_download", Check.CONVERGE, "hosts do not reach downloads.example.com", CheckOutcome.ERROR),
    FaultRole("clean_control", None),
)
UNSEEN = ("sqlite_of_service", "sysctl_at_run_time", "unpinned_download")
"""Faults that the checks do not find by themselves: the page says why, and what does."""

IN_CI = ("unsorted_difference", "delayed_write", "dropin_without_reload", "quiet_line_in_hosts", "unpinned_download")
CASES = [pytest.param(one, id=one.name, marks=() if one.name in IN_CI else pytest.mark.nightly) for one in ROLES]
WANTED = (Check.CHECK_MODE, Check.CONVERGE, Check.IDEMPOTENCE, HIDDEN, Check.RESTART)


@pytest.fixture
def session(clean_engine: DockerEngine, fault: FaultRole) -> Iterator[RoleSession]:
    """What the checks of one role share."""
    assert clean_engine.url
    hosts = HostOptions((fault.watched,) if fault.watched else ())
    found = RoleSession(VerificationOptions(hosts=hosts), skips_unchanged=False)
    yield found
    found.close()


@pytest.mark.parametrize("fault", CASES)
def test_a_fault_is_found_by_its_check(session: RoleSession, fault: FaultRole) -> None:
    subject = Subject(FOLDER / fault.name, "bookworm")
    for check in WANTED:
        session.expect(subject, check)
    results = [session.result(subject, check) for check in WANTED]
    bad = [result for result in results if result.outcome in (CheckOutcome.FAILED, CheckOutcome.ERROR)]
    shown = "\n".join(f"{one.check}: {one.outcome}: {one.reason}" for one in results)
    if fault.check is Check.IDEMPOTENCE:
        # Check mode on a converged host announces the same change.
        bad = [one for one in bad if one.check is not Check.CHECK_MODE]
    expected = [(fault.check, fault.outcome)] if fault.check else []
    assert [(one.check, one.outcome) for one in bad] == expected, shown
    assert not bad or fault.text in bad[0].reason, shown


@pytest.mark.nightly
@pytest.mark.parametrize("fault", [FaultRole("sqlite_of_service", None)], ids=["unwatched"])
def test_what_a_service_keeps_is_its_own_until_it_is_watched(session: RoleSession, fault: FaultRole) -> None:
    test_a_fault_is_found_by_its_check(session, fault)


def test_the_page_names_what_no_check_finds_by_itself() -> None:
    table = PAGE.read_text("utf-8").partition("## What no check finds by itself")[2]
    assert [name for name in UNSEEN if f"`{name}`" not in table] == []


def test_every_fault_role_is_tried() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} - {"page"} == {one.name for one in ROLES}
