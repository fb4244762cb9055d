"""The child process that reads a damaged file: `python -m tallystick.store.duckdb.repair.salvage OLD NEW MEMORY SPILL`.

DuckDB may crash on unexpected data, so the parent (see `recover`) requests one piece at a time and starts another child
when this one has ended. Requests and answers are JSON, one line each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.store.duckdb.connection import Connection, DriverError, open_pair, transaction

Answer = dict[str, Any]


def tables(db: Connection) -> Answer:
    """Each table of the damaged file: its columns, its number of rows and its last row number; None: unreadable."""
    found: Answer = {}
    names = db.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'old'").fetchall()
    for (name,) in names:
        columns = db.execute(
            "SELECT column_name FROM duckdb_columns() WHERE database_name = 'old' AND table_name = ?", [name]
        ).fetchall()
        found[name] = {
            "columns": [row[0] for row in columns],
            "rows": _number(db, f"SELECT count(*) FROM old.{name}"),
            "last": _number(db, f"SELECT max(rowid) FROM old.{name}")
            or _number(db, f"SELECT max(estimated_size) FROM duckdb_tables() WHERE table_name = '{name}'"),
        }
    return found


def _number(db: Connection, statement: str) -> int | None:
    try:
        return db.execute(statement).fetchall()[0][0]  # type: ignore[no-any-return]
    except DriverError:
        return None


def copy(db: Connection, table: str, columns: list[str], first: int, last: int) -> Answer:
    """Copy the rows from number `first` to `last` in one transaction.

    Returns how many, and for events the range of their `received_at`.
    """
    chosen = ", ".join(columns)
    rows = f"FROM old.{table} WHERE rowid BETWEEN {first} AND {last}"
    received: tuple[Any, ...] = (None, None)
    with transaction(db):
        copied = db.execute(f"INSERT INTO new.{table} ({chosen}) SELECT {chosen} {rows}").fetchall()[0][0]
        if table == "events":
            received = db.execute(f"SELECT min(received_at)::VARCHAR, max(received_at)::VARCHAR {rows}").fetchall()[0]
    return {"rows": copied, "from": received[0], "to": received[1]}


def count(db: Connection, table: str) -> Answer:
    return {"rows": db.execute(f"SELECT count(*) FROM new.{table}").fetchall()[0][0]}


CALLS: dict[str, Callable[..., Answer]] = {"tables": tables, "copy": copy, "count": count}


def main(old: str, new: str, memory: str, spill: str) -> None:
    """Answer requests until stdin ends. The first answer reports whether the file could be opened."""
    try:
        db = open_pair(old, new, int(memory), spill)
        _say({})
    except DriverError as error:
        _say({"error": str(error)})
        return
    for line in sys.stdin:
        name, arguments = msgspec.json.decode(line)
        try:
            _say(CALLS[name](db, *arguments))
        except DriverError as error:
            _say({"error": str(error)})
            if "invalidated" in str(error):
                return


def _say(answer: Answer) -> None:
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
