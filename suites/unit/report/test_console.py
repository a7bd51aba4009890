"""What a run shows while it lasts, and at its end."""

import io
import shlex
import time
from dataclasses import replace

import pytest
from rich.console import Console

from evolve.core.evaluation.outcomes import outcome
from evolve.core.model.events import CaseFinished, RunStarted
from evolve.report.suites.console import Counts, LiveProgress, PlainProgress, Quiet, open_progress, summary
from evolve.report.terminal import Paint, command_line, say
from fixtures.report_runs import report_run


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def events(count: int):
    run = report_run(count)
    ((suite, results),) = run.results
    yield RunStarted(run.suites, count, 0.0)
    for number, result in enumerate(results, 1):
        yield CaseFinished(suite, result, number, count)


@pytest.mark.parametrize(
    ("stream", "env", "quiet", "kind"),
    [
        (io.StringIO(), {}, False, PlainProgress),
        (Terminal(), {"CI": "true"}, False, PlainProgress),
        (Terminal(), {"TERM": "dumb"}, False, PlainProgress),
        (Terminal(), {}, True, Quiet),
        (Terminal(), {"TERM": "xterm"}, False, LiveProgress),
    ],
)
def test_the_display_fits_the_terminal(stream, env, quiet, kind):
    progress = open_progress(stream, env, quiet=quiet)
    progress.stop()
    assert type(progress) is kind


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_plain_progress_is_a_line_every_few_seconds():
    stream, clock = io.StringIO(), Clock()
    progress = PlainProgress(stream, every_s=5.0, clock=clock)
    for event in events(20):
        progress.handle(event)
        clock.now += 1
    progress.stop()
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("evolve: 20 tests of ")
    assert [line.partition(" done")[0] for line in lines[1:]] == ["evolve: 5/20", "evolve: 10/20", "evolve: 15/20"]


def test_plain_progress_says_that_nothing_has_come_back_yet():
    stream, clock = io.StringIO(), Clock()
    progress = PlainProgress(stream, every_s=5.0, clock=clock)
    progress.handle(next(iter(events(3))))
    clock.now = 7
    progress.tick()
    progress.stop()
    assert (
        stream.getvalue()
        .splitlines()[-1]
        .endswith("0/3 done, 0 failed, 0 errors, mean score 0.000, 7 s, no answer yet")
    )


def test_plain_progress_ticks_by_itself():
    stream = io.StringIO()
    progress = PlainProgress(stream, every_s=0.001)
    progress.handle(next(iter(events(3))))
    until = time.monotonic() + 30
    while "no answer yet" not in stream.getvalue():
        assert time.monotonic() < until
    progress.stop()


def test_the_estimate_follows_the_pace_of_the_last_results():
    """Fifty stored answers come at once, then each takes two seconds: the rest is not estimated by the stored ones."""
    clock = Clock()
    counts = Counts(clock)
    for number, event in enumerate(events(100)):
        if number > 50:
            clock.now += 2
        counts.handle(event)
        if number == 90:
            assert counts.seconds_left == pytest.approx(20)
    assert counts.seconds_left == 0


def test_an_answer_that_takes_long_lengthens_the_estimate():
    clock = Clock()
    counts = Counts(clock)
    first, second, *_ = events(3)
    counts.handle(first)
    clock.now = 1
    counts.handle(second)
    clock.now = 9
    assert counts.seconds_left == pytest.approx(18)


def test_plain_progress_is_silent_between_its_times():
    stream = io.StringIO()
    progress = PlainProgress(stream, every_s=3600.0)
    for event in events(200):
        progress.handle(event)
    progress.stop()
    assert len(stream.getvalue().splitlines()) == 1


def test_the_live_area_has_at_most_five_rows():
    progress = LiveProgress(Terminal())
    for event in events(20):
        progress.handle(event)
    progress.stop()
    drawn = io.StringIO()
    Console(file=drawn, width=70).print(progress._rows())
    rows = drawn.getvalue().splitlines()
    assert len(rows) <= 5
    assert any("20/20 done" in row for row in rows)


@pytest.mark.parametrize(
    ("stream", "env", "is_coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (io.StringIO(), {}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_needs_a_terminal_and_no_color_wins(stream, env, is_coloured):
    assert ("\x1b" in Paint(stream, env)("FAIL", "red")) is is_coloured


def lines_of(count: int, **options: object) -> list[str]:
    run = report_run(count)
    ((suite, results),) = run.results
    return list(
        summary(replace(run, **options), [outcome(suite, results)], Paint(io.StringIO(), {}), again="evolve run x")
    )


def test_the_summary_ends_with_totals_and_the_command_to_repeat():
    lines = lines_of(60)
    assert lines[-2:] == ["run just these again:", "  evolve run x"]
    assert any(line.startswith("FAIL: ") and "mean score" in line for line in lines)
    assert any(line.startswith("answers ") and "tokens" in line for line in lines)


def test_a_hundred_failures_stay_readable():
    lines = lines_of(2000)
    assert sum(line.startswith("      output:") for line in lines) <= 20
    assert len(lines) < 700
    assert any(line.startswith("  ... and ") for line in lines)


def test_an_interrupted_run_says_so():
    assert any(line.startswith("interrupted") for line in lines_of(10, interrupted=True))


def test_text_that_the_terminal_cannot_show_is_escaped():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    say(["ä \ud800"], stream)
    stream.flush()
    assert raw.getvalue() == b"\\xe4 \\ud800\n"


def test_commands_can_be_pasted_into_a_shell():
    words = ["a b.yaml", "--filter-pattern", "^(it's|x)$"]
    assert shlex.split(command_line("evolve run", words)) == ["evolve", "run", *words]
