"""Runs one check, and decides whose fault a failure is: the role's, or one of hosts and machine."""

import errno
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.role_checks import CheckOutcome, TaskLine
from evolve.infra.hosts.host_limits import HostLimit, HostLimits, find_limits
from evolve.infra.hosts.labs import Host
from evolve.infra.hosts.unreachable import find_unreachable
from evolve.infra.verification.missing_parts import find_missing_part
from evolve.infra.verification.verification import (
    BlockedByEarlierCheck,
    CheckFunction,
    CheckReport,
    DoesNotConverge,
    Verification,
    not_checked,
    relative,
    report_failed,
)

_OF_THIS_MACHINE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of a full or read-only disk, which are not our bug."""


def run_check(check: CheckFunction, verification: Verification) -> CheckReport:
    """Return the report of a check; what prevents it becomes an outcome too, and limits of the hosts become errors."""
    try:
        return attribute(_run(check, verification), verification)
    except EnvironmentFault as error:
        return CheckReport(CheckOutcome.ERROR, (str(error),))
    except OSError as error:
        if error.errno not in _OF_THIS_MACHINE:
            raise
        where = error.filename or f"its files in {tempfile.gettempdir()}"
        what = f"this machine cannot write {where}: {error.strerror}"
        return CheckReport(CheckOutcome.ERROR, (f"{what}; free space, or set TMPDIR to another folder",))


def _run(check: CheckFunction, verification: Verification) -> CheckReport:
    try:
        return check(verification)
    except BlockedByEarlierCheck as error:
        return not_checked(str(error))
    except DoesNotConverge as error:
        why = relative(error.played.why, verification.scenario)
        return report_failed([f"the role does not converge: {why}"], tasks=error.played.lines)


def attribute(report: CheckReport, verification: Verification) -> CheckReport:
    """Return a failed report without what is not the role's fault; an error when nothing else is left of it."""
    if report.outcome not in (CheckOutcome.FAILED, CheckOutcome.ERROR):
        return report
    attribution = _Attribution(verification, report.tasks)
    found = [(reason, attribution.cause(reason)) for reason in report.reasons]
    causes = [cause for _, cause in found if cause]
    own = [reason for reason, cause in found if not cause]
    if not causes:
        return report
    # A reason that ends with a colon only introduces those that follow.
    if all(reason.endswith(":") for reason in own):
        explained = [f"{cause}\n  {_indented(reasons)}" for cause, reasons in _by_cause(found)]
        return replace(report, outcome=CheckOutcome.ERROR, reasons=tuple(explained))
    notes = tuple(f"not the role's: {cause}: {reason}" for reason, cause in found if cause)
    return replace(report, reasons=tuple(own), notes=(*report.notes, *notes))


def _indented(reasons: Sequence[str]) -> str:
    return "\n".join(reasons).replace("\n", "\n  ")


def _by_cause(found: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    causes: dict[str, list[str]] = {}
    for reason, cause in found:
        if cause:
            causes.setdefault(cause, []).append(reason)
    yield from causes.items()


class _Attribution:
    """Looks for what made a check fail, other than the role; looks at the hosts at most once."""

    def __init__(self, verification: Verification, tasks: Sequence[TaskLine]) -> None:
        self._scenario = verification.scenario
        self._tasks = tasks
        self._members = verification.any_hosts.members if verification.any_hosts is not None else ()

    def cause(self, reason: str) -> str:
        """Return what made a check fail when that is not the role, with what helps; empty otherwise."""
        text = "\n".join([reason, *self._about(reason)])
        missing = find_missing_part(text, self._scenario)
        if missing:
            return missing
        limit = self._limit(text)
        asks = " (the scenario asks for it)" if self._scenario.wants_privileged else ""
        return f"{limit}{asks if '--infra-privileged' in limit.remedy else ''}" if limit else ""

    def _about(self, reason: str) -> Iterator[str]:
        """Yield what is known about the tasks that a reason names: action, units, message."""
        for line in self._tasks:
            if line.status in ("failed", "changed") and relative(str(line), self._scenario) in reason:
                yield " ".join([line.action, *line.units, line.message])

    @cached_property
    def _limits(self) -> Sequence[tuple[Host, HostLimits]]:
        return [(member.host, find_limits(member.host)) for member in self._members]

    def _limit(self, text: str) -> HostLimit | None:
        inside = [host.name for host, _ in self._limits]
        found = (limits.explains(text) or find_unreachable(host, text, inside=inside) for host, limits in self._limits)
        return next((limit for limit in found if limit is not None), None)
