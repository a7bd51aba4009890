"""A run of `pytest --infra-roles` as its user sees it: items, exit code, report, and no failure case."""

import xml.etree.ElementTree as ElementTree

import pytest

from evolve.infra.engine.docker_engine import DockerEngine

TASKS = "- {name: Say hello, ansible.builtin.debug: {msg: hello}}\n"


@pytest.fixture
def roles(pytester: pytest.Pytester) -> pytest.Pytester:
    folder = pytester.path / "roles" / "bare" / "tasks"
    folder.mkdir(parents=True)
    (folder / "main.yml").write_text(TASKS)
    pytester.makeini("[pytest]\nsuite_failure_cases = cases\n")
    return pytester


def test_a_failed_check_tells_why_and_is_no_failure_case(engine: DockerEngine, roles: pytest.Pytester) -> None:
    result = roles.runpytest("-n", "0", "--infra-roles", "roles", "--infra-strict", "-k", "arguments or preflight")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "bare/meta/argument_specs.yml does not exist: no argument of the role is documented*",
            "run just this again: pytest --infra-roles roles --infra-strict -k 'bare and arguments'",
            "*report: reports/roles/index.html",
        ]
    )
    assert not (roles.path / "cases").exists()
    cases = ElementTree.parse(roles.path / "reports/roles/junit.xml").getroot().findall(".//testcase")
    tags = {case.get("name"): {part.tag for part in case} for case in cases}
    assert "failure" in tags["arguments"]
    assert "skipped" in tags["preflight"]


def test_what_cannot_be_checked_is_a_skip_with_its_reason(engine: DockerEngine, roles: pytest.Pytester) -> None:
    result = roles.runpytest("-n", "0", "-rs", "--infra-roles", "roles", "-k", "preflight or upgrade")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*not checked: bare/molecule/default/preflight_faults.yaml declares no way*"])
    result.stdout.fnmatch_lines(["*not checked: no commit holds another version of the role*"])


def test_what_passed_is_skipped_while_nothing_changes(
    engine: DockerEngine, roles: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(roles.path / "cache"))
    words = ("-n", "0", "-rs", "--infra-roles", "roles", "--infra-skip-unchanged", "-k", "converge")
    first = roles.runpytest_subprocess(*words)
    first.assert_outcomes(passed=1)
    again = roles.runpytest_subprocess(*words)
    again.assert_outcomes(skipped=1)
    again.stdout.fnmatch_lines(["*unchanged: the role, its dependencies, the image and the harness have not changed*"])
    (roles.path / "roles" / "bare" / "tasks" / "main.yml").write_text(TASKS.replace("hello", "good morning"))
    roles.runpytest_subprocess(*words).assert_outcomes(passed=1)


SILENT = """- name: Write the time
  ansible.builtin.shell: date +%s.%N >/etc/when
  changed_when: false
"""
HALF = """- name: Write one
  ansible.builtin.command: touch /etc/one
  args: {creates: /etc/one}
  register: _one
- name: Write the other
  ansible.builtin.command: touch /etc/other
  when: _one is changed
"""


@pytest.mark.parametrize(
    ("tasks", "check", "said"),
    [
        (SILENT, "hidden-changes", "*/etc/when: its content changed, and no task reports it*"),
        (HALF, "interruption", "*/etc/other: is missing*"),
    ],
)
def test_a_check_that_is_selected_alone_looks_as_closely(
    engine: DockerEngine, roles: pytest.Pytester, tasks: str, check: str, said: str
) -> None:
    (roles.path / "roles" / "bare" / "tasks" / "main.yml").write_text(tasks)
    result = roles.runpytest("-n", "0", "--infra-roles", "roles", "-k", check)
    assert result.ret == 1
    result.stdout.fnmatch_lines([said])
