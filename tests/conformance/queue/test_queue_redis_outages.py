"""A Redis server that goes away, hangs or refuses while events are published and loaded: nothing confirmed is lost."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from typing import Any

import pytest

from tallystick.config import Settings
from tallystick.errors import ConfigError, QueueUnavailable
from tallystick.model.books import QueueBooks, QueuedBlock, close_books
from tallystick.queue import Queue, make_queue
from tallystick.queue.redis import queue as redis_queue
from tallystick.store import WriteReport, make_store
from tallystick.worker.worker import Worker
from tests.helpers.queue.redis_steps import finished, fresh, until_it_publishes
from tests.helpers.queue.steps import PATIENCE, opened, take_all
from tests.helpers.samples import incompressible_block, sample_block
from tests.servers.redis import PASSWORD, RedisServer


async def test_what_was_confirmed_survives_kill_9_again_and_again(own_redis: RedisServer, strict: Settings) -> None:
    """G1, G4: the server dies at any moment of publishing; whatever was confirmed is delivered afterwards."""
    confirmed: set[tuple[str, int]] = set()
    over = asyncio.Event()

    async def publish_all(queue: Queue) -> None:
        ingester, seq = fresh(), 0
        while not over.is_set():
            try:
                await queue.publish([sample_block(seq, [seq], ingester), sample_block(seq + 1, [seq], ingester)])
                confirmed.update([(ingester, seq), (ingester, seq + 1)])
                seq += 2
            except QueueUnavailable:
                ingester, seq = fresh(), 0
                await asyncio.sleep(0.01)

    async with opened(strict) as queue:
        publishing = asyncio.create_task(publish_all(queue))
        for _ in range(5):
            before = len(confirmed)
            while len(confirmed) < before + 20:
                assert not publishing.done()
                await asyncio.sleep(0.001)
            await asyncio.to_thread(own_redis.kill)
            await asyncio.to_thread(own_redis.start)
        last = await until_it_publishes(queue)
        over.set()
        await publishing
        books = await queue.books()
        keys = [block.key for block in await take_all(queue)]

    assert confirmed | {last.key} <= set(keys)
    assert len(keys) == len(set(keys))
    assert_books_agree(books, keys)


async def test_batches_in_hand_when_acknowledging_fails_are_delivered_again(
    own_redis: RedisServer, strict: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G3: all of them and at once, not only the first, whose acknowledgement failed."""
    monkeypatch.setattr(redis_queue, "MOST_BLOCKS", 1)  # each a batch of its own
    settings = strict.model_copy(update={"batch_max_age": 0.5, "queue_takeover_seconds": 600.0})
    store = make_store(settings)
    await store.open()
    await store.migrate()
    write = store.write

    async def write_and_lose_the_queue(*arguments: Any) -> WriteReport:
        report = await write(*arguments)
        await asyncio.to_thread(own_redis.kill)
        return report

    monkeypatch.setattr(store, "write", write_and_lose_the_queue)
    async with opened(settings) as queue:
        await queue.publish([sample_block(seq, [seq]) for seq in range(3)])
        worker = Worker(queue, store, settings)
        with pytest.raises(QueueUnavailable) as raised:
            await worker.step(wait=0.0)
        monkeypatch.setattr(store, "write", write)
        await asyncio.to_thread(own_redis.start)

        while await worker.step(wait=0.0):
            pass
        assert (await queue.depth()).blocks == 0
        assert raised.value.code == "queue_unavailable"  # its traceback keeps the batches: none is just garbage
    assert sum(entry.stored for entry in (await store.ledger()).values()) == 3
    await store.close()


def assert_books_agree(books: QueueBooks, keys: list[tuple[str, int]]) -> None:
    """All of what was published is what was delivered: the two blocks of a publish came together or not at all."""
    assert sorted(map(_key, books.queued)) == sorted(keys)
    for ingester, published in books.published.items():
        assert sorted(seq for name, seq in keys if name == ingester) == list(range(published.next_seq))


def _key(block: QueuedBlock) -> tuple[str, int]:
    return (block.ingester, block.seq)


async def test_a_worker_goes_on_after_kill_9_of_the_queue(own_redis: RedisServer, strict: Settings) -> None:
    """G3, G6: wherever it is when the server dies; everything is loaded and forgotten in the end."""
    settings = strict.model_copy(update={"batch_max_age": 0.2})
    store = make_store(settings)
    await store.open()
    await store.migrate()
    confirmed = 0
    async with opened(settings) as queue:
        worker = Worker(queue, store, settings)
        working = asyncio.create_task(worker.run())
        for _ in range(3):
            for _ in range(150):
                await until_it_publishes(queue)
                confirmed += 1
            await asyncio.to_thread(own_redis.kill)
            await asyncio.sleep(0.2)
            await asyncio.to_thread(own_redis.start)
        await until_it_publishes(queue)

        async with asyncio.timeout(PATIENCE):
            while (await queue.depth()).blocks:  # noqa: ASYNC110 - the queue is another process's
                await asyncio.sleep(0.05)
        worker.stop()
        await working
        _, differences = close_books(await queue.books(), await store.ledger())
    assert differences == []
    assert sum(entry.count for entry in (await store.ledger()).values()) > confirmed
    await store.close()


# --- unavailable ----------------------------------------------------------------------------------------------------


async def test_no_server_is_unavailable(own_redis: RedisServer, strict: Settings) -> None:
    own_redis.kill()
    with pytest.raises(QueueUnavailable) as raised:
        await make_queue(strict).open()
    assert PASSWORD not in str(raised.value)


async def test_a_wrong_password_is_refused_and_not_shown(own_redis: RedisServer, strict: Settings) -> None:
    """G12."""
    url = f"redis://:falsch@127.0.0.1:{own_redis.port}"
    with pytest.raises(ConfigError, match="refuses this user") as raised:
        await make_queue(strict.model_copy(update={"queue_url": url})).open()
    assert "falsch" not in str(raised.value)


async def test_a_replica_takes_nothing(own_redis: RedisServer, strict: Settings) -> None:
    """G1: READONLY is unavailable, and over when it is the master again."""
    async with opened(strict) as queue:
        own_redis.ask("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(QueueUnavailable):
            await queue.publish([sample_block(0, [0])])
        own_redis.ask("REPLICAOF", "NO", "ONE")

        await queue.publish([sample_block(0, [0])])
        assert len(await take_all(queue)) == 1


async def test_a_server_that_loads_is_unavailable(own_redis: RedisServer, strict: Settings) -> None:
    """A restart with much data: it answers LOADING for a while."""
    async with opened(strict) as queue:
        await queue.publish([incompressible_block(seq) for seq in range(20)])
        # While it loads it answers only between keys of some size, in an order that is another each time.
        for number in range(30):
            own_redis.ask("SET", f"other-{number}", secrets.token_hex(4_000))
        own_redis.ask("BGREWRITEAOF")
        await finished(own_redis, "aof_rewrite_in_progress")
        await asyncio.to_thread(own_redis.stop)
        own_redis.configure(key_load_delay="50000", loading_process_events_interval_bytes="1024")
        starting = asyncio.create_task(asyncio.to_thread(own_redis.start))
        said = set()
        for number in itertools.count():
            try:
                await queue.publish([sample_block(0, [number], fresh())])
                break
            except QueueUnavailable as error:
                said.add(error.whole)
                await asyncio.sleep(0.01)
        await starting

        assert any("loading" in message for message in said), said
        assert len(await take_all(queue)) == 21


async def test_a_server_that_hangs_fails_in_time_and_stays_in_step(own_redis: RedisServer, strict: Settings) -> None:
    """G1, G4: no call hangs; what was sent meanwhile is in the books if and only if it is delivered."""
    async with opened(strict.model_copy(update={"publish_timeout": 0.3})) as queue:
        await queue.publish([sample_block(0, [0])])
        own_redis.pause()
        async with asyncio.timeout(PATIENCE):
            for number in range(3):
                with pytest.raises(QueueUnavailable, match="did not answer"):
                    await queue.publish([sample_block(0, [number], fresh())])
            with pytest.raises(QueueUnavailable):
                await queue.consume(10, 0.0)
            with pytest.raises(QueueUnavailable):
                await queue.books()
        own_redis.resume()

        last = await until_it_publishes(queue)
        kept = [(block.ingester, block.seq) for block in (await queue.books()).queued]
        delivered = [block.key for block in await take_all(queue)]
        assert sorted(delivered) == sorted(kept)
        assert last.key in delivered
        assert sample_block(0, []).key in delivered


async def test_a_cancelled_publish_and_a_cancelled_consume_leave_the_queue_usable(
    own_redis: RedisServer, strict: Settings
) -> None:
    """G11: also while the server hangs, and the answers come late."""
    async with opened(strict) as queue:
        ingester = fresh()
        for seq in range(20):
            consuming = asyncio.create_task(queue.consume(10, PATIENCE))
            publishing = asyncio.create_task(queue.publish([sample_block(seq, [seq], ingester)]))
            own_redis.pause()
            await asyncio.sleep(0.002 * (seq % 4))
            consuming.cancel()
            publishing.cancel()
            await asyncio.wait([consuming, publishing])
            own_redis.resume()
        await until_it_publishes(queue)

        books = await queue.books()
        keys = [block.key for block in await take_all(queue)]
        assert keys == [(block.ingester, block.seq) for block in books.queued]


async def test_a_server_without_its_scripts_or_its_data_gets_them_again(
    own_redis: RedisServer, strict: Settings
) -> None:
    """After a failover or a FLUSHALL the queue goes on."""
    async with opened(strict) as queue:
        await queue.publish([sample_block(0, [0])])
        own_redis.ask("SCRIPT", "FLUSH")
        assert [block.seq for block in await take_all(queue)] == [0]
        own_redis.ask("FLUSHALL")
        assert (await queue.depth()).blocks == 0

        await queue.publish([sample_block(1, [1])])
        assert [block.seq for block in await take_all(queue)] == [1]
