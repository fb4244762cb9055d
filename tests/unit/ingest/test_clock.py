"""G9: event times as clients send them, and what becomes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.ingest.clock import event_time
from tallystick.model.event import AHEAD_MAX, EARLIEST

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EIGHT = datetime(2026, 2, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-01T08:00:00Z", EIGHT),
        (" 2026-02-01 08:00:00z ", EIGHT),
        ("2026-02-01t09:00:00+01:00", EIGHT),
        ("2026-02-01T09:00:00+0100", EIGHT),
        ("2026-02-01T08:00", EIGHT),
        ("20260201T080000Z", EIGHT),
        ("2026-02-01", EIGHT.replace(hour=0)),
        ("2026-02-01T08:00:00,5Z", EIGHT + timedelta(milliseconds=500)),
        ("2026-02-01T08:00:00.1234564Z", EIGHT + timedelta(microseconds=123456)),
        ("2026-02-01T08:00:00.1234565Z", EIGHT + timedelta(microseconds=123457)),
        ("2026-02-01T08:00:00.1234565", EIGHT + timedelta(microseconds=123457)),
    ],
)
def test_texts(text: str, moment: datetime) -> None:
    assert event_time(text, NOW) == (moment, None)


@pytest.mark.parametrize("number", [1769932800, 1769932800.0, 1769932800_000, 1769932800_000_000, 1769932800000.0])
def test_numbers_are_seconds_milliseconds_or_microseconds(number: float) -> None:
    assert event_time(number, NOW) == (EIGHT, None)


@pytest.mark.parametrize("nothing", [None, ""])
def test_absent_is_the_time_of_arrival(nothing: str | None) -> None:
    assert event_time(nothing, NOW) == (NOW, None)


def test_borders_are_inside() -> None:
    """G9: 2000-01-01 and 24 hours ahead are still taken."""
    for moment in (EARLIEST, NOW + AHEAD_MAX):
        assert event_time(moment, NOW) == (moment, None)
        assert event_time(moment.isoformat(), NOW) == (moment, None)


@pytest.mark.parametrize(
    "raw",
    [
        "1999-12-31T23:59:59.999999Z",
        "2026-03-02T12:00:00.000001Z",
        "2000-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "0001-01-01T00:00:00+05:00",
        "10000-01-01T00:00:00Z",
        "+275760-09-13T00:00:00Z",
        0,
        -1,
        1e300,
        10**17,
        10**400,
    ],
)
def test_outside_is_the_time_of_arrival_and_the_raw_value(raw: str | float) -> None:
    """G9: a broken clock costs the event its time, not its place."""
    assert event_time(raw, NOW) == (NOW, raw)


@pytest.mark.parametrize(
    "given",
    ["soon", "2026-02-30T00:00:00Z", "2026-02-01T23:59:60Z", "20261332", "1-1-2026", float("nan"), float("inf"), True],
)
def test_what_cannot_be_read_is_refused(given: str | float) -> None:
    """G9: neither guessed nor replaced."""
    with pytest.raises(ValueError, match="timestamp"):
        event_time(given, NOW)


def test_skew_is_taken_off() -> None:
    """G9: a client an hour ahead is put right, also over the border of what is taken."""
    assert event_time(EIGHT + timedelta(hours=1), NOW, timedelta(hours=1)) == (EIGHT, None)
    assert event_time(NOW + timedelta(hours=30), NOW, timedelta(hours=30)) == (NOW, None)
    assert event_time(EARLIEST, NOW, timedelta.max) == (NOW, EARLIEST.isoformat())


@given(st.datetimes(datetime(2000, 1, 2), datetime(2026, 2, 28)), st.integers(-1439, 1439))
def test_any_offset_is_the_same_instant(moment: datetime, minutes: int) -> None:
    there = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    assert event_time(there.isoformat(), NOW) == (moment.replace(tzinfo=UTC), None)
