"""Cursors: where the next page of an answer starts, as an opaque text.

A cursor holds the sort key of the last row that was given, so that a page starts right after it whatever was stored
in between: no row is lost and none comes twice. It is bound to its question by a fingerprint. It is no secret and not
trusted: what comes out is checked, and goes to the store as parameters only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from uuid import UUID

from tallystick.analysis.buckets import instant_of
from tallystick.errors import InvalidRequest
from tallystick.model.query import EventsQuery, FunnelUsersQuery, MetricsQuery, PeopleQuery

Key = list[str | int | None]
"""A row's sort key."""

Paged = EventsQuery | MetricsQuery | PeopleQuery | FunnelUsersQuery

_BROKEN = "the cursor is none that this question gave: send next_cursor unchanged, with the same question"


def _fingerprint(query: Paged) -> str:
    """What makes it the same question: everything but the page."""
    question = query.model_dump_json(exclude={"cursor", "limit"})
    return hashlib.sha256(question.encode()).hexdigest()[:16]


def encode_cursor(query: Paged, key: Key) -> str:
    """The cursor of the page after the row with this sort key."""
    text = json.dumps([_fingerprint(query), key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(query: Paged) -> Key | None:
    """The sort key in the query's cursor; None without one.

    Raises:
        InvalidRequest: the text is no cursor, or one of another question.
    """
    if query.cursor is None:
        return None
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        fingerprint, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        same = fingerprint == _fingerprint(query)
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise InvalidRequest(_BROKEN) from error
    if not same or not _fits(query, key):
        raise InvalidRequest(_BROKEN)
    return list(key)


def _fits(query: Paged, key: object) -> bool:
    if isinstance(query, EventsQuery):
        return _fits_events(key)
    if isinstance(query, FunnelUsersQuery):
        return isinstance(key, list) and len(key) == 1 and isinstance(key[0], str)
    return _fits_people(query, key) if isinstance(query, PeopleQuery) else _fits_metrics(query, key)


def _fits_people(query: PeopleQuery, key: object) -> bool:
    """`[value that they are ordered by?, user_id]`."""
    if not isinstance(key, list) or not key or not isinstance(key[-1], str):
        return False
    values = key[:-1]
    if query.order == "user_id":
        return not values
    return len(values) == 1 and _is_instant(values[0])  # a count of events is small enough for one, too


def _fits_events(key: object) -> bool:
    """`[timestamp, event_id, site_id]`."""
    if not isinstance(key, list) or len(key) != 3 or not _is_instant(key[0]):
        return False
    try:
        UUID(key[1])
    except (ValueError, TypeError, AttributeError):
        return False
    return isinstance(key[2], str)


def _fits_metrics(query: MetricsQuery, key: object) -> bool:
    """`[bucket?, value of each breakdown field…]`."""
    if not isinstance(key, list) or len(key) != (query.interval is not None) + len(query.breakdown):
        return False
    values = key[1:] if query.interval else key
    return (not query.interval or _is_instant(key[0])) and all(v is None or isinstance(v, str) for v in values)


def _is_instant(value: object) -> bool:
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    try:
        instant_of(value)
    except OverflowError:
        return False
    return True
