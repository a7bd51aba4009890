"""How this repository's own tests are collected: our markers select what they name, cheaply and nothing less."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def selected(*words: str) -> set[str]:
    """The ids that pytest selects in this checkout, in a process of its own."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *words]
    env = {name: value for name, value in os.environ.items() if name not in ("PYTEST_ADDOPTS", "EVOLVE_REQUIRE")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr
    return {line for line in done.stdout.splitlines() if "::" in line and not line.startswith(("SKIPPED", " "))}


def test_a_word_of_a_marker_selects_all_that_is_marked_and_nothing_else():
    # An expression of two words is pytest's own business: every file is imported.
    marked = selected("-m", "adaptation or nightly")
    loop = selected("-k", "adaptation")
    assert loop
    assert loop | selected("-m", "nightly") == marked


def own(pytester: pytest.Pytester, **files: str) -> pytest.Pytester:
    """A folder with this repository's conftest, one marker and some test files."""
    text = (ROOT / "conftest.py").read_text("utf-8")
    kept = re.sub(r"(?ms)^pytest_plugins = \[.*?\]$", "", text)
    pytester.makeini("[pytest]\nmarkers =\n    loop: a marker\n")
    pytester.makeconftest(kept)
    pytester.makepyfile(**files)
    return pytester


MARKED = "import pytest\n@pytest.mark.loop\ndef test_it(): pass\ndef test_other(): pass"
BROKEN = "raise SystemError('this file was imported')"


def test_files_that_do_not_name_the_marker_are_not_imported(pytester):
    own(pytester, test_marked=MARKED, test_broken=BROKEN)
    for words in (("-k", "loop"), ("-m", "loop")):
        pytester.runpytest_inprocess(*words).assert_outcomes(passed=1, deselected=1)
    pytester.runpytest_inprocess("-k", "loop or x").assert_outcomes(errors=1)


def test_a_file_that_is_named_is_collected_whatever_it_holds(pytester):
    own(pytester, test_marked=MARKED, test_plain="def test_it(): pass")
    result = pytester.runpytest_inprocess("test_plain.py", "-k", "loop")
    result.assert_outcomes(deselected=1)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_file_whose_library_is_missing_is_skipped_with_the_command_that_adds_it(pytester, monkeypatch):
    monkeypatch.delenv("EVOLVE_REQUIRE", raising=False)
    without = "import sys\nsys.modules['lxml'] = None\ndel sys.modules['lxml']\nimport lxml_of_nobody"
    own(pytester, test_skipped=without.replace("lxml_of_nobody", "nobody"), test_fine="def test_it(): pass")
    conftest = pytester.path / "conftest.py"
    conftest.write_text(conftest.read_text().replace('    "lxml": "test"', '    "nobody": "test"'))
    result = pytester.runpytest_inprocess("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * needs nobody: .venv/bin/pip install -e '.[[]test]'"])
    monkeypatch.setenv("EVOLVE_REQUIRE", "docker")
    pytester.runpytest_inprocess().assert_outcomes(errors=1)


def test_any_other_error_of_an_import_stays_one(pytester, monkeypatch):
    monkeypatch.delenv("EVOLVE_REQUIRE", raising=False)
    own(pytester, test_wrong="import nobody_knows_it")
    pytester.runpytest_inprocess().assert_outcomes(errors=1)
