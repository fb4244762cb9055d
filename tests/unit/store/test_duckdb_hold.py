"""A moment of the store's files: copied while batches are stored, they are the store of that moment."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.errors import StoreUnavailable
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.duckdb.connection import checkpoint, cursor
from tallystick.store.duckdb.hold import HeldStore
from tests.helpers.samples import incompressible_block, sample_block


def copy(held: HeldStore, folder: Path) -> None:
    folder.mkdir()
    for file in held.files:
        (folder / file.path.name).write_bytes(file.path.read_bytes()[: file.size])


async def write(store: DuckDBStore, first: int, blocks: int) -> None:
    """Blocks of a thousand events, and one that needs room of its own."""
    for seq in range(first, first + blocks):
        await store.write([sample_block(seq, range(seq * 1_000, (seq + 1) * 1_000))])
    await store.write([incompressible_block(10_000_000 + first, ingester="00000000000000bb")])


async def ledger_of(folder: Path) -> object:
    copied = DuckDBStore(Settings(data=folder, disk_reserve_bytes=0))
    await copied.open()
    try:
        assert await copied.verify() == []
        return await copied.ledger()
    finally:
        await copied.close()


async def test_what_is_stored_meanwhile_is_not_in_it(store: DuckDBStore, tmp_path: Path) -> None:
    """Also when the log has grown beyond where DuckDB makes a checkpoint by itself, and housekeeping wants one."""
    await write(store, 0, 5)
    while await store.maintain():
        pass
    before = await store.ledger()
    log = tmp_path / "store.duckdb.wal"
    async with store.hold(lambda: None) as held:
        assert held.ledger == before
        for round_ in range(1, 12):
            await write(store, 10 * round_, 3)
            checkpoint(store._writer)
            await store.maintain()
        held.check()
        copy(held, tmp_path / "copy")
        held.check()
    assert await ledger_of(tmp_path / "copy") == before
    size = log.stat().st_size
    await write(store, 1_000, 1)
    await asyncio.to_thread(checkpoint, store._writer)
    assert not log.exists() or log.stat().st_size < size, "checkpoints are made again"
    assert await store.verify() == []


async def test_the_log_is_part_of_it(store: DuckDBStore, tmp_path: Path) -> None:
    """Of a store whose checkpoint was kept away: the log has committed batches, and the copy has them."""
    other = HeldStore(cursor(store._db), store.path)
    await write(store, 0, 3)
    async with store.hold(lambda: None) as held:
        assert len(held.files) == 2
        await write(store, 5, 3)
        copy(held, tmp_path / "copy")
        held.check()
        ledger = held.ledger
    other.close()
    assert await ledger_of(tmp_path / "copy") == ledger


async def test_a_checkpoint_meanwhile_is_noticed(store: DuckDBStore, tmp_path: Path) -> None:
    await write(store, 0, 2)
    async with store.hold(lambda: None) as held:
        held._connection.execute("ROLLBACK")
        await write(store, 3, 2)
        await asyncio.to_thread(checkpoint, store._writer)
        with pytest.raises(StoreUnavailable, match="made a checkpoint while it was copied"):
            held.check()


async def test_a_store_that_is_opened_again(store: DuckDBStore, tmp_path: Path) -> None:
    """A failure closes the moment, so that the file can be opened again, and the copy is refused."""
    await write(store, 0, 1)
    async with store.hold(lambda: None) as held:
        await asyncio.get_running_loop().run_in_executor(store._writing, store._disconnect)
        await asyncio.get_running_loop().run_in_executor(store._writing, store._connect)
        with pytest.raises(StoreUnavailable, match="opened again"):
            held.check()
    await write(store, 5, 1)
    assert await store.verify() == []


async def test_a_failure_at_the_moment_leaves_nothing(store: DuckDBStore, tmp_path: Path) -> None:
    def fail() -> None:
        raise StoreUnavailable("no queue")

    with pytest.raises(StoreUnavailable, match="no queue"):
        async with store.hold(fail):
            pass
    await write(store, 0, 1)
    assert await store.verify() == []
    shutil.rmtree(tmp_path / "store.duckdb.spool", ignore_errors=True)
