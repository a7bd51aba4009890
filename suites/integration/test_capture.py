"""Failures under pytest become failure cases, in a real pytest in a folder of its own."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# pytester forgets what is first imported in a run of its own, and a second yarl does not know the first one's URLs.
import aiohttp  # noqa: F401
import pytest

from evolve.core.model.families import split_of_family
from evolve.store.case_files import CaseFolder, StoredCase
from fixtures.loopback_server import serving

SECRET = "canary-5c1b-XYZ9"
SUITE = """\
prompts: [{raw: 'Report: {{report}}', label: MY_AGENT}]
providers: [echo]
defaultTest:
  metadata: {agent: MY_AGENT, split: train}
  assert:
    - {type: contains, value: full, metric: says it}
    - {type: javascript, value: "true"}
tests:
  - {description: passes, vars: {report: the disk is full}}
  - {description: fails, vars: {report: 'token=SECRET {# a {{ b'}}
  - {description: of the gate, vars: {report: x}, metadata: {split: gate}}
  - {description: of nobody, vars: {report: x}, metadata: {agent: null}}
"""
AGENT = """\
---
name: MY_AGENT
version: 3
description: Says what is wrong.
inputs: {report: {}}
output: {type: object, properties: {action: {enum: [restart, free_disk]}}, required: [action]}
model: echo
---
## Role
You say what is wrong.

## Case
Report: {{ report }}
"""
TESTS = """\
import pytest

@pytest.fixture
def broken():
    raise RuntimeError("no cluster")

def test_fails(agent):
    asked = agent("MY_AGENT.md", family="disk", accepted=["free_disk"])
    answer = asked.ask(report="the disk is full, token=SECRET")
    assert answer == {"action": "free_disk"}

def test_passes(agent):
    assert agent("MY_AGENT.md").ask(report="all is well")

def test_asks_nobody():
    assert False

def test_setup_fails(broken, agent):
    agent("MY_AGENT.md").ask(report="x")

@pytest.mark.gate
def test_of_the_gate(agent):
    agent("MY_AGENT.md").ask(report="x")
    assert False
"""


@pytest.fixture(autouse=True)
def _own_cache(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(pytester.path / "cache"))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("EVOLVE_PROVIDER", raising=False)
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nsuite_failure_cases = failure_cases\nmarkers = gate: a split\n")
    (pytester.path / "suite.yaml").write_text(SUITE.replace("SECRET", SECRET))
    (pytester.path / "MY_AGENT.md").write_text(AGENT)
    (pytester.path / "test_it.py").write_text(TESTS.replace("SECRET", SECRET))
    return pytester


def cases(project: pytest.Pytester, folder: str = "failure_cases") -> tuple[StoredCase, ...]:
    return CaseFolder(project.path / folder).load_all()


def test_nothing_is_written_unasked(project: pytest.Pytester):
    (project.path / "tox.ini").write_text("[pytest]\nmarkers = gate: a split\n")
    project.runpytest_inprocess("suite.yaml", "test_it.py").assert_outcomes(passed=2, failed=6, errors=1)
    assert not (project.path / "failure_cases").exists()


def test_a_failing_suite_item_becomes_a_case_and_the_summary_says_so(project: pytest.Pytester):
    result = project.runpytest_inprocess("suite.yaml")
    result.assert_outcomes(passed=1, failed=3)
    ((path, case),) = cases(project)
    result.stdout.fnmatch_lines(
        [
            "*failure cases*",
            "new failure cases: 1",
            f"  {path.relative_to(project.path)}",
            "failures not saved as cases: 2",
            "  tests of the split gate are reported, never written as cases: of the gate",
            "  neither its metadata nor its prompt names an agent: of nobody",
        ]
    )
    assert (case.agent, case.source.test, case.source.check) == ("MY_AGENT", "fails", "says it")
    assert case.assertions == ({"type": "contains", "value": "full", "metric": "says it"},)
    assert SECRET not in path.read_text()
    assert str(case.vars["report"]).endswith(" {# a {{ b")


@pytest.mark.parametrize("split", ["val", "test"])
def test_held_out_splits_become_no_cases(project: pytest.Pytester, split: str):
    project.makeini(f"[pytest]\nsuite_failure_cases = failure_cases\nmarkers = {split}: a split\n")
    for path in (project.path / "suite.yaml", project.path / "test_it.py"):
        path.write_text(
            path.read_text().replace("split: gate", f"split: {split}").replace("mark.gate", f"mark.{split}")
        )
    result = project.runpytest_inprocess("suite.yaml", "test_it.py")
    reason = f"  tests of the split {split} are reported, never written as cases: of the gate and 1 more"
    result.stdout.fnmatch_lines([reason])
    assert {case.source.test for _, case in cases(project)} == {"fails", "test_it.py::test_fails"}


def test_families_that_nobody_gave_a_split_have_that_of_their_hash(project: pytest.Pytester):
    families = [f"family {number}" for number in range(8)]
    named = [f"  - {{description: of {name}, vars: {{report: x}}, metadata: {{family: {name}}}}}" for name in families]
    alone = [f"  - {{description: alone {number}, vars: {{report: x}}}}" for number in range(8)]
    head = SUITE.partition("tests:\n")[0].replace(", split: train", "")
    (project.path / "suite.yaml").write_text("\n".join([f"{head}tests:", *named, *alone]))
    project.runpytest_inprocess("suite.yaml").assert_outcomes(failed=16)
    found = {case.source.test.removeprefix("of ") for _, case in cases(project)}
    both = {*families, *(f"alone {number}" for number in range(8))}
    assert found == {name for name in both if split_of_family(name) == "train"}
    assert {split_of_family(name) for name in both} == {"train", "val", "gate"}


def test_a_second_run_changes_nothing_and_counts(project: pytest.Pytester):
    project.runpytest_inprocess("suite.yaml")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path, _ in cases(project)}
    result = project.runpytest_inprocess("suite.yaml")
    result.stdout.fnmatch_lines(["failures that are known cases: 1"])
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path, _ in cases(project)} == before


def test_a_python_test_that_asked_an_agent_becomes_a_labelled_case(project: pytest.Pytester):
    result = project.runpytest_inprocess("test_it.py")
    result.assert_outcomes(passed=1, failed=3, errors=1)
    ((path, case),) = cases(project)
    result.stdout.fnmatch_lines(
        [
            "failures not saved as cases: 1",
            "  tests of the split gate*test_of_the_gate",
        ]
    )
    assert "became no case: test_it.py::test_asks_nobody" not in result.stdout.str()
    assert path.name.startswith("test-fails_")
    assert (case.source.kind, case.source.agent, case.source.check) == ("pytest", "MY_AGENT@3", "AssertionError")
    assert (case.family, case.accepted) == ("disk", ("free_disk",))
    assert "You say what is wrong." in case.prompt
    assert "the disk is full" in case.prompt
    assert SECRET not in path.read_text()


def test_with_xdist_each_failure_is_written_once(project: pytest.Pytester):
    result = project.runpytest_subprocess("suite.yaml", "test_it.py", "-n", "2")
    result.assert_outcomes(passed=2, failed=6, errors=1)
    result.stdout.fnmatch_lines(["new failure cases: 2", "failures not saved as cases: 3"])
    assert len(cases(project)) == 2
    again = project.runpytest_subprocess("suite.yaml", "test_it.py", "-n", "2")
    again.stdout.fnmatch_lines(["failures that are known cases: 2"])
    assert SECRET not in "".join(path.read_text() for path, _ in cases(project))


def test_only_so_many_new_cases_are_written(project: pytest.Pytester):
    tests = "\n".join(f"  - {{description: t{number}, vars: {{report: x}}}}" for number in range(5))
    head = SUITE.partition("tests:\n")[0]
    (project.path / "suite.yaml").write_text(f"{head}tests:\n{tests}\n")
    result = project.runpytest_inprocess("suite.yaml", "-o", "suite_max_new_cases=2")
    result.stdout.fnmatch_lines(["new failure cases: 2", "new failure cases beyond the limit*: 3"])
    assert len(cases(project)) == 2


def test_a_wrong_limit_is_a_usage_error(project: pytest.Pytester):
    result = project.runpytest_inprocess("suite.yaml", "-o", "suite_max_new_cases=many")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_in_ci_new_cases_go_to_the_reports(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CI", "true")
    project.runpytest_inprocess("suite.yaml")
    assert cases(project) == ()
    assert len(cases(project, "reports/failure_cases")) == 1


def test_a_pinned_case_that_fails_again_is_a_regression(project: pytest.Pytester):
    project.runpytest_inprocess("suite.yaml")
    ((path, _),) = cases(project)
    path.write_text(path.read_text().replace("status: open", "status: pinned"))
    result = project.runpytest_inprocess("suite.yaml")
    result.stdout.fnmatch_lines(["REGRESSIONS, pinned cases that fail again: 1", f"  {path.relative_to(project.path)}"])


def test_a_case_that_fails_is_itself_and_no_new_one(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EVOLVE_PROVIDER", "echo")
    project.runpytest_inprocess("suite.yaml")
    ((path, _),) = cases(project)
    result = project.runpytest_inprocess(str(path))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["failures that are known cases: 1"])
    assert len(cases(project)) == 1


class _Model(BaseHTTPRequestHandler):
    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": '{"action": "restart"}'}
        data = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Model]]:
    _Model.asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    monkeypatch.setenv("EVOLVE_PROVIDER", "openai:chat:m")
    monkeypatch.setenv("EVOLVE_BASE_URL", f"http://127.0.0.1:{server.server_address[1]}/v1")
    monkeypatch.setenv("EVOLVE_RETRIES", "0")
    with serving(server):
        yield _Model


def test_answers_are_values_and_bought_once(project: pytest.Pytester, model: type[_Model]):
    (project.path / "test_it.py").write_text(
        "def test_it(agent):\n    assert agent('MY_AGENT.md').ask(report='x') == {'action': 'restart'}\n"
    )
    for _ in range(2):
        project.runpytest_inprocess("test_it.py").assert_outcomes(passed=1)
    assert model.asked == 1


def test_a_dead_endpoint_is_an_error_of_the_test_and_no_case(
    project: pytest.Pytester, model: type[_Model], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EVOLVE_BASE_URL", "http://127.0.0.1:9/v1")
    project.runpytest_inprocess("test_it.py::test_fails").assert_outcomes(errors=1)
    assert cases(project) == ()


def test_a_scanner_that_fails_means_no_case_and_the_run_says_so(project: pytest.Pytester):
    project.makeconftest(
        "from evolve.core.cases import redaction\n\n\n"
        "def pytest_configure():\n"
        "    def broken(text):\n        raise ValueError(text)\n"
        "    redaction.find_named_secrets = broken\n"
    )
    result = project.runpytest_subprocess("suite.yaml")
    result.stdout.fnmatch_lines(["*not written: a text could not be searched for secrets (ValueError): fails"])
    assert cases(project) == ()
    section = result.stdout.str().partition("= failure cases =")[2]
    assert SECRET not in section


def test_a_wrong_value_of_suite_personal_data_is_a_usage_error(project: pytest.Pytester):
    assert (
        project.runpytest_inprocess("suite.yaml", "-o", "suite_personal_data=maybe").ret == pytest.ExitCode.USAGE_ERROR
    )


@pytest.mark.parametrize(("policy", "is_kept"), [("keep", True), ("mask", False), (None, False)])
def test_personal_data_is_in_a_written_case_only_if_the_ini_option_keeps_it(
    project: pytest.Pytester, policy: str | None, is_kept: bool
):
    suite = SUITE.replace("token=SECRET", "mail anna@example.org, phone +44 20 7946 0958, token=SECRET")
    (project.path / "suite.yaml").write_text(suite.replace("SECRET", SECRET))
    options = [] if policy is None else ["-o", f"suite_personal_data={policy}"]
    project.runpytest_inprocess("suite.yaml", *options)
    ((path, _case),) = cases(project)
    text = path.read_text()
    assert ("anna@example.org" in text, "+44 20 7946 0958" in text) == (is_kept, is_kept)
    assert SECRET not in text
