"""The page of an evolution as text: what it says, and that nothing of a run can act in it."""

import json
import re
from dataclasses import replace

import pytest

from evolve.core.evolution.summary import fold
from evolve.core.model.errors import InputError
from evolve.core.model.evolution_events import (
    CandidateInfo,
    CandidateProposed,
    EvolutionStarted,
    GateDecided,
    Promoted,
    RolledBack,
    RolloutScored,
)
from evolve.report.evolution.data import evidence_data, overview_data
from evolve.report.evolution.html import page, write_evolution_html
from evolve.report.evolution.lines import summary_lines
from fixtures.evolution_runs import evolution_events, killed_events, nothing_better_events

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)> & \u2028 \" ' <!--"


def text_of(events) -> str:
    return "".join(page(fold(events)))


def words(html: str) -> str:
    """What a reader without a script sees."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def test_the_answers_are_at_the_top_without_a_script():
    found = words(text_of(evolution_events()))
    for part in (
        "Better, not proven",
        "+29.2 points",
        "29.2% to 58.3% right, on 24 cases of 6 families that the search never saw",
        "p = 0.0625 against alpha = 0.025",
        "4 more families would be needed",
        "11 won and 4 lost of 15 discordant pairs",
        "Would a lookup do? No",
        "What still fails? 24 of 56",
        "480 answers",
        "70.4% of the input cached",
        "2 min 35 s, estimated 3 min 15 s",
    ):
        assert part in found


def test_the_page_and_the_console_say_the_same_numbers():
    events = list(evolution_events())
    found, lines = words(text_of(events)), "\n".join(summary_lines(fold(events)))
    for number in ("29.2%", "58.3%", "+29.2", "45.8%", "0.0625", "-1.8 to +57.2", "480", "206,880", "94.3%"):
        assert number in found
        assert number in lines


def test_a_winning_lookup_is_recommended():
    events = (e for e in evolution_events() if not (isinstance(e, RolloutScored) and e.candidate == "vote"))
    found = words(text_of(replace(e, vote=0.9) if isinstance(e, GateDecided) else e for e in events))
    assert "Would a lookup do? Use the lookup" in found


def test_all_discordant_pairs_are_there():
    events = list(evolution_events())
    decision = next(event.decision for event in events if isinstance(event, GateDecided))
    html = text_of(events)
    assert html.count('data-label="after"') == len(decision.discordant)


def test_a_killed_run_says_how_far_it_came():
    found = words(text_of(killed_events()))
    assert "Not finished" in found
    assert "Not finished: the run is in its search phase." in found
    assert "The gate did not open" in found or "The gate is asking" in found


def test_nothing_better_says_so():
    found = words(text_of(nothing_better_events()))
    assert "Nothing better found" in found
    assert "Nothing: no candidate was better than the current agent." in found


def test_no_events_make_a_page_too():
    assert "Not finished" in words(text_of([]))


def test_a_promotion_is_named():
    events = [*evolution_events(), Promoted("REFLECTION_AGENT@2", "evolve/agents/X.md", "5de52a8ee6", "provisional")]
    assert "Promoted: REFLECTION_AGENT@2 in evolve/agents/X.md (provisional)" in words(text_of(events))


def test_a_promotion_that_was_undone_is_no_promotion_any_more():
    promoted = Promoted("REFLECTION_AGENT@2", "evolve/agents/X.md", "5de52a8ee6", "provisional")
    events = [*evolution_events(), promoted, RolledBack("REFLECTION_AGENT@1", "evolve/agents/X.md")]
    page = text_of(events)
    assert "Promoted, then rolled back: REFLECTION_AGENT@2" in words(page)
    assert "note good" not in page
    again = text_of([*events, promoted])
    assert "rolled back" not in words(again)
    assert "note good" in again


@pytest.mark.parametrize(("word", "colour"), [("proven", "big pass"), ("provisional", "big ")])
def test_a_gain_has_its_colour_only_when_it_is_proven(word, colour):
    events = [
        replace(event, decision=replace(event.decision, word=word, incumbent=0.4, candidate=0.6))
        if isinstance(event, GateDecided)
        else event
        for event in evolution_events()
    ]
    assert f'<p class="{colour}">+20.0 <small>points</small></p>' in text_of(events)


def hostile(event):
    """The event with an attack wherever a run's text is shown."""
    if isinstance(event, EvolutionStarted):
        tasks = tuple(
            replace(t, description=EVIL, family=EVIL, shown=EVIL, accepted=(EVIL,), file=EVIL) for t in event.tasks
        )
        incumbent = replace(event.incumbent, note=EVIL, text=EVIL)
        return replace(event, agent=EVIL, provider=EVIL, command=EVIL, run=EVIL, tasks=tasks, incumbent=incumbent)
    if isinstance(event, CandidateProposed):
        info = event.candidate
        return replace(event, candidate=CandidateInfo(info.id, info.parents, EVIL, EVIL, EVIL + info.text))
    if isinstance(event, RolloutScored):
        return replace(event, reason=EVIL, output={"action": EVIL})
    return event


def test_nothing_of_a_run_becomes_markup():
    html = text_of([hostile(event) for event in evolution_events()])
    assert "<img" not in html
    assert "<!--" not in html
    assert html.count("<script") == html.count("</script>") == 3
    assert "onerror=alert(1)&gt;" in html


def block(html: str, name: str) -> dict:
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', html, re.DOTALL)[1])


def test_the_data_in_the_page_are_the_runs():
    events = [hostile(event) for event in evolution_events()]
    html = text_of(events)
    evolution = fold(events)
    assert block(html, "overview") == json.loads(json.dumps(overview_data(evolution)))
    assert EVIL in block(html, "evidence")["texts"]


def test_a_row_has_a_letter_for_each_case():
    evolution = fold(evolution_events())
    data = overview_data(evolution)
    by_id = {row[0]: row for row in data["candidates"]}
    assert all(len(row[-1]) == len(data["tasks"]) == 72 for row in data["candidates"])
    winner = by_id[evolution.leader.info.id][-1]
    letters = {True: "p", False: "f"}
    for task, letter in zip(data["tasks"], winner, strict=True):
        cell = evolution.leader.cells.get(task[0])
        if cell is None:
            assert letter == "."
        elif not cell[0].is_harmful:
            assert letter == letters[cell[0].passed]


def test_repeats_that_differ_are_mixed_and_harm_is_seen_first():
    rows = [
        RolloutScored("c", "t", "train", 1.0, True, False, "", "", 0),
        RolloutScored("c", "t", "train", 0.0, False, False, "", "", 1),
        RolloutScored("c", "u", "train", 0.0, False, True, "", "", 0),
    ]
    assert overview_data(fold(rows))["candidates"][0][-1] == "mh"
    assert [len(cell) for cell in evidence_data(fold(rows))["answers"][0]] == [18, 9]


def test_families_stand_together_in_the_order_of_the_splits():
    tasks = overview_data(fold(evolution_events()))["tasks"]
    seen = list(dict.fromkeys((task[3], task[2]) for task in tasks))
    assert len(seen) == len({task[2] for task in tasks})
    assert [split for split, _ in seen] == sorted((s for s, _ in seen), key=("train", "val", "gate").index)


def test_the_policy_allows_nothing_but_the_pages_own_script_and_style():
    html = text_of(killed_events())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "connect-src" not in policy
    assert "unsafe" not in policy
    assert " style=" not in html
    assert not re.search(r"\son[a-z]+=", re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL))


def test_the_file_is_written_whole(tmp_path):
    target = tmp_path / "new" / "evolution.html"
    write_evolution_html(target, evolution_events())
    assert target.read_text("utf-8").endswith("</html>\n")
    assert [path.name for path in target.parent.iterdir()] == ["evolution.html"]


def test_a_place_that_cannot_be_written_is_the_users_mistake(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the report"):
        write_evolution_html(tmp_path / "file" / "x.html", [])


def test_scores_that_json_has_no_number_for_are_left_out():
    rows = [RolloutScored("c", "t", "train", float("nan"), False, False, "", float("inf"))]
    assert evidence_data(fold(rows))["answers"][0][0][2] is None
    assert "Infinity" in text_of(rows) or "inf" in text_of(rows).lower()
