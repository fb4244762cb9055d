"""What vanishes from a stream in Redis, what is no block, what is kept for other groups, what is tidied away."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from tallystick.config import Settings
from tallystick.errors import BlockCorrupt
from tallystick.metrics import Metrics
from tallystick.model.block import encode_block
from tallystick.model.books import close_books
from tallystick.queue import make_queue
from tallystick.queue.redis import RedisQueue
from tallystick.queue.redis import queue as redis_queue
from tallystick.queue.redis.scripts import SCRIPTS
from tests.helpers.queue.redis_steps import TAKEOVER, Stream, hang, until
from tests.helpers.queue.steps import NO_WAIT, PATIENCE, opened, take, take_all, take_blocks
from tests.helpers.samples import INGESTER, incompressible_block, sample_block

# --- gone -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seq", [0, 1, 2])
async def test_a_block_that_vanished_before_its_delivery_is_an_alarm(
    impatient: Settings, stream: Stream, seq: int
) -> None:
    """G4: logged as an error, counted, and in the books; the others come."""
    metrics = Metrics()
    queue = make_queue(impatient, metrics)
    await queue.open()
    await queue.publish([sample_block(n, [n]) for n in range(3)])
    stream.ask("XDEL", "blocks", stream.ids[seq])
    with structlog.testing.capture_logs() as logs:
        assert [block.seq for block in await take_all(queue)] == [n for n in range(3) if n != seq]
    _, differences = close_books(await queue.books(), {})
    depth = await queue.depth()
    await queue.close()

    assert [(line["log_level"], line["blocks"], line["events"]) for line in logs] == [
        ("error", [f"{INGESTER}-{seq}"], 1)
    ]
    assert metrics.registry.get_sample_value("tallystick_queue_blocks_gone_total") == 1
    assert (depth.blocks, depth.events, depth.bytes) == (0, 0, 0)
    assert len(differences) == 1


async def test_a_block_that_vanished_after_its_delivery_is_an_alarm(impatient: Settings, stream: Stream) -> None:
    """G4: the third element of XAUTOCLAIM's answer."""
    metrics = Metrics()
    async with opened(impatient) as dead:
        await dead.publish([sample_block(seq, [seq]) for seq in range(3)])
        batch = await take(dead)
        hang(dead)
        stream.ask("XDEL", "blocks", stream.ids[1])
        queue = make_queue(impatient, metrics)
        await queue.open()
        with structlog.testing.capture_logs() as logs:
            blocks = await take_blocks(queue, 2)
        await queue.close()
        assert len(batch.blocks) == 3

    assert [block.seq for block in blocks] == [0, 2]
    errors = [line for line in logs if line["log_level"] == "error"]
    assert [(error["blocks"], error["events"]) for error in errors] == [([f"{INGESTER}-1"], 1)]
    assert metrics.registry.get_sample_value("tallystick_queue_blocks_gone_total") == 1


async def test_entries_that_are_no_blocks_are_passed_over_and_kept(impatient: Settings, stream: Stream) -> None:
    """G6: foreign entries in the stream stop nothing and delete nothing."""
    async with opened(impatient) as queue:
        await queue.publish([sample_block(0, [0])])
        stream.ask("XADD", "blocks", "*", "anything", "else")
        await queue.publish([sample_block(1, [1]), sample_block(2, [2])])
        with structlog.testing.capture_logs() as logs:
            assert [block.seq for block in await take_all(queue)] == [0, 1, 2]
            assert await queue.consume(10, 2 * TAKEOVER) is None

        assert [line["event"] for line in logs] == ["entries that are not blocks are skipped"]
        assert len(stream.ids) == 1
        assert (await queue.depth()).blocks == 0


async def test_a_damaged_block_is_handed_on_with_its_bytes(impatient: Settings, stream: Stream) -> None:
    """G6: the worker sets it aside; the others come beside it."""
    damaged = bytearray(encode_block(sample_block(1, range(5))))
    damaged[len(damaged) // 2] ^= 0xFF
    async with opened(impatient) as queue:
        assert isinstance(queue, RedisQueue)
        await queue.publish([sample_block(0, [0])])
        arguments = (10_000_000, INGESTER, 1, 5, bytes(damaged))
        await queue._publishing.run(SCRIPTS["publish"], tuple(stream.names.values()), *arguments)
        batch = await take(queue)

        assert batch.blocks[0] == sample_block(0, [0])
        assert (batch.blocks[1].key, batch.blocks[1].count) == ((INGESTER, 1), 5)
        assert batch.blocks[1].payload == bytes(damaged)
        with pytest.raises(BlockCorrupt):
            batch.blocks[1].lines()
        await batch.ack()
        assert (await queue.depth()).blocks == 0


# --- other groups, tidying ------------------------------------------------------------------------------------------


async def test_an_entry_stays_until_every_group_is_done_with_it(impatient: Settings, stream: Stream) -> None:
    """G5: nothing is trimmed that a worker has yet to read; it counts against the budget until then."""
    async with opened(impatient) as queue:
        await queue.publish([sample_block(seq, [seq]) for seq in range(4)])
        stream.ask("XGROUP CREATE", "blocks", "audit", "0")
        ids = stream.ids
        assert len(await take_all(queue)) == 4
        assert stream.ids == ids
        assert ((await queue.depth()).blocks, (await queue.books()).queued) == (0, [])
        assert (await queue.depth()).bytes == sum(len(encode_block(sample_block(seq, [seq]))) for seq in range(4))

        stream.ask("XREADGROUP GROUP audit me COUNT 3 STREAMS", "blocks", ">")
        stream.ask("XACK", "blocks", "audit", ids[0], ids[2])
        await until(lambda: stream.ids == ids[1:])
        await asyncio.sleep(2 * TAKEOVER)
        assert stream.ids == ids[1:]
        stream.ask("XACK", "blocks", "audit", ids[1])
        await until(lambda: stream.ids == ids[3:])
        stream.ask("XGROUP DESTROY", "blocks", "audit")
        await until(lambda: stream.ids == [])

        assert (await queue.depth()).bytes == 0


async def test_consumers_with_something_pending_are_not_removed(impatient: Settings, stream: Stream) -> None:
    """G3: removing one would drop what it has."""
    async with opened(impatient) as queue:
        await queue.publish([sample_block(0, [0])])
        stream.ask("XGROUP CREATE", "blocks", "tallystick", "0")
        stream.ask("XGROUP CREATECONSUMER", "blocks", "tallystick", "idle")
        stream.ask("XREADGROUP GROUP tallystick busy COUNT 1 STREAMS", "blocks", ">")
        assert await queue.consume(1, NO_WAIT) is None
        assert stream.consumers == {"idle": 0, "busy": 1}

        assert [block.seq for block in await take_blocks(queue, 1)] == [0]
        await until(lambda: "idle" not in stream.consumers and "busy" not in stream.consumers)


async def test_ingesters_that_are_long_gone_are_retired(impatient: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """G4: those without queued blocks; one that lives gives signs of life; the ledger alone has the others."""
    for name, seconds in {"RETIRE_EVERY": 0.1, "TOUCH_EVERY": 0.1, "RETIRE_AFTER": 1.0}.items():
        monkeypatch.setattr(redis_queue, name, seconds)
    silent, waiting, alive = (f"{number:016x}" for number in range(3))
    async with opened(impatient) as consumer, opened(impatient) as publisher:
        for ingester in (silent, alive, waiting):
            await publisher.publish([sample_block(0, [0], ingester)])
        await (await take(consumer, max_events=2)).ack()
        await publisher.publish([sample_block(1, [1], alive)])
        held = await take(consumer, max_events=1)

        async with asyncio.timeout(PATIENCE):
            while silent in (await consumer.books()).published:  # noqa: ASYNC110 - Redis says nothing of it
                await asyncio.sleep(0.05)

        await asyncio.sleep(1.0)
        assert (await consumer.books()).published.keys() == {waiting, alive}
        assert [block.key for block in held.blocks] == [(waiting, 0)]


async def test_the_books_are_read_in_pages(impatient: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """G4: the whole of it, whether or not the last page is full."""
    monkeypatch.setattr(redis_queue, "PAGE", 4)
    async with opened(impatient) as queue:
        for seq in range(9):
            await queue.publish([sample_block(seq, [seq])])
            assert [block.seq for block in (await queue.books()).queued] == list(range(seq + 1))


async def test_large_blocks_come_in_portions(impatient: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis does nothing else while it hands blocks over, so it hands over a bounded part."""
    monkeypatch.setattr(redis_queue, "MOST_BYTES", 250_000)
    async with opened(impatient) as queue:
        await queue.publish([incompressible_block(seq) for seq in range(5)])

        sizes = []
        while (batch := await queue.consume(1_000, NO_WAIT)) is not None:
            sizes.append(len(batch.blocks))
            await batch.ack()
        assert sizes == [2, 2, 1]
