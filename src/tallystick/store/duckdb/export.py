"""Exports from DuckDB, a piece at a time: between two pieces nothing is held, neither a snapshot nor a cursor.

A snapshot that an export kept open would keep DuckDB from writing its log into the file and from giving memory back,
until the loader finds none. Events are only ever appended, so "as of the export's beginning" is a row number.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from tallystick.analysis.dispatch import needs
from tallystick.analysis.events.compile import compile_export
from tallystick.analysis.events.rows import event_of
from tallystick.analysis.sources import Sources
from tallystick.errors import StoreUnavailable
from tallystick.model.event import encode_lines
from tallystick.model.query import EventsQuery
from tallystick.model.sql import load_statements
from tallystick.store.duckdb import identity
from tallystick.store.duckdb.connection import ROW_GROUP_SIZE, Connection
from tallystick.store.duckdb.dialect import DUCKDB

SQL = load_statements("tallystick.store.duckdb", "sql/watermark.sql")
PIECE_BYTES = 2 * 1024 * 1024
"""A piece ends when it has so many bytes of lines."""
ROWS = 500
"""Rows that are taken from DuckDB at a time."""
REACH = 64 * ROW_GROUP_SIZE
"""Most rows that a piece looks through for events of its scope."""

LEAST_REACH = 2_048
"""DuckDB reads a vector of so many rows at once."""


class _Place(NamedTuple):
    """An event's row number, and how it is found again when a purge has numbered the rows anew."""

    row: int
    identity: dict[str, Any]


class Export:
    """One export, from its beginning to its end. `piece` blocks: call it in a thread, with a cursor for each call."""

    def __init__(self, query: EventsQuery) -> None:
        """Raises InvalidRequest: the scope cannot be asked for."""
        compile_export(query, Sources(DUCKDB, datetime.now(UTC)))
        self._query = query
        self._begun = False
        self._last: _Place | None = None  # the last event of the whole export
        self._done: _Place | None = None  # up to which event it has come
        self._reach = ROW_GROUP_SIZE

    def piece(self, cursor: Connection) -> bytes | None:
        """The next events as canonical lines, maybe none; None at the export's end.

        Raises:
            StoreUnavailable: events were purged while it ran, and where it was cannot be told any more.
            others: as the driver does.
        """
        cursor.begin()  # its end is that of the cursor
        if not self._begun:
            self._last = _place(cursor, "SELECT max(rowid) FROM events")
            self._begun = True
        else:
            self._last, self._done = _found(cursor, self._last), _found(cursor, self._done)
        first = -1 if self._done is None else self._done.row
        if self._last is None or first >= self._last.row:
            return None
        return self._read(cursor, first, min(self._last.row, first + self._reach))

    def narrow(self) -> None:
        """Look through fewer rows in the next piece: the last one found no memory. Nothing of it is lost."""
        self._reach = max(LEAST_REACH, self._reach // 8)

    def _read(self, cursor: Connection, first: int, last: int) -> bytes:
        persons = needs(self._query).persons and identity.knows(cursor, self._query.site_id)
        sources = Sources(DUCKDB, datetime.now(UTC), persons=persons)
        statement = compile_export(self._query, sources, (first, last))
        cursor.execute(statement.sql, list(statement.params))
        lines, size, reached = [], 0, first
        while found := cursor.fetchmany(ROWS):
            if found[0][-1] <= reached:
                raise StoreUnavailable("DuckDB gives rows out of their order")
            lines.append(encode_lines([event_of(row[:-1]) for row in found]))
            size += len(lines[-1])
            reached = found[-1][-1]
            if size >= PIECE_BYTES:
                break
        else:
            reached = last
            self._reach = max(self._reach, min(2 * self._reach, REACH))
        self._done = _place(cursor, f"SELECT max(rowid) FROM events WHERE rowid <= {reached}")
        if self._done is None or self._done.row <= first:
            self._reach *= 2  # there were only row numbers of purged events
        return b"".join(lines)


def _place(cursor: Connection, row: str) -> _Place | None:
    found = cursor.execute(f"SELECT rowid, site_id, event_id, timestamp FROM events WHERE rowid = ({row})").fetchall()
    if not found:
        return None
    row_number, site_id, event_id, timestamp = found[0]
    return _Place(row_number, {"site_id": site_id, "event_id": event_id, "timestamp": timestamp})


def _found(cursor: Connection, place: _Place | None) -> _Place | None:
    """Where it is now."""
    if place is None or cursor.execute(SQL["is_in_place"], {"last": place.row, **place.identity}).fetchall()[0][0]:
        return place
    (row,) = cursor.execute(SQL["find_event"], place.identity).fetchall()[0]
    if row is None:
        raise StoreUnavailable("events were purged while they were exported: ask again")
    return _Place(row, place.identity)
