"""Roles as pytest nodes: a collector for each role and release, an item for each check."""

import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult
from evolve.infra.image.base_recipe import DEFAULT_RELEASE
from evolve.pytest_plugin.roles.session import RoleSession, is_required
from evolve.pytest_plugin.roles.subject import Subject
from evolve.system.role_layout import find_roles


class CheckFailed(pytest.fail.Exception):  # type: ignore[name-defined, misc]  # pytest's types hide it
    """The role does not do what the check requires: a failure."""

    __module__ = "builtins"  # pytest shows the name before the message; ours would fill the line


class CannotCheck(pytest.fail.Exception):  # type: ignore[name-defined, misc]
    """The engine, an image or the network failed: an error, never a failure."""

    __module__ = "builtins"


def check_slug(check: Check) -> str:
    """Return a check's name in the id of its item."""
    return check.value.replace(" ", "-")


def _nodes(parent: pytest.Collector, folder: Path, roles: RoleSession) -> Iterator["RoleNode"]:
    found = find_roles(folder)
    if not found:
        raise parent.CollectError(f"no role in {folder}: expected tasks/main.yml in it, its folders or its roles/")
    releases = parent.config.getoption("--infra-release") or [DEFAULT_RELEASE]
    for path in found:
        for release in releases:
            name = path.name if len(releases) == 1 else f"{path.name}@{release}"
            yield RoleNode.from_parent(parent, name=name, subject=Subject(path, release), roles=roles)


class RolesFolder(pytest.Directory):
    """A folder of roles that `--infra-roles` names."""

    def __init__(self, *, roles: RoleSession, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._roles = roles

    def collect(self) -> Iterable[pytest.Collector]:
        """Return a node for each role and release."""
        return _nodes(self, self.path, self._roles)


class RolesFile(pytest.File):
    """A YAML file with `roles: FOLDER`, relative to the file: the roles in that folder are collected."""

    def __init__(self, *, roles: RoleSession, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._roles = roles

    def collect(self) -> Iterable[pytest.Collector]:
        """Return a node for each role and release."""
        import yaml

        try:
            data = yaml.safe_load(self.path.read_text("utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise self.CollectError(f"{self.path}: not YAML: {error}") from None
        if not isinstance(data, dict) or set(data) != {"roles"} or not isinstance(data["roles"], str):
            raise self.CollectError(f"{self.path}: expected one key, `roles: FOLDER`; got {data!r}")
        return _nodes(self, (self.path.parent / data["roles"]).resolve(), self._roles)


class RoleNode(pytest.Collector):
    """One role on one release."""

    def __init__(self, *, subject: Subject, roles: RoleSession, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.subject = subject
        self._roles = roles

    def collect(self) -> Iterable[pytest.Item]:
        """Yield an item for each check."""
        for check in Check:
            yield RoleItem.from_parent(
                self, name=check_slug(check), check=check, subject=self.subject, roles=self._roles
            )


class RoleItem(pytest.Item):
    """One check of one role."""

    def __init__(self, *, check: Check, subject: Subject, roles: RoleSession, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.check = check
        self.subject = subject
        self._roles = roles
        self.result: CheckResult | None = None

    def setup(self) -> None:
        """Run the check; a fault of the environment is an error of the item, not a failure."""
        missing = self._roles.find_missing()
        if missing:
            if is_required(missing.engine):
                raise CannotCheck(str(missing), pytrace=False)
            pytest.skip(str(missing))
        self.result = self._roles.result(self.subject, self.check)
        if self.result.outcome is CheckOutcome.ERROR:
            raise CannotCheck(self._text(self.result), pytrace=False)

    def runtest(self) -> None:
        """Fail when the check failed; skip with the reason when nothing could be checked."""
        if self.result is None or self.result.outcome is CheckOutcome.PASSED:
            return
        if self.result.outcome is CheckOutcome.FAILED:
            raise CheckFailed(self._text(self.result), pytrace=False)
        pytest.skip(f"{self.result.outcome}: {self.result.reason}")

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Return the role's folder."""
        return self.subject.role_dir, None, f"{self.subject.role_dir.name}: {self.check}"

    def _text(self, result: CheckResult) -> str:
        evidence = [f"\n--- {title}\n{text}" for title, text in result.evidence.items() if text]
        again = f"\nrun just this again: pytest {self._again()}"
        return "\n".join([result.reason, *evidence, again])

    def _host_options(self) -> list[str]:
        """Return the options that decide what hosts and plays get."""
        repeated = ("--infra-roles-path", "--infra-watch", "--infra-capability")
        words = [word for name in repeated for one in self.config.getoption(name) or [] for word in (name, str(one))]
        switches = ("--infra-strict", "--infra-privileged")
        return [*words, *(name for name in switches if self.config.getoption(name))]

    def _again(self) -> str:
        given = self.config.getoption("--infra-roles") or []
        roles = [word for folder in given for word in ("--infra-roles", str(folder))]
        release = ["--infra-release", self.subject.release] if self.subject.release != DEFAULT_RELEASE else []
        words = [*roles, *release, *self._host_options(), *([] if roles else [self.nodeid.partition("::")[0]])]
        return shlex.join([*words, "-k", f"{self.subject.role_dir.name} and {self.name}"])
