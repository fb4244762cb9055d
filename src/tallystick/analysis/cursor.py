"""Cursors: where the next page of an answer starts, as an opaque text.

A cursor holds the sort key of the last row of a page. The next page starts right after that key, whatever was stored in
between, so no row is lost and none comes twice. A fingerprint binds the cursor to its query. Cursors are neither secret
nor trusted: what is decoded is checked, and goes to the store as parameters only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from tallystick.analysis.bots import as_asked
from tallystick.analysis.buckets import instant_of
from tallystick.errors import InvalidRequest
from tallystick.model.query import EventsQuery, FunnelUsersQuery, MetricsQuery, PeopleQuery

Key = list[str | int | None]
"""A row's sort key."""

Part = Literal["instant", "uuid", "text", "text or null"]
"""What one part of a key has to be; an instant is in microseconds since 1970."""

Paged = EventsQuery | MetricsQuery | PeopleQuery | FunnelUsersQuery

_BROKEN = "the cursor is not one that this query returned: send next_cursor unchanged, with the same query"


def _fingerprint(query: Paged) -> str:
    """A hash of the query without the page: equal for all pages of one answer."""
    text = as_asked(query).model_dump_json(exclude={"cursor", "limit"})
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def encode_cursor(query: Paged, key: Key) -> str:
    """The cursor of the page after the row with this sort key."""
    text = json.dumps([_fingerprint(query), key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(query: Paged, parts: Sequence[Part]) -> Key | None:
    """The sort key in the query's cursor; None without a cursor.

    Args:
        parts: what the key of this query consists of.

    Raises:
        InvalidRequest: the text is not a cursor, or one of another query.
    """
    if query.cursor is None:
        return None
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        fingerprint, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        is_same = fingerprint == _fingerprint(query)
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise InvalidRequest(_BROKEN) from error
    if not is_same or not isinstance(key, list) or len(key) != len(parts):
        raise InvalidRequest(_BROKEN)
    if not all(_fits(value, part) for value, part in zip(key, parts, strict=True)):
        raise InvalidRequest(_BROKEN)
    return key


def _fits(value: object, part: Part) -> bool:
    if part == "instant":
        return _is_instant(value)
    if part == "uuid":
        return _is_uuid(value)
    return isinstance(value, str) or (value is None and part == "text or null")


def _is_instant(value: object) -> bool:
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    try:
        instant_of(value)
    except OverflowError:
        return False
    return True


def _is_uuid(value: object) -> bool:
    try:
        UUID(value)  # type: ignore[arg-type]
    except (ValueError, TypeError, AttributeError):
        return False
    return True
