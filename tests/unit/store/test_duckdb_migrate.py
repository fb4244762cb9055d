"""Bringing an older file to the newest schema: what it holds is kept, and what it takes is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.config import MIB, Settings
from tallystick.errors import StoreUnavailable
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.duckdb.connection import cursor, open_database
from tallystick.store.migrations import migrations

ROWS = 2_000_000


def of_schema(version: int, settings: Settings, path: Path) -> None:
    """A store's file as an older version left it, with many events in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_database(path, path.with_name("spool"), settings) as database, cursor(database) as db:
        db.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
        for number, statements in enumerate(migrations("duckdb")[:version], 1):
            db.execute(statements)
            db.execute("INSERT INTO schema_version VALUES (?)", [number])
        columns = "event_id, site_id, name, timestamp, received_at, user_id, source, properties"
        values = "uuid(), 's', 'n', TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01', 'u' || range % 3, '', '{}'"
        db.execute(f"INSERT INTO events ({columns}) SELECT {values} FROM range({ROWS})")
        db.execute("CHECKPOINT tallystick")


async def test_a_column_that_finds_no_memory(tmp_path: Path) -> None:
    """The error says what to do; done, the store opens, and has what it had."""
    settings = Settings(data=tmp_path, disk_reserve_bytes=0)
    store = DuckDBStore(settings.model_copy(update={"store_memory": 6 * MIB}))
    of_schema(5, settings, store.path)
    with pytest.raises(StoreUnavailable, match="raise TALLYSTICK_STORE_MEMORY"):
        await store.open()
    store = DuckDBStore(settings)
    await store.open()
    assert store._writer.execute("SELECT count(*), count(user_number) FROM events").fetchall() == [(ROWS, 0)]
    await store.close()
