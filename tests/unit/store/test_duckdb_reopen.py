"""The embedded store after a FatalException: it is closed, opened again, and nothing is lost (G6)."""

from __future__ import annotations

import asyncio

import duckdb
import pytest

from tallystick.errors import MemoryTaken, StoreUnavailable
from tallystick.model.query import MetricsQuery
from tallystick.store import patience
from tallystick.store.duckdb import DuckDBStore, read
from tests.helpers.samples import sample_block

ENDLESS = "SELECT count(*) FROM range(100000000000)"


def failing(*_: object) -> None:
    raise duckdb.FatalException("checkpoint failed: no space left on device")


async def count(store: DuckDBStore) -> int:
    result = await store.run(MetricsQuery(site_id=None))
    return int(result.rows[0]["events"])


async def test_a_fatal_error_is_unavailable_once_and_then_the_store_works(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6: what was committed stays, what was not is delivered again by the worker."""
    await store.write([sample_block(0, range(5))])
    before = await count(store)
    with monkeypatch.context() as patch:
        patch.setattr(store._loader, "write", failing)
        with pytest.raises(StoreUnavailable):
            await store.write([sample_block(1, range(5, 9))])
    assert await count(store) == before
    report = await store.write([sample_block(1, range(5, 9))])
    assert report.entries[0].stored == report.entries[0].count
    assert await store.verify() == []


async def test_questions_that_run_meanwhile_do_not_keep_the_failed_file_open(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6: a reader's cursor holds the database; it is stopped, and the file can be opened. Then it is queried anew."""
    monkeypatch.setattr(read, "SHED_PAUSE", 5.0)
    monkeypatch.setattr(patience, "BRIEF", 60.0)
    await store.write([sample_block(0, range(5))])
    with monkeypatch.context() as patch:
        patch.setattr(read, "LOADED_AT", ENDLESS)
        question = asyncio.create_task(count(store))
        await asyncio.sleep(0.3)
        patch.setattr(store._loader, "write", failing)
        with pytest.raises(StoreUnavailable):
            await store.write([sample_block(1, range(5, 9))])
    assert await question == 5
    async with asyncio.timeout(60):
        while True:
            try:
                await store.write([sample_block(1, range(5, 9))])
                break
            except StoreUnavailable:
                await asyncio.sleep(0.05)
    assert await count(store) > 0


async def test_storing_goes_before_asking_when_memory_is_short(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6: a batch that finds no memory stops the queries that run, and is tried again by the worker. A query begins
    anew a moment later; the one whose memory is needed again is refused.
    """
    monkeypatch.setattr(read, "LOADED_AT", ENDLESS)
    monkeypatch.setattr(read, "SHED_PAUSE", 0.2)
    monkeypatch.setattr(patience, "BRIEF", 0.3)
    question = asyncio.create_task(count(store))

    def no_memory(*_: object, **__: object) -> None:
        raise duckdb.OutOfMemoryException("could not allocate block")

    with monkeypatch.context() as patch:
        patch.setattr(store._loader, "write", no_memory)
        while not question.done():
            with pytest.raises(StoreUnavailable, match="memory"):
                await store.write([sample_block(0, range(5)), sample_block(1, range(5, 9))])
            await asyncio.sleep(0.05)
    with pytest.raises(MemoryTaken):
        await question
    report = await store.write([sample_block(0, range(5))])
    assert report.entries[0].stored == 5
