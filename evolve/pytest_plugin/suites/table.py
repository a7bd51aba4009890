"""The matrix of each suite in pytest's summary: tests by provider and prompt, with their outputs."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from evolve.pytest_plugin.suites.collecting import SuiteItem
from evolve.report.suites.matrix import MatrixCell, cell_of
from evolve.report.suites.matrix_table import MatrixTables, Screen
from evolve.report.terminal import command_line

_ATTRIBUTE = "suite_cell"
"""Of a report; made of texts and numbers, so that a worker of pytest-xdist can send it."""


class ResultTable:
    """A plug-in of one pytest run; a worker of pytest-xdist has its own, which prints nothing."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cells: dict[str, list[MatrixCell]] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        """Add the result to the report of the phase that ends a suite's item."""
        report: Any = yield
        is_last = report.when == "call" or (report.when == "setup" and report.failed)
        if is_last and isinstance(item, SuiteItem) and item.result is not None:
            setattr(report, _ATTRIBUTE, {"suite": item.nodeid.partition("::")[0], **asdict(cell_of(item.result))})
        return report  # type: ignore[no-any-return]

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Remember the result, from whichever process it comes."""
        facts = getattr(report, _ATTRIBUTE, None)
        if facts is not None:
            values = {**facts}
            self._cells.setdefault(values.pop("suite"), []).append(MatrixCell(**values))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the tables below the failures."""
        if not self._cells:
            return
        tables = self._tables(terminalreporter)
        for suite, cells in sorted(self._cells.items()):
            terminalreporter.section(suite)
            for line in tables.lines(cells):
                terminalreporter.write_line(line)
        for line in tables.end_lines():
            terminalreporter.write_line(line)

    def _tables(self, reporter: pytest.TerminalReporter) -> MatrixTables:
        writer: Any = reporter._tw
        encoding = getattr(writer._file, "encoding", None) or "utf-8"
        # Of an option that is there twice the later one counts.
        everything = command_line("pytest", [*map(str, self._config.invocation_params.args), "--suite-table", "full"])
        screen = Screen(writer.fullwidth, encoding, reporter.hasmarkup)
        return MatrixTables(self._config.getoption("--suite-table"), screen, full_command=everything)
