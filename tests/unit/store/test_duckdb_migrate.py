"""Bringing an older file to the newest schema: what it holds is kept, and what it takes is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.config import MIB, Settings
from tallystick.errors import StoreUnavailable
from tallystick.store.duckdb import DuckDBStore
from tests.helpers.old_schema import duckdb_file

ROWS = 2_000_000


async def test_a_column_that_finds_no_memory(tmp_path: Path) -> None:
    """The error says what to do; done, the store opens, and has what it had."""
    settings = Settings(data=tmp_path, disk_reserve_bytes=0)
    store = DuckDBStore(settings.model_copy(update={"store_memory": 6 * MIB}))
    duckdb_file(5, settings, store.path, ROWS)
    with pytest.raises(StoreUnavailable, match="raise TALLYSTICK_STORE_MEMORY"):
        await store.open()
    store = DuckDBStore(settings)
    await store.open()
    assert store._writer.execute("SELECT count(*), count(user_number) FROM events").fetchall() == [(ROWS, 0)]
    await store.close()
