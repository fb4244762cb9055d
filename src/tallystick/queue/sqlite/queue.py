"""The embedded queue: one SQLite file in WAL mode with `synchronous=FULL`.

`publish` returns after a commit whose fsync succeeded. One thread writes, one reads, and one copies the write-ahead
log back into the file, each with its own connection. The writing thread takes what a request waits for first.
`apsw` brings a SQLite with the WAL-reset fix (3.51.3), which the standard library's may lack. `opening` notices a
damaged file, and `recover` rebuilds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import structlog

from tallystick.background import background_pool
from tallystick.config import Settings, url_path
from tallystick.disk import DiskGuard, closed_to, private_folder, usable
from tallystick.errors import AlreadyRunning, BlockCorrupt, QueueBroken, QueueFull, QueueUnavailable
from tallystick.model.block import Block, BlockKey, decode_block, encode_block
from tallystick.model.books import Published, QueueBooks, QueuedBlock
from tallystick.queue.backlog import Backlog, Slot
from tallystick.queue.base import Batch, Depth, divide
from tallystick.queue.sqlite import opening
from tallystick.queue.sqlite.hold import HeldQueue
from tallystick.queue.sqlite.opening import (
    SQL,
    SQLITE_OK,
    Connection,
    errors,
    fetch,
    read_published,
    transaction,
)
from tallystick.queue.sqlite.tally import Row, Tally, contradiction
from tallystick.queue.sqlite.thread import WriterThread

R = TypeVar("R")
log = structlog.get_logger(__name__)

WAL_PAGES = 4_000
"""Pages of 4 KiB in the write-ahead log from which on it is copied back: 16 MiB, some hundred blocks a copy."""
REST_PAGES = 500
"""Most pages that the writing thread copies itself; with more, the other thread copies once more before."""
COPIES_MAX = 4
"""Most copies of the other thread in a row."""


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
        self._is_open = False

    async def open(self) -> None:
        private_folder(self.path.parent, self._settings, self.path.name)
        self._loop = asyncio.get_running_loop()
        self._lock = lock(self.path)
        self._disk = DiskGuard(self.path.parent, self._settings)
        with usable(self.path.parent):
            # What SQLite puts beside the file gets the file's permissions.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666 & ~closed_to(self._settings)))
        self._writing = WriterThread("queue-write")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="queue-read")
        self._copying = background_pool(1, "queue-copy")
        try:
            opened = await self._writing.run(opening.open_checked, self.path, recovery(self._settings))
            self._writer, self._tally, self._published, slots, self._watermark = opened
            with errors():
                self._reader = await self._run(self._reading, opening.connect, self.path)
                self._copier = await self._run(self._copying, opening.connect, self.path)
        except BaseException:
            self._end_threads()
            os.close(self._lock)
            raise
        self._log = LogSize()
        self._writer.set_wal_hook(self._log_grew)
        for slot in slots:
            self._backlog.put(slot)
        self._is_open = True

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        if self._log.copy is not None:
            await self._log.copy
        await self._run(self._copying, self._copier.close)
        await self._run(self._reading, self._reader.close)
        await self._writing.run(self._writer.close)
        self._end_threads()
        self._watermark.close()
        self._backlog = Backlog()
        os.close(self._lock)

    def _end_threads(self) -> None:
        self._copying.shutdown()
        self._reading.shutdown()
        self._writing.stop()

    async def publish(self, blocks: Sequence[Block]) -> None:
        if self._broken:
            raise QueueBroken
        data = [encode_block(block) for block in blocks]
        if self._disk.low():
            raise QueueFull("the disk is down to its reserve; nothing of this request was taken")
        if self._backlog.bytes + sum(map(len, data)) > self._max_bytes:
            raise QueueFull("the queue's budget is used up; nothing of this request was taken")
        await self._writing.run(self._publish, blocks, data, then=self._take_in, first=True)

    def _publish(self, blocks: Sequence[Block], data: Sequence[bytes]) -> list[Slot]:
        with self._noticing():
            return self._insert(blocks, data)

    @contextlib.contextmanager
    def _noticing(self) -> Iterator[None]:
        """The queue's errors. A failed fsync may have dropped pages: then this file handle proves nothing any more."""
        try:
            with errors():
                yield
        except QueueBroken:
            self._broken = True
            raise

    def _take_in(self, slots: Sequence[Slot]) -> None:
        for slot in slots:
            self._backlog.put(slot)
        self._arrived.set()

    def _insert(self, blocks: Sequence[Block], data: Sequence[bytes]) -> list[Slot]:
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
        return [Slot(row.id, row.events, row.size) for row in rows]

    def _seal(self, tally: Tally) -> Tally:
        """Write the tally of the transaction in this transaction, and return it."""
        tally = tally._replace(commits=tally.commits + 1)
        self._writer.execute(SQL["set_tally"], (tally.encode(),))
        return tally

    def _committed(self, tally: Tally) -> None:
        self._tally = tally
        self._watermark.write(tally)

    async def consume(
        self, max_events: int, wait: float, max_bytes: int | None = None, linger: float = 0.0
    ) -> Batch | None:
        slots = await self._backlog.wait_and_take(self._arrived, max_events, wait, max_bytes, linger)
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
        rows = {
            row[0]: row for run in runs([slot.id for slot in slots]) for row in fetch(self._reader, "read_blocks", *run)
        }
        for slot in slots:
            row = rows.get(slot.id)
            if row is None or row[3] != slot.events:
                raise QueueBroken(f"the queue's file failed: block {slot.id} is not what was written")
            _, ingester, seq, count, data = row
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
        if ids:
            with errors():
                await self._writing.run(self._delete, ids, then=self._backlog.forget)

    def _delete(self, ids: Sequence[int]) -> Sequence[int]:
        with transaction(self._writer):
            gone = [Row(*row) for run in runs(ids) for row in fetch(self._writer, "delete_blocks", *run)]
            if len(gone) != len(ids):
                raise QueueBroken(f"the queue's file failed: {len(ids) - len(gone)} delivered blocks are not in it")
            tally = self._seal(self._tally.without_blocks(gone))
        self._committed(tally)
        return ids

    # --- the log --------------------------------------------------------------------------------------------------

    def _log_grew(self, _writer: Connection, _name: str, pages: int) -> int:
        """After each commit, on the writing thread. SQLite itself would copy a large log now, while requests wait."""
        if self._log.grew(pages):
            self._loop.call_soon_threadsafe(self._copy_log)
        return SQLITE_OK

    def _copy_log(self) -> None:
        self._log.copy = asyncio.ensure_future(self._copied())

    async def _copied(self) -> None:
        """Copy the log's pages into the file on a thread of their own, while publishes go on.

        SQLite begins the log anew when all of it is copied. So the writing thread copies the few pages that were
        written meanwhile, when no publish waits for it.
        """
        try:
            with self._noticing():
                for _ in range(COPIES_MAX):
                    _, copied = await self._run(self._copying, self._copier.wal_checkpoint)
                    if self._log.pages - copied <= REST_PAGES:
                        break
                await self._writing.run(self._writer.wal_checkpoint)
        except (QueueFull, QueueUnavailable) as error:
            log.warning("the queue's log could not be copied and grows", error=error.whole)
        finally:
            self._log.end()

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

    def hold(self) -> HeldQueue:
        """Keep this moment of the queue, to copy it; the caller closes it. Blocks; any thread may call it.

        Raises:
            QueueUnavailable: the file cannot be read.
        """
        return HeldQueue(self.path)

    async def _run(self, pool: ThreadPoolExecutor, call: Callable[..., R], *args: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(pool, call, *args)


class LogSize:
    """How large SQLite's log is, and when it is copied.

    Attributes:
        pages: after the last commit.
        copy: the copy that runs, or the last one.
    """

    def __init__(self) -> None:
        self.pages = 0
        self.copy: asyncio.Future[None] | None = None
        self._limit = WAL_PAGES
        self._running = False

    def grew(self, pages: int) -> bool:
        """Record its size after a commit. True: it is to be copied now."""
        if pages < self.pages:
            self._limit = WAL_PAGES  # SQLite has begun it anew
        self.pages = pages
        if self._running or pages < self._limit:
            return False
        self._running = True
        return True

    def end(self) -> None:
        """A copy has ended. While a reader keeps SQLite from beginning the log anew, the next one is a while off."""
        self._limit = self.pages + REST_PAGES
        self._running = False


class _SqliteBatch:
    def __init__(self, queue: SqliteQueue, ids: Sequence[int], blocks: Sequence[Block]) -> None:
        self._queue = queue
        self._ids = ids
        self.blocks = blocks

    async def ack(self, but: Collection[BlockKey] = ()) -> None:
        done, back = divide(self._ids, self.blocks, but)
        try:
            await self._queue._forget(done)
        finally:
            self._queue._give_back(back)

    async def nack(self) -> None:
        self._queue._give_back(self._ids)


def runs(ids: Sequence[int]) -> list[tuple[int, int]]:
    """Rising ids as ranges, each by its first and last: blocks of one batch mostly follow each other."""
    found: list[tuple[int, int]] = []
    for id_ in ids:
        if found and found[-1][1] == id_ - 1:
            found[-1] = (found[-1][0], id_)
        else:
            found.append((id_, id_))
    return found


def recovery(settings: Settings) -> str:
    """The command that recovers a damaged queue, as the operator types it."""
    return "tallystick recover queue" if settings.queue_url else f"tallystick recover queue --data {settings.data}"


def lock(path: Path) -> int:
    """Hold the queue at `path` alone, until the process ends or the descriptor is closed.

    Raises:
        AlreadyRunning: another process holds it.
        ConfigError: the lock's file cannot be opened.
    """
    with usable(path.parent):
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise AlreadyRunning(f"another Tallystick process holds {path.parent}: stop it, or use its --url") from error
    return descriptor
