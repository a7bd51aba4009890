"""A run on the console: progress while it lasts (stderr), and the summary at its end (stdout)."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TextIO

from evolve.core.evaluation.cut_answers import cut_note
from evolve.core.evaluation.derived_metrics import with_derived
from evolve.core.evaluation.outcomes import SuiteOutcome
from evolve.core.evaluation.scoring import column_metrics
from evolve.core.javascript.values import number_text
from evolve.core.model.answers import TokenUsage
from evolve.core.model.events import CaseFinished, CaseResult, Event, RunFinished, RunStarted
from evolve.core.text.visible import visible
from evolve.report.short_text import cut
from evolve.report.suites.text import failure_text
from evolve.report.terminal import Paint

SHOWN_IN_FULL = 10
"""Failures with prompt and output; the further ones have a line each."""
SHOWN_AT_ALL = 200


class Progress(Protocol):
    """Listens to a run and shows how far it is."""

    def handle(self, event: Event) -> None:
        """Takes note of one event."""
        ...

    def stop(self) -> None:
        """Leaves the terminal as it was found."""
        ...


class Quiet:
    """Shows nothing."""

    def handle(self, event: Event) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing to clean up."""


class Counts:
    """How a run stands."""

    def __init__(self) -> None:
        self.total = self.done = self.failed = self.errors = 0
        self.score = 0.0
        self.began_s = time.monotonic()

    def handle(self, event: Event) -> None:
        """Counts one event."""
        if isinstance(event, CaseFinished):
            self.done, self.total = event.done, event.total
            self.score += event.result.verdict.score
            self.failed += event.result.status == "fail"
            self.errors += event.result.status == "error"
        elif isinstance(event, RunStarted):
            self.total = event.evaluations
            self.began_s = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the run started."""
        return time.monotonic() - self.began_s

    @property
    def seconds_left(self) -> float:
        """As long again as the rest takes at this speed."""
        return self.seconds / self.done * (self.total - self.done) if self.done else 0.0

    @property
    def time_text(self) -> str:
        """How long it takes so far, and how long still."""
        return f"{self.seconds:.0f} s, about {self.seconds_left:.0f} s left"

    @property
    def text(self) -> str:
        """One line."""
        mean = self.score / self.done if self.done else 0.0
        return f"{self.done}/{self.total} done, {self.failed} failed, {self.errors} errors, mean score {mean:.3f}"


class PlainProgress:
    """A line now and then, for logs: at each tenth of the run, but at most every few seconds."""

    def __init__(self, stream: TextIO, every_s: float = 5.0) -> None:
        self._stream, self._every_s = stream, every_s
        self._counts = Counts()
        self._last_s = time.monotonic()
        self._last_tenth = 0

    def handle(self, event: Event) -> None:
        """Counts, and prints when it is time."""
        self._counts.handle(event)
        if isinstance(event, RunStarted):
            names = ", ".join(os.path.relpath(suite.path) for suite in event.suites)
            self._print(f"{event.evaluations} tests of {names}")
        elif isinstance(event, CaseFinished) and event.done < event.total:
            tenth = event.done * 10 // event.total
            if tenth > self._last_tenth and time.monotonic() - self._last_s >= self._every_s:
                self._last_tenth, self._last_s = tenth, time.monotonic()
                self._print(f"{self._counts.text}, {self._counts.time_text}")

    def stop(self) -> None:
        """Nothing to clean up."""

    def _print(self, text: str) -> None:
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
        """Counts; the live area draws itself."""
        self._counts.handle(event)
        if isinstance(event, CaseFinished) and event.result.status != "pass":
            reason = (event.result.error or event.result.verdict.reason).split("\n", 1)[0]
            self._last = visible(f"{event.result.status}: {event.result.evaluation.id}: {reason}")

    def stop(self) -> None:
        """Removes the live area."""
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
    """The display that fits: live on a terminal, plain lines in logs and CI."""
    if quiet:
        return Quiet()
    is_live = stream.isatty() and not env.get("CI") and env.get("TERM") != "dumb"
    return LiveProgress(stream) if is_live else PlainProgress(stream)


def summary(
    run: RunFinished, outcomes: Sequence[SuiteOutcome], paint: Paint, *, again: str = "", brief: bool = False
) -> Iterator[str]:
    """The lines that end a run: failures, totals, and how to run just the failing cases again."""
    if not brief:
        for item in outcomes:
            yield from _suite_lines(item, paint)
    yield _totals(run, outcomes, paint)
    if not brief:
        yield from _usage(run)
    note = cut_note([result for item in outcomes for result in item.results])
    if note:
        yield f"{paint('warning', 'yellow')}: {note}"
    if run.interrupted:
        yield paint("interrupted", "yellow") + ": what was finished is kept; the same command goes on from there"
    if again:
        yield "run just these again:"
        yield f"  {again}"


def _suite_lines(item: SuiteOutcome, paint: Paint) -> Iterator[str]:
    path = os.path.relpath(item.suite.path)
    yield paint(path, "bold") + (f"  {item.suite.description}" if item.suite.description else "")
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
            label = f" [{cut(metrics.prompt_label, 40)}]" if len(columns) > 1 else ""
            yield f"  metrics {metrics.provider}{label}: {', '.join(parts)}"
        yield from (f"  warning: {problem}" for problem in derived.problems)


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
    text = ", ".join(f"{count} {name}" for name, count in counts.items() if count or name in always)
    is_good = all(item.is_good for item in found)
    good = paint("STOPPED", "yellow") if run.interrupted else paint("PASS", "green")
    word = good if is_good else paint("FAIL", "red")
    return f"{word}: {text}; mean score {mean:.3f}; {run.seconds:.1f} s"


def _usage(run: RunFinished) -> Iterator[str]:
    """Tokens and costs, where providers tell them."""
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
