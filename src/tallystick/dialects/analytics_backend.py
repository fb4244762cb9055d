"""analytics-backend: one page view a request, statistics per site.

POST /event · GET /stats
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import msgspec
from starlette.routing import BaseRoute
from starlette.types import Scope

from tallystick.api.access.gate import Access
from tallystick.dialects.base import (
    Answer,
    Asks,
    Refused,
    Speaks,
    Takes,
    WriteRoute,
    WriteRoutes,
    check_site,
    derive_ids,
    openapi_answer,
    openapi_body,
    openapi_query,
    openapi_schemas,
    read_route,
)
from tallystick.dialects.pageview import TextField, problems, site_stats
from tallystick.ingest.decode import encode_decoded
from tallystick.ingest.normalise import Draft, Rejected, normalise
from tallystick.model.event import NAME_MAX, PATH_MAX, SITE_ID_MAX, USER_ID_MAX

SOURCE = "analytics-backend"
FIELDS = (
    TextField("site_id", SITE_ID_MAX, required=True),
    TextField("event_type", NAME_MAX, required=True),
    TextField("path", PATH_MAX, required=True),
    TextField("timestamp", 64, required=True),
    TextField("user_id", USER_ID_MAX),
)
QUEUED = {"status": "ok"}


class AnalyticsBackendEvent(msgspec.Struct, gc=False):
    """The body of POST /event. Fields of other names are let be."""

    site_id: Annotated[str, msgspec.Meta(min_length=1, max_length=SITE_ID_MAX)]
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_MAX)]
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=PATH_MAX)]
    timestamp: Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="ISO 8601; without an offset: UTC")]
    user_id: Annotated[str, msgspec.Meta(max_length=USER_ID_MAX)] | None = None


_decoder = msgspec.json.Decoder(AnalyticsBackendEvent)


def error_form(message: str) -> dict[str, Any]:
    return {"error": message}


async def take_event(ctx: Takes, scope: Scope, body: bytes, request_id: str, site: str | None) -> Answer:
    """POST /event."""
    try:
        given = _decoder.decode(body)
        draft = Draft(
            name=given.event_type,
            site_id=given.site_id,
            timestamp=given.timestamp,
            user_id=given.user_id,
            source=SOURCE,
            path=given.path,
        )
        event = normalise(draft, datetime.now(UTC))
    except (msgspec.DecodeError, RecursionError, Rejected) as error:
        refuse(body, error)
    check_site(event.site_id, site, error_form)
    derive_ids(scope, body, [event])
    await ctx.ingest.accept(encode_decoded(ctx.ingest.enriched(scope, [event]), []), request_id)
    return Answer(200, QUEUED)


def refuse(body: bytes, error: Exception) -> NoReturn:
    """Raises Refused with one text that names every field that is wrong."""
    try:
        found = problems(msgspec.json.decode(body), FIELDS) or [str(error)]
    except (msgspec.DecodeError, RecursionError):
        found = ["body must be valid JSON"]
    raise Refused(400, error_form("; ".join(found))) from error


async def stats(ctx: Asks, params: Mapping[str, str]) -> Any:
    """GET /stats."""
    site_id = params.get("site_id")
    if not site_id:
        raise Refused(400, error_form("site_id is required"))
    try:
        return await site_stats(ctx.store, site_id, params.get("date"))
    except ValueError as error:
        raise Refused(400, error_form(str(error))) from error


def write_routes(ctx: Takes) -> WriteRoutes:
    return {("POST", "/event"): WriteRoute(ctx, "/event", take_event, error_form)}


def read_routes(ctx: Speaks) -> list[BaseRoute]:
    return [read_route(ctx, "/stats", Access.SITE, stats, error_form)]


def openapi() -> tuple[dict[str, Any], dict[str, Any]]:
    """`(paths, schemas)` for the OpenAPI document."""
    day = {"type": "string", "format": "date"}
    answer = {
        "site_id": "site-abc-123",
        "date": "2025-11-12",
        "total_views": 3,
        "unique_users": 2,
        "top_paths": [{"path": "/pricing", "views": 2}],
    }
    paths = {
        "/event": {
            "post": {
                "operationId": "analytics_backend_event",
                "tags": ["analytics-backend"],
                "summary": "Send one page view",
                "requestBody": openapi_body("AnalyticsBackendEvent"),
                "responses": {
                    "200": openapi_answer("Durable in the queue.", QUEUED),
                    "400": openapi_answer("What is wrong.", error_form("site_id is required and must be a string")),
                    "503": openapi_answer("The queue takes nothing; try again.", error_form("…")),
                },
            }
        },
        "/stats": {
            "get": {
                "operationId": "analytics_backend_stats",
                "tags": ["analytics-backend"],
                "summary": "A site's views and users",
                "parameters": [
                    openapi_query("site_id", {"type": "string", "maxLength": SITE_ID_MAX}, "The site.", required=True),
                    openapi_query("date", day, "One UTC day; absent: all days."),
                ],
                "responses": {
                    "200": openapi_answer("The numbers.", answer),
                    "400": openapi_answer("A parameter is wrong.", error_form("site_id is required")),
                },
            }
        },
    }
    return paths, openapi_schemas(AnalyticsBackendEvent)
