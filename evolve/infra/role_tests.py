"""The tests of a role: testinfra's in a pytest of their own, or a playbook that verifies."""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Final

from evolve.core.errors import EnvironmentFault
from evolve.infra.host_set import HostSet
from evolve.infra.scenario import Scenario
from evolve.infra.verification import Finding, failed, not_checked, passed, relative

TIMEOUT_S: Final = 900


def run_tests(scenario: Scenario, hosts: HostSet) -> Finding:
    """What the role's own tests say about converged hosts; without any, nothing is checked."""
    if scenario.tests is not None:
        return _testinfra(scenario, scenario.tests, hosts)
    if scenario.verify is not None:
        played = hosts.play(scenario.verify)
        if played.is_ok:
            return passed(notes=[f"{scenario.verify.name}: {len(played.lines)} results"], tasks=played.lines)
        return failed([relative(played.why, scenario)], evidence={"to play it again": played.command})
    return not_checked(f"{scenario.role} has no tests: molecule/default/tests/test_*.py with testinfra would be run")


def _testinfra(scenario: Scenario, tests: Path, hosts: HostSet) -> Finding:
    with tempfile.TemporaryDirectory(prefix="anneal-tests-") as folder:
        report = Path(folder) / "report.xml"
        ini = Path(folder) / "pytest.ini"
        ini.write_text("[pytest]\naddopts =\n", "utf-8")
        # A process of its own, as in Molecule: the tests' plug-ins and settings are not those of this run.
        arguments = ["-p", "no:cacheprovider", "-p", "no:pytest-ansible", "-q", "-c", str(ini)]
        where = [f"--ansible-inventory={hosts.inventory}", "--connection=ansible", "--hosts=ansible://all"]
        command = [sys.executable, "-m", "pytest", *arguments, *where, f"--junitxml={report}", str(tests)]
        try:
            done = subprocess.run(
                command,
                cwd=scenario.role_dir,
                env=_environment(scenario, hosts),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EnvironmentFault(f"the tests of {scenario.role} took longer than {TIMEOUT_S} s") from error
        return _finding(report, done.stdout, done.returncode)


def _environment(scenario: Scenario, hosts: HostSet) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "ANSIBLE_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    own = {
        "DOCKER_HOST": hosts.engine_url,
        "MOLECULE_INVENTORY_FILE": str(hosts.inventory),
        "PATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {**kept, **scenario.environment, **own}


def _finding(report: Path, output: str, code: int) -> Finding:
    if not report.exists():
        return failed([f"the tests did not run: {output.strip()[-1_500:]}"])
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    reasons = [f"{_name(case)}: {why[:1_500]}" for case in cases for why in _said(case, "failure", "error")]
    skipped = [f"{_name(case)} was skipped: {why}" for case in cases for why in _said(case, "skipped")]
    if reasons or code:
        return failed(
            reasons or [output.strip()[-1_500:]], evidence={"pytest's output": output[-8_000:]}, notes=skipped
        )
    if len(skipped) == len(cases):
        return not_checked("every test was skipped" if cases else "no test was found", notes=skipped)
    return passed(notes=[f"{len(cases) - len(skipped)} tests passed", *skipped])


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"


def _said(case: ElementTree.Element, *kinds: str) -> list[str]:
    return [(part.get("message") or "").strip() for kind in kinds for part in case.findall(kind)]
