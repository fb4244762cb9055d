"""EventFlux's read routes: analytics per day, type and source, single events, the state of queue and store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field

from tallystick.dialects.base import Answer, Asks, Refused, all_rows
from tallystick.dialects.fastapi_form import check_params, error_form
from tallystick.dialects.pageview import day_range
from tallystick.errors import TallystickError
from tallystick.ingest.text import clean_text
from tallystick.model.event import AHEAD_MAX, EARLIEST
from tallystick.model.query import AllOf, Condition, EventsQuery, Metric, MetricsQuery

RAW_WINDOW = timedelta(hours=1)
GROUP = "tallystick"
"""The name of the only group of consumers, the workers."""
DAYS_AT_FIRST = 16
DAYS_AT_ONCE = 64
"""Days of the first and of the largest query for one daily answer."""
ROWS_PER_DAY = 30
"""Rows that a day is expected to have, when the first query's days are chosen for a large limit."""


class Days(BaseModel):
    """A query's first and last UTC day, both included."""

    start_date: date | None = None
    end_date: date | None = None

    def span(self, before: date | None = None) -> tuple[date, date]:
        """First and last day of the range that can have events, limited to days before `before`. Last < first: none."""
        first, last = EARLIEST.date(), (datetime.now(UTC) + AHEAD_MAX).date()
        if before:
            last = min(last, max(before, first) - timedelta(days=1))
        return max(first, self.start_date or first), min(last, self.end_date or last)


class Daily(Days):
    """Query parameters of the daily route."""

    event_type: str | None = None
    source: str | None = None
    after_day: date | None = None
    limit: int = Field(500, ge=1, le=10_000)


class Summary(Days):
    """Query parameters of the summary route."""

    top_n: int = Field(10, ge=1, le=100)


class RawEvents(BaseModel):
    """Query parameters of the raw route."""

    event_type: str | None = None
    actor_id: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = Field(100, ge=1, le=5_000)

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """`[since, until)`; empty when `since` is after `until`. Raises Refused with 400: longer than an hour.

        Without `until` it ends now, and without `since` it begins an hour before its end.
        """
        try:
            until = _utc(self.until) if self.until else now
            since = _utc(self.since) if self.since else until - RAW_WINDOW
        except OverflowError as error:
            raise Refused(400, error_form("since and until must lie in the years 1 to 9999")) from error
        if until - since > RAW_WINDOW:
            longer = "Time window exceeds 1 hour. Use /analytics/events/daily for larger windows."
            raise Refused(400, error_form(longer))
        return since, until


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def equal(**fields: str | None) -> AllOf | None:
    """A filter for events whose fields equal the given values; an empty value counts as none. None: no filter."""
    conditions = [Condition(field=k, op="=", value=clean_text(v)) for k, v in fields.items() if v]
    return AllOf(all=conditions) if conditions else None


async def daily(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /v1/analytics/events/daily: newest day first, then the most frequent. A day is never divided."""
    asked = check_params(params, Daily)
    first, last = asked.span(asked.after_day)
    rows: list[dict[str, Any]] = []
    cursor = None
    if first <= last:
        metrics = [Metric(kind="events"), Metric(kind="last_received")]
        chosen = equal(name=asked.event_type, source=asked.source)
        per_type = MetricsQuery(
            metrics=metrics, filter=chosen, interval="day", breakdown=["name", "source"], fill=False, limit=100_000
        )
        rows, cursor = await newest_days(ctx, per_type, first, last, asked.limit)
    return {"data": rows, "count": len(rows), "next_cursor": cursor}


async def newest_days(
    ctx: Asks, per_type: MetricsQuery, first: date, last: date, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """The rows of as many of the newest days as fit into `limit`, at least one day; and the cursor for the rest.

    One query answers it where the newest days fill the limit, or are all there are. Otherwise a second one finds the
    older days that have events, which may lie far apart.
    """
    size = min(max(DAYS_AT_FIRST, limit // ROWS_PER_DAY), DAYS_AT_ONCE)
    newest = max(first, min(last, datetime.now(UTC).date()) - timedelta(days=size - 1))
    rows: list[dict[str, Any]] = []
    cursor = _add_days(rows, await all_rows(ctx.store, _within(per_type, newest, last)), limit)
    if cursor is not None or newest == first:
        return rows, cursor
    per_day = _within(per_type, first, newest - timedelta(days=1))
    per_day = per_day.model_copy(update={"metrics": [Metric(kind="events")], "breakdown": []})
    older = [date.fromisoformat(row["bucket"][:10]) for row in await all_rows(ctx.store, per_day) if row["events"]]
    older.reverse()
    while older and cursor is None:
        if len(rows) >= limit:
            return rows, rows[-1]["day"]
        chunk, older = older[:size], older[size:]
        found = await all_rows(ctx.store, _within(per_type, chunk[-1], chunk[0]))
        cursor = _add_days(rows, found, limit)
    return rows, cursor


def _add_days(rows: list[dict[str, Any]], found: Sequence[Mapping[str, Any]], limit: int) -> str | None:
    """Add an answer's days to `rows`, the newest first, as long as they fit. Returns the cursor if one does not."""
    days: dict[str, list[Mapping[str, Any]]] = {}
    for row in found:
        days.setdefault(row["bucket"][:10], []).append(row)
    for day in sorted(days, reverse=True):
        if rows and len(rows) + len(days[day]) > limit:
            return str(rows[-1]["day"])
        rows += _ranked(day, days[day])
    return None


def _within(query: MetricsQuery, first: date, last: date) -> MetricsQuery:
    """The query about the days from `first` to `last`, both included."""
    since, until = day_range(first, last)
    return query.model_copy(update={"since": since, "until": until})


def _ranked(day: str, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A day's rows, the most frequent first."""
    return [
        {
            "day": day,
            "event_type": row["name"],
            "source": row["source"],
            "count": row["events"],
            "updated_at": row["last_received"],
        }
        for row in sorted(entries, key=lambda row: (-row["events"], row["name"], row["source"]))
    ]


async def summary(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /v1/analytics/events/summary."""
    asked = check_params(params, Summary)
    first, last = asked.span()
    types, sources = Counter[str](), Counter[str]()
    if first <= last:
        since, until = day_range(first, last)
        per_group = MetricsQuery(since=since, until=until, breakdown=["name", "source"], limit=100_000)
        for row in await all_rows(ctx.store, per_group):
            types[row["name"]] += row["events"]
            sources[row["source"]] += row["events"]
    return {
        "total_events": types.total(),
        "unique_event_types": len(types),
        "unique_sources": len(sources),
        "top_event_types": [{"event_type": name, "total": total} for name, total in _largest(types)[: asked.top_n]],
        "top_sources": [{"source": name, "total": total} for name, total in _largest(sources)],
    }


def _largest(totals: Counter[str]) -> list[tuple[str, int]]:
    """The totals, the largest first, equal ones by name."""
    return sorted(totals.items(), key=lambda entry: (-entry[1], entry[0]))


async def event_types(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /v1/analytics/event-types, in alphabetical order."""
    per_name = MetricsQuery(breakdown=["name"], limit=100_000)
    return sorted(row["name"] for row in await all_rows(ctx.store, per_name))


async def raw_events(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /v1/analytics/events/raw, newest first."""
    asked = check_params(params, RawEvents)
    since, until = asked.window(datetime.now(UTC))
    if since > until:
        return []
    chosen = equal(name=asked.event_type, user_id=asked.actor_id, source=asked.source)
    result = await ctx.store.run(EventsQuery(since=since, until=until, filter=chosen, limit=asked.limit))
    return [
        {
            "event_type": row["name"],
            "actor_id": row["user_id"],
            "source": row["source"],
            "timestamp": row["timestamp"],
            "attributes": row["properties"],
            "ingested_at": row["received_at"],
        }
        for row in result.rows
    ]


async def detailed_health(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /healthz/detailed: `redis` is the queue and `postgres` the store, whatever software they are."""
    redis: dict[str, Any] = {"ping": "ok", "stream_len": None, "consumer_groups": 1, "lags": [], "consumer_lag": None}
    postgres = "ok"
    try:
        waiting = (await ctx.queue.depth()).events
        # All three are the same: an event leaves the queue when it is stored.
        redis.update(stream_len=waiting, consumer_lag=waiting)
        redis["lags"] = [{"group": GROUP, "pending": 0, "lag": waiting}]
    except TallystickError:
        redis["ping"] = "error"
    try:
        await ctx.store.reachable()
    except TallystickError as error:
        postgres = f"error: {error.code}"
    healthy = redis["ping"] == postgres == "ok"
    return Answer(200 if healthy else 503, {"api": "ok", "redis": redis, "postgres": postgres})
