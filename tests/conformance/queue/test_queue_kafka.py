"""What only the queue on Kafka does: settings, partitions of several workers, deletion, notes beside it, TLS."""

from __future__ import annotations

import asyncio
import secrets
import traceback
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its package exports them by star
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tallystick.config import MIB, Settings
from tallystick.errors import BlockCorrupt, ConfigError, QueueFull, QueueUnavailable
from tallystick.metrics import Metrics
from tallystick.model.block import Block, encode_block
from tallystick.model.books import IngesterLedger, Published, close_books
from tallystick.queue import Queue, make_queue
from tallystick.queue.kafka import queue as kafka_queue
from tallystick.queue.kafka.address import parse_address
from tallystick.queue.kafka.queue import KafkaQueue
from tests.helpers.queue.steps import NO_WAIT, PATIENCE, opened, take, take_all, take_blocks
from tests.helpers.samples import INGESTER, incompressible_block, sample_block
from tests.servers.kafka import PASSWORD, USER, KafkaServer

SECRET = "gehe1m"


class Broker:
    """The broker of these tests, looked at and changed from outside."""

    def __init__(self, settings: Settings) -> None:
        address = parse_address(settings)
        self.topic, self.notes, self.group = address.topic, address.notes, address.group
        self._servers: dict[str, Any] = {"bootstrap.servers": address.servers, "log_level": 0}
        self._admin = AdminClient(self._servers)

    def make(self, partitions: int = 1, **more: str) -> None:
        """Make the topic with the settings that Tallystick wants, and these (`_` in a name is `.`)."""
        settings = {"retention.ms": "-1", "flush.messages": "1", "max.message.bytes": "50000000"}
        new = NewTopic(self.topic, partitions, 1, config=settings | {n.replace("_", "."): v for n, v in more.items()})
        self._admin.create_topics([new])[self.topic].result()

    def configure(self, name: str, value: str) -> None:
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, self.topic, incremental_configs=[entry])
        self._admin.incremental_alter_configs([resource])[resource].result()

    def delete(self, topic: str) -> None:
        self._admin.delete_topics([topic])[topic].result()

    def delete_blocks(self, before: int) -> None:
        at = TopicPartition(self.topic, 0, before)
        self._admin.delete_records([at])[at].result()

    def first(self) -> int:
        """The offset of the first block that is there."""
        consumer = Consumer({**self._servers, "group.id": "look"})
        low, _ = consumer.get_watermark_offsets(TopicPartition(self.topic, 0), timeout=PATIENCE)
        consumer.close()
        return int(low)

    def send(self, value: bytes, headers: Mapping[str, bytes] | None = None) -> None:
        producer = Producer(self._servers)
        producer.produce(self.topic, value, headers=dict(headers or {}))
        assert producer.flush(PATIENCE) == 0

    def forget_the_group(self) -> None:
        self._admin.delete_consumer_groups([self.group])[self.group].result()

    def add_user(self, name: str, password: str) -> None:
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4_096)
        change = UserScramCredentialUpsertion(name, scram, password.encode())
        self._admin.alter_user_scram_credentials([change])[name].result()


@pytest.fixture
def strict(settings: Settings, kafka_url: str) -> Settings:
    """Settings of a topic of its own as an operator has them: weak durability is refused."""
    return settings.model_copy(update={"queue_url": kafka_url, "allow_weak_durability": False})


@pytest.fixture
def broker(strict: Settings) -> Broker:
    return Broker(strict)


@pytest.fixture
async def queue(strict: Settings) -> AsyncIterator[Queue]:
    async with opened(strict) as queue:
        yield queue


# --- how durable it is ----------------------------------------------------------------------------------------------


async def test_a_topic_on_one_broker_is_made_so_that_each_write_is_flushed(queue: Queue) -> None:
    """G1."""
    assert queue.durability == "fsync"
    await queue.publish([sample_block(0, [0])])


async def test_a_topic_that_can_lose_events_is_refused_unless_it_is_allowed(strict: Settings, broker: Broker) -> None:
    """G1, G5: the refusal says what to set, and nothing about passwords."""
    broker.make(flush_messages="5", retention_ms="604800000")

    with pytest.raises(ConfigError, match=r"retention.ms=-1 \(it is 604800000\), 3 replicas \(it has 1\)") as raised:
        await make_queue(strict).open()

    assert "TALLYSTICK_ALLOW_WEAK_DURABILITY=true" in raised.value.whole
    async with opened(strict.model_copy(update={"allow_weak_durability": True})) as queue:
        assert queue.durability == "page cache"
        await queue.publish([sample_block(0, [0])])


async def test_settings_that_become_weak_stop_publishing_until_they_are_set_back(
    strict: Settings, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G1: nothing is confirmed meanwhile, and what waits is delivered."""
    monkeypatch.setattr(kafka_queue, "UPKEEP_EVERY", 0.1)
    async with opened(strict) as queue:
        await queue.publish([sample_block(0, [0])])
        broker.configure("retention.ms", "86400000")

        seq, refusal = 1, None
        async with asyncio.timeout(PATIENCE):
            while refusal is None:
                await asyncio.sleep(0.05)
                try:
                    await queue.publish([sample_block(seq, [seq])])
                    seq += 1
                except QueueUnavailable as error:
                    refusal = error
        assert "settings now that Tallystick refuses" in refusal.whole
        assert len(await take_all(queue)) == seq

        broker.configure("retention.ms", "-1")
        await queue.publish([block := sample_block(0, [99], "00000000000000bb")])
        assert await take_all(queue) == [block]


# --- several workers ------------------------------------------------------------------------------------------------


async def test_workers_share_the_partitions_and_nothing_is_delivered_to_two(strict: Settings, broker: Broker) -> None:
    """G3, G11: one joins, one leaves with blocks that it has not stored; those that it has stored do not come again."""
    await asyncio.to_thread(broker.make, 4)
    async with opened(strict) as first, opened(strict) as second:
        for seq in range(8):
            await first.publish([sample_block(seq, [seq])])
        held = await take(first, max_events=3)
        stored = {block.seq for block in held.blocks[:1]}
        await held.ack(but={block.key for block in held.blocks[1:]})

        seen: list[int] = []
        async with asyncio.timeout(PATIENCE):
            while not seen:  # until the group has given it partitions of the first
                if (batch := await second.consume(1, 1.0)) is not None:
                    seen += [block.seq for block in batch.blocks]
                    await batch.ack()
        await first.close()
        seen += [block.seq for block in await take_blocks(second, 8 - len(stored) - len(seen))]
        await first.open()

        assert sorted(seen) == sorted(set(range(8)) - stored)
        assert (await second.depth()).blocks == 0


async def test_an_acknowledgement_after_the_partition_is_gone_is_left_to_the_ledger(
    strict: Settings, broker: Broker
) -> None:
    """G3: a worker that stored what another has by now; the store skips what comes again."""
    async with opened(strict) as first, opened(strict) as second:
        await first.publish([sample_block(seq, [seq]) for seq in range(3)])
        batch = await take(first)
        await first.close()
        again = await take_blocks(second, 3)

        await batch.ack()
        await batch.nack()

        assert [block.seq for block in again] == [0, 1, 2]
        assert await second.consume(10, NO_WAIT) is None
        await first.open()


async def test_the_first_block_of_every_partition_is_found(
    strict: Settings, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G10: the age of the oldest is among them. A broker sends one partition's block at a time."""
    monkeypatch.setattr("tallystick.queue.kafka.peeking.FRESH", 0.0)
    await asyncio.to_thread(broker.make, 8)
    async with opened(strict) as queue:
        for seq in range(16):
            await queue.publish([incompressible_block(seq)])
        assert isinstance(queue, KafkaQueue)
        for offset in range(2):
            found = await queue._peeking.published(dict.fromkeys(range(8), offset))
            assert found.keys() == set(range(8))


async def test_fetching_pauses_at_the_limit_and_goes_on(strict: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog of any size fits into a worker's memory."""
    monkeypatch.setattr("tallystick.queue.kafka.consuming.MOST_BYTES", MIB)
    monkeypatch.setattr("tallystick.queue.kafka.member.HAND_OVER", 1)
    monkeypatch.setattr("tallystick.queue.kafka.member.UNTAKEN", MIB)
    blocks = [incompressible_block(seq) for seq in range(40)]
    async with opened(strict) as queue:
        for block in blocks:
            await queue.publish([block])
        assert isinstance(queue, KafkaQueue)
        received: list[Block] = []
        most = 0
        while len(received) < 40:
            batch = await queue.consume(1, PATIENCE)
            assert batch is not None
            await asyncio.sleep(0.05)
            most = max(most, len(queue._consuming.held()))
            received += batch.blocks
            await batch.ack()

    assert received == blocks
    assert most < 30, "it has fetched everything at once"


async def test_a_partition_that_left_while_fetching_paused_and_came_back_is_delivered(
    strict: Settings, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G11: the driver remembers that it was paused, although another worker had it meanwhile."""
    monkeypatch.setattr("tallystick.queue.kafka.consuming.MOST_BYTES", MIB)
    monkeypatch.setattr("tallystick.queue.kafka.member.HAND_OVER", 1)
    await asyncio.to_thread(broker.make, 2)
    blocks = [incompressible_block(seq) for seq in range(60)]
    async with opened(strict) as first, opened(strict) as second:
        for block in blocks:
            await first.publish([block])
        assert isinstance(first, KafkaQueue)
        held = await take(first, max_events=1)
        async with asyncio.timeout(PATIENCE):
            while first._consuming._session is None or first._consuming._session.room:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.05)
            while await second.consume(1, 1.0) is None:  # until the group has given it one
                pass
        await second.close()
        await held.ack()

        seen = {block.seq for block in held.blocks}
        async with asyncio.timeout(PATIENCE):
            while len(seen) < 60:
                if (batch := await first.consume(1, 1.0)) is not None:
                    seen |= {block.seq for block in batch.blocks}
                    await batch.ack()
        await second.open()
        assert (await first.depth()).blocks == 0


# --- full, gone, damaged --------------------------------------------------------------------------------------------


async def test_a_block_larger_than_a_message_may_be_is_refused(strict: Settings, broker: Broker) -> None:
    """G5: nothing of the request is taken, and the next one is."""
    broker.make(max_message_bytes="200000")
    async with opened(strict.model_copy(update={"allow_weak_durability": True})) as queue:
        with pytest.raises(QueueFull, match=r"max\.message\.bytes"):
            await queue.publish([sample_block(0, [0]), incompressible_block(1, 300_000)])

        await queue.publish([sample_block(0, [0])])
        assert len(await take_all(queue)) == 1


async def test_what_is_stored_is_deleted_and_what_waits_is_not(
    strict: Settings, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G5: space comes back by Tallystick's own deletion alone."""
    monkeypatch.setattr(kafka_queue, "UPKEEP_EVERY", 0.1)
    async with opened(strict) as queue:
        await queue.publish([sample_block(seq, [seq]) for seq in range(5)])
        batches = [await take(queue, max_events=1) for _ in range(4)]
        for number in (0, 1, 3):
            await batches[number].ack()
        async with asyncio.timeout(PATIENCE):
            while await asyncio.to_thread(broker.first) < 2:  # noqa: ASYNC110 - the broker has no event to wait for
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        assert await asyncio.to_thread(broker.first) == 2
        await batches[2].nack()

        assert [block.seq for block in await take_all(queue)] == [2, 4]


async def test_blocks_that_were_deleted_unread_are_missing_in_the_books_and_counted(
    strict: Settings, broker: Broker
) -> None:
    """G4: a single one."""
    metrics = Metrics()
    queue = make_queue(strict, metrics)
    await queue.open()
    await queue.publish([sample_block(seq, [seq]) for seq in range(3)])
    await (await take(queue, max_events=1)).ack()
    await queue.close()
    stored = {INGESTER: IngesterLedger(1, [], 1, 1, 0, 0, 0)}
    await queue.open()
    assert close_books(await queue.books(), stored)[1] == []
    await asyncio.to_thread(broker.delete_blocks, 2)

    totals, differences = close_books(await queue.books(), stored)
    delivered = await take_all(queue)
    await queue.close()

    assert totals.missing == 2, "which one it is cannot be known"
    assert [difference.check for difference in differences] == ["sequence"]
    assert [block.seq for block in delivered] == [2]
    assert metrics.queue_blocks_gone._value.get() == 1


async def test_a_damaged_block_and_a_foreign_message_are_handed_on_as_they_are(
    strict: Settings, broker: Broker
) -> None:
    """G6: they become dead letters, and stop nothing."""
    damaged = bytearray(encode_block(sample_block(1, range(5))))
    damaged[-3] ^= 0xFF
    async with opened(strict) as queue:
        await queue.publish([sample_block(0, [0])])
        headers = {"ingester": INGESTER.encode(), "seq": b"1", "count": b"5"}
        await asyncio.to_thread(broker.send, bytes(damaged), headers)
        await asyncio.to_thread(broker.send, b"hello")
        await queue.publish([sample_block(2, [2])])

        blocks = await take_all(queue)

    assert [block.key for block in blocks[:2]] == [(INGESTER, 0), (INGESTER, 1)]
    assert (blocks[1].count, blocks[1].payload) == (5, bytes(damaged))
    assert (blocks[2].count, blocks[2].payload) == (1, b"hello")
    assert blocks[3] == sample_block(2, [2])
    for block in blocks[1:3]:
        with pytest.raises(BlockCorrupt):
            block.lines()


async def test_a_topic_that_was_deleted_is_an_error_and_is_made_again(strict: Settings, broker: Broker) -> None:
    """G1: what cannot be written was not taken."""
    async with opened(strict.model_copy(update={"publish_timeout": 3.0})) as queue:
        await queue.publish([sample_block(0, [0])])
        await (await take(queue)).ack()
        await asyncio.to_thread(broker.delete, broker.topic)

        taken = ""
        async with asyncio.timeout(2 * PATIENCE):
            while not taken:
                ingester = secrets.token_hex(8)
                try:
                    await queue.publish([sample_block(0, [1], ingester)])
                    taken = ingester
                except QueueUnavailable:
                    await asyncio.sleep(0.1)
            received: list[str] = []
            while not received:
                try:
                    received = [block.ingester for block in await take_blocks(queue, 1)]
                except QueueUnavailable:
                    await asyncio.sleep(0.1)
        assert received == [taken]


async def test_the_notes_may_be_deleted(strict: Settings, broker: Broker) -> None:
    """G4: without notes less is known, and nothing wrong."""
    async with opened(strict) as queue:
        await queue.publish([sample_block(0, [0])])
        assert (await queue.books()).published == {INGESTER: Published(1, 1)}
    await asyncio.to_thread(broker.delete, broker.notes)

    async with opened(strict) as queue:
        assert (await queue.books()).published == {}
        assert (await queue.books()).held == 1
        await queue.publish([sample_block(0, [1], other := secrets.token_hex(8))])
        assert (await queue.books()).published == {other: Published(1, 1)}
        assert len(await take_all(queue)) == 2


async def test_a_group_that_was_forgotten_begins_again_and_the_sums_recover(
    strict: Settings, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G3, G5: what is in the topic comes again, to be skipped; a wrong sum would refuse publishes for ever."""
    monkeypatch.setattr(kafka_queue, "UPKEEP_EVERY", 0.1)
    async with opened(strict) as queue:
        await queue.publish([sample_block(seq, [seq]) for seq in range(3)])
        assert len(await take_all(queue)) == 3
        async with asyncio.timeout(PATIENCE):
            while await asyncio.to_thread(broker.first) < 3:  # noqa: ASYNC110 - the broker has no event to wait for
                await asyncio.sleep(0.05)
    await asyncio.to_thread(broker.forget_the_group)

    async with opened(strict) as queue:
        await queue.publish([sample_block(3, [3])])
        await take_all(queue)
        assert isinstance(queue, KafkaQueue)
        async with asyncio.timeout(PATIENCE):
            while (await queue._look()).surplus != (0, 0):  # noqa: ASYNC110 - nor has the queue
                await asyncio.sleep(0.05)
        await queue.publish([sample_block(0, range(7), secrets.token_hex(8))])
        assert (await queue.depth()).events == 7


# --- TLS and logins -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_tls_and_a_login(kafka_server: KafkaServer, strict: Settings, broker: Broker, mechanism: str) -> None:
    """G12."""
    if mechanism != "PLAIN":
        await asyncio.to_thread(broker.add_user, USER, PASSWORD)
    url = f"{kafka_server.tls_url}/{broker.topic}?partitions=1&mechanism={mechanism}&cafile={kafka_server.certificate}"
    async with opened(strict.model_copy(update={"queue_url": url})) as queue:
        await queue.publish([block := sample_block(0, [0])])
        assert (await queue.books()).published == {INGESTER: Published(1, 1)}
        assert await take_all(queue) == [block]


async def test_a_login_that_is_refused_is_said_without_the_password(
    kafka_server: KafkaServer, strict: Settings, broker: Broker
) -> None:
    """G12."""
    port = kafka_server.tls_url.rpartition(":")[2]
    url = f"kafkas://{USER}:{SECRET}@localhost:{port}/{broker.topic}?mechanism=PLAIN&cafile={kafka_server.certificate}"

    with pytest.raises(ConfigError, match="refuses the user or the password") as raised:
        await make_queue(strict.model_copy(update={"queue_url": url})).open()

    assert SECRET not in "".join(traceback.format_exception(raised.value))


async def test_a_certificate_that_is_not_trusted_is_refused(
    kafka_server: KafkaServer, strict: Settings, broker: Broker, tmp_path: Path
) -> None:
    """G12."""
    url = f"{kafka_server.tls_url}/{broker.topic}?mechanism=PLAIN"

    with pytest.raises(ConfigError, match="the TLS handshake with Kafka failed"):
        await make_queue(strict.model_copy(update={"queue_url": url})).open()
