"""What is said of a role's own tests, from what a real pytest reports."""

import subprocess
import sys
from pathlib import Path

import pytest

from evolve.core.model.role_checks import CheckOutcome
from evolve.infra.verification.role_tests import read_junit
from evolve.infra.verification.verification import CheckReport


def found(folder: Path, tests: str) -> CheckReport:
    """What is said of these tests."""
    (folder / "test_demo.py").write_text(f"import pytest\n\n\n{tests}")
    (folder / "pytest.ini").write_text("[pytest]\n")
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", "test_demo.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return read_junit(report, done.stdout, done.returncode)


SKIPPED = "@pytest.mark.skip(reason='no key')\n"


@pytest.mark.parametrize(
    ("tests", "outcome", "reason"),
    [
        ("def tset_it(): ...\n", CheckOutcome.NOT_CHECKED, "no test was found"),
        (f"{SKIPPED}def test_it(): ...\n", CheckOutcome.NOT_CHECKED, "every test was skipped"),
        ("def test_it(): assert 1 == 2\n", CheckOutcome.FAILED, "test_demo::test_it: assert 1 == 2"),
        ("import gone\n", CheckOutcome.FAILED, "No module named 'gone'"),
        ("def test_it(): ...\n", CheckOutcome.PASSED, ""),
    ],
)
def test_each_end_of_the_tests_has_its_words(tmp_path: Path, tests: str, outcome: CheckOutcome, reason: str) -> None:
    said = found(tmp_path, tests)
    assert said.outcome is outcome
    assert reason in "\n".join(said.reasons)
