"""`sent_at` corrects a client's wrong clock (G9), on both ways of decoding, and only when it is given."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallystick.config import Settings
from tallystick.ingest.decode import Decoded, decode_native
from tallystick.ingest.skew import SKEW_MIN, clock_skew

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOURS = timedelta(hours=3)
SETTINGS = Settings()
MILLISECOND = timedelta(milliseconds=1)


def milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // MILLISECOND


def times(decoded: Decoded) -> list[datetime]:
    return [datetime.fromisoformat(json.loads(line)["timestamp"]) for line in decoded.lines.splitlines()]


def body(clock: datetime, *ages: int, **more: Any) -> bytes:
    """A request that a clock with this time sends, of events that are so many seconds old."""
    events = [{"name": "a", "timestamp": (clock - timedelta(seconds=age)).isoformat()} for age in ages]
    return json.dumps({"sent_at": clock.isoformat(), "events": events, **more}).encode()


@pytest.mark.parametrize("ahead", [HOURS, -HOURS, timedelta(days=3), -timedelta(days=20_000), timedelta(days=40_000)])
@pytest.mark.parametrize("identity", [None, "key"], ids=["fast", "careful"])
def test_a_wrong_clock_is_corrected(ahead: timedelta, identity: str | None) -> None:
    """By hours, by days (which are outside what is believed without `sent_at`), from 1971, from 2135."""
    decoded = decode_native(body(NOW + ahead, 0, 90), NOW, SETTINGS, identity=identity)
    assert times(decoded) == [NOW, NOW - timedelta(seconds=90)]
    assert b"sent_at" not in decoded.lines
    assert b"$timestamp" not in decoded.lines


@pytest.mark.parametrize("identity", [None, "key"], ids=["fast", "careful"])
def test_of_a_single_event(identity: str | None) -> None:
    sent = NOW + HOURS
    event = {"name": "a", "timestamp": sent.isoformat(), "sent_at": sent.isoformat()}
    decoded = decode_native(json.dumps(event).encode(), NOW, SETTINGS, identity=identity)
    assert times(decoded) == [NOW]
    assert b"sent_at" not in decoded.lines


@pytest.mark.parametrize("identity", [None, "key"], ids=["fast", "careful"])
def test_an_invalid_event_beside_it(identity: str | None) -> None:
    """The other events are corrected too when one makes the request take the careful way."""
    sent = NOW + HOURS
    events = [{"name": "a", "timestamp": sent.isoformat()}, {"name": ""}, {"name": "b", "timestamp": sent.timestamp()}]
    given = json.dumps({"sent_at": milliseconds(sent), "events": events}).encode()
    decoded = decode_native(given, NOW, SETTINGS, identity=identity)
    assert times(decoded) == [NOW, NOW]
    assert [rejection.index for rejection in decoded.rejected] == [1]


@pytest.mark.parametrize("identity", [None, "key"], ids=["fast", "careful"])
@pytest.mark.parametrize("behind", [SKEW_MIN - MILLISECOND, -SKEW_MIN + MILLISECOND, timedelta(0)])
def test_a_slow_request_is_no_wrong_clock(behind: timedelta, identity: str | None) -> None:
    clock = NOW - behind
    assert times(decode_native(body(clock, 0), NOW, SETTINGS, identity=identity)) == [clock]


@pytest.mark.parametrize("identity", [None, "key"], ids=["fast", "careful"])
@pytest.mark.parametrize("sent_at", [None, "", "yesterday", True, [], {"a": 1}, 1e300, "9999-12-31T23:59:59-23:00"])
def test_what_is_no_time_says_nothing(sent_at: Any, identity: str | None) -> None:
    decoded = decode_native(body(NOW + HOURS, 0, sent_at=sent_at), NOW, SETTINGS, identity=identity)
    assert times(decoded) == [NOW + HOURS]


def test_without_it_times_are_as_sent() -> None:
    given = json.dumps([{"name": "a", "timestamp": (NOW - HOURS).isoformat()}]).encode()
    assert times(decode_native(given, NOW, SETTINGS)) == [NOW - HOURS]


@pytest.mark.parametrize(
    "sent_at",
    [
        milliseconds(NOW + HOURS),
        (NOW + HOURS).timestamp(),
        int((NOW + HOURS).timestamp()),
        "2026-03-01T15:00:00Z",
        "2026-03-01T15:00:00",
        " 2026-03-01T17:00:00+02:00 ",
    ],
)
def test_forms(sent_at: object) -> None:
    assert clock_skew(sent_at, NOW) == HOURS
