"""What `evolve diff` says of demos, by their cases."""

import io

from evolve.core.evolution.summary import EvolutionSummary
from evolve.report.evolution.change_lines import AgentChange, ShownDemo, change_lines
from evolve.report.terminal import Paint

OLD = [ShownDemo("the disk is full", "storage"), ShownDemo("no route", "network"), ShownDemo("attack", "network")]
NEW = [ShownDemo("the disk is full", "storage"), ShownDemo("attack", "security"), ShownDemo("link\ndown", "network")]
TEXT = "---\nname: A\nsampling: {temperature: 0}\n---\n## Role\nYou name the team.\n"


def lines(before: list[ShownDemo] | None, after: list[ShownDemo] | None, text: str = TEXT, **env: str) -> list[str]:
    change = AgentChange("a-1f2e", "A@1", "c0ffee", TEXT, text, before, after)
    return list(change_lines(change, EvolutionSummary(), Paint(io.StringIO(), env)))


def test_demos_are_added_removed_and_replaced() -> None:
    reported = lines(OLD, NEW)
    assert "demos: 1 added, 1 removed, 1 replaced; 3 in the bank before, 3 after" in reported
    shown = [line for line in reported if line.startswith(("+ ", "- "))]
    assert shown == [
        '- no route => "network"',
        '- attack => "network"',
        '+ attack => "security"',
        '+ link down => "network"',
    ]


def test_a_bank_that_stays_is_counted() -> None:
    assert "demos: no change, 3 in the bank" in lines(OLD, OLD)


def test_a_bank_that_is_gone_is_not_compared() -> None:
    assert any("no longer exists" in line for line in lines(None, NEW))


def test_settings_and_sections_are_a_unified_diff() -> None:
    reported = lines([], [], TEXT.replace("temperature: 0", "temperature: 1").replace("the team", "one team"))
    assert {
        "-sampling: {temperature: 0}",
        "+sampling: {temperature: 1}",
        "-You name the team.",
        "+You name one team.",
    } <= {*reported}
    assert "settings and sections: no change" in lines([], [])


def test_what_comes_and_goes_has_its_colour_where_a_terminal_shows_it() -> None:
    reported = lines(OLD, NEW, FORCE_COLOR="1")
    assert '\x1b[31m- no route => "network"\x1b[0m' in reported
    assert '\x1b[32m+ attack => "security"\x1b[0m' in reported
    assert not any("\x1b" in line for line in lines(OLD, NEW))


def test_controls_in_a_case_are_escaped() -> None:
    assert not any("\x1b" in line for line in lines([], [ShownDemo("\x1b[2J", "x")]))
