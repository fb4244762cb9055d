"""The queries of `tallystick bench query`, and the target of each: most milliseconds of a round trip."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from tallystick.cli.bench.events import DAY_US

DAYS = 30
"""Days of the history."""


class Targets(NamedTuple):
    """Targets in milliseconds, on a server without other load. While events come in, analyses may take twice as long.

    Attributes:
        series: of queries that read events.
        rollup: of queries that a rollup answers, where there is one.
        overview, sessions, funnel, retention, paths: of analyses.
    """

    series: float = 300.0
    rollup: float = 10.0
    overview: float = 150.0
    sessions: float = 150.0
    funnel: float = 500.0
    retention: float = 500.0
    paths: float = 1_000.0


DUCKDB = Targets()
CLICKHOUSE = Targets(rollup=300.0, overview=300.0, sessions=600.0, funnel=1_500.0, retention=700.0, paths=2_500.0)
"""ClickHouse has no rollups; sessions of closed days are built."""
POSTGRES = Targets(
    series=1_000.0, rollup=500.0, overview=500.0, sessions=500.0, funnel=2_000.0, retention=1_000.0, paths=2_000.0
)
"""PostgreSQL has no columns, and its rollups are rows like any others."""


class TimedQuery(NamedTuple):
    """A query with a name and a target in milliseconds (None: no target is set)."""

    name: str
    body: dict[str, Any]
    target_ms: float | None
    section: Literal["questions", "analyses"] = "questions"


def timed_queries(first_day: int, user: str, store: str = "duckdb") -> list[TimedQuery]:
    """All queries about a history that begins at `first_day` (microseconds since 1970).

    Args:
        user: one of its users.
        store: the scheme of the store's URL, which the targets depend on.
    """
    targets = {"clickhouse": CLICKHOUSE, "clickhouses": CLICKHOUSE, "duckdb": DUCKDB}.get(store, POSTGRES)
    end = first_day + DAYS * DAY_US
    month = {"since": instant(first_day), "until": instant(end)}
    week = {"since": instant(end - 7 * DAY_US), "until": instant(end)}
    return [
        *_event_queries(month, week, user, targets),
        *_overview_analyses(month, targets),
        *_person_analyses(month, targets),
        *_path_analyses(month, targets),
    ]


def instant(us: int) -> str:
    """Microseconds since 1970 as ISO 8601."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).isoformat()


def _event_queries(month: dict[str, str], week: dict[str, str], user: str, targets: Targets) -> list[TimedQuery]:
    month, week = {"kind": "metrics", **month}, {"kind": "metrics", **week}
    daily = {"metrics": [{"kind": "events"}, {"kind": "users"}], "interval": "day"}
    bought = {"metrics": [{"kind": "sum", "property": "amount"}], "interval": "day"}
    only = {"filter": {"field": "name", "op": "=", "value": "purchase"}}
    browsers = {"breakdown": ["properties.browser"]}
    new_york = {"interval": "day", "timezone": "America/New_York"}
    timeline = {"kind": "events", "user_id": user, "ascending": True, "limit": 100}
    return [
        TimedQuery("events and unique users per day, 30 days", {**month, **daily}, targets.series),
        TimedQuery("events and unique users per day, 7 days", {**week, **daily}, targets.series),
        TimedQuery("unique users of 30 days", {**month, "metrics": [{"kind": "users"}]}, targets.series),
        TimedQuery("top 10 paths, 30 days", {**month, "breakdown": ["path"], "top": 10}, targets.series),
        TimedQuery(
            "top 10 paths and the others", {**month, "breakdown": ["path"], "top": 10, "other": True}, targets.series
        ),
        TimedQuery("by property browser, 30 days", {**month, **browsers}, targets.series),
        TimedQuery("by property browser, 7 days", {**week, **browsers}, targets.series),
        TimedQuery(
            "top 10 of property referrer", {**month, "breakdown": ["properties.referrer"], "top": 10}, targets.series
        ),
        TimedQuery("revenue per day, 30 days", {**month, **bought, **only}, None),
        TimedQuery("events per day, 30 days", {**month, "interval": "day"}, targets.rollup),
        TimedQuery("events per day in New York", {**month, **new_york}, targets.rollup),
        TimedQuery("events by name, 30 days", {**month, "breakdown": ["name"]}, targets.rollup),
        TimedQuery("events by name and day", {**month, "interval": "day", "breakdown": ["name"]}, targets.rollup),
        TimedQuery("newest 100 events", {"kind": "events", "limit": 100}, None),
        TimedQuery("one user's timeline", {**month, **timeline}, None),
        TimedQuery("property keys", {"kind": "keys"}, None),
    ]


def _analysis(name: str, target_ms: float | None, kind: str, month: dict[str, str], **more: object) -> TimedQuery:
    return TimedQuery(name, {"kind": kind, **month, **more}, target_ms, "analyses")


def _overview_analyses(month: dict[str, str], targets: Targets) -> list[TimedQuery]:
    both = [{"kind": "events"}, {"kind": "users"}]
    views = {"field": "name", "op": "=", "value": "page_view"}
    visits = {"metrics": ["sessions", "bounce_rate", "median_duration", "pages_per_session"]}

    def top(field: str) -> TimedQuery:
        named = {"entry_page": "pages of entry", "channel": "channels", "referrer": "referrers"}[field]
        return _analysis(f"top 10 {named}", targets.sessions, "sessions", month, breakdown=[field], top=10, **visits)

    return [
        _analysis("events and users per hour", targets.overview, "metrics", month, metrics=both, interval="hour"),
        _analysis("events and users per day", targets.overview, "metrics", month, metrics=both, interval="day"),
        _analysis("sessions and bounce rate", targets.sessions, "sessions", month, **visits),
        _analysis("sessions and bounce rate per day", targets.sessions, "sessions", month, interval="day", **visits),
        _analysis("top 10 pages", targets.overview, "metrics", month, breakdown=["path"], top=10, filter=views),
        top("entry_page"),
        top("channel"),
        top("referrer"),
    ]


def _person_analyses(month: dict[str, str], targets: Targets) -> list[TimedQuery]:
    steps = [{"name": name} for name in ("page_view", "add_to_cart", "purchase")]
    signed_up = {"start": {"name": "sign_up"}, "returning": {"name": "purchase"}}
    return [
        _analysis("funnel of three steps", targets.funnel, "funnel", month, steps=steps),
        _analysis("funnel of three steps within an hour", None, "funnel", month, steps=steps, window=3_600),
        _analysis("funnel by browser", None, "funnel", month, steps=steps, breakdown="properties.browser"),
        _analysis("retention by week, 8 weeks", targets.retention, "retention", month, interval="week", periods=8),
        _analysis("retention by day, 30 days", targets.retention, "retention", month, interval="day", periods=30),
        _analysis("from sign-up to purchase by week", targets.retention, "retention", month, periods=8, **signed_up),
        _analysis("lifecycle by week", None, "lifecycle", month, interval="week"),
        _analysis("DAU, WAU and MAU", None, "active_users", month),
        _analysis("the 50 users seen last", None, "people", month, limit=50),
    ]


def _path_analyses(month: dict[str, str], targets: Targets) -> list[TimedQuery]:
    return [
        _analysis("paths of five pages", targets.paths, "paths", month),
        _analysis("paths from a page", targets.paths, "paths", month, start="/pricing"),
        _analysis("paths to a page", targets.paths, "paths", month, end="/pricing"),
        _analysis("paths of five events", None, "paths", month, by="event"),
    ]
