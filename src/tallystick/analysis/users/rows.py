"""Rows of statements about users → the rows of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick.analysis.buckets import show_micros
from tallystick.analysis.cursor import encode_cursor
from tallystick.analysis.statement import Answer, Row, Statement
from tallystick.model.query import PeopleQuery, PersonQuery


def shape_people(query: PeopleQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    """A page of the list of users, and the cursor of the next page."""
    page = rows[: query.limit]
    cursor = None
    if len(rows) > query.limit:
        user_id, first_seen, last_seen, events = page[-1][:4]
        values = {"first_seen": first_seen, "last_seen": last_seen, "events": events}
        cursor = encode_cursor(query, [*([values[query.order]] if query.order in values else []), user_id])
    return [_user(row) for row in page], cursor


def shape_person(query: PersonQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    """The one row of an answer about a person.

    `person_id` is null where sites disagree about the person that `user_id` resolves to.
    """
    persons = {row[1] for row in rows} or {query.user_id}
    *_, first_seen, last_seen, _events_of_id, events, ids = rows[0] if rows else (None, None, 0, 0, 0)
    person = {
        "person_id": persons.pop() if len(persons) == 1 else None,
        "first_seen": _shown(first_seen),
        "last_seen": _shown(last_seen),
        "events": events,
        "ids": [_id_of_person(row) for row in rows],
        "ids_total": ids,
    }
    return [person], None


def _user(row: Row) -> dict[str, Any]:
    user_id, first_seen, last_seen, events, sessions = row
    seen = {"first_seen": show_micros(first_seen), "last_seen": show_micros(last_seen)}
    return {"user_id": user_id, **seen, "events": events, "sessions": sessions}


def _id_of_person(row: Row) -> dict[str, Any]:
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
    return None if micros is None else show_micros(micros)
