"""The longest role begins first, where roles run side by side."""

from pathlib import Path

import pytest

from evolve.pytest_plugin.roles.order import weight

TASK = "- {name: Say, ansible.builtin.debug: {msg: x}}\n"


def role(folder: Path, name: str, *, tasks: int, platforms: int = 0) -> Path:
    path = folder / "roles" / name
    (path / "tasks").mkdir(parents=True)
    (path / "tasks" / "main.yml").write_text(TASK * tasks)
    if platforms:
        scenario = path / "molecule" / "default"
        scenario.mkdir(parents=True)
        (scenario / "molecule.yml").write_text("platforms:\n" + '  - name: "x-${EVOLVE_INSTANCE:-a}"\n' * platforms)
    return path


def test_the_weight_is_hosts_times_tasks(tmp_path):
    path = role(tmp_path, "one", tasks=3, platforms=2)
    assert weight(path) == 6
    (path / "tasks" / "sub").mkdir()
    (path / "tasks" / "sub" / "more.yml").write_text(TASK * 4)
    assert weight(path) == 14
    assert weight(role(tmp_path, "bare", tasks=5)) == 5


@pytest.mark.parametrize("text", ["a: [", "- !vault x\n- b\n", "just a text", "", "- 2024-99-99\n", "\x00"])
def test_what_cannot_be_read_counts_as_one(tmp_path, text):
    path = role(tmp_path, "odd", tasks=1, platforms=1)
    (path / "tasks" / "main.yml").write_text(text)
    (path / "molecule" / "default" / "molecule.yml").write_text(text)
    assert weight(path) == 1


@pytest.fixture
def three(pytester: pytest.Pytester) -> pytest.Pytester:
    role(pytester.path, "a_small", tasks=1)
    role(pytester.path, "b_large", tasks=9, platforms=3)
    role(pytester.path, "c_small", tasks=1)
    pytester.makepyfile(test_first="def test_one(): pass", test_last="def test_two(): pass")
    return pytester


def order(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    """The nodes in order, each once where its items stand together."""
    words = ("test_first.py", "--infra-roles", "roles", "--collect-only", "-q", *arguments)
    found = [line.rpartition("::")[0] for line in pytester.runpytest(*words).outlines if "::" in line]
    return [node for node, before in zip(found, ["", *found], strict=False) if node != before]


def test_side_by_side_the_heaviest_role_begins_and_all_else_keeps_its_place(three: pytest.Pytester) -> None:
    names = ["a_small", "b_large", "c_small"]
    assert order(three, "-n", "0") == ["test_first.py", *(f"roles::{name}" for name in names)]
    side_by_side = ["roles::b_large", "roles::a_small", "roles::c_small"]
    assert order(three, "-n", "2", "--dist", "loadscope") == ["test_first.py", *side_by_side]


def test_each_release_of_a_role_stays_together(three: pytest.Pytester) -> None:
    found = order(three, "-n", "2", "--dist", "loadscope", "--infra-release", "x", "--infra-release", "y")
    assert found[1:3] == ["roles::b_large@x", "roles::b_large@y"]
    assert len(found) == 7
