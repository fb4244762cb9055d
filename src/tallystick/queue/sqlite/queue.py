"""The embedded queue: one SQLite file in WAL mode with `synchronous=FULL`.

`publish` returns after a commit whose fsync succeeded. One thread writes, one reads, each with its own connection.
`apsw` brings a SQLite with the WAL-reset fix (3.51.3), which the standard library's may lack. `opening` notices a
damaged file, and `recover` rebuilds it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tallystick.config import Settings, url_path
from tallystick.disk import DiskGuard, closed_to, private_folder
from tallystick.errors import AlreadyRunning, BlockCorrupt, QueueBroken, QueueFull
from tallystick.model.block import Block, decode_block, encode_block
from tallystick.model.books import Published, QueueBooks, QueuedBlock
from tallystick.queue.backlog import Backlog, Slot
from tallystick.queue.base import Batch, Depth
from tallystick.queue.sqlite import opening
from tallystick.queue.sqlite.opening import SQL, errors, fetch, read_published, transaction
from tallystick.queue.sqlite.tally import Row, Tally, contradiction

R = TypeVar("R")


class SqliteQueue:
    """Blocks as rows; acknowledged ones are deleted. One process at a time, by a lock on a file beside it."""

    durability = "fsync"

    def __init__(self, settings: Settings) -> None:
        self.path = url_path(settings.resolved_queue_url)
        self._max_bytes = settings.queue_max_bytes
        self._settings = settings
        self._backlog = Backlog()
        self._arrived = asyncio.Event()
        self._broken = False

    async def open(self) -> None:
        private_folder(self.path.parent, self._settings, self.path.name)
        self._lock = lock(self.path)
        self._disk = DiskGuard(self.path.parent, self._settings)
        # What SQLite puts beside the file gets the file's permissions.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666 & ~closed_to(self._settings)))
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="queue-write")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="queue-read")
        try:
            opened = await self._run(self._writing, opening.open_checked, self.path, recovery(self._settings))
            self._writer, self._tally, self._published, slots, self._watermark = opened
            with errors():
                self._reader = await self._run(self._reading, opening.connect, self.path)
        except BaseException:
            self._reading.shutdown()
            self._writing.shutdown()
            os.close(self._lock)
            raise
        for slot in slots:
            self._backlog.put(slot)

    async def close(self) -> None:
        await self._run(self._reading, self._reader.close)
        await self._run(self._writing, self._writer.close)
        self._reading.shutdown()
        self._writing.shutdown()
        self._watermark.close()
        self._backlog = Backlog()
        os.close(self._lock)

    async def publish(self, blocks: Sequence[Block]) -> None:
        if self._broken:
            raise QueueBroken
        data = [encode_block(block) for block in blocks]
        if self._disk.low():
            raise QueueFull("the disk is down to its reserve; nothing of this request was taken")
        if self._backlog.bytes + sum(map(len, data)) > self._max_bytes:
            raise QueueFull("the queue's budget is used up; nothing of this request was taken")
        await _to_the_end(self._publish(blocks, data))

    async def _publish(self, blocks: Sequence[Block], data: Sequence[bytes]) -> None:
        try:
            with errors():
                ids = await self._run(self._writing, self._insert, blocks, data)
        except QueueBroken:
            self._broken = True  # a failed fsync may have dropped the pages: this file handle proves nothing any more
            raise
        for id_, block, bytes_ in zip(ids, blocks, data, strict=True):
            self._backlog.put(Slot(id_, block.count, len(bytes_)))
        self._arrived.set()

    def _insert(self, blocks: Sequence[Block], data: Sequence[bytes]) -> list[int]:
        rows, published = [], dict[str, Published]()
        now = time.time()
        with transaction(self._writer):
            for block, bytes_ in zip(blocks, data, strict=True):
                row = (block.ingester, block.seq, block.count, len(bytes_), now)
                self._writer.execute(SQL["insert_block"], (*row, bytes_))
                rows.append(Row(self._writer.last_insert_rowid(), *row))
                self._writer.execute(SQL["count_published"], (block.ingester, block.seq, block.count))
                before = published.get(block.ingester) or self._published.get(block.ingester)
                published[block.ingester] = Published(block.seq + 1, (before.events if before else 0) + block.count)
            tally = self._tally.with_blocks(rows)
            for ingester, after in published.items():
                tally = tally.with_ingester(ingester, self._published.get(ingester), after)
            tally = self._seal(tally)
        self._published |= published
        self._committed(tally)
        return [row.id for row in rows]

    def _seal(self, tally: Tally) -> Tally:
        """Write the tally of the transaction in this transaction, and return it."""
        tally = tally._replace(commits=tally.commits + 1)
        self._writer.execute(SQL["set_tally"], (tally.encode(),))
        return tally

    def _committed(self, tally: Tally) -> None:
        self._tally = tally
        self._watermark.write(tally)

    async def consume(self, max_events: int, wait: float, max_bytes: int | None = None) -> Batch | None:
        slots = await self._backlog.wait_and_take(self._arrived, max_events, wait, max_bytes)
        if not slots:
            return None
        try:
            with errors():
                blocks = await self._run(self._reading, self._read, slots)
        except BaseException:
            self._give_back([slot.id for slot in slots])
            raise
        return _SqliteBatch(self, [slot.id for slot in slots], blocks)

    def _read(self, slots: Sequence[Slot]) -> list[Block]:
        blocks = []
        for slot in slots:
            rows = fetch(self._reader, "read_block", slot.id)
            if not rows or rows[0][2] != slot.events:
                raise QueueBroken(f"the queue's file failed: block {slot.id} is not what was written")
            ((ingester, seq, count, data),) = rows
            try:
                block = decode_block(data)
            except BlockCorrupt:
                # Delivered as it is: its lines() raise, and the worker keeps the bytes as a dead letter (G6).
                block = Block(ingester, seq, count, data)
            if (block.ingester, block.seq, block.count) != (ingester, seq, count):
                raise QueueBroken(f"the queue's file failed: block {slot.id} is not the one that its row names")
            blocks.append(block)
        return blocks

    def _give_back(self, ids: Sequence[int]) -> None:
        self._backlog.give_back(ids)
        self._arrived.set()

    async def _forget(self, ids: Sequence[int]) -> None:
        await _to_the_end(self._acknowledge(ids))

    async def _acknowledge(self, ids: Sequence[int]) -> None:
        with errors():
            await self._run(self._writing, self._delete, ids)
        self._backlog.forget(ids)

    def _delete(self, ids: Sequence[int]) -> None:
        with transaction(self._writer):
            gone = [Row(*row) for id_ in ids for row in fetch(self._writer, "delete_block", id_)]
            if len(gone) != len(ids):
                raise QueueBroken(f"the queue's file failed: {len(ids) - len(gone)} delivered blocks are not in it")
            tally = self._seal(self._tally.without_blocks(gone))
        self._committed(tally)

    async def depth(self) -> Depth:
        with errors():
            oldest = await self._run(self._reading, fetch, self._reader, "oldest")
        age = max(0.0, time.time() - oldest[0][0]) if oldest else None
        return Depth(self._backlog.blocks, self._backlog.events, self._backlog.bytes, age)

    async def books(self) -> QueueBooks:
        with errors():
            return await self._run(self._reading, self._read_books)

    def _read_books(self) -> QueueBooks:
        with transaction(self._reader, "BEGIN"):  # one snapshot for both
            published = read_published(self._reader)
            queued = [QueuedBlock(*row) for row in self._reader.execute(SQL["queued"])]
            sealed = fetch(self._reader, "tally")
        return QueueBooks(published, queued, damage=contradiction(sealed[0][0], published, queued) if sealed else None)

    async def _run(self, pool: ThreadPoolExecutor, call: Callable[..., R], *args: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(pool, call, *args)


class _SqliteBatch:
    def __init__(self, queue: SqliteQueue, ids: Sequence[int], blocks: Sequence[Block]) -> None:
        self._queue = queue
        self._ids = ids
        self.blocks = blocks

    async def ack(self) -> None:
        await self._queue._forget(self._ids)

    async def nack(self) -> None:
        self._queue._give_back(self._ids)


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for `work`. It goes on when the caller is cancelled, so that file and backlog never disagree."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.shield(task)


def recovery(settings: Settings) -> str:
    """The command that recovers a damaged queue, as the operator types it."""
    return "tallystick recover queue" if settings.queue_url else f"tallystick recover queue --data {settings.data}"


def lock(path: Path) -> int:
    """Hold the queue at `path` alone, until the process ends or the descriptor is closed."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise AlreadyRunning(f"another Tallystick process holds {path.parent}: stop it, or use its --url") from error
    return descriptor
