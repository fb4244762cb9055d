"""PostgreSQL dies under its writers, on a durable server of its own: nothing that was acknowledged is gone (G3, G6)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tallystick.config import Settings
from tallystick.errors import StoreUnavailable
from tallystick.model.block import Block
from tallystick.store.base import WriteReport
from tallystick.store.postgres import PostgresStore
from tests.faults.times import REPETITIONS, Record
from tests.helpers.postgres_steps import arriving, connected, ids, opened, outcomes
from tests.helpers.samples import block_of
from tests.servers.postgres import PostgresServer
from tests.servers.scratch import scratch_folder

KILLS = 4


@pytest.fixture
def durable_server() -> Iterator[PostgresServer]:
    with scratch_folder("crash") as folder:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.kill()


async def patiently(store: PostgresStore, block: Block) -> WriteReport:
    """As the worker does: the same block until the store takes it."""
    while True:
        try:
            return await store.write([block])
        except StoreUnavailable:
            await asyncio.sleep(0.05)


async def test_killed_while_several_write(
    settings: Settings, durable_server: PostgresServer, record_property: Record
) -> None:
    """G2, G3, G6: 0 lost, 0 twice, the books close, and the writers go on by themselves."""
    record_property(REPETITIONS, KILLS)
    own = settings.model_copy(update={"store_url": durable_server.new_database(), "allow_weak_durability": False})
    chance = random.Random(11)
    acknowledged: set[tuple[str, int]] = set()
    done = asyncio.Event()

    async def work(store: PostgresStore, side: int) -> None:
        seq = 0
        while not done.is_set() or seq < 10:
            numbers = [chance.randrange(3_000) for _ in range(200)]
            block = block_of(seq, [arriving(n) for n in numbers], f"{side:016x}")
            await patiently(store, block)
            acknowledged.add(block.key)
            seq += 1

    async with opened(own, 2) as stores:
        working = [asyncio.create_task(work(store, side)) for side, store in enumerate(stores)]
        for _ in range(KILLS):
            await asyncio.sleep(0.1 + chance.random())
            await asyncio.to_thread(durable_server.kill)
            await asyncio.sleep(0.1)
            await asyncio.to_thread(durable_server.start)
        done.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*working)

        ledger = await stores[0].ledger()
        assert {(name, seq) for name, of in ledger.items() for seq in [*range(of.folded), *of.seqs]} == acknowledged
        assert sum(of.count for of in ledger.values()) == 200 * len(acknowledged)
        async with connected(own) as beside:
            there = list(await ids(beside))
        assert there == sorted(set(there))
        assert sum(of.stored for of in ledger.values()) == len(there)
        assert await stores[0].verify() == []


async def test_ids_of_the_window_are_known_after_a_crash(settings: Settings, durable_server: PostgresServer) -> None:
    """G2: PostgreSQL empties the table that knows them; it is there again before anything is written."""
    own = settings.model_copy(update={"store_url": durable_server.new_database()})
    now = datetime.now(UTC)
    async with opened(own, 2) as stores, connected(own) as beside:
        await stores[0].write([block_of(0, [arriving(1, datetime(2005, 1, 1, tzinfo=UTC)), arriving(2, now)])])
        assert await beside.fetchval("SELECT count(*) FROM recent_ids") == 2

    durable_server.kill()
    durable_server.start()

    async with opened(own, 2) as stores, connected(own) as beside:
        assert await beside.fetchval("SELECT count(*) FROM recent_ids") == 0
        again = [arriving(n, now - timedelta(days=9)) for n in (1, 2, 3)]
        reports = await asyncio.gather(*(store.write([block_of(7 + n, again)]) for n, store in enumerate(stores)))
        assert sum(entry.stored for report in reports for entry in report.entries) == 1
        assert [sum(entry[:2]) for entry in outcomes(*reports)] == [3, 3]
        assert await ids(beside) == [1, 2, 3]
