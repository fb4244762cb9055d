"""What no queue loses: acknowledgements decide, closing and killing do not, and damage stays where it is."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.errors import AlreadyRunning, BlockCorrupt, ConfigError
from tallystick.model.block import encode_block
from tallystick.queue import Queue, make_queue
from tests.faults.times import REPETITIONS, Record
from tests.helpers.queue.steps import opened, reopen, take, take_all, take_blocks
from tests.helpers.samples import sample_block

ROOT = Path(__file__).parents[3]


async def test_two_of_five_refused_and_reopened_are_exactly_those_two(queue: Queue) -> None:
    """G3: a block is forgotten by its acknowledgement and by nothing else."""
    await queue.publish([sample_block(seq, [seq]) for seq in range(5)])
    batches = [await take(queue, max_events=1) for _ in range(5)]
    for seq in (0, 2, 4):
        await batches[seq].ack()
    for seq in (1, 3):
        await batches[seq].nack()

    await reopen(queue)

    assert [block.seq for block in await take_all(queue)] == [1, 3]


async def test_unacknowledged_blocks_are_delivered_again_after_close_and_open(queue: Queue) -> None:
    """G3, G11: what was delivered to a worker that is gone is delivered to the next."""
    await queue.publish([sample_block(seq, [seq]) for seq in range(3)])
    await (await take(queue, max_events=1)).ack()
    await take(queue, max_events=1)

    await reopen(queue)

    assert [block.seq for block in await take_all(queue)] == [1, 2]


async def test_a_new_process_finds_what_the_old_one_left(durable_queue_settings: Settings) -> None:
    """G1, G11: blocks, their order and the books are on disk, not in a process."""
    blocks = [sample_block(seq, range(seq, seq + 3)) for seq in range(4)]
    async with opened(durable_queue_settings) as queue:
        await queue.publish(blocks)
        await (await take(queue, max_events=3)).ack()
        await take(queue, max_events=3)
        books = await queue.books()

    async with opened(durable_queue_settings) as queue:
        found = await queue.books()
        if books.held is None:
            assert found == books
        assert found.published == books.published
        assert len(found.queued) + (found.held or 0) == 3
        assert await take_all(queue) == blocks[1:]


PUBLISH_THEN_DIE = """
import asyncio, os, pathlib, signal, sys
from tallystick.config import Settings
from tallystick.queue import make_queue
from tests.helpers.samples import sample_block

async def main():
    queue = make_queue(Settings(data=pathlib.Path(sys.argv[1]), queue_url=sys.argv[2], disk_reserve_bytes=0))
    await queue.open()
    await queue.publish([sample_block(0, [1]), sample_block(1, [2])])
    await queue.consume(1, 0)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_what_a_killed_process_published_is_delivered(durable_queue_settings: Settings) -> None:
    """G1, G11: once `publish` has returned, kill -9 loses nothing, and the next process takes over by itself."""
    await asyncio.to_thread(run_and_die, durable_queue_settings)

    async with opened(durable_queue_settings.model_copy(update={"queue_takeover_seconds": 0.5})) as queue:
        blocks = await take_blocks(queue, 2)
        assert sorted(blocks, key=lambda block: block.seq) == [sample_block(0, [1]), sample_block(1, [2])]


def run_and_die(settings: Settings) -> None:
    arguments = [sys.executable, "-c", PUBLISH_THEN_DIE, str(settings.data), settings.queue_url]
    killed = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr


DEATHS = 25
CONSUME_THEN_DIE = """
import asyncio, os, pathlib, signal, sys
from tallystick.config import Settings
from tallystick.queue import make_queue

async def main():
    settings = Settings(
        data=pathlib.Path(sys.argv[1]), queue_url=sys.argv[2], disk_reserve_bytes=0, queue_takeover_seconds=0.5
    )
    queue = make_queue(settings)
    await queue.open()
    while await queue.consume(1, 1.0) is None:
        pass
    os.kill(os.getpid(), signal.SIGKILL)

for _ in range(int(sys.argv[3])):
    child = os.fork()
    if child == 0:
        asyncio.run(main())
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        sys.exit("a consumer ended before it had the block")
"""


@pytest.mark.faults
async def test_a_consumer_that_dies_25_times_on_one_block(
    durable_queue_settings: Settings, record_property: Record
) -> None:
    """G3, G7, G11: no queue drops a block that was delivered often: what is poison is the worker's to say."""
    record_property(REPETITIONS, DEATHS)
    blocks = [sample_block(seq, [seq]) for seq in range(2)]
    async with opened(durable_queue_settings) as queue:
        await queue.publish(blocks)
    settings = durable_queue_settings
    arguments = [sys.executable, "-c", CONSUME_THEN_DIE, str(settings.data), settings.queue_url, str(DEATHS)]
    done = await asyncio.to_thread(
        subprocess.run, arguments, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    async with opened(settings.model_copy(update={"queue_takeover_seconds": 0.5})) as queue:
        assert sorted(await take_blocks(queue, 2), key=lambda block: block.seq) == blocks


async def test_a_second_opening_is_refused(file_queue_settings: Settings) -> None:
    """G11: one process at a time, and the second is refused with that reason."""
    async with opened(file_queue_settings):
        with pytest.raises(AlreadyRunning):
            await make_queue(file_queue_settings).open()

    async with opened(file_queue_settings):
        pass


# --- what is promised, and what is damaged --------------------------------------------------------------------------


async def test_durability_is_named(queue: Queue) -> None:
    """G1: operators see the real level. (`2 of 3 replicas` is that of Kafka on three brokers.)"""
    assert queue.durability in {"fsync", "memory", "2 of 3 replicas"}


async def test_a_queue_that_can_lose_events_has_to_be_allowed(queue_settings: Settings) -> None:
    """G1: refused at the start, with what to set, unless it is allowed by name."""
    queue = make_queue(queue_settings.model_copy(update={"allow_weak_durability": False}))
    if queue.durability == "fsync":
        await queue.open()
        await queue.close()
    else:
        with pytest.raises(ConfigError, match="TALLYSTICK_ALLOW_WEAK_DURABILITY=true"):
            await queue.open()


async def test_a_damaged_block_is_handed_on_as_it_is(file_queue_settings: Settings) -> None:
    """G6: one damaged record stops neither the start nor the others, and it is kept until it is acknowledged."""
    blocks = [sample_block(seq, range(seq * 10, seq * 10 + 5)) for seq in range(3)]
    async with opened(file_queue_settings) as queue:
        await queue.publish(blocks)
    damage(file_queue_settings.data, encode_block(blocks[1]))

    async with opened(file_queue_settings) as queue:
        batch = await take(queue)
        assert [block.key for block in batch.blocks] == [block.key for block in blocks]
        assert [batch.blocks[0], batch.blocks[2]] == [blocks[0], blocks[2]]
        assert batch.blocks[1].count == 5
        assert encode_block(blocks[1])[:40] in batch.blocks[1].payload
        with pytest.raises(BlockCorrupt):
            batch.blocks[1].lines()
    async with opened(file_queue_settings) as queue:
        assert len((await queue.books()).queued) == 3
        await (await take(queue)).ack()
        assert (await queue.depth()).blocks == 0


def damage(folder: Path, data: bytes) -> None:
    """Change one byte in the middle of `data`, wherever a file of the folder holds it."""
    for path in folder.iterdir():
        content = bytearray(path.read_bytes())
        start = content.find(data)
        if start >= 0:
            content[start + len(data) // 2] ^= 0xFF
            path.write_bytes(content)
            return
    raise AssertionError("no file holds the block in one piece")
