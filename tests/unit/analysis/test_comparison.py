"""Which period `previous` means: calendar units of the zone, over clock changes too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tallystick.analysis.comparison import compared
from tallystick.errors import InvalidRequest
from tallystick.model.queries.comparison import Period, previous_period
from tallystick.model.query import Interval, MetricsQuery

NOW = datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)
BERLIN, APIA, ST_JOHNS = "Europe/Berlin", "Pacific/Apia", "America/St_Johns"


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "period", "interval", "before"),
    [
        # whole months
        (BERLIN, ("2025-03-01", "2025-04-01"), None, ("2025-02-01", "2025-03-01")),
        (BERLIN, ("2025-01-01", "2026-01-01"), "month", ("2024-01-01", "2025-01-01")),
        ("UTC", ("2025-03-01", "2025-05-01"), "day", ("2025-01-01", "2025-03-01")),
        # whole days and weeks: of 23 and 25 hours too
        (BERLIN, ("2025-03-31", "2025-04-01"), "hour", ("2025-03-30", "2025-03-31")),
        (BERLIN, ("2025-03-30", "2025-03-31"), "hour", ("2025-03-29", "2025-03-30")),
        (BERLIN, ("2025-10-27", "2025-11-03"), "day", ("2025-10-20", "2025-10-27")),
        ("America/Sao_Paulo", ("2018-11-05", "2018-11-06"), None, ("2018-11-04T01:00", "2018-11-05")),
        # a month so far, and months that begin with one
        (BERLIN, ("2025-06-01", "2025-06-25T14:34"), "day", ("2025-05-01", "2025-05-25T14:34")),
        (BERLIN, ("2025-03-01", "2025-03-30T12:00"), None, ("2025-02-01", "2025-03-01")),
        (BERLIN, ("2025-01-01", "2025-03-20"), "month", ("2024-10-01", "2024-12-20")),
        (BERLIN, ("2025-11-01", "2025-11-26T12:00"), None, ("2025-10-01", "2025-10-26T11:00")),  # 12 hours of 25
        ("UTC", ("2025-06-01", "2025-06-08"), "day", ("2025-05-25", "2025-06-01")),
        # a week so far, and weeks that begin with one
        (BERLIN, ("2025-06-23", "2025-06-26T14:34"), "day", ("2025-06-16", "2025-06-19T14:34")),
        ("UTC", ("2025-06-23", "2025-06-24T10:00"), None, ("2025-06-16", "2025-06-17T10:00")),
        ("UTC", ("2025-06-16", "2025-06-26"), "week", ("2025-06-02", "2025-06-12")),
        # days that have begun
        (BERLIN, ("2025-06-25", "2025-07-01T14:34"), "day", ("2025-06-18", "2025-06-24T14:34")),
        (BERLIN, ("2025-07-01", "2025-07-01T14:34"), "hour", ("2025-06-30", "2025-06-30T14:34")),
        (BERLIN, ("2025-03-31", "2025-03-31T23:30"), None, ("2025-03-30", "2025-03-31")),
        # a day that never was
        (APIA, ("2011-12-31", "2012-01-01"), "day", ("2011-12-29", "2011-12-31")),
        # any other length
        ("UTC", ("2025-07-01T10:15", "2025-07-01T12:00"), None, ("2025-07-01T08:30", "2025-07-01T10:15")),
        ("UTC", ("2025-07-01T10:15", "2025-07-01T12:00"), "hour", ("2025-07-01T08:30", "2025-07-01T10:15")),
        ("UTC", ("2025-07-01T10:00", "2025-07-01T12:34"), "hour", ("2025-07-01T07:00", "2025-07-01T09:34")),
        ("UTC", ("2025-07-01T10:01", "2025-07-01T10:03:30"), "minute", ("2025-07-01T09:58", "2025-07-01T10:00:30")),
        ("UTC", ("2025-07-01", "2025-07-01"), "day", ("2025-07-01", "2025-07-01")),
    ],
)
def test_the_period_before(zone: str, period: tuple[str, str], interval: Any, before: tuple[str, str]) -> None:
    since, until = (local(text, zone) for text in period)
    found = previous_period(since, until, zone, interval, now=NOW.replace(year=2030))
    assert found == Period(since=local(before[0], zone), until=local(before[1], zone))


@pytest.mark.parametrize(
    ("range_", "period", "now", "before"),
    [
        ("24h", ("2025-06-30T13:00", "2025-07-01T13:00"), "2025-07-01T12:34", ("2025-06-29T13:00", "2025-06-30T12:34")),
        ("today", ("2025-07-01", "2025-07-01T13:00"), "2025-07-01T12:34", ("2025-06-30", "2025-06-30T12:34")),
        ("7d", ("2025-07-01", "2025-07-07T13:00"), "2025-07-07T12:34", ("2025-06-24", "2025-06-30T12:45")),
        ("30d", ("2025-06-01", "2025-06-30T13:00"), "2025-06-30T12:34", ("2025-05-02", "2025-05-31T12:45")),
        ("week", ("2025-06-30", "2025-07-01T13:00"), "2025-07-01T12:34", ("2025-06-23", "2025-06-24T12:34")),
        ("last_week", ("2025-06-23", "2025-06-30"), "2025-07-01T12:34", ("2025-06-16", "2025-06-23")),
        ("month", ("2025-01-01", "2025-01-20T13:00"), "2025-01-20T12:45", ("2024-12-01", "2024-12-20T12:45")),
        ("year", ("2025-01-01", "2025-01-20T13:00"), "2025-01-20T12:45", ("2024-01-01", "2024-01-20T12:45")),
        ("12mo", ("2024-08-01", "2025-07-31T13:00"), "2025-07-31T12:30", ("2023-08-01", "2024-07-31T12:30")),
        ("last_month", ("2025-03-01", "2025-04-01"), "2025-04-02", ("2025-02-01", "2025-03-01")),
        (
            "2025-06-01/2025-06-30",
            ("2025-06-01", "2025-06-11T13:00"),
            "2025-06-11T12:30",
            ("2025-05-01", "2025-05-11T12:30"),
        ),
        (
            "2025-06-05/2025-06-14",
            ("2025-06-05", "2025-06-11T13:00"),
            "2025-06-11T12:30",
            ("2025-05-26", "2025-06-01T12:30"),
        ),
    ],
)
def test_a_named_range_is_compared_as_far_as_it_has_got(
    range_: str, period: tuple[str, str], now: str, before: tuple[str, str]
) -> None:
    since, until = (local(text, "UTC") for text in period)
    found = previous_period(since, until, "UTC", "day", now=local(now, "UTC"), range_=range_)
    assert found == Period(since=local(before[0], "UTC"), until=local(before[1], "UTC"))


def test_a_month_that_is_not_over_is_compared_with_as_much_of_the_month_before() -> None:
    """Whole months are given, and 25 days of this one have passed: 31 days before would be 24 % more."""
    period = [local(text, "UTC") for text in ("2025-11-01", "2025-12-01")]
    intervals: list[Interval | None] = [None, "day", "month"]
    for interval in intervals:
        found = previous_period(period[0], period[1], "UTC", interval, now=local("2025-11-26", "UTC"))
        assert found == Period(since=local("2025-10-01", "UTC"), until=local("2025-10-26", "UTC"))


def test_weeks_from_sunday_on() -> None:
    since, until = local("2025-06-22", "UTC"), local("2025-06-26T14:34", "UTC")
    found = previous_period(since, until, "UTC", None, now=NOW, week_start="sunday")
    assert found == Period(since=local("2025-06-15", "UTC"), until=local("2025-06-19T14:34", "UTC"))


def test_a_clock_that_goes_back_at_midnight() -> None:
    """A minute after its beginning the day gave way to the end of the day before."""
    since = datetime(2010, 11, 7, 2, 30, tzinfo=UTC)
    found = previous_period(since, since.replace(minute=45), ST_JOHNS, "minute", now=NOW)
    assert found == Period(since=since.replace(day=6), until=since.replace(day=6, minute=45))


def test_the_query_of_each_period() -> None:
    query = MetricsQuery(since=NOW.replace(hour=0, minute=0, second=0), compare="previous", limit=7)
    both = compared(query, NOW)
    assert both is not None
    assert both.query == query.model_copy(update={"until": NOW, "compare": None})
    assert both.previous.model_copy(update={"limit": 7}) == query.model_copy(
        update={"since": both.period.since, "until": NOW.replace(day=30, month=6), "compare": None}
    )
    assert compared(query.model_copy(update={"compare": None}), NOW) is None


def test_nothing_lies_before_the_year_1() -> None:
    first = datetime(1, 1, 1, tzinfo=UTC)
    for since, until in ((first, first.replace(month=2)), (first, NOW), (first.replace(hour=1), NOW)):
        with pytest.raises(InvalidRequest, match="before the year 1"):
            compared(MetricsQuery(since=since, until=until, compare="previous"), NOW)
