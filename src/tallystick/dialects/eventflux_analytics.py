"""EventFlux's read routes: analytics per day, type and source, single events, the state of queue and store."""

from __future__ import annotations

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
DAYS_AT_FIRST = 4
DAYS_AT_ONCE = 64
"""Days of the first and of the largest query for one daily answer."""


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

    top_n: int = Field(10, ge=1, le=1_000)


class RawEvents(BaseModel):
    """Query parameters of the raw route."""

    event_type: str | None = None
    actor_id: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = Field(100, ge=1, le=5_000)

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """`[since, until)`. Defaults: `until` is now, `since` is an hour before `until`. Raises Refused with 400."""
        try:
            until = _utc(self.until) if self.until else now
            since = _utc(self.since) if self.since else until - RAW_WINDOW
        except OverflowError as error:
            raise Refused(400, error_form("since and until must lie in the years 1 to 9999")) from error
        if since > until:
            raise Refused(400, error_form("since must not be after until"))
        if until - since > RAW_WINDOW:
            raise Refused(400, error_form("The time window must not be longer than 1 hour"))
        return since, until


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def equal(**fields: str | None) -> AllOf | None:
    """A filter for events whose fields equal the given values; None when no value is given."""
    conditions = [Condition(field=k, op="=", value=clean_text(v)) for k, v in fields.items() if v is not None]
    return AllOf(all=conditions) if conditions else None


async def daily(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /v1/analytics/events/daily: newest day first, then the most frequent. A day is never divided."""
    asked = check_params(params, Daily)
    first, last = asked.span(asked.after_day)
    rows: list[dict[str, Any]] = []
    cursor = None
    if first <= last:
        since, until = day_range(first, last)
        chosen = equal(name=asked.event_type, source=asked.source)
        per_day = MetricsQuery(since=since, until=until, filter=chosen, interval="day", fill=False, limit=100_000)
        days = [row["bucket"][:10] for row in await all_rows(ctx.store, per_day) if row["events"]]
        metrics = [Metric(kind="events"), Metric(kind="last_received")]
        per_type = per_day.model_copy(update={"metrics": metrics, "breakdown": ["name", "source"]})
        rows, cursor = await whole_days(ctx, per_type, sorted(days, reverse=True), asked.limit)
    return {"data": rows, "count": len(rows), "next_cursor": cursor}


async def whole_days(
    ctx: Asks, per_type: MetricsQuery, days: Sequence[str], limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """The rows of as many `days` (newest first) as fit into `limit`, at least one; and the cursor for the rest."""
    rows: list[dict[str, Any]] = []
    taken, size = 0, DAYS_AT_FIRST
    while taken < len(days):
        chunk = days[taken : taken + size]
        since, until = day_range(date.fromisoformat(chunk[-1]), date.fromisoformat(chunk[0]))
        found: dict[str, list[dict[str, Any]]] = {day: [] for day in chunk}
        for row in await all_rows(ctx.store, per_type.model_copy(update={"since": since, "until": until})):
            found.setdefault(row["bucket"][:10], []).append(row)
        for day in chunk:
            if rows and len(rows) + len(found[day]) > limit:
                return rows, days[taken - 1]
            ranked = sorted(found[day], key=lambda row: (-row["events"], row["name"], row["source"]))
            rows += [
                {
                    "day": day,
                    "event_type": row["name"],
                    "source": row["source"],
                    "count": row["events"],
                    "updated_at": row["last_received"],
                }
                for row in ranked
            ]
            taken += 1
        size = min(2 * size, DAYS_AT_ONCE)
    return rows, None


async def summary(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /v1/analytics/events/summary."""
    asked = check_params(params, Summary)
    first, last = asked.span()
    types: list[tuple[str, int]] = []
    sources: list[tuple[str, int]] = []
    if first <= last:
        since, until = day_range(first, last)
        types = await ranking(ctx, MetricsQuery(since=since, until=until, breakdown=["name"], limit=100_000))
        sources = await ranking(ctx, MetricsQuery(since=since, until=until, breakdown=["source"], limit=100_000))
    return {
        "total_events": sum(total for _, total in types),
        "unique_event_types": len(types),
        "unique_sources": len(sources),
        "top_event_types": [{"event_type": name, "total": total} for name, total in types[: asked.top_n]],
        "top_sources": [{"source": name, "total": total} for name, total in sources[: asked.top_n]],
    }


async def ranking(ctx: Asks, query: MetricsQuery) -> list[tuple[str, int]]:
    """Each value of the query's breakdown with its number of events, the most frequent first."""
    field = query.breakdown[0]
    found = [(str(row[field]), int(row["events"])) for row in await all_rows(ctx.store, query)]
    return sorted(found, key=lambda entry: (-entry[1], entry[0]))


async def event_types(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /v1/analytics/event-types, in alphabetical order."""
    return sorted(name for name, _ in await ranking(ctx, MetricsQuery(breakdown=["name"], limit=100_000)))


async def raw_events(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /v1/analytics/events/raw, newest first."""
    asked = check_params(params, RawEvents)
    since, until = asked.window(datetime.now(UTC))
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
    redis: dict[str, Any] = {"ping": True, "stream_len": None, "consumer_lag": None}
    postgres = "ok"
    try:
        waiting = (await ctx.queue.depth()).events
        redis.update(stream_len=waiting, consumer_lag=waiting)  # both are the same: stored events leave the queue
    except TallystickError:
        redis["ping"] = False
    try:
        await ctx.store.reachable()
    except TallystickError as error:
        postgres = error.code
    healthy = redis["ping"] and postgres == "ok"
    return Answer(200 if healthy else 503, {"api": "ok", "redis": redis, "postgres": postgres})
