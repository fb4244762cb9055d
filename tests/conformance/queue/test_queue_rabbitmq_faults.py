"""The queue on RabbitMQ when a node is killed, a wire is cut or goes dead, or the broker has no memory left."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from tallystick.config import Settings
from tallystick.errors import QueueFull, QueueUnavailable
from tallystick.model.block import Block
from tallystick.model.books import Published, QueueBooks
from tallystick.queue import Queue
from tests.helpers.queue.rabbitmq_steps import drain, fresh, name_of
from tests.helpers.queue.steps import NO_WAIT, PATIENCE, opened, take, take_all
from tests.helpers.samples import INGESTER, incompressible_block, sample_block
from tests.helpers.thorough import THOROUGH
from tests.servers.rabbitmq import RabbitServer
from tests.servers.scratch import scratch_folder
from tests.servers.wire import Wire

KILLED = 2 if THOROUGH else 1
"""How often the node dies under load."""


@pytest.fixture(scope="module")
def kept_node() -> Iterator[RabbitServer]:
    with scratch_folder("rabbitmq-own") as folder:
        server = RabbitServer(folder)
        yield server
        server.kill()


@pytest.fixture
def own_node(kept_node: RabbitServer) -> RabbitServer:
    """A node that tests may kill and leave dead: starting it takes long, and none may need it after them."""
    if not kept_node.running:
        kept_node.start()
    return kept_node


@pytest.fixture
def on_own_node(own_node: RabbitServer, settings: Settings) -> Settings:
    return settings.model_copy(
        update={"queue_url": f"{own_node.url}?queue=test-{secrets.token_hex(4)}", "allow_weak_durability": False}
    )


@pytest.fixture
async def wire(rabbitmq_server: RabbitServer) -> AsyncIterator[Wire]:
    wire = Wire(rabbitmq_server.port)
    await wire.open()
    yield wire
    await wire.close()


@pytest.fixture
def over_wire(wire: Wire, rabbitmq_server: RabbitServer, rabbit: Settings) -> Settings:
    return rabbit.model_copy(update={"queue_url": f"{rabbitmq_server.url_at(wire.port)}?queue={name_of(rabbit)}"})


async def until_it_publishes(queue: Queue) -> Block:
    """Publish with fresh ingester ids until it is confirmed; that block."""
    async with asyncio.timeout(PATIENCE):
        while True:
            block = sample_block(0, [1], fresh())
            try:
                await queue.publish([block])
                return block
            except QueueUnavailable:
                await asyncio.sleep(0.02)


class Load:
    """Publishes one block after the other, like the publisher; knows what was confirmed."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.confirmed: list[tuple[str, int]] = []
        self.failures = 0

    async def run(self, until: asyncio.Event) -> None:
        ingester, seq = fresh(), 0
        while not until.is_set():
            block = incompressible_block(seq, 2_000, ingester)
            try:
                await self._queue.publish([block])
            except QueueUnavailable:
                self.failures += 1
                ingester, seq = fresh(), 0
                await asyncio.sleep(0.01)
            else:
                self.confirmed.append(block.key)
                seq += 1

    async def confirms(self, more: int) -> None:
        """Returns when this many more blocks are confirmed."""
        goal = len(self.confirmed) + more
        async with asyncio.timeout(PATIENCE):
            while len(self.confirmed) < goal:  # noqa: ASYNC110 - the publisher has no signal for it
                await asyncio.sleep(0.01)


async def patient_books(queue: Queue) -> QueueBooks:
    """The books, as soon as the node that has just started has them."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await queue.books()
            except QueueUnavailable:
                await asyncio.sleep(0.05)


async def test_nothing_confirmed_is_missing_after_the_node_was_killed(
    own_node: RabbitServer, on_own_node: Settings
) -> None:
    """G1: kill -9 of the node during publishes; the queue finds it again by itself."""
    async with opened(on_own_node) as queue:
        load, stop = Load(queue), asyncio.Event()
        publishing = asyncio.create_task(load.run(stop))
        for _ in range(KILLED):
            await load.confirms(50)
            await asyncio.to_thread(own_node.kill)
            await asyncio.to_thread(own_node.start)
        await load.confirms(50)
        stop.set()
        await publishing

        published = (await patient_books(queue)).published
        delivered = await drain(queue, load.confirmed)

    assert load.failures > 0
    assert set(load.confirmed) <= set(delivered)
    for ingester, noted in published.items():
        assert noted.next_seq <= sum(name == ingester for name, _ in delivered)


async def test_a_worker_finds_the_node_again(own_node: RabbitServer, on_own_node: Settings) -> None:
    """G3, G11: what was delivered and not acknowledged when the node died is delivered again."""
    async with opened(on_own_node) as queue:
        await queue.publish([sample_block(seq, [seq]) for seq in range(3)])
        await (await take(queue, max_events=1)).ack()
        in_hand = await take(queue)
        await asyncio.to_thread(own_node.kill)
        with pytest.raises(QueueUnavailable):
            await queue.consume(10, NO_WAIT)
        with pytest.raises(QueueUnavailable):
            await queue.depth()
        await asyncio.to_thread(own_node.start)

        await in_hand.ack()  # too late: that it was stored is for the ledger to know

        waiting = [(INGESTER, 1), (INGESTER, 2)]
        assert await drain(queue, waiting) == waiting


async def test_a_publish_fails_at_once_without_a_node(own_node: RabbitServer, on_own_node: Settings) -> None:
    async with opened(on_own_node.model_copy(update={"publish_timeout": 600.0})) as queue:
        await asyncio.to_thread(own_node.kill)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(QueueUnavailable):
                await queue.publish([sample_block(0, [0])])


async def test_nothing_confirmed_is_missing_after_the_connection_was_cut(wire: Wire, over_wire: Settings) -> None:
    """G1: publishing and consuming, again and again."""
    async with opened(over_wire) as queue:
        load, stop = Load(queue), asyncio.Event()
        publishing = asyncio.create_task(load.run(stop))
        delivered: list[tuple[str, int]] = []
        for _ in range(5):
            await load.confirms(10)
            batch = await queue.consume(1_000_000, PATIENCE)
            assert batch is not None
            wire.cut()
            await batch.ack()
            delivered += [block.key for block in batch.blocks]
        await load.confirms(10)
        stop.set()
        await publishing
        delivered += await drain(queue, set(load.confirmed) - set(delivered))

    assert set(load.confirmed) <= set(delivered)


async def test_a_connection_that_went_dead_is_given_up(wire: Wire, over_wire: Settings) -> None:
    """G1: no answer in time is 503, not a request that hangs; then a new connection is made."""
    async with opened(over_wire.model_copy(update={"publish_timeout": 0.5})) as queue:
        await queue.publish([sample_block(0, [0])])
        wire.die()
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(QueueUnavailable):
                await queue.publish([sample_block(1, [1])])
            with pytest.raises(QueueUnavailable):
                await queue.depth()
            with pytest.raises(QueueUnavailable):
                await queue.books()
        wire.mend()

        block = await until_it_publishes(queue)
        delivered = await drain(queue, {(INGESTER, 0), block.key})

    assert {(INGESTER, 0), block.key} <= set(delivered)


async def test_an_alarm_of_the_broker_is_a_503_at_once(rabbitmq_server: RabbitServer, rabbit: Settings) -> None:
    """G5: it takes nothing more, says so without waiting, goes on delivering, and recovers by itself."""
    async with opened(rabbit.model_copy(update={"publish_timeout": 600.0})) as queue:
        await queue.publish([sample_block(0, [0])])
        assert (await queue.books()).published == {INGESTER: Published(1, 1)}
        await asyncio.to_thread(rabbitmq_server.ctl, "set_vm_memory_high_watermark", "0.0000001")
        try:
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(QueueUnavailable):  # the broker tells it to those who try
                    await queue.publish([sample_block(0, [1], fresh())])
                with pytest.raises(QueueFull, match="alarm"):
                    await queue.publish([sample_block(0, [2], fresh())])
                assert (await queue.books()).published == {INGESTER: Published(1, 1)}
                assert [block.key for block in await take_all(queue)] == [(INGESTER, 0)]
        finally:
            await asyncio.to_thread(rabbitmq_server.ctl, "set_vm_memory_high_watermark", "0.4")

        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await queue.publish([sample_block(0, [3], fresh())])
                    break
                except QueueFull:
                    await asyncio.sleep(0.02)
