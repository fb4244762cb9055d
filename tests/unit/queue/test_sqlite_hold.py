"""A moment of the queue is copied while blocks come and go: the copy opens, and has the books of that moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.queue.sqlite.queue import SqliteQueue
from tests.helpers.samples import sample_block


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[SqliteQueue]:
    queue = SqliteQueue(Settings(data=tmp_path / "data", disk_reserve_bytes=0))
    await queue.open()
    yield queue
    await queue.close()


async def take(queue: SqliteQueue, events: int) -> None:
    """Deliver and acknowledge blocks of so many events."""
    batch = await queue.consume(events, 1.0)
    assert batch is not None
    await batch.ack()


async def test_a_copy_of_a_moment(queue: SqliteQueue, tmp_path: Path) -> None:
    await queue.publish([sample_block(seq, range(seq * 10, seq * 10 + 10)) for seq in range(6)])
    await take(queue, 20)
    before = await queue.books()
    held = queue.hold()
    await take(queue, 20)
    await queue.publish([sample_block(6, range(60, 70)), sample_block(0, [100], "00000000000000bb")])
    assert held.books() == before
    (tmp_path / "copy").mkdir()
    files = held.copy(tmp_path / "copy" / "queue.sqlite")
    held.close()
    held.close()
    assert [file.name for file in files] == ["queue.sqlite", "queue.sqlite.mark"]

    copied = SqliteQueue(Settings(data=tmp_path / "copy", disk_reserve_bytes=0))
    await copied.open()
    assert await copied.books() == before
    batch = await copied.consume(1_000, 1.0)
    assert batch is not None
    assert [block.seq for block in batch.blocks] == [2, 3, 4, 5]
    assert [bytes(block.lines()) for block in batch.blocks] == [
        bytes(sample_block(seq, range(seq * 10, seq * 10 + 10)).lines()) for seq in range(2, 6)
    ]
    await batch.ack()
    await copied.publish([sample_block(6, range(60, 70))])
    await copied.close()
    await copied.open()  # everything is checked again
    await copied.close()


async def test_an_empty_queue_remembers(queue: SqliteQueue, tmp_path: Path) -> None:
    """Nothing waits: what was published is in the copy's books, and no id is used again."""
    await queue.publish([sample_block(0, range(3))])
    await take(queue, 3)
    held = queue.hold()
    held.copy(tmp_path / "queue.sqlite")
    held.close()
    copied = SqliteQueue(Settings(data=tmp_path, disk_reserve_bytes=0))
    await copied.open()
    assert await copied.books() == await queue.books()
    await copied.publish([sample_block(1, range(3, 6))])
    assert copied._tally.last_id == queue._tally.last_id + 1
    await copied.close()
