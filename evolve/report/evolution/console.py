"""An evolution on the console: its progress, and at its end the same numbers as the page."""

from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from evolve.core.evolution.summary import EvolutionSummary
from evolve.core.model.evolution_events import (
    Estimate,
    EstimateRevised,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
)
from evolve.core.text.visible import visible
from evolve.report.evolution.lines import best, cost_line, notable, now, progress, start_lines, title_line
from evolve.report.quantities import duration

_WINDOW = 48
"""Paid answers by which the speed is measured: a few candidates' answers."""
_FEWEST = 8
"""Answers that make a pace: the first ones wait for the model to load and for a prefix that is in no cache."""

Clock = Callable[[], float]
"""Seconds of a clock that never goes back."""


class EvolutionConsole:
    """Shows a run: a live area on a terminal, plain lines in logs and CI.

    Give it a stream that carries no results (stderr). As a context manager it leaves the terminal as it was.
    """

    def __init__(self, stream: TextIO, clock: Clock, env: Mapping[str, str], *, every_s: float = 5.0) -> None:
        self.evolution = EvolutionSummary()
        self._stream = stream
        self._times = _Times(clock)
        is_live = stream.isatty() and not env.get("CI") and env.get("TERM") != "dumb"
        self._display: _Display = _Live(stream, env, self._times) if is_live else _Plain(stream, self._times, every_s)

    def on(self, event: EvolutionEvent) -> None:
        """Take one event, and show it when it is time."""
        self.evolution.add(event)
        self._times.on(event, self.evolution)
        if isinstance(event, EvolutionStarted):
            for line in start_lines(event):
                print(f"evolve: {line}", file=self._stream, flush=True)
        self._display.on(event, self.evolution)

    def warn(self, text: str) -> None:
        """Show a warning."""
        print(f"evolve: warning: {visible(text)}", file=self._stream, flush=True)

    def close(self) -> None:
        """Remove the live area."""
        self._display.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Display(Protocol):
    def on(self, event: EvolutionEvent, evolution: EvolutionSummary) -> None: ...
    def close(self) -> None: ...


class _Times:
    """When the run began, and how long it will still take."""

    def __init__(self, clock: Clock) -> None:
        self.now = clock
        self._began_s = clock()
        self._points: deque[tuple[int, float, float]] = deque(maxlen=_WINDOW)
        """Paid answers, what they used of the budget, and the time; one for each of the last ones."""
        self._estimated_s = 0.0
        """Seconds for each unit of the budget, by the last estimate."""

    def on(self, event: EvolutionEvent, evolution: EvolutionSummary) -> None:
        if isinstance(event, EvolutionStarted):
            self._began_s = self.now()
            self._points.clear()
            self._points.append((evolution.spent, evolution.used, self._began_s))
            self._estimated_s = _each_s(event.estimate, event, evolution)
        elif isinstance(event, EstimateRevised):
            self._estimated_s = _each_s(event.rest, evolution.started, evolution)
        elif self._points and evolution.spent > self._points[-1][0]:
            self._points.append((evolution.spent, evolution.used, self.now()))

    @property
    def elapsed_s(self) -> float:
        return self.now() - self._began_s

    def left_s(self, evolution: EvolutionSummary) -> float:
        """Return how long it still takes at most: the rest of the budget, at the speed of the last answers."""
        return self._each_s(evolution) * evolution.budget_left

    def _each_s(self, evolution: EvolutionSummary) -> float:
        """Seconds for each unit of the budget: the last ones', because a candidate that reasons takes longer."""
        first = (evolution.spent, evolution.used, self._began_s)
        spent, used, since_s = self._points[0] if self._points else first
        is_known = evolution.spent - spent >= _FEWEST and evolution.used > used
        return (self.now() - since_s) / (evolution.used - used) if is_known else self._estimated_s

    def text(self, evolution: EvolutionSummary) -> str:
        """Return how long the run has taken, and how long it still takes."""
        return _left_text(self.elapsed_s, self.left_s(evolution))


def _each_s(estimate: Estimate, started: EvolutionStarted | None, evolution: EvolutionSummary) -> float:
    """The estimate's seconds for each unit of the budget."""
    if started is None or started.budget_unit == "answers":
        return estimate.seconds_per_answer
    return estimate.seconds / evolution.budget_left if evolution.budget_left else 0.0


def _left_text(elapsed_s: float, left_s: float) -> str:
    """Return how long a run has taken, and how long it still takes."""
    return f"{duration(elapsed_s)}, at most {duration(left_s)} left"


class _Plain:
    """A line per notable event, and one every few seconds between them."""

    def __init__(self, stream: TextIO, times: _Times, every_s: float) -> None:
        self._stream, self._times, self._every_s = stream, times, every_s
        self._last_s = times.now()

    def on(self, event: EvolutionEvent, evolution: EvolutionSummary) -> None:
        line = notable(event, evolution)
        if not line and evolution.started and self._times.now() - self._last_s >= self._every_s:
            line = f"{progress(evolution)}; {self._times.text(evolution)}"
        if line:
            self._last_s = self._times.now()
            print(f"evolve: {line}", file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing to clean up."""


class _Live:
    """One area of six rows, redrawn in place.

    The rows' texts are made when events arrive, at most five times a second (nobody reads faster, and a fast provider
    sends hundreds of events a second); the thread that draws reads only these texts.
    """

    def __init__(self, stream: TextIO, env: Mapping[str, str], times: _Times) -> None:
        from rich.console import Console

        # Rich reads NO_COLOR, COLUMNS and the terminal's kind from the environment it is given.
        self._console = Console(file=stream, _environ=dict(env))
        self._times = times
        self._live: Any = None
        self._made_s = float("-inf")
        self._texts: tuple[str, ...] = ()
        self._left_s = 0.0
        self._share = 0.0
        self._last = ""

    def on(self, event: EvolutionEvent, evolution: EvolutionSummary) -> None:
        line = notable(event, evolution)
        self._last = line or self._last
        if isinstance(event, EvolutionFinished):
            self.close()
        elif line or self._times.now() - self._made_s >= 0.2:  # five times a second, as often as Rich draws
            self._make(evolution)
            self._open()

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _open(self) -> None:
        from rich.live import Live

        if self._live is None:
            self._live = Live(get_renderable=self.rows, console=self._console, refresh_per_second=5, transient=True)
            self._live.start()

    def _make(self, evolution: EvolutionSummary) -> None:
        self._made_s = self._times.now()
        budget = evolution.started.budget if evolution.started else 0
        self._share = evolution.used / budget if budget else 0.0
        self._left_s = self._times.left_s(evolution)
        self._texts = tuple(
            visible(text)
            for text in (title_line(evolution), best(evolution), cost_line(evolution), now(evolution), self._last)
        )

    def rows(self) -> Any:
        """Return what the area shows."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if not self._texts:
            return Text("")
        head, leader, spent, current, last = self._texts
        left = _left_text(self._times.elapsed_s, self._left_s)
        styled = ((head, "bold"), (leader, ""), (f"{spent}; {left}", ""), (current, "dim"), (last, "dim"))
        rows = Table.grid(expand=True)
        rows.add_row(ProgressBar(1.0, min(self._share, 1.0)))
        for text, style in styled:
            rows.add_row(Text(text, style, overflow="ellipsis", no_wrap=True))
        return rows
