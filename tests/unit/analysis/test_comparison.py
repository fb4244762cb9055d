"""Which period `previous` means: calendar units of the zone, over clock changes too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tallystick.analysis.comparison import compared
from tallystick.errors import InvalidRequest
from tallystick.model.queries.comparison import Period, previous_period
from tallystick.model.query import MetricsQuery

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
    found = previous_period(since, until, zone, interval)
    assert found == Period(since=local(before[0], zone), until=local(before[1], zone))


def test_a_clock_that_goes_back_at_midnight() -> None:
    """A minute after its beginning the day gave way to the end of the day before."""
    since = datetime(2010, 11, 7, 2, 30, tzinfo=UTC)
    found = previous_period(since, since.replace(minute=45), ST_JOHNS, "minute")
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
