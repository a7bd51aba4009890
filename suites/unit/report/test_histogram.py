"""The pictures of scores: each score in its bar, and the numbers in words."""

from dataclasses import replace

import pytest

from evolve.report.suites.histogram import bin_of, histograms
from fixtures.report_runs import matrix_run, report_run


@pytest.mark.parametrize(
    ("score", "bar"), [(0, 0), (0.0999, 0), (0.1, 1), (0.7 - 1e-16, 7), (0.999, 9), (1, 9), (-3, 0), (7, 9)]
)
def test_a_score_is_in_its_tenth(score: float, bar: int) -> None:
    assert bin_of(score) == bar


def test_every_column_has_its_picture_and_errors_have_no_score() -> None:
    run = matrix_run(100)
    results = run.results[0][1]
    errors = sum(result.status == "error" for result in results)
    whole, *columns = histograms(run)
    assert len(columns) == 4
    assert whole.note == f"{400 - errors} scores, {errors} results without one"
    passed = sum(result.status == "pass" for result in results)
    assert f"0.9 to 1: {passed} passed" in whole.label
    assert max(sum(float(part.height) for part in bar.parts) for bar in whole.bars) == pytest.approx(60)


def test_a_run_without_scores_has_no_picture() -> None:
    run = report_run(300)
    ((suite, results),) = run.results
    errors = tuple(result for result in results if result.status == "error")
    assert histograms(replace(run, results=((suite, errors),))) == []
