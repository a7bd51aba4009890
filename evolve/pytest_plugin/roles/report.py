"""The report of a run of role checks: one HTML page, one JUnit file, and lines for the console."""

import os
import platform
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from evolve.core.model.errors import InputError
from evolve.core.model.role_checks import CheckResult
from evolve.report.roles.console import verification_lines
from evolve.report.roles.html import write_roles_html
from evolve.report.roles.junit import write_roles_junit
from evolve.report.roles.matrix import RoleMatrix
from evolve.report.terminal import Paint


def write_report(
    folder: Path,
    results: Sequence[CheckResult],
    *,
    started_s: float,
    seconds: float,
    paint: Paint,
    interrupted: str = "",
) -> Iterator[str]:
    """Write `index.html` and `junit.xml` into the folder, and yield the lines for the console.

    If the folder cannot be written, the last line says so; the results are printed in any case.

    Args:
        folder: made if it does not exist.
        results: of all checks that ran.
        started_s: when the run began, in seconds since 1970.
        seconds: how long it took.
        paint: colours for the console.
        interrupted: what ended the run before its end; empty when it ran to its end.
    """
    verification = RoleMatrix(
        results,
        started_s,
        seconds,
        machine=_machine(),
        command=shlex.join(["pytest", *sys.argv[1:]]),
        interrupted=interrupted,
    )
    yield from verification_lines(verification, paint)
    try:
        write_roles_html(str(folder / "index.html"), verification)
        write_roles_junit(str(folder / "junit.xml"), verification)
    except InputError as error:
        why = "; ".join(f"{problem.where}: {problem.message}" for problem in error.problems)
        yield f"no report: {why}; choose another folder with --infra-report"
    else:
        yield f"report: {os.path.relpath(folder / 'index.html')}"


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"
