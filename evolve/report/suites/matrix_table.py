"""The matrix of results on a terminal: outputs cut to its width, totals below each column."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from evolve.core.text.counts import count
from evolve.core.text.visible import visible
from evolve.report.quantities import NONE, dollars, percent
from evolve.report.suites.matrix import Matrix, MatrixCell, MatrixColumn, MatrixRow, matrix_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

TableSize: TypeAlias = Literal["short", "full"]
SHORT_ROWS: Final = 25
"""Rows of all tables of a run together: about what fits on one screen, with the totals."""
SHORT_LINES: Final = 2
"""Lines of a cell in a short table."""
_MIN_CELL: Final = 18
"""Columns of a terminal: with fewer, outputs cannot be compared, and the table is drawn in several parts."""
_MIN_TITLE: Final = 12
"""What `9,999 tests` needs."""
_MAX_TITLE: Final = 40
_GAP: Final = 2
"""Columns of the terminal between two cells."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What the table is drawn for."""

    width: int
    """Columns."""
    encoding: str = "utf-8"
    has_colour: bool = False

    @property
    def marks(self) -> dict[str, str]:
        """Return the marks of the outcomes, as far as the encoding has them."""
        signs = {"pass": "✓", "fail": "✗", "error": "!", "none": NONE, "cut": "…"}
        return signs if self.is_unicode else {"pass": "ok", "fail": "FAIL", "error": "ERROR", "none": "-", "cut": "~"}

    @property
    def is_unicode(self) -> bool:
        """Return whether the encoding has all characters."""
        return self.encoding.lower().startswith("utf")

    def shown(self, text: str) -> str:
        """Return the text with escapes for what would act on the terminal, or cannot be shown on it."""
        return visible(text).expandtabs(4).encode(self.encoding, "backslashreplace").decode(self.encoding)


class MatrixTables:
    """The tables of one run.

    Args:
        size: `short` cuts cells, and rows of a large run; `full` shows everything.
        screen: what the tables are drawn for.
        full_command: the command that shows all rows; empty where there is none.
    """

    def __init__(self, size: TableSize, screen: Screen, *, full_command: str = "") -> None:
        self._size, self._screen, self._full_command = size, screen, full_command
        self._rows_left = SHORT_ROWS
        self._left_out = 0

    def lines(self, cells: Iterable[MatrixCell]) -> Iterator[str]:
        """Yield the table of one suite's results."""
        matrix = matrix_of(cells)
        shown = self._chosen(matrix)
        if shown:
            yield from _drawn(matrix, shown, self._screen, SHORT_LINES if self._size == "short" else None)
        hidden = len(matrix.rows) - len(shown)
        if hidden:
            self._left_out += hidden
            passed = sum(row.is_passed for row in matrix.rows) - sum(row.is_passed for row in shown)
            yield f"  ... {count(hidden, 'more test')}: {passed:,} passed, {hidden - passed:,} did not"

    def end_lines(self) -> Iterator[str]:
        """Yield how to see all rows, if a table left some out."""
        if self._left_out and self._full_command:
            yield f"{count(self._left_out, 'test')} not in the tables; to see all:"
            yield f"  {self._full_command}"

    def _chosen(self, matrix: Matrix) -> Sequence[MatrixRow]:
        """The rows that are shown, in the suite's order: if not all of them, those first that did not pass."""
        if self._size == "full":
            return matrix.rows
        width = self._screen.width
        parts = math.ceil(len(matrix.columns) / _columns_beside(width, _title_width(matrix.rows, width)))
        number = self._rows_left // max(1, parts)
        by_interest = sorted(range(len(matrix.rows)), key=lambda at: (matrix.rows[at].is_passed, at))
        chosen = sorted(by_interest[:number])
        self._rows_left -= len(chosen) * parts
        return [matrix.rows[at] for at in chosen]


def _columns_beside(width: int, title_width: int) -> int:
    """How many columns of results fit next to the titles."""
    return max(1, (width - title_width) // (_MIN_CELL + _GAP))


def _title_width(rows: Sequence[MatrixRow], width: int) -> int:
    """The columns of the longest title, at most a quarter of the screen: the outputs need the rest."""
    from rich.cells import cell_len

    longest = max((cell_len(row.title) for row in rows), default=0)
    return max(_MIN_TITLE, min(longest, _MAX_TITLE, width // 4))


def _drawn(matrix: Matrix, rows: Sequence[MatrixRow], screen: Screen, max_lines: int | None) -> Iterator[str]:
    from rich.console import Console

    title_width = _title_width(matrix.rows, screen.width)
    beside = _columns_beside(screen.width, title_width)
    numbers = list(matrix.columns)
    for start in range(0, len(numbers), beside):
        part = numbers[start : start + beside]
        if len(numbers) > beside:
            last = f"s {start + 1} to {start + len(part)}" if len(part) > 1 else f" {start + 1}"
            yield f"  column{last} of {len(numbers)}"
        file = StringIO()
        width = max(1, (screen.width - title_width) // len(part) - _GAP)
        console = Console(
            file=file,
            # A word that is wider than a very narrow terminal is folded, not lost.
            width=max(screen.width, title_width + len(part) * (width + _GAP)),
            color_system="standard" if screen.has_colour else None,
            force_terminal=screen.has_colour,
            legacy_windows=False,
            highlight=False,
            emoji=False,
            markup=False,
        )
        console.print(_Part(matrix, part, screen, console, title_width, width, max_lines).table(rows))
        yield from (line.rstrip() for line in file.getvalue().splitlines())


class _Part:
    """Some of the matrix's columns, as many as fit side by side."""

    def __init__(
        self,
        matrix: Matrix,
        numbers: Sequence[int],
        screen: Screen,
        console: "Console",
        title_width: int,
        cell_width: int,
        max_lines: int | None,
    ) -> None:
        self._matrix, self._numbers, self._screen, self._console = matrix, numbers, screen, console
        self._title_width, self._cell_width, self._max_lines = title_width, cell_width, max_lines
        self._marks = screen.marks
        self._has_providers = len({column.provider for column in matrix.columns.values()}) > 1
        self._prompts = list(dict.fromkeys(column.prompt for column in matrix.columns.values()))

    def table(self, rows: Sequence[MatrixRow]) -> "Table":
        from rich import box
        from rich.table import Table

        shape = box.SIMPLE_HEAD if self._screen.is_unicode else box.ASCII2
        table = Table(
            box=shape, show_edge=False, show_footer=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
        )
        total = self._text(count(len(self._matrix.rows), "test"), self._title_width, 1)
        table.add_column(self._text("Test", self._title_width, 1), total, width=self._title_width, overflow="fold")
        for number in self._numbers:
            column = self._matrix.columns[number]
            table.add_column(self._head(column), self._total(column), width=self._cell_width, overflow="fold")
        for row in rows:
            title = self._text(row.title, self._title_width, self._max_lines)
            cells = [self._cell(row.cells.get(number)) for number in self._numbers]
            # In a full table cells have many lines, and rows need something between them.
            table.add_row(title, *cells, end_section=self._max_lines is None)
        return table

    def _head(self, column: MatrixColumn) -> "Text":
        lines = []
        if self._has_providers or len(self._prompts) == 1:
            lines.append(self._text(column.provider, self._cell_width, 1))
        if len(self._prompts) > 1:
            # A prompt's beginning may be that of all others.
            label = f"[{self._prompts.index(column.prompt) + 1}] {_one_line(column.prompt)}"
            lines.append(self._text(label, self._cell_width, 1))
        return _joined(lines)

    def _total(self, column: MatrixColumn) -> "Text":
        share = column.passed / column.tests if column.tests else 0.0
        mean = column.score / column.tests if column.tests else 0.0
        lines = [f"{column.passed:,}/{column.tests:,} passed, {percent(share)}", f"mean score {mean:.3f}"]
        if column.cost:
            lines.append(dollars(column.cost))
        return _joined([self._text(line, self._cell_width, None) for line in lines])

    def _cell(self, cell: MatrixCell | None) -> "Text":
        from rich.text import Text

        if cell is None:
            return Text(self._marks["none"], style="dim")
        mark = self._marks[cell.status] + " "
        body = cell.text if self._max_lines is None else _one_line(cell.text)
        # The lines below the mark are indented: marks can be found by looking down a column.
        room = max(1, self._cell_width - len(mark))
        lines = self._text(body or "(empty)", room, self._max_lines).plain.split("\n")
        colour = {"pass": "green", "fail": "red", "error": "yellow"}[cell.status]
        return Text().append(mark, colour).append(f"\n{' ' * len(mark)}".join(lines))

    def _text(self, value: str, width: int, max_lines: int | None) -> "Text":
        """The value in lines of at most `width`; the last of too many lines ends with the sign of a cut."""
        from rich.text import Text

        # No cell shows more than so many characters; wrapping the rest of a long answer would take time for nothing.
        limit = None if max_lines is None else (width + 1) * max_lines * 2
        lines = Text(self._screen.shown(value[:limit])).wrap(self._console, width, tab_size=4)
        is_cut = max_lines is not None and (len(lines) > max_lines or (limit is not None and len(value) > limit))
        kept = [line.plain.rstrip() for line in (lines[:max_lines] if max_lines is not None else lines)]
        if is_cut and kept:
            kept[-1] = _cut(kept[-1], width, self._marks["cut"])
        return Text("\n".join(kept))


def _joined(lines: Sequence["Text"]) -> "Text":
    from rich.text import Text

    return Text("\n").join(lines)


def _one_line(text: str) -> str:
    return " ".join(text[:2_000].split())


def _cut(line: str, width: int, sign: str) -> str:
    from rich.cells import cell_len, set_cell_size

    room = width - len(sign)
    return (line if cell_len(line) <= room else set_cell_size(line, max(0, room)).rstrip()) + sign
