"""What all role checks of a pytest process share: the engine, the process that plays, a verification for each role."""

import contextlib
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from evolve.core.model.errors import DockerFault, EnvironmentFault, InputError
from evolve.core.model.extras import install_command
from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult
from evolve.pytest_plugin.roles.subject import Subject
from evolve.system.role_layout import find_config

if TYPE_CHECKING:
    from evolve.infra.engine.docker_engine import DockerEngine
    from evolve.infra.verification.plays import Player
    from evolve.infra.verification.verification import Verification, VerificationOptions
    from evolve.pytest_plugin.roles.unchanged import UnchangedRoles


class Missing(NamedTuple):
    """What this machine lacks to run checks at all."""

    engine: str
    """Its name in EVOLVE_REQUIRE."""
    why: str

    def __str__(self) -> str:
        return f"needs {self.engine}: {self.why}"


class RoleSession:
    """Opens the engine and the player at the first check; close it at the end."""

    def __init__(self, options: "VerificationOptions", *, skips_unchanged: bool, further: Sequence[Path] = ()) -> None:
        self._options = options
        self._further = tuple(further)
        self._skips_unchanged = skips_unchanged
        self._unchanged: UnchangedRoles | None = None
        self._engine: DockerEngine | None = None
        self._missing: Missing | None = None
        self._players: dict[Path | None, Player] = {}
        self._wanted: dict[Subject, set[Check]] = {}
        self._running: tuple[Subject, Verification] | None = None
        self._results: dict[Subject, list[CheckResult]] = {}
        self.leftovers: list[str] = []
        """What could not be cleaned up or stored, one line each; it makes no check fail."""

    def expect(self, subject: Subject, check: Check) -> None:
        """Announce a check; work that only unannounced checks of its role need is then left out."""
        self._wanted.setdefault(subject, set()).add(check)

    def find_missing(self) -> Missing | None:
        """Return what this machine lacks; None when roles can be checked here."""
        if self._engine is None and self._missing is None:
            self._missing = self._look()
        return self._missing

    def result(self, subject: Subject, check: Check) -> CheckResult:
        """Run a check and return its result; the first check of another role removes the previous role's hosts."""
        began = monotonic()
        try:
            result = self._check(subject, check, began)
        except EnvironmentFault as error:
            result = _result(subject, check, CheckOutcome.ERROR, (str(error),), monotonic() - began)
        except InputError as error:
            result = self._wrong_files(subject, check, str(error), monotonic() - began)
        self._results.setdefault(subject, []).append(result)
        return result

    def _wrong_files(self, subject: Subject, check: Check, why: str, seconds: float) -> CheckResult:
        """Return the failure of a role whose files have mistakes; only the first check reports them."""
        first = next((known for known in self._results.get(subject, ()) if known.reason == why), None)
        if first is None:
            return _result(subject, check, CheckOutcome.FAILED, (why,), seconds)
        return _result(subject, check, CheckOutcome.NOT_CHECKED, (f"see {first.check}: mistakes in files",), seconds)

    def close(self) -> None:
        """Remove all hosts and end the processes, even if one of them fails."""
        with contextlib.ExitStack() as stack:
            if self._engine is not None:
                stack.callback(self._engine.client.close)
                self._engine = None
            for player in self._players.values():
                stack.callback(player.close)
            self._players.clear()
            stack.callback(self._remember)
            self._end_running()

    def _remember(self) -> None:
        """Store which checks passed, for `--infra-skip-unchanged`."""
        unchanged, self._unchanged = self._unchanged, None
        if unchanged is None:
            return
        try:
            with contextlib.closing(unchanged):
                for subject, results in self._results.items():
                    unchanged.record(subject, results)
        except EnvironmentFault as fault:
            self.leftovers.append(f"passed checks could not be stored for --infra-skip-unchanged: {fault}")

    def _check(self, subject: Subject, check: Check, began: float) -> CheckResult:
        from evolve.infra.checks import all_checks
        from evolve.infra.verification.running import run_check

        if self._skips_unchanged and check in self._known_passes(subject):
            why = "the role, its dependencies, the image and the harness have not changed since it passed"
            return _result(subject, check, CheckOutcome.UNCHANGED, (why,), 0.0)
        verification = self._verification(subject)
        if isinstance(verification, str):
            return _result(subject, check, CheckOutcome.NOT_CHECKED, (verification,), 0.0)
        finding = run_check(all_checks()[check], verification)
        return CheckResult(
            role=subject.role_dir.name,
            release=subject.release,
            check=check,
            outcome=finding.outcome,
            reason="\n".join(finding.reasons),
            notes=(*finding.notes, *self._general_notes(verification, check)),
            evidence=finding.evidence,
            seconds=round(monotonic() - began, 2),
            tasks=finding.tasks,
        )

    def _general_notes(self, verification: "Verification", check: Check) -> Sequence[str]:
        """Return notes that concern all checks of a role; one check reports them."""
        if check is not Check.CONVERGE:
            return ()
        unheeded = self._find_engine().ignored_docker_host(os.environ)
        return (*verification.scenario.notes, *([unheeded] if unheeded else ()))

    def _verification(self, subject: Subject) -> "Verification | str":
        """Return the role's verification, or why it does not run on the release."""
        from evolve.infra.verification.scenario import load_scenario
        from evolve.infra.verification.verification import Verification

        if self._running is not None and self._running[0] == subject:
            return self._running[1]
        self._end_running()
        scenario = load_scenario(subject.role_dir, release=subject.release)
        if subject.release in scenario.exceptions:
            return f"not for {subject.release}: {scenario.exceptions[subject.release]}"
        player = self._player(subject.role_dir)
        wanted = frozenset(self._wanted.get(subject, Check))
        verification = Verification(
            scenario, subject.release, self._find_engine(), player, self._options, wanted=wanted
        )
        self._running = (subject, verification)
        return verification

    def _known_passes(self, subject: Subject) -> Sequence[Check]:
        """Return the checks that passed with the current files, image and options."""
        from evolve.pytest_plugin.roles.unchanged import UnchangedRoles

        if self._unchanged is None:
            self._unchanged = UnchangedRoles(self._options, self._further)
        return self._unchanged.known(subject, self._find_engine()).passed

    def _end_running(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        try:
            running[1].close()
        except EnvironmentFault as fault:
            (role_dir, release), advice = running[0], "./bootstrap.sh hosts sweep"
            further = "" if advice in fault.hint else f" ({advice})"
            self.leftovers.append(f"left behind by {role_dir.name}@{release}: {fault}{further}")

    def _look(self) -> Missing | None:
        """Find the engine, and remove what killed runs left on it."""
        lacking = [name for name in ("ansible", "docker", "testinfra") if find_spec(name) is None]
        if lacking:
            return Missing("docker", f"{', '.join(lacking)} cannot be imported: {install_command('infra')}")
        from evolve.infra.engine import docker_engine
        from evolve.infra.hosts.labs import sweep

        try:
            self._engine = docker_engine.find()
        except DockerFault as error:
            return Missing("docker", str(error))
        try:
            sweep(self._engine)
        except DockerFault as fault:
            self.leftovers.append(f"left behind by earlier runs, if any: {fault}")
        return None

    def _find_engine(self) -> "DockerEngine":
        if self.find_missing() or self._engine is None:
            raise EnvironmentFault(str(self._missing))
        return self._engine

    def _player(self, role_dir: Path) -> "Player":
        """Return the player for the roles of one `ansible.cfg`."""
        config = find_config(role_dir.resolve())
        if config not in self._players:
            from evolve.infra.verification.plays import Player

            self._players[config] = Player(
                environment={"DOCKER_HOST": self._find_engine().url}, config=config, further=self._further
            )
        return self._players[config]


def _result(
    subject: Subject, check: Check, outcome: CheckOutcome, reasons: Sequence[str], seconds: float
) -> CheckResult:
    return CheckResult(subject.role_dir.name, subject.release, check, outcome, "\n".join(reasons), seconds=seconds)


def is_required(engine: str) -> bool:
    """Return whether EVOLVE_REQUIRE lists it, so that its absence is an error instead of a skip."""
    return engine in os.environ.get("EVOLVE_REQUIRE", "").replace(",", " ").split()


__all__ = ["Missing", "RoleSession", "Subject", "is_required"]
