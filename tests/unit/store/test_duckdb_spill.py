"""What does not fit into DuckDB's memory goes to disk, up to a limit of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.config import MIB, Settings
from tallystick.store.duckdb.connection import Connection, OutOfMemoryException, open_database

SORT = "SELECT max(place) FROM (SELECT row_number() OVER (ORDER BY hash(i), i) AS place FROM range(5000000) AS r(i))"
"""Of more than 64 MiB and less than 512."""


def opened(folder: Path, spill: int) -> Connection:
    settings = Settings(data=folder, store_memory=64 * MIB, store_spill=spill)
    (folder / "spool").mkdir()
    return open_database(folder / "store.duckdb", folder / "spool", settings)


def test_more_than_the_memory_is_sorted_on_disk(tmp_path: Path) -> None:
    connection = opened(tmp_path, 1_024 * MIB)
    assert connection.execute(SORT).fetchall() == [(5_000_000,)]
    connection.close()


def test_not_beyond_its_limit(tmp_path: Path) -> None:
    connection = opened(tmp_path, MIB)
    with pytest.raises(OutOfMemoryException):
        connection.execute(SORT)
    assert connection.execute("SELECT 1").fetchall() == [(1,)]
    connection.close()
