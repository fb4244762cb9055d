"""Marks: up to which event something that is made ahead of time has come. Events are only ever appended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallystick.model.sql import load_statements
from tallystick.store.duckdb.connection import Connection

SQL = load_statements("tallystick.store.duckdb", "sql/mark.sql")


@dataclass(frozen=True)
class Mark:
    """A mark and the table of one row that holds it.

    The row numbers of events change when a checkpoint removes what was purged before them, so the last event below the
    mark is looked up by its identity when it is not where it was.

    Attributes:
        rules: tells by which rules it was made; what was made by others counts as not there.
    """

    table: str
    rules: str

    def read(self, db: Connection) -> int | None:
        """All events with a rowid below this are in; None: none is, or by other rules."""
        rows = db.execute(self._sql("read")).fetchall()
        if not rows or rows[0][4] != self.rules:
            return None
        mark, site_id, event_id, timestamp, _ = rows[0]
        identity: dict[str, Any] = {"site_id": site_id, "event_id": event_id, "timestamp": timestamp}
        if db.execute(SQL["stands"], {"last": mark - 1, **identity}).fetchall()[0][0]:
            return int(mark)
        found = db.execute(SQL["found"], identity).fetchall()[0][0]
        return None if found is None else int(found) + 1

    def set(self, db: Connection, below: int) -> None:
        """Put it behind the last event with a rowid below this."""
        self.forget(db)
        db.execute(self._sql("set"), {"below": below, "rules": self.rules})

    def forget(self, db: Connection) -> None:
        """Begin anew."""
        db.execute(self._sql("forget"))

    def _sql(self, name: str) -> str:
        return SQL[name].format(table=self.table)
