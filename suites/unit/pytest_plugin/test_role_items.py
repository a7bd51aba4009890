"""Which items `--infra-roles` and `suite_role_files` make, without any engine."""

import pytest

CHECKS = 10


@pytest.fixture
def roles(pytester: pytest.Pytester) -> pytest.Pytester:
    for name in ("alpha", "beta"):
        path = pytester.path / "roles" / name / "tasks"
        path.mkdir(parents=True)
        (path / "main.yml").write_text("[]")
    tests = pytester.path / "roles" / "alpha" / "molecule" / "default" / "tests"
    tests.mkdir(parents=True)
    (tests / "test_alpha.py").write_text("def test_host(host): pass\n")
    return pytester


def collected(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    result = pytester.runpytest("--collect-only", "-q", "-n", "0", *arguments)
    assert result.ret == 0, result.stdout.str()
    return [line for line in result.outlines if "::" in line]


def test_each_check_of_each_role_is_an_item_and_the_roles_own_tests_are_not(roles: pytest.Pytester) -> None:
    found = collected(roles, "--infra-roles", "roles")
    assert len(found) == 2 * CHECKS
    assert "roles::alpha::hidden-changes" in found


def test_one_role_can_be_named_and_checks_be_selected(roles: pytest.Pytester) -> None:
    assert collected(roles, "--infra-roles", "roles/beta", "-k", "idempotence") == ["roles/beta::beta::idempotence"]


def test_each_release_makes_items(roles: pytest.Pytester) -> None:
    found = collected(roles, "--infra-roles", "roles", "--infra-release", "a", "--infra-release", "b")
    assert len(found) == 4 * CHECKS
    assert "roles::alpha@b::converge" in found


def test_without_being_asked_nothing_is_collected(roles: pytest.Pytester) -> None:
    (roles.path / "roles.yaml").write_text("roles: roles\n")
    result = roles.runpytest("--collect-only", "-q", "-n", "0", "roles.yaml")
    assert "converge" not in result.stdout.str()


def test_a_file_that_the_ini_names_stands_for_its_roles(roles: pytest.Pytester) -> None:
    roles.makeini("[pytest]\nsuite_role_files = infra/all.yaml\n")
    folder = roles.mkdir("infra")
    (folder / "all.yaml").write_text("roles: ../roles\n")
    assert len(collected(roles, "infra")) == 2 * CHECKS


@pytest.mark.parametrize("text", ["roles: []", "rolles: ../roles", "- a", "a: ["])
def test_a_wrong_file_is_one_message(roles: pytest.Pytester, text: str) -> None:
    roles.makeini("[pytest]\nsuite_role_files = all.yaml\n")
    (roles.path / "all.yaml").write_text(text)
    result = roles.runpytest("-n", "0", "all.yaml")
    assert result.ret != 0
    assert "Traceback" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*all.yaml*"])


def test_a_folder_that_is_not_there_or_holds_no_role_is_one_message(roles: pytest.Pytester) -> None:
    gone = roles.runpytest("-n", "0", "--infra-roles", "gone")
    gone.stderr.fnmatch_lines(["*--infra-roles: no such folder: *gone*"])
    roles.mkdir("empty")
    empty = roles.runpytest("-n", "0", "--infra-roles", "empty")
    empty.stdout.fnmatch_lines(["*no role in *: expected tasks/main.yml in it, its folders or its roles/*"])


def test_only_changed_roles_and_those_that_are_always_wanted_are_selected(roles: pytest.Pytester) -> None:
    roles.makeini("[pytest]\nsuite_roles_always = beta\n")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        assert roles.run(*git, *words).ret == 0
    assert len(collected(roles, "--infra-roles", "roles", "--infra-changed", "HEAD")) == CHECKS
    (roles.path / "roles" / "alpha" / "tasks" / "main.yml").write_text("---\n[]\n")
    assert len(collected(roles, "--infra-roles", "roles", "--infra-changed", "HEAD")) == 2 * CHECKS
    wrong = roles.runpytest("--collect-only", "-n", "0", "--infra-roles", "roles", "--infra-changed", "nope")
    assert "git diff failed" in wrong.stdout.str() + wrong.stderr.str()


def test_git_is_asked_once_a_role_whether_it_changed(roles: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = roles.path / "asked"
    git = roles.mkdir("bin") / "git"
    git.write_text(f'#!/bin/sh\necho "$2" >> {asked}\nexit 1\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(git.parent), prepend=":")
    assert len(collected(roles, "--infra-roles", "roles", "--infra-changed", "HEAD")) == 2 * CHECKS
    assert [line.rpartition("/")[2] for line in asked.read_text().splitlines()] == ["alpha", "beta"]
