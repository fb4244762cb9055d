"""Watermarks: how far something that is built ahead from events has come. Events are only ever appended.

The persisted tables `session_mark` and `times_mark` and their column `mark` keep their historical names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallystick.model.sql import load_statements
from tallystick.store.duckdb.connection import Connection

SQL = load_statements("tallystick.store.duckdb", "sql/watermark.sql")


@dataclass(frozen=True)
class Watermark:
    """A watermark and the table of one row that keeps it.

    A checkpoint that removes purged events changes the row ids of the events after them. So the table also keeps the
    identity of the last event below the watermark, by which it is found again.

    Attributes:
        table: the table's name.
        rules: identifies the rules that the data was built by. Data built by other rules counts as missing.
    """

    table: str
    rules: str

    def read(self, db: Connection) -> int | None:
        """The row id below which all events are included; None: none are, or they were built by other rules."""
        rows = db.execute(self._sql("read")).fetchall()
        if not rows or rows[0][4] != self.rules:
            return None
        watermark, site_id, event_id, timestamp, _ = rows[0]
        identity: dict[str, Any] = {"site_id": site_id, "event_id": event_id, "timestamp": timestamp}
        if db.execute(SQL["is_in_place"], {"last": watermark - 1, **identity}).fetchall()[0][0]:
            return int(watermark)
        found = db.execute(SQL["find_event"], identity).fetchall()[0][0]
        return None if found is None else int(found) + 1

    def set(self, db: Connection, below: int) -> None:
        """Move it after the last event with a row id less than `below`."""
        self.reset(db)
        db.execute(self._sql("set"), {"below": below, "rules": self.rules})

    def reset(self, db: Connection) -> None:
        """Remove it: no events are included."""
        db.execute(self._sql("reset"))

    def _sql(self, name: str) -> str:
        return SQL[name].format(table=self.table)
