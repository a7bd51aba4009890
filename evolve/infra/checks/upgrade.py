"""Upgrade: hosts that the role's last version converged are converged by this one."""

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from evolve.core.errors import InputError
from evolve.core.role_checks import Check
from evolve.infra.scenario import Scenario, load_scenario
from evolve.infra.verification import Finding, Verification, diffs, failed, not_checked, passed, relative, spots

CHECK: Final = Check.UPGRADE
_MANY: Final = "200"


def check(verification: Verification) -> Finding:
    """Fails when this version does not converge on what the last one left, or changes something again and again."""
    scenario = verification.scenario
    commit = last_other_version(scenario.role_dir)
    if commit is None:
        return not_checked("no commit holds another version of the role")
    with tempfile.TemporaryDirectory(prefix="anneal-upgrade-") as folder:
        old = _old_scenario(scenario, commit, Path(folder), verification.release)
        if old is None:
            return not_checked(f"the role as of commit {commit[:10]} has files that cannot be read")
        return _upgraded(verification, old, commit)


def _upgraded(verification: Verification, old: Scenario, commit: str) -> Finding:
    verification.converged  # noqa: B018 - what does not converge at all is no question of an upgrade
    hosts = verification.fresh()
    try:
        before = hosts.converge(scenario=old)
        if not before.is_ok:
            return not_checked(f"the role as of commit {commit[:10]} does not converge: {before.why}")
        played = hosts.converge()
        if not played.is_ok:
            why = relative(played.why, verification.scenario)
            evidence = {"to play it again": played.command, **verification.journal(hosts)}
            return failed([f"after commit {commit[:10]}, the role fails: {why}"], evidence=evidence, tasks=played.lines)
        again = hosts.converge()
        reasons = [
            f"after an upgrade from {commit[:10]}, {spot} changes something again"
            for spot in spots(again.changed, verification.scenario)
        ]
        if reasons:
            return failed(reasons, evidence=diffs(again.changed), tasks=again.lines)
        return passed(notes=[f"from commit {commit[:10]}, {len(played.changed)} changes"], tasks=played.lines)
    finally:
        hosts.remove()


def last_other_version(role_dir: Path) -> str | None:
    """The newest commit whose version of the role is not the one in the work tree; None without one, or without git."""
    commits = _git(role_dir, "log", f"--max-count={_MANY}", "--format=%H", "--", ".")
    for commit in (commits or "").split():
        # Not everything below the role makes a version of it: its tests and texts converge nothing.
        parts = [".", ":(exclude)molecule", ":(exclude)README.md"]
        if _git(role_dir, "diff", "--quiet", commit, "--", *parts) is None and _git(
            role_dir, "ls-tree", commit, "tasks/"
        ):
            return commit
    return None


def _old_scenario(scenario: Scenario, commit: str, folder: Path, release: str) -> Scenario | None:
    top = Path((_git(scenario.role_dir, "rev-parse", "--show-toplevel") or "").strip())
    roles = scenario.role_dir.resolve().parent.relative_to(top.resolve())
    archive = subprocess.run(
        ["git", "-C", str(top), "archive", commit, str(roles)], stdout=subprocess.PIPE, check=False
    )
    if archive.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    try:
        return load_scenario(folder / roles / scenario.role, release=release)
    except InputError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None when it fails, and for `diff --quiet` with a difference."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
