import importlib
from pathlib import Path
from types import ModuleType

import pytest

from evolve.core.model.answers import TokenUsage
from evolve.core.model.errors import InputError

ABOUT = {"suite": "abc", "budget": 300}


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, found as it is found by the script next to it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    return importlib.import_module("evolve_results")


def made(results: ModuleType, right: int, tokens: TokenUsage = TokenUsage()):  # noqa: B008  # frozen
    outcomes = tuple(results.Outcome(f"f{i}", "restart", i < right, False) for i in range(20))
    return results.Result(outcomes, 300, 0, tokens, 12.0, 15.0, "You read.", "a note", "2026-11-25")


def test_what_is_saved_is_loaded(results: ModuleType, tmp_path: Path) -> None:
    kept = {"ancestor": made(results, 2), "gepa": made(results, 5, TokenUsage(12, 10, 2, 5, 1))}
    results.save(tmp_path / "deep/r.json", ABOUT, kept)
    assert results.load(tmp_path / "deep/r.json", ABOUT) == kept


def test_a_first_run_has_no_results(results: ModuleType, tmp_path: Path) -> None:
    assert results.load(tmp_path / "r.json", ABOUT) == {}


def test_results_on_other_cases_are_not_gone_on_with(results: ModuleType, tmp_path: Path) -> None:
    results.save(tmp_path / "r.json", ABOUT, {})
    with pytest.raises(InputError, match="another suite, budget"):
        results.load(tmp_path / "r.json", {"suite": "abd", "budget": 100})


def test_the_targets_are_held_against_the_best_optimizer(results: ModuleType) -> None:
    kept = {
        "ancestor": made(results, 2),
        "gepa": made(results, 3),
        "dspy": made(results, 8),
        "anneal": made(results, 12),
    }
    lines = results.targets(kept).splitlines()[2:]
    assert lines[0].startswith("| accuracy | 0.600 |")
    assert lines[0].endswith("| 0.55 | met |")
    assert lines[1].startswith("| over the ancestor | 0.500 |")
    assert lines[2].startswith("| over dspy, the best of gepa, dspy | 0.200 |")
    assert lines[2].endswith("| 0.25 | MISSED |")


def test_without_ours_there_are_no_targets(results: ModuleType) -> None:
    assert results.targets({"ancestor": made(results, 2)}) == ""


def test_the_table_tells_accuracy_and_costs(results: ModuleType) -> None:
    line = results.table({"gepa": made(results, 5, TokenUsage(1_200, 1_000, 200, 250, 20))}).splitlines()[-1]
    assert line.startswith("| gepa | 0.250 | ")
    assert line.endswith("| 0.000 | 300 | 0 | 1,200 | 25% | 12 | 15 |")
