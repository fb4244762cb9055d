"""The writing thread's order, and who copies SQLite's log: what a request waits for is not behind other work."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from tallystick.config import Settings
from tallystick.errors import QueueUnavailable
from tallystick.queue.sqlite import queue as sqlite_queue
from tallystick.queue.sqlite.queue import SqliteQueue
from tallystick.queue.sqlite.thread import WriterThread
from tests.helpers.queue.steps import opened, take
from tests.helpers.samples import incompressible_block, sample_block

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PAGE = 4_096


class Busy:
    """A writing thread with a call that lasts until `release`."""

    def __init__(self) -> None:
        self.thread = WriterThread("test")
        self.release = threading.Event()
        self.done: list[str] = []
        self.thread.run(self.release.wait)


@pytest.fixture
async def busy() -> AsyncIterator[Busy]:
    busy = Busy()
    yield busy
    busy.release.set()
    await asyncio.to_thread(busy.thread.stop)


async def test_publishes_go_ahead_of_acknowledgements_that_wait(busy: Busy) -> None:
    calls = [("ack 1", False), ("ack 2", False), ("publish 1", True), ("copy", False), ("publish 2", True)]
    given = [busy.thread.run(busy.done.append, name, first=first) for name, first in calls]

    busy.release.set()
    await asyncio.gather(*given)

    assert busy.done == ["publish 1", "publish 2", "ack 1", "ack 2", "copy"]


async def test_a_call_is_made_and_told_of_although_its_caller_has_left(busy: Busy) -> None:
    """The backlog takes in what was written, or it would disagree with the file."""
    told = asyncio.Event()
    given = busy.thread.run(busy.done.append, "publish", then=lambda _: told.set(), first=True)

    given.cancel()
    busy.release.set()
    await told.wait()

    assert busy.done == ["publish"]


async def test_an_error_reaches_the_caller_and_ends_nothing(busy: Busy) -> None:
    def fail() -> None:
        raise ValueError("no")

    failing = busy.thread.run(fail)
    busy.release.set()

    with pytest.raises(ValueError, match="no"):
        await failing
    assert await busy.thread.run(lambda: 1) == 1


async def test_a_publish_goes_ahead_of_an_acknowledgement_in_the_queue(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, disk_reserve_bytes=0)) as queue:
        assert isinstance(queue, SqliteQueue)
        await queue.publish([sample_block(0, [0])])
        batch = await take(queue)
        release, done = threading.Event(), list[str]()
        held = queue._writing.run(release.wait)
        acknowledging = asyncio.create_task(batch.ack())
        await asyncio.sleep(0)
        publishing = asyncio.create_task(queue.publish([sample_block(1, [1])]))
        await asyncio.sleep(0)
        for task, name in ((acknowledging, "ack"), (publishing, "publish")):
            task.add_done_callback(lambda _, name=name: done.append(name))  # type: ignore[misc]

        release.set()
        await asyncio.gather(held, acknowledging, publishing)

        assert done == ["publish", "ack"]


class Disk(apsw.VFS):
    """The machine's file system; knows which thread wrote how many pages of the queue's file, and can refuse it."""

    def __init__(self) -> None:
        self.pages: Counter[str] = Counter()
        self.refuses = False
        super().__init__("counted", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> CountedFile:
        return CountedFile(self, name, flags)


class CountedFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self.disk = disk
        self.counts = path.endswith(".sqlite")
        super().__init__("unix", name, flags)

    def xWrite(self, data: ReadableBuffer, offset: int) -> None:
        if self.counts and self.disk.refuses:
            raise apsw.IOError("the disk failed")
        super().xWrite(data, offset)
        if self.counts:
            self.disk.pages[threading.current_thread().name] += memoryview(data).nbytes // PAGE


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.unregister()


@pytest.fixture
async def queue(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteQueue]:
    monkeypatch.setattr(sqlite_queue, "WAL_PAGES", 200)
    monkeypatch.setattr(sqlite_queue, "REST_PAGES", 40)
    async with opened(Settings(data=tmp_path, disk_reserve_bytes=0)) as queue:
        assert isinstance(queue, SqliteQueue)
        disk.pages.clear()
        yield queue
        disk.refuses = False


async def test_another_thread_copies_the_log(queue: SqliteQueue, disk: Disk) -> None:
    """The writing thread copies only what was written during the other's copy; here that is nothing."""
    for seq in range(100):
        await queue.publish([incompressible_block(seq, 40_000)])
        if queue._log.copy is not None:
            await queue._log.copy

    written = {name.split("_")[0]: pages for name, pages in disk.pages.items()}
    assert written["queue-copy"] > 700
    assert written.get("queue-write", 0) < 50


async def test_the_log_begins_anew_while_publishes_go_on(queue: SqliteQueue, tmp_path: Path) -> None:
    """400 blocks of 10 pages and more go through a log of 200 to a few hundred pages."""
    for seq in range(400):
        await queue.publish([incompressible_block(seq, 40_000)])

    assert (tmp_path / "queue.sqlite-wal").stat().st_size < 2_000 * PAGE


async def test_what_a_copy_cannot_write_ends_the_use_of_the_file(queue: SqliteQueue, disk: Disk) -> None:
    """G6: the blocks are in the log, and the next start checks it."""
    disk.refuses = True

    async def publish_until_it_fails() -> None:
        for seq in range(1_000):
            await queue.publish([incompressible_block(seq, 40_000)])

    with pytest.raises(QueueUnavailable):
        await publish_until_it_fails()
