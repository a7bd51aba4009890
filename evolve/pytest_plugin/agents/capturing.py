"""Turns failed tests into failure cases. With pytest-xdist, workers make the cases and the controller writes them."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from evolve.core.cases.capture import Failure, NotCaptured
    from evolve.core.cases.failure_case import FailureCase
    from evolve.core.model.events import CaseResult
    from evolve.pytest_plugin.agents.recording import Exchange
    from evolve.store.case_writer import CaseMaker, CaseWriter

_ATTRIBUTE: Final = "evolve_failure"
"""The attribute of a report with its failure case or refusal, as JSON; pytest-xdist sends plain attributes only."""


class Capture:
    """The hooks; heavy modules are loaded at the first failure only."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._folder = config.rootpath / config.getini("suite_failure_cases")
        self._max_new = _whole_number(config.getini("suite_max_new_cases"))
        self._keeps_personal_data = _keeps(config.getini("suite_personal_data"))
        self._writes = not hasattr(config, "workerinput")
        self._maker: CaseMaker | None = None
        self._writer: CaseWriter | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Make a case of a failure in the call phase; errors in setup are faults of the environment."""
        report: Any = yield
        if report.when == "call" and report.failed and call.excinfo is not None:
            made = self._case_of(item, call.excinfo)
            if made is not None:
                setattr(report, _ATTRIBUTE, made)
        return report  # type: ignore[no-any-return]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the report's case, except in a worker of pytest-xdist."""
        made = getattr(report, _ATTRIBUTE, None)
        if made is not None and self._writes:
            self._get_writer().take(_read(made))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List new cases, regressions, repeats, and what was not captured and why."""
        lines = list(self._writer.lines()) if self._writer is not None else []
        if lines:
            terminalreporter.section("failure cases")
            for line in lines:
                terminalreporter.write_line(line, red=line.startswith("REGRESSION"))

    def _case_of(self, item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> str | None:
        """Return the case or refusal of an item's failure, as JSON; None for a split's score, which is not a test."""
        from evolve.core.model.errors import EvolveError
        from evolve.pytest_plugin.suites.collecting import Failed, SplitItem, SuiteItem

        if isinstance(item, SplitItem):
            return None
        if isinstance(item, SuiteItem):
            return self._of_result(item.result) if excinfo.errisinstance(Failed) else None
        if excinfo.errisinstance(EvolveError):
            return _refusal_json(item.nodeid, "the test ended with an error, so no prompt is at fault")
        return self._of_test(item, excinfo)

    def _of_result(self, result: "CaseResult | None") -> str | None:
        return _to_json(self._get_maker().of_result(result)) if result is not None else None

    def _of_test(self, item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> str | None:
        """Return the case or refusal of a Python test's failure, as JSON; None for a test that asked no agent."""
        from evolve.pytest_plugin.agents.recording import EXCHANGES
        from evolve.store.case_agents import find_known_agent

        exchanges = item.stash.get(EXCHANGES, [])
        if not exchanges:
            return None
        last = exchanges[-1]
        agent = find_known_agent(last.agent_name)
        return _to_json(self._get_maker().of_failure(_failure(item, excinfo, last), agent.render if agent else None))

    def _get_maker(self) -> "CaseMaker":
        if self._maker is None:
            from evolve.pytest_plugin.suites.session import settings_of
            from evolve.store.case_writer import CaseMaker, redactor_for

            cache_dir = settings_of(self._config).cache_dir
            self._maker = CaseMaker(redactor_for(os.environ, cache_dir, keeps_personal_data=self._keeps_personal_data))
        return self._maker

    def _get_writer(self) -> "CaseWriter":
        if self._writer is None:
            from evolve.store.case_writer import CaseWriter, case_folder

            self._writer = CaseWriter(
                case_folder(_near(self._folder), os.environ, _near(self._config.rootpath), self._max_new)
            )
        return self._writer


def _failure(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException], exchange: "Exchange") -> "Failure":
    from evolve.core.cases.capture import Failure

    split = next((name for name in ("gate", "val", "test") if item.get_closest_marker(name)), "train")
    return Failure(
        agent=exchange.agent.name,
        test=item.nodeid,
        vars=exchange.vars,
        prompt=exchange.prompt,
        checks=(excinfo.typename,),
        reasons=(excinfo.exconly(tryshort=True),),
        kind="pytest",
        description=item.name,
        family=exchange.family,
        split=split,
        agent_title=exchange.agent.title,
        provider=exchange.provider,
        output=exchange.output,
        accepted=exchange.accepted,
        forbidden=exchange.forbidden,
        settings=exchange.settings,
        output_schema=exchange.agent.output,
        is_judged_by_them=False,
    )


def _to_json(made: "FailureCase | NotCaptured") -> str:
    from evolve.core.cases.capture import NotCaptured
    from evolve.core.cases.failure_case import to_mapping

    if isinstance(made, NotCaptured):
        return _refusal_json(made.test, made.reason)
    return json.dumps({"case": to_mapping(made)})


def _refusal_json(test: str, reason: str) -> str:
    return json.dumps({"test": test, "reason": reason})


def _read(made: str) -> "FailureCase | NotCaptured":
    from evolve.core.cases.capture import NotCaptured
    from evolve.core.cases.failure_case import from_mapping

    data = json.loads(made)
    return (
        from_mapping(data["case"], "a worker's report") if "case" in data else NotCaptured(data["test"], data["reason"])
    )


def _near(path: Path) -> Path:
    """Return the path for messages: relative to the working folder if it is inside."""
    return Path(os.path.relpath(path)) if path.is_relative_to(Path.cwd()) else path


def _keeps(text: str) -> bool:
    if text not in ("mask", "keep"):
        raise pytest.UsageError(f"ini option suite_personal_data: expected mask or keep, got {text!r}")
    return text == "keep"


def _whole_number(text: str) -> int:
    if not text.isdecimal():
        raise pytest.UsageError(f"ini option suite_max_new_cases: expected a whole number, got {text!r}")
    return int(text)
