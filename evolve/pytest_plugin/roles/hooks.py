"""The hooks of role checks: which folders are collected, which roles are selected, and the report at the end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from evolve.core.model.role_checks import Check, CheckResult
from evolve.infra.image.base_recipe import DEFAULT_RELEASE
from evolve.pytest_plugin.roles.nodes import RoleItem, RolesFile, RolesFolder, check_slug
from evolve.pytest_plugin.roles.order import heaviest_first
from evolve.pytest_plugin.roles.session import RoleSession

if TYPE_CHECKING:
    from evolve.infra.verification.verification import VerificationOptions

_ATTRIBUTE: Final = "evolve_check"
"""The attribute of a report with the check's result, as JSON; pytest-xdist sends plain attributes only."""
_LEFTOVERS: Final = "evolve_role_leftovers"
"""The key under which a worker of pytest-xdist reports to the controller what it could not clean up."""


def run_side_by_side(config: pytest.Config) -> None:
    """Make pytest-xdist use a worker for each core and one worker for each role, unless the user chose otherwise."""
    if config.option.numprocesses is None and not config.option.tx and not config.option.usepdb:
        config.option.numprocesses = _cores()
        if config.option.dist == "no":
            config.option.dist = "loadscope"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class RoleRuns:
    """The plug-in; the first check that runs searches for the engine."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._folders = set(_folders(config, "--infra-roles"))
        self._files = {Path(config.rootpath, word).resolve() for word in config.getini("suite_role_files")}
        self._roles = RoleSession(
            _options(config),
            skips_unchanged=config.getoption("--infra-skip-unchanged"),
            further=_folders(config, "--infra-roles-path"),
        )
        self._results: list[CheckResult] = []
        self._selected: dict[str, None] = {}
        """Ids of the checks that were selected, in their order."""
        self._finished: set[str] = set()
        self._interrupted = ""
        self._started = time.time()
        if self._folders:
            self._add_arguments()

    def _add_arguments(self) -> None:
        """Let pytest collect the folders of `--infra-roles`, and nothing else unless the user named paths."""
        is_given = self._config.args_source is pytest.Config.ArgsSource.ARGS
        self._config.args = [*(self._config.args if is_given else []), *map(str, sorted(self._folders))]

    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Return a collector for a folder of `--infra-roles`."""
        if path.resolve() not in self._folders:
            return None
        return RolesFolder.from_parent(parent, path=path, roles=self._roles)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Return a collector for a file of `suite_role_files`."""
        if file_path.resolve() not in self._files:
            return None
        return RolesFile.from_parent(parent, path=file_path, roles=self._roles)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect unchanged roles with `--infra-changed`; with several workers, put the longest roles first."""
        since = config.getoption("--infra-changed")
        if since:
            always = config.getini("suite_roles_always")
            roles = dict.fromkeys(item.subject.role_dir for item in items if isinstance(item, RoleItem))
            same = {role for role in roles if role.name not in always and not _has_changed(role, since)}
            dropped = {item for item in items if isinstance(item, RoleItem) and item.subject.role_dir in same}
            config.hook.pytest_deselected(items=[item for item in items if item in dropped])
            items[:] = [item for item in items if item not in dropped]
        if hasattr(config, "workerinput") or getattr(config.option, "dist", "no") != "no":
            items[:] = heaviest_first(items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Announce the selected checks, so that work for others can be left out."""
        for item in session.items:
            if isinstance(item, RoleItem):
                self._roles.expect(item.subject, item.check)
                self._selected[item.nodeid] = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Collect what the workers of pytest-xdist selected; each of them selects the same."""
        self._selected.update(dict.fromkeys(name for name in ids if _selection(self._config, name)))

    def pytest_sessionstart(self) -> None:
        """End on SIGTERM as on Ctrl-C: hosts are removed, and the report is written. A worker just ends."""
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and not hasattr(self._config, "workerinput") and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _end)
            self._config.add_cleanup(_end_at_once)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember what ended the run."""
        self._interrupted = str(excinfo.value) or "Ctrl-C"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        """Attach the check's result to the report, for the process that writes the page."""
        report: Any = yield
        if isinstance(item, RoleItem) and report.when == "teardown" and item.result is not None:
            from evolve.core.model.role_checks import to_json

            setattr(report, _ATTRIBUTE, to_json(item.result))
        return report  # type: ignore[no-any-return]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the results."""
        if report.when == "teardown":
            self._finished.add(report.nodeid)
        given = getattr(report, _ATTRIBUTE, None)
        if given is not None:
            from evolve.core.model.role_checks import from_json

            self._results.append(from_json(given))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Remove the hosts."""
        self._roles.close()
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[_LEFTOVERS] = self._roles.leftovers

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Collect what a worker of pytest-xdist could not clean up; one that crashed does not report it."""
        self._roles.leftovers += getattr(node, "workeroutput", {}).get(_LEFTOVERS, ())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the report, and print where it is and what was left behind."""
        if self._results or (self._interrupted and self._selected):
            self._report(terminalreporter)
        for line in self._roles.leftovers:
            terminalreporter.write_line(line, yellow=True)

    def _report(self, terminalreporter: pytest.TerminalReporter) -> None:
        from evolve.pytest_plugin.roles.report import write_report
        from evolve.report.terminal import Paint

        folder = Path(self._config.invocation_params.dir, self._config.getoption("--infra-report") or "reports/roles")
        terminalreporter.section("roles")
        seconds = time.time() - self._started
        paint = Paint(sys.__stdout__ or sys.stdout, os.environ)
        missing = self._not_run()
        lines = write_report(
            folder,
            [*self._results, *missing],
            started_s=self._started,
            seconds=seconds,
            paint=paint,
            interrupted=self._interrupted or ("stopped before the end" if missing else ""),
        )
        for line in lines:
            terminalreporter.write_line(line)

    def _not_run(self) -> list[CheckResult]:
        """Return results for the selected checks that an interrupted run did not reach."""
        from evolve.report.roles.matrix import missing_results

        why = self._interrupted or "the run was stopped before it"
        ids = [name for name in self._selected if name not in self._finished]
        return missing_results(filter(None, (_selection(self._config, name) for name in ids)), why)


def _end_at_once() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, _frame: object) -> None:
    pytest.exit(f"ended by {signal.Signals(number).name}")


def _selection(config: pytest.Config, nodeid: str) -> tuple[str, str, Check] | None:
    """Return role, release and check of an item's id; None for another test's."""
    *_, node, name = ("", *nodeid.split("::"))
    check = next((one for one in Check if check_slug(one) == name), None)
    role, _, release = node.partition("@")
    given = config.getoption("--infra-release") or [DEFAULT_RELEASE]
    return (role, release or given[0], check) if check else None


def _folders(config: pytest.Config, option: str) -> list[Path]:
    """Return the folders of an option; one that does not exist is a mistake of the user."""
    found = [Path(config.invocation_params.dir, word).resolve() for word in config.getoption(option) or []]
    missing = [str(folder) for folder in found if not folder.is_dir()]
    if missing:
        raise pytest.UsageError(f"{option}: no such folder: {', '.join(missing)}")
    return found


def _options(config: pytest.Config) -> "VerificationOptions":
    from evolve.infra.verification.host_set import HostOptions
    from evolve.infra.verification.verification import VerificationOptions

    capabilities = [str(name).upper().removeprefix("CAP_") for name in config.getoption("--infra-capability") or []]
    hosts = HostOptions(
        tuple(config.getoption("--infra-watch") or ()), tuple(capabilities), config.getoption("--infra-privileged")
    )
    return VerificationOptions(
        config.getoption("--infra-seed"),
        config.getoption("--infra-every-interruption"),
        config.getoption("--infra-strict"),
        hosts,
    )


def _has_changed(role_dir: Path, since: str) -> bool:
    """Return whether the role in the work tree differs from the commit's."""
    command = ["git", "-C", str(role_dir), "diff", "--quiet", since, "--", "."]
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    except FileNotFoundError:
        raise pytest.UsageError(f"--infra-changed {since}: git is not on PATH; install it") from None
    if done.returncode not in (0, 1):
        raise pytest.UsageError(f"--infra-changed {since}: git diff failed: {done.stderr.strip()}")
    return done.returncode == 1


__all__ = ["RoleRuns", "run_side_by_side"]
