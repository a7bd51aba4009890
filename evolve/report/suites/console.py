"""A run on the console: progress while it runs (stderr), and the summary at its end (stdout)."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TextIO

from evolve.core.evaluation.cut_answers import cut_note
from evolve.core.evaluation.derived_metrics import with_derived
from evolve.core.evaluation.outcomes import SuiteOutcome
from evolve.core.evaluation.scoring import column_metrics
from evolve.core.javascript.values import number_text
from evolve.core.model.answers import TokenUsage
from evolve.core.model.events import CaseFinished, CaseResult, Event, RunFinished, RunStarted
from evolve.core.text.counts import count
from evolve.core.text.visible import visible
from evolve.report.short_text import cut
from evolve.report.suites.matrix import cell_of
from evolve.report.suites.matrix_table import MatrixTables
from evolve.report.suites.text import failure_text
from evolve.report.terminal import Paint

SHOWN_IN_FULL = 10
"""Failures with prompt and output; further ones get a line each."""
SHOWN_AT_ALL = 200
"""Failures with a line; with more, the first ones would scroll out of most terminals' history."""


class Progress(Protocol):
    """Shows the progress of a run."""

    def handle(self, event: Event) -> None:
        """Take one event."""
        ...

    def stop(self) -> None:
        """Restore the terminal."""
        ...


class Quiet:
    """Shows nothing."""

    def handle(self, event: Event) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing to clean up."""


_RECENT = 32
"""The estimate follows the pace of so many last results: stored answers come first, and are faster than later ones."""
_FIRST_MINUTE_S = 60.0
"""Until then a log gets a line every few seconds; most runs end before."""
_SLOWER = 2
"""After the first minute the lines of a log are so many times rarer: otherwise an hour would give 700 lines."""


class Counts:
    """The progress of a run, and how long it will take at the pace of its last results."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = self.done = self.failed = self.errors = 0
        self.score = 0.0
        self._clock = clock
        self._began_s = clock()
        self._recent: deque[float] = deque(maxlen=_RECENT + 1)

    def handle(self, event: Event) -> None:
        """Count one event."""
        if isinstance(event, CaseFinished):
            self.done, self.total = event.done, event.total
            self.score += event.result.verdict.score
            self.failed += event.result.status == "fail"
            self.errors += event.result.status == "error"
            self._recent.append(self._clock())
        elif isinstance(event, RunStarted):
            self.total = event.evaluations
            self._began_s = self._clock()
            self._recent.append(self._began_s)

    @property
    def seconds(self) -> float:
        """Return the seconds since the run started."""
        return self._clock() - self._began_s

    @property
    def seconds_left(self) -> float | None:
        """Return how long the rest takes at the pace of the last results, measured until now; None before the first."""
        if not self.done:
            return None
        return (self._clock() - self._recent[0]) / max(1, len(self._recent) - 1) * (self.total - self.done)

    @property
    def text(self) -> str:
        """Return the counts in one line."""
        mean = self.score / self.done if self.done else 0.0
        counted = f"{self.failed} failed, {count(self.errors, 'error')}"
        return f"{self.done}/{self.total} done, {counted}, mean score {mean:.3f}"

    @property
    def time_text(self) -> str:
        """Return the time so far and the estimated rest, or that there is no answer yet."""
        left = self.seconds_left
        if left is None:
            return f"{self.seconds:.0f} s, no answer yet"
        return f"{self.seconds:.0f} s, about {left:.0f} s left"


class PlainProgress:
    """A line every few seconds, for logs, also while no answer arrives; a thread of its own checks the clock."""

    def __init__(self, stream: TextIO, every_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._every_s, self._clock = stream, every_s, clock
        self._counts = Counts(clock)
        self._last_s = clock()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def handle(self, event: Event) -> None:
        """Count the event, and print a line when it is time."""
        with self._lock:
            self._counts.handle(event)
            if isinstance(event, RunStarted):
                names = ", ".join(os.path.relpath(suite.path) for suite in event.suites)
                self._print(f"{count(event.evaluations, 'test')} of {names}")
                self._start()
        self.tick()

    def tick(self) -> None:
        """Print a line when the last one is long enough ago."""
        with self._lock:
            counts = self._counts
            pause = self._every_s * (_SLOWER if counts.seconds > _FIRST_MINUTE_S else 1)
            if counts.done < counts.total and self._clock() - self._last_s >= pause:
                self._print(f"{counts.text}, {counts.time_text}")

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._look, name="evolve-progress", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(self._every_s):
            self.tick()

    def _print(self, text: str) -> None:
        self._last_s = self._clock()
        print(f"evolve: {text}", file=self._stream, flush=True)


class LiveProgress:
    """A live area of three rows on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._counts = Counts()
        self._last = ""
        console = Console(file=stream)
        self._live: Any = Live(get_renderable=self._rows, console=console, refresh_per_second=5, transient=True)
        self._live.start()

    def handle(self, event: Event) -> None:
        """Count the event; the live area redraws itself."""
        self._counts.handle(event)
        if isinstance(event, CaseFinished) and event.result.status != "pass":
            reason = (event.result.error or event.result.verdict.reason).split("\n", 1)[0]
            self._last = visible(f"{event.result.status}: {event.result.evaluation.id}: {reason}")

    def stop(self) -> None:
        """Remove the live area."""
        self._live.stop()

    def _rows(self) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        counts = self._counts
        last = Text(self._last, overflow="ellipsis", no_wrap=True)
        rows = Table.grid(expand=True)
        for row in (ProgressBar(counts.total or 1, counts.done), Text(f"{counts.text}, {counts.time_text}"), last):
            rows.add_row(row)
        return rows


def open_progress(stream: TextIO, env: Mapping[str, str], *, quiet: bool) -> Progress:
    """Return the display that fits the stream: live on a terminal, plain lines in logs and CI."""
    if quiet:
        return Quiet()
    is_live = stream.isatty() and not env.get("CI") and env.get("TERM") != "dumb"
    return LiveProgress(stream) if is_live else PlainProgress(stream)


def summary(
    run: RunFinished,
    outcomes: Sequence[SuiteOutcome],
    paint: Paint,
    *,
    again: str = "",
    brief: bool = False,
    tables: MatrixTables | None = None,
) -> Iterator[str]:
    """Yield the lines that end a run: failures, totals, and how to run just the failing cases again.

    Args:
        run: the run.
        outcomes: its suites, each with its results.
        paint: adds colour where the stream shows it.
        again: the command that runs just the failing cases; empty for none.
        brief: only the totals, and the tables if there are any.
        tables: the matrix of each suite, drawn above its failures; None for no tables.
    """
    for item in outcomes:
        if tables is not None or not brief:
            yield _suite_title(item, paint)
        if tables is not None:
            yield from tables.lines(map(cell_of, item.results))
        if not brief:
            yield from _suite_lines(item, paint)
    if tables is not None:
        yield from tables.end_lines()
    yield _totals(run, outcomes, paint)
    if not brief:
        yield from _usage(run)
    note = cut_note([result for item in outcomes for result in item.results])
    if note:
        yield f"{paint('warning', 'yellow')}: {note}"
    if run.interrupted:
        yield paint("interrupted", "yellow") + ": finished answers are stored; the same command continues from there"
    if again:
        yield "run just these again:"
        yield f"  {again}"


def _suite_title(item: SuiteOutcome, paint: Paint) -> str:
    path = os.path.relpath(item.suite.path)
    return paint(path, "bold") + (f"  {item.suite.description}" if item.suite.description else "")


def _suite_lines(item: SuiteOutcome, paint: Paint) -> Iterator[str]:
    marked: list[tuple[str, str, CaseResult]] = [("FAIL", "red", result) for result in item.failures]
    marked += [("ERROR", "red", result) for result in item.errors]
    for number, (word, colour, result) in enumerate(marked[:SHOWN_AT_ALL]):
        yield from _case_lines(paint(word, colour), result, in_full=number < SHOWN_IN_FULL)
    if len(marked) > SHOWN_AT_ALL:
        yield f"  ... and {len(marked) - SHOWN_AT_ALL} more"
    for result in item.known[:SHOWN_AT_ALL]:
        yield from _case_lines(paint("known", "yellow"), result, in_full=False)
    for result in item.expected[:SHOWN_AT_ALL]:
        yield from _case_lines(paint("xfail", "yellow"), result, in_full=False)
    yield from (f"  {paint('kept', 'green') if v.is_kept else paint('FELL', 'red')} {v.text}" for v in item.splits)
    yield from _metric_lines(item)


def _case_lines(word: str, result: CaseResult, *, in_full: bool) -> Iterator[str]:
    # A line or two of a terminal; failures in full have all of it.
    reason = visible(cut((result.error or result.verdict.reason).split("\n", 1)[0], 200))
    yield f"  {word} {visible(result.evaluation.id)}" + ("" if in_full else f": {reason}")
    if in_full:
        yield from (f"      {line}" for line in failure_text(result).splitlines())


def _metric_lines(item: SuiteOutcome) -> Iterator[str]:
    """Named scores by column, as means where they are sums of scores."""
    columns = column_metrics(item.results)
    for metrics in columns.values():
        derived = with_derived(metrics, item.suite.derived_metrics)
        parts = []
        for name, value in derived.metrics.named_scores.items():
            weight = metrics.named_score_weights.get(name)
            parts.append(f"{name} {number_text(round(value / weight if weight else value, 3))}")
        if parts:
            # The label may be a whole prompt; its beginning distinguishes the columns.
            label = f" [{cut(metrics.prompt_label, 40)}]" if len(columns) > 1 else ""
            yield visible(f"  metrics {metrics.provider}{label}: {', '.join(parts)}")
        yield from (visible(f"  warning: {problem}") for problem in derived.problems)


def _totals(run: RunFinished, outcomes: Iterable[SuiteOutcome], paint: Paint) -> str:
    found = tuple(outcomes)
    counts = {
        "passed": sum(item.passed for item in found),
        "failed": sum(len(item.failures) for item in found),
        "errors": sum(len(item.errors) for item in found),
        "known failures": sum(len(item.known) for item in found),
        "expected failures": sum(len(item.expected) for item in found),
        "skipped": sum(item.skipped for item in found),
    }
    results = [result for item in found for result in item.results]
    mean = sum(result.verdict.score for result in results) / len(results) if results else 0.0
    always = ("passed", "failed", "errors")
    shown = {name: number for name, number in counts.items() if number or name in always}
    text = ", ".join(_counted(number, name) for name, number in shown.items())
    is_good = all(item.is_good for item in found)
    good = paint("STOPPED", "yellow") if run.interrupted else paint("PASS", "green")
    word = good if is_good else paint("FAIL", "red")
    return f"{word}: {text}; mean score {mean:.3f}; {run.seconds:.1f} s"


def _counted(number: int, name: str) -> str:
    return f"{number} {name[:-1] if number == 1 and name.endswith('s') else name}"


def _usage(run: RunFinished) -> Iterator[str]:
    """Tokens and costs, where providers report them."""
    tokens, graders, cost, asked, cached = TokenUsage(), TokenUsage(), 0.0, 0, 0
    for _, results in run.results:
        for result in results:
            graders += result.verdict.tokens
            if result.answer is not None:
                asked += 1
                cached += result.answer.cached
                tokens += result.answer.tokens
                cost += result.answer.cost or 0.0
    parts = [f"answers {asked}" + (f" ({cached} from the store)" if cached else "")]
    if tokens.total:
        reused = f", {tokens.cached:,} of them reused" if tokens.cached else ""
        parts.append(f"tokens {tokens.total:,} (prompt {tokens.prompt:,}{reused}, completion {tokens.completion:,})")
    if graders.total:
        parts.append(f"graders' tokens {graders.total:,}")
    if cost:
        parts.append(f"cost ${cost:.4f}")
    if len(parts) > 1 or cached:
        yield "; ".join(parts)
