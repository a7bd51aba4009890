"""What the events of an evolution come to."""

from dataclasses import replace

import pytest

from evolve.core.evolution.candidate import cell_passed, compare
from evolve.core.evolution.json_lines import from_line, to_line
from evolve.core.evolution.summary import EvolutionSummary, fold
from evolve.core.model.answers import TokenUsage
from evolve.core.model.evolution_events import (
    VOTE,
    Accepted,
    CandidateInfo,
    CandidateProposed,
    CandidateScored,
    EvolutionFinished,
    EvolutionStarted,
    GateDecided,
    GateStarted,
    RolloutScored,
    TaskInfo,
)
from evolve.core.model.gate import BeyondLookup
from evolve.report.evolution.cost import cost_rows
from evolve.report.evolution.diff import counts, diff
from evolve.report.evolution.html import write_evolution_html
from evolve.report.evolution.lines import summary_lines
from evolve.report.evolution.numbers import points, share, short
from evolve.report.evolution.words import gain, lineage, lookup, remaining_failures, verdict
from evolve.report.quantities import NONE
from fixtures.evolution_runs import evolution_events, killed_events, nothing_better_events


def rollout(candidate: str, task: str, passed: bool, **fields: object) -> RolloutScored:
    event = RolloutScored(candidate, task, "train", float(passed), passed, False, "why", "out", spent=1)
    return replace(event, **fields)


def last(kind: type, events: list) -> object:
    return next(event for event in reversed(events) if isinstance(event, kind))


def test_a_whole_run_is_described_by_its_gate():
    events = list(evolution_events())
    evolution = fold(events)
    decision = last(GateDecided, events).decision
    assert evolution.phase == "finished"
    assert verdict(evolution).word == "Better, not proven"
    assert gain(evolution)[:4] == ("gate", decision.incumbent, decision.candidate, decision.cases)
    assert evolution.leader.info.id == last(EvolutionFinished, events).winner
    assert evolution.account == last(EvolutionFinished, events).account


def test_a_log_gives_the_same_run():
    events = list(evolution_events())
    assert [from_line(to_line(event)) for event in events] == events


def test_a_killed_run_has_what_it_had():
    evolution = fold(killed_events())
    assert evolution.phase == "search"
    assert verdict(evolution).word == "Not finished"
    assert gain(evolution).split == "train"
    account = evolution.account
    assert account.search == evolution.spent
    assert account.tokens.total == 431 * evolution.spent


def test_no_events_are_a_run_without_anything():
    evolution = fold([])
    assert (evolution.phase, evolution.leader, evolution.curve) == ("starting", None, ())
    assert gain(evolution) is None
    assert lookup(evolution) is None
    assert remaining_failures(evolution) == []


def test_the_matrix_has_each_rollout_once():
    events = list(evolution_events())
    cells = {(e.candidate, e.task) for e in events if isinstance(e, RolloutScored)}
    evolution = fold(events)
    assert sum(len(candidate.cells) for candidate in evolution.candidates.values()) == len(cells)


def test_replayed_rollouts_count_once():
    events = killed_events()
    twice = [replace(e, is_free=True) if isinstance(e, RolloutScored) else e for e in events]
    assert fold([*events, *twice]).account == fold(events).account


def test_repeats_are_averaged_and_pass_by_majority():
    evolution = fold([rollout("c", "t", passed, repeat=at) for at, passed in enumerate((True, True, False))])
    candidate = evolution.candidates["c"]
    assert candidate.result_on("train").mean == pytest.approx(2 / 3)
    assert cell_passed(candidate.cells["t"])
    assert not cell_passed(candidate.cells["t"][1:])


def test_candidates_are_compared_on_what_both_answered():
    evolution = fold(
        [rollout("a", "1", False), rollout("a", "2", True), rollout("b", "1", True), rollout("b", "3", False)]
    )
    found = compare(evolution.candidates["a"], evolution.candidates["b"], "train")
    assert (found.cases, found.first, found.second, found.won, found.lost) == (1, 0.0, 1.0, 1, 0)
    assert compare(evolution.candidates["a"], evolution.candidates["b"], "gate") is None


def test_the_score_curve_begins_with_the_incumbent_and_its_best_line_never_names_the_vote():
    evolution = fold(evolution_events())
    assert evolution.curve[0].candidate == evolution.incumbent.info.id
    line = [point for point in evolution.curve if point.is_best]
    assert [point.mean for point in line] == sorted(point.mean for point in line)
    assert [point.spent for point in evolution.curve] == sorted(point.spent for point in evolution.curve)
    assert VOTE not in {point.candidate for point in evolution.curve}


def test_the_vote_never_leads():
    events = [*evolution_events()][:60]
    assert fold([*events, Accepted(VOTE, True, "")]).leader.info.id != VOTE


def test_rows_of_a_log_without_a_beginning_are_kept():
    evolution = fold([rollout("c", "t", True), CandidateProposed(CandidateInfo("c", ("p",), "add_rule", "n", "x"), 1)])
    assert evolution.candidates["c"].info.operator == "add_rule"
    assert evolution.candidates["c"].cells


def test_an_unfinished_gate_has_a_winner_already():
    events = [event for event in evolution_events() if not isinstance(event, EvolutionFinished)]
    evolution = fold(events)
    assert evolution.leader.info.id == last(GateStarted, events).winner
    assert evolution.account.gate == 48


def test_lineage_goes_from_the_incumbents_child_to_the_winner():
    evolution = fold(evolution_events())
    found = lineage(evolution)
    assert found[0].info.parents == (evolution.incumbent.info.id,)
    assert found[-1] is evolution.leader
    assert lineage(fold(nothing_better_events())) == []


def with_vote(vote: float | None) -> EvolutionSummary:
    """Without the lookup's own answers, the gate's number counts."""
    events = [e for e in evolution_events() if not (isinstance(e, RolloutScored) and e.candidate == VOTE)]
    return fold(replace(e, vote=vote) if isinstance(e, GateDecided) else e for e in events)


def test_a_winning_vote_says_use_the_lookup():
    assert lookup(with_vote(0.9)).text.startswith("use the lookup: 90% without a model")
    assert lookup(with_vote(0.1)).text.startswith("the lookup is worse")
    assert lookup(with_vote(with_vote(0.1).gate.decision.candidate)).text.startswith("the lookup is as good")


def test_the_vote_is_weighed_by_family_as_the_gate_is():
    tasks = tuple(TaskInfo(name, name, family, "gate") for name, family in (("1", "a"), ("2", "a"), ("3", "b")))
    started = replace(next(iter(evolution_events())), tasks=tasks)
    votes = [rollout(VOTE, name, name == "3", split="gate") for name in "123"]
    evolution = fold([started, *votes, *(e for e in evolution_events() if isinstance(e, GateDecided))])
    assert lookup(evolution).vote == 0.5


def test_what_still_fails_names_the_answer():
    evolution = fold(evolution_events())
    cases = remaining_failures(evolution)
    assert {case.split for case in cases} == {"train", "gate"}
    assert all(case.answer and case.reason for case in cases)
    reported = evolution.finished.still_failing
    assert [case.task for case in cases if case.split == "train"] == list(reported)


def test_the_account_has_the_share_of_the_cache_and_the_estimate():
    rows = {row.name: row for row in cost_rows(fold(evolution_events()))}
    assert "70.4% of them from the cache" in rows["Tokens"].detail
    assert rows["Paid answers"].value == "480"
    assert rows["Estimate"].detail.startswith("at most 500 answers, 215,500 tokens")
    assert "94.3% of it" in rows["Time"].detail


def test_a_run_without_tokens_has_no_share_of_a_cache():
    rows = {row.name: row for row in cost_rows(fold([rollout("c", "t", True, tokens=TokenUsage())]))}
    assert rows["Tokens"].detail == "0 in; 0 out"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0%"), (1, "100%"), (0.9999, "99.9%"), (0.0001, "0.1%"), (5 / 12, "41.7%"), (0.5, "50%"), (0.5625, "56.3%")],
)
def test_shares_are_all_or_nothing_only_where_they_are(value, text):
    assert share(value) == text


def test_what_is_no_number_is_a_dash():
    assert share(float("nan")) == points(float("inf")) == NONE


def test_a_long_text_is_cut_to_one_line():
    assert short("a\n b", 9) == "a b"
    assert short("abcdef", 4) == "abc…"


def test_a_diff_marks_the_words_that_differ():
    lines = diff("same\nrule one is old\nend", "same\nrule one is new\nend")
    assert [line.kind for line in lines] == ["same", "removed", "added", "same"]
    assert [piece.text for line in lines for piece in line.pieces if piece.is_changed] == ["old", "new"]


def test_a_diff_leaves_out_what_is_far_and_says_how_much():
    before = "\n".join(str(number) for number in range(50))
    lines = diff(before, before.replace("\n25\n", "\ntwenty-five\n"))
    assert [line.text for line in lines if line.kind == "gap"] == ["23 unchanged lines", "22 unchanged lines"]
    assert counts(lines) == (1, 1)
    assert diff(before, before) == []


def test_the_incumbent_leads_where_nothing_was_better():
    evolution = fold(nothing_better_events())
    assert evolution.leader is evolution.incumbent
    assert gain(evolution) is None
    assert verdict(evolution).state == "fail"


def test_a_resumed_run_goes_on():
    events = list(evolution_events())
    started = next(event for event in events if isinstance(event, EvolutionStarted))
    evolution = fold([*killed_events(), replace(started, resumed=True), *events[1:]])
    assert len(evolution.candidates) == len(fold(events).candidates)
    assert evolution.phase == "finished"
    assert evolution.curve == fold(events).curve


def test_a_candidate_dropped_in_the_race_says_so():
    evolution = fold([rollout("c", "t", True), CandidateScored("c", "train", 12, 0.25, True, "cannot catch up")])
    assert evolution.candidates["c"].status == "dropped"
    assert evolution.candidates["c"].reasons == ["dropped on 12 train cases, mean 0.250: cannot catch up"]


def with_beyond(low: float) -> EvolutionSummary:
    """The run whose winner leads the best baseline by 12.5 points."""
    found = BeyondLookup("a classifier of words", 0.458, 0.583, low, 0.3, 24, 6)
    return fold(replace(e, beyond=found) if isinstance(e, GateDecided) else e for e in evolution_events())


def test_a_lead_whose_interval_excludes_nothing_is_beyond_the_lookup():
    text = lookup(with_beyond(0.01)).text
    assert text == (
        "beyond the lookup: +12.5 points, +1.0 to +30.0 (95%); 45.8% without a model (a classifier of words), "
        "58.3% with the prompt, on 24 cases of 6 families"
    )
    assert lookup(with_beyond(0.0)).text.startswith("use the lookup: +12.5 points, +0.0 to +30.0 (95%); ")


@pytest.mark.parametrize(("low", "word"), [(0.01, "beyond the lookup: +12.5"), (-0.05, "use the lookup: +12.5")])
def test_the_lead_over_the_lookup_is_the_headline_of_console_and_page(low, word, tmp_path):
    found = with_beyond(low).gate.beyond
    events = [replace(e, beyond=found) if isinstance(e, GateDecided) else e for e in evolution_events()]
    assert [from_line(to_line(event)) for event in events] == events
    assert summary_lines(fold(events))[1].startswith(word)
    write_evolution_html(tmp_path / "report.html", events)
    page = (tmp_path / "report.html").read_text()
    assert f"{word.capitalize()} points" in page.split("</section>")[0]
