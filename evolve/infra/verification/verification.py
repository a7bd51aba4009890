"""One role verified on one release: its hosts and plays, made when the first check asks for them, and shared."""

import errno
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.role_checks import Check, CheckOutcome, TaskLine
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.hosts.host_differences import changes
from evolve.infra.hosts.host_state import HostState
from evolve.infra.verification.host_set import HostSet, HostSets
from evolve.infra.verification.plays import Played, Player
from evolve.infra.verification.scenario import Scenario

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class VerificationOptions:
    """How thoroughly a role is verified."""

    seed: int = 0
    """Chooses the task at which a converge is interrupted."""
    is_every_interruption: bool = False
    """Interrupt after every task that changed something, not after one."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found."""

    outcome: CheckOutcome
    reasons: tuple[str, ...] = ()
    """Why it failed, or why nothing was checked: one thing each."""
    notes: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[TaskLine, ...] = ()


def report_passed(*, notes: Sequence[str] = (), tasks: Sequence[TaskLine] = ()) -> CheckReport:
    """The role did what the check asks."""
    return CheckReport(CheckOutcome.PASSED, notes=tuple(notes), tasks=tuple(tasks))


def report_failed(
    reasons: Sequence[str],
    *,
    evidence: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    tasks: Sequence[TaskLine] = (),
) -> CheckReport:
    """The role did not."""
    return CheckReport(CheckOutcome.FAILED, tuple(reasons), tuple(notes), evidence or {}, tuple(tasks))


def not_checked(reason: str, *, notes: Sequence[str] = ()) -> CheckReport:
    """There is nothing to check, or something is in the way."""
    return CheckReport(CheckOutcome.NOT_CHECKED, (reason,), tuple(notes))


class BlockedByEarlierCheck(Exception):
    """An earlier step failed, so that this check cannot say anything; its own check reports it."""


@dataclass(frozen=True, slots=True)
class Converged:
    """The first converge on fresh hosts."""

    hosts: HostSet
    played: Played
    states: Mapping[str, HostState]
    """The hosts right after it; empty when it did not end well, or no wanted check compares with them."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """A further converge on converged hosts."""

    played: Played
    changes: tuple[str, ...] | None
    """What changed on the hosts meanwhile, `host: what` each; None when no wanted check asks for it."""


_ON_OTHER_HOSTS: Final = frozenset((Check.PREFLIGHT, Check.INTERRUPTION, Check.UPGRADE))
"""The checks that may need further hosts."""


class Verification:
    """What the checks of one role on one release share.

    The main hosts go through check mode, converge, second converge, tests and restart; other hosts are made for what
    would spoil them. Close it to remove all of them.

    Args:
        wanted: the checks that will be asked for; what only others need is left out.
    """

    def __init__(
        self,
        scenario: Scenario,
        release: str,
        engine: DockerEngine,
        player: Player,
        options: VerificationOptions,
        *,
        wanted: frozenset[Check] = frozenset(Check),
    ) -> None:
        self.scenario = scenario
        self.release = release
        self.options = options
        self.random = random.Random(f"{options.seed} {scenario.role}")
        self._wanted = wanted
        self._sets = HostSets(scenario, release, engine, player, are_many=bool(wanted & _ON_OTHER_HOSTS))
        self._untouched: HostSet | None = None
        self._in_vain: dict[str, str] = {}
        self.tests: CheckReport | None = None
        """What the role's tests said of the converged hosts; None before they ran."""

    def close(self) -> None:
        """Removes all hosts."""
        self._sets.close()

    def fresh(self) -> HostSet:
        """New hosts for one purpose; the caller removes them.

        Raises:
            EnvironmentFault: they cannot be made.
            InTheWayError: the same, and a check has told why before.
        """
        return self._attempt("no hosts could be made", self._sets.fresh)

    def untouched(self) -> HostSet:
        """Hosts that nothing changed yet, to be left like that: the main ones, as long as they are not converged."""
        if self._untouched is None:
            self._untouched = self.fresh()
        return self._untouched

    def spoil(self, hosts: HostSet) -> None:
        """Says that hosts of `untouched` were changed: they are removed, and others take their place."""
        hosts.remove()
        if self._untouched is hosts:
            self._untouched = None

    @cached_property
    def first(self) -> Converged:
        """The first converge, whether it ended well or not.

        Raises:
            EnvironmentFault: it could not be made.
            InTheWayError: the same, and a check has told why before.
        """
        return self._attempt("the first converge could not be made", self._first)

    def _first(self) -> Converged:
        hosts = self.untouched()
        self._untouched = None
        played = hosts.converge()
        is_compared = played.is_ok and Check.INTERRUPTION in self._wanted
        return Converged(hosts, played, hosts.states() if is_compared else {})

    @property
    def converged(self) -> Converged:
        """The first converge, which ended well.

        Raises:
            InTheWayError: it did not.
        """
        if not self.first.played.is_ok:
            raise BlockedByEarlierCheck("the role does not converge")
        return self.first

    @cached_property
    def second(self) -> Repeated:
        """The second converge, on the hosts of the first; raises as `first` and `converged` do."""
        return self._attempt("the second converge could not be made", self._second)

    def _second(self) -> Repeated:
        hosts = self.converged.hosts
        if Check.HIDDEN_CHANGES not in self._wanted:
            return Repeated(hosts.converge(), None)
        before = hosts.states()
        played = hosts.converge()
        return Repeated(played, tuple(self.changes_between(before, hosts.states())))

    def _attempt(self, otherwise: str, make: Callable[[], _Made]) -> _Made:
        """What `make` makes; after an EnvironmentFault it is not tried again, for that may take its time-out each."""
        if otherwise in self._in_vain:
            raise BlockedByEarlierCheck(f"{otherwise}: {self._in_vain[otherwise]}")
        try:
            return make()
        except EnvironmentFault as fault:
            self._in_vain[otherwise] = str(fault).partition("\n")[0]
            raise

    def changes_between(self, before: Mapping[str, HostState], after: Mapping[str, HostState]) -> list[str]:
        """What changed on hosts between two moments, `host: what` each; without what varies by itself."""
        varying = [one.path for one in self.scenario.varying]
        return [f"{name}: {what}" for name in before for what in changes(before[name], after[name], varying=varying)]

    def journal(self, hosts: HostSet) -> dict[str, str]:
        """The end of each host's journal, as evidence."""
        return {f"journal of {member.host.name}": member.host.journal(lines=80) for member in hosts.members}


CheckFunction = Callable[[Verification], CheckReport]


_OF_THIS_MACHINE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""A disk that takes no more is no bug of ours."""


def run_check(check: CheckFunction, verification: Verification) -> CheckReport:
    """What a check found; what keeps it from looking is an outcome too."""
    try:
        return check(verification)
    except BlockedByEarlierCheck as error:
        return not_checked(str(error))
    except EnvironmentFault as error:
        return CheckReport(CheckOutcome.ERROR, (str(error),))
    except OSError as error:
        if error.errno not in _OF_THIS_MACHINE:
            raise
        where = error.filename or f"its files in {tempfile.gettempdir()}"
        what = f"this machine cannot write {where}: {error.strerror}"
        return CheckReport(CheckOutcome.ERROR, (f"{what}; free space, or set TMPDIR to another folder",))


def relative(path: str | Path, scenario: Scenario) -> str:
    """A path below the folder of roles as people read it."""
    folder = str(scenario.role_dir.parent) + "/"
    return str(path).removeprefix(folder)


def spots(lines: Sequence[TaskLine], scenario: Scenario) -> list[str]:
    """`file:line: task (items) on host` for each."""
    return [relative(str(line), scenario) for line in lines]


def diffs(lines: Sequence[TaskLine]) -> dict[str, str]:
    """The diffs of tasks, as evidence."""
    return {f"diff of {line.task} on {line.host}": line.diff for line in lines if line.diff}
