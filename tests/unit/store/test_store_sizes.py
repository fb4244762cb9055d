"""`scripts.store_sizes`: every byte of a store's file is counted once."""

from __future__ import annotations

from pathlib import Path

from scripts.store_sizes import read_sizes, table_of
from tallystick.config import Settings
from tallystick.store.duckdb import DuckDBStore
from tests.helpers.samples import sample_block


async def test_the_sizes_add_up_to_the_file(tmp_path: Path) -> None:
    store = DuckDBStore(Settings(data=tmp_path))
    await store.open()
    await store.migrate()
    for seq in range(4):
        await store.write([sample_block(seq, range(seq * 10_000, seq * 10_000 + 10_000))])
    await store.close()
    sizes = read_sizes(store.path)
    assert sizes.events == 40_000
    assert sizes.file == store.path.stat().st_size
    assert 12_288 <= sizes.other < sizes.file / 2
    assert sum(sizes.columns.values()) + sizes.free + sizes.other == sizes.file
    assert sizes.columns["events", "event_id"] > 0
    assert {"site_id", "bucket", "user_id"} <= {column for table, column in sizes.columns if table == "people"}
    table = table_of(sizes, least=0.0)
    assert f"| event_id | {sizes.columns['events', 'event_id'] / 40_000:.1f} |" in table
    assert table.endswith(f"| **the file** | **{sizes.file / 40_000:.1f}** |")
