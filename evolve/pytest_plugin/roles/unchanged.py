"""Which checks of a role passed before and need not run again: `--infra-skip-unchanged`."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from evolve.core.model.role_checks import Check, CheckResult
from evolve.store.verified_roles import VerifiedRoles, harness_hash, role_hash
from evolve.system.cache_folder import cache_folder
from evolve.system.role_layout import find_config

if TYPE_CHECKING:
    from evolve.infra.engine.docker_engine import DockerEngine
    from evolve.infra.verification.verification import VerificationOptions
    from evolve.pytest_plugin.roles.subject import Subject

_NAME: Final = re.compile(rb"[A-Za-z]\w{2,}")
"""A word that may name a variable; shorter names would match nearly any file."""
_OF_THIS_RUN: Final = re.compile(r"EVOLVE_(INSTANCE|RELEASE)|(MOLECULE|PYTEST)_.*|(OLD)?PWD|SHLVL|TERM")
"""Variables that differ from run to run, or that the engine sets itself."""


class Known(NamedTuple):
    """What is known about the current state of a role."""

    digest: str
    passed: tuple[Check, ...]


class UnchangedRoles:
    """Remembers which checks passed with which files, image, harness and options; hashes each role once."""

    def __init__(self, options: "VerificationOptions", further: Sequence[Path] = ()) -> None:
        self._memory = VerifiedRoles(cache_folder(os.environ) / "verified_roles.sqlite3")
        self._options = options
        self._further = tuple(further)
        self._harness = harness_hash()
        self._known: dict[Subject, Known] = {}

    def known(self, subject: "Subject", engine: "DockerEngine") -> Known:
        """Return the role's hash, and the checks that passed with this hash."""
        if subject not in self._known:
            digest = self._digest(subject, engine)
            passed = self._memory.passed(subject.role_dir.name, subject.release, digest) or ()
            self._known[subject] = Known(digest, tuple(passed))
        return self._known[subject]

    def record(self, subject: "Subject", results: Sequence[CheckResult]) -> None:
        """Store which checks passed, unless one failed."""
        if subject in self._known:
            self._memory.record(subject.role_dir.name, subject.release, self._known[subject].digest, results)

    def close(self) -> None:
        """Close the database."""
        self._memory.close()

    def _digest(self, subject: "Subject", engine: "DockerEngine") -> str:
        from evolve.infra.checks.upgrade import last_other_version
        from evolve.infra.image import base_image

        roles_dir = subject.role_dir.parent
        config = find_config(subject.role_dir.resolve())
        # The hash of the files does not cover git's history, where the upgrade check finds the old version.
        words = (
            self._options,
            self._further,
            last_other_version(subject.role_dir).commit,
            sorted(find_mentioned(subject.role_dir, os.environ).items()),
        )
        return role_hash(
            subject.role_dir,
            roles_dir,
            image=base_image.ensure(engine, subject.release),
            harness=self._harness,
            options=repr(words),
            also=[config] if config else [],
        )


def find_mentioned(role_dir: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment whose names are in a role's files, because a play may depend on them.

    A name that is there by chance only costs another verification of the role.
    """
    names: set[bytes] = set()
    for path in role_dir.rglob("*"):
        if path.is_file() and ".git" not in path.relative_to(role_dir).parts:
            names.update(_NAME.findall(path.read_bytes()))
    return {
        name: value
        for name, value in environment.items()
        if os.fsencode(name) in names and not _OF_THIS_RUN.fullmatch(name)
    }
