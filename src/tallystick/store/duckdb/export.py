"""Exports from DuckDB, a piece at a time. Between two pieces an export holds neither a snapshot nor a cursor.

As long as a snapshot is open, DuckDB neither writes its log into the file nor frees memory, until the loader finds
none. Events are only appended, so a row number stands for "as of the export's beginning".
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
from tallystick.store.duckdb.connection import ROW_GROUP_SIZE, Connection
from tallystick.store.duckdb.dialect import DUCKDB
from tallystick.store.duckdb.sources import read_sources

SQL = load_statements("tallystick.store.duckdb", "sql/watermark.sql")
PIECE_BYTES = 2 * 1024 * 1024
"""A piece ends when its lines have this many bytes."""
ROWS = 500
"""Rows that are fetched from DuckDB at a time."""
REACH = 64 * ROW_GROUP_SIZE
"""Most rows that a piece searches for events of its scope."""

LEAST_REACH = 2_048
"""Fewest rows that a piece searches: DuckDB reads vectors of this many rows."""


class _Position(NamedTuple):
    """An event's row number, and its identity, by which it is found again after a purge has renumbered the rows."""

    row: int
    identity: dict[str, Any]


class Export:
    """One export. `piece` blocks: call it in a thread, each time with a new cursor."""

    def __init__(self, query: EventsQuery) -> None:
        """Raises InvalidRequest: a text of the scope is not Unicode."""
        compile_export(query, Sources(DUCKDB, datetime.now(UTC)))
        self._query = query
        self._begun = False
        self._last: _Position | None = None  # the last event of the export
        self._done: _Position | None = None  # the last event that was exported
        self._reach = ROW_GROUP_SIZE

    def piece(self, cursor: Connection) -> bytes | None:
        """The next events as canonical lines; a piece may be empty. None at the end of the export.

        Raises:
            StoreUnavailable: a purge deleted the event at which the export would continue.
            others: what the driver raises.
        """
        cursor.begin()  # the transaction ends when the caller closes the cursor
        if not self._begun:
            self._last = _position(cursor, "SELECT max(rowid) FROM events")
            self._begun = True
        else:
            self._last, self._done = _relocated(cursor, self._last), _relocated(cursor, self._done)
        first = -1 if self._done is None else self._done.row
        if self._last is None or first >= self._last.row:
            return None
        return self._read(cursor, first, min(self._last.row, first + self._reach))

    def narrow(self) -> None:
        """Search fewer rows in the next piece, because the last one found no memory. No event is skipped."""
        self._reach = max(LEAST_REACH, self._reach // 8)

    def _read(self, cursor: Connection, first: int, last: int) -> bytes:
        sources = read_sources(cursor, self._query.site_id, needs(self._query), datetime.now(UTC))
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
        self._done = _position(cursor, f"SELECT max(rowid) FROM events WHERE rowid <= {reached}")
        if self._done is None or self._done.row <= first:
            self._reach *= 2  # all of these row numbers belong to purged events
        return b"".join(lines)


def _position(cursor: Connection, row: str) -> _Position | None:
    found = cursor.execute(f"SELECT rowid, site_id, event_id, timestamp FROM events WHERE rowid = ({row})").fetchall()
    if not found:
        return None
    row_number, site_id, event_id, timestamp = found[0]
    return _Position(row_number, {"site_id": site_id, "event_id": event_id, "timestamp": timestamp})


def _relocated(cursor: Connection, position: _Position | None) -> _Position | None:
    """The same event with its row number of now."""
    if (
        position is None
        or cursor.execute(SQL["is_in_place"], {"last": position.row, **position.identity}).fetchall()[0][0]
    ):
        return position
    (row,) = cursor.execute(SQL["find_event"], position.identity).fetchall()[0]
    if row is None:
        raise StoreUnavailable("events were purged while they were exported: ask again")
    return _Position(row, position.identity)
