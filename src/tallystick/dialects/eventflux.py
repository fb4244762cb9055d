"""EventFlux: events in bulk here, its queries in eventflux_analytics, its part of the document in eventflux_openapi.

POST /v1/events/bulk · GET /v1/analytics/events/daily · GET /v1/analytics/events/summary · GET /v1/analytics/event-types
· GET /v1/analytics/events/raw · GET /healthz/detailed (/healthz is Tallystick's own)
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.routing import BaseRoute
from starlette.types import Scope

from tallystick.api.access.gate import Access
from tallystick.config import Settings
from tallystick.dialects.base import (
    Answer,
    Read,
    Refused,
    Speaks,
    Spellings,
    Takes,
    WriteRoute,
    WriteRoutes,
    beside_post,
    check_size,
    derive_ids,
    openapi_schemas,
    preflight,
    promoted_path,
    read_route,
)
from tallystick.dialects.eventflux_analytics import daily, detailed_health, event_types, raw_events, summary
from tallystick.dialects.eventflux_openapi import describe
from tallystick.dialects.fastapi_form import check_body, error_form, refuse_event
from tallystick.errors import TallystickError
from tallystick.ingest import ids
from tallystick.ingest.decode import encode_decoded
from tallystick.ingest.normalise import Draft, Rejected, normalise
from tallystick.model.event import AHEAD_MAX, DEFAULT_SITE, EARLIEST, NO_PROPERTIES, PROPERTIES_DEPTH_MAX, Event
from tallystick.model.times import read_time
from tallystick.queue.base import Queue

EVENT_TYPE_MAX = 128
ACTOR_ID_MAX = 256
SOURCE_MAX = 64
STREAM_LEN_SECONDS = 0.05
"""Seconds for which a `stream_len` is reused before the queue is read again."""


_FIELD_OF_CODE = {
    "timestamp_invalid": "timestamp",
    "name_invalid": "event_type",
    "too_many_names": "event_type",
    "user_id_invalid": "actor_id",
}


class _BulkEvent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=EVENT_TYPE_MAX)]
    actor_id: Annotated[str, msgspec.Meta(min_length=1, max_length=ACTOR_ID_MAX)]
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=SOURCE_MAX)]
    timestamp: datetime
    attributes: msgspec.Raw = NO_PROPERTIES


class _Bulk(msgspec.Struct, forbid_unknown_fields=True):
    events: list[_BulkEvent]
    request_id: UUID | msgspec.UnsetType = msgspec.UNSET


class _Attributes(msgspec.Struct, gc=False):
    attributes: msgspec.Raw = NO_PROPERTIES


class _BulkAttributes(msgspec.Struct):
    events: list[_Attributes]


_decoder = msgspec.json.Decoder(_Bulk)
_attributes_decoder = msgspec.json.Decoder(_BulkAttributes)


def _strip(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


Stripped = Annotated[str, BeforeValidator(_strip)]
"""Stripped as `decode_fast` does it: pydantic's own stripping leaves U+001C to U+001F."""


def _counted(value: object) -> object:
    """A number, or a text of one, as everywhere else in Tallystick: pydantic's units stop at milliseconds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number or (isinstance(value, str) and value.strip()[:1].isdigit() and value.strip()[4:5] != "-"):
        try:
            return read_time(value) or value  # type: ignore[arg-type]  # a number or a text, as checked
        except ValueError:
            return value  # pydantic refuses it in EventFlux's words
    return value


Moment = Annotated[datetime, BeforeValidator(_counted)]


class EventFluxEvent(BaseModel):
    """An event as EventFlux's own model reads it: it takes more timestamp forms and reports each invalid field."""

    model_config = ConfigDict(extra="forbid")

    event_type: Stripped = Field(min_length=1, max_length=EVENT_TYPE_MAX)
    actor_id: Stripped = Field(min_length=1, max_length=ACTOR_ID_MAX)
    source: Stripped = Field(min_length=1, max_length=SOURCE_MAX)
    timestamp: Moment
    attributes: dict[str, Any] = {}


class EventFluxBulk(BaseModel):
    """A request as EventFlux's own model reads it."""

    model_config = ConfigDict(extra="forbid")

    request_id: UUID = Field(default_factory=uuid4)
    events: list[EventFluxEvent] = Field(min_length=1)


class BulkRoute:
    """POST /v1/events/bulk."""

    def __init__(self, queue: Queue) -> None:
        self._stream = _StreamLength(queue)

    async def take(self, ctx: Takes, scope: Scope, body: bytes, request_id: str, site: str | None) -> Answer:
        """Answer 202 once the events are durable. The body's `request_id` replaces the header's everywhere.

        `stream_len` counts the events of all sites, so a client with a key for one site does not get it.
        """
        received_at = datetime.now(UTC)
        fast = decode_fast(body, received_at, ctx.settings, site)
        given, events = fast or decode_carefully(body, received_at, ctx.settings, site)
        for index, event in enumerate(events):
            try:
                ctx.ingest.admit_names(event)
            except Rejected as error:
                refuse_event(error, index, _FIELD_OF_CODE.get(error.code, "attributes"))
        derive_ids(scope, body, events)
        chosen = str(given) if given else request_id
        await ctx.ingest.accept(scope, encode_decoded(ctx.ingest.enriched(scope, events), []), chosen)
        waiting = None if site else await self._stream.length()
        answer = {"request_id": chosen, "queued": len(events), "stream_len": waiting, "mode": "queue"}
        return Answer(202, answer, request_id=chosen)


class _StreamLength:
    """How many events wait in the queue, read at most once in STREAM_LEN_SECONDS."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._asked_at = float("-inf")
        self._events: int | None = None

    async def length(self) -> int | None:
        """The number of events; None when the queue cannot count them. An accepted request must not fail for that."""
        now = time.monotonic()
        if now - self._asked_at >= STREAM_LEN_SECONDS:
            self._asked_at = now
            try:
                self._events = (await self._queue.depth()).events
            except TallystickError:
                self._events = None
        return self._events


def check_count(count: int, settings: Settings) -> None:
    """Raises Refused with 413 when the request has too many events."""
    most = settings.max_request_events
    if count > most:
        raise Refused(413, error_form(f"Batch too large: received {count}, maximum allowed is {most}."))


def decode_fast(
    body: bytes, received_at: datetime, settings: Settings, site: str | None = None
) -> tuple[UUID | None, list[Event]] | None:
    """All events at once; None when any needs the careful path. Checks every field here, without `normalise`."""
    try:
        bulk = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    check_count(len(bulk.events), settings)
    latest = received_at + AHEAD_MAX
    largest = settings.max_event_bytes
    line_breaks = b"\n" in body or b"\r" in body
    belongs_to = site or DEFAULT_SITE
    events = []
    for given in bulk.events:
        name, actor, source = given.event_type.strip(), given.actor_id.strip(), given.source.strip()
        attributes = bytes(given.attributes)
        if not (name and actor and source and name.isprintable() and actor.isprintable()):
            return None
        if attributes[:1] != b"{" or len(attributes) > largest:
            return None
        if attributes.count(b"[") + attributes.count(b"{") > PROPERTIES_DEPTH_MAX:
            return None
        if line_breaks and (b"\n" in attributes or b"\r" in attributes):
            return None  # a canonical line is a single line; the careful path encodes the attributes again
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
        events.append(Event(ids.uuid7(), name, moment, received_at, belongs_to, actor, None, source, path, kept))
    return (bulk.request_id or None, events) if events else None


def decode_carefully(
    body: bytes, received_at: datetime, settings: Settings, site: str | None = None
) -> tuple[UUID | None, list[Event]]:
    """All events, through EventFlux's own model and `normalise`. Raises Refused: 413, or 422 with the invalid field."""
    bulk = check_body(body, EventFluxBulk)
    check_count(len(bulk.events), settings)
    events = []
    for index, (given, raw) in enumerate(zip(bulk.events, _attributes_decoder.decode(body).events, strict=True)):
        attributes = bytes(raw.attributes)
        draft = Draft(
            name=given.event_type,
            site_id=site,
            timestamp=given.timestamp,
            user_id=given.actor_id,
            source=given.source,
            path=promoted_path(attributes),
            properties=attributes,
        )
        try:
            check_size(attributes, settings)
            events.append(normalise(draft, received_at))
        except Rejected as error:
            refuse_event(error, index, _FIELD_OF_CODE.get(error.code, "attributes"))
    return bulk.request_id if "request_id" in bulk.model_fields_set else None, events


BULK_PATH = "/v1/events/bulk"
READS: Mapping[str, tuple[Access, Read]] = {
    "/v1/analytics/events/daily": (Access.SITE, daily),
    "/v1/analytics/events/summary": (Access.SITE, summary),
    "/v1/analytics/event-types": (Access.SITE, event_types),
    "/v1/analytics/events/raw": (Access.SITE, raw_events),
    "/healthz/detailed": (Access.EVERY, detailed_health),
}
SPELLINGS = Spellings(frozenset((BULK_PATH, *READS)))


def write_routes(ctx: Takes) -> WriteRoutes:
    routes: WriteRoutes = {("POST", BULK_PATH): WriteRoute(ctx, BULK_PATH, BulkRoute(ctx.queue).take, error_form)}
    routes |= beside_post(BULK_PATH, error_form)
    return routes | {("OPTIONS", path): preflight(b"GET") for path in READS}


def read_routes(ctx: Speaks) -> list[BaseRoute]:
    return [read_route(ctx, path, wanted, read, error_form) for path, (wanted, read) in READS.items()]


def openapi() -> tuple[dict[str, Any], dict[str, Any]]:
    """`(paths, schemas)` for the OpenAPI document."""
    return describe(), openapi_schemas(EventFluxBulk)
