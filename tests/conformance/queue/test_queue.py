"""What every queue does: the contract of `tallystick.queue.base`, behaviour by behaviour, on every backend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from tallystick.model.block import encode_block
from tallystick.model.books import Published
from tallystick.queue import Depth, Queue
from tallystick.queue.kafka.queue import KafkaQueue
from tallystick.queue.memory import MemoryQueue
from tallystick.queue.rabbitmq.queue import RabbitQueue
from tallystick.queue.redis.queue import RedisQueue
from tallystick.queue.sqlite.queue import SqliteQueue
from tests.helpers.queue.steps import NO_WAIT, PATIENCE, reopen, take, take_all
from tests.helpers.samples import INGESTER, block_of, incompressible_block, sample_block, sample_event

LONG = 600.0
"""Seconds that no test waits in full: something has to happen before."""
CLOCKS = 0.05
"""Seconds by which a server's clock and this process's may be read apart."""


# --- in and out -----------------------------------------------------------------------------------------------------


async def test_blocks_come_out_as_they_went_in_and_in_order(queue: Queue) -> None:
    blocks = [sample_block(seq, range(seq * 10, seq * 10 + 3)) for seq in range(20)]
    for block in blocks:
        await queue.publish([block])

    assert await take_all(queue) == blocks


async def test_several_blocks_in_one_publish_keep_their_order(queue: Queue) -> None:
    blocks = [sample_block(seq, [seq]) for seq in range(5)]

    await queue.publish(blocks)

    assert list((await take(queue)).blocks) == blocks


async def test_a_block_with_every_kind_of_byte_comes_back_the_same(queue: Queue) -> None:
    event = sample_event(1, name="\x00 ☃ \U0001f600 \x7f", properties='{"k":"\\u0000\\ud800 é"}'.encode())
    block = block_of(0, [event])

    await queue.publish([block])

    (received,) = (await take(queue)).blocks
    assert received.lines() == block.lines()
    assert encode_block(received) == encode_block(block)


async def test_an_acknowledged_block_is_forgotten(queue: Queue) -> None:
    await queue.publish([sample_block(0, [1])])

    await (await take(queue)).ack()

    assert await queue.consume(10, NO_WAIT) is None
    await reopen(queue)
    assert await queue.consume(10, NO_WAIT) is None


async def test_a_delivered_block_is_nobody_elses(queue: Queue) -> None:
    await queue.publish([sample_block(0, [1])])

    batch = await take(queue)

    assert await queue.consume(10, NO_WAIT) is None
    await batch.ack()


async def test_refused_blocks_are_delivered_again_before_newer_ones_and_in_order(queue: Queue) -> None:
    blocks = [sample_block(seq, [seq]) for seq in range(4)]
    await queue.publish(blocks[:3])
    batch = await take(queue)
    await queue.publish(blocks[3:])

    await batch.nack()

    assert await take_all(queue) == blocks


async def test_batches_refused_out_of_order_are_delivered_in_order(queue: Queue) -> None:
    blocks = [sample_block(seq, [seq]) for seq in range(3)]
    await queue.publish(blocks)
    batches = [await take(queue, max_events=1) for _ in blocks]

    for batch in reversed(batches):
        await batch.nack()

    assert await take_all(queue) == blocks


# --- how much, how long ---------------------------------------------------------------------------------------------


async def test_a_batch_holds_at_most_max_events(queue: Queue) -> None:
    await queue.publish([sample_block(seq, range(10)) for seq in range(5)])

    sizes = []
    while (batch := await queue.consume(29, NO_WAIT)) is not None:
        sizes.append(sum(block.count for block in batch.blocks))
        await batch.ack()

    assert sizes == [20, 20, 10]


async def test_a_batch_holds_at_most_max_bytes(queue: Queue) -> None:
    """Large events must not fill a worker's memory, however few they are."""
    blocks = [incompressible_block(seq) for seq in range(5)]
    await queue.publish(blocks)
    most = 2 * len(encode_block(blocks[0])) + 10_000

    sizes = []
    while (batch := await queue.consume(1_000, NO_WAIT, most)) is not None:
        sizes.append(len(batch.blocks))
        await batch.ack()

    assert sizes == [2, 2, 1]


async def test_a_batch_holds_at_least_one_block_of_any_size(queue: Queue) -> None:
    await queue.publish([incompressible_block(seq) for seq in range(2)])

    batch = await queue.consume(1_000, NO_WAIT, 0)
    assert batch is not None
    assert [block.seq for block in batch.blocks] == [0]
    await batch.nack()
    assert len(await take_all(queue)) == 2


async def test_a_batch_holds_at_least_one_block(queue: Queue) -> None:
    await queue.publish([sample_block(seq, range(10)) for seq in range(2)])

    batch = await take(queue, max_events=1)

    assert [block.seq for block in batch.blocks] == [0]
    await batch.ack()


async def test_consume_waits_for_a_first_block_and_then_gives_up(queue: Queue) -> None:
    start = time.monotonic()

    assert await queue.consume(10, 0.1) is None

    assert time.monotonic() - start >= 0.1


async def test_consume_returns_as_soon_as_a_block_arrives(queue: Queue) -> None:
    waiting = asyncio.create_task(queue.consume(10, LONG))
    await asyncio.sleep(0.05)
    await queue.publish([sample_block(0, [1])])

    batch = await asyncio.wait_for(waiting, PATIENCE)

    assert batch is not None
    await batch.ack()


async def test_consume_returns_as_soon_as_a_block_is_given_back(queue: Queue) -> None:
    await queue.publish([sample_block(0, [1])])
    batch = await take(queue)
    waiting = asyncio.create_task(queue.consume(10, LONG))
    await asyncio.sleep(0.05)
    await batch.nack()

    again = await asyncio.wait_for(waiting, PATIENCE)

    assert again is not None
    await again.ack()


async def test_a_consume_that_was_cancelled_takes_nothing(queue: Queue) -> None:
    """G11: a worker that stops while it waits leaves every block to the next."""
    waiting = asyncio.create_task(queue.consume(10, LONG))
    await asyncio.sleep(0.02)
    publishing = asyncio.create_task(queue.publish([sample_block(0, [1])]))
    waiting.cancel()
    await asyncio.wait([waiting, publishing])

    assert [block.seq for block in await take_all(queue)] == [0]


# --- one batch for one transaction of the store ---------------------------------------------------------------------


async def test_a_batch_gathers_what_comes_within_its_linger_and_is_acknowledged_at_once(queue: Queue) -> None:
    """On a busy machine the second block may come too late for the first one's batch: then the next ones are tried."""
    published, seqs = 0, [0]
    async with asyncio.timeout(PATIENCE):
        while len(seqs) == 1:
            waiting = asyncio.create_task(queue.consume(1_000, LONG, linger=0.5))
            first = published
            for _ in range(10):
                await queue.publish([sample_block(published, [published])])
                published += 1

            batch = await waiting
            assert batch is not None
            seqs = [block.seq for block in batch.blocks]
            await batch.ack()
            left = [block.seq for block in await take_all(queue)]
            assert seqs + left == list(range(first, published))


async def test_a_batch_that_is_full_does_not_linger(queue: Queue) -> None:
    await queue.publish([sample_block(seq, range(10)) for seq in range(5)])

    for size in (20, 20):
        batch = await asyncio.wait_for(queue.consume(29, NO_WAIT, linger=LONG), PATIENCE)
        assert batch is not None
        assert sum(block.count for block in batch.blocks) == size
        await batch.ack()


async def test_a_gathering_that_was_cancelled_takes_nothing(queue: Queue) -> None:
    """G11: a worker that stops while it gathers leaves every block, in order, to the next."""
    await queue.publish([sample_block(0, [0])])
    waiting = asyncio.create_task(queue.consume(10, LONG, linger=LONG))
    await asyncio.sleep(0.1)
    await queue.publish([sample_block(1, [1])])
    await asyncio.sleep(0.1)
    waiting.cancel()
    await asyncio.wait([waiting])

    assert [block.seq for block in await take_all(queue)] == [0, 1]


async def test_blocks_that_are_not_stored_are_given_back_by_the_same_acknowledgement(queue: Queue) -> None:
    blocks = [sample_block(seq, [seq]) for seq in range(5)]
    await queue.publish(blocks)

    await (await take(queue)).ack(but={blocks[1].key, blocks[3].key})

    assert [block.seq for block in await take_all(queue)] == [1, 3]
    await reopen(queue)
    assert await take_all(queue) == []


async def test_a_batch_is_acknowledged_by_one_step(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """One commit, script or acknowledgement, however many blocks: publishes wait behind each of them."""
    await queue.publish([sample_block(seq, [seq]) for seq in range(200)])
    batch = await take(queue)
    assert len(batch.blocks) > 10  # RabbitMQ delivers few before it is known how large they are
    steps = steps_of(queue, monkeypatch)

    await batch.ack()

    assert len(steps) <= 1
    assert len(await take_all(queue)) == 200 - len(batch.blocks)


def steps_of(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with each commit, script or acknowledgement that the queue asks its file or server for."""
    steps: list[str] = []

    def count(target: object, name: str) -> None:
        original = getattr(target, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            steps.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(target, name, counted)

    def commits() -> bool:
        steps.append("commit")
        return False  # go on with it

    match queue:
        case SqliteQueue():
            queue._writer.set_commit_hook(commits)
        case RedisQueue():
            count(queue._working, "run")
        case RabbitQueue():
            session = queue._consuming._session
            assert session is not None
            count(session._channel._driver, "basic_ack")
        case KafkaQueue():
            membership = queue._consuming._session
            assert membership is not None
            monkeypatch.setattr(membership._member, "_driver", Counted(membership._member._driver, steps))
        case _:
            assert isinstance(queue, MemoryQueue)
    return steps


class Counted:
    """A consumer of Kafka's driver, whose attributes cannot be replaced, with its commits counted."""

    def __init__(self, driver: Any, steps: list[str]) -> None:
        self._driver = driver
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        if name == "commit":
            self._steps.append(name)
        return getattr(self._driver, name)


# --- many at once ---------------------------------------------------------------------------------------------------


async def test_many_publishers_at_once_lose_nothing(queue: Queue) -> None:
    ingesters = [f"{number:016x}" for number in range(8)]

    async def publish_all(ingester: str) -> None:
        for seq in range(10):
            await queue.publish([sample_block(seq, [seq], ingester)])

    await asyncio.gather(*map(publish_all, ingesters))

    keys = [block.key for block in await take_all(queue)]
    assert sorted(keys) == [(ingester, seq) for ingester in ingesters for seq in range(10)]
    assert all([seq for name, seq in keys if name == ingester] == list(range(10)) for ingester in ingesters)


async def test_publishing_and_consuming_at_once_lose_nothing(queue: Queue) -> None:
    async def publish_all() -> None:
        for seq in range(50):
            await queue.publish([sample_block(seq, [seq])])

    async def consume_all() -> list[int]:
        seqs: list[int] = []
        while len(seqs) < 50:
            batch = await queue.consume(3, LONG)
            assert batch is not None
            seqs += [block.seq for block in batch.blocks]
            await batch.ack()
        return seqs

    _, seqs = await asyncio.gather(publish_all(), consume_all())

    assert seqs == list(range(50))


async def cancel_after(seconds: float, call: Coroutine[object, object, None]) -> None:
    """Start the call and cancel it that much later."""
    task = asyncio.create_task(call)
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait([task])


async def test_a_cancelled_publish_is_delivered_when_the_books_have_it(naming_queue: Queue) -> None:
    """G1, G4: a client that goes away during the commit leaves no block that is kept but never delivered."""
    queue = naming_queue
    for number in range(30):
        block = incompressible_block(0, ingester=f"{number:016x}")
        await cancel_after(number * 0.0001, queue.publish([block]))
    await queue.publish([sample_block(0, [1])])  # whatever the cancelled ones left under way is done when this one is

    kept = [(block.ingester, block.seq) for block in (await queue.books()).queued]

    assert [block.key for block in await take_all(queue)] == kept


async def test_a_cancelled_acknowledgement_leaves_the_books_and_the_depth_in_step(queue: Queue) -> None:
    """G4, G11: a worker that is stopped during the acknowledgement."""
    for seq in range(30):
        await queue.publish([incompressible_block(seq)])
        await cancel_after(seq * 0.0001, (await take(queue)).ack())
    await queue.publish([sample_block(30, [30])])
    await (await take(queue, max_events=1)).ack()

    assert (await queue.depth()).blocks == len((await queue.books()).queued)


# --- depth and books ------------------------------------------------------------------------------------------------


async def test_an_empty_queue_has_no_age(queue: Queue) -> None:
    depth = await queue.depth()

    assert (depth.blocks, depth.events, depth.bytes, depth.oldest_age) == (0, 0, 0, None)


async def test_blocks_are_counted_until_the_acknowledgement(queue: Queue) -> None:
    """Whatever else a queue knows: how many blocks wait for it or are in this process."""
    await queue.publish([sample_block(0, range(3)), sample_block(1, range(4))])
    counts = [(await queue.depth()).blocks]
    batch = await take(queue)
    counts.append((await queue.depth()).blocks)
    await batch.nack()
    counts.append((await queue.depth()).blocks)
    await reopen(queue)
    counts.append((await queue.depth()).blocks)
    await (await take(queue, max_events=3)).ack()
    counts.append((await queue.depth()).blocks)
    await (await take(queue)).ack()

    assert counts == [2, 2, 2, 2, 1]
    assert await queue.depth() == Depth(0, 0, 0, None)


async def test_depth_counts_until_the_acknowledgement(counting_queue: Queue) -> None:
    queue = counting_queue
    blocks = [sample_block(0, range(3)), sample_block(1, range(4))]
    size = sum(len(encode_block(block)) for block in blocks)
    await queue.publish(blocks)
    assert_depth(await queue.depth(), 2, 7, size)

    batch = await take(queue)
    assert_depth(await queue.depth(), 2, 7, size)
    await batch.nack()
    assert_depth(await queue.depth(), 2, 7, size)
    await reopen(queue)
    assert_depth(await queue.depth(), 2, 7, size)

    await (await take(queue, max_events=3)).ack()
    assert_depth(await queue.depth(), 1, 4, len(encode_block(blocks[1])))
    await (await take(queue)).ack()
    assert_depth(await queue.depth(), 0, 0, 0)
    assert (await queue.depth()).oldest_age is None


def assert_depth(depth: Depth, blocks: int, events: int, size: int) -> None:
    assert (depth.blocks, depth.events, depth.bytes) == (blocks, events, size)


async def test_age_is_that_of_the_oldest_block(counting_queue: Queue) -> None:
    """However long an answer takes: what it says lies between two looks at the clock."""
    queue = counting_queue

    async def published(number: int) -> tuple[float, float]:
        began = time.time()
        await queue.publish([sample_block(number, [number])])
        return began, time.time()

    async def oldest() -> tuple[float, float]:
        """Between which moments the oldest block was published, as the queue says."""
        began = time.time()
        age = (await queue.depth()).oldest_age
        assert age is not None
        return began - age, time.time() - age

    def agree(said: tuple[float, float], happened: tuple[float, float]) -> bool:
        return said[0] <= happened[1] + CLOCKS and said[1] >= happened[0] - CLOCKS

    first = await published(0)
    await asyncio.sleep(4 * CLOCKS)
    second = await published(1)
    assert agree(await oldest(), first)
    await (await take(queue, max_events=1)).ack()
    until = time.monotonic() + PATIENCE
    while not agree(await oldest(), second):  # Kafka may give what it said of a partition for a second more
        assert time.monotonic() < until
        await asyncio.sleep(CLOCKS)
    await asyncio.sleep(4 * CLOCKS)
    assert agree(await oldest(), second)


async def test_books_say_what_was_published_and_what_waits(queue: Queue) -> None:
    """G4: the queue's side of the books."""
    other = "00000000000000bb"
    await queue.publish([sample_block(0, range(3)), sample_block(1, range(4))])
    await queue.publish([sample_block(0, range(5), other)])
    await (await take(queue, max_events=3)).ack()
    delivered = await take(queue, max_events=4)

    books = await queue.books()

    assert dict(books.published) == {INGESTER: Published(2, 7), other: Published(1, 5)}
    assert [(b.ingester, b.seq, b.count) for b in books.queued] == [(INGESTER, 1, 4), (other, 0, 5)]
    await delivered.ack()


async def test_books_are_one_look(queue: Queue) -> None:
    """G4: what is published and not acknowledged is queued, whatever else goes on."""
    done = asyncio.Event()

    async def publish_all() -> None:
        for seq in range(40):
            await queue.publish([sample_block(seq, [seq])])
        done.set()

    publishing = asyncio.create_task(publish_all())
    while not done.is_set():
        books = await queue.books()
        published = books.published.get(INGESTER, Published(0, 0))
        assert published.next_seq == published.events
        if books.held is None:
            assert published.next_seq == len(books.queued)
        else:  # it counts the blocks that it does not name, a moment later
            assert published.next_seq <= len(books.queued) + books.held
        await asyncio.sleep(0)
    await publishing
