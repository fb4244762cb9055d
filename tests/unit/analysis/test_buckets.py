"""Time buckets around every kind of clock change: their names, their order, and which quarter hours can serve."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.analysis.buckets import Buckets, instant_of, micros, segments
from tallystick.model.query import Interval
from tests.oracle.metrics import bucket_start

NOW = datetime(2025, 7, 1, tzinfo=UTC)


def buckets(interval: Interval, zone: str, since: datetime | None = None, until: datetime | None = None) -> Buckets:
    return Buckets(interval, zone, segments(zone, since, until, NOW))


def labels(interval: Interval, zone: str, since: datetime, hours: int) -> list[str]:
    until = since + timedelta(hours=hours)
    found = buckets(interval, zone, since, until)
    return [found.label(key) for key in found.keys(found.key(since), found.key(until - timedelta(microseconds=1)))]


def test_the_hour_that_a_change_back_repeats_is_two_buckets() -> None:
    assert labels("hour", "Europe/Berlin", datetime(2025, 10, 25, 23, tzinfo=UTC), 4) == [
        "2025-10-26T01:00:00+02:00",
        "2025-10-26T02:00:00+02:00",
        "2025-10-26T02:00:00+01:00",
        "2025-10-26T03:00:00+01:00",
    ]


def test_the_hour_that_a_change_forward_skips_is_none() -> None:
    assert labels("hour", "Europe/Berlin", datetime(2025, 3, 30, 0, tzinfo=UTC), 2) == [
        "2025-03-30T01:00:00+01:00",
        "2025-03-30T03:00:00+02:00",
    ]


def test_a_change_by_half_an_hour_starts_a_bucket_inside_the_hour() -> None:
    assert labels("hour", "Australia/Lord_Howe", datetime(2025, 4, 5, 14, tzinfo=UTC), 3) == [
        "2025-04-06T01:00:00+11:00",
        "2025-04-06T01:30:00+10:30",
        "2025-04-06T02:00:00+10:30",
        "2025-04-06T03:00:00+10:30",
    ]


def test_a_change_a_minute_past_midnight() -> None:
    assert labels("hour", "America/St_Johns", datetime(2010, 11, 7, 1, 30, tzinfo=UTC), 3) == [
        "2010-11-06T23:00:00-02:30",
        "2010-11-07T00:00:00-02:30",
        "2010-11-06T23:01:00-03:30",
        "2010-11-07T00:00:00-03:30",
    ]


@pytest.mark.parametrize("minute", [31, 32, 59])
def test_a_range_that_begins_after_a_change_within_the_hour(minute: int) -> None:
    assert labels("hour", "America/St_Johns", datetime(2010, 11, 7, 2, minute, tzinfo=UTC), 1) == [
        "2010-11-06T23:01:00-03:30",
        "2010-11-07T00:00:00-03:30",
    ]


def test_a_day_whose_midnight_was_skipped_begins_after_the_change() -> None:
    assert labels("day", "America/Sao_Paulo", datetime(2018, 11, 3, 12, tzinfo=UTC), 48) == [
        "2018-11-03T00:00:00-03:00",
        "2018-11-04T01:00:00-02:00",
        "2018-11-05T00:00:00-02:00",
    ]


def test_a_day_that_a_country_skipped_is_no_bucket() -> None:
    assert labels("day", "Pacific/Apia", datetime(2011, 12, 29, 12, tzinfo=UTC), 72) == [
        "2011-12-29T00:00:00-10:00",
        "2011-12-31T00:00:00+14:00",
        "2012-01-01T00:00:00+14:00",
        "2012-01-02T00:00:00+14:00",
    ]


def test_weeks_start_on_monday_and_months_on_the_first() -> None:
    since = datetime(2024, 12, 31, 12, tzinfo=UTC)
    assert labels("week", "Asia/Kathmandu", since, 24 * 7) == ["2024-12-30T00:00:00+05:45", "2025-01-06T00:00:00+05:45"]
    assert labels("month", "Asia/Kathmandu", since, 24 * 32) == [
        "2024-12-01T00:00:00+05:45",
        "2025-01-01T00:00:00+05:45",
        "2025-02-01T00:00:00+05:45",
    ]


ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca"]
INTERVALS: list[Interval] = ["minute", "hour", "day", "week", "month"]
moments = st.datetimes(datetime(2000, 1, 2), datetime(2034, 1, 1), timezones=st.just(UTC))


@given(moments, st.sampled_from(ZONES), st.sampled_from(INTERVALS))
def test_an_instant_is_in_the_bucket_that_walking_the_clock_finds(
    instant: datetime, zone: str, interval: Interval
) -> None:
    found = buckets(interval, zone)
    wanted = bucket_start(instant.replace(second=0, microsecond=0), interval, zone)
    assert found.label(found.key(instant)) == wanted.isoformat(timespec="seconds")


@given(moments, st.sampled_from(ZONES), st.sampled_from(INTERVALS))
def test_the_next_bucket_is_where_a_bucket_ends(instant: datetime, zone: str, interval: Interval) -> None:
    found = buckets(interval, zone)
    key = found.key(instant)
    following = next(next_key for next_key in found.keys(key, key + 10**15) if next_key != key)
    start = found.start(following).astimezone(UTC)
    assert start > instant
    assert found.key(start) == following
    if zone != "America/St_Johns":  # whose days could begin twice
        assert found.key(start - timedelta(microseconds=1)) == key


def test_quarter_hours_make_up_the_buckets_of_today_everywhere_but_not_of_every_time() -> None:
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    for zone in ZONES:
        assert buckets("hour", zone, since, until).on_quarter_hours
        assert not buckets("minute", zone, since, until).on_quarter_hours
    assert not buckets("day", "America/St_Johns", datetime(2010, 1, 1, tzinfo=UTC), until).on_quarter_hours


def test_a_zone_has_the_changes_of_the_range_alone() -> None:
    since = datetime(2025, 1, 1, tzinfo=UTC)
    parts = segments("Europe/Berlin", since, datetime(2025, 6, 1, tzinfo=UTC), NOW)
    assert [part.offset for part in parts] == [3600, 7200]
    assert instant_of(parts[1].start * 1_000_000) == datetime(2025, 3, 30, 1, tzinfo=UTC)


@pytest.mark.parametrize("value", [0, 1, 1_746_057_600_123_456])
def test_microseconds_are_exact(value: int) -> None:
    assert micros(instant_of(value)) == value
    assert instant_of(value).astimezone(ZoneInfo("Asia/Kathmandu")) == instant_of(value)
