"""What several unit tests open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.store.duckdb import DuckDBStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DuckDBStore]:
    """The embedded store itself, opened and empty, for tests of what only it does."""
    store = DuckDBStore(Settings(data=tmp_path, disk_reserve_bytes=0))
    await store.open()
    yield store
    await store.close()
