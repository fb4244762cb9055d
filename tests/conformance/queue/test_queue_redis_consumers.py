"""Several consumers of the queue in Redis: who has a block, who takes it over, who gets what was refused."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.queue import Queue
from tallystick.queue.redis import RedisQueue
from tests.helpers.queue.redis_steps import Stream, hang, waited
from tests.helpers.queue.steps import NO_WAIT, PATIENCE, opened, take, take_all, take_blocks
from tests.helpers.samples import sample_block

# --- taken over -----------------------------------------------------------------------------------------------------


ALIVE = 2.0
"""Seconds until takeover, in tests in which no worker must look dead."""

CONSUME_AND_HANG = """
import asyncio, pathlib, sys
from tallystick.config import Settings
from tallystick.queue import make_queue

async def main():
    settings = Settings(data=pathlib.Path("."), queue_url=sys.argv[1], queue_takeover_seconds=float(sys.argv[2]))
    queue = make_queue(settings)
    await queue.open()
    batch = await queue.consume(2, 20.0)
    print(*[block.seq for block in batch.blocks], flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def alive(impatient: Settings) -> Settings:
    """Enough time for signs of life on a machine that does other things too."""
    return impatient.model_copy(update={"queue_takeover_seconds": ALIVE})


async def test_a_running_consumer_takes_over_from_one_that_is_killed(alive: Settings) -> None:
    """G3, G11: after the idle time, not before and not only at the start."""
    other = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CONSUME_AND_HANG,
        alive.queue_url,
        str(ALIVE),
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    async with opened(alive) as queue:
        await queue.publish([sample_block(seq, [seq]) for seq in range(2)])
        assert await other.stdout.readline() == b"0 1\n"
        assert await queue.consume(10, 2 * ALIVE) is None  # it lives: its blocks are its own
        other.send_signal(signal.SIGKILL)
        await other.wait()

        assert [block.seq for block in await take_blocks(queue, 2)] == [0, 1]


async def test_a_slow_consumer_keeps_what_it_has(alive: Settings) -> None:
    """G3: a store that takes long does not look like a death."""
    async with opened(alive) as slow, opened(alive) as other:
        await slow.publish([sample_block(seq, [seq]) for seq in range(3)])
        batch = await take(slow)

        assert await other.consume(10, 2 * ALIVE) is None

        await batch.ack()
        assert await other.consume(10, NO_WAIT) is None
        assert (await other.depth()).blocks == 0


async def test_what_was_taken_over_can_still_be_acknowledged_or_refused_by_the_first(
    impatient: Settings, stream: Stream
) -> None:
    """G3: a worker that hung stored the blocks after all, or did not; no block is taken over a second time."""
    async with opened(impatient) as queue, opened(impatient) as other:
        await queue.publish([sample_block(seq, [seq]) for seq in range(2)])
        stored, refused = await take(queue, max_events=1), await take(queue, max_events=1)
        hang(queue)
        taken_over = [await waited(other)]
        if len(taken_over[0].blocks) == 1:  # the first was idle for long enough a moment earlier
            taken_over.append(await waited(other))
        assert [block.seq for batch in taken_over for block in batch.blocks] == [0, 1]

        await refused.nack()
        await stored.ack()

        assert await queue.consume(10, NO_WAIT) is None
        for batch in taken_over:
            await batch.ack()
        assert (await other.depth()).blocks == 0
        assert stream.ids == []


async def test_a_batch_that_is_dropped_without_a_word_is_given_back(impatient: Settings) -> None:
    """G3: a worker's failure between two acknowledgements leaves no block waiting until the restart."""
    async with opened(impatient) as queue:
        await queue.publish([sample_block(0, [0])])
        await take(queue)

        assert [block.seq for block in await take_blocks(queue, 1)] == [0]


async def test_what_another_refuses_comes_at_once_and_in_order(settings: Settings, redis_url: str) -> None:
    """G3: to a consumer that waits, long before the idle time."""
    patient = settings.model_copy(update={"queue_url": redis_url, "queue_takeover_seconds": 600.0})
    async with opened(patient) as one, opened(patient) as other:
        await one.publish([sample_block(seq, [seq]) for seq in range(3)])
        batches = [await take(one, max_events=1) for _ in range(3)]
        waiting = asyncio.create_task(waited(other))
        await asyncio.sleep(0.05)
        for batch in reversed(batches):
            await batch.nack()

        first = await waiting

        rest = await take_all(other)
        assert sorted([block.seq for block in first.blocks] + [block.seq for block in rest]) == [0, 1, 2]
        await first.ack()


async def test_what_a_closed_consumer_had_comes_at_once(settings: Settings, redis_url: str, stream: Stream) -> None:
    """G11: a rolling restart waits for no idle time."""
    patient = settings.model_copy(update={"queue_url": redis_url, "queue_takeover_seconds": 600.0})
    async with opened(patient) as other:
        async with opened(patient) as one:
            await one.publish([sample_block(seq, [seq]) for seq in range(3)])
            batch = await take(one)
            waiting = asyncio.create_task(waited(other))
            await asyncio.sleep(0.05)
        assert len(batch.blocks) == 3

        again = await waiting

        assert [block.seq for block in again.blocks] == [0, 1, 2]
        assert list(stream.consumers.values()) == [3]
        await again.ack()


async def test_an_answer_that_was_lost_is_given_back(settings: Settings, redis_url: str, stream: Stream) -> None:
    """G3: Redis delivered, the connection broke: Redis counts blocks as ours that never came."""
    patient = settings.model_copy(update={"queue_url": redis_url, "queue_takeover_seconds": 600.0})
    async with opened(patient) as queue:
        assert isinstance(queue, RedisQueue)
        await queue.publish([sample_block(seq, [seq]) for seq in range(2)])
        held = await take(queue, max_events=1)
        stream.ask("XREADGROUP GROUP tallystick " + queue._me + " COUNT 1 STREAMS", "blocks", ">")
        assert stream.consumers == {queue._me: 2}
        queue._doubt = True  # as after any delivery that failed

        assert [block.seq for block in await take_all(queue)] == [1]
        await held.ack()
        assert (await queue.depth()).blocks == 0


async def test_two_publish_and_two_consume_and_the_books_close(impatient: Settings) -> None:
    """G4: each block is acknowledged once, whichever worker refused it before, and deleted."""
    per_ingester = 150
    seen: list[tuple[str, int]] = []

    async def publish_all(queue: Queue, ingester: str) -> None:
        for seq in range(0, per_ingester, 3):
            await queue.publish([sample_block(seq + n, [seq + n], ingester) for n in range(3)])

    async def consume_all(queue: Queue, every: int) -> None:
        taken = 0
        while len(seen) < 2 * per_ingester:
            batch = await queue.consume(7, 0.05)
            if batch is None:
                continue
            taken += 1
            if taken % every == 0:
                await batch.nack()
                continue
            await batch.ack()
            seen.extend(block.key for block in batch.blocks)

    async with opened(impatient) as one, opened(impatient) as two:
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(publish_all(one, "0" * 16))
            group.create_task(publish_all(two, "1" * 16))
            group.create_task(consume_all(one, 11))
            group.create_task(consume_all(two, 5))
        books, depth = await one.books(), await two.depth()

    assert sorted(seen) == [(ingester, seq) for ingester in ("0" * 16, "1" * 16) for seq in range(per_ingester)]
    assert {name: (p.next_seq, p.events) for name, p in books.published.items()} == {
        "0" * 16: (per_ingester, per_ingester),
        "1" * 16: (per_ingester, per_ingester),
    }
    assert books.queued == []
    assert (depth.blocks, depth.events, depth.bytes) == (0, 0, 0)
