"""What only the queue on RabbitMQ does: returns and refusals, notes beside it, several processes, its settings."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator

import pytest

from tallystick.config import MIB, Settings
from tallystick.errors import BlockCorrupt, ConfigError, QueueUnavailable
from tallystick.model.block import encode_block
from tallystick.model.books import IngesterLedger, Published, close_books
from tallystick.queue import Depth, Queue, make_queue
from tallystick.queue.rabbitmq import consuming
from tallystick.queue.rabbitmq.address import parse_address
from tallystick.queue.rabbitmq.connection import connect
from tallystick.queue.rabbitmq.consuming import FIRST_BLOCKS
from tests.faults.times import REPETITIONS, Record
from tests.helpers.queue.rabbitmq_steps import drain, fresh, name_of
from tests.helpers.queue.steps import NO_WAIT, PATIENCE, opened, reopen, take, take_all
from tests.helpers.samples import INGESTER, incompressible_block, sample_block
from tests.servers.rabbitmq import RabbitServer

DELIVERIES = 25


@pytest.fixture
async def queue(rabbit: Settings) -> AsyncIterator[Queue]:
    async with opened(rabbit) as queue:
        yield queue


# --- the name of the time before -----------------------------------------------------------------------------------


async def test_blocks_under_the_old_default_name_are_not_passed_over(
    rabbitmq_server: RabbitServer, rabbit: Settings
) -> None:
    """G1: a new, empty queue beside them would leave accepted events waiting for ever."""
    url = rabbit.queue_url.replace(f"queue={name_of(rabbit)}", "queue=")
    old = rabbit.model_copy(update={"queue_url": f"{url}runnel"})
    default = rabbit.model_copy(update={"queue_url": url.replace("?queue=", "")})
    try:
        async with opened(old) as queue:
            await queue.publish([sample_block(seq, [seq]) for seq in range(3)])

        with pytest.raises(ConfigError, match=r"has 3 blocks in the queue 'runnel'.* add \?queue=runnel to"):
            await make_queue(default).open()

        async with opened(old) as queue:
            assert len(await take_all(queue)) == 3
        async with opened(default) as queue:
            assert (await queue.depth()).blocks == 0
    finally:
        for name in ("runnel", "tallystick"):
            for suffix in ("", ".published"):
                await asyncio.to_thread(rabbitmq_server.ctl, "delete_queue", name + suffix)


# --- full, gone, damaged --------------------------------------------------------------------------------------------


async def test_of_several_blocks_the_first_ones_are_taken(rabbit: Settings) -> None:
    """G4, G5: the outcome is unknown to the caller, and what was taken leaves no hole."""
    async with opened(rabbit.model_copy(update={"queue_max_bytes": MIB})) as queue:
        await queue.publish([incompressible_block(seq) for seq in range(6)])
        other = fresh()
        with pytest.raises(QueueUnavailable):
            await queue.publish([incompressible_block(seq, ingester=other) for seq in range(7)])

        taken = (await queue.books()).published[other]
        delivered = [block.key for block in await take_all(queue)]

    assert 0 < taken.next_seq < 7
    assert delivered[6:] == [(other, seq) for seq in range(taken.next_seq)]


async def test_a_queue_that_was_deleted_is_an_error_and_is_made_again(
    rabbitmq_server: RabbitServer, rabbit: Settings
) -> None:
    """G1: what cannot be routed was not taken."""
    async with opened(rabbit) as queue:
        await queue.publish([sample_block(0, [0])])
        await asyncio.to_thread(rabbitmq_server.ctl, "delete_queue", name_of(rabbit))

        with pytest.raises(QueueUnavailable):
            await queue.publish([sample_block(1, [1])])
        await queue.publish([sample_block(0, [2], other := fresh())])

        assert [block.key for block in await take_all(queue)] == [(other, 0)]


async def test_a_worker_survives_that_its_queue_is_deleted(rabbitmq_server: RabbitServer, rabbit: Settings) -> None:
    async with opened(rabbit) as queue:
        waiting = asyncio.create_task(queue.consume(10, PATIENCE))
        await queue.publish([sample_block(0, [0])])
        batch = await waiting
        assert batch is not None
        await batch.ack()
        await asyncio.to_thread(rabbitmq_server.ctl, "delete_queue", name_of(rabbit))

        assert await queue.consume(10, NO_WAIT) is None
        assert await queue.depth() == Depth(0, 0, 0, None)
        await queue.publish([block := sample_block(0, [1], fresh())])
        assert await take_all(queue) == [block]


async def test_blocks_that_were_deleted_are_missing_in_the_books(
    rabbitmq_server: RabbitServer, rabbit: Settings
) -> None:
    """G4: the notes beside the queue say what it once held."""
    async with opened(rabbit) as queue:
        await queue.publish([sample_block(seq, [seq]) for seq in range(3)])
        stored = {INGESTER: IngesterLedger(1, [], 1, 1, 0, 0, 0)}
        await (await take(queue, max_events=1)).ack()
        assert close_books(await queue.books(), stored)[1] == []
        await asyncio.to_thread(rabbitmq_server.ctl, "purge_queue", name_of(rabbit))
        await reopen(queue)
        await asyncio.to_thread(rabbitmq_server.ctl, "purge_queue", name_of(rabbit))

        totals, differences = close_books(await queue.books(), stored)

    assert totals.missing == 2
    assert [difference.check for difference in differences] == ["sequence"]


async def test_the_stream_of_notes_may_be_deleted(rabbitmq_server: RabbitServer, rabbit: Settings) -> None:
    """G4: without notes less is known, and nothing wrong."""
    async with opened(rabbit) as queue:
        await queue.publish([sample_block(0, [0])])
        await queue.books()
        await asyncio.to_thread(rabbitmq_server.ctl, "delete_queue", parse_address(rabbit).notes)

        await queue.publish([sample_block(1, [1])])
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    books = await queue.books()
                    break
                except QueueUnavailable:
                    await asyncio.sleep(0.02)

    assert books.published == {INGESTER: Published(2, 2)}


async def test_no_number_of_deliveries_is_too_many(queue: Queue, record_property: Record) -> None:
    """G7: 4.x would drop a block after the twentieth; it is Tallystick that decides what is poison."""
    record_property(REPETITIONS, DELIVERIES)
    blocks = [sample_block(seq, [seq]) for seq in range(2)]
    await queue.publish(blocks)

    for _ in range(DELIVERIES):
        await take(queue)
        await reopen(queue)

    assert await take_all(queue) == blocks


async def test_a_damaged_block_is_handed_on_as_it_is(rabbit: Settings) -> None:
    """G6: named by the message's headers; a message that is none of ours by its content."""
    damaged = bytearray(encode_block(sample_block(4, range(5))))
    damaged[len(damaged) // 2] ^= 0xFF
    async with opened(rabbit) as queue:
        await publish_raw(rabbit, bytes(damaged), {"ingester": INGESTER, "seq": 4, "count": 5})
        await publish_raw(rabbit, b"good morning", {})

        (block, greeting) = (await take(queue)).blocks

    assert (block.key, block.count, block.payload) == ((INGESTER, 4), 5, bytes(damaged))
    assert (len(greeting.ingester), greeting.seq, greeting.count, greeting.payload) == (16, 0, 1, b"good morning")
    for found in (block, greeting):
        with pytest.raises(BlockCorrupt):
            found.lines()


async def publish_raw(settings: Settings, body: bytes, headers: dict[str, str | int]) -> None:
    address = parse_address(settings)
    connection = await connect(address, "a test", PATIENCE)
    channel = await connection.channel(confirms=True)
    await channel.publish(address.queue, body, headers)
    await connection.close()


# --- several processes ----------------------------------------------------------------------------------------------


async def test_two_workers_share(rabbit: Settings) -> None:
    """G11: each has what the other has not, and neither has all."""
    small = rabbit.model_copy(update={"rabbitmq_prefetch": 4})
    async with opened(small) as one, opened(small) as two, opened(small) as client:
        assert await one.consume(1, NO_WAIT) is None
        assert await two.consume(1, NO_WAIT) is None
        for seq in range(40):
            await client.publish([sample_block(seq, [seq])])
        loads: list[list[int]] = [[], []]
        async with asyncio.timeout(PATIENCE):
            while sum(map(len, loads)) < 40:
                for queue, load in zip((one, two), loads, strict=True):
                    if (batch := await queue.consume(2, NO_WAIT)) is not None:
                        load += [block.seq for block in batch.blocks]
                        await batch.ack()

    assert sorted(loads[0] + loads[1]) == list(range(40))
    assert min(map(len, loads)) >= 10


async def test_a_worker_with_its_hands_full_waits_for_no_more(rabbit: Settings) -> None:
    """What cannot come before an acknowledgement is not waited for."""
    async with opened(rabbit.model_copy(update={"rabbitmq_prefetch": 2})) as queue:
        await queue.publish([sample_block(seq, [seq]) for seq in range(3)])
        batch = await take(queue)

        async with asyncio.timeout(PATIENCE):
            assert await queue.consume(10, 600.0) is None
            await batch.ack()
            assert (last := await queue.consume(10, 600.0)) is not None

        assert [block.seq for block in [*batch.blocks, *last.blocks]] == [0, 1, 2]


async def test_who_only_asks_knows_what_others_published_and_hold(rabbit: Settings) -> None:
    """G4: in `tallystick serve` the books close over what `tallystick ingest` and `tallystick work` did."""
    small = rabbit.model_copy(update={"rabbitmq_prefetch": 2})
    async with opened(small) as ingest, opened(small) as work, opened(small) as serve:
        await ingest.publish([sample_block(seq, [seq, 100 + seq]) for seq in range(5)])
        await ingest.books()
        before = await serve.books()
        await (await take(work, max_events=1)).ack()
        during = await serve.books()
        depth = await serve.depth()

    assert before.published == during.published == {INGESTER: Published(5, 10)}
    assert (before.queued, before.held) == ([], 5)
    assert (during.queued, during.held) == ([], 2 + 2)  # two that no worker has, and at most two that the worker has
    assert depth == Depth(2, None, None, None)
    assert close_books(before, {})[1] == []
    ledger = {INGESTER: IngesterLedger(1, [], 2, 2, 0, 0, 0)}
    totals, differences = close_books(during, ledger)
    assert differences == []
    assert (totals.accepted, totals.stored, totals.queued) == (10, 2, 8)


async def test_notes_reach_others_without_being_asked_for(rabbit: Settings) -> None:
    async with opened(rabbit) as ingest, opened(rabbit) as serve:
        await ingest.publish([sample_block(0, [0])])
        async with asyncio.timeout(PATIENCE):
            while not (await serve.books()).published:  # noqa: ASYNC110 - a note is written soon, not at once
                await asyncio.sleep(0.01)


async def test_a_process_that_ends_leaves_its_last_note(rabbit: Settings) -> None:
    async with opened(rabbit) as ingest:
        for seq in range(5):
            await ingest.publish([sample_block(seq, [seq])])

    async with opened(rabbit) as serve:
        assert (await serve.books()).published == {INGESTER: Published(5, 5)}


async def test_cancelled_calls_leave_connections_in_step(queue: Queue) -> None:
    """G11: whatever is cancelled, and whenever, the next calls work and nothing confirmed is missing."""
    confirmed = []
    for number in range(60):
        publishing = asyncio.create_task(queue.publish([incompressible_block(0, 50_000, fresh())]))
        consuming = asyncio.create_task(queue.consume(1, PATIENCE))
        asking = [asyncio.create_task(queue.depth()), asyncio.create_task(queue.books())]
        await asyncio.sleep(number * 0.0002)
        for task in (publishing, consuming, *asking):
            task.cancel()
        await asyncio.wait([publishing, consuming, *asking])
        if not consuming.cancelled() and (batch := consuming.result()) is not None:
            await batch.nack()
        block = sample_block(0, [number], fresh())
        await queue.publish([block])
        confirmed.append(block.key)

    assert set(confirmed) <= set(await drain(queue, confirmed))


# --- settings -------------------------------------------------------------------------------------------------------


async def test_a_queue_with_other_arguments_is_refused(rabbit: Settings) -> None:
    """The message says what to do, and the queue stays as it is."""
    async with opened(rabbit):
        pass

    with pytest.raises(ConfigError, match=r"x-max-length-bytes.*TALLYSTICK_QUEUE_MAX_BYTES.*\?queue=name"):
        async with opened(rabbit.model_copy(update={"queue_max_bytes": 2 * MIB})):
            pass


@pytest.mark.parametrize("wrong", ["user", "password", "virtual host"])
async def test_a_refused_login_is_told_without_the_password(rabbit: Settings, wrong: str) -> None:
    user, rest = rabbit.queue_url.split("://")[1].split(":", 1)
    password, place = rest.split("@")
    user, password = ("nobody" if wrong == "user" else user), ("gehe1m" if wrong == "password" else password)
    place = place.replace("/?", "/elsewhere?") if wrong == "virtual host" else place

    with pytest.raises(ConfigError) as raised:
        async with opened(rabbit.model_copy(update={"queue_url": f"amqp://{user}:{password}@{place}"})):
            pass

    shown = "".join(traceback.format_exception(raised.value))
    assert password not in shown
    assert "elsewhere" in shown or "refuses the user or the password" in shown


async def test_no_broker_is_no_configuration_error(rabbit: Settings) -> None:
    """Who starts first may wait for the other."""
    elsewhere = rabbit.model_copy(update={"queue_url": "amqp://me:gehe1m@127.0.0.1:1/"})

    with pytest.raises(QueueUnavailable) as raised:
        async with opened(elsewhere):
            pass

    assert "gehe1m" not in "".join(traceback.format_exception(raised.value))


async def test_tls_by_the_url(rabbitmq_server: RabbitServer, rabbit: Settings) -> None:
    async with opened(rabbit.model_copy(update={"queue_url": rabbitmq_server.tls_url})) as queue:
        await queue.publish([sample_block(0, [0])])

        assert await take_all(queue) == [sample_block(0, [0])]


async def test_tls_trusts_no_stranger(rabbitmq_server: RabbitServer, rabbit: Settings) -> None:
    untold = rabbitmq_server.tls_url.partition("?")[0]

    with pytest.raises(QueueUnavailable) as refused:
        async with opened(rabbit.model_copy(update={"queue_url": untold})):
            pass
    assert "CERTIFICATE_VERIFY_FAILED" in refused.value.whole


async def test_a_classic_queue(rabbit: Settings) -> None:
    classic = rabbit.model_copy(update={"rabbitmq_queue_type": "classic", "allow_weak_durability": True})
    blocks = [sample_block(seq, [seq]) for seq in range(3)]
    async with opened(classic) as queue:
        assert queue.durability == "written"
        await queue.publish(blocks)
        await take(queue)
        await reopen(queue)

        assert (await queue.books()).held == 3
        assert await take_all(queue) == blocks


async def test_a_full_classic_queue_says_that_it_does_not_know(rabbit: Settings) -> None:
    """G5: its no may also mean that it failed after it had taken the block."""
    classic = rabbit.model_copy(
        update={"rabbitmq_queue_type": "classic", "allow_weak_durability": True, "queue_max_bytes": MIB}
    )
    async with opened(classic) as queue:
        with pytest.raises(QueueUnavailable, match="full or failed"):
            await publish_one_by_one(queue, 20)
        taken = len(await take_all(queue))

        await queue.publish([sample_block(0, [0], fresh())])

    assert taken > 3


async def publish_one_by_one(queue: Queue, number: int) -> None:
    for seq in range(number):
        await queue.publish([incompressible_block(seq)])


# --- memory ---------------------------------------------------------------------------------------------------------


async def test_large_blocks_are_delivered_few_at_a_time(rabbit: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker counts blocks and not their bytes. While they are small more are delivered, before and afterwards."""
    monkeypatch.setattr(consuming, "MOST_BYTES", MIB)
    async with opened(rabbit.model_copy(update={"rabbitmq_prefetch": 64})) as queue:
        await queue.publish([sample_block(seq, [seq]) for seq in range(100)])
        await queue.publish([incompressible_block(seq) for seq in range(100, 200)])
        await queue.publish([sample_block(seq, [seq]) for seq in range(200, 300)])
        here: dict[int, int] = {}
        while (batch := await queue.consume(5, 1.0)) is not None:
            here |= dict.fromkeys((block.seq for block in batch.blocks), len((await queue.books()).queued))
            await batch.ack()

    assert sorted(here) == list(range(300))
    assert max(here[seq] for seq in range(100)) > 2 * FIRST_BLOCKS
    assert max(here[seq] for seq in range(150, 200)) <= FIRST_BLOCKS
    assert max(here[seq] for seq in range(200, 300)) > 2 * FIRST_BLOCKS
