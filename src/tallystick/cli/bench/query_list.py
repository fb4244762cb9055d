"""The questions of `tallystick bench query`, and the milliseconds of round trip that they have to stay below."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from tallystick.cli.bench.events import DAY_US

DAYS = 30
"""Of the history."""
SERIES_MS = 300.0
ROLLUP_MS = 10.0
"""Questions that look at events, questions that the rollup answers."""
OVERVIEW_MS = 150.0
FUNNEL_MS = 500.0
RETENTION_MS = 500.0
PATHS_MS = 1_000.0
"""Analyses on a server that is asked nothing else; while events come in, twice as long."""


class Question(NamedTuple):
    """A question with a name and, where one is set, the milliseconds it has to stay below."""

    name: str
    ask: dict[str, Any]
    target_ms: float | None
    section: Literal["questions", "analyses"] = "questions"


def questions(first_day: int, user: str) -> list[Question]:
    """All of them about a history that begins at `first_day` (microseconds since 1970); `user` is one of its users."""
    end = first_day + DAYS * DAY_US
    month = {"since": instant(first_day), "until": instant(end)}
    week = {"since": instant(end - 7 * DAY_US), "until": instant(end)}
    return [*_of_events(month, week, user), *_overview(month), *_of_persons(month), *_of_paths(month)]


def instant(us: int) -> str:
    """Microseconds since 1970 as ISO 8601."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).isoformat()


def _of_events(month: dict[str, str], week: dict[str, str], user: str) -> list[Question]:
    month, week = {"kind": "metrics", **month}, {"kind": "metrics", **week}
    daily = {"metrics": [{"kind": "events"}, {"kind": "users"}], "interval": "day"}
    bought = {"metrics": [{"kind": "sum", "property": "amount"}], "interval": "day"}
    only = {"filter": {"field": "name", "op": "=", "value": "purchase"}}
    browsers = {"breakdown": ["properties.browser"]}
    new_york = {"interval": "day", "timezone": "America/New_York"}
    timeline = {"kind": "events", "user_id": user, "ascending": True, "limit": 100}
    return [
        Question("events and unique users per day, 30 days", {**month, **daily}, SERIES_MS),
        Question("events and unique users per day, 7 days", {**week, **daily}, SERIES_MS),
        Question("unique users of 30 days", {**month, "metrics": [{"kind": "users"}]}, SERIES_MS),
        Question("top 10 paths, 30 days", {**month, "breakdown": ["path"], "top": 10}, SERIES_MS),
        Question("top 10 paths and the others", {**month, "breakdown": ["path"], "top": 10, "other": True}, SERIES_MS),
        Question("by property browser, 30 days", {**month, **browsers}, SERIES_MS),
        Question("by property browser, 7 days", {**week, **browsers}, SERIES_MS),
        Question("top 10 of property referrer", {**month, "breakdown": ["properties.referrer"], "top": 10}, SERIES_MS),
        Question("revenue per day, 30 days", {**month, **bought, **only}, None),
        Question("events per day, 30 days", {**month, "interval": "day"}, ROLLUP_MS),
        Question("events per day in New York", {**month, **new_york}, ROLLUP_MS),
        Question("events by name, 30 days", {**month, "breakdown": ["name"]}, ROLLUP_MS),
        Question("events by name and day", {**month, "interval": "day", "breakdown": ["name"]}, ROLLUP_MS),
        Question("newest 100 events", {"kind": "events", "limit": 100}, None),
        Question("one user's timeline", {**month, **timeline}, None),
        Question("property keys", {"kind": "keys"}, None),
    ]


def _analysis(name: str, target_ms: float | None, kind: str, month: dict[str, str], **more: object) -> Question:
    return Question(name, {"kind": kind, **month, **more}, target_ms, "analyses")


def _overview(month: dict[str, str]) -> list[Question]:
    both = [{"kind": "events"}, {"kind": "users"}]
    views = {"field": "name", "op": "=", "value": "page_view"}
    visits = {"metrics": ["sessions", "bounce_rate", "median_duration", "pages_per_session"]}

    def top(field: str) -> Question:
        named = {"entry_page": "pages of entry", "channel": "channels", "referrer": "referrers"}[field]
        return _analysis(f"top 10 {named}", OVERVIEW_MS, "sessions", month, breakdown=[field], top=10, **visits)

    return [
        _analysis("events and users per hour", OVERVIEW_MS, "metrics", month, metrics=both, interval="hour"),
        _analysis("events and users per day", OVERVIEW_MS, "metrics", month, metrics=both, interval="day"),
        _analysis("sessions and bounce rate", OVERVIEW_MS, "sessions", month, **visits),
        _analysis("sessions and bounce rate per day", OVERVIEW_MS, "sessions", month, interval="day", **visits),
        _analysis("top 10 pages", OVERVIEW_MS, "metrics", month, breakdown=["path"], top=10, filter=views),
        top("entry_page"),
        top("channel"),
        top("referrer"),
    ]


def _of_persons(month: dict[str, str]) -> list[Question]:
    steps = [{"name": name} for name in ("page_view", "add_to_cart", "purchase")]
    signed_up = {"start": {"name": "sign_up"}, "returning": {"name": "purchase"}}
    return [
        _analysis("funnel of three steps", FUNNEL_MS, "funnel", month, steps=steps),
        _analysis("funnel of three steps within an hour", None, "funnel", month, steps=steps, window=3_600),
        _analysis("funnel by browser", None, "funnel", month, steps=steps, breakdown="properties.browser"),
        _analysis("retention by week, 8 weeks", RETENTION_MS, "retention", month, interval="week", periods=8),
        _analysis("retention by day, 30 days", RETENTION_MS, "retention", month, interval="day", periods=30),
        _analysis("from sign-up to purchase by week", RETENTION_MS, "retention", month, periods=8, **signed_up),
        _analysis("lifecycle by week", None, "lifecycle", month, interval="week"),
        _analysis("DAU, WAU and MAU", None, "active_users", month),
        _analysis("the 50 users seen last", None, "people", month, limit=50),
    ]


def _of_paths(month: dict[str, str]) -> list[Question]:
    return [
        _analysis("paths of five pages", PATHS_MS, "paths", month),
        _analysis("paths from a page", PATHS_MS, "paths", month, start="/pricing"),
        _analysis("paths to a page", PATHS_MS, "paths", month, end="/pricing"),
        _analysis("paths of five events", None, "paths", month, by="event"),
    ]
