"""POST /v1/events in the OpenAPI document, written by hand because no framework describes a raw ASGI route."""

from __future__ import annotations

from typing import Any

import msgspec

from tallystick.ingest.app import ROUTE, Accepted


class NewEvent(msgspec.Struct):
    """One event as a client sends it; only `name` is required."""

    name: str
    event_id: str | None = None
    timestamp: str | int | float | None = None
    site_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    source: str | None = None
    path: str | None = None
    properties: dict[str, Any] | None = None
    sent_at: str | int | float | None = None


class NewEvents(msgspec.Struct):
    """Several events in one request. `sent_at`, the time of sending by the client's clock, corrects their times."""

    events: list[NewEvent]
    sent_at: str | int | float | None = None


_DESCRIPTION = (
    "202 means that every accepted event is durable in the queue. Content-Encoding may be gzip, deflate or zstd. "
    "Without a success the outcome is unknown. Sending again with the same event ids is always safe."
)
_PARAMETERS = [
    {
        "name": "strict",
        "in": "query",
        "required": False,
        "schema": {"type": "boolean", "default": False},
        "description": "Accept all events or none.",
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "Derives the ids of events that have none, so that a retry is recognised.",
    },
]
_ERRORS = {
    "400": "No event could be accepted, or with strict=1 not all of them.",
    "408": "The body took too long to arrive.",
    "413": "The body or the number of events is over the limit.",
    "415": "An unknown Content-Encoding.",
    "503": "The queue is full or does not answer; see Retry-After.",
}


def openapi() -> tuple[dict[str, Any], dict[str, Any]]:
    """`(paths, schemas)` of the native write route."""
    _, schemas = msgspec.json.schema_components(
        [NewEvent, NewEvents, Accepted], ref_template="#/components/schemas/{name}"
    )
    error = _json(_ref("ErrorAnswer"))
    operation = {
        "operationId": "send_events",
        "tags": ["write"],
        "summary": "Send events",
        "description": _DESCRIPTION,
        "parameters": _PARAMETERS,
        "requestBody": _body(),
        "responses": {
            "202": {
                "description": "The accepted events are durable; the rejected events are listed.",
                "content": _json(_ref("Accepted")),
            },
            **{status: {"description": text, "content": error} for status, text in _ERRORS.items()},
        },
    }
    return {ROUTE: {"post": operation}}, schemas


def _body() -> dict[str, Any]:
    event, events = _ref("NewEvent"), _ref("NewEvents")
    lines = {"type": "string", "description": "One event a line."}
    return {
        "required": True,
        "content": {
            **_json({"oneOf": [event, events, {"type": "array", "items": event}]}),
            "application/x-ndjson": {"schema": lines},
        },
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
