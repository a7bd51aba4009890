"""What all suites of one pytest run share: the settings, and the thread that asks ahead."""

import gc
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from evolve.core.model.errors import InputError
from evolve.core.model.events import CaseResult
from evolve.core.suites.units import Unit
from evolve.evaluation.setup import Settings
from evolve.providers import ProviderSettings
from evolve.pytest_plugin.suites.ahead import Ahead, Wanted

if TYPE_CHECKING:
    from evolve.pytest_plugin.suites.run_facts import RunFacts

_MANY = 1_000
"""From this number of items on they are hidden from the garbage collector: it would search all of them for nothing."""
_RARELY = 20_000
"""How many new objects then start a collection, instead of Python's few hundred."""


class SuiteSession:
    """One per pytest run (or xdist worker) that collects suites."""

    def __init__(self, config: pytest.Config, facts: "RunFacts | None" = None) -> None:
        self.settings = settings_of(config)
        self.facts = facts
        """Collects what ran; None where no report says it."""
        self.notice = ""
        """What the user should know at the end of the run."""
        # With -x, answers that no item uses are wasted.
        self._is_careful = bool(config.getoption("maxfail", 0))
        self._worker = _worker_of(config)
        self._ahead: Ahead | None = None
        self._session: pytest.Session | None = None
        self._threshold: tuple[int, int, int] | None = None

    def begin(self, session: pytest.Session) -> None:
        """Remember the selected items; the first suite item that runs starts the calls."""
        self._session = session
        if sum(1 for _ in _wanted_results(session.items)) >= _MANY:
            # They live until the process ends. Collections that search them, two of them at the end, are a sixth of all
            # CPU, so they stay frozen.
            gc.freeze()
            self._threshold = gc.get_threshold()
            gc.set_threshold(_RARELY, *self._threshold[1:])

    def look_ahead(self, nextitem: pytest.Item | None) -> None:
        """Announce the items in this worker's queue; without xdist all of them were announced at once."""
        if self._worker is not None and self._ahead is not None:
            self._ahead.offer(_wanted_results(self._queue(nextitem)))

    def result(self, item: pytest.Item, wanted: Wanted) -> CaseResult:
        """Wait for the item's result and return it."""
        if self._ahead is None:
            self._ahead = Ahead(self.settings, is_careful=self._is_careful)
            self.notice = self._ahead.notice
            selected = self._session.items if self._session is not None and self._worker is None else [item]
            self._ahead.offer(_wanted_results(selected))
        return self._ahead.result(wanted)

    def end(self) -> None:
        """Stop asking, and close all providers."""
        if self._threshold is not None:
            gc.set_threshold(*self._threshold)
            self._threshold = None
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.stop()

    def _queue(self, nextitem: pytest.Item | None) -> Iterator[pytest.Item]:
        if nextitem is not None:
            yield nextitem
        items = self._session.items if self._session is not None else []
        with self._worker.torun.lock() as queue:
            indices = [index for index in queue if isinstance(index, int)]
        yield from (items[index] for index in indices if index < len(items))


def _wanted_results(items: Iterable[pytest.Item]) -> Iterator[Wanted]:
    for item in items:
        found = getattr(item, "wanted", None)
        # A conftest may have marked it to be skipped: then nobody looks at the answer, and it would be paid for.
        if isinstance(found, Wanted) and item.get_closest_marker("skip") is None:
            yield found


def _worker_of(config: pytest.Config) -> Any:
    """Return xdist's object for this worker, which has the queue of items; None without xdist."""
    if not hasattr(config, "workerinput"):
        return None
    return next((plugin for plugin in config.pluginmanager.get_plugins() if hasattr(plugin, "torun")), None)


def settings_of(config: pytest.Config) -> Settings:
    """Return the settings from the ini file and the command line; raises UsageError for wrong ones."""
    undefined, unknown = config.getini("suite_undefined"), config.getini("suite_unknown_keys")
    if undefined not in ("typos", "strict", "empty"):
        raise pytest.UsageError(f"ini option suite_undefined: expected typos, strict or empty, got {undefined!r}")
    if unknown not in ("typos", "error", "warn"):
        raise pytest.UsageError(f"ini option suite_unknown_keys: expected typos, error or warn, got {unknown!r}")
    most = config.getini("suite_max_evaluations")
    if not most.isdecimal() or int(most) == 0:
        raise pytest.UsageError(f"ini option suite_max_evaluations: expected a positive integer, got {most!r}")
    try:
        settings = Settings(
            undefined=undefined,
            unknown_keys=unknown,
            max_evaluations=int(most),
            concurrency=config.getoption("--suite-concurrency"),
            use_cache=not config.getoption("--no-suite-cache"),
            runs_hooks=not config.getoption("collectonly"),
        )
        # The EVOLVE_* variables are checked before anything runs.
        ProviderSettings.from_environment(settings.env)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    return settings


__all__ = ["SuiteSession", "Unit", "settings_of"]
