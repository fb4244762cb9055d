"""Filling the slot columns of events, a piece at a time, while nothing waits to be stored.

Loading does not do it: it would add almost half to the cost of an event, and a question is right without it, only
slower.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import structlog

from tallystick.analysis.property_columns import PropertyColumn
from tallystick.store.duckdb.connection import (
    Connection,
    DriverError,
    OutOfMemoryException,
    checkpoint,
    lacks_memory,
    quoted,
    transaction,
)
from tallystick.store.duckdb.dialect import DUCKDB

log = structlog.get_logger(__name__)

SLOTS_MAX = 24
"""Most keys with columns of their own."""
KEY_MAX = 100
"""Longest such key in characters."""
SAMPLE = 20_000
"""The newest events that tell which keys are frequent."""
SHARE = 0.01
"""Part of the sampled events in which a key must be to get a slot."""
ASSIGN_EVERY = 3_600.0
"""Seconds between two looks for new frequent keys: one that gets a slot has every older row filled once more."""
PIECE = 10_240
"""Rows filled in one step: some hundredths of a second, in which nothing can be stored."""
PIECE_MIN = 2_048
"""Fewest rows of a step, where more find no memory: DuckDB reads so many at once whatever is asked for."""

CHECKPOINT_PIECES = 6
"""Pieces after which what was filled goes into the file: until then DuckDB keeps updated rows in memory."""

_FREQUENT = """
SELECT key, count(DISTINCT id) AS events FROM (
    SELECT unnest(json_keys(properties)) AS key, rowid AS id FROM events WHERE rowid > ?
) GROUP BY key ORDER BY events DESC, key
"""


def read_property_columns(db: Connection) -> Mapping[str, PropertyColumn]:
    """The keys that have a slot."""
    rows = db.execute("SELECT key, slot, generation FROM property_slots").fetchall()
    return {key: PropertyColumn(number, generation) for key, number, generation in rows}


class PropertyColumns:
    """Gives keys slots and fills them; used by the writing thread."""

    def __init__(self) -> None:
        self._assigned_at = float("-inf")
        self._pieces = 0
        self._piece = PIECE
        self._passed_over = -1
        """The last row of those that found no memory, so large are their properties: questions read their text."""

    def step(self, db: Connection) -> bool:
        """Fill up to PIECE rows; False when all are filled that can be."""
        first = self._first_unfilled(db)
        if first is None:
            return False
        if time.monotonic() - self._assigned_at >= ASSIGN_EVERY:
            self._assigned_at = time.monotonic()
            self._assign(db)
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
        """Fewer rows in the next piece; where that does not help, they are passed over until the next start."""
        checkpoint(db)
        if self._piece > PIECE_MIN:
            self._piece = max(PIECE_MIN, self._piece // 4)
        else:
            if self._passed_over < 0:
                log.info("events are too large for property columns, which are left empty", first_row=first)
            self._passed_over = first + self._piece - 1

    def _first_unfilled(self, db: Connection) -> int | None:
        generation = max((slot.generation for slot in read_property_columns(db).values()), default=0)
        unfilled = "SELECT min(rowid) FROM events WHERE (shredded IS NULL OR shredded < ?) AND rowid > ?"
        rows = db.execute(unfilled, [generation, self._passed_over]).fetchall()
        return None if rows[0][0] is None else int(rows[0][0])

    def _assign(self, db: Connection) -> None:
        slots = read_property_columns(db)
        # By row number: ordering ten million rows to take the last would need more memory than there is.
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
        new = [key for key in frequent if key not in slots][: SLOTS_MAX - len(slots)]
        if not new:
            return
        generation = max((slot.generation for slot in slots.values()), default=0) + 1
        for number, key in enumerate(new, len(slots)):
            try:
                self._add_column(db, f"p{number} VARCHAR")
                self._add_column(db, f"k{number} UTINYINT")
            except OutOfMemoryException:
                log.warning("no memory for another property column: raise TALLYSTICK_STORE_MEMORY", rows=rows)
                return
            db.execute("INSERT INTO property_slots VALUES (?, ?, ?)", [number, key, generation])

    def _add_column(self, db: Connection, column: str) -> None:
        """A new column lies in memory, four bytes a row, until the next checkpoint: so they come one by one."""
        db.execute(f"ALTER TABLE events ADD COLUMN IF NOT EXISTS {column}")
        checkpoint(db)

    def _fill(self, db: Connection, slots: Mapping[str, PropertyColumn], first: int) -> None:
        generation = max((slot.generation for slot in slots.values()), default=0)
        pointers = ", ".join(quoted(str(DUCKDB.encode["property"](key))) for key in slots)
        # The same expression in every column: DuckDB evaluates it once a row, so each JSON text is read once.
        json = f"CAST(json_extract(properties, [{pointers}]) AS VARCHAR[])"
        columns = [f"shredded = {generation}"]
        for place, slot in enumerate(slots.values(), 1):
            value = f"({json})[{place}]"
            columns.append(f"{slot.text} = {DUCKDB.column_text.format(value)}")
            columns.append(f"{slot.kind} = {DUCKDB.column_kind.format(value)}")
        with transaction(db):
            db.execute(
                f"UPDATE events SET {', '.join(columns)} WHERE rowid BETWEEN ? AND ? "
                f"AND (shredded IS NULL OR shredded < {generation})",
                [first, first + self._piece - 1],
            )
