"""What makes a role the same as before, and the memory of roles that passed."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult
from evolve.store.verified_roles import VerifiedRoles, harness_hash, role_hash

PASSED = CheckResult("web", "bookworm", Check.CONVERGE, CheckOutcome.PASSED)


@pytest.fixture
def roles(tmp_path: Path) -> Path:
    """Three roles; `web` needs none of the others yet."""
    for role in ("web", "base", "other"):
        write(tmp_path / "roles" / role / "tasks" / "main.yml", f"- ansible.builtin.debug: {{msg: {role}}}\n")
    return tmp_path / "roles"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def hashed(roles: Path, **changed) -> str:
    settings = {"image": "anneal-host:bookworm", "harness": "h1", **changed}
    return role_hash(roles / "web", roles, **settings)


def changes_with(roles: Path, path: str) -> bool:
    """Whether the hash of `web` changes with this file."""
    before = hashed(roles)
    with (roles / path).open("a") as file:
        file.write("# changed\n")
    return hashed(roles) != before


# --- the hash


@pytest.mark.parametrize(
    "path",
    [
        "web/tasks/main.yml",
        "web/defaults/main.yml",
        "web/templates/unit.service.j2",
        "web/molecule/default/molecule.yml",
        "web/molecule/default/tests/test_web.py",
    ],
)
def test_each_file_of_the_role_counts(roles, path):
    write(roles / path, "text\n")
    assert changes_with(roles, path)


def test_another_role_does_not_count(roles):
    assert not changes_with(roles, "other/tasks/main.yml")


@pytest.mark.parametrize("change", [{"image": "anneal-host:trixie"}, {"harness": "h2"}, {"options": "seed 7"}])
def test_image_harness_and_options_count(roles, change):
    assert hashed(roles) != hashed(roles, **change)


def test_a_checkout_elsewhere_has_the_same_hash(roles, tmp_path):
    before = hashed(roles)
    (roles).rename(tmp_path / "elsewhere")
    assert hashed(tmp_path / "elsewhere") == before


def test_traces_of_a_run_and_times_do_not_count(roles):
    before = hashed(roles)
    write(roles / "web" / "molecule" / "default" / "tests" / "__pycache__" / "x.pyc", "bytes")
    os.utime(roles / "web" / "tasks" / "main.yml", (1, 1))
    assert hashed(roles) == before


def test_a_name_and_an_executable_bit_count(roles):
    write(roles / "web" / "files" / "run", "#!/bin/sh\n")
    before = hashed(roles)
    (roles / "web" / "files" / "run").chmod(0o755)
    executable = hashed(roles)
    (roles / "web" / "files" / "run").rename(roles / "web" / "files" / "start")
    assert len({before, executable, hashed(roles)}) == 3


def test_a_text_that_moves_from_one_file_to_another_counts(roles):
    write(roles / "web" / "files" / "a", "one")
    write(roles / "web" / "files" / "b", "")
    before = hashed(roles)
    write(roles / "web" / "files" / "a", "")
    write(roles / "web" / "files" / "b", "one")
    assert hashed(roles) != before


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("meta/main.yml", "dependencies: [base]\n"),
        ("meta/main.yml", "dependencies:\n  - role: base\n    vars: {x: 1}\n"),
        ("meta/main.yml", "dependencies:\n  - {name: base}\n"),
        ("tasks/more.yml", "- ansible.builtin.include_role: {name: base, tasks_from: x}\n"),
        ("tasks/more.yml", "- import_role: name=base tasks_from=x\n"),
        ("tasks/more.yml", "- block:\n    - rescue:\n        - ansible.builtin.import_role: {name: base}\n"),
        ("handlers/main.yml", "- include_role: {name: base}\n  listen: x\n"),
        ("molecule/default/prepare.yml", "- hosts: all\n  roles: [base]\n"),
        ("molecule/default/prepare.yml", "- hosts: all\n  roles: [{role: base, when: true}]\n"),
        ("tasks/more.yml", "- x: !vault secret\n- include_role: {name: base}\n"),
    ],
)
def test_a_role_that_it_names_counts(roles, path, text):
    write(roles / "web" / path, text)
    assert changes_with(roles, "base/tasks/main.yml")
    assert not changes_with(roles, "other/tasks/main.yml")


def test_dependencies_of_dependencies_count_also_in_a_circle(roles):
    write(roles / "web" / "meta" / "main.yml", "dependencies: [base]\n")
    write(roles / "base" / "meta" / "main.yml", "dependencies: [other, web]\n")
    assert changes_with(roles, "other/tasks/main.yml")


@pytest.mark.parametrize(
    "text", ["- include_role: {name: '{{ which }}'}\n", "- include_role: '{{ it }}'\n", "- : [broken\n"]
)
def test_what_cannot_be_known_makes_every_role_count(roles, text):
    write(roles / "web" / "tasks" / "more.yml", text)
    assert changes_with(roles, "other/tasks/main.yml")
    assert changes_with(roles, "base/tasks/main.yml")


def test_a_role_of_a_collection_counts_as_its_name(roles):
    write(roles / "web" / "tasks" / "more.yml", "- include_role: {name: community.general.thing}\n")
    assert not changes_with(roles, "other/tasks/main.yml")


def test_a_template_that_only_looks_like_tasks_names_no_role(roles):
    write(roles / "web" / "templates" / "play.yml", "- include_role: {name: base}\n")
    assert not changes_with(roles, "base/tasks/main.yml")


def test_files_beside_the_roles_count_where_they_are_named(roles, tmp_path):
    write(tmp_path / "group_vars" / "all.yml", "port: 1\n")
    before = hashed(roles, also=[tmp_path / "group_vars"])
    write(tmp_path / "group_vars" / "all.yml", "port: 2\n")
    assert hashed(roles, also=[tmp_path / "group_vars"]) != before


def test_linked_folders_count_and_a_circle_of_links_ends(roles):
    (roles / "web" / "shared").symlink_to(roles / "base")
    (roles / "base" / "back").symlink_to(roles / "web")
    assert changes_with(roles, "base/tasks/main.yml")


def test_the_harness_is_its_sources_and_the_versions_of_its_tools(tmp_path):
    write(tmp_path / "infra" / "a.py", "x = 1\n")
    before = harness_hash(tmp_path / "infra", ["pytest"])
    assert harness_hash(tmp_path / "infra", ["pytest", "hypothesis"]) != before
    assert harness_hash(tmp_path / "infra", ["no-such-package-here"]) != before
    write(tmp_path / "infra" / "a.py", "x = 2\n")
    assert harness_hash(tmp_path / "infra", ["pytest"]) != before
    assert len(harness_hash()) == 64


# --- the memory


@pytest.fixture
def memory(tmp_path):
    found = VerifiedRoles(tmp_path / "cache" / "roles.sqlite")
    yield found
    found.close()


def test_what_passed_is_known_for_just_this_role_release_and_hash(memory):
    assert memory.record("web", "bookworm", "h", [PASSED, replace(PASSED, check=Check.ARGUMENTS)])
    assert memory.passed("web", "bookworm", "h") == [Check.ARGUMENTS, Check.CONVERGE]
    assert memory.passed("web", "bullseye", "h") is None
    assert memory.passed("web", "bookworm", "other") is None
    assert memory.passed("base", "bookworm", "h") is None


@pytest.mark.parametrize("bad", [CheckOutcome.FAILED, CheckOutcome.ERROR])
def test_a_role_with_one_bad_check_is_not_remembered(memory, bad):
    results = [PASSED, replace(PASSED, check=Check.RESTART, outcome=bad)]
    assert not memory.record("web", "bookworm", "h", results)
    assert memory.passed("web", "bookworm", "h") is None


def test_a_later_failure_makes_it_forget(memory):
    memory.record("web", "bookworm", "h", [PASSED])
    memory.record("web", "bookworm", "h2", [PASSED])
    memory.record("web", "bookworm", "h", [replace(PASSED, outcome=CheckOutcome.FAILED), PASSED])
    assert memory.passed("web", "bookworm", "h") is None
    assert memory.passed("web", "bookworm", "h2") == [Check.CONVERGE]


def test_what_was_not_checked_is_not_remembered_as_passed(memory):
    gap = replace(PASSED, check=Check.UPGRADE, outcome=CheckOutcome.NOT_CHECKED)
    same = replace(PASSED, check=Check.RESTART, outcome=CheckOutcome.UNCHANGED)
    assert memory.record("web", "bookworm", "h", [PASSED, gap, same])
    assert memory.passed("web", "bookworm", "h") == [Check.CONVERGE]
    assert memory.record("web", "bookworm", "other", [gap])
    assert memory.passed("web", "bookworm", "other") is None


def test_checks_of_two_runs_add_up(memory):
    memory.record("web", "bookworm", "h", [PASSED])
    memory.record("web", "bookworm", "h", [replace(PASSED, check=Check.FUNCTION), PASSED])
    assert memory.passed("web", "bookworm", "h") == [Check.CONVERGE, Check.FUNCTION]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(Check), st.sampled_from(CheckOutcome)), max_size=12))
def test_only_checks_that_passed_are_ever_skipped(tmp_path_factory, runs):
    memory = VerifiedRoles(tmp_path_factory.mktemp("memory") / "roles.sqlite")
    expected: dict[str, set[Check]] = {"a": set(), "b": set()}
    for key, check, outcome in runs:
        memory.record("web", "bookworm", key, [replace(PASSED, check=check, outcome=outcome)])
        if outcome in (CheckOutcome.FAILED, CheckOutcome.ERROR):
            expected[key].clear()
        elif outcome is CheckOutcome.PASSED:
            expected[key].add(check)
    for key, checks in expected.items():
        assert set(memory.passed("web", "bookworm", key) or ()) == checks
    memory.close()


_WRITER = """
import sys
from pathlib import Path
from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult
from evolve.store.verified_roles import VerifiedRoles
memory = VerifiedRoles(Path(sys.argv[1]))
for number in range(40):
    results = [CheckResult("web", "bookworm", check, CheckOutcome.PASSED) for check in Check]
    memory.record("web", "bookworm", f"{sys.argv[2]}-{number}", results)
"""


def test_two_processes_write_at_once_and_nothing_is_lost_or_half_there(tmp_path):
    path = tmp_path / "roles.sqlite"
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(path), name]) for name in ("a", "b")]
    memory = VerifiedRoles(path)
    while any(writer.poll() is None for writer in writers):
        assert memory.passed("web", "bookworm", "a-39") in (None, list(Check))
    assert [writer.returncode for writer in writers] == [0, 0]
    for name in ("a", "b"):
        assert all(memory.passed("web", "bookworm", f"{name}-{number}") == list(Check) for number in range(40))
    memory.close()


def test_a_file_that_is_no_memory_is_the_environments_fault(tmp_path):
    (tmp_path / "roles.sqlite").write_text("something else entirely\n" * 100)
    with pytest.raises(EnvironmentFault, match="the memory of verified roles"):
        VerifiedRoles(tmp_path / "roles.sqlite")
