"""SmolHog: batches from its SDK, statistics and the newest events.

POST /events · GET /analytics/stats · GET /analytics/events, each also under /api · GET / · GET /health
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from pydantic import BaseModel, Field
from starlette.routing import BaseRoute
from starlette.types import Scope

from tallystick import __version__
from tallystick.api.access.gate import Access
from tallystick.api.access.scoped_store import ScopedStore
from tallystick.dialects.base import (
    Answer,
    Asks,
    Refused,
    Speaks,
    Spellings,
    Takes,
    WriteRoute,
    WriteRoutes,
    beside_post,
    check_size,
    openapi_answer,
    openapi_body,
    openapi_query,
    openapi_schemas,
    preflight,
    promoted_path,
    read_route,
)
from tallystick.dialects.fastapi_form import check_body, check_params, error_form
from tallystick.ingest.decode import Decoded, encode_with_refused
from tallystick.ingest.normalise import Draft, Rejected, normalise
from tallystick.model.event import DEFAULT_SITE, NO_PROPERTIES, Event
from tallystick.model.query import EventsQuery, Metric, MetricsQuery

SOURCE = "smolhog"
TOP_EVENTS = 10
EVENTS_MAX = 50_000
"""Most rows of one answer: SmolHog has no limit, but an answer is made in memory."""
PAGE = 5_000
"""Rows that are read at a time."""
EVENTS_AT_ONCE = 5_000
"""Events that are read from a request before other requests have a turn."""
OTHER_FIELDS = 256
"""About the bytes of an event's line besides its properties."""
WRITE_PATHS = ("/events", "/api/events")
STATS_PATHS = ("/analytics/stats", "/api/analytics/stats")
EVENTS_PATHS = ("/analytics/events", "/api/analytics/events")
READ_PATHS = (*STATS_PATHS, *EVENTS_PATHS, "/", "/health")
SPELLINGS = Spellings(frozenset((*WRITE_PATHS, *READ_PATHS)))
ORIGINAL_ID = "$event_id"
"""Property in which Tallystick keeps an id that is no UUID; SmolHog's clients never sent it, so they do not get it."""

KEY_HEADER = "smolhog-api-key"


class _Event(msgspec.Struct, gc=False):
    event_id: str
    event_name: str
    user_id: str
    timestamp: str
    properties: msgspec.Raw = NO_PROPERTIES
    session_id: str | None = None


class _Batch(msgspec.Struct):
    events: list[_Event]


class _RawBatch(msgspec.Struct):
    events: list[msgspec.Raw]


class SmolHogEvent(BaseModel):
    """One event of a batch. Fields of other names are ignored."""

    event_id: str = Field(description="Any text; it need not be a UUID.")
    event_name: str
    user_id: str
    properties: dict[str, Any] = {}
    timestamp: str = Field(description="ISO 8601; without an offset: UTC.")
    session_id: str | None = None


class SmolHogBatch(BaseModel):
    """The body of POST /events, as SmolHog's own model reads it: for the errors and the OpenAPI document."""

    events: list[SmolHogEvent]


class EventsParams(BaseModel):
    """Query parameters of the events route."""

    limit: int = Field(100, ge=0)


_decoder = msgspec.json.Decoder(_Batch)
_raw_decoder = msgspec.json.Decoder(_RawBatch)


async def take_events(ctx: Takes, scope: Scope, body: bytes, request_id: str, site: str | None) -> Answer:
    """POST /events: 200 for every batch that SmolHog itself takes.

    Its SDK knows one success, 200, and sends everything else again with each later event, for ever. So an event that
    cannot be stored does not refuse its batch: it goes through the queue with the others and becomes a dead letter.
    For the same reason a batch is limited by its bytes, not by its events.
    """
    try:
        given = _decoder.decode(body).events
    except (msgspec.DecodeError, RecursionError) as error:
        check_body(body, SmolHogBatch)
        raise Refused(422, error_form(str(error))) from error
    received_at = datetime.now(UTC)
    events: list[Event] = []
    refused: dict[int, Rejected] = {}
    for index, one in enumerate(given):
        if index % EVENTS_AT_ONCE == EVENTS_AT_ONCE - 1:
            await asyncio.sleep(0)  # other requests have their turn
        try:
            event = understand(one, body, received_at, ctx, site)
            ctx.ingest.admit_names(event)
            events.append(event)
        except Rejected as error:
            refused[index] = error
    ctx.ingest.enriched(scope, events)
    originals = _raw_decoder.decode(body).events if refused else []
    where = f"POST {scope['path']}, site {site or DEFAULT_SITE}"
    letters = [
        (bytes(originals[index]), Rejected(error.code, f"{error.message} ({where})"))
        for index, error in refused.items()
    ]
    for part in _parts(events, letters, ctx.settings.max_body_bytes):
        await ctx.ingest.accept(scope, part, request_id)
    answer = {"status": "success", "events_received": len(given), "message": "Events queued for processing"}
    return Answer(200, answer)


def _parts(events: list[Event], letters: list[tuple[bytes, Rejected]], most: int) -> Iterator[Decoded]:
    """The batch in parts as large as other requests may be, which every queue takes. Dead letters are the last ones.

    If the queue refuses a later part, the SDK sends the whole batch again, and the parts before are duplicates.

    Args:
        most: bytes of a part, but for those of one event.
    """
    part_events: list[Event] = []
    part_letters: list[tuple[bytes, Rejected]] = []
    size = 0
    for event in events:
        part_events.append(event)
        size += len(bytes(event.properties)) + OTHER_FIELDS
        if size >= most:
            yield encode_with_refused(part_events, [])
            part_events, size = [], 0
    for letter in letters:
        part_letters.append(letter)
        size += len(letter[0])
        if size >= most:
            yield encode_with_refused(part_events, part_letters)
            part_events, part_letters, size = [], [], 0
    if part_events or part_letters or not (events or letters):
        yield encode_with_refused(part_events, part_letters)


def understand(given: _Event, body: bytes, received_at: datetime, ctx: Takes, site: str | None) -> Event:
    """The event. Raises Rejected: it cannot be stored; Refused with 422: SmolHog does not take it either."""
    properties = bytes(given.properties)
    if not properties.startswith(b"{"):
        check_body(body, SmolHogBatch)
    if not given.timestamp:
        raise Rejected("timestamp_invalid", "timestamp is empty")
    draft = Draft(
        name=given.event_name,
        event_id=given.event_id,
        site_id=site,
        timestamp=given.timestamp,
        user_id=given.user_id,
        session_id=given.session_id,
        source=SOURCE,
        path=promoted_path(properties),
        properties=properties,
    )
    check_size(properties, ctx.settings)
    return normalise(draft, received_at)


async def stats(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /analytics/stats."""
    totals = await ctx.store.run(MetricsQuery(metrics=[Metric(kind="events"), Metric(kind="users")]))
    names = await ctx.store.run(MetricsQuery(breakdown=["name"], top=TOP_EVENTS))
    ranked = sorted(names.rows, key=lambda row: (-row["events"], row["name"]))
    return {
        "total_events": sum(row["events"] for row in totals.rows),
        "unique_users": sum(row["users"] for row in totals.rows),
        "top_events": [{"event": row["name"], "count": row["events"]} for row in ranked],
    }


async def newest_events(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /analytics/events."""
    asked = check_params(params, EventsParams)
    rows = await newest_rows(ctx.store, min(asked.limit, EVENTS_MAX))
    return {
        "events": [
            {
                "event_name": row["name"],
                "user_id": row["user_id"],
                "properties": {key: value for key, value in row["properties"].items() if key != ORIGINAL_ID},
                "timestamp": row["timestamp"],
                "session_id": row["session_id"],
            }
            for row in rows
        ]
    }


async def newest_rows(store: ScopedStore, wanted: int) -> list[dict[str, Any]]:
    """So many events, or all there are, the newest first."""
    rows: list[dict[str, Any]] = []
    cursor = None
    while len(rows) < wanted:
        page = await store.run(EventsQuery(limit=min(wanted - len(rows), PAGE), cursor=cursor))
        rows += page.rows
        if (cursor := page.next_cursor) is None:
            break
    return rows


async def running(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /."""
    return {
        "message": f"Tallystick {__version__}, self-hosted event analytics: /docs describes the API, and browsers get "
        "the dashboard here",
        "status": "running",
    }


async def health(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /health."""
    return {"status": "healthy", "message": "Tallystick is running"}


def write_routes(ctx: Takes) -> WriteRoutes:
    routes: WriteRoutes = {}
    most = max(ctx.settings.max_body_bytes, ctx.settings.smolhog_max_body_bytes)
    for path in WRITE_PATHS:
        routes["POST", path] = WriteRoute(ctx, path, take_events, error_form, KEY_HEADER, most)
        routes |= beside_post(path, error_form)
    for path in READ_PATHS:
        routes["OPTIONS", path] = preflight(b"GET")
    return routes


def read_routes(ctx: Speaks) -> list[BaseRoute]:
    reads = {path: stats for path in STATS_PATHS} | {path: newest_events for path in EVENTS_PATHS}
    return [
        *(read_route(ctx, path, Access.SITE, read, error_form, KEY_HEADER) for path, read in reads.items()),
        read_route(ctx, "/", Access.OPEN, running, error_form),
        read_route(ctx, "/health", Access.OPEN, health, error_form),
    ]


# --- the OpenAPI document -------------------------------------------------------------------------------------------


def openapi() -> tuple[dict[str, Any], dict[str, Any]]:
    """`(paths, schemas)` for the OpenAPI document."""
    paths: dict[str, Any] = {path: {"post": _write_operation(path)} for path in WRITE_PATHS}
    paths |= {path: {"get": _stats_operation(path)} for path in STATS_PATHS}
    paths |= {path: {"get": _events_operation(path)} for path in EVENTS_PATHS}
    paths["/"] = {"get": _operation("/", "Report that the server runs", {"message": "…", "status": "running"})}
    paths["/health"] = {
        "get": _operation("/health", "Report that the server runs", {"status": "healthy", "message": "…"})
    }
    return paths, openapi_schemas(SmolHogBatch)


def _operation(path: str, summary: str, example: Any) -> dict[str, Any]:
    name = path.strip("/").replace("/", "_") or "root"
    return {
        "operationId": f"smolhog_{name}",
        "tags": ["SmolHog"],
        "summary": summary,
        "responses": {"200": openapi_answer("The answer.", example)},
    }


def _write_operation(path: str) -> dict[str, Any]:
    done = {"status": "success", "events_received": 1, "message": "Events queued for processing"}
    operation = _operation(path, "Send a batch; an event that cannot be stored becomes a dead letter", done)
    wrong = {"detail": [{"type": "missing", "loc": ["body", "events", 0, "user_id"], "msg": "Field required"}]}
    operation["requestBody"] = openapi_body("SmolHogBatch")
    operation["responses"] |= {
        "413": openapi_answer("The body is larger than TALLYSTICK_MAX_BODY_BYTES.", error_form("…")),
        "422": openapi_answer("The invalid fields.", wrong),
        "503": openapi_answer("The queue accepts no events; try again.", error_form("…")),
    }
    return operation


def _stats_operation(path: str) -> dict[str, Any]:
    example = {"total_events": 3, "unique_users": 2, "top_events": [{"event": "button_clicked", "count": 2}]}
    return _operation(path, "Events, users and the ten most frequent names", example)


def _events_operation(path: str) -> dict[str, Any]:
    event = {
        "event_name": "button_clicked",
        "user_id": "user_1",
        "properties": {"button": "buy"},
        "timestamp": "2025-11-12T19:30:01Z",
        "session_id": None,
    }
    operation = _operation(path, "The newest events", {"events": [event]})
    limit = {"type": "integer", "minimum": 0, "default": 100}
    operation["parameters"] = [openapi_query("limit", limit, f"How many; at most {EVENTS_MAX:,} are listed.")]
    operation["responses"]["422"] = openapi_answer("A parameter is wrong.", {"detail": []})
    return operation
