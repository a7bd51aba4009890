from collections.abc import Callable
from pathlib import Path

import pytest

from evolve.role_lint import LintFinding, all_rules, lint_roles

Lint = Callable[..., list[tuple[str, str, int]]]


@pytest.fixture
def findings() -> Callable[..., list[LintFinding]]:
    def lint(*places: Path) -> list[LintFinding]:
        return list(lint_roles([str(place) for place in places], tuple(all_rules().values())).findings)

    return lint


@pytest.fixture
def lint(tmp_path: Path, findings: Callable[..., list[LintFinding]]) -> Lint:
    """Lints a tree that is given as texts: rule, file and line of each finding."""

    def of(files: dict[str, str], *places: str) -> list[tuple[str, str, int]]:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.lstrip("\n"))
        found = findings(*(tmp_path / place for place in places or ("roles",)))
        return [(item.rule, str(Path(item.spot.path).relative_to(tmp_path)), item.spot.line) for item in found]

    return of
