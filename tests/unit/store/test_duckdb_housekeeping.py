"""Housekeeping of the embedded store changes no number: rollups are compacted, properties get columns (G10)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import msgspec
import pytest

from tallystick.config import Settings
from tallystick.model.event import Event
from tallystick.model.query import Metric, MetricsQuery
from tallystick.store.duckdb import DuckDBStore, admin
from tallystick.store.duckdb.upkeep.property_columns import PropertyColumns, read_property_columns
from tests.helpers.samples import NOON, block_of, sample_event


def compact_after(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Make a day worth compacting after a few rows instead of 10,000."""
    changed = {name: text.replace("10000", str(rows)) for name, text in admin.SQL.items()}
    monkeypatch.setattr(admin, "SQL", changed)


def row_count(store: DuckDBStore, table: str) -> int:
    return int(store._writer.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


async def numbers(store: DuckDBStore) -> list[dict[str, object]]:
    question = MetricsQuery(interval="day", metrics=[Metric(kind="events"), Metric(kind="users")], fill=False)
    return (await store.run(question)).rows


async def test_days_are_compacted_one_by_one(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """G10: many deltas become one row a bucket, name and source, and every answer stays the same."""
    compact_after(monkeypatch, 5)
    for seq in range(20):
        times = [NOON + timedelta(days=day) for day in range(3)]
        events = [sample_event(3 * seq + n, timestamp=at) for n, at in enumerate(times)]
        await store.write([block_of(seq, events)])
    before = await numbers(store)
    assert row_count(store, "rollup") == 60
    pieces = 0
    while admin.compact(store._writer):
        pieces += 1
    assert pieces == 6
    assert row_count(store, "rollup") == 3
    assert await numbers(store) == before
    assert await store.verify() == []


async def test_a_day_that_does_not_fit_is_left_as_it_is(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are right without compaction, so it is not tried again at once."""
    compact_after(monkeypatch, 0)
    await store.write([block_of(0, [sample_event(1)])])

    def no_memory(*_: object) -> None:
        raise duckdb.OutOfMemoryException("failed to allocate")

    monkeypatch.setattr(admin, "_rewrite", no_memory)
    assert [admin.compact(store._writer) for _ in range(3)] == [True, True, False]  # rollup, people, nothing left
    assert await store.verify() == []


async def test_housekeeping_without_memory_waits(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends quietly: neither loading nor a query pays for it."""

    def no_memory(*_: object) -> bool:
        raise duckdb.OutOfMemoryException("failed to allocate")

    monkeypatch.setattr(PropertyColumns, "step", no_memory)
    assert await store.maintain() is False
    await store.write([block_of(0, [sample_event(1)])])


def with_properties(number: int, text: bytes) -> Event:
    event = sample_event(number)
    event.properties = msgspec.Raw(text)
    return event


async def test_frequent_keys_get_columns_and_later_rows_are_filled(store: DuckDBStore) -> None:
    """A key in every event has a slot after housekeeping; one in none of them has not; new rows are filled too."""
    await store.write([block_of(0, [with_properties(n, b'{"plan":"pro","n":%d}' % n) for n in range(10)])])
    while await store.maintain():
        pass
    assert set(read_property_columns(store._writer)) == {"plan", "n"}
    await store.write([block_of(1, [with_properties(10, b'{"plan":"free"}')])])
    assert row_count(store, "events WHERE shredded IS NULL") == 1
    while await store.maintain():
        pass
    assert row_count(store, "events WHERE shredded IS NULL") == 0
    result = await store.run(MetricsQuery(breakdown=["properties.plan"]))
    assert result.rows == [{"properties.plan": "free", "events": 1}, {"properties.plan": "pro", "events": 10}]


async def test_columns_for_a_large_table_fit_into_the_memory_limit(tmp_path: Path) -> None:
    """A new column lies in memory, four bytes a row, until the next checkpoint: eight of them at once did not fit."""
    store = DuckDBStore(Settings(data=tmp_path, disk_reserve_bytes=0, store_memory=64 * 1024 * 1024))
    await store.open()
    try:
        keys = ", ".join(f'"key{n}":{n}' for n in range(8))
        store._writer.execute(
            "INSERT INTO events (event_id, site_id, name, timestamp, received_at, source, properties) "
            "SELECT uuid(), 's', 'n', TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01', '', ? FROM range(2_000_000)",
            [f"{{{keys}}}"],
        )
        assert PropertyColumns().step(store._writer)
        assert len(read_property_columns(store._writer)) == 8
    finally:
        await store.close()
