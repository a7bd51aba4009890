"""Times of periodic jobs."""

import datetime

import pytest

from evolve.cluster.standin.cron import BadCron, bad_specs, next_launch, parse_cron


def seconds(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp())


@pytest.mark.parametrize(
    ("spec", "after", "due"),
    [
        ("* * * * *", "2026-11-30 10:00:00", "2026-11-30 10:01"),
        ("* * * * *", "2026-11-30 10:00:59", "2026-11-30 10:01"),
        ("*/15 * * * *", "2026-11-30 10:46:00", "2026-11-30 11:00"),
        ("0 3 1 1 *", "2026-11-30 10:00:00", "2027-01-01 03:00"),
        ("5,10-12 8-9/1 * * *", "2026-11-30 09:12:00", "2026-12-01 08:05"),
        ("50/5 * * * *", "2026-11-30 10:00:00", "2026-11-30 10:50"),
        ("0 0 29 2 *", "2026-11-30 10:00:00", "2028-02-29 00:00"),
        ("0 0 * * mon", "2026-11-30 10:00:00", "2026-12-07 00:00"),
        ("0 0 * * 7", "2026-11-30 10:00:00", "2026-12-06 00:00"),
        ("0 0 * * *", "2026-12-05 10:00:00", "2026-12-06 00:00"),
        ("0 0 13 * fri", "2026-11-30 10:00:00", "2026-12-04 00:00"),
        ("0 0 1 jan,jul *", "2026-11-30 10:00:00", "2027-01-01 00:00"),
        ("@daily", "2026-11-30 10:00:00", "2026-12-01 00:00"),
        ("@hourly", "2026-11-30 10:00:00", "2026-11-30 11:00"),
        ("@every 1h30m", "2026-11-30 10:00:00", "2026-11-30 11:30"),
    ],
)
def test_the_next_time(spec: str, after: str, due: str) -> None:
    assert parse_cron(spec).after(seconds(after)) == seconds(due)


def test_a_zone_moves_the_time_and_an_hour_that_is_left_out_is_skipped() -> None:
    berlin = parse_cron("30 2 * * *", "Europe/Berlin")
    assert berlin.after(seconds("2026-11-30 10:00:00")) == seconds("2026-12-01 01:30")
    before_summer = seconds("2026-03-28 10:00:00")  # on the 29th the clock goes from 2:00 to 3:00
    assert berlin.after(before_summer) == seconds("2026-03-30 00:30")


def test_a_day_that_never_comes() -> None:
    assert parse_cron("0 0 30 2 *").after(seconds("2026-11-30 10:00:00")) is None


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("nonsense", r"missing field\(s\)"),
        ("* * * * * *", "expected 5 fields, found 6"),
        ("60 * * * *", "minute: '60' is not in 0-59"),
        ("*/0 * * * *", "minute: '0' is not in 1-59"),
        ("5-1 * * * *", "goes backwards"),
        ("* * 0 * *", "day of month"),
        ("* * * foo *", "month: 'foo'"),
        ("@every 0s", "interval must be positive"),
        ("@every never", r"missing field\(s\)"),
    ],
)
def test_a_spec_that_cannot_be_used(spec: str, why: str) -> None:
    with pytest.raises(BadCron, match=why):
        parse_cron(spec)


def test_an_unknown_zone_makes_a_spec_unusable() -> None:
    assert bad_specs({"Spec": "@daily", "TimeZone": "Nowhere/At_All"}) == [
        ("@daily", "unknown time zone Nowhere/At_All")
    ]


def test_of_several_specs_the_first_due_counts() -> None:
    rules = {"Specs": ["0 12 * * *", "0 11 * * *"]}
    assert next_launch(rules, seconds("2026-11-30 10:00:00")) == seconds("2026-11-30 11:00")
