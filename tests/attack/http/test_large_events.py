"""Many large events, each of them valid: they are stored with the least memory, and delay no other events."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tallystick.config import MIB, Settings
from tallystick.errors import StoreUnavailable
from tallystick.metrics import Metrics
from tallystick.model.block import Block
from tallystick.model.books import close_books
from tallystick.model.event import Event
from tallystick.model.query import MetricsQuery
from tallystick.queue import Queue, make_queue
from tallystick.store import DeadLetter, Store, WriteReport, make_store
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.duckdb.load import Loader
from tallystick.worker.worker import Worker
from tests.helpers.samples import NOON, block_of, sample_block
from tests.helpers.thorough import THOROUGH
from tests.servers.postgres import PostgresServer
from tests.servers.scratch import scratch_folder

LARGE = 57_000
"""Bytes of a large event; 64 KiB are the default's most."""
IN_A_BLOCK = 140
"""Large events that one request of 8 MiB brings, and so stand in one block."""


def large_events(first: int, count: int, site_id: str = "large") -> list[Event]:
    """Their properties are words and numbers, which compress to about a third."""
    dice = random.Random(first)
    return [
        Event(
            event_id=UUID(int=10_000_000 + number),
            name="upload",
            timestamp=NOON,
            received_at=NOON,
            site_id=site_id,
            user_id=f"user-{number % 100}",
            session_id=f"session-{number % 100}",
            properties=msgspec.Raw(b'{"text":"' + base64.b64encode(dice.randbytes(LARGE * 3 // 4)) + b'"}'),
        )
        for number in range(first, first + count)
    ]


def large_blocks(events: int) -> list[Block]:
    return [
        block_of(seq, large_events(first, min(IN_A_BLOCK, events - first)))
        for seq, first in enumerate(range(0, events, IN_A_BLOCK))
    ]


class Counting:
    """A store whose writes are counted; everything else is the real one's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.writes = 0
        self.refused = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        self.writes += 1
        try:
            return await self._store.write(blocks, dead)
        except StoreUnavailable:
            self.refused += 1
            raise


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Queue, Store]]:
    queue, store = make_queue(settings), make_store(settings)
    await queue.open()
    await store.open()
    try:
        yield queue, store
    finally:
        await store.close()
        await queue.close()


def settings_in(folder: Path, **given: Any) -> Settings:
    return Settings(
        data=folder, disk_reserve_bytes=0, batch_max_age=0.0, retry_max_delay=0.05, maintain_every=0.01, **given
    )


async def count(store: Store, site_id: str) -> int:
    return int((await store.run(MetricsQuery(site_id=site_id))).rows[0]["events"])


async def load(queue: Queue, store: Store, settings: Settings) -> None:
    """Run a worker, with its housekeeping, until nothing waits."""
    worker = Worker(queue, store, settings, Metrics())
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(600):
        while (await queue.depth()).blocks:  # noqa: ASYNC110 - it is the queue that is waited for
            await asyncio.sleep(0.01)
        while await store.maintain():
            pass
    worker.stop()
    await running


@pytest.mark.parametrize("memory", [64 * MIB, 256 * MIB], ids=["least", "default"])
async def test_large_events_and_those_behind_them_are_stored(tmp_path: Path, memory: int) -> None:
    """G3, G4, G6: each block in one transaction, in few tries; the small events among them are stored too."""
    settings = settings_in(tmp_path, store_memory=memory)
    events = 8_000 if THOROUGH else 420
    async with opened(settings) as (queue, store):
        counting = Counting(store)
        blocks = large_blocks(events)
        for block in blocks:
            await queue.publish([block, sample_block(block.seq, range(block.seq * 5, block.seq * 5 + 5), "b" * 16)])

        await load(queue, counting, settings)  # type: ignore[arg-type]

        assert await count(store, "large") == events
        assert await count(store, "default") == 5 * len(blocks)
        totals, differences = close_books(await queue.books(), await store.ledger())
        assert differences == []
        assert (totals.stored, totals.dead, totals.missing) == (events + 5 * len(blocks), 0, 0)
        assert counting.refused <= 3
        assert counting.writes <= len(blocks) + 5


async def test_a_block_that_does_not_fit_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G6: a block for which there is never memory waits in the queue; the others of its batch and later ones do not."""
    settings = settings_in(tmp_path)
    async with opened(settings) as (queue, store):
        write = Loader.write

        def no_room(
            loader: Loader, blocks: Sequence[Block], dead: Sequence[DeadLetter], sparing: bool = False
        ) -> WriteReport:
            if any(block.seq == 1 and block.ingester == "a" * 16 for block in blocks):
                loader._db.execute("SELECT list(range) FROM range(1_000_000_000)")  # finds no memory, really
            return write(loader, blocks, dead, sparing)

        monkeypatch.setattr(Loader, "write", no_room)
        await queue.publish([sample_block(seq, range(seq * 10, seq * 10 + 10), "a" * 16) for seq in range(4)])
        worker = Worker(queue, store, settings, Metrics())
        await worker.step(wait=0.0)
        assert await count(store, "default") == 30
        await queue.publish([sample_block(4, range(40, 50), "a" * 16)])
        await worker.step(wait=0.0)
        assert await count(store, "default") == 40
        assert (await queue.depth()).events >= 10  # type: ignore[operator]

        monkeypatch.setattr(Loader, "write", write)
        async with asyncio.timeout(60):
            while (await queue.depth()).blocks:
                await worker.step(wait=0.0)
        assert await count(store, "default") == 50
        totals, differences = close_books(await queue.books(), await store.ledger())
        assert (totals.stored, totals.duplicates, totals.missing, differences) == (50, 0, 0, [])


async def test_storing_line_after_line_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G2, G3: with little memory the outcome of each block, and every stored row, is the same as with much."""
    monkeypatch.setattr("tallystick.store.duckdb.load.PIECE_BYTES", 1_000)
    found = []
    for memory in (64 * MIB, 256 * MIB):
        async with opened(settings_in(tmp_path / str(memory), store_memory=memory)) as (_, store):
            odd = [*large_events(0, 2), *large_events(1, 2)]  # an identity twice in a block
            odd[0].name, odd[0].properties = "identify", msgspec.Raw('{"anonymous_id":"é\\u0000\\"x"}'.encode())
            batches = [
                [sample_block(0, range(30)), sample_block(1, [3, 40, 41]), block_of(2, odd)],
                [sample_block(3, [7, 29, 50]), sample_block(0, range(30))],
            ]
            reports = [await store.write(batch) for batch in batches]
            entries = [
                [(e.seq, e.count, e.stored, e.duplicates, e.conflicts, e.dead) for e in report.entries]
                for report in reports
            ]
            assert isinstance(store, DuckDBStore)
            rows = store._admin.execute("SELECT * FROM events ORDER BY event_id").fetchall()
            assert await store.verify() == []
            found.append((entries, [report.skipped for report in reports], rows))
    assert found[0] == found[1]


async def test_postgres_stores_large_events_too(tmp_path: Path) -> None:
    """G6: the same on the other store, in portions of `batch_max_bytes`."""
    with scratch_folder("postgres", in_memory=True) as folder:
        server = PostgresServer(folder, durable=False)
        server.start()
        try:
            settings = settings_in(
                tmp_path, store_url=server.new_database(), allow_weak_durability=True, batch_max_bytes=20 * MIB
            )
            events = 2_000 if THOROUGH else 420
            async with opened(settings) as (queue, store):
                counting = Counting(store)
                blocks = large_blocks(events)
                await queue.publish(blocks)
                await queue.publish([sample_block(0, range(5), "b" * 16)])
                await load(queue, counting, settings)  # type: ignore[arg-type]
                assert await count(store, "large") == events
                assert await count(store, "default") == 5
                assert (counting.refused, await store.verify()) == (0, [])
                assert counting.writes >= len(blocks) / 2  # 20 MiB are two blocks
        finally:
            server.stop()
