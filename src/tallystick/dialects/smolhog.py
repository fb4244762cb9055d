"""SmolHog: batches from its SDK, statistics and the newest events.

POST /events · GET /analytics/stats · GET /analytics/events, each also under /api · GET / · GET /health
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, Field
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tallystick.api.access.gate import Access
from tallystick.dialects.base import (
    Answer,
    Asks,
    Refused,
    Speaks,
    Takes,
    WriteRoute,
    WriteRoutes,
    check_size,
    openapi_answer,
    openapi_body,
    openapi_query,
    openapi_schemas,
    promoted_path,
    read_route,
)
from tallystick.dialects.fastapi_form import check_body, check_params, error_form, refuse_event
from tallystick.http_headers import WRITE
from tallystick.ingest.body import header
from tallystick.ingest.decode import encode_decoded
from tallystick.ingest.ids import ORIGINAL_ID_MAX
from tallystick.ingest.normalise import Draft, Rejected, normalise
from tallystick.model.event import NAME_MAX, NO_PROPERTIES, SESSION_ID_MAX, USER_ID_MAX, Event
from tallystick.model.query import EventsQuery, Metric, MetricsQuery

SOURCE = "smolhog"
TOP_EVENTS = 10
EVENTS_MAX = 5_000
WRITE_PATHS = ("/events", "/api/events")
STATS_PATHS = ("/analytics/stats", "/api/analytics/stats")
EVENTS_PATHS = ("/analytics/events", "/api/analytics/events")
ORIGINAL_ID = "$event_id"
"""Property in which Tallystick keeps an id that is no UUID; SmolHog's clients never sent it, so they do not get it."""

KEY_HEADER = "smolhog-api-key"

CORS = ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"X-Request-ID, Retry-After"))

_FIELD_OF_CODE = {
    "timestamp_invalid": "timestamp",
    "event_id_too_long": "event_id",
    "name_invalid": "event_name",
    "user_id_invalid": "user_id",
}


class _Event(msgspec.Struct, gc=False):
    event_id: Annotated[str, msgspec.Meta(max_length=ORIGINAL_ID_MAX)]
    event_name: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_MAX)]
    user_id: Annotated[str, msgspec.Meta(max_length=USER_ID_MAX)]
    timestamp: Annotated[str, msgspec.Meta(min_length=1)]
    properties: msgspec.Raw = NO_PROPERTIES
    session_id: Annotated[str, msgspec.Meta(max_length=SESSION_ID_MAX)] | None = None


class _Batch(msgspec.Struct):
    events: list[_Event]


class SmolHogEvent(BaseModel):
    """One event of a batch. Fields of other names are ignored."""

    event_id: str = Field(max_length=ORIGINAL_ID_MAX, description="Any text; it need not be a UUID.")
    event_name: str = Field(min_length=1, max_length=NAME_MAX)
    user_id: str = Field(max_length=USER_ID_MAX)
    properties: dict[str, Any] = {}
    timestamp: str = Field(min_length=1, description="ISO 8601; without an offset: UTC.")
    session_id: str | None = Field(None, max_length=SESSION_ID_MAX)


class SmolHogBatch(BaseModel):
    """The body of POST /events, as SmolHog's own model reads it: for the errors and the OpenAPI document."""

    events: list[SmolHogEvent]


class EventsParams(BaseModel):
    """Query parameters of the events route."""

    limit: int = Field(100, ge=1, le=EVENTS_MAX)


_decoder = msgspec.json.Decoder(_Batch)


async def take_events(ctx: Takes, scope: Scope, body: bytes, request_id: str, site: str | None) -> Answer:
    """POST /events: all of the batch or nothing. The SDK sends a batch again until it gets 200."""
    try:
        batch = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        check_body(body, SmolHogBatch)
        raise Refused(422, error_form(str(error))) from error
    most = ctx.settings.max_request_events
    if len(batch.events) > most:
        raise Refused(413, error_form(f"the request has {len(batch.events)} events; at most {most} are taken at once"))
    received_at = datetime.now(UTC)
    events = [understand(given, index, body, received_at, ctx, site) for index, given in enumerate(batch.events)]
    await ctx.ingest.accept(encode_decoded(ctx.ingest.enriched(scope, events), []), request_id)
    answer = {"status": "success", "events_received": len(events), "message": "Events queued for processing"}
    return Answer(200, answer)


def understand(given: _Event, index: int, body: bytes, received_at: datetime, ctx: Takes, site: str | None) -> Event:
    """The event at `index`. Raises Refused: 422."""
    properties = bytes(given.properties)
    if not properties.startswith(b"{"):
        check_body(body, SmolHogBatch)
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
    try:
        check_size(properties, ctx.settings)
        return normalise(draft, received_at)
    except Rejected as error:
        refuse_event(error, index, _FIELD_OF_CODE.get(error.code, "properties"))


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
    result = await ctx.store.run(EventsQuery(limit=asked.limit))
    return {
        "events": [
            {
                "event_name": row["name"],
                "user_id": row["user_id"],
                "properties": {key: value for key, value in row["properties"].items() if key != ORIGINAL_ID},
                "timestamp": row["timestamp"],
                "session_id": row["session_id"],
            }
            for row in result.rows
        ]
    }


async def running(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /."""
    return {"message": "Tallystick speaks SmolHog's API", "status": "running"}


async def health(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /health."""
    return {"status": "healthy", "message": "Tallystick is running"}


def preflight(methods: bytes) -> ASGIApp:
    """The answer to a browser's OPTIONS request: any page may use `methods` with the headers it asked for."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        asked = header(scope, b"access-control-request-headers") or b"*"
        headers = [
            *WRITE,
            *CORS,
            (b"access-control-allow-methods", methods),
            (b"access-control-allow-headers", asked),
            (b"access-control-max-age", b"600"),
            (b"vary", b"Access-Control-Request-Headers"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return answer


def write_routes(ctx: Takes) -> WriteRoutes:
    routes: WriteRoutes = {}
    for path in WRITE_PATHS:
        routes["POST", path] = WriteRoute(ctx, path, take_events, error_form, CORS, KEY_HEADER)
        routes["OPTIONS", path] = preflight(b"POST, OPTIONS")
    for path in (*STATS_PATHS, *EVENTS_PATHS, "/", "/health"):
        routes["OPTIONS", path] = preflight(b"GET, OPTIONS")
    return routes


def read_routes(ctx: Speaks) -> list[BaseRoute]:
    reads = {path: stats for path in STATS_PATHS} | {path: newest_events for path in EVENTS_PATHS}
    return [
        *(read_route(ctx, path, Access.SITE, read, error_form, CORS, KEY_HEADER) for path, read in reads.items()),
        read_route(ctx, "/", Access.OPEN, running, error_form, CORS),
        read_route(ctx, "/health", Access.OPEN, health, error_form, CORS),
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
    operation = _operation(path, "Send a batch: all events are accepted, or none", done)
    wrong = {"detail": [{"type": "missing", "loc": ["body", "events", 0, "user_id"], "msg": "Field required"}]}
    operation["requestBody"] = openapi_body("SmolHogBatch")
    operation["responses"] |= {
        "413": openapi_answer("The batch has too many events.", error_form("…")),
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
    limit = {"type": "integer", "minimum": 1, "maximum": EVENTS_MAX, "default": 100}
    operation["parameters"] = [openapi_query("limit", limit, "How many.")]
    operation["responses"]["422"] = openapi_answer("A parameter is wrong.", {"detail": []})
    return operation
