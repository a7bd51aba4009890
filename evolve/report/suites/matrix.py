"""The results of one suite as a matrix: a row for each test, a column for each provider and prompt."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from evolve.core.model.events import CaseResult
from evolve.core.model.suite import Evaluation
from evolve.report.short_text import to_text

CELL_LIMIT = 20_000
"""Characters of an answer in a cell: hundreds of lines of a terminal."""


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One result, as far as the matrix shows it; made of texts and numbers, so that it can go to another process."""

    row: int
    title: str
    """The row's name."""
    column: int
    provider: str
    prompt: str
    status: Literal["pass", "fail", "error"]
    text: str
    """The output, or the error where there is none."""
    score: float
    cost: float | None
    """US dollars; None when unknown."""


@dataclass(slots=True)
class MatrixColumn:
    """One prompt under one provider, with its totals."""

    provider: str
    prompt: str
    tests: int = 0
    passed: int = 0
    score: float = 0.0
    """Sum."""
    cost: float | None = None
    """US dollars; None where no answer has a known cost."""

    def add(self, cell: MatrixCell) -> None:
        """Count one more result."""
        self.tests += 1
        self.passed += cell.status == "pass"
        self.score += cell.score
        if cell.cost is not None:
            self.cost = (self.cost or 0.0) + cell.cost


@dataclass(slots=True)
class MatrixRow:
    """One test, with one set of vars and one repeat."""

    title: str
    cells: dict[int, MatrixCell] = field(default_factory=dict)
    """By the column's number."""

    @property
    def is_passed(self) -> bool:
        """Return whether all columns passed."""
        return all(cell.status == "pass" for cell in self.cells.values())


@dataclass(frozen=True, slots=True)
class Matrix:
    """All results of a suite."""

    columns: Mapping[int, MatrixColumn]
    rows: tuple[MatrixRow, ...]


def cell_of(result: CaseResult) -> MatrixCell:
    """Return the cell of a result."""
    evaluation, answer = result.evaluation, result.answer
    has_output = answer is not None and not (result.error and result.output is None)
    return MatrixCell(
        row=evaluation.test_index,
        title=row_title(evaluation),
        column=evaluation.prompt_index,
        provider=evaluation.provider.name,
        prompt=evaluation.prompt.label,
        status=result.status,
        text=(to_text(result.output) if has_output else result.error)[:CELL_LIMIT],
        score=result.verdict.score,
        cost=answer.cost if answer else None,
    )


def row_title(evaluation: Evaluation) -> str:
    """Return the name of a test's row: one for each set of vars and each repeat."""
    repeat = f" (repeat {evaluation.repeat + 1})" if evaluation.repeat else ""
    return (evaluation.title or evaluation.id) + repeat


def matrix_of(cells: Iterable[MatrixCell]) -> Matrix:
    """Return the matrix of one suite's cells, in the suite's order."""
    columns: dict[int, MatrixColumn] = {}
    rows: dict[int, MatrixRow] = {}
    for cell in cells:
        columns.setdefault(cell.column, MatrixColumn(cell.provider, cell.prompt)).add(cell)
        rows.setdefault(cell.row, MatrixRow(cell.title)).cells[cell.column] = cell
    return Matrix(dict(sorted(columns.items())), tuple(row for _, row in sorted(rows.items())))
