"""Steps that the pipeline suites share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tallystick.model.block import Block, BlockKey
from tallystick.model.books import QueueBooks, Totals, close_books
from tallystick.model.query import EventsQuery
from tallystick.queue import Batch, Depth, Queue
from tallystick.store import DeadLetter, Store
from tallystick.worker.worker import Worker


async def drain(worker: Worker) -> None:
    """Load until nothing waits."""
    while await worker.step(wait=0.0):
        pass


async def rows(store: Store) -> list[dict[str, Any]]:
    """Every stored event, oldest first."""
    result = await store.run(EventsQuery(site_id=None, ascending=True, limit=5_000))
    assert result.next_cursor is None
    return result.rows


async def stored_numbers(store: Store) -> list[int]:
    """The numbers of the stored sample events, ascending; one that is stored twice stands twice."""
    return sorted(int(row["event_id"].replace("-", ""), 16) for row in await rows(store))


async def dead(store: Store) -> list[DeadLetter]:
    return [stored.letter for stored in await store.dead_letters()]


async def closed_books(queue: Queue, store: Store) -> Totals:
    """The totals, after making sure that the books close and that the store agrees with itself (G4)."""
    totals, differences = close_books(await queue.books(), await store.ledger())
    assert differences == []
    assert totals.missing == 0
    assert await store.verify() == []
    return totals


def outcome(totals: Totals) -> dict[str, int]:
    """The columns that are not 0."""
    columns = ("accepted", "stored", "duplicates", "conflicts", "dead", "queued")
    return {column: getattr(totals, column) for column in columns if getattr(totals, column)}


class Crash(Exception):
    """The process is gone at this point."""


class CrashingQueue:
    """A queue in a process that dies when it comes to acknowledging; everything else is the real queue's."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.durability = queue.durability

    async def open(self) -> None:
        await self._queue.open()

    async def close(self) -> None:
        await self._queue.close()

    async def publish(self, blocks: Sequence[Block]) -> None:
        await self._queue.publish(blocks)

    async def consume(
        self, max_events: int, wait: float, max_bytes: int | None = None, linger: float = 0.0
    ) -> Batch | None:
        batch = await self._queue.consume(max_events, wait, max_bytes, linger)
        return None if batch is None else _CrashingBatch(batch.blocks)

    async def depth(self) -> Depth:
        return await self._queue.depth()

    async def books(self) -> QueueBooks:
        return await self._queue.books()


class _CrashingBatch:
    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks

    async def ack(self, but: Collection[BlockKey] = ()) -> None:
        raise Crash

    async def nack(self) -> None:
        raise Crash


async def restart(queue: Queue, store: Store) -> None:
    """What a new process does after the old one is gone."""
    await queue.close()
    await store.close()
    await queue.open()
    await store.open()
    await store.migrate()
