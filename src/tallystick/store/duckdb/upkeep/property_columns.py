"""Property columns: frequent keys of `properties` get columns of their own, filled while nothing waits to be stored.

Loading does not fill them, because that would add almost half to the cost of an event. Queries are right without them,
only slower. The persisted table `property_slots`, its column `slot` and `events.shredded` keep their historical names:
`slot` is the column's number, `shredded` the newest generation of columns that is filled in a row.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import structlog

from tallystick.analysis.cte import sql
from tallystick.analysis.property_columns import PropertyColumn
from tallystick.model.sql import quote_text
from tallystick.store.duckdb.connection import (
    Connection,
    DriverError,
    OutOfMemoryException,
    checkpoint,
    lacks_memory,
    transaction,
)
from tallystick.store.duckdb.dialect import DUCKDB

log = structlog.get_logger(__name__)

COLUMNS_MAX = 24
"""Most keys with columns of their own."""
BOT = "$bot"
"""A key that gets a column as soon as any site has it, however rare: queries without bots read it of every event."""
KEY_MAX = 100
"""Most characters of such a key."""
SAMPLE = 20_000
"""How many of the newest events are sampled for frequent keys."""
SHARE = 0.01
"""Share of the sampled events that must have a key for it to get a column."""
SEARCH_EVERY = 3_600.0
"""Seconds between two searches for frequent keys: after each new column all older rows are filled again."""
PIECE = 10_240
"""Rows filled in one step, which takes some hundredths of a second; nothing can be stored meanwhile."""
PIECE_MIN = 2_048
"""Fewest rows of a step when memory is short: DuckDB always reads at least so many at once."""

CHECKPOINT_PIECES = 6
"""Steps between two checkpoints: until a checkpoint DuckDB keeps updated rows in memory."""

_FREQUENT = """
SELECT key, count(DISTINCT event) AS events
FROM (
    SELECT unnest(json_keys(properties)) AS key, rowid AS event
    FROM events
    WHERE rowid > ?
) AS keys
GROUP BY key
ORDER BY events DESC, key
"""


_BOT_COLUMN = """
SELECT count(*), count(*) FILTER (key = ?), (SELECT count(*) FROM bot_sites)
FROM property_slots
"""


def read_property_columns(db: Connection) -> Mapping[str, PropertyColumn]:
    """The property columns by key."""
    rows = db.execute("SELECT key, slot, generation FROM property_slots").fetchall()
    return {key: PropertyColumn(number, generation) for key, number, generation in rows}


def newest_generation(columns: Mapping[str, PropertyColumn]) -> int:
    """The generation of the columns that were added last; 0 when there are none."""
    return max((column.generation for column in columns.values()), default=0)


def _lacks_bots(db: Connection) -> bool:
    """Whether a site has bots' events and their key has no column yet, though there is room for one."""
    columns, keys, sites = db.execute(_BOT_COLUMN, [BOT]).fetchall()[0]
    return bool(sites) and not keys and columns < COLUMNS_MAX


class PropertyColumns:
    """Adds property columns and fills them; used by the writing thread."""

    def __init__(self) -> None:
        self._searched_at = float("-inf")
        self._pieces = 0
        self._piece = PIECE
        self._skipped_to = -1
        """Row id up to which rows are skipped, because some did not fit into memory; queries read their JSON text."""

    def step(self, db: Connection) -> bool:
        """Fill up to PIECE rows. Returns False when all rows are filled that can be."""
        if _lacks_bots(db):
            self._add(db, [BOT])
        first = self._first_unfilled(db)
        if first is None:
            return False
        if time.monotonic() - self._searched_at >= SEARCH_EVERY:
            self._searched_at = time.monotonic()
            self._add_frequent(db)
        try:
            self._fill(db, read_property_columns(db), first)
        except DriverError as error:
            if not lacks_memory(error):
                raise
            self._try_less(db, first)
            return True
        self._piece = min(PIECE, 2 * self._piece)
        self._pieces += 1
        if self._pieces % CHECKPOINT_PIECES == 0:
            checkpoint(db)
        return True

    def _try_less(self, db: Connection, first: int) -> None:
        """Make the next piece smaller. A piece of the smallest size is skipped until the next start."""
        checkpoint(db)
        if self._piece > PIECE_MIN:
            self._piece = max(PIECE_MIN, self._piece // 4)
        else:
            if self._skipped_to < 0:
                log.info("events are too large for property columns, which are left empty", first_row=first)
            self._skipped_to = first + self._piece - 1

    def _first_unfilled(self, db: Connection) -> int | None:
        generation = newest_generation(read_property_columns(db))
        unfilled = "SELECT min(rowid) FROM events WHERE (shredded IS NULL OR shredded < ?) AND rowid > ?"
        rows = db.execute(unfilled, [generation, self._skipped_to]).fetchall()
        return None if rows[0][0] is None else int(rows[0][0])

    def _add_frequent(self, db: Connection) -> None:
        columns = read_property_columns(db)
        # Sampled by row id: sorting ten million rows to take the last ones would need too much memory.
        last, rows = db.execute("SELECT max(rowid), count(*) FROM events").fetchall()[0]
        for sample in (SAMPLE, SAMPLE // 10, SAMPLE // 100):
            try:
                found = db.execute(_FREQUENT, [last - sample]).fetchall()
                break
            except OutOfMemoryException:
                continue
        else:
            log.info("events are too large to look for frequent keys", events=SAMPLE // 100)
            return
        sampled = min(sample, rows)
        frequent = [key for key, events in found if events >= SHARE * sampled and len(key) <= KEY_MAX]
        new = [key for key in frequent if key not in columns][: COLUMNS_MAX - len(columns)]
        if new:
            self._add(db, new)

    def _add(self, db: Connection, new: Sequence[str]) -> None:
        """Add columns for these keys, which have none."""
        columns = read_property_columns(db)
        generation = newest_generation(columns) + 1
        for number, key in enumerate(new, len(columns)):
            try:
                self._add_column(db, f"p{number} VARCHAR")
                self._add_column(db, f"k{number} UTINYINT")
            except OutOfMemoryException:
                log.warning("no memory for another property column: raise TALLYSTICK_STORE_MEMORY", key=key)
                return
            db.execute("INSERT INTO property_slots VALUES (?, ?, ?)", [number, key, generation])

    def _add_column(self, db: Connection, column: str) -> None:
        """Add one column and checkpoint: until then a new column takes four bytes of memory for each row."""
        db.execute(f"ALTER TABLE events ADD COLUMN IF NOT EXISTS {column}")
        checkpoint(db)

    def _fill(self, db: Connection, columns: Mapping[str, PropertyColumn], first: int) -> None:
        generation = newest_generation(columns)
        pointers = ", ".join(quote_text(str(DUCKDB.encode["property"](key))) for key in columns)
        # Every column has the same expression, which DuckDB evaluates once for each row: each text is parsed once.
        json = f"CAST(json_extract(properties, [{pointers}]) AS VARCHAR[])"
        assignments = [f"shredded = {generation}"]
        for position, column in enumerate(columns.values(), 1):
            value = f"({json})[{position}]"
            assignments.append(f"{column.text} = {DUCKDB.column_text.format(value)}")
            assignments.append(f"{column.kind} = {DUCKDB.column_kind.format(value)}")
        with transaction(db):
            update = sql(
                """
                UPDATE events
                SET
                    {columns}
                WHERE rowid BETWEEN ? AND ? AND (shredded IS NULL OR shredded < {generation})
                """,
                columns=",\n".join(assignments),
                generation=str(generation),
            )
            db.execute(update, [first, first + self._piece - 1])
