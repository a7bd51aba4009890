"""Incidents and records are redacted and cleaned before they are written."""

from collections.abc import Iterator
from dataclasses import replace

from evolve.core.cases.redaction import PLACEHOLDER, Redactor
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.healing.redacted import NOT_SHOWN, TEXT_LIMIT, redact_incident, redact_record, shown_text
from evolve.core.model.healing import AttemptState
from fixtures.incidents import PLAN, attempt, record, waiting

SECRET = "hunter2-hunter2"
REDACTOR = Redactor([SECRET])


def broken(text: str) -> Iterator[SecretSpan]:
    raise RuntimeError(text)


BROKEN = Redactor(scanners=[broken])


def test_secrets_leave_a_record_and_hashes_stay():
    given = record(
        answer={"action": "restart", "why": f"token {SECRET}"}, plan=PLAN, input_hash="ab" * 16, memory_mb=512
    )
    found = redact_record(given, REDACTOR)
    assert SECRET not in repr(found.details)
    assert PLACEHOLDER.search(repr(found.details))
    assert (found.details["plan"], found.details["input_hash"]) == (PLAN, "ab" * 16)
    assert found.details["memory_mb"] == 512
    assert replace(found, details=given.details) == given


def test_characters_that_act_on_a_terminal_are_removed_before_the_search():
    found = redact_record(record(answer=f"\x1b[31mred\u202e {SECRET[:5]}\u200b{SECRET[5:]}"), REDACTOR)
    assert found.details["answer"] == f"red {PLACEHOLDER.findall(str(found.details))[0]}"


def test_long_texts_keep_head_and_tail():
    found = str(redact_record(record(answer="first " + "word " * 5000 + "last"), REDACTOR).details["answer"])
    assert found.startswith("first ")
    assert found.endswith("last")
    assert len(found) < TEXT_LIMIT + 100


def test_a_secret_leaves_every_text_of_an_incident():
    given = waiting(
        signature=f"exit 1 {SECRET}",
        note=f"note {SECRET}",
        attempts=(attempt("h1", AttemptState.FAILED, result=f"{SECRET}!", arguments={"path": f"/x/{SECRET}"}),),
    )
    assert given.plan is not None
    given = replace(given, plan=replace(given.plan, summary=(f"Env: {SECRET}",), arguments={"key": SECRET}))
    found = redact_incident(given, REDACTOR)
    assert SECRET not in repr(found)
    assert (found.id, found.job, found.state, found.key) == (given.id, given.job, given.state, given.key)
    assert found.signature.startswith("exit 1 <")


def test_an_incident_without_secrets_stays_as_it_is():
    node = "4a8c1c3e-9b3c-4f58-a7de-0e8f4b1a2c3d"
    given = waiting(node=node, attempts=(attempt("h1", AttemptState.UNDONE, result="was dead", target={"version": 3}),))
    assert redact_incident(given, REDACTOR) == given


def test_what_cannot_be_searched_is_not_shown():
    assert redact_record(record(answer=SECRET, latency_s=1.5, ok=True, nothing=None), BROKEN).details == {
        "answer": NOT_SHOWN,
        "latency_s": NOT_SHOWN,
        "ok": True,
        "nothing": None,
    }
    given = waiting(note=SECRET, attempts=(attempt("h1", result=SECRET, arguments={SECRET: SECRET}),))
    found = redact_incident(given, BROKEN)
    assert SECRET not in repr(found)
    assert (found.note, found.attempts[0].result, found.signature) == (NOT_SHOWN, NOT_SHOWN, NOT_SHOWN)


def test_shown_text_is_clean_and_short():
    assert shown_text("a\x1b[2Jb\u2066c\x07", 100) == "abc"
    assert len(shown_text("x" * 1000, 50)) < 110
