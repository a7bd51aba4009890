"""When a periodic job is due: cron's five fields, in UTC or a named zone, and the usual words."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .shapes import Json

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
UNITS = {"h": 3600, "m": 60, "s": 1}
LONGEST_DAYS = 8 * 366
"""29 February can be eight years away."""


class BadCron(Exception):
    """A spec that cannot be used; the text says why."""


@dataclass(frozen=True)
class CronTimes:
    """The times of a spec."""

    fields: tuple[frozenset[int], ...]
    is_either_day: bool
    """Whether one of the two day fields is enough, because both are restricted."""
    zone: datetime.tzinfo
    every_s: int = 0
    """Seconds between two launches; then the fields are empty."""

    def after(self, seconds: int) -> int | None:
        """The first time after this one, both in seconds since 1970; None where there is none within eight years."""
        if self.every_s:
            return seconds + self.every_s
        first = datetime.datetime.fromtimestamp(seconds - seconds % 60 + 60, self.zone)
        return self._first_from(first.replace(tzinfo=None), seconds)

    def _first_from(self, begin: datetime.datetime, seconds: int) -> int | None:
        minutes, hours = (sorted(one) for one in self.fields[:2])
        for number in range(LONGEST_DAYS):
            day = begin.date() + datetime.timedelta(days=number)
            if not self._has_day(day):
                continue
            for hour in hours:
                for minute in minutes:
                    wall = datetime.datetime.combine(day, datetime.time(hour, minute))
                    at = int(wall.replace(tzinfo=self.zone).timestamp())
                    # An hour that the clock leaves out is another one, and one that it repeats counts once.
                    if wall >= begin and at > seconds and _wall(at, self.zone) == wall:
                        return at
        return None

    def _has_day(self, day: datetime.date) -> bool:
        _, _, days, months, weekdays = self.fields
        by_date, by_week = day.day in days, day.isoweekday() % 7 in weekdays
        return day.month in months and (by_date or by_week if self.is_either_day else by_date and by_week)


def next_launch(rules: Json, after_s: int) -> int | None:
    """When a job with these rules is due after a time, both in seconds since 1970; None where it never is.

    Args:
        rules: the job's Periodic, whose specs are good.
        after_s: the time.
    """
    found = [parse_cron(spec, rules.get("TimeZone") or "UTC").after(after_s) for spec in _specs(rules)]
    return min((at for at in found if at is not None), default=None)


def bad_specs(rules: Json) -> list[tuple[str, str]]:
    """The specs of a job's Periodic that cannot be used, each with why."""
    zone = rules.get("TimeZone") or "UTC"
    return [(spec, why) for spec in _specs(rules) if (why := _why_bad(spec, zone))]


def _why_bad(spec: str, zone: str) -> str:
    try:
        parse_cron(spec, zone)
    except BadCron as fault:
        return str(fault)
    return ""


def _specs(rules: Json) -> list[str]:
    return [spec for spec in [rules.get("Spec"), *(rules.get("Specs") or [])] if spec]


def _wall(at: int, zone: datetime.tzinfo) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at, zone).replace(tzinfo=None)


def parse_cron(spec: str, zone: str = "UTC") -> CronTimes:
    """The times that a spec names; raises BadCron."""
    every = re.fullmatch(r"@every ((?:\d+[hms])+)", spec)
    if every:
        seconds = sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([hms])", every[1]))
        if not seconds:
            raise BadCron("interval must be positive")
        return CronTimes((), is_either_day=False, zone=datetime.timezone.utc, every_s=seconds)
    parts = WORDS.get(spec, spec).split()
    if len(parts) < len(FIELDS):
        raise BadCron("missing field(s)")
    if len(parts) > len(FIELDS):
        raise BadCron(f"expected 5 fields, found {len(parts)}")
    fields = [_values(part, *field) for part, field in zip(parts, FIELDS)]
    fields[4] = frozenset(number % 7 for number in fields[4])
    restricted = all(not parts[number].startswith("*") for number in (2, 4))
    return CronTimes(tuple(fields), restricted, _zone(zone))


def _zone(name: str) -> datetime.tzinfo:
    if name in ("", "UTC"):
        return datetime.timezone.utc
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as fault:
        raise BadCron(f"unknown time zone {name}") from fault


def _values(text: str, name: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, name, 1, high) if slash else 1
        first, last = _ends(span, name, low, high, is_open=bool(slash))
        if first > last:
            raise BadCron(f"{name}: {part} goes backwards")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _ends(span: str, name: str, low: int, high: int, *, is_open: bool) -> tuple[int, int]:
    """The first and the last value of one part.

    Args:
        span: `*`, a value, or two with a dash.
        name: the field's.
        low: the field's first value.
        high: the field's last value.
        is_open: whether a single value goes on to the field's end, as in `5/10`.
    """
    if span == "*":
        return low, 6 if name == "day of week" else high
    first, dash, last = span.partition("-")
    begin = _number(first, name, low, high)
    if dash:
        return begin, _number(last, name, low, high)
    return begin, high if is_open else begin


def _number(text: str, name: str, low: int, high: int) -> int:
    names = {"month": dict(zip(MONTHS, range(1, 13))), "day of week": dict(zip(DAYS, range(7)))}
    known = names.get(name, {}).get(text.lower())
    if known is not None:
        return known
    if not text.isdigit() or not low <= int(text) <= high:
        raise BadCron(f"{name}: {text!r} is not in {low}-{high}")
    return int(text)
