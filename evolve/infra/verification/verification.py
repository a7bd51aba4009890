"""One role verified on one release: its hosts and plays, started by the first check that needs them and then shared."""

import random
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
from evolve.infra.verification.host_set import HostOptions, HostSet, HostSets
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
    is_strict: bool = False
    """Whether a role without an argument specification fails; otherwise its arguments are not checked."""
    hosts: HostOptions = field(default_factory=HostOptions)
    """What hosts get besides what the scenario asks for, and what of them is compared."""


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
    """Return the report of a check that passed."""
    return CheckReport(CheckOutcome.PASSED, notes=tuple(notes), tasks=tuple(tasks))


def report_failed(
    reasons: Sequence[str],
    *,
    evidence: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    tasks: Sequence[TaskLine] = (),
) -> CheckReport:
    """Return the report of a check that failed.

    Args:
        reasons: what is wrong, one thing each.
        evidence: title to text, such as a diff or a journal.
        notes: what a reader should know besides.
        tasks: the results of the plays that the check looked at.
    """
    return CheckReport(CheckOutcome.FAILED, tuple(reasons), tuple(notes), evidence or {}, tuple(tasks))


def not_checked(reason: str, *, notes: Sequence[str] = ()) -> CheckReport:
    """Return the report of a check that has nothing to check, or that something prevents."""
    return CheckReport(CheckOutcome.NOT_CHECKED, (reason,), tuple(notes))


class BlockedByEarlierCheck(Exception):
    """An earlier step failed, so this check has no result; the check of that step reports the failure."""


class DoesNotConverge(Exception):
    """The role does not converge, and no other check of this run reports it."""

    def __init__(self, played: Played) -> None:
        super().__init__(played.why)
        self.played = played


@dataclass(frozen=True, slots=True)
class Converged:
    """The first converge on fresh hosts."""

    hosts: HostSet
    played: Played
    states: Mapping[str, HostState]
    """The hosts right after it; empty when it failed, or when no wanted check compares with them."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """A further converge on converged hosts."""

    played: Played
    changes: tuple[str, ...] | None
    """What changed on the hosts meanwhile, `host: what` each; None when no wanted check asks for it."""


SECOND_SEED: Final = 1
CONVERGED_SEED: Final = 2
RESTART_SEED: Final = 3
"""Hash seeds of Ansible's process in the plays on converged hosts; the first converge has seed 0. One of these plays
gives a set of three another order with a probability of 99.5 %, and a set of two with 87.5 %."""

_ON_OTHER_HOSTS: Final = frozenset((Check.PREFLIGHT, Check.INTERRUPTION, Check.UPGRADE))
"""The checks that may need further hosts."""


class Verification:
    """What the checks of one role on one release share.

    The main hosts go through check mode, converge, second converge, tests and restart. Checks that would spoil them get
    other hosts. Close it to remove all hosts.

    Args:
        wanted: the checks that will run; work that only other checks need is left out.
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
        self._sets = HostSets(
            scenario, release, engine, player, options=options.hosts, are_many=bool(wanted & _ON_OTHER_HOSTS)
        )
        self._untouched: HostSet | None = None
        self._in_vain: dict[str, str] = {}
        self.tests: CheckReport | None = None
        """The report of the role's tests on the converged hosts; None before they ran."""

    def close(self) -> None:
        """Remove all hosts."""
        self._sets.close()

    def fresh(self) -> HostSet:
        """Return new hosts for one purpose; the caller removes them.

        Raises:
            EnvironmentFault: they cannot be made.
            BlockedByEarlierCheck: the same, and an earlier check has reported why.
        """
        return self._attempt("no hosts could be made", self._sets.fresh)

    def untouched(self) -> HostSet:
        """Return unchanged hosts, which must stay unchanged: the main ones, until they are converged."""
        if self._untouched is None:
            self._untouched = self.fresh()
        return self._untouched

    def spoil(self, hosts: HostSet) -> None:
        """Remove hosts of `untouched` that were changed after all; the next call of it makes new ones."""
        hosts.remove()
        if self._untouched is hosts:
            self._untouched = None

    @cached_property
    def first(self) -> Converged:
        """The first converge, whether it succeeded or not.

        Raises:
            EnvironmentFault: it could not be made.
            BlockedByEarlierCheck: the same, and an earlier check has reported why.
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
        """The first converge, which succeeded.

        Raises:
            BlockedByEarlierCheck: it failed, and the check `converge` reports why.
            DoesNotConverge: it failed, and that check was not asked for.
        """
        if self.first.played.is_ok:
            return self.first
        if Check.CONVERGE in self._wanted:
            raise BlockedByEarlierCheck("the role does not converge")
        raise DoesNotConverge(self.first.played)

    @property
    def any_hosts(self) -> HostSet | None:
        """The main hosts, converged or not; None before there are any. Asking starts nothing."""
        first: Converged | None = self.__dict__.get("first")
        return first.hosts if first is not None else self._untouched

    def see_that_it_began(self, played: Played) -> None:
        """Raise what a failed converge raises when a play ended before its first task: another play ends alike."""
        if played.rc > 0 and not played.lines:
            self.converged  # noqa: B018 - raises, and has its own check

    @cached_property
    def second(self) -> Repeated:
        """The second converge, on the hosts of the first; raises as `first` and `converged` do."""
        return self._attempt("the second converge could not be made", self._second)

    def _second(self) -> Repeated:
        hosts = self.converged.hosts
        if Check.HIDDEN_CHANGES not in self._wanted:
            return Repeated(hosts.converge(hash_seed=SECOND_SEED), None)
        before = hosts.states()
        played = hosts.converge(hash_seed=SECOND_SEED)
        return Repeated(played, tuple(self.changes_between(before, hosts.states())))

    def _attempt(self, otherwise: str, make: Callable[[], _Made]) -> _Made:
        """Return what `make` makes; it is not tried again after an EnvironmentFault, which may have taken minutes."""
        if otherwise in self._in_vain:
            raise BlockedByEarlierCheck(f"{otherwise}: {self._in_vain[otherwise]}")
        try:
            return make()
        except EnvironmentFault as fault:
            self._in_vain[otherwise] = str(fault).partition("\n")[0]
            raise

    def changes_between(self, before: Mapping[str, HostState], after: Mapping[str, HostState]) -> list[str]:
        """Return what changed on hosts between two moments, `host: what` each; without what the role lets vary."""
        varying = [one.path for one in self.scenario.varying]
        return [f"{name}: {what}" for name in before for what in changes(before[name], after[name], varying=varying)]

    def journal(self, hosts: HostSet) -> dict[str, str]:
        """Return the end of each host's journal, as evidence."""
        return {f"journal of {member.host.name}": member.host.journal(lines=80) for member in hosts.members}


CheckFunction = Callable[[Verification], CheckReport]


def relative(path: str | Path, scenario: Scenario) -> str:
    """Return a path relative to the folder of roles."""
    folder = str(scenario.role_dir.parent) + "/"
    return str(path).removeprefix(folder)


def spots(lines: Sequence[TaskLine], scenario: Scenario) -> list[str]:
    """Return `file:line: task (items) on host` for each result."""
    return [relative(str(line), scenario) for line in lines]


def diffs(lines: Sequence[TaskLine]) -> dict[str, str]:
    """Return the diffs of tasks, as evidence."""
    return {f"diff of {line.task} on {line.host}": line.diff for line in lines if line.diff}
