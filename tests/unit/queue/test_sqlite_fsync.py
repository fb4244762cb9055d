"""The fsync before a 202: SQLite runs on a file system layer that counts fsyncs and can refuse them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest

from tallystick.config import Settings
from tallystick.errors import QueueUnavailable
from tallystick.queue import Queue
from tests.helpers.queue.steps import opened
from tests.helpers.samples import INGESTER, sample_block


class Disk(apsw.VFS):
    """The machine's file system, with every fsync counted by file name."""

    def __init__(self) -> None:
        self.synced: list[str] = []
        self.refuses = False
        super().__init__("watched", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> WatchedFile:
        return WatchedFile(self, name, flags)


class WatchedFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self.disk = disk
        self.name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("unix", name, flags)

    def xSync(self, flags: int) -> None:
        if self.disk.refuses:
            raise apsw.IOError("fsync failed")
        super().xSync(flags)
        self.disk.synced.append(Path(self.name).name)


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.unregister()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, disk_reserve_bytes=0)


@pytest.fixture
async def queue(disk: Disk, settings: Settings) -> AsyncIterator[Queue]:
    async with opened(settings) as queue:
        yield queue
        disk.refuses = False


async def test_publish_returns_after_an_fsync_of_the_log(queue: Queue, disk: Disk) -> None:
    """G1: each publish, not each now and then."""
    for seq in range(5):
        disk.synced.clear()
        await queue.publish([sample_block(seq, [seq])])
        assert disk.synced == ["queue.sqlite-wal"]


async def test_several_blocks_share_one_fsync(queue: Queue, disk: Disk) -> None:
    """G1: group commit."""
    disk.synced.clear()

    await queue.publish([sample_block(seq, [seq]) for seq in range(10)])

    assert disk.synced == ["queue.sqlite-wal"]


async def test_no_success_without_an_fsync(queue: Queue, disk: Disk) -> None:
    """G1: what was not made durable is not confirmed."""
    disk.refuses = True

    with pytest.raises(QueueUnavailable):
        await queue.publish([sample_block(0, [1])])


async def test_after_a_failed_fsync_this_file_handle_takes_nothing_more(queue: Queue, disk: Disk) -> None:
    """G6: the kernel may have dropped the pages, so that a second fsync would succeed and mean nothing."""
    disk.refuses = True
    with pytest.raises(QueueUnavailable):
        await queue.publish([sample_block(0, [1])])
    disk.refuses = False
    disk.synced.clear()

    with pytest.raises(QueueUnavailable):
        await queue.publish([sample_block(0, [1])])

    assert disk.synced == []


async def test_after_a_failed_fsync_a_new_start_works(disk: Disk, settings: Settings) -> None:
    """G6: what was confirmed before is there, and the next publish is durable again."""
    async with opened(settings) as queue:
        await queue.publish([sample_block(0, [1])])
        disk.refuses = True
        with pytest.raises(QueueUnavailable):
            await queue.publish([sample_block(0, [2], ingester="00000000000000bb")])
        disk.refuses = False

    async with opened(settings) as queue:
        books = await queue.books()
        assert books.published[INGESTER].next_seq == 1
        assert (INGESTER, 0) in [(block.ingester, block.seq) for block in books.queued]
        disk.synced.clear()
        await queue.publish([sample_block(1, [2])])
        assert set(disk.synced) == {"queue.sqlite-wal"}
