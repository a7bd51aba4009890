"""Upgrade: hosts that the role's last version converged are converged by this one."""

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from evolve.core.model.errors import InputError
from evolve.core.model.role_checks import Check
from evolve.infra.engine import scratch
from evolve.infra.verification.scenario import Scenario, load_scenario
from evolve.infra.verification.verification import (
    SECOND_SEED,
    CheckReport,
    Verification,
    diffs,
    not_checked,
    relative,
    report_failed,
    report_passed,
    spots,
)

CHECK: Final = Check.UPGRADE
_MANY: Final = "200"
"""How many commits that touch the role are searched; each costs a run of git."""
_NONE: Final = "no commit holds another version of the role"


class Earlier(NamedTuple):
    """The newest commit whose version of the role is not the one in the work tree."""

    commit: str | None
    why_none: str = ""
    """Empty where there is one."""


class _GitError(Exception):
    """Git is not installed or failed; with its message."""


def check(verification: Verification) -> CheckReport:
    """Report when this version does not converge on the last one's hosts, or changes something again and again."""
    scenario = verification.scenario
    commit, why_none = last_other_version(scenario.role_dir)
    if commit is None:
        return not_checked(why_none)
    with tempfile.TemporaryDirectory(prefix=scratch.prefix("upgrade")) as folder:
        try:
            old = old_scenario(scenario, commit, Path(folder), verification.release)
        except (_GitError, InputError) as error:
            why = str(error).replace(f"{folder}/", "")
            return not_checked(f"the role as of commit {commit[:10]} has files that cannot be read: {why}")
        return _upgrade(verification, old, commit)


def _upgrade(verification: Verification, old: Scenario, commit: str) -> CheckReport:
    verification.converged  # noqa: B018 - a role that does not converge at all is reported by its own check
    hosts = verification.fresh()
    try:
        before = hosts.converge(scenario=old)
        if not before.is_ok:
            return not_checked(f"the role as of commit {commit[:10]} does not converge: {before.why}")
        played = hosts.converge()
        if not played.is_ok:
            why = relative(played.why, verification.scenario)
            evidence = verification.journal(hosts)
            return report_failed(
                [f"after commit {commit[:10]}, the role fails: {why}"], evidence=evidence, tasks=played.lines
            )
        again = hosts.converge(hash_seed=SECOND_SEED)
        reasons = [
            f"after an upgrade from {commit[:10]}, {spot} changes something again"
            for spot in spots(again.changed, verification.scenario)
        ]
        if reasons:
            return report_failed(reasons, evidence=diffs(again.changed), tasks=again.lines)
        return report_passed(notes=[f"from commit {commit[:10]}, {len(played.changed)} changes"], tasks=played.lines)
    finally:
        hosts.remove()


def last_other_version(role_dir: Path) -> Earlier:
    """Return the newest commit whose version of the role differs from the work tree's, or why there is none."""
    try:
        commits = _git(role_dir, "log", f"--max-count={_MANY}", "--format=%H", "--", ".").decode().split()
        commit = next((commit for commit in commits if _is_another_version(role_dir, commit)), None)
    except _GitError as error:
        return Earlier(None, f"{_NONE}; git reports: {error}")
    return Earlier(commit) if commit else Earlier(None, _NONE)


def _is_another_version(role_dir: Path, commit: str) -> bool:
    # Tests and texts do not make another version: they change nothing on a host.
    parts = [".", ":(exclude)molecule", ":(exclude)README.md"]
    names = _git(role_dir, "diff", "--name-only", "--no-renames", commit, "--", *parts)
    return bool(names) and bool(_git(role_dir, "ls-tree", commit, "tasks/"))


def old_scenario(scenario: Scenario, commit: str, folder: Path, release: str) -> Scenario:
    """Return the scenario as of a commit; its files and its sibling roles of the repository are put into a folder.

    Args:
        scenario: the current one.
        commit: which version of the role.
        folder: an empty one, which must exist as long as the scenario is used.
        release: which release its `EVOLVE_RELEASE` names.

    Raises:
        _GitError: git cannot extract the files; says why.
        InputError: the scenario of that commit has mistakes.
    """
    role = scenario.role_dir.resolve()
    top = Path(_git(role, "rev-parse", "--show-toplevel").decode().removesuffix("\n")).resolve()
    if role == top:
        # The repository is this one role; its siblings have no common history with it.
        place, words = Path(scenario.role), [f"--prefix={scenario.role}/", commit]
    else:
        roles = role.parent.relative_to(top)
        place, words = roles / scenario.role, [commit, str(roles)]
    with tarfile.open(fileobj=io.BytesIO(_git(top, "archive", "--format=tar", *words))) as tar:
        tar.extractall(folder, filter="data")
    return load_scenario(folder / place, release=release)


def _git(folder: Path, *arguments: str) -> bytes:
    """Return what git prints; raises _GitError when it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise _GitError("it is not installed here") from None
    if done.returncode:
        message = " ".join(done.stderr.decode(errors="replace").split())
        raise _GitError(message or f"git {arguments[0]} ended with exit code {done.returncode}")
    return done.stdout
