"""The tests of a role: testinfra's in a separate pytest, or a playbook that verifies."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Final

from evolve.core.model.errors import ProcessFault
from evolve.core.model.role_checks import CheckOutcome
from evolve.core.text.counts import count
from evolve.infra.engine import scratch
from evolve.infra.hosts.connections import ADDRESS
from evolve.infra.verification.host_set import HostSet
from evolve.infra.verification.plays import Played
from evolve.infra.verification.scenario import Scenario
from evolve.infra.verification.verification import CheckReport, not_checked, relative, report_failed, report_passed

TIMEOUT_S: Final = 900.0
"""How long all tests of a role may take together."""
# How much of pytest's output is shown: for each reason, and as evidence; the cause is at the end.
_MAX_REASON: Final = 1_500
_MAX_OUTPUT: Final = 8_000
_PLUGIN: Final = "evolve.infra.hosts.testinfra_connections"
_NO_TESTS_CODE: Final = 5
"""Pytest's exit code when it found nothing to run."""


def run_tests(scenario: Scenario, hosts: HostSet, *, timeout_s: float = TIMEOUT_S) -> CheckReport:
    """Run the role's own tests on converged hosts, and return their report; without tests nothing is checked.

    Raises:
        EnvironmentFault: they took longer than the time-out; says which test was running.
    """
    if scenario.tests is not None:
        return _testinfra(scenario, scenario.tests, hosts, timeout_s)
    if scenario.verify is not None:
        played = hosts.play(scenario.verify)
        if played.is_ok:
            return report_passed(notes=[f"{scenario.verify.name}: {len(played.lines)} results"], tasks=played.lines)
        return _failed_playbook(scenario, hosts, played)
    return not_checked(f"{scenario.role} has no tests: molecule/default/tests/test_*.py with testinfra would be run")


def _failed_playbook(scenario: Scenario, hosts: HostSet, played: Played) -> CheckReport:
    """Return the report of a playbook that failed; a task on this machine says nothing about the role's hosts."""
    why = relative(played.why, scenario)
    names = {member.platform.name for member in hosts.members}
    if played.failed and not any(line.host in names for line in played.failed):
        text = f"a test on this machine fails, not on a host: {why}\ninstall what it needs, or change the scenario"
        return CheckReport(CheckOutcome.ERROR, (text,), tasks=played.lines)
    return report_failed([why], tasks=played.lines)


def _testinfra(scenario: Scenario, tests: Path, hosts: HostSet, timeout_s: float) -> CheckReport:
    with tempfile.TemporaryDirectory(prefix=scratch.prefix("tests")) as folder:
        report = Path(folder) / "report.xml"
        ini = Path(folder) / "pytest.ini"
        ini.write_text("[pytest]\naddopts =\n", "utf-8")
        # A separate process, as in Molecule, because the tests have their own plug-ins and settings.
        arguments = ["-p", "no:cacheprovider", "-p", "no:pytest-ansible", "-p", _PLUGIN]
        where = [f"--ansible-inventory={hosts.inventory}", "--connection=ansible", "--hosts=ansible://all"]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-c",
            str(ini),
            *arguments,
            *where,
            f"--junitxml={report}",
            str(tests),
        ]
        output, code = _run(command, scenario, _environment(scenario, hosts), timeout_s)
        return read_junit(report, output, code)


def _run(command: list[str], scenario: Scenario, environment: dict[str, str], timeout_s: float) -> tuple[str, int]:
    """Return pytest's output and exit code; when its time is over, kill it and everything that it started."""
    with subprocess.Popen(
        command,
        cwd=scenario.role_dir,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as tests:
        try:
            return tests.communicate(timeout=timeout_s)[0], tests.returncode
        except subprocess.TimeoutExpired as error:
            _kill_group(tests.pid)
            last = tests.communicate()[0].strip().rpartition("\n")[2]
            raise ProcessFault(
                f"the tests of {scenario.role} took longer than {timeout_s:g} s and were ended; the last was {last}",
                command=" ".join(command),
                hint="see what it waits for",
            ) from error
        except BaseException:
            _kill_group(tests.pid)
            raise


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _environment(scenario: Scenario, hosts: HostSet) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "ANSIBLE_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    own = {
        ADDRESS: hosts.connections_address,
        "DOCKER_HOST": hosts.engine_url,
        "MOLECULE_INVENTORY_FILE": str(hosts.inventory),
        "PATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {**kept, **scenario.environment, **own}


def read_junit(report: Path, output: str, code: int) -> CheckReport:
    """Return the check report of a run of pytest, from its JUnit XML, its output and its exit code."""
    if not report.exists():
        return report_failed([f"the tests did not run: {output.strip()[-_MAX_REASON:]}"])
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    reasons = [f"{_name(case)}: {why[:_MAX_REASON]}" for case in cases for why in _messages(case, "failure", "error")]
    skipped = [f"not tested: {_name(case)} was skipped: {why}" for case in cases for why in _messages(case, "skipped")]
    if not cases and code == _NO_TESTS_CODE:
        return not_checked("no test was found")
    if reasons or code:
        evidence = {"pytest's output": output[-_MAX_OUTPUT:]}
        return report_failed(reasons or [output.strip()[-_MAX_REASON:]], evidence=evidence, notes=skipped)
    if len(skipped) == len(cases):
        return not_checked("every test was skipped", notes=skipped)
    return report_passed(notes=[f"{count(len(cases) - len(skipped), 'test')} passed", *skipped])


def _name(case: ElementTree.Element) -> str:
    file = case.get("classname", "").rpartition(".")[2]
    return f"{file}::{case.get('name')}" if file else str(case.get("name"))


def _messages(case: ElementTree.Element, *kinds: str) -> list[str]:
    return [_message(part) for kind in kinds for part in case.findall(kind)]


def _message(part: ElementTree.Element) -> str:
    """Return why a test failed; for a file that cannot be imported, pytest writes that in the long text only."""
    message = (part.get("message") or "").strip()
    if message != "collection failure":
        return message
    errors = [line.removeprefix("E").strip() for line in (part.text or "").splitlines() if line.startswith("E ")]
    return "the tests cannot be imported: " + ("\n".join(errors) or (part.text or "").strip())
