"""Incidents and audit records as lines for people and as JSON."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from evolve.core.formats.dataclass_json import plain_value
from evolve.core.model.healing import OPEN_STATES, Attempt, Incident, IncidentState, PendingPlan
from evolve.core.model.json_value import JsonValue
from evolve.core.text.visible import visible
from evolve.store.audit_lines import AuditLine, time_text

_HEADINGS: Final = ("ID", "JOB", "SINCE", "STATE", "ACTION", "NOTE")
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_SHORT_HASH: Final = 12
"""Digits of a plan's hash that people compare."""


def table(incidents: Sequence[Incident], now: float, *, width: int | None = None) -> list[str]:
    """Return a line for each incident below a line of headings.

    Args:
        incidents: in their order.
        now: seconds since 1970.
        width: of the terminal, to which lines are cut; None for whole lines.
    """
    rows = [_HEADINGS, *(_row(one, now) for one in incidents)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [line if width is None or len(line) <= width else f"{line[: width - 1]}…" for line in lines]


def details(incident: Incident, records: Iterable[AuditLine]) -> Iterator[str]:
    """Yield all that is known of an incident: what failed, what was tried, the plan that waits, its records."""
    yield one_line(f"incident {incident.id}: {incident.namespace}/{incident.job}")
    for name, value in (
        ("group", incident.group),
        ("task", incident.task),
        ("node", incident.node),
        ("what", incident.signature),
        ("opened", _time(incident.opened)),
        ("state", f"{incident.state}, {_time(incident.changed)}"),
        ("note", incident.note),
        ("next look", _time(incident.next_at) if incident.state in OPEN_STATES else ""),
        ("case", incident.case),
    ):
        if value:
            yield one_line(f"  {name:10} {value}")
    if incident.attempts:
        yield "healings:"
        yield from (one_line(f"  {line}") for line in map(_attempt, incident.attempts))
    if incident.plan is not None:
        yield from plan_lines(incident.plan)
    yield "history:"
    yield from (f"  {line}" for line in map(record_line, records))
    if incident.state is IncidentState.WAITING:
        yield f"next: evolve approve {incident.id}"


def plan_lines(plan: PendingPlan) -> Iterator[str]:
    """Yield a plan: the action with its arguments, its hash, and each line of what would change."""
    yield one_line(f"plan {plan.plan_hash[:_SHORT_HASH]}, made {_time(plan.made)}: {_action(plan)}")
    yield from (f"  {one_line(line)}" for text in plan.summary for line in text.splitlines())


def incident_json(incident: Incident) -> dict[str, JsonValue]:
    """Return an incident for machines, with every field."""
    fields: dict[str, JsonValue] = {}
    for name in incident.__slots__:
        fields[name] = _whole(getattr(incident, name))
    return fields


def record_line(record: AuditLine) -> str:
    """Return a record of the audit log as one line."""
    ids = " ".join(text for text in (record.incident, record.healing) if text)
    words = " ".join(f"{name}={_word(value)}" for name, value in record.details.items())
    return one_line(" ".join(part for part in (f"{record.n}", record.time, record.event, ids, words) if part))


def one_line(text: str) -> str:
    """Return a text that is one line and cannot control the terminal."""
    return visible(" ".join(text.splitlines()))


def _row(incident: Incident, now: float) -> tuple[str, ...]:
    action = incident.plan.action if incident.plan else incident.attempts[-1].action if incident.attempts else "-"
    name = f"{incident.namespace}/{incident.job}"
    cells = (incident.id, name, age(now - incident.opened), incident.state, action, incident.note or incident.signature)
    return tuple(map(one_line, cells))


def age(seconds: float) -> str:
    """Return a duration in its largest unit: `42s`, `7m`, `3h`, `12d`."""
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def _time(at: float) -> str:
    return time_text(at)[:19] + "Z" if at else ""


def _action(plan: PendingPlan | Attempt) -> str:
    return " ".join([plan.action, *(f"{name}={_word(value)}" for name, value in plan.arguments.items())])


def _attempt(attempt: Attempt) -> str:
    result = f": {attempt.result}" if attempt.result else ""
    return f"{_time(attempt.began)} {attempt.id} {_action(attempt)}, {attempt.state}{result}"


def _word(value: JsonValue) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _whole(value: object) -> JsonValue:
    """A value of an incident with all its fields, those with their defaults too."""
    if isinstance(value, Attempt | PendingPlan):
        return {name: _whole(getattr(value, name)) for name in value.__slots__}
    if isinstance(value, tuple):
        return [_whole(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _whole(part) for name, part in value.items()}
    plain: JsonValue = plain_value(value)  # type: ignore[assignment]  # of a field, so it is JSON
    return plain
