"""The matrix on a terminal fits its width, whatever outputs hold, and large runs stay short."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from evolve.report.suites.matrix import MatrixCell, cell_of, matrix_of
from evolve.report.suites.matrix_table import SHORT_ROWS, MatrixTables, Screen
from fixtures.report_runs import report_run


def cell(row: int = 0, column: int = 0, text: str = "hello", **changes: Any) -> MatrixCell:
    values: dict[str, Any] = {
        "title": f"test {row}",
        "provider": f"provider {column // 2}",
        "prompt": ("Say {{x}}", "Tell {{x}}")[column % 2],
        "status": "pass",
        "score": 1.0,
        "cost": None,
    }
    return MatrixCell(row=row, column=column, text=text, **(values | changes))


def grid(rows: int, columns: int, **changes: Any) -> Iterator[MatrixCell]:
    return (cell(row, column, **changes) for row in range(rows) for column in range(columns))


def drawn(cells: Any, size: Any = "short", screen: Screen = Screen(80)) -> list[str]:  # noqa: B008  # frozen
    return list(MatrixTables(size, screen).lines(cells))


def test_tests_are_rows_and_providers_with_prompts_are_columns() -> None:
    lines = drawn([cell(0, 0, "a"), cell(0, 1, "b", status="fail", score=0.0), cell(1, 0, "c"), cell(1, 1, "d")])
    assert [line.split() for line in lines] == [
        ["Test", "[1]", "Say", "{{x}}", "[2]", "Tell", "{{x}}"],
        ["─" * len(lines[1])],
        ["test", "0", "✓", "a", "✗", "b"],
        ["test", "1", "✓", "c", "✓", "d"],
        [],
        ["2", "tests", "2/2", "passed,", "100%", "1/2", "passed,", "50%"],
        ["mean", "score", "1.000", "mean", "score", "0.500"],
    ]


def test_providers_are_named_where_there_are_several() -> None:
    head = "\n".join(drawn(grid(1, 4), screen=Screen(120))[:2])
    assert head.count("provider 0") == 2
    assert head.count("provider 1") == 2
    assert head.count("[1] Say {{x}}") == 2


def test_known_costs_are_summed_below_their_column() -> None:
    assert drawn([cell(0, cost=0.001), cell(1, cost=0.002)])[-1].strip() == "$0.0030"
    assert "$" not in "".join(drawn([cell(0, cost=0.0), cell(1)]))


def test_a_result_that_is_missing_is_a_dash() -> None:
    assert drawn([cell(0, 0), cell(0, 1), cell(1, 1)])[3].split() == ["test", "1", "\N{EN DASH}", "✓", "hello"]


def test_an_empty_output_is_named() -> None:
    assert "✓ (empty)" in drawn([cell(text="")])[2]


def test_cells_are_cut_to_two_lines_unless_all_is_wanted() -> None:
    text = " ".join(f"word{number}" for number in range(100))
    short = drawn([cell(text=text)], screen=Screen(60))
    assert len([line for line in short if "word" in line]) == 2
    assert short[3].endswith("…")
    full = "\n".join(drawn([cell(text=text)], "full", Screen(60)))
    assert all(word in full for word in text.split())


def test_the_lines_of_an_output_stay_lines_where_all_is_wanted() -> None:
    assert [line.strip() for line in drawn([cell(text="one\ntwo")], "full")[2:4]] == ["test 0        ✓ one", "two"]


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("columns", [1, 3, 7])
def test_columns_that_do_not_fit_follow_in_further_parts(width: int, columns: int) -> None:
    lines = drawn(grid(2, columns, text="日本語の答え " * 30), screen=Screen(width))
    assert max(map(cell_len, lines)) <= width
    assert sum(line.count("2/2 passed") for line in lines) == columns


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4), st.sampled_from(["utf-8", "ascii", "cp1252"]))
def test_no_text_is_wider_than_the_terminal_or_acts_on_it(texts: list[str], encoding: str) -> None:
    cells = [cell(at, 0, text + "\x1b[31m\t\r\ud800", title=text) for at, text in enumerate(texts)]
    for size in ("short", "full"):
        lines = drawn(cells, size, Screen(60, encoding))
        "\n".join(lines).encode(encoding)
        assert all(cell_len(line) <= 60 for line in lines)
        assert not any(char in line for line in lines for char in "\x1b\r\t\x07")


def test_a_large_run_is_cut_and_failures_are_kept() -> None:
    cells = [cell(row, status="fail" if row % 100 == 99 else "pass") for row in range(1000)]
    tables = MatrixTables("short", Screen(80), full_command="evolve run x --table full")
    lines = list(tables.lines(cells))
    assert sum("✗" in line for line in lines) == 10
    assert sum("✓" in line or "✗" in line for line in lines) == SHORT_ROWS
    assert "1,000 tests" in lines[-3]
    assert lines[-1] == "  ... 975 more tests: 975 passed, 0 did not"
    assert list(tables.end_lines()) == ["975 tests not in the tables; to see all:", "  evolve run x --table full"]


def test_the_tables_of_many_suites_are_short_together() -> None:
    tables = MatrixTables("short", Screen(80), full_command="evolve run . --table full")
    lines = [line for _ in range(50) for line in tables.lines(grid(10, 1))]
    assert sum("✓" in line for line in lines) == SHORT_ROWS
    assert next(tables.end_lines()).startswith("475 tests")


def test_all_of_a_large_run_is_shown_on_request() -> None:
    assert sum("✓" in line for line in drawn(grid(300, 2), "full")) == 300
    assert list(MatrixTables("full", Screen(80), full_command="x").end_lines()) == []


def test_colour_is_only_on_marks_and_heads() -> None:
    lines = drawn([cell(status="fail")], screen=Screen(80, has_colour=True))
    assert "\x1b[31m✗ \x1b[0mhello" in lines[2]


def test_the_cells_of_a_run_are_its_results() -> None:
    ((_, results),) = report_run(200).results
    matrix = matrix_of(map(cell_of, results))
    assert len(matrix.rows) == 200
    assert sum(column.passed for column in matrix.columns.values()) == sum(r.status == "pass" for r in results)
    failed = next(result for result in results if result.status == "error")
    assert cell_of(failed).text == failed.error


def test_the_rows_are_named_without_their_columns() -> None:
    ((_, results),) = report_run(1).results
    evaluation = results[0].evaluation
    assert cell_of(results[0]).title == evaluation.title
    again = replace(results[0], evaluation=replace(evaluation, title="", repeat=1))
    assert cell_of(again).title == f"{evaluation.id} (repeat 2)"
