"""The queue on RabbitMQ, 3.10 and newer: a durable quorum queue, one persistent message a block, publisher confirms.

- `publish` returns after the broker has confirmed every block. A quorum queue confirms a block once a majority of its
  members has it on disk. Each block is sent after the previous one is confirmed, so the broker always has the first
  ones, and a block of unknown outcome is the last of its ingester. The queue type `classic` confirms earlier.
- The size limit is `x-overflow=reject-publish` with `x-max-length-bytes`. A quorum queue enforces it loosely: it takes
  a few blocks more, does not count delivered blocks, and refuses until a fifth is free again. It refuses before
  it stores anything, so a refusal is QueueFull. A classic queue's refusal can also mean a failure: QueueUnavailable.
- The queue is declared with a delivery limit that is never reached, so that no block is dropped. While this process
  lives, blocks that it gives back do not return to the broker anyway.
- During a memory or disk alarm of the broker, `publish` raises QueueFull at once, without an attempt.
- One connection publishes; another one consumes and reads counts, because the broker blocks publishers only.
- RabbitMQ cannot list the waiting blocks. `books` has a sum of what was published (see `notes`), the names of the
  blocks in this process, and the number of all others. `depth` knows events, bytes and age of an empty queue only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import structlog

from tallystick.config import Settings
from tallystick.errors import ConfigError, QueueFull, QueueUnavailable
from tallystick.model.block import Block, encode_block
from tallystick.model.books import QueueBooks
from tallystick.queue.base import Batch, Depth
from tallystick.queue.rabbitmq.address import (
    DEFAULT_QUEUE,
    OLD_DEFAULT_QUEUE,
    notes_arguments,
    parse_address,
    queue_arguments,
)
from tallystick.queue.rabbitmq.connection import Channel, Line, Missing, Refused, Rejected, Unroutable
from tallystick.queue.rabbitmq.consuming import Consuming, headers_of
from tallystick.queue.rabbitmq.notes import NoteReader, NoteWriter

R = TypeVar("R")
log = structlog.get_logger(__name__)

NEWBORN = 2.0
"""Seconds between declaring a queue and using it. RabbitMQ records the files of a new quorum queue or stream only half
a second later; a node that is killed before that does not find its blocks again."""
ALARM = "RabbitMQ's memory or disk alarm is on; nothing of this request was taken"


class RabbitQueue:
    """Blocks as messages. Any number of processes on one queue."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._address = parse_address(settings)
        self._quorum = settings.rabbitmq_queue_type == "quorum"
        self.durability = "fsync" if self._quorum else "written"
        self._declared = False
        self._channel: Channel | None = None
        self._opening = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._out = Line(self._address, "tallystick publishes", settings.publish_timeout)
        self._in = Line(self._address, "tallystick consumes", settings.publish_timeout)
        self._consuming = Consuming(self._in, settings.rabbitmq_prefetch)
        self._writer = NoteWriter(self._out)
        self._reader = NoteReader(self._in, self._writer, settings.publish_timeout)

    async def open(self) -> None:
        if not self._quorum and not self._settings.allow_weak_durability:
            raise ConfigError(
                "a classic queue of RabbitMQ confirms events before they are safe from a power cut: "
                "use TALLYSTICK_RABBITMQ_QUEUE_TYPE=quorum, or set TALLYSTICK_ALLOW_WEAK_DURABILITY=true"
            )
        try:
            await self._refuse_old_queue()
            await self._declare()
        except Refused as error:
            raise ConfigError(
                f"TALLYSTICK_QUEUE_URL: {self._address.broker}: {error.whole}. If the queue exists with other "
                "arguments: set the same TALLYSTICK_QUEUE_MAX_BYTES and TALLYSTICK_RABBITMQ_QUEUE_TYPE as before, "
                "choose another queue by ?queue=name, or let workers empty it and delete it"
            ) from error
        except BaseException as error:
            await self._in.close()
            if type(error) is QueueUnavailable:  # its subclasses are what a broker answers
                raise error.naming("TALLYSTICK_QUEUE_URL") from error.__cause__
            raise

    async def _refuse_old_queue(self) -> None:
        """Refuse to create the default queue while the queue with the old default name still has blocks."""
        if not self._address.has_default_queue or await self._count(DEFAULT_QUEUE) is not None:
            return
        if waiting := await self._count(OLD_DEFAULT_QUEUE):
            raise ConfigError(
                f"{self._address.broker} has {waiting} blocks in the queue {OLD_DEFAULT_QUEUE!r}, the old default: "
                f"add ?queue={OLD_DEFAULT_QUEUE} to TALLYSTICK_QUEUE_URL"
            )

    async def _count(self, queue: str) -> int | None:
        """Blocks that wait in a queue; None: the queue does not exist, or this user may not read it."""
        try:
            channel = await (await self._in.connection()).channel()
            counts = await channel.count(queue)
            await channel.close()
        except (Missing, Refused):
            return None
        return counts.ready

    async def _declare(self) -> None:
        connection = await self._in.connection()
        try:
            await (await connection.channel()).count(self._address.queue)
            new = False
        except Missing:
            new = True
        channel = await connection.channel()
        await channel.declare(self._address.queue, queue_arguments(self._settings))
        await channel.declare(self._address.notes, notes_arguments())
        await channel.close()
        if new:
            log.warning("the queue was not there and was made", queue=self._address.queue)
            await asyncio.sleep(NEWBORN)
        self._declared = True

    async def close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._writer.close()
        self._reader.close()
        await self._consuming.close()
        self._channel = None
        await self._out.close()
        await self._in.close()

    # --- publishing -------------------------------------------------------------------------------------------------

    async def publish(self, blocks: Sequence[Block]) -> None:
        data = [encode_block(block) for block in blocks]
        if sum(map(len, data)) > self._settings.queue_max_bytes:
            raise QueueFull("larger than the queue's budget; nothing of this request was taken")
        # In a task of its own, so that a cancelled caller does not leave half of its blocks published.
        task = asyncio.create_task(self._publish(blocks, data))
        self._tasks.add(task)
        task.add_done_callback(self._published)
        done, _ = await asyncio.wait({task}, timeout=self._settings.publish_timeout)
        if not done:
            task.cancel()
            self._out.drop()
            raise QueueUnavailable
        task.result()

    def _published(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def _publish(self, blocks: Sequence[Block], data: Sequence[bytes]) -> None:
        if not self._declared:
            await self._declare()
        channel = await self._publishing()
        if await channel.connection.blocked():
            raise QueueFull(ALARM)
        for number, (block, bytes_) in enumerate(zip(blocks, data, strict=True)):
            try:
                await channel.publish(self._address.queue, bytes_, headers_of(block))
            except Rejected as error:
                if number == 0 and self._quorum:
                    raise QueueFull("the queue's budget is used up; nothing of this request was taken") from error
                raise QueueUnavailable("the queue is full or failed; some of the events may have been taken") from error
            except Unroutable:
                self._declared = False
                raise
            self._writer.confirmed(block)

    async def _publishing(self) -> Channel:
        async with self._opening:
            connection = await self._out.connection()
            if self._channel is None or not self._channel.alive or self._channel.connection is not connection:
                self._channel = await connection.channel(confirms=True)
            return self._channel

    # --- consuming and reading --------------------------------------------------------------------------------------

    async def consume(
        self, max_events: int, wait: float, max_bytes: int | None = None, linger: float = 0.0
    ) -> Batch | None:
        return await self._again(lambda: self._consuming.take(max_events, wait, max_bytes, linger))

    async def depth(self) -> Depth:
        look = await self._again(self._consuming.look)
        blocks = look.ready + look.here
        if blocks or look.others:
            return Depth(blocks, None, None, None)
        return Depth(0, 0, 0, None)

    async def books(self) -> QueueBooks:
        # Read before the snapshot, so that the snapshot has every block that is counted here.
        published = await self._again(self._reader.published)
        look = await self._again(self._consuming.look)
        return QueueBooks(published, look.named, look.ready + look.others)

    async def _again(self, ask: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Run `ask`; if the queue does not exist, declare it and run `ask` once more."""
        try:
            return await ask()
        except Missing:
            await self._declare()
            return await ask()
