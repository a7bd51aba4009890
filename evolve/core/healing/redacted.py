"""Incidents and audit records without secrets and without characters that act on a terminal.

What cannot be searched for secrets is not written: each text of it is replaced. Long texts keep their heads and tails.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from evolve.core.cases.cutting import cut_text
from evolve.core.cases.inert import clean, map_texts
from evolve.core.cases.redaction import CannotRedact, Redactor
from evolve.core.model.healing import Attempt, AuditRecord, Incident, PendingPlan
from evolve.core.model.json_value import JsonValue
from evolve.core.text.inert_text import clean_text

NOT_SHOWN: Final = "(not shown: it could not be searched for secrets)"
TEXT_LIMIT: Final = 4_000
"""Characters of one text in an incident or record: people read them, and each is written many times."""


def redact_record(record: AuditRecord, redactor: Redactor) -> AuditRecord:
    """Return the record with its details redacted, cleaned and cut; ids and hashes of a known shape stay."""
    return replace(record, details=redact_fields(record.details, redactor))


def redact_incident(incident: Incident, redactor: Redactor) -> Incident:
    """Return the incident with its texts redacted, cleaned and cut.

    Job, group, task and node are what the cluster calls them, and stay. So does a report, which was redacted as a
    whole when it was made.
    """
    own = redactor.with_ids((incident.job, incident.group, incident.task, incident.node))
    plan, attempts = incident.plan, incident.attempts
    fields: dict[str, JsonValue] = {
        "what": incident.signature,  # a field called `signature` is masked whole
        "note": incident.note,
        "summary": [*plan.summary] if plan else [],
        "arguments": dict(plan.arguments) if plan else {},
        "results": [one.result for one in attempts],
        "given": [dict(one.arguments) for one in attempts],
    }
    # Together: a secret that is recognised in one text is then masked in all.
    found = redact_fields(fields, own)
    return replace(
        incident,
        signature=str(found["what"]),
        note=str(found["note"]),
        plan=_plan(plan, found) if plan else None,
        attempts=tuple(_attempt(one, found, at) for at, one in enumerate(attempts)),
    )


def texts_of(incident: Incident) -> tuple[object, ...]:
    """Return all of an incident that `redact_incident` looks at: where that is equal, so is its result."""
    own = (incident.job, incident.group, incident.task, incident.node)
    given = tuple((one.result, one.arguments) for one in incident.attempts)
    return (*own, incident.signature, incident.note, incident.plan, given)


def redact_fields(fields: Mapping[str, JsonValue], redactor: Redactor) -> dict[str, JsonValue]:
    """Return a mapping redacted, cleaned and cut; its own names stay. All its texts are replaced where that fails."""
    # Cleaned first: a character without width in a secret would hide it. Cut last: half a secret is none.
    cleaned = {name: clean(value) for name, value in fields.items()}
    try:
        masked = redactor.redact(cleaned)
    except (CannotRedact, RecursionError):
        return {name: _hidden(value) for name, value in fields.items()}
    assert isinstance(masked, dict)
    values = dict(zip(fields, masked.values(), strict=True)) if len(masked) == len(fields) else masked
    return {name: map_texts(value, lambda text: cut_text(text, TEXT_LIMIT)) for name, value in values.items()}


def redact_text(text: str, redactor: Redactor) -> str:
    """Return a text as `redact_fields` writes it."""
    return str(redact_fields({"text": text}, redactor)["text"])


def shown_text(text: str, limit: int) -> str:
    """Return a text without control, ANSI and bidirectional characters, at most its head and tail of `limit`."""
    return cut_text(clean_text(text), limit)


def _hidden(value: JsonValue) -> JsonValue:
    """The value without any text or number, in the shape that it had."""
    if isinstance(value, list):
        return [_hidden(part) for part in value]
    if isinstance(value, dict):
        return {NOT_SHOWN: ""} if value else {}
    return value if value is None or isinstance(value, bool) else NOT_SHOWN


def _plan(plan: PendingPlan, found: Mapping[str, JsonValue]) -> PendingPlan:
    return replace(plan, summary=tuple(map(str, _list(found["summary"]))), arguments=_dict(found["arguments"]))


def _attempt(one: Attempt, found: Mapping[str, JsonValue], at: int) -> Attempt:
    return replace(one, result=str(_list(found["results"])[at]), arguments=_dict(_list(found["given"])[at]))


def _list(value: JsonValue) -> list[JsonValue]:
    assert isinstance(value, list)
    return value


def _dict(value: JsonValue) -> dict[str, JsonValue]:
    assert isinstance(value, dict)
    return value
