"""Records of what was published, in a compacted topic beside the blocks, because Kafka keeps no count of events.

After the brokers have confirmed a block, its ingester writes a note with the number of blocks, events and bytes that it
has published so far. The sums are cumulative, so only the newest note of each ingester counts, and compaction removes
the others. A late or lost note counts too few blocks but never wrong ones, so no publish waits for its note. A note is
never written before the confirmation, since it could count a block that the brokers do not have.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping

import msgspec
import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from tallystick.config import MIB
from tallystick.errors import QueueUnavailable
from tallystick.model.block import Block
from tallystick.queue.kafka.address import Address
from tallystick.queue.kafka.client import Asking, error_of, explained, settings_of, to_the_end
from tallystick.queue.kafka.producing import Producing, Record

log = structlog.get_logger(__name__)

NOTE_EVERY = 0.1
"""Seconds between two notes of an ingester, which bounds how fast the topic grows."""
RETRY_EVERY = 1.0
"""Seconds between two attempts to write a note that the brokers do not take."""
LAST_NOTE = 2.0
"""Seconds that closing waits for the last note."""
POLL = 0.5
SETTINGS = {"cleanup.policy": "compact", "segment.bytes": str(MIB)}
"""Settings of the topic of notes: small files, so that old notes are removed."""


class Sums(msgspec.Struct, frozen=True):
    """What an ingester has published: the seq of its next block, and events and bytes of all before."""

    ingester: str
    next_seq: int
    events: int
    bytes: int


_decoder = msgspec.json.Decoder(Sums)


class NoteWriter:
    """Records what this process publishes."""

    def __init__(self, address: Address, seconds: float) -> None:
        self._producing = Producing(address, address.notes, seconds)
        self._sums: dict[str, Sums] = {}
        self._unwritten: dict[str, Sums] = {}
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def confirmed(self, block: Block, size: int) -> None:
        """Record that the brokers have confirmed this block; called in the order of seq."""
        before = self._sums.get(block.ingester, Sums(block.ingester, 0, 0, 0))
        if block.seq != before.next_seq:
            return  # another process began this ingester, so its sums are unknown here: record less
        sums = Sums(block.ingester, block.seq + 1, before.events + block.count, before.bytes + size)
        self._sums[block.ingester] = self._unwritten[block.ingester] = sums
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_notes())

    async def _write_notes(self) -> None:
        while self._unwritten:
            try:
                await self.write()
                await asyncio.sleep(NOTE_EVERY)
            except QueueUnavailable as error:
                log.debug("a note of what was published has to wait", reason=error.whole)
                await asyncio.sleep(RETRY_EVERY)

    async def write(self) -> None:
        """Write the pending notes. Raises QueueUnavailable."""
        async with self._writing:
            notes = dict(self._unwritten)
            if not notes:
                return
            await self._producing.send(
                [Record(msgspec.json.encode(sums), sums.ingester.encode()) for sums in notes.values()], 0
            )
            for ingester, sums in notes.items():
                if self._unwritten.get(ingester) is sums:
                    del self._unwritten[ingester]

    async def close(self) -> None:
        """Write the last note, if the brokers take it now."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        with contextlib.suppress(TimeoutError, QueueUnavailable):
            async with asyncio.timeout(LAST_NOTE):
                await self.write()
        await self._producing.close()


class NoteReader:
    """Follows the topic from the first call on."""

    def __init__(self, asking: Asking, writer: NoteWriter, patience: float) -> None:
        self._asking = asking
        self._writer = writer
        self._patience = patience
        self._driver: Consumer | None = None
        self._position = 0
        self._sums: dict[str, Sums] = {}
        self._reading = asyncio.Lock()

    async def read(self) -> Mapping[str, Sums]:
        """All notes from before the call.

        Raises:
            QueueUnavailable: the topic cannot be read in time.
        """
        return await to_the_end(self._read())

    async def _read(self) -> Mapping[str, Sums]:
        async with self._reading:
            await self._writer.write()
            end = await self._asking.end_of(self._asking.address.notes)
            if end < self._position:
                await self._drop()  # the topic was made anew
            if end > self._position:
                await asyncio.to_thread(self._read_to, end)
            return dict(self._sums)

    def _read_to(self, end: int) -> None:
        until = time.monotonic() + self._patience
        try:
            driver = self._started()
            while self._position < end:
                if time.monotonic() > until:
                    raise QueueUnavailable("the notes of what was published cannot be read in time")
                first = driver.poll(POLL)
                for message in [first, *driver.consume(1_000, timeout=0)] if first is not None else []:
                    error = message.error()
                    if error is not None and error.code() == KafkaError._PARTITION_EOF:
                        self._position = max(self._position, message.offset() or 0)
                    elif error is not None:
                        raise explained(error)
                    else:
                        self._position = (message.offset() or 0) + 1
                        self._take(message.value() or b"")
        except KafkaException as raised:
            raise explained(error_of(raised)) from None

    def _started(self) -> Consumer:
        if self._driver is None:
            address = self._asking.address
            own = {
                "group.id": f"{address.group}.notes",  # the driver insists on one; it is never joined
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": 4_096,
            }
            self._driver = Consumer(settings_of(address, self._patience, **own))
            self._driver.assign([TopicPartition(address.notes, 0, OFFSET_BEGINNING)])
        return self._driver

    def _take(self, body: bytes) -> None:
        try:
            sums = _decoder.decode(body)
        except msgspec.DecodeError:
            return  # not a note
        before = self._sums.get(sums.ingester)
        if before is None or before.next_seq < sums.next_seq:
            self._sums[sums.ingester] = sums

    async def _drop(self) -> None:
        driver, self._driver, self._position = self._driver, None, 0
        self._sums.clear()
        if driver is not None:
            await asyncio.to_thread(driver.close)

    async def close(self) -> None:
        async with self._reading:
            await self._drop()
