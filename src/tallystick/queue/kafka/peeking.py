"""What the group has committed, and when the oldest blocks of partitions were published; as a member of no group.

The commits are read with a consumer of the driver's. Its administrator can read them too, but crashes the process while
the group's coordinator is away (librdkafka's issue 5315, open in 2.16).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tallystick.queue.kafka.address import Address
from tallystick.queue.kafka.client import after_elections, committed, error_of, explained, settings_of, to_the_end
from tallystick.queue.kafka.offsets import Progress, read_progress

FRESH = 1.0
"""Seconds for which an answer about a partition is given again, although its oldest block may be another by now."""
WAIT = 2.0
"""Seconds that the messages may take; partitions that do not answer are left out."""


class Peeking:
    """Reads on demand. The first call connects."""

    def __init__(self, address: Address, patience: float) -> None:
        self._address = address
        self._patience = patience
        self._driver: Consumer | None = None
        self._known: dict[int, tuple[int, float, float]] = {}
        """Offset, time of publishing, and when it was read, by partition."""
        self._reading = asyncio.Lock()

    async def progress(self, partitions: Sequence[int]) -> dict[int, Progress]:
        """What the workers' last commits say of each partition."""
        return await to_the_end(self._progress(partitions))

    async def _progress(self, partitions: Sequence[int]) -> dict[int, Progress]:
        async with self._reading:
            return await asyncio.to_thread(self._committed, partitions)

    def _committed(self, partitions: Sequence[int]) -> dict[int, Progress]:
        try:
            wanted = [TopicPartition(self._address.topic, partition) for partition in partitions]
            found = after_elections(lambda: committed(self._started(), wanted, self._patience), self._patience)
        except KafkaException as raised:
            raise explained(error_of(raised)) from None
        return {at.partition: read_progress(at.offset, at.metadata) for at in found}

    async def published(self, offsets: Mapping[int, int]) -> dict[int, float]:
        """When the block at each partition's offset was published, in seconds since 1970."""
        return await to_the_end(self._published(offsets))

    async def _published(self, offsets: Mapping[int, int]) -> dict[int, float]:
        async with self._reading:
            now = time.monotonic()
            wanted = {
                partition: offset
                for partition, offset in offsets.items()
                if (known := self._known.get(partition)) is None or (known[0] != offset and known[2] + FRESH < now)
            }
            if wanted:
                await asyncio.to_thread(self._read, wanted)
            return {partition: self._known[partition][1] for partition in offsets if partition in self._known}

    def _read(self, wanted: Mapping[int, int]) -> None:
        try:
            driver = self._started()
            driver.assign([TopicPartition(self._address.topic, *at) for at in wanted.items()])
            missing, until = set(wanted), time.monotonic() + WAIT
            while missing and (left := until - time.monotonic()) > 0:
                message = driver.poll(left)
                if message is None:
                    continue
                partition, offset, error = message.partition() or 0, message.offset() or 0, message.error()
                if error is None and partition in missing:
                    self._known[partition] = (offset, message.timestamp()[1] / 1000, time.monotonic())
                if error is None or error.code() == KafkaError._PARTITION_EOF:
                    missing.discard(partition)
                    driver.incremental_unassign([TopicPartition(self._address.topic, partition)])
                else:
                    raise explained(error)
            for partition in missing:
                self._known.pop(partition, None)
            driver.unassign()
        except KafkaException as raised:
            raise explained(error_of(raised)) from None

    def _started(self) -> Consumer:
        if self._driver is None:
            own = {
                "group.id": self._address.group,  # it is never joined: nothing is subscribed to
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "queued.min.messages": 1,
                "fetch.queue.backoff.ms": 5,  # one partition's message holds up the others for so long
                "fetch.message.max.bytes": 1_024,  # a broker sends a whole message all the same, of one partition
            }
            self._driver = Consumer(settings_of(self._address, self._patience, **own))
        return self._driver

    async def close(self) -> None:
        async with self._reading:
            driver, self._driver = self._driver, None
            self._known.clear()
            if driver is not None:
                await asyncio.to_thread(driver.close)
