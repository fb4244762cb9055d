"""The event: its fields, its limits, and its canonical line.

A canonical line is one JSON object, UTF-8, without insignificant white space outside `properties`, fields in the order
below, fields at their default left out. A block holds such lines; a dead letter keeps one; `export` prints them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

SITE_ID_MAX = 255
NAME_MAX = 255
USER_ID_MAX = 256
SESSION_ID_MAX = 256
SOURCE_MAX = 64
PATH_MAX = 2048
"""Longest accepted text of each field, in Unicode code points."""

PROPERTIES_DEPTH_MAX = 64
"""Deepest nesting of arrays and objects inside `properties`."""

DEFAULT_SITE = "default"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""An event time before this is treated as a broken clock (G9)."""
AHEAD_MAX = timedelta(hours=24)
"""An event time further ahead of the server's clock than this is treated as a broken clock (G9)."""

NO_PROPERTIES = msgspec.Raw(b"{}")


class Event(msgspec.Struct, omit_defaults=True, gc=False):
    """One thing that happened. Identity is `(site_id, event_id)`.

    Attributes:
        event_id: the client's, or UUIDv5 of a client's id that is no UUID, or a UUIDv7 made on arrival.
        site_id: the website, app or project.
        name: what happened, such as `page_view`.
        timestamp: when it happened by the client's clock; UTC.
        received_at: when Tallystick received it; UTC.
        user_id: the user id as it was sent; None: anonymous.
        session_id: the client's session; None when it has none.
        source: what sent it: `web`, `ios`, an SDK's name; empty when unknown.
        path: the page's path.
        properties: everything else: the bytes of one JSON object, exactly as they were sent.
    """

    event_id: UUID
    name: str
    timestamp: datetime
    received_at: datetime
    site_id: str = DEFAULT_SITE
    user_id: str | None = None
    session_id: str | None = None
    source: str = ""
    path: str | None = None
    properties: msgspec.Raw = NO_PROPERTIES


class Rejection(msgspec.Struct, frozen=True):
    """Why one event of a request was not accepted.

    Attributes:
        index: position of the event in the request, from 0.
        code: stable word for programs, such as `name_missing`.
        message: one sentence for people.
    """

    index: int
    code: str
    message: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def encode_lines(events: list[Event]) -> bytes:
    """The events as canonical lines, each ended by a newline."""
    return _encoder.encode_lines(events)


def decode_line(line: bytes) -> Event:
    """The event of one canonical line.

    Raises:
        msgspec.DecodeError: the line is no canonical event.
    """
    return _decoder.decode(line)
