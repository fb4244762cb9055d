"""Full means no (G5): a queue at its budget, or a disk down to its reserve, takes nothing and loses nothing."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from tallystick import disk
from tallystick.config import GIB, MIB, Settings
from tallystick.errors import QueueFull
from tallystick.queue import Queue
from tests.helpers.queue.steps import opened, take, take_all
from tests.helpers.samples import incompressible_block, sample_block


async def fill(queue: Queue) -> int:
    """Publish until the queue says no; how many blocks it took."""
    for seq in range(100):
        try:
            await queue.publish([incompressible_block(seq)])
        except QueueFull:
            return seq
    raise AssertionError("100 blocks of 100 kB fitted into a budget of 1 MiB")


@pytest.fixture
async def small_queue(queue_settings: Settings) -> AsyncIterator[Queue]:
    """Each queue in turn with a budget of 1 MiB."""
    async with opened(queue_settings.model_copy(update={"queue_max_bytes": MIB})) as queue:
        yield queue


@pytest.fixture
async def small_counting_queue(counting_queue_settings: Settings) -> AsyncIterator[Queue]:
    """Each queue that knows every block, with a budget of 1 MiB."""
    async with opened(counting_queue_settings.model_copy(update={"queue_max_bytes": MIB})) as queue:
        yield queue


async def test_a_full_queue_takes_nothing_more_and_keeps_what_it_has(small_queue: Queue) -> None:
    """G5: full means no; unread events are never evicted."""
    taken = await fill(small_queue)
    depth, books = await small_queue.depth(), await small_queue.books()

    with pytest.raises(QueueFull):
        await small_queue.publish([incompressible_block(taken)])

    assert taken > 3
    assert depth.bytes is None or depth.bytes <= MIB
    assert (await small_queue.depth()).bytes == depth.bytes
    assert (await small_queue.depth()).blocks == depth.blocks == taken
    assert await small_queue.books() == books
    assert await take_all(small_queue) == [incompressible_block(seq) for seq in range(taken)]


async def test_a_full_queue_recovers_by_itself(small_queue: Queue) -> None:
    """G5: it recovers when the waiting blocks are loaded."""
    taken = await fill(small_queue)
    assert len(await take_all(small_queue)) == taken

    await small_queue.publish([incompressible_block(taken)])
    assert [block.seq for block in await take_all(small_queue)] == [taken]


async def test_room_is_made_by_acknowledging_and_not_by_delivering(small_counting_queue: Queue) -> None:
    """G5: what a worker has and did not store counts."""
    small_queue = small_counting_queue
    taken = await fill(small_queue)
    batch = await take(small_queue, max_events=1)
    with pytest.raises(QueueFull):
        await small_queue.publish([incompressible_block(taken)])

    await batch.ack()

    await small_queue.publish([incompressible_block(taken)])
    assert [block.seq for block in await take_all(small_queue)] == list(range(1, taken + 1))


async def test_several_blocks_that_do_not_all_fit_are_all_refused(small_queue: Queue) -> None:
    """G5: the whole request is refused, and the same seqs can be used again."""
    blocks = [sample_block(0, [0]), incompressible_block(1, MIB), sample_block(2, [2])]

    with pytest.raises(QueueFull):
        await small_queue.publish(blocks)

    assert (await small_queue.depth()).blocks == 0
    assert (await small_queue.books()).published == {}
    await small_queue.publish([sample_block(0, [0])])


class Usage(NamedTuple):
    total: int
    used: int
    free: int


async def test_the_disk_reserve_is_not_used(file_queue_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """G5: down to the reserve is full; reading and acknowledging go on; it recovers by itself."""
    free = GIB
    monkeypatch.setattr(disk, "CHECK_EVERY", 0.0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 * GIB, 100 * GIB - free, free))
    async with opened(file_queue_settings.model_copy(update={"disk_reserve_bytes": 256 * MIB})) as queue:
        await queue.publish([sample_block(0, [0])])

        free = 255 * MIB
        with pytest.raises(QueueFull):
            await queue.publish([sample_block(1, [1])])
        assert [block.seq for block in await take_all(queue)] == [0]

        free = GIB
        await queue.publish([sample_block(1, [1])])
        assert [block.seq for block in await take_all(queue)] == [1]
