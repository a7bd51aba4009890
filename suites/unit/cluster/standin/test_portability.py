"""The stand-in runs on the hosts' own Python: 3.9 and later, with nothing but the standard library."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import evolve.cluster.standin

SOURCES = sorted(Path(evolve.cluster.standin.__file__).parent.rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """The names of modules outside of the stand-in that are imported, lazily or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_is_python_3_9_of_the_standard_library(source: Path) -> None:
    tree = ast.parse(source.read_text(encoding="utf-8"), filename=str(source), feature_version=(3, 9))
    foreign = {name for name in imported(tree) if name.partition(".")[0] not in sys.stdlib_module_names}
    assert foreign == set()


def test_newer_syntax_and_other_packages_would_be_found() -> None:
    with pytest.raises(SyntaxError):
        ast.parse("match 1:\n    case 1: pass", feature_version=(3, 9))
    assert set(imported(ast.parse("import json\nfrom aiohttp.web import run_app"))) == {"json", "aiohttp.web"}
