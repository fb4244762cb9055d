"""Delivered blocks: which batch has them, the order in which they are taken, and the process's place in the group.

Blocks that are given back stay in this process. They go to another one when this process leaves the group: by `close`,
or by its death, which the group notices after TALLYSTICK_QUEUE_TAKEOVER_SECONDS without a heartbeat.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import structlog

from tallystick.config import MIB
from tallystick.errors import BlockCorrupt, QueueUnavailable
from tallystick.metrics import Metrics
from tallystick.model.block import Block, BlockKey, decode_block
from tallystick.queue.backlog import Backlog, Slot
from tallystick.queue.base import Batch, divide
from tallystick.queue.kafka.client import Asking
from tallystick.queue.kafka.member import Arrived, Listener, Member
from tallystick.queue.kafka.offsets import Tracker

log = structlog.get_logger(__name__)

MOST_BYTES = 32 * MIB
MOST_BLOCKS = 4_000
"""Most bytes and blocks that this process fetches before it acknowledges some."""
JOINING = 3.0
"""Longest wait in seconds for the group's first answer, in a `consume` that is not to wait."""
ON_THE_WAY = 1.0
"""Longest wait in seconds for blocks that the brokers have for this process."""
ASK_AGAIN = 0.005
LEAVING = 4.0
"""Seconds that closing waits for the last commit and for leaving the group."""


class Held(NamedTuple):
    """A block that this process has: its partition and offset, and when it was published."""

    block: Block
    tracker: Tracker
    offset: int
    timestamp: float


class Consuming:
    """This process's place in the group. The first `take` joins, and the next one after a failure."""

    def __init__(
        self,
        asking: Asking,
        patience: float,
        join: Callable[[], Awaitable[None]],
        metrics: Metrics,
    ) -> None:
        """`join` is awaited before each joining."""
        self._asking = asking
        self._patience = patience
        self._join = join
        self._metrics = metrics
        self._session: _Session | None = None
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
                left = max(0.0, until - time.monotonic()) if session.room else 0.0
                slots = await session.gather(max_events, left, max_bytes, linger)
                if not slots and session.failure is not None:
                    raise session.failure
            except QueueUnavailable:
                await asyncio.sleep(max(0.0, until - time.monotonic()))  # the worker calls again at once
                raise
            if slots:
                return _Taken(session, slots)
            if session.alive or time.monotonic() >= until:
                return None

    async def _started(self) -> _Session:
        async with self._starting:
            if self._session is None or not self._session.alive:
                await self._join()
                self._session = _Session(self._asking, self._patience, self._metrics)
                self._session.start()
            return self._session

    def held(self) -> Sequence[Held]:
        """The blocks that this process has and that are not acknowledged."""
        return list(self._session.blocks.values()) if self._session is not None else []

    def progress(self) -> dict[int, int]:
        """For each partition of this process the offset before which everything is acknowledged and committed."""
        return self._session.progress() if self._session is not None else {}

    def square(self, events: int, size: int) -> None:
        """Count so much more as acknowledged, in the process that has the first partition; elsewhere do nothing."""
        if self._session is not None:
            self._session.square(events, size)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _Session:
    """One membership, and the blocks that it was given and has not acknowledged."""

    def __init__(self, asking: Asking, patience: float, metrics: Metrics) -> None:
        self._asking = asking
        self._patience = patience
        self._metrics = metrics
        self._lock = threading.Lock()
        self._backlog = Backlog()
        self._next_id = 0
        self._trackers: dict[int, Tracker] = {}
        self._assigned = asyncio.Event()
        self._arrived = asyncio.Event()
        self._ended = asyncio.Event()
        self.blocks: dict[int, Held] = {}
        self.failure: QueueUnavailable | None = None
        listener = Listener(self._on_arrived, self._on_assigned, self._on_dropped, self._on_ended)
        self._member = Member(asking.address, patience, self._lock, listener)

    def start(self) -> None:
        self._member.start()

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    @property
    def room(self) -> bool:
        """Whether another block is fetched."""
        return self._backlog.bytes < MOST_BYTES and len(self.blocks) < MOST_BLOCKS

    async def gather(self, max_events: int, wait: float, max_bytes: int | None, linger: float) -> list[Slot]:
        """Take what waits; more may come while the membership lives and another block is fetched."""
        return await self._backlog.wait_and_take(
            self._arrived, max_events, wait, max_bytes, linger, lambda: not (self.alive and self.room)
        )

    async def settle(self) -> None:
        """Wait until the blocks that the brokers have for this process are here."""
        ended = asyncio.ensure_future(self._ended.wait())
        assigned = asyncio.ensure_future(self._assigned.wait())
        await asyncio.wait({ended, assigned}, timeout=JOINING, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        assigned.cancel()
        mine = list(self._trackers)
        ends = await self._asking.ends(mine)
        until = time.monotonic() + ON_THE_WAY
        while self.alive and self.room and time.monotonic() < until:
            if all(tracker.position >= ends.get(partition, 0) for partition, tracker in self._trackers.items()):
                return
            await asyncio.sleep(ASK_AGAIN)

    async def close(self) -> None:
        self._member.end()
        try:
            async with asyncio.timeout(LEAVING):
                await self._ended.wait()
        except TimeoutError:
            log.warning("the consumer group was not left in order; its blocks wait until it notices")

    def progress(self) -> dict[int, int]:
        with self._lock:
            return {partition: tracker.committed for partition, tracker in self._trackers.items()}

    def square(self, events: int, size: int) -> None:
        with self._lock:
            tracker = self._trackers.get(0)
            if tracker is None or tracker.dropped:
                return
            tracker.count(events, size)
        self._member.commit()

    # --- told by the member -----------------------------------------------------------------------------------------

    def _on_assigned(self, trackers: Sequence[Tracker]) -> None:
        self._trackers |= {tracker.partition: tracker for tracker in trackers if not tracker.dropped}
        self._assigned.set()

    def _on_arrived(self, messages: Sequence[Arrived]) -> None:
        for message in messages:
            block = read_block(message.body, message.headers)
            with self._lock:
                gone = message.tracker.gone_before(message.offset)
                if message.tracker.dropped or not message.tracker.arrived(
                    message.offset, block.count, len(message.body)
                ):
                    continue
            if gone:
                self._alarm(message, gone)
            id_ = self._next_id
            self._next_id += 1
            self.blocks[id_] = Held(block, message.tracker, message.offset, message.timestamp)
            self._backlog.put(Slot(id_, block.count, len(message.body)))
        self._flow()
        self._arrived.set()

    def _alarm(self, message: Arrived, gone: int) -> None:
        """Count and log blocks that were deleted in Kafka before they were stored."""
        self._metrics.queue_blocks_gone.inc(gone)
        partition = message.tracker.partition
        log.error(
            "blocks are gone from the queue unacknowledged", partition=partition, before=message.offset, blocks=gone
        )

    def _on_dropped(self, tracker: Tracker) -> None:
        if self._trackers.get(tracker.partition) is tracker:
            del self._trackers[tracker.partition]
        ids = {id_ for id_, held in self.blocks.items() if held.tracker is tracker}
        self._backlog.drop(ids)
        for id_ in ids:
            del self.blocks[id_]
        self._flow()

    def _on_ended(self, failure: QueueUnavailable | None) -> None:
        self.failure = failure
        self._ended.set()
        self._arrived.set()

    def _flow(self) -> None:
        """Pause at the limit, and go on at half of it."""
        self._member.busy = bool(self.blocks)
        if not self.room:
            self._member.pause(True)
        elif self._backlog.bytes < MOST_BYTES // 2 and len(self.blocks) < MOST_BLOCKS // 2:
            self._member.pause(False)

    # --- batches ----------------------------------------------------------------------------------------------------

    async def forget(self, ids: Sequence[int]) -> None:
        """Acknowledge the blocks; those of a partition that another process has are left alone, since the ledger skips
        them there.
        """
        done = [id_ for id_ in ids if id_ in self.blocks]
        self._backlog.forget(done)
        with self._lock:
            for id_ in done:
                held = self.blocks.pop(id_)
                if not held.tracker.dropped:
                    held.tracker.acknowledge(held.offset)
        self._flow()
        if not (done and self.alive):
            return
        committed = self._member.commit()
        _, late = await asyncio.wait({committed}, timeout=self._patience)
        if late:
            log.info("an acknowledgement waits for Kafka; after a crash the blocks are delivered again")

    def give_back(self, ids: Sequence[int]) -> None:
        if back := [id_ for id_ in ids if id_ in self.blocks]:
            self._backlog.give_back(back)
            self._arrived.set()


class _Taken:
    def __init__(self, session: _Session, slots: Sequence[Slot]) -> None:
        self._session = session
        self._ids = [slot.id for slot in slots]
        self.blocks: Sequence[Block] = [session.blocks[id_].block for id_ in self._ids]

    async def ack(self, but: Collection[BlockKey] = ()) -> None:
        done, back = divide(self._ids, self.blocks, but)
        self._session.give_back(back)
        await self._session.forget(done)

    async def nack(self) -> None:
        self._session.give_back(self._ids)


def headers_of(block: Block) -> list[tuple[str, bytes]]:
    """The headers of a block's message: for operators, and to identify the block when its body is damaged."""
    named = {"ingester": block.ingester, "seq": block.seq, "count": block.count}
    return [(name, str(value).encode()) for name, value in named.items()]


def read_block(body: bytes, headers: Mapping[str, bytes]) -> Block:
    """The block of a message. A damaged body becomes a block as it is, identified by the message's headers (G6)."""
    try:
        return decode_block(body)
    except BlockCorrupt:
        try:
            ingester = headers["ingester"].decode()
            return Block(ingester, int(headers["seq"]), int(headers["count"]), body)
        except (KeyError, ValueError):
            return Block(hashlib.sha256(body).hexdigest()[:16], 0, 1, body)  # a foreign message
