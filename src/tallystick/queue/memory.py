"""The queue in memory, for tests and throw-away runs. A crash loses what is queued, so a setting has to allow it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence

from tallystick.config import Settings
from tallystick.errors import ConfigError, QueueFull
from tallystick.model.block import Block, BlockKey, encode_block
from tallystick.model.books import Published, QueueBooks, QueuedBlock
from tallystick.queue.backlog import Backlog, Slot
from tallystick.queue.base import Batch, Depth, divide


class MemoryQueue:
    """Blocks in a dictionary."""

    durability = "memory"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._backlog = Backlog()
        self._blocks: dict[int, tuple[Block, float]] = {}
        self._published: dict[str, Published] = {}
        self._next_id = 0
        self._arrived = asyncio.Event()

    async def open(self) -> None:
        if not self._settings.allow_weak_durability:
            raise ConfigError(
                "the memory queue loses accepted events when the process ends: "
                "use sqlite, or set TALLYSTICK_ALLOW_WEAK_DURABILITY=true"
            )

    async def close(self) -> None:
        self._backlog.give_back(list(self._backlog.delivered))

    async def publish(self, blocks: Sequence[Block]) -> None:
        sizes = [len(encode_block(block)) for block in blocks]
        if self._backlog.bytes + sum(sizes) > self._settings.queue_max_bytes:
            raise QueueFull
        now = time.monotonic()
        for block, size in zip(blocks, sizes, strict=True):
            self._backlog.put(Slot(self._next_id, block.count, size))
            self._blocks[self._next_id] = (block, now)
            self._next_id += 1
            before = self._published.get(block.ingester, Published(0, 0))
            self._published[block.ingester] = Published(block.seq + 1, before.events + block.count)
        self._arrived.set()

    async def consume(
        self, max_events: int, wait: float, max_bytes: int | None = None, linger: float = 0.0
    ) -> Batch | None:
        slots = await self._backlog.wait_and_take(self._arrived, max_events, wait, max_bytes, linger)
        return _MemoryBatch(self, slots) if slots else None

    async def depth(self) -> Depth:
        oldest = next(iter(self._blocks.values()), None)
        age = time.monotonic() - oldest[1] if oldest else None
        return Depth(self._backlog.blocks, self._backlog.events, self._backlog.bytes, age)

    async def books(self) -> QueueBooks:
        queued = [QueuedBlock(b.ingester, b.seq, b.count) for b, _ in self._blocks.values()]
        return QueueBooks(dict(self._published), queued)


class _MemoryBatch:
    def __init__(self, queue: MemoryQueue, slots: Sequence[Slot]) -> None:
        self._queue = queue
        self._ids = [slot.id for slot in slots]
        self.blocks: Sequence[Block] = [queue._blocks[id_][0] for id_ in self._ids]

    async def ack(self, but: Collection[BlockKey] = ()) -> None:
        done, back = divide(self._ids, self.blocks, but)
        self._queue._backlog.forget(done)
        for id_ in done:
            del self._queue._blocks[id_]
        self._give_back(back)

    async def nack(self) -> None:
        self._give_back(self._ids)

    def _give_back(self, ids: Sequence[int]) -> None:
        if ids:
            self._queue._backlog.give_back(ids)
            self._queue._arrived.set()
