"""What an evolution shows on the console while it lasts, and at its end."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from evolve.core.evolution.summary import fold
from evolve.core.model.evolution_events import EvolutionStarted, GateDecided
from evolve.report.evolution.console import EvolutionConsole
from evolve.report.evolution.lines import summary_lines
from evolve.report.quantities import duration
from fixtures.evolution_runs import evolution_events, killed_events, nothing_better_events


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Goes on by a step at each look."""

    def __init__(self, step_s: float) -> None:
        self.now_s, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


def shown(stream: io.StringIO, events, step_s: float = 0.0, **env: str) -> str:
    with EvolutionConsole(stream, Clock(step_s), env) as console:
        for event in events:
            console.on(event)
    return stream.getvalue()


def test_the_estimate_comes_first():
    lines = shown(io.StringIO(), evolution_events()).splitlines()
    assert lines[0] == (
        "evolve: evolving REFLECTION_AGENT_PLAIN@1 on llamacpp:smollm2-135m: 72 cases (32 train, 16 val, 24 gate)"
    )
    assert lines[1].startswith("evolve: estimate: 3 min 15 s, at most 500 answers, 215,500 tokens")


def test_a_log_has_a_line_per_notable_event_and_none_between_while_no_time_goes_by():
    lines = shown(io.StringIO(), evolution_events()).splitlines()
    words = [line.split(": ")[1] for line in lines[2:]]
    assert words == ["better"] * 5 + ["gate", "gate", "provisional"]


def test_a_log_has_a_line_every_few_seconds_at_most():
    lines = shown(io.StringIO(), killed_events(), step_s=0.1).splitlines()
    between = [line for line in lines if line.startswith("evolve: search: ")]
    assert 2 <= len(between) <= len(killed_events()) * 0.3 / 5
    assert "/500 answers, 64 free; " in between[-1]


def test_a_slow_first_answer_makes_no_pace():
    stream, clock = io.StringIO(), Clock(0.0)
    with EvolutionConsole(stream, clock, {}) as console:
        for event in killed_events():
            console.on(event)
            if isinstance(event, EvolutionStarted):
                each_s = event.estimate.seconds_per_answer
            if console.evolution.spent:
                break
            clock.now_s += 10.0  # the model loads
    left_s = each_s * (500 - console.evolution.spent)
    assert stream.getvalue().endswith(f"at most {duration(left_s)} left\n")


@pytest.mark.parametrize("env", [{"CI": "true"}, {"TERM": "dumb"}])
def test_in_ci_a_terminal_gets_plain_lines(env):
    assert "\x1b" not in shown(Terminal(), evolution_events(), **env)


def test_a_terminal_gets_a_live_area_that_is_gone_at_the_end():
    text = shown(Terminal(), evolution_events(), step_s=0.1, TERM="xterm")
    assert "\x1b[?25l" in text
    assert text.count("\x1b[?25h") == text.count("\x1b[?25l") == 1


def live_rows(events) -> list[str]:
    console = EvolutionConsole(Terminal(), Clock(0.1), {"TERM": "xterm"})
    for event in events:
        console.on(event)
    drawn = io.StringIO()
    Console(file=drawn, width=100).print(console._display.rows())
    console.close()
    return drawn.getvalue().splitlines()


def test_the_live_area_has_six_rows_with_the_run_in_them():
    rows = live_rows(killed_events())
    assert len(rows) == 6
    assert rows[1].startswith("REFLECTION_AGENT_PLAIN@1: search, 13 candidates (")
    assert rows[2].startswith("18.8% to 37.5%, +18.8 points on 32 cases of train")
    assert "/500 answers, 64 free; " in rows[3]
    assert " left" in rows[3]
    assert rows[4].startswith("now: ")
    assert rows[5].startswith("better: ")


def styles(text: str) -> set[str]:
    return {code for codes in re.findall(r"\x1b\[([0-9;]*)m", text) for code in codes.split(";")}


def test_no_color_is_honoured():
    plain = {"0", "1", "2"}
    assert styles(shown(Terminal(), killed_events(), step_s=0.1, TERM="xterm")) - plain
    assert not styles(shown(Terminal(), killed_events(), step_s=0.1, TERM="xterm", NO_COLOR="1")) - plain


def test_a_warning_is_one_line_and_cannot_act_on_the_terminal():
    stream = io.StringIO()
    EvolutionConsole(stream, Clock(0.0), {}).warn("no gate family \x1b[2J is left")
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("evolve: warning: no gate family ")
    assert "\x1b" not in line


def test_captured_text_cannot_act_on_the_terminal():
    events = list(evolution_events())
    started = events[0]
    assert isinstance(started, EvolutionStarted)
    evil = replace(
        started, agent="\x1b[2Jgone", tasks=tuple(replace(t, description="\x1b]0;x\x07") for t in started.tasks)
    )
    text = shown(io.StringIO(), [evil, *events[1:]])
    assert "\x1b" not in text
    assert "\x1b" not in "".join(summary_lines(fold([evil, *events[1:]])))


def test_the_summary_has_the_gates_evidence_and_what_to_run_next():
    events = list(evolution_events())
    decision = next(event.decision for event in events if isinstance(event, GateDecided))
    lines = summary_lines(fold(events), next_commands=["evolve promote 4a8a68"])
    assert lines[0].startswith("Better, not proven: REFLECTION_AGENT_PLAIN@1: ")
    assert "gate 3: provisional, p = 0.0625 against alpha = 0.025; gain -1.8 to +57.2 points (95%)" in lines
    assert "  4 more families would be needed to prove a gain of this size" in lines
    pairs = [line for line in lines if line.startswith(("    won", "    lost"))]
    assert len(pairs) == len(decision.discordant)
    assert lines[-2:] == ["next:", "  evolve promote 4a8a68"]


def test_the_summary_of_a_killed_run_says_so():
    lines = summary_lines(fold(killed_events()))
    assert lines[0] == "Not finished: REFLECTION_AGENT_PLAIN@1: the run is in its search phase"
    assert not any(line.startswith(("gate", "next")) for line in lines)


def test_the_summary_of_nothing_better_still_compares_the_lookup():
    lines = summary_lines(fold(nothing_better_events()))
    assert lines[0].startswith("Nothing better found")
    assert any(line.startswith("lookup: use the lookup: ") for line in lines)


def test_the_summary_of_nothing_at_all_is_two_numbers():
    assert summary_lines(fold([]))[0] == "Not finished: evolution: the run is in its starting phase"
