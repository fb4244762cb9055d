"""What `tallystick move` carries beside events, in DuckDB. Driver errors pass as they are."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.model.sql import load_statements
from tallystick.store.carried import DayEvents, Kind, Row, columns_of
from tallystick.store.duckdb.connection import Connection

SQL = load_statements("tallystick.store.duckdb", "sql/carried.sql")


def day_events(db: Connection) -> Sequence[DayEvents]:
    """As `Store.day_events`."""
    return [DayEvents(*row) for row in db.execute(SQL["day_events"]).fetchall()]


def select(db: Connection, kind: Kind) -> Connection:
    """Begin to read the rows of a kind; `fetchmany` of the connection gives them."""
    return db.execute(SQL[f"select_{kind}"])


def begin(db: Connection) -> None:
    """Begin the transaction that replaces all rows."""
    db.execute("BEGIN TRANSACTION")
    db.execute(SQL["delete"])


def insert(db: Connection, kind: Kind, rows: Sequence[Row]) -> None:
    """Insert rows of a kind, within that transaction."""
    db.execute(SQL[f"insert_{kind}"], columns_of(kind, rows))
