"""EventFlux: events in bulk, analytics per day, type and source.

POST /v1/events/bulk · GET /v1/analytics/events/daily · GET /v1/analytics/events/summary · GET /v1/analytics/event-types
· GET /v1/analytics/events/raw · GET /healthz/detailed (/healthz is Runnel's own)
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from starlette.routing import BaseRoute
from starlette.types import Scope

from runnel.config import Settings
from runnel.dialects.base import (
    Answer,
    Refused,
    Speaks,
    WriteRoute,
    WriteRoutes,
    all_rows,
    check_size,
    derive_ids,
    openapi_schemas,
    promoted_path,
    read_route,
)
from runnel.dialects.eventflux_openapi import describe
from runnel.dialects.fastapi_form import check_body, check_params, error_form, refuse_event
from runnel.dialects.pageview import day_range
from runnel.errors import RunnelError
from runnel.ingest import ids
from runnel.ingest.decode import encode_decoded
from runnel.ingest.normalise import Draft, Rejected, normalise
from runnel.ingest.text import clean_text
from runnel.model.event import AHEAD_MAX, DEFAULT_SITE, EARLIEST, NO_PROPERTIES, PROPERTIES_DEPTH_MAX, Event
from runnel.model.query import AllOf, Condition, EventsQuery, Metric, MetricsQuery
from runnel.queue.base import Queue

EVENT_TYPE_MAX = 128
ACTOR_ID_MAX = 256
SOURCE_MAX = 64
RAW_WINDOW = timedelta(hours=1)
STREAM_LEN_SECONDS = 0.05
"""How long a `stream_len` is told again before the queue is asked anew."""
DAYS_AT_FIRST = 4
DAYS_AT_ONCE = 64
"""How many days the first and the largest question of one daily answer are about."""


# --- writing ---------------------------------------------------------------------------------------------------------


class _BulkEvent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=EVENT_TYPE_MAX)]
    actor_id: Annotated[str, msgspec.Meta(min_length=1, max_length=ACTOR_ID_MAX)]
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=SOURCE_MAX)]
    timestamp: datetime
    attributes: msgspec.Raw = NO_PROPERTIES


class _Bulk(msgspec.Struct, forbid_unknown_fields=True):
    events: list[_BulkEvent]
    request_id: UUID | None = None


class _Attributes(msgspec.Struct, gc=False):
    attributes: msgspec.Raw = NO_PROPERTIES


class _BulkAttributes(msgspec.Struct):
    events: list[_Attributes]


_decoder = msgspec.json.Decoder(_Bulk)
_attributes_decoder = msgspec.json.Decoder(_BulkAttributes)


class EventFluxEvent(BaseModel):
    """An event as EventFlux's own model reads it: more forms of a timestamp, and an error for each wrong field."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    event_type: str = Field(min_length=1, max_length=EVENT_TYPE_MAX)
    actor_id: str = Field(min_length=1, max_length=ACTOR_ID_MAX)
    source: str = Field(min_length=1, max_length=SOURCE_MAX)
    timestamp: datetime
    attributes: dict[str, Any] = {}


class EventFluxBulk(BaseModel):
    """A request as EventFlux's own model reads it."""

    model_config = ConfigDict(extra="forbid")

    request_id: UUID | None = None
    events: list[EventFluxEvent] = Field(min_length=1)


class BulkRoute:
    """POST /v1/events/bulk."""

    def __init__(self, queue: Queue) -> None:
        self._stream = _StreamLength(queue)

    async def take(self, ctx: Speaks, scope: Scope, body: bytes, request_id: str) -> Answer:
        """Durable, then 202. The body's `request_id` goes before the header's, in the answer, the log and the queue."""
        received_at = datetime.now(UTC)
        fast = decode_fast(body, received_at, ctx.settings)
        given, events = fast or decode_carefully(body, received_at, ctx.settings)
        derive_ids(scope, events)
        chosen = str(given) if given else request_id
        await ctx.ingest.accept(encode_decoded(events, []), chosen)
        answer = {
            "request_id": chosen, "queued": len(events), "stream_len": await self._stream.length(), "mode": "queue",
        }
        return Answer(202, answer, request_id=chosen)


class _StreamLength:
    """How many events wait in the queue, asked at most every STREAM_LEN_SECONDS."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._asked_at = float("-inf")
        self._events: int | None = None

    async def length(self) -> int | None:
        """Events; None when the queue cannot tell, which does not spoil an answer about accepted events."""
        now = time.monotonic()
        if now - self._asked_at >= STREAM_LEN_SECONDS:
            self._asked_at = now
            try:
                self._events = (await self._queue.depth()).events
            except RunnelError:
                self._events = None
        return self._events


def check_count(count: int, settings: Settings) -> None:
    """Raises Refused: 413 for more events than a request may have."""
    most = settings.max_request_events
    if count > most:
        raise Refused(413, error_form(f"Batch size {count} exceeds the maximum of {most}"))


def decode_fast(body: bytes, received_at: datetime, settings: Settings) -> tuple[UUID | None, list[Event]] | None:
    """All events at once; None when any of them needs a second look. Every field is proved here, not in `normalise`."""
    try:
        bulk = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    check_count(len(bulk.events), settings)
    latest = received_at + AHEAD_MAX
    largest = settings.max_event_bytes
    line_breaks = b"\n" in body or b"\r" in body
    events = []
    for given in bulk.events:
        name, actor, source = given.event_type.strip(), given.actor_id.strip(), given.source.strip()
        attributes = bytes(given.attributes)
        if not (name and actor and source) or attributes[:1] != b"{" or len(attributes) > largest:
            return None
        if attributes.count(b"[") + attributes.count(b"{") > PROPERTIES_DEPTH_MAX:
            return None
        if line_breaks and (b"\n" in attributes or b"\r" in attributes):
            return None  # a canonical line is one line; the careful way writes them anew
        moment = given.timestamp
        if (zone := moment.tzinfo) is not UTC:
            try:
                moment = moment.astimezone(UTC) if zone else moment.replace(tzinfo=UTC)
            except OverflowError:
                return None
        if not EARLIEST <= moment <= latest:
            return None
        path = promoted_path(attributes)
        kept = NO_PROPERTIES if attributes == b"{}" else given.attributes
        events.append(Event(ids.uuid7(), name, moment, received_at, DEFAULT_SITE, actor, None, source, path, kept))
    return (bulk.request_id, events) if events else None


def decode_carefully(body: bytes, received_at: datetime, settings: Settings) -> tuple[UUID | None, list[Event]]:
    """The same through EventFlux's own model and `normalise`. Raises Refused: 413, or 422 that names the field."""
    bulk = check_body(body, EventFluxBulk)
    check_count(len(bulk.events), settings)
    events = []
    for index, (given, raw) in enumerate(zip(bulk.events, _attributes_decoder.decode(body).events, strict=True)):
        attributes = bytes(raw.attributes)
        draft = Draft(
            name=given.event_type, timestamp=given.timestamp, user_id=given.actor_id, source=given.source,
            path=promoted_path(attributes), properties=attributes,
        )
        try:
            check_size(attributes, settings)
            events.append(normalise(draft, received_at))
        except Rejected as error:
            refuse_event(error, index, "timestamp" if error.code.startswith("timestamp") else "attributes")
    return bulk.request_id, events


# --- reading ---------------------------------------------------------------------------------------------------------


class Days(BaseModel):
    """The UTC days that a question is about, both included."""

    start_date: date | None = None
    end_date: date | None = None

    def span(self, before: date | None = None) -> tuple[date, date]:
        """First and last day that can have events, in the range and before `before`. Last < first: none."""
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
        """`[since, until)`: without `until` up to now, without `since` the hour before `until`. Raises Refused: 400."""
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
    """A filter: every field that is given has this value; None when none is given."""
    conditions = [Condition(field=k, op="=", value=clean_text(v)) for k, v in fields.items() if v is not None]
    return AllOf(all=conditions) if conditions else None


async def daily(ctx: Speaks, params: Mapping[str, str]) -> Any:
    """GET /v1/analytics/events/daily: newest day first, in a day the most frequent first; never cut inside a day."""
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
    ctx: Speaks, per_type: MetricsQuery, days: Sequence[str], limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """The rows of as many of `days` (newest first) as fit `limit`, at least one, and the cursor for the others."""
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
                    "day": day, "event_type": row["name"], "source": row["source"], "count": row["events"],
                    "updated_at": row["last_received"],
                }
                for row in ranked
            ]
            taken += 1
        size = min(2 * size, DAYS_AT_ONCE)
    return rows, None


async def summary(ctx: Speaks, params: Mapping[str, str]) -> Any:
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


async def ranking(ctx: Speaks, question: MetricsQuery) -> list[tuple[str, int]]:
    """Every value of the question's breakdown with its events, the most frequent first."""
    field = question.breakdown[0]
    found = [(str(row[field]), int(row["events"])) for row in await all_rows(ctx.store, question)]
    return sorted(found, key=lambda entry: (-entry[1], entry[0]))


async def event_types(ctx: Speaks, params: Mapping[str, str]) -> Any:
    """GET /v1/analytics/event-types, in order of the alphabet."""
    return sorted(name for name, _ in await ranking(ctx, MetricsQuery(breakdown=["name"], limit=100_000)))


async def raw_events(ctx: Speaks, params: Mapping[str, str]) -> Any:
    """GET /v1/analytics/events/raw, newest first."""
    asked = check_params(params, RawEvents)
    since, until = asked.window(datetime.now(UTC))
    chosen = equal(name=asked.event_type, user_id=asked.actor_id, source=asked.source)
    result = await ctx.store.run(EventsQuery(since=since, until=until, filter=chosen, limit=asked.limit))
    return [
        {
            "event_type": row["name"], "actor_id": row["user_id"], "source": row["source"],
            "timestamp": row["timestamp"], "attributes": row["properties"], "ingested_at": row["received_at"],
        }
        for row in result.rows
    ]


async def detailed_health(ctx: Speaks, params: Mapping[str, str]) -> Any:
    """GET /healthz/detailed: `redis` is the queue, `postgres` the store, whatever they are."""
    redis: dict[str, Any] = {"ping": True, "stream_len": None, "consumer_lag": None}
    postgres = "ok"
    try:
        waiting = (await ctx.queue.depth()).events
        redis.update(stream_len=waiting, consumer_lag=waiting)  # one number: what is stored leaves the queue
    except RunnelError:
        redis["ping"] = False
    try:
        await ctx.store.receipt("0" * 16, 0)
    except RunnelError as error:
        postgres = error.code
    healthy = redis["ping"] and postgres == "ok"
    return Answer(200 if healthy else 503, {"api": "ok", "redis": redis, "postgres": postgres})


def write_routes(ctx: Speaks) -> WriteRoutes:
    path = "/v1/events/bulk"
    return {("POST", path): WriteRoute(ctx, path, BulkRoute(ctx.queue).take, error_form)}


def read_routes(ctx: Speaks) -> list[BaseRoute]:
    return [
        read_route(ctx, "/v1/analytics/events/daily", daily, error_form),
        read_route(ctx, "/v1/analytics/events/summary", summary, error_form),
        read_route(ctx, "/v1/analytics/event-types", event_types, error_form),
        read_route(ctx, "/v1/analytics/events/raw", raw_events, error_form),
        read_route(ctx, "/healthz/detailed", detailed_health, error_form),
    ]


def openapi() -> tuple[dict[str, Any], dict[str, Any]]:
    """`(paths, schemas)` for the OpenAPI document."""
    return describe(), openapi_schemas(EventFluxBulk)
