"""Failing items of suites as annotations of GitHub Actions, and a log in which answers of models are no commands.

GitHub obeys any line of a log that begins with `::`. A failure shows the model's answer, so that commands are off from
the first item to the end of the report; then the annotations follow.
"""

import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from evolve.core.model.errors import Location
from evolve.pytest_plugin.suites.collecting import SplitItem, SuiteItem
from evolve.report.suites.annotations import SHOWN, annotation
from evolve.report.suites.text import failure_location, failure_title

_ATTRIBUTE = "suite_annotation"
"""Of a report; made of texts and numbers, so that a worker of pytest-xdist can send it."""


class Annotating:
    """A plug-in of one pytest run; a worker of pytest-xdist has its own, which prints nothing."""

    def __init__(self, config: pytest.Config) -> None:
        self._is_worker = hasattr(config, "workerinput")
        self._token = ""
        self._found: list[str] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        """Add what an annotation says to the report of a suite's item that failed."""
        report: Any = yield
        if report.failed and isinstance(item, SuiteItem | SplitItem):
            setattr(report, _ATTRIBUTE, _facts(item, report))
        return report  # type: ignore[no-any-return]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        """Tell GitHub to obey nothing until the report has ended."""
        if not self._is_worker:
            self._token = secrets.token_hex(16)
            _write(session.config, f"::stop-commands::{self._token}")
        return (yield)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Remember the annotation of a report, from whichever process it comes."""
        facts = getattr(report, _ATTRIBUTE, None)
        if facts is not None and not self._is_worker and len(self._found) < SHOWN:
            where = Location(facts["file"], facts["line"], facts["column"])
            self._found.append(annotation(facts["message"], where, os.environ, title=facts["title"]))

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Write the annotations after all that pytest prints."""
        if self._token:
            for line in (f"::{self._token}::", *self._found):
                _write(config, line)
            self._token = ""


def _facts(item: SuiteItem | SplitItem, report: Any) -> dict[str, Any]:
    result = item.result if isinstance(item, SuiteItem) else None
    where = (failure_location(result) if result is not None else None) or Location(str(item.path))
    has_failed = result is not None and result.status != "pass"
    return {
        "file": where.file,
        "line": where.line,
        "column": where.column,
        "title": item.evaluation.id if isinstance(item, SuiteItem) else item.name,
        # A test that passes although `xfail` with strict says otherwise has no failure of its own.
        "message": failure_title(result) if result is not None and has_failed else _crash(report.longrepr),
    }


def _crash(shown: Any) -> str:
    crash = getattr(shown, "reprcrash", None)
    return str(crash.message if crash is not None else shown)


def _write(config: pytest.Config, line: str) -> None:
    """Write a line of its own; without pytest's terminal nothing is printed that could hold a command."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.ensure_newline()
        reporter.write_line(line)
