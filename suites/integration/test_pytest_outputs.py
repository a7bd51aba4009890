"""What suites add to pytest's outputs: facts of the run in JUnit, annotations of GitHub, the matrix of results."""

import re
import subprocess
import xml.etree.ElementTree as ET

# pytester forgets what is first imported in a run of its own, and a second yarl does not know the first one's URLs.
import aiohttp  # noqa: F401
import pytest

SUITE = """\
prompts: ["Say {{word}}", "Tell {{word}}"]
providers: [echo]
tests:
  - description: says hello
    vars: {word: hello}
    assert:
      - {type: contains, value: hello}
      - {type: starts-with, value: Say}
"""
WITH_WORKER = ("-p", "xdist", "-n", "1")
BOTH_WAYS = pytest.mark.parametrize("options", [(), WITH_WORKER], ids=["alone", "worker"])


@pytest.fixture(autouse=True)
def _own_settings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(pytester.path / "cache"))
    for name in ("PYTEST_ADDOPTS", "GITHUB_ACTIONS", "GITHUB_WORKSPACE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (pytester.path / "suite.yaml").write_text(SUITE)


def properties(pytester: pytest.Pytester) -> dict[str, str]:
    (suite,) = ET.parse(pytester.path / "j.xml").iter("testsuite")
    return {found.attrib["name"]: found.attrib["value"] for found in suite.iterfind("properties/property")}


@BOTH_WAYS
def test_junit_names_the_run_its_commit_and_its_configuration(pytester, options):
    author = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (("init", "-q"), ("add", "suite.yaml"), (*author, "commit", "-qm", "x")):
        subprocess.run(("git", *words), cwd=pytester.path, check=True)
    pytester.runpytest_subprocess("suite.yaml", "--junitxml=j.xml", *options)
    found = properties(pytester)
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", found["run_id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", found["run_started"])
    head = subprocess.run(("git", "rev-parse", "HEAD"), cwd=pytester.path, check=True, capture_output=True, text=True)
    assert found["git_commit"] == head.stdout.strip()
    first = found["config_hash"]
    (pytester.path / "suite.yaml").write_text(SUITE.replace("value: Say", "value: Tell"))
    pytester.runpytest_subprocess("suite.yaml", "--junitxml=j.xml", *options)
    assert properties(pytester)["config_hash"] != first


def test_junit_of_a_run_without_suites_has_no_such_facts(pytester):
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_subprocess("--junitxml=j.xml")
    assert properties(pytester) == {}


def test_junit_has_the_hash_that_evolve_run_writes(pytester):
    from evolve.__main__ import main

    main(["run", "suite.yaml", "--output", "run.xml", "--no-cache", "--quiet"])
    of_run = {
        found.attrib["name"]: found.attrib["value"]
        for found in ET.parse(pytester.path / "run.xml").iterfind("testsuite/properties/property")
    }
    pytester.runpytest_subprocess("suite.yaml", "--junitxml=j.xml")
    assert properties(pytester)["config_hash"] == of_run["config_hash"]


@BOTH_WAYS
def test_github_gets_annotations_at_the_lines_of_the_assertions(pytester, monkeypatch, options):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path))
    result = pytester.runpytest_subprocess("suite.yaml", *options)
    line = 1 + next(at for at, text in enumerate(SUITE.splitlines()) if "starts-with" in text)
    assert [text for text in result.outlines if text.startswith("::error")] == [
        f"::error file=suite.yaml,line={line},col=9,title=says hello[Tell {{{{word}}}}]"
        '::starts-with: Expected output to start with "Say", got "Tell hello"'
    ]
    assert result.outlines[-1].startswith("::error")


def test_annotations_can_be_turned_off_and_on(pytester, monkeypatch):
    assert "::error" in pytester.runpytest_subprocess("suite.yaml", "-o", "suite_annotations=github").stdout.str()
    assert "::error" not in pytester.runpytest_subprocess("suite.yaml").stdout.str()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    off = pytester.runpytest_subprocess("suite.yaml", "-o", "suite_annotations=none").stdout.str()
    assert "::error" not in off
    assert "::stop-commands" not in off
    wrong = pytester.runpytest_subprocess("suite.yaml", "-o", "suite_annotations=yes")
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    wrong.stderr.fnmatch_lines(["*suite_annotations: expected auto, github or none, got 'yes'"])


@BOTH_WAYS
def test_an_answer_is_no_command_to_github(pytester, monkeypatch, options):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    answer = '"fine\\n::add-mask::e\\n##[error]no"'
    text = f"prompts: [{answer}]\nproviders: [echo]\ntests: [{{assert: [{{type: equals, value: x}}]}}]\n"
    (pytester.path / "suite.yaml").write_text(text)
    lines = pytester.runpytest_subprocess("suite.yaml", "--suite-table", "full", "-rA", *options).outlines
    (start,) = (at for at, line in enumerate(lines) if line.startswith("::stop-commands::"))
    token = lines[start].removeprefix("::stop-commands::")
    assert len(token) == 32
    end = lines.index(f"::{token}::")
    commands = [at for at, line in enumerate(lines) if line.strip().startswith("::add-mask::")]
    assert commands
    assert all(start < at < end for at in commands)
    assert [line.partition(" ")[0] for line in lines[end + 1 :]] == ["::error"]


def test_plain_tests_keep_their_commands(pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    pytester.makepyfile("def test_it(): pass")
    assert "::stop-commands" not in pytester.runpytest_subprocess().stdout.str()


@BOTH_WAYS
def test_the_summary_has_a_matrix_on_request(pytester, options):
    silent = pytester.runpytest_subprocess("suite.yaml", *options).stdout.str()
    result = pytester.runpytest_subprocess("suite.yaml", "--suite-table", "short", *options)
    result.stdout.fnmatch_lines(["*= suite.yaml =*", "*says hello*Say hello*Tell hello*"])
    assert not re.search(r"says hello.*Say hello.*Tell hello", silent)


def test_a_short_matrix_says_how_to_see_all_rows(pytester):
    tests = "".join(f"  - {{vars: {{word: w{number}}}}}\n" for number in range(60))
    (pytester.path / "suite.yaml").write_text(f"prompts: ['{{{{word}}}}']\nproviders: [echo]\ntests:\n{tests}")
    short = pytester.runpytest_subprocess("suite.yaml", "--suite-table", "short")
    short.stdout.fnmatch_lines(
        ["35 tests not in the tables; to see all:", "  pytest *suite.yaml --suite-table short --suite-table full"]
    )
    full = pytester.runpytest_subprocess("suite.yaml", "--suite-table", "short", "--suite-table", "full")
    assert sum("w59" in line for line in full.outlines) == 1
