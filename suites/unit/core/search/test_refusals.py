"""What a reflector hears of its earlier proposals, and when it is not asked any more."""

import pytest

from evolve.core.search.proposals import Refused
from evolve.core.search.refusals import MAX_EQUAL_REFUSALS, Refusals

CHAT = Refused("no-json", "got chat")


def after(*refused: Refused) -> Refusals:
    made = Refusals()
    for one in refused:
        made.add(one)
    return made


def test_equal_refusals_in_a_row_are_a_reason_to_stop():
    assert after(*[CHAT] * (MAX_EQUAL_REFUSALS - 1)).why_stop == ""
    stopped = after(*(Refused("no-json", f"got {number}") for number in range(MAX_EQUAL_REFUSALS)))
    assert stopped.why_stop == f"{MAX_EQUAL_REFUSALS} answers in a row refused for one cause, the last: got 4"
    assert "--reflector" in stopped.hint


def test_another_cause_or_a_proposal_that_was_taken_ends_the_row():
    almost = [CHAT] * (MAX_EQUAL_REFUSALS - 1)
    assert after(*almost, Refused("long", "too long"), *almost).why_stop == ""
    taken = after(*almost)
    taken.taken()
    for one in almost:
        taken.add(one)
    assert taken.why_stop == ""


@pytest.mark.parametrize("kind", ["empty", "no-json", "no-answer", "long"])
def test_each_cause_has_a_hint_with_an_option(kind):
    assert "--reflector ID" in after(Refused(kind, "so")).hint


def test_the_next_question_names_what_was_refused_and_what_did_not_help():
    memory = after(Refused("long", "too long"), Refused("long", "too long"), Refused("template", "{{ x }} is no word"))
    memory.did_not_help("a rule: be careful")
    asked = {"wish": "Write ONE rule.", "rules": "(none)"}
    reported = memory.remind(asked)
    assert reported["rules"] == "(none)"
    assert reported["wish"] == (
        "Write ONE rule.\nTried before, did not help: a rule: be careful. Propose something else.\n"
        "Your answers before were refused: too long; {{ x }} is no word."
    )
    assert asked["wish"] == "Write ONE rule."
    assert Refusals().remind(asked) == asked


def test_a_question_names_only_the_latest_of_them():
    memory = after(*(Refused("long", f"reason {number}") for number in range(9)))
    for number in range(9):
        memory.did_not_help(f"note {number}")
    wish = str(memory.remind({"wish": ""})["wish"])
    assert "reason 8" in wish
    assert "note 8" in wish
    assert "reason 5" not in wish
    assert "note 5" not in wish
