"""The imaginary visitors of `tallystick demo`."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from tallystick.cli.demo.command import TICK, _past, _portions
from tallystick.cli.demo.history import history
from tallystick.cli.demo.world import LATEST, Sent, World
from tallystick.cli.program import run

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def first(count: int, seed: int = 1) -> list[Sent]:
    return list(islice(World(seed, START, 50.0), count))


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    return first(8_000)


def test_same_seed_same_events() -> None:
    assert first(500) == first(500)
    assert first(500) != first(500, seed=2)


def test_order_and_rate(sent: list[Sent]) -> None:
    times = [one.at for one in sent]
    assert times == sorted(times)
    assert times[0] >= 0
    assert 0.85 < len(sent) / times[-1] / 50.0 < 1.15


def test_visitors_are_like_people(sent: list[Sent]) -> None:
    events = {one.event["event_id"]: one.event for one in sent}
    repeats = len(sent) - len(events)
    assert 40 < repeats < 160
    users = Counter(event["user_id"] for event in events.values() if "user_id" in event)
    assert users.most_common(1)[0][1] > 20 * sorted(users.values())[len(users) // 2]
    pages = Counter(event["session_id"] for event in events.values() if event["name"] == "page_view")
    assert len({event["session_id"] for event in events.values()}) > 1_000
    assert max(pages.values()) > 5
    names = Counter(event["name"] for event in events.values())
    assert names["signup_started"] > names["signup_email_confirmed"] > names["signup_completed"] > 0
    bought = [event["properties"] for event in events.values() if event["name"] == "purchase"]
    assert bought
    assert all(one["amount"] > 0 and one["items"] > 0 and one["currency"] == "EUR" for one in bought)
    assert any("referrer" in event["properties"] for event in events.values())


def test_some_events_are_late(sent: list[Sent]) -> None:
    ages = [START + timedelta(seconds=one.at) - datetime.fromisoformat(one.event["timestamp"]) for one in sent]
    late = [age for age in ages if age > timedelta(minutes=1)]
    assert 0.005 < len(late) / len(ages) < 0.1
    assert max(late) <= LATEST + timedelta(minutes=5)
    assert min(ages) >= timedelta(microseconds=-1)


def test_portions_end_where_they_are_told_to() -> None:
    by_count = list(_portions(World(1, START, 50.0), None, 120, "shop", "demo-1"))
    assert sum(len(portion) for _, portion in by_count) == 120
    assert {event["site_id"] for _, portion in by_count for event in portion} == {"shop"}
    assert {event["properties"]["$import"] for _, portion in by_count for event in portion} == {"demo-1"}
    by_time = list(_portions(World(1, START, 50.0), 2.0, None, None, "demo-1"))
    assert 0 < max(due for due, _ in by_time) <= 2.0 + TICK


def test_the_past_fills_every_day_and_has_sources() -> None:
    end = START + timedelta(days=3)
    events = [event for _, portion in _past(history(1, end, 3, 3_000), None, "demo-1") for event in portion]
    assert 2_500 < len(events) < 3_500
    times = [datetime.fromisoformat(event["timestamp"]) for event in events]
    assert min(times) >= START
    assert max(times) <= end
    days = Counter(time.date() for time in times)
    assert all(days[(START + timedelta(days=day)).date()] > 300 for day in range(3))
    assert all("site_id" not in event for event in events)
    for key in ("$referring_domain", "utm_source", "$os", "country", "browser"):
        assert len({event["properties"][key] for event in events if key in event["properties"]}) > 2, key


def test_days_exclude_a_rate(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--days", "2", "--rate", "5"]) == 2
    assert "--days sends the past at once" in capsys.readouterr().err
