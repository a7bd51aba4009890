"""Each check finds the role that is broken for it, with its reason, and no other check complains of that role."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult
from evolve.infra.verification.verification import VerificationOptions
from evolve.pytest_plugin.roles.session import RoleSession, is_required
from evolve.pytest_plugin.roles.subject import Subject

BROKEN = Path(__file__).parents[2] / "fixtures" / "broken_roles"


class Broken(NamedTuple):
    """A role that is broken for one check, and what the check must say."""

    role: str
    check: Check
    said: tuple[str, ...]
    """Parts of the reason."""


ROLES = (
    Broken(
        "wrong_arguments",
        Check.ARGUMENTS,
        (
            "wrong_arguments_colour has a default but is not documented",
            "has the default '8080', which is not of the type int",
        ),
    ),
    Broken(
        "late_preflight",
        Check.PREFLIGHT,
        (
            "a port of the system: ",
            "late_preflight/tasks/configure.yml:2: late_preflight : Make the folder on",
            "a file in the folder's place: expected a message that contains 'is no folder'",
        ),
    ),
    Broken("writes_in_check_mode", Check.CHECK_MODE, ("/etc/writes_in_check_mode.first was written",)),
    Broken("missing_program", Check.CONVERGE, ("missing_program/tasks/service.yml:2", "Start the service")),
    Broken(
        "changes_every_time",
        Check.IDEMPOTENCE,
        (
            "changes_every_time/tasks/configure.yml:",
            "Look for the parts (items: /srv/changes_every_time/index.html, "
            "/etc/systemd/system/changes_every_time.service)",
        ),
    ),
    Broken("silent_restart", Check.HIDDEN_CHANGES, ("unit silent_restart.service was started again",)),
    Broken("wrong_port", Check.FUNCTION, ("test_the_page_is_served", "no answer on port 8080")),
    Broken("not_enabled", Check.RESTART, ("unit not_enabled.service is inactive, not active",)),
    Broken(
        "lost_handler",
        Check.INTERRUPTION,
        ("unit lost_handler.service was started before /etc/lost_handler.env was written",),
    ),
    Broken(
        "leftover_dropin",
        Check.UPGRADE,
        ("after commit ", "leftover_dropin/tasks/service.yml:2", "bad unit file setting"),
    ),
)


@pytest.fixture
def session(broken: Broken) -> Iterator[RoleSession]:
    """An engine, or a skip that names what is missing."""
    # After every task, where that is the point: which of them the one interruption hits is no matter of chance then.
    options = VerificationOptions(is_every_interruption=broken.check is Check.INTERRUPTION, is_strict=True)
    found = RoleSession(options, skips_unchanged=False)
    missing = found.find_missing()
    if missing:
        (pytest.fail if is_required(missing.engine) else pytest.skip)(str(missing))
    yield found
    found.close()


@pytest.fixture
def roles(tmp_path: Path) -> Path:
    """A copy of the broken roles outside of any repository, so that none has an earlier version."""
    shutil.copytree(BROKEN, tmp_path / "roles", ignore=shutil.ignore_patterns("_earlier", "__pycache__"))
    return tmp_path / "roles"


def give_history(roles: Path, role: str) -> None:
    """Commits the version before this one, where there is one."""
    earlier = BROKEN / "_earlier" / role
    if not earlier.is_dir():
        return
    now = roles.parent / "now"
    shutil.copytree(roles / role, now)
    shutil.copytree(earlier, roles / role, dirs_exist_ok=True)
    git(roles, "init", "--quiet")
    git(roles, "add", role)
    git(roles, "commit", "--quiet", "-m", "The version before")
    shutil.rmtree(roles / role)
    now.rename(roles / role)


def git(folder: Path, *words: str) -> None:
    person = {
        f"GIT_{who}_{what}": "test@example.invalid" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    nobodys = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", "-C", str(folder), *words], env={**os.environ, **person, **nobodys}, check=True)


def reported(result: CheckResult) -> str:
    return f"{result.check}: {result.outcome}: {result.reason}"


IN_CI = (Check.CHECK_MODE, Check.IDEMPOTENCE, Check.HIDDEN_CHANGES)
"""A role goes through all checks, which takes long; the others are looked at in the night."""

CASES = [
    pytest.param(broken, id=broken.role, marks=() if broken.check in IN_CI else pytest.mark.nightly) for broken in ROLES
]


@pytest.mark.parametrize("broken", CASES)
def test_only_its_check_finds_the_broken_role(session: RoleSession, roles: Path, broken: Broken) -> None:
    give_history(roles, broken.role)
    results = [session.result(Subject(roles / broken.role, "bookworm"), check) for check in Check]
    bad = [result for result in results if result.outcome in (CheckOutcome.FAILED, CheckOutcome.ERROR)]
    assert [result.check for result in bad] == [broken.check], "\n".join(map(reported, results))
    assert bad[0].outcome is CheckOutcome.FAILED
    for part in broken.said:
        assert part in bad[0].reason
    unproven = [result for result in results if result.outcome is CheckOutcome.NOT_CHECKED]
    assert all(result.reason for result in unproven)


def test_every_check_has_a_role_that_is_broken_for_it() -> None:
    assert [broken.check for broken in ROLES] == list(Check)
    named = {path.parents[1].name for path in BROKEN.glob("*/tasks/main.yml")}
    assert named == {broken.role for broken in ROLES}
