"""Publishing: a producer of the driver's, and a thread that calls it so that its confirmations arrive."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tallystick.errors import QueueFull, QueueUnavailable
from tallystick.queue.kafka.address import Address
from tallystick.queue.kafka.client import explained, settings_of

POLL = 0.2
"""Seconds that the thread waits for a confirmation before it looks at whether it is to end."""
IDLE = 1.0
"""Seconds between two looks at the driver's other news while nothing is under way."""
AFTER_FATAL = 0.05
"""Seconds until the next look at a producer that has failed for good; it is about to be thrown away."""
LATER = 60.0
"""Seconds beyond Tallystick's own time-out after which the driver gives a message up."""
HEADERS_SIZE = 1_024
"""Bytes that a message may be larger than its block."""


class Record(NamedTuple):
    """A message to be sent."""

    value: bytes
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


class Producing:
    """Sends records to one topic. The first use connects.

    All records of one `send` go to one partition, in order, without a hole: after a failure the producer is thrown away
    with what it has not sent, so that no later record can be taken without an earlier one.
    """

    def __init__(self, address: Address, topic: str, seconds: float) -> None:
        self._address = address
        self._topic = topic
        self._seconds = seconds
        self._largest = 1 << 20
        self.disturbed = False
        """Set when a connection was lost."""
        self._current: _Producer | None = None

    def largest(self, size: int) -> None:
        """The size of the largest message that the topic takes."""
        if size != self._largest:
            self._largest = size
            self.drop()

    async def send(self, records: Sequence[Record], partition: int) -> None:
        """Return once the brokers have confirmed all of them.

        Raises:
            QueueFull: one is larger than the topic takes; nothing was sent.
            QueueUnavailable: some of them may have been taken, the first ones.
        """
        if any(len(record.value) + HEADERS_SIZE > self._largest for record in records):
            raise QueueFull("a block is larger than the topic's max.message.bytes; nothing of this request was taken")
        if self._current is None:
            self._current = await asyncio.to_thread(
                _Producer, self._address, self._seconds, self._largest, self._failed
            )
        producer = self._current
        try:
            async with asyncio.timeout(self._seconds):
                await producer.send(self._topic, records, partition)
        except BaseException as error:
            if self._current is producer:
                self.drop()
            if isinstance(error, TimeoutError):
                raise QueueUnavailable(f"Kafka did not confirm within {self._seconds:g} seconds") from None
            raise

    def _failed(self, _: KafkaError) -> None:
        self.disturbed = True

    def drop(self) -> None:
        """Give up what is under way; the next use makes a new producer."""
        producer, self._current = self._current, None
        if producer is not None:
            producer.end()

    async def close(self) -> None:
        producer, self._current = self._current, None
        if producer is not None:
            producer.end()
            await asyncio.to_thread(producer.join, 5.0)


class _Producer(threading.Thread):
    """One producer of the driver's."""

    def __init__(self, address: Address, seconds: float, largest: int, failed: Callable[[KafkaError], None]) -> None:
        super().__init__(name="tallystick-kafka-producer", daemon=True)
        own = {
            "acks": "all",
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,
            "linger.ms": 0,  # the publisher gathers already
            "compression.type": "none",  # blocks are compressed
            "message.timeout.ms": int((seconds + LATER) * 1000),
            "message.max.bytes": largest,
            "error_cb": failed,
        }
        self._driver = Producer(settings_of(address, seconds, **own))
        self._under_way = threading.Event()
        self._ending = False
        self.start()

    async def send(self, topic: str, records: Sequence[Record], partition: int) -> None:
        confirmation = _Confirmation(len(records))
        for record in records:
            try:
                self._driver.produce(
                    topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    partition=partition,
                    on_delivery=confirmation.delivered,
                )
            except (KafkaException, BufferError) as raised:
                given = raised.args[0] if raised.args else None
                raise explained(given if isinstance(given, KafkaError) else None) from None
        self._under_way.set()
        await confirmation.done

    def run(self) -> None:
        while not self._ending:
            if len(self._driver):
                self._poll(POLL)
            else:
                self._under_way.clear()
                if not len(self._driver):  # nothing was sent before the `clear`
                    self._under_way.wait(IDLE)
                self._poll(0)
        with contextlib.suppress(KafkaException):
            self._driver.poll(0)
        del self._driver  # here, since ending its connections takes a while

    def _poll(self, seconds: float) -> None:
        """Let confirmations arrive. A fatal error of the driver is raised here; its deliveries fail all the same."""
        try:
            self._driver.poll(seconds)
        except KafkaException:
            time.sleep(AFTER_FATAL)

    def end(self) -> None:
        """Give up what is not confirmed, at once: a later record may not be taken without an earlier one."""
        with contextlib.suppress(KafkaException):
            self._driver.purge(blocking=False)
        self._ending = True
        self._under_way.set()


class _Confirmation:
    """Gathers the driver's answers, which arrive in its thread."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._error: KafkaError | None = None
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()

    def delivered(self, error: KafkaError | None, _: Message) -> None:
        self._error = self._error or error
        self._left -= 1
        if error is not None or self._left == 0:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if self.done.done():
            return
        if self._error is not None:
            self.done.set_exception(explained(self._error))
        else:
            self.done.set_result(None)
