"""Records of what was published, in a stream beside the queue, because RabbitMQ keeps no count of delivered messages.

After the broker has confirmed a block, its ingester writes a note with the number of blocks and events that it has
published so far. The sums are cumulative, so only the newest note of each ingester counts. A late or lost note counts
too few blocks but never wrong ones, so no publish waits for its note. A note is never written before the confirmation,
since it could count a block that the broker does not have. The stream removes old notes; an ingester without a note is
checked against the ledger alone.

Every process that reads the books reads the stream, without removing anything from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping

import msgspec
import structlog

from tallystick.errors import QueueUnavailable
from tallystick.model.block import Block
from tallystick.model.books import Published
from tallystick.queue.rabbitmq.address import notes_arguments
from tallystick.queue.rabbitmq.connection import Blocked, Channel, Delivery, Line, Unroutable

log = structlog.get_logger(__name__)

NOTE_EVERY = 0.1
"""Seconds between two notes of an ingester, which bounds how fast the stream grows."""
RETRY_EVERY = 1.0
"""Seconds between two attempts to write a note that the broker does not take."""
PREFETCH = 1_000
LAST_NOTE = 2.0
"""Seconds that closing waits for the last note."""


class _Note(msgspec.Struct, omit_defaults=True):
    """What an ingester has published; or a mark, which shows a reader that it has read all earlier notes."""

    ingester: str = ""
    next_seq: int = 0
    events: int = 0
    mark: str = ""


_decoder = msgspec.json.Decoder(_Note)


class NoteWriter:
    """Records what this process publishes. `confirmed` is called after each confirmed block, in order of seq."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._channel: Channel | None = None
        self._sums: dict[str, Published] = {}
        self._unwritten: set[str] = set()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def confirmed(self, block: Block) -> None:
        """Record that the broker has confirmed this block."""
        before = self._sums.get(block.ingester, Published(0, 0))
        if block.seq != before.next_seq:
            return  # another process began this ingester, so its sum is unknown here: record less
        self._sums[block.ingester] = Published(block.seq + 1, before.events + block.count)
        self._unwritten.add(block.ingester)
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

    async def write(self, mark: str = "") -> None:
        """Write the pending note, then the mark. Raises QueueUnavailable, or Blocked when nothing was written."""
        async with self._writing:
            channel = await self._open_channel()
            if await channel.connection.blocked():
                raise Blocked
            for ingester in list(self._unwritten):
                self._unwritten.discard(ingester)
                try:
                    sums = self._sums[ingester]
                    await self._put(channel, _Note(ingester, sums.next_seq, sums.events))
                except BaseException:
                    self._unwritten.add(ingester)
                    raise
            if mark:
                await self._put(channel, _Note(mark=mark))

    async def _put(self, channel: Channel, note: _Note) -> None:
        try:
            await channel.publish(self._line.address.notes, msgspec.json.encode(note))
        except Unroutable:
            self._channel = None  # the next note declares the stream again
            raise

    async def _open_channel(self) -> Channel:
        connection = await self._line.connection()
        if self._channel is None or not self._channel.alive or self._channel.connection is not connection:
            channel = await connection.channel(confirms=True)
            await channel.declare(self._line.address.notes, notes_arguments())
            self._channel = channel
        return self._channel

    async def close(self) -> None:
        """Write the last note, if the broker takes it now."""
        task, self._task, self._channel = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        with contextlib.suppress(TimeoutError, QueueUnavailable):
            async with asyncio.timeout(LAST_NOTE):
                if self._unwritten:
                    await self.write()


class NoteReader:
    """Follows the stream from the first call on, and reads it again after a lost connection."""

    def __init__(self, line: Line, writer: NoteWriter, timeout: float) -> None:
        self._line = line
        self._writer = writer
        self._timeout = timeout
        self._channel: Channel | None = None
        self._caught_up: Channel | None = None
        self._published: dict[str, Published] = {}
        self._marks: dict[str, asyncio.Future[None]] = {}
        self._starting = asyncio.Lock()

    async def published(self) -> Mapping[str, Published]:
        """All notes from before the call; during an alarm of the broker, all notes from before the alarm.

        Raises:
            QueueUnavailable: the stream cannot be read in time.
        """
        channel = await self._started()
        mark = secrets.token_hex(8)
        seen = self._marks[mark] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout):
                await self._writer.write(mark)
                await seen
            self._caught_up = channel
        except Blocked:
            if self._caught_up is not channel:
                raise  # it is unknown how many notes are missing
        except TimeoutError:
            channel.connection.drop()
            raise QueueUnavailable("the stream of notes does not come up to date") from None
        finally:
            del self._marks[mark]
        return dict(self._published)

    async def _started(self) -> Channel:
        async with self._starting:
            if self._channel is None or not self._channel.alive:
                channel = await (await self._line.connection()).channel()
                channel.when_gone(lambda: self._give_up(channel))
                first = {"x-stream-offset": "first"}
                await channel.consume(self._line.address.notes, PREFETCH, self._receive, first, keep=False)
                self._channel = channel
            return self._channel

    def _receive(self, delivery: Delivery) -> None:
        try:
            note = _decoder.decode(delivery.body)
        except msgspec.DecodeError:
            return  # not a note
        if note.mark:
            seen = self._marks.get(note.mark)
            if seen is not None and not seen.done():
                seen.set_result(None)
            return
        before = self._published.get(note.ingester)
        if before is None or before.next_seq < note.next_seq:
            self._published[note.ingester] = Published(note.next_seq, note.events)

    def _give_up(self, channel: Channel) -> None:
        if self._channel is channel:
            self._channel = None
        for seen in self._marks.values():
            if not seen.done():
                seen.set_exception(QueueUnavailable("the connection was lost while the notes were read"))

    def close(self) -> None:
        self._channel = None
