"""Rows of statements about single events → the rows of an answer."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from tallystick.analysis.buckets import instant_of, show_micros
from tallystick.analysis.cursor import encode_cursor
from tallystick.analysis.statement import Answer, Row, Statement
from tallystick.model.event import Event
from tallystick.model.query import PROPERTY_PREFIX, EventsQuery, KeysQuery, ValuesQuery


def shape_events(query: EventsQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    """A page of events, and the cursor of the next page."""
    page = rows[: query.limit]
    cursor = None
    if len(rows) > query.limit:
        event_id, site_id, _, timestamp = page[-1][:4]
        cursor = encode_cursor(query, [timestamp, event_id, site_id])
    return [_event_row(row) for row in page], cursor


def shape_keys(query: KeysQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    """Property keys with their numbers of events."""
    return [{"key": key, "events": events} for key, events in rows], None


def shape_values(query: ValuesQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    """Values of a field with their numbers of events."""
    return [{"value": _value(query, value), "events": events} for value, events in rows], None


def event_of(row: Row) -> Event:
    """The event in a row of `compile.EVENT_COLUMNS`."""
    event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties = row
    return Event(
        UUID(event_id),
        name,
        instant_of(timestamp),
        instant_of(received_at),
        site_id,
        user_id,
        session_id,
        source,
        path,
        msgspec.Raw(properties.encode()),
    )


def decode_json(text: str) -> Any:
    """JSON as Python values.

    Of two equal keys the first counts, as in every query. A number that JSON readers cannot hold (no double is as
    large, or it has more digits than Python's int reads) stays as its text.
    """
    with contextlib.suppress(msgspec.DecodeError):
        value = msgspec.json.decode(text)
        if msgspec.json.encode(value) == text.encode():  # true only if no key occurs twice
            return value
    return json.loads(text, object_pairs_hook=_first_counts, parse_int=_integer, parse_float=_double)


def _event_row(row: Row) -> dict[str, Any]:
    event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties = row
    return {
        "event_id": event_id,
        "site_id": site_id,
        "name": name,
        "timestamp": show_micros(timestamp),
        "received_at": show_micros(received_at),
        "user_id": user_id,
        "session_id": session_id,
        "source": source,
        "path": path,
        "properties": decode_json(properties),
    }


def _value(query: ValuesQuery, value: str) -> Any:
    """A property's value as a filter takes it: text, number or boolean; arrays and objects as their JSON text."""
    if not query.field.startswith(PROPERTY_PREFIX) or value[0] in "[{":
        return value
    return decode_json(value)


def _first_counts(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for key, value in pairs:
        entries.setdefault(key, value)
    return entries


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= sys.int_info.default_max_str_digits else digits


def _double(digits: str) -> float | str:
    return number if math.isfinite(number := float(digits)) else digits
