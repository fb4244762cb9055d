"""EventFlux's part of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from tallystick.dialects.base import openapi_answer, openapi_body, openapi_query

_DAY = {"type": "string", "format": "date"}
_INSTANT = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string"}


def describe() -> dict[str, Any]:
    """The paths. Their only body has the schema EventFluxBulk."""
    event_types = _operation("event_types", "Every event type", [], ["page_view", "purchase"])
    health = _operation("health", "Queue and store", [], _health(True, "ok"))
    health["responses"]["503"] = openapi_answer("The queue or the store does not answer.", _health(False, "ok"))
    return {
        "/v1/events/bulk": {"post": _bulk()},
        "/v1/analytics/events/daily": {"get": _daily()},
        "/v1/analytics/events/summary": {"get": _summary()},
        "/v1/analytics/event-types": {"get": event_types},
        "/v1/analytics/events/raw": {"get": _raw()},
        "/healthz/detailed": {"get": health},
    }


def _operation(name: str, summary: str, parameters: list[dict[str, Any]], example: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"eventflux_{name}",
        "tags": ["EventFlux"],
        "summary": summary,
        "responses": {"200": openapi_answer("The answer.", example)},
    }
    if parameters:
        wrong = {"detail": [{"type": "int_parsing", "loc": ["query", "limit"], "msg": "Input should be an integer"}]}
        operation["parameters"] = parameters
        operation["responses"]["422"] = openapi_answer("A parameter is wrong.", wrong)
    return operation


def _bulk() -> dict[str, Any]:
    queued = {"request_id": "8c1f…", "queued": 2, "stream_len": 2, "mode": "queue"}
    wrong = {"detail": [{"type": "missing", "loc": ["body", "events", 0, "source"], "msg": "Field required"}]}
    return {
        "operationId": "eventflux_bulk",
        "tags": ["EventFlux"],
        "summary": "Send events in bulk: all or nothing",
        "requestBody": openapi_body("EventFluxBulk"),
        "responses": {
            "202": openapi_answer("Durable in the queue.", queued),
            "413": openapi_answer("More events than a request may have.", {"detail": "…"}),
            "422": openapi_answer("The invalid fields.", wrong),
            "503": openapi_answer("The queue accepts no events; try again.", {"detail": "…"}),
        },
    }


def _range() -> list[dict[str, Any]]:
    return [
        openapi_query("start_date", _DAY, "First UTC day; absent: from the first event."),
        openapi_query("end_date", _DAY, "Last UTC day, included; absent: up to the newest event."),
    ]


def _limit(default: int, most: int, description: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return openapi_query("limit", schema, description)


def _daily() -> dict[str, Any]:
    row = {
        "day": "2025-11-12",
        "event_type": "page_view",
        "source": "web",
        "count": 2,
        "updated_at": "2025-11-12T19:30:02Z",
    }
    parameters = [
        *_range(),
        openapi_query("event_type", _TEXT, "Only this type."),
        openapi_query("source", _TEXT, "Only this source."),
        openapi_query("after_day", _DAY, "Only days before this one: `next_cursor` of the previous page."),
        _limit(500, 10_000, "Most rows; more only when the first day alone has more."),
    ]
    example = {"data": [row], "count": 1, "next_cursor": None}
    return _operation("daily", "Events per day, type and source", parameters, example)


def _summary() -> dict[str, Any]:
    top_n = {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}
    example = {
        "total_events": 3,
        "unique_event_types": 2,
        "unique_sources": 1,
        "top_event_types": [{"event_type": "page_view", "total": 2}],
        "top_sources": [{"source": "web", "total": 3}],
    }
    parameters = [*_range(), openapi_query("top_n", top_n, "How many event types; all sources are listed.")]
    return _operation("summary", "Totals, types and sources", parameters, example)


def _raw() -> dict[str, Any]:
    row = {
        "event_type": "page_view",
        "actor_id": "user-1",
        "source": "web",
        "timestamp": "2025-11-12T19:30:01Z",
        "attributes": {},
        "ingested_at": "2025-11-12T19:30:02Z",
    }
    parameters = [
        openapi_query("event_type", _TEXT, "Only this type."),
        openapi_query("actor_id", _TEXT, "Only this actor."),
        openapi_query("source", _TEXT, "Only this source."),
        openapi_query("since", _INSTANT, "Included; absent: one hour before `until`."),
        openapi_query("until", _INSTANT, "Excluded; absent: now."),
        _limit(100, 5_000, "Most events."),
    ]
    operation = _operation("raw", "Single events of at most one hour, newest first", parameters, [row])
    operation["responses"]["400"] = openapi_answer("The window is longer than an hour.", {"detail": "…"})
    return operation


def _health(ping: bool, postgres: str) -> dict[str, Any]:
    waiting = 0 if ping else None
    redis = {
        "ping": "ok" if ping else "error",
        "stream_len": waiting,
        "consumer_groups": 1,
        "lags": [{"group": "tallystick", "pending": 0, "lag": 0}] if ping else [],
        "consumer_lag": waiting,
    }
    return {"api": "ok", "redis": redis, "postgres": postgres}
