"""Intents and results of changes, of undos, and of healings that change hands."""

import pytest

from evolve.core.model.errors import Location
from evolve.core.model.healing import AuditEvent
from evolve.store.audit_lines import AuditLine
from evolve.store.audit_pairs import AuditPairs

Events = AuditEvent


def problems_of(*events: AuditEvent, under_way: bool = False, undoing: bool = False) -> list[str]:
    found: list[str] = []
    pairs = AuditPairs(lambda message, _: found.append(message))
    for n, event in enumerate(events, 1):
        pairs.follow(AuditLine(n, "", event, "abcdefghij", "h1", {}, "", ""), Location("log", n))
    pairs.check_end({"h1"} if under_way else (), {"h1"} if undoing else ())
    return found


UNDO = (Events.INTENDED, Events.DONE, Events.UNDO_INTENDED)


@pytest.mark.parametrize(
    "events",
    [
        (Events.INTENDED, Events.DONE, Events.VERIFIED),
        (Events.INTENDED, Events.NOT_DONE),
        (*UNDO, Events.UNDONE),
        (*UNDO, Events.VERIFIED),  # it failed
        (Events.TAKEN_OVER, Events.DONE, Events.UNDO_INTENDED, Events.UNDONE),
        (Events.INTENDED, Events.HANDED_OVER),
        (*UNDO, Events.HANDED_OVER),
        (Events.INTENDED, Events.DONE, Events.HANDED_OVER, Events.TAKEN_OVER, Events.DONE),
        # Its undo was done, but the claim did not know it: it went there and back, and the undo was tried again.
        (*UNDO, Events.UNDONE, Events.TAKEN_OVER, Events.DONE, Events.UNDO_INTENDED, Events.VERIFIED),
    ],
)
def test_each_intent_with_one_result_is_right(events: tuple[AuditEvent, ...]) -> None:
    assert problems_of(*events) == []


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        (UNDO, "the undo of healing h1 was intended and has no result"),
        ((*UNDO, Events.UNDO_INTENDED, Events.UNDONE), "the undo of healing h1 was intended twice"),
        ((*UNDO, Events.UNDONE, Events.UNDO_INTENDED, Events.UNDONE), "the undo of healing h1 was intended twice"),
        ((*UNDO, Events.UNDONE, Events.UNDONE), "the undo of healing h1 has a second result"),
        ((Events.INTENDED, Events.DONE, Events.UNDONE), "the undo of healing h1 has a result and no intent"),
        (
            (Events.UNDO_INTENDED, Events.UNDONE),
            "the undo of healing h1 was intended before the healing was done",
        ),
        ((Events.HANDED_OVER,), "healing h1 has an end and no intent"),
        ((Events.TAKEN_OVER,), "healing h1 was intended and has no result"),
    ],
)
def test_what_is_missing_or_there_twice_is_reported_once(events: tuple[AuditEvent, ...], problem: str) -> None:
    assert problems_of(*events) == [problem]


def test_what_is_under_way_needs_no_result_yet() -> None:
    assert problems_of(Events.INTENDED, under_way=True) == []
    assert problems_of(*UNDO, undoing=True) == []
