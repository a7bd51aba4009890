"""No module gives a constant two values: the later one would silently replace the one that readers see first."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("evolve", "pipecatapp", "suites", "fixtures", "benchmarks", "roles")


def constants(source: str) -> Iterator[str]:
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        yield from (target.id for target in targets if isinstance(target, ast.Name) and target.id.isupper())


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_constant_gets_one_value(folder: str) -> None:
    twice = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / folder).rglob("*.py")
        for name, count in Counter(constants(path.read_text(encoding="utf-8"))).items()
        if count > 1
    ]
    assert twice == []


def test_a_second_value_is_found() -> None:
    assert list(constants('STORY = "a"\nSTORY: str = "b"\nother = 1\n')) == ["STORY", "STORY"]
