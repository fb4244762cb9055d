"""Rows of a statement → the rows of an answer, and the cursor of the next page. The same for every store."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from tallystick.analysis.buckets import instant_of
from tallystick.analysis.cursor import encode_cursor
from tallystick.analysis.statement import Answer, Row, Statement
from tallystick.model.event import Event
from tallystick.model.query import (
    PROPERTY_PREFIX,
    EventsQuery,
    KeysQuery,
    PathsQuery,
    PeopleQuery,
    PersonQuery,
    ValuesQuery,
)


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


def show_instant(instant: datetime) -> str:
    """RFC 3339 with microseconds and Z, so that instants sort as text."""
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


# --- events and values ----------------------------------------------------------------------------------------------


def shape_events(query: EventsQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    page = rows[: query.limit]
    cursor = None
    if len(rows) > query.limit:
        event_id, site_id, _, timestamp = page[-1][:4]
        cursor = encode_cursor(query, [timestamp, event_id, site_id])
    return [_event_row(row) for row in page], cursor


def _event_row(row: Row) -> dict[str, Any]:
    event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties = row
    return {
        "event_id": event_id,
        "site_id": site_id,
        "name": name,
        "timestamp": show_instant(instant_of(timestamp)),
        "received_at": show_instant(instant_of(received_at)),
        "user_id": user_id,
        "session_id": session_id,
        "source": source,
        "path": path,
        "properties": decode_json(properties),
    }


def decode_json(text: str) -> Any:
    """JSON as values. Of two equal keys the first counts, as in every question; a number that is too large for JSON's
    readers (no double can hold it, or it has more digits than Python's int reads) stays as its text.
    """
    with contextlib.suppress(msgspec.DecodeError):
        value = msgspec.json.decode(text)
        if msgspec.json.encode(value) == text.encode():  # so no key stands in it twice
            return value
    return json.loads(text, object_pairs_hook=_first_counts, parse_int=_integer, parse_float=_double)


def _first_counts(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for key, value in pairs:
        entries.setdefault(key, value)
    return entries


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= sys.int_info.default_max_str_digits else digits


def _double(digits: str) -> float | str:
    return number if math.isfinite(number := float(digits)) else digits


def shape_keys(query: KeysQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    return [{"key": key, "events": events} for key, events in rows], None


def shape_values(query: ValuesQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    return [{"value": _value(query, value), "events": events} for value, events in rows], None


def _value(query: ValuesQuery, value: str) -> Any:
    """A property's value as a filter takes it: text, number or boolean; arrays and objects as their JSON text."""
    if not query.field.startswith(PROPERTY_PREFIX) or value[0] in "[{":
        return value
    return decode_json(value)


# --- users and paths ------------------------------------------------------------------------------------------------


def shape_people(query: PeopleQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    page = rows[: query.limit]
    cursor = None
    if len(rows) > query.limit:
        user_id, first_seen, last_seen, events = page[-1][:4]
        values = {"first_seen": first_seen, "last_seen": last_seen, "events": events}
        cursor = encode_cursor(query, [*([values[query.order]] if query.order in values else []), user_id])
    return [_person(row) for row in page], cursor


def _person(row: Row) -> dict[str, Any]:
    user_id, first_seen, last_seen, events, sessions = row
    seen = {"first_seen": show_instant(instant_of(first_seen)), "last_seen": show_instant(instant_of(last_seen))}
    return {"user_id": user_id, **seen, "events": events, "sessions": sessions}


def shape_person(query: PersonQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    """Where sites disagree about who `user_id` is, there is no one id of the person."""
    persons = {row[1] for row in rows} or {query.user_id}
    *_, first_seen, last_seen, _events_of_id, events, ids = rows[0] if rows else (None, None, 0, 0, 0)
    person = {
        "person_id": persons.pop() if len(persons) == 1 else None,
        "first_seen": _shown(first_seen),
        "last_seen": _shown(last_seen),
        "events": events,
        "ids": [_joined_id(row) for row in rows],
        "ids_total": ids,
    }
    return [person], None


def _joined_id(row: Row) -> dict[str, Any]:
    site_id, _, user_id, linked_to, linked_at, event_id, first_seen, last_seen, *_, events, _, _ = row
    return {
        "user_id": user_id,
        "site_id": site_id,
        "linked_to": linked_to,
        "linked_at": _shown(linked_at),
        "event_id": event_id,
        "first_seen": _shown(first_seen),
        "last_seen": _shown(last_seen),
        "events": events,
    }


def _shown(micros: int | None) -> str | None:
    return None if micros is None else show_instant(instant_of(micros))


def shape_paths(query: PathsQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    return [_edge(row) for row in rows], None


def _edge(row: Row) -> dict[str, Any]:
    step, source, target, sessions, other = row
    edge = {"step": step, "source": source, "target": target, "sessions": sessions}
    return edge | {"other": True} if other else edge
