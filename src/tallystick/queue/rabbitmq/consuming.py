"""Delivered blocks: which batch has them, the order in which they are taken, and what the broker still holds.

Blocks that are given back go into this process's own backlog and not to the broker, which would deliver them after
those that it has already sent. They return to the broker when the channel ends: by `close`, or by the death of this
process, which the broker notices by the end of the connection or by missing heartbeats.

A broker counts delivered messages, not their bytes: 256 blocks of large events are more than a gigabyte. So each
session begins with few blocks and has more delivered as long as they are small.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from tallystick.config import MIB
from tallystick.errors import BlockCorrupt, QueueUnavailable
from tallystick.model.block import Block, BlockKey, decode_block
from tallystick.model.books import QueuedBlock
from tallystick.queue.backlog import Backlog, Slot
from tallystick.queue.base import Batch, divide
from tallystick.queue.rabbitmq.connection import Channel, Counts, Delivery, Line, Missing

log = structlog.get_logger(__name__)

ON_THE_WAY = 1.0
"""Longest wait in seconds for blocks that the broker counts as waiting although this process has room for them."""
ASK_AGAIN = 0.005
NOTHING = Counts(0, 0)
FIRST_BLOCKS = 16
"""Most blocks that a session has delivered before it knows how large they are. It never has fewer."""
MOST_BYTES = 64 * MIB
"""About how many bytes of blocks a session has delivered, as long as these are more than FIRST_BLOCKS blocks."""


class Look(NamedTuple):
    """A snapshot of what the queue holds.

    Attributes:
        ready: number of blocks that are not delivered.
        here: number of blocks that this process has.
        named: the blocks that this process has, and those that it acknowledged while the snapshot was taken.
        others: the most blocks that other consumers can have.
    """

    ready: int
    here: int
    named: Sequence[QueuedBlock]
    others: int


class Consuming:
    """This process's consumer. The first `take` starts it, and the next one after a lost connection."""

    def __init__(self, line: Line, prefetch: int) -> None:
        self._line = line
        self._queue = line.address.queue
        self._prefetch = prefetch
        self._session: _Session | None = None
        self._looking: Channel | None = None
        self._starting = asyncio.Lock()

    async def take(
        self, max_events: int, wait: float, max_bytes: int | None = None, linger: float = 0.0
    ) -> Batch | None:
        """As `Queue.consume`."""
        until = time.monotonic() + wait
        while True:
            try:
                session = await self._started()
                if wait <= 0:
                    await session.settle()
            except Missing:
                raise
            except QueueUnavailable:
                await asyncio.sleep(max(0.0, until - time.monotonic()))  # the worker calls again at once
                raise
            left = max(0.0, until - time.monotonic()) if session.room else 0.0
            slots = await session.gather(max_events, left, max_bytes, linger)
            if session.alive:
                return _Taken(session, slots) if slots else None
            if time.monotonic() >= until:
                return None

    async def look(self) -> Look:
        """Raises Missing when the broker has no such queue."""
        if self._session is not None and self._session.alive:
            return await self._session.look()
        async with self._starting:
            if self._looking is None or not self._looking.alive:
                self._looking = await (await self._line.connection()).channel()
            channel = self._looking
        counts = await channel.count(self._queue)
        if counts == NOTHING:  # or its leader did not answer
            await channel.touch(self._queue)
            counts = await channel.count(self._queue)
        return Look(counts.ready, 0, [], counts.consumers * self._prefetch)

    async def _started(self) -> _Session:
        async with self._starting:
            if self._session is None or not self._session.alive:
                channel = await (await self._line.connection()).channel()
                # Kept before it runs: a caller that is cancelled now leaves a consumer that the next one finds.
                self._session = _Session(channel, self._queue, self._prefetch)
                await self._session.start()
            return self._session

    async def close(self) -> None:
        """End the session. Its blocks return to the broker when the line is closed too."""
        session, self._session, self._looking = self._session, None, None
        if session is not None:
            session.end()


class _Session:
    """One channel with one consumer, and its delivered blocks that are not acknowledged.

    What a consumer has delivered at most cannot be changed while it runs. Another one takes its place, and until the
    old one has ended the broker counts both. Together they have at most `prefetch` blocks, as the books assume.
    """

    def __init__(self, channel: Channel, queue: str, prefetch: int) -> None:
        self._channel = channel
        self._queue = queue
        self._prefetch = prefetch
        self._ended = False
        self._limit = min(FIRST_BLOCKS, prefetch)
        self._consumer = ""
        self._of_consumer: set[int] = set()
        self._replacing: asyncio.Task[None] | None = None
        self.backlog = Backlog()
        self.blocks: dict[int, Block] = {}
        self.arrived = asyncio.Event()
        channel.when_gone(self.end)

    async def start(self) -> None:
        """Begin to receive blocks."""
        self._consumer = await self._consume(self._limit)

    async def _consume(self, limit: int) -> str:
        """Start a consumer that has at most `limit` blocks; its tag."""
        own = set[int]()
        self._limit, self._of_consumer = limit, own
        return await self._channel.consume(self._queue, limit, lambda delivery: self._receive(delivery, own))

    @property
    def alive(self) -> bool:
        return not self._ended and self._channel.alive

    @property
    def room(self) -> bool:
        """Whether the broker may deliver another block."""
        return len(self._of_consumer) < self._limit

    async def gather(self, max_events: int, wait: float, max_bytes: int | None, linger: float) -> list[Slot]:
        """Take what waits; more may come while the channel lives and the broker may deliver more."""
        return await self.backlog.wait_and_take(
            self.arrived, max_events, wait, max_bytes, linger, lambda: not (self.alive and self.room)
        )

    def _receive(self, delivery: Delivery, of_consumer: set[int]) -> None:
        if self._ended:
            return
        block = read_block(delivery.body, delivery.headers)
        self.blocks[delivery.tag] = block
        of_consumer.add(delivery.tag)
        self.backlog.put(Slot(delivery.tag, block.count, len(delivery.body)))
        self.arrived.set()

    def end(self) -> None:
        """End the session with its channel: the broker delivers its blocks again, to any consumer."""
        self._ended = True
        self.arrived.set()

    async def settle(self) -> None:
        """Wait until the blocks that the broker has for this consumer are delivered."""
        until = time.monotonic() + ON_THE_WAY
        while time.monotonic() < until:
            if not (await self.look()).ready or not self.room:
                return
            await asyncio.sleep(ASK_AGAIN)

    async def look(self) -> Look:
        """Counts that agree with the blocks in this process. The channel answers in order: at the second answer,
        everything that was delivered before the first has arrived.
        """
        named = dict(self.blocks)
        ready, consumers = await self._channel.count(self._queue)
        if not consumers:
            raise QueueUnavailable("the queue has no leader, or one that does not answer")
        await self._channel.count(self._queue)
        named.update(self.blocks)
        blocks = [QueuedBlock(block.ingester, block.seq, block.count) for _, block in sorted(named.items())]
        return Look(ready, len(self.blocks), blocks, max(0, consumers - 1) * self._prefetch)

    async def forget(self, tags: Sequence[int]) -> None:
        """Acknowledge the blocks. Does nothing on a closed channel, since the ledger skips blocks delivered again."""
        if not (self.alive and tags):
            return
        limit = self._fitting()
        self.backlog.forget(tags)
        for tag in tags:
            del self.blocks[tag]
        self._of_consumer.difference_update(tags)
        oldest = min(self.blocks, default=None)
        try:
            await self._channel.acknowledge(tags, multiple=oldest is None or oldest > tags[-1])
        except QueueUnavailable as error:
            log.info("an acknowledgement was lost; the blocks are delivered again", reason=error.whole)
        if limit != self._limit and (self._replacing is None or self._replacing.done()):
            self._replacing = asyncio.create_task(self._replace(limit))

    def _fitting(self) -> int:
        """How many blocks the consumer should have at most, going by the size of those that are here."""
        fits = max(FIRST_BLOCKS, MOST_BYTES * len(self.blocks) // max(1, self.backlog.bytes))
        beside = min(fits, self._prefetch - max(self._limit, len(self.blocks)))
        if not self.room and beside >= 2 * self._limit:
            return beside
        return max(FIRST_BLOCKS, beside) if fits <= self._limit // 2 else self._limit

    async def _replace(self, limit: int) -> None:
        """Let another consumer take the place of this one. What the old one has stays with this session."""
        before = self._consumer
        try:
            self._consumer = await self._consume(limit)
            await self._channel.end_consumer(before)
        except QueueUnavailable as error:
            log.info("the number of blocks to be delivered could not be changed", reason=error.whole)

    def give_back(self, tags: Sequence[int]) -> None:
        if self.alive and tags:
            self.backlog.give_back(tags)
            self.arrived.set()


class _Taken:
    def __init__(self, session: _Session, slots: Sequence[Slot]) -> None:
        self._session = session
        self._tags = [slot.id for slot in slots]
        self.blocks: Sequence[Block] = [session.blocks[tag] for tag in self._tags]

    async def ack(self, but: Collection[BlockKey] = ()) -> None:
        done, back = divide(self._tags, self.blocks, but)
        self._session.give_back(back)
        await self._session.forget(done)

    async def nack(self) -> None:
        self._session.give_back(self._tags)


def headers_of(block: Block) -> dict[str, str | int]:
    """The headers of a block's message: for operators, and to identify the block when its body is damaged."""
    return {"ingester": block.ingester, "seq": block.seq, "count": block.count}


def read_block(body: bytes, headers: Mapping[str, Any]) -> Block:
    """The block of a message. A damaged body becomes a block as it is, identified by the message's headers (G6)."""
    try:
        return decode_block(body)
    except BlockCorrupt:
        ingester, seq, count = (headers.get(name) for name in ("ingester", "seq", "count"))
        if isinstance(ingester, str) and isinstance(seq, int) and isinstance(count, int):
            return Block(ingester, seq, count, body)
        return Block(hashlib.sha256(body).hexdigest()[:16], 0, 1, body)  # a foreign message, identified by its hash
