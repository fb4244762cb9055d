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

from tallystick.analysis.buckets import Buckets, instant_of
from tallystick.analysis.cursor import decode_cursor, encode_cursor
from tallystick.analysis.funnel.rows import funnel_answer, funnel_users_answer
from tallystick.analysis.metrics.compile import is_filled
from tallystick.analysis.parameters import Statement
from tallystick.analysis.retention.rows import persons_answer
from tallystick.analysis.sessions.rows import sessions_answer
from tallystick.errors import InvalidRequest
from tallystick.model.event import Event
from tallystick.model.queries.formula import computed
from tallystick.model.queries.retention import PersonsScope
from tallystick.model.query import (
    PROPERTY_PREFIX,
    EventsQuery,
    FunnelQuery,
    FunnelUsersQuery,
    KeysQuery,
    MetricsQuery,
    PathsQuery,
    PeopleQuery,
    PersonQuery,
    Query,
    SessionsQuery,
    ValuesQuery,
)

Row = Sequence[Any]
Answer = tuple[list[dict[str, Any]], str | None]
"""The rows and `next_cursor`."""

COUNTS = {"events", "users", "sessions"}
"""Metrics that are 0 where nothing happened; the others are null."""


def shape(query: Query, statement: Statement, rows: Sequence[Row]) -> Answer:
    """The answer that a statement's rows are.

    Raises:
        InvalidRequest: more buckets than a series may have, or more rows than an answer with `top` may have.
    """
    if isinstance(query, MetricsQuery):
        return _metrics(query, statement.buckets, rows)
    if isinstance(query, EventsQuery):
        return _events(query, rows)
    if isinstance(query, FunnelQuery):
        return funnel_answer(query, rows), None
    if isinstance(query, FunnelUsersQuery):
        return funnel_users_answer(query, rows)
    if isinstance(query, KeysQuery):
        return [{"key": key, "events": events} for key, events in rows], None
    if isinstance(query, SessionsQuery):
        return sessions_answer(query, statement.buckets, rows), None
    if isinstance(query, PathsQuery):
        return [_edge(row) for row in rows], None
    if isinstance(query, PeopleQuery):
        return _people(query, rows)
    if isinstance(query, PersonQuery):
        return [_one_person(query, rows)], None
    if isinstance(query, PersonsScope):
        return persons_answer(query, statement, rows), None
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


def show_instant(instant: datetime) -> str:
    """RFC 3339 with microseconds and Z, so that instants sort as text."""
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


# --- events and values ----------------------------------------------------------------------------------------------


def _events(query: EventsQuery, rows: Sequence[Row]) -> Answer:
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


def _value(query: ValuesQuery, value: str) -> Any:
    """A property's value as a filter takes it: text, number or boolean; arrays and objects as their JSON text."""
    if not query.field.startswith(PROPERTY_PREFIX) or value[0] in "[{":
        return value
    return decode_json(value)


# --- users and paths ------------------------------------------------------------------------------------------------


def _people(query: PeopleQuery, rows: Sequence[Row]) -> Answer:
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


def _one_person(query: PersonQuery, rows: Sequence[Row]) -> dict[str, Any]:
    """Where sites disagree about who `user_id` is, there is no one id of the person."""
    persons = {row[1] for row in rows} or {query.user_id}
    *_, first_seen, last_seen, _events_of_id, events, ids = rows[0] if rows else (None, None, 0, 0, 0)
    return {
        "person_id": persons.pop() if len(persons) == 1 else None,
        "first_seen": _shown(first_seen),
        "last_seen": _shown(last_seen),
        "events": events,
        "ids": [_joined_id(row) for row in rows],
        "ids_total": ids,
    }


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


def _edge(row: Row) -> dict[str, Any]:
    step, source, target, sessions, other = row
    edge = {"step": step, "source": source, "target": target, "sessions": sessions}
    return edge | {"other": True} if other else edge


# --- metrics --------------------------------------------------------------------------------------------------------


def _metrics(query: MetricsQuery, buckets: Buckets | None, rows: Sequence[Row]) -> Answer:
    if buckets and is_filled(query):
        return _filled(query, buckets, rows)
    page = rows[: query.limit]
    cursor = None
    if len(rows) > query.limit:
        if query.top is not None:
            raise InvalidRequest(
                f"an answer with top comes whole, and this one has more rows than limit ({query.limit}): "
                "raise limit, shorten the range, or take a longer interval"
            )
        keys = (buckets is not None) + len(query.breakdown)
        cursor = encode_cursor(query, list(page[-1][:keys]))
    return [_metrics_row(query, buckets, row) for row in page], cursor


def _filled(query: MetricsQuery, buckets: Buckets, rows: Sequence[Row]) -> Answer:
    """A page of the series with its empty buckets."""
    found = {row[0]: row for row in rows}
    keys = buckets.series(query.since, query.until, found.keys())
    after = decode_cursor(query)
    if after is not None:
        keys = [key for key in keys if isinstance(after[0], int) and key > after[0]]
    empty = nothing(query)
    page = keys[: query.limit]
    answer = [_metrics_row(query, buckets, found.get(key, (key, *empty))) for key in page]
    return answer, encode_cursor(query, [page[-1]]) if len(keys) > len(page) else None


def nothing(query: MetricsQuery) -> list[int | None]:
    """The metrics of no events."""
    return [0 if metric.kind in COUNTS else None for metric in query.metrics]


def _metrics_row(query: MetricsQuery, buckets: Buckets | None, row: Row) -> dict[str, Any]:
    values = iter(row)
    answer: dict[str, Any] = {}
    if buckets:
        answer["bucket"] = buckets.label(next(values))
    for field in query.breakdown:
        answer[field] = next(values)
    numbers = [_number(metric.kind, next(values)) for metric in query.metrics]
    answer |= figures(query, numbers)
    if query.other and next(values):
        answer["other"] = True
    return answer


def figures(query: MetricsQuery, numbers: Sequence[Any]) -> dict[str, Any]:
    """Metrics and formulas by their labels."""
    named = {metric.label: number for metric, number in zip(query.metrics, numbers, strict=True)}
    return named | computed(query.formulas, numbers)


def _number(kind: str, value: Any) -> Any:
    """A metric's value; a sum or average that no double can hold is null, since JSON has no infinity."""
    if value is None:
        return None
    if kind == "last_received":
        return show_instant(instant_of(value))
    return value if not isinstance(value, float) or math.isfinite(value) else None
