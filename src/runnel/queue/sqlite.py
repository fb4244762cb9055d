"""The embedded queue: one SQLite file in WAL mode with `synchronous=FULL`.

`publish` returns after a commit whose fsync succeeded. One thread writes, one reads, each with its own connection.
`apsw` brings a SQLite with the WAL-reset fix (3.51.3), which the standard library's may lack.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import apsw

from runnel.config import Settings, url_path
from runnel.disk import DiskGuard, closed_to, private_folder
from runnel.errors import AlreadyRunning, BlockCorrupt, QueueBroken, QueueFull, QueueUnavailable
from runnel.model.block import Block, decode_block, encode_block
from runnel.model.books import Published, QueueBooks, QueuedBlock
from runnel.model.sql import load_statements
from runnel.queue.base import Batch, Depth
from runnel.queue.shelf import Shelf, Slot

R = TypeVar("R")
SQL = load_statements("runnel.queue", "sql/sqlite.sql")
WAL_PAGES = 4_000
"""Pages of 4 KiB in the write-ahead log before it is copied back: 16 MiB, some hundred blocks a copy."""


class SqliteQueue:
    """Blocks as rows; acknowledged ones are deleted. One process at a time, by a lock on a file beside it."""

    durability = "fsync"

    def __init__(self, settings: Settings) -> None:
        self.path = url_path(settings.resolved_queue_url)
        self._max_bytes = settings.queue_max_bytes
        self._settings = settings
        self._shelf = Shelf()
        self._arrived = asyncio.Event()
        self._broken = False

    async def open(self) -> None:
        private_folder(self.path.parent, self._settings, self.path.name)
        self._lock = _lock(self.path.with_name(self.path.name + ".lock"))
        self._disk = DiskGuard(self.path.parent, self._settings)
        # What SQLite puts beside the file gets the file's permissions.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666 & ~closed_to(self._settings)))
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="queue-write")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="queue-read")
        with _errors():
            self._writer = await self._run(self._writing, _connect, self.path)
            self._reader = await self._run(self._reading, _connect, self.path)
            for row in await self._run(self._reading, _fetch, self._reader, "waiting"):
                self._shelf.put(Slot(*row))

    async def close(self) -> None:
        await self._run(self._reading, self._reader.close)
        await self._run(self._writing, self._writer.close)
        self._reading.shutdown()
        self._writing.shutdown()
        self._shelf = Shelf()
        os.close(self._lock)

    async def publish(self, blocks: Sequence[Block]) -> None:
        if self._broken:
            raise QueueBroken
        data = [encode_block(block) for block in blocks]
        if self._disk.low():
            raise QueueFull("the disk is down to its reserve; nothing of this request was taken")
        if self._shelf.bytes + sum(map(len, data)) > self._max_bytes:
            raise QueueFull("the queue's budget is used up; nothing of this request was taken")
        await _to_the_end(self._publish(blocks, data))

    async def _publish(self, blocks: Sequence[Block], data: Sequence[bytes]) -> None:
        try:
            with _errors():
                ids = await self._run(self._writing, self._insert, blocks, data)
        except QueueBroken:
            self._broken = True  # an fsync that failed may have dropped the pages: this file handle proves nothing more
            raise
        for id_, block, bytes_ in zip(ids, blocks, data, strict=True):
            self._shelf.put(Slot(id_, block.count, len(bytes_)))
        self._arrived.set()

    def _insert(self, blocks: Sequence[Block], data: Sequence[bytes]) -> list[int]:
        ids = []
        now = time.time()
        with _transaction(self._writer):
            for block, bytes_ in zip(blocks, data, strict=True):
                row = (block.ingester, block.seq, block.count, len(bytes_), now, bytes_)
                self._writer.execute(SQL["insert_block"], row)
                ids.append(self._writer.last_insert_rowid())
                self._writer.execute(SQL["count_published"], (block.ingester, block.seq, block.count))
        return ids

    async def consume(self, max_events: int, wait: float) -> Batch | None:
        slots = await self._shelf.wait_and_take(self._arrived, max_events, wait)
        if not slots:
            return None
        try:
            with _errors():
                blocks = await self._run(self._reading, self._read, [slot.id for slot in slots])
        except BaseException:
            self._give_back([slot.id for slot in slots])
            raise
        return _SqliteBatch(self, [slot.id for slot in slots], blocks)

    def _read(self, ids: Sequence[int]) -> list[Block]:
        blocks = []
        for id_ in ids:
            ((ingester, seq, count, data),) = self._reader.execute(SQL["read_block"], (id_,))
            try:
                blocks.append(decode_block(data))
            except BlockCorrupt:
                # Handed on as it is: its lines() raise, and the worker keeps the bytes as a dead letter (G6).
                blocks.append(Block(ingester, seq, count, data))
        return blocks

    def _give_back(self, ids: Sequence[int]) -> None:
        self._shelf.give_back(ids)
        self._arrived.set()

    async def _forget(self, ids: Sequence[int]) -> None:
        await _to_the_end(self._acknowledge(ids))

    async def _acknowledge(self, ids: Sequence[int]) -> None:
        with _errors():
            await self._run(self._writing, self._delete, ids)
        self._shelf.forget(ids)

    def _delete(self, ids: Sequence[int]) -> None:
        with _transaction(self._writer):
            self._writer.executemany(SQL["delete_block"], [(id_,) for id_ in ids])

    async def depth(self) -> Depth:
        with _errors():
            oldest = await self._run(self._reading, _fetch, self._reader, "oldest")
        age = max(0.0, time.time() - oldest[0][0]) if oldest else None
        return Depth(self._shelf.blocks, self._shelf.events, self._shelf.bytes, age)

    async def books(self) -> QueueBooks:
        with _errors():
            return await self._run(self._reading, self._read_books)

    def _read_books(self) -> QueueBooks:
        with _transaction(self._reader, "BEGIN"):  # one snapshot for both
            published = {row[0]: Published(row[1], row[2]) for row in self._reader.execute(SQL["published"])}
            queued = [QueuedBlock(*row) for row in self._reader.execute(SQL["queued"])]
        return QueueBooks(published, queued)

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
    """Wait for `work`; when the waiting is cancelled it goes on, so that file and shelf never disagree."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.shield(task)


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(5_000)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"wal_autocheckpoint={WAL_PAGES}", "cache_size=-8192"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(SQL["schema"])
    return connection


def _fetch(connection: apsw.Connection, statement: str) -> list[tuple[Any, ...]]:
    return connection.execute(SQL[statement]).fetchall()


@contextlib.contextmanager
def _transaction(connection: apsw.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """apsw's errors as the queue's: a full disk is a clean no, an I/O error is the end of this file handle."""
    try:
        yield
    except apsw.FullError as error:
        raise QueueFull("the disk is full; nothing of this request was taken") from error
    except (apsw.IOError, apsw.CorruptError, apsw.NotADBError) as error:
        raise QueueBroken("the queue's file failed") from error
    except apsw.Error as error:
        raise QueueUnavailable("the queue's file does not answer") from error


def _lock(path: Path) -> int:
    """Hold an exclusive lock until the process ends or the descriptor is closed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise AlreadyRunning(f"another Runnel process holds {path.parent}: stop it, or use its --url") from error
    return descriptor
