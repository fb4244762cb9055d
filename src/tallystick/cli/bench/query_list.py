"""The queries of `tallystick bench query`, and the target of each: most milliseconds of a round trip."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from tallystick.cli.bench.events import DAY_US

DAYS = 30
"""Days of the history."""
SERIES_MS = 300.0
ROLLUP_MS = 10.0
"""Targets of queries that read events, and of queries that the rollup answers."""
OVERVIEW_MS = 150.0
FUNNEL_MS = 500.0
RETENTION_MS = 500.0
PATHS_MS = 1_000.0
"""Targets of analyses on a server without other load. While events come in, they may take twice as long."""


class TimedQuery(NamedTuple):
    """A query with a name and a target in milliseconds (None: no target is set)."""

    name: str
    body: dict[str, Any]
    target_ms: float | None
    section: Literal["questions", "analyses"] = "questions"


def timed_queries(first_day: int, user: str) -> list[TimedQuery]:
    """All queries about a history that begins at `first_day` (microseconds since 1970); `user` is one of its users."""
    end = first_day + DAYS * DAY_US
    month = {"since": instant(first_day), "until": instant(end)}
    week = {"since": instant(end - 7 * DAY_US), "until": instant(end)}
    return [
        *_event_queries(month, week, user),
        *_overview_analyses(month),
        *_person_analyses(month),
        *_path_analyses(month),
    ]


def instant(us: int) -> str:
    """Microseconds since 1970 as ISO 8601."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).isoformat()


def _event_queries(month: dict[str, str], week: dict[str, str], user: str) -> list[TimedQuery]:
    month, week = {"kind": "metrics", **month}, {"kind": "metrics", **week}
    daily = {"metrics": [{"kind": "events"}, {"kind": "users"}], "interval": "day"}
    bought = {"metrics": [{"kind": "sum", "property": "amount"}], "interval": "day"}
    only = {"filter": {"field": "name", "op": "=", "value": "purchase"}}
    browsers = {"breakdown": ["properties.browser"]}
    new_york = {"interval": "day", "timezone": "America/New_York"}
    timeline = {"kind": "events", "user_id": user, "ascending": True, "limit": 100}
    return [
        TimedQuery("events and unique users per day, 30 days", {**month, **daily}, SERIES_MS),
        TimedQuery("events and unique users per day, 7 days", {**week, **daily}, SERIES_MS),
        TimedQuery("unique users of 30 days", {**month, "metrics": [{"kind": "users"}]}, SERIES_MS),
        TimedQuery("top 10 paths, 30 days", {**month, "breakdown": ["path"], "top": 10}, SERIES_MS),
        TimedQuery(
            "top 10 paths and the others", {**month, "breakdown": ["path"], "top": 10, "other": True}, SERIES_MS
        ),
        TimedQuery("by property browser, 30 days", {**month, **browsers}, SERIES_MS),
        TimedQuery("by property browser, 7 days", {**week, **browsers}, SERIES_MS),
        TimedQuery(
            "top 10 of property referrer", {**month, "breakdown": ["properties.referrer"], "top": 10}, SERIES_MS
        ),
        TimedQuery("revenue per day, 30 days", {**month, **bought, **only}, None),
        TimedQuery("events per day, 30 days", {**month, "interval": "day"}, ROLLUP_MS),
        TimedQuery("events per day in New York", {**month, **new_york}, ROLLUP_MS),
        TimedQuery("events by name, 30 days", {**month, "breakdown": ["name"]}, ROLLUP_MS),
        TimedQuery("events by name and day", {**month, "interval": "day", "breakdown": ["name"]}, ROLLUP_MS),
        TimedQuery("newest 100 events", {"kind": "events", "limit": 100}, None),
        TimedQuery("one user's timeline", {**month, **timeline}, None),
        TimedQuery("property keys", {"kind": "keys"}, None),
    ]


def _analysis(name: str, target_ms: float | None, kind: str, month: dict[str, str], **more: object) -> TimedQuery:
    return TimedQuery(name, {"kind": kind, **month, **more}, target_ms, "analyses")


def _overview_analyses(month: dict[str, str]) -> list[TimedQuery]:
    both = [{"kind": "events"}, {"kind": "users"}]
    views = {"field": "name", "op": "=", "value": "page_view"}
    visits = {"metrics": ["sessions", "bounce_rate", "median_duration", "pages_per_session"]}

    def top(field: str) -> TimedQuery:
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


def _person_analyses(month: dict[str, str]) -> list[TimedQuery]:
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


def _path_analyses(month: dict[str, str]) -> list[TimedQuery]:
    return [
        _analysis("paths of five pages", PATHS_MS, "paths", month),
        _analysis("paths from a page", PATHS_MS, "paths", month, start="/pricing"),
        _analysis("paths to a page", PATHS_MS, "paths", month, end="/pricing"),
        _analysis("paths of five events", None, "paths", month, by="event"),
    ]
