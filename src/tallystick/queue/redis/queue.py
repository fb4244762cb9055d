"""The queue contract, implemented with the scripts of `queue.lua`.

This process holds only the ids of the blocks that it has taken. Publishing, delivering, acknowledging and giving back
are one atomic step inside Redis each. A step that has begun is finished even if its caller is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
import weakref
from collections.abc import Awaitable, Collection, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import structlog

from tallystick.config import MIB, Settings
from tallystick.errors import BlockCorrupt, ConfigError, QueueFull, QueueUnavailable, TallystickError
from tallystick.metrics import Metrics
from tallystick.model.block import Block, BlockKey, decode_block, encode_block
from tallystick.model.books import Published, QueueBooks, QueuedBlock
from tallystick.queue.base import Batch, Depth, divide
from tallystick.queue.redis.connection import Address, Exchange, Failed, Link, OutOfSpace, Refused
from tallystick.queue.redis.durability import MINIMUM_VERSION, NEEDED, UNREADABLE, Durability, judge
from tallystick.queue.redis.scripts import SCRIPTS, key_names

log = structlog.get_logger(__name__)

R = TypeVar("R")
MOST_BLOCKS = 1_000
MOST_BYTES = 32 * MIB
"""Most blocks, and most bytes of them, in one step of Redis, during which it does nothing else."""
LOOK_EVERY = 0.05
"""Seconds between two steps that fetch more blocks for a batch."""
PAGE = 2_000
"""Queued blocks per page when the books are read."""
OLD_DEFAULT_STREAM = "runnel"
"""The default stream's name before the project was called Tallystick."""
DAY = 24 * 3600.0
RETIRE_AFTER = 30 * DAY
"""Seconds of silence after which an ingester with nothing queued is checked against the ledger alone."""
RETIRE_EVERY = 3600.0
TOUCH_EVERY = DAY
"""Seconds between signs of life of an ingester that publishes nothing, far less than RETIRE_AFTER."""


class RedisQueue:
    """Blocks in a stream. Any number of processes publish and consume."""

    durability = "fsync"
    """The required level; `open` replaces it with the server's level."""

    def __init__(self, settings: Settings, metrics: Metrics | None = None) -> None:
        self._settings = settings
        self._metrics = metrics or Metrics()
        self._address = Address(settings.resolved_queue_url)
        self._names = key_names(self._address.stream)
        self._keys = tuple(self._names.values())
        self._takeover = settings.queue_takeover_seconds
        self._in_hand: weakref.WeakSet[_RedisBatch] = weakref.WeakSet()
        """Batches that are neither acknowledged nor given back.

        A batch that is dropped without either is given back.
        """
        self._running: set[asyncio.Task[Any]] = set()
        self._undoing: set[asyncio.Task[Any]] = set()
        self._upkeep: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises ConfigError: the server is too old, refuses the user, can lose what it confirmed, or has blocks that
        wait under the old default name.
        QueueUnavailable: it cannot be reached; the message names the setting.
        """
        seconds = self._settings.publish_timeout
        self._publishing = Link(self._address, seconds, self._greet)
        self._working, self._listening, self._reading = (Link(self._address, seconds) for _ in range(3))
        self._me = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._taking = asyncio.Lock()
        self._doubt = True
        """Whether Redis may count blocks for this process that none of its batches has."""
        self._consumes = False
        self._ingester = ""
        self._touched = self._retired = time.monotonic()
        try:
            await self._publishing.call("PING")
            await self._refuse_old_stream()
        except Refused as error:
            await self._publishing.close()
            raise ConfigError(f"TALLYSTICK_QUEUE_URL: {error.whole}") from error
        except BaseException as error:
            await self._publishing.close()
            if type(error) is QueueUnavailable:  # its subclasses are what a server answers
                raise error.naming("TALLYSTICK_QUEUE_URL") from error.__cause__
            raise
        self._upkeep = asyncio.create_task(self._keep_up(), name="queue-upkeep")

    async def _refuse_old_stream(self) -> None:
        """Refuse to create the default stream while the stream with the old default name still has blocks."""
        if not self._address.has_default_stream or await self._publishing.call("EXISTS", self._names["blocks"]):
            return
        try:
            waiting = await self._publishing.call("XLEN", key_names(OLD_DEFAULT_STREAM)["index"])
        except (Refused, Failed):
            return  # the user may read its own stream only, or this cluster node does not have the old stream
        if waiting:
            raise ConfigError(
                f"Redis at {self._address.shown} has {waiting} blocks in the stream {OLD_DEFAULT_STREAM!r}, the old "
                f"default: add ?stream={OLD_DEFAULT_STREAM} to TALLYSTICK_QUEUE_URL"
            )

    async def _greet(self, exchange: Exchange) -> None:
        info, config = await exchange([("INFO", "server"), ("CONFIG", "GET", *NEEDED)])
        if isinstance(info, bytes):
            self._check_version(info)
        found = UNREADABLE if isinstance(config, Exception) else judge(_pairs(config))
        self.durability = found.level
        if found.to_set and not self._settings.allow_weak_durability:
            raise ConfigError(self._too_weak(found))

    def _check_version(self, info: bytes) -> None:
        for line in info.decode().splitlines():
            name, _, version = line.partition(":")
            if name == "redis_version" and int(version.partition(".")[0]) < MINIMUM_VERSION:
                shown = self._address.shown
                raise ConfigError(f"Redis at {shown} is {version}; {MINIMUM_VERSION}.0 or newer is needed")

    def _too_weak(self, found: Durability) -> str:
        return (
            f"Redis at {self._address.shown} can lose accepted events; it needs {', '.join(found.to_set)}. Set that in "
            "its configuration, or set TALLYSTICK_ALLOW_WEAK_DURABILITY=true"
        )

    async def close(self) -> None:
        if self._upkeep is None:  # it never opened
            return
        self._upkeep.cancel()
        await asyncio.wait([self._upkeep, *self._running, *self._undoing])
        if self._consumes:
            try:
                self._alarm(await self._working.run(SCRIPTS["leave"], self._keys, self._me))
            except QueueUnavailable as error:
                log.warning(
                    "blocks of this process wait until another consumer takes them over",
                    consumer=self._me,
                    error=error.whole,
                )
        self._in_hand.clear()
        for link in (self._publishing, self._working, self._listening, self._reading):
            await link.close()

    # --- publishing -------------------------------------------------------------------------------------------------

    async def publish(self, blocks: Sequence[Block]) -> None:
        if not blocks:
            return
        arguments: list[Any] = [self._settings.queue_max_bytes]
        for block in blocks:
            arguments += (block.ingester, block.seq, block.count, encode_block(block))
        self._ingester, self._touched = blocks[-1].ingester, time.monotonic()
        await self._to_the_end(self._publish(arguments))

    async def _publish(self, arguments: Sequence[Any]) -> None:
        try:
            taken = await self._publishing.run(SCRIPTS["publish"], self._keys, *arguments)
        except OutOfSpace as error:
            raise QueueFull(f"{error.message}; nothing of this request was taken") from error
        except ConfigError as error:  # the server came back with other settings
            raise QueueUnavailable("Redis came back with settings that Tallystick refuses") from error
        if not taken:
            raise QueueFull("the queue's budget is used up; nothing of this request was taken")

    # --- consuming --------------------------------------------------------------------------------------------------

    async def consume(
        self, max_events: int, wait: float, max_bytes: int | None = None, linger: float = 0.0
    ) -> Batch | None:
        deadline = time.monotonic() + wait
        most = MOST_BYTES if max_bytes is None else min(MOST_BYTES, max(0, max_bytes))
        while True:
            took = await self._take(Room(max_events, most, MOST_BLOCKS))
            left = deadline - time.monotonic()
            if took.batch is not None:
                return await self._more(took, max_events, most, linger)
            if left <= 0:
                return None
            # Waiting delivers nothing, so it can be cancelled at any moment.
            streams = ("STREAMS", self._names["index"], self._names["returned"], *took.seen)
            block = max(1, int(left * 1000))
            await self._listening.call("XREAD", "COUNT", 1, "BLOCK", block, *streams, seconds=left)

    async def _more(self, took: Took, max_events: int, max_bytes: int, linger: float) -> _RedisBatch:
        """The batch with what comes within `linger` seconds and fits: no more than one step can acknowledge."""
        assert took.batch is not None
        batch, until = took.batch, time.monotonic() + linger
        try:
            while not took.full and (left := until - time.monotonic()) > 0:
                await asyncio.sleep(min(left, LOOK_EVERY))
                room = Room(max_events - batch.events, max_bytes - batch.size, MOST_BLOCKS - len(batch.ids), 0)
                took = await self._take(room)
                if took.batch is not None:
                    batch.add(took.batch)
        except BaseException:
            self._run(_give_back(batch), self._undoing)
            raise
        return batch

    async def _take(self, room: Room) -> Took:
        if self._undoing:
            await asyncio.wait(self._undoing)
        taking = self._run(self._taken(room), self._running)
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            self._run(_undo(taking), self._undoing)
            raise

    async def _taken(self, room: Room) -> Took:
        async with self._taking:
            self._consumes = True
            if self._doubt:
                await self._keep()
            while True:
                try:
                    entries, gone, full, *seen = await self._working.run(SCRIPTS["take"], self._keys, self._me, *room)
                except BaseException:
                    self._doubt = True
                    raise
                self._alarm(gone)
                batch, foreign = self._accept(entries)
                if foreign:
                    log.error("entries that are not blocks are skipped", stream=self._names["blocks"], ids=foreign)
                    await self._working.run(SCRIPTS["acknowledge"], self._keys, *foreign)
                if batch is not None or not (gone or foreign):
                    return Took(batch, bool(full), seen)

    def _accept(self, entries: Sequence[tuple[bytes, Sequence[bytes]]]) -> tuple[_RedisBatch | None, list[bytes]]:
        """The batch of these entries, which counts as taken from now on, and the ids of entries that are not blocks."""
        blocks, foreign, size = _read(entries)
        if not blocks:
            return None, foreign
        batch = _RedisBatch(self, list(blocks), list(blocks.values()), size)
        self._in_hand.add(batch)
        return batch, foreign

    async def _finish(self, batch: _RedisBatch, done: Sequence[bytes], back: Sequence[bytes]) -> None:
        try:
            if done:
                self._alarm(await self._working.run(SCRIPTS["acknowledge"], self._keys, *done))
            if back:
                self._alarm(await self._working.run(SCRIPTS["give_back"], self._keys, self._me, *back))
        except BaseException:
            self._doubt = True  # blocks of ours that no batch has are given back before the next delivery
            raise
        finally:
            self._in_hand.discard(batch)

    # --- upkeep -----------------------------------------------------------------------------------------------------

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(self._takeover / 4)
            try:
                if self._consumes:
                    async with self._taking:
                        await self._keep()
                await self._seldom()
            except TallystickError as error:
                log.warning("the queue's upkeep failed and is tried again", error=error.whole)
            except Exception:
                log.exception("the queue's upkeep failed and is tried again")

    async def _keep(self) -> None:
        """Keep the blocks of open batches, give back other blocks of this process, take over from consumers that are
        gone.

        `_taking` is held.
        """
        ids = [id_ for batch in self._in_hand for id_ in batch.ids]
        arguments = (self._me, max(1, int(self._takeover * 1000)), *ids)
        moved, gone, removed = await self._working.run(SCRIPTS["keep"], self._keys, *arguments)
        self._doubt = False
        self._alarm(gone)
        if moved:
            log.warning("blocks of consumers that are gone were taken over", blocks=moved)
        for name in removed:
            log.info("a consumer that is gone was removed", consumer=name.decode(errors="replace"))

    async def _seldom(self) -> None:
        now = time.monotonic()
        if self._ingester and now - self._touched >= TOUCH_EVERY:
            await self._publishing.run(SCRIPTS["touch"], self._keys, self._ingester)
            self._touched = now
        if self._consumes and now - self._retired >= RETIRE_EVERY:
            await self._working.run(SCRIPTS["retire"], self._keys, int(RETIRE_AFTER * 1000))
            self._retired = now

    def _alarm(self, gone: Sequence[Sequence[Any]]) -> None:
        """Count and log entries that vanished without an acknowledgement: another client deleted or trimmed them before
        they were stored.
        """
        if gone:
            self._metrics.queue_blocks_gone.inc(len(gone))
            receipts = [(receipt or id_).decode(errors="replace") for id_, receipt, _ in gone]
            events = sum(count for *_, count in gone)
            log.error("blocks are gone from the queue unacknowledged", events=events, blocks=receipts)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def depth(self) -> Depth:
        """`bytes` is the size of the stream: more than what waits, while another group of the stream lags."""
        blocks, events, bytes_, age = await self._reading.run(SCRIPTS["depth"], self._keys)
        return Depth(blocks, events, bytes_, age / 1000 if age >= 0 else None)

    async def books(self) -> QueueBooks:
        """The queue's side of the books, for a caller that reads the ledger afterwards: each block that was published
        at the first step is still queued, or was acknowledged since and is in the ledger. It is read in pages, so that
        Redis is never busy for long.
        """
        ingesters, last = await self._reading.run(SCRIPTS["books"], self._keys)
        published = {}
        for name, text in _pairs(ingesters).items():
            next_seq, events, *_ = map(int, text.split())
            published[name] = Published(next_seq, events)
        queued: list[QueuedBlock] = []
        start, page = b"-", PAGE
        while page == PAGE:
            index = await self._reading.call("XRANGE", self._names["index"], start, last, "COUNT", PAGE)
            queued += [QueuedBlock(flat[1].decode(), int(flat[3]), int(flat[5])) for _, flat in index]
            page = len(index)
            start = b"(" + index[-1][0] if index else start
        return QueueBooks(published, queued)

    # --- finishing what was begun -----------------------------------------------------------------------------------

    def _run(self, work: Coroutine[Any, Any, R], running: set[asyncio.Task[Any]]) -> asyncio.Task[R]:
        task = asyncio.create_task(work)
        running.add(task)
        task.add_done_callback(running.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _to_the_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for `work`, which continues if the caller is cancelled, at most until its own time-out."""
        await asyncio.shield(self._run(work, self._running))


class _RedisBatch:
    def __init__(self, queue: RedisQueue, ids: list[bytes], blocks: list[Block], size: int) -> None:
        self._queue = queue
        self.ids = ids
        self.blocks: Sequence[Block] = blocks
        self.events = sum(block.count for block in blocks)
        self.size = size

    def add(self, more: _RedisBatch) -> None:
        """Take over the blocks of a later batch, which ends."""
        self.ids += more.ids
        self.blocks = [*self.blocks, *more.blocks]
        self.events += more.events
        self.size += more.size
        self._queue._in_hand.discard(more)

    async def ack(self, but: Collection[BlockKey] = ()) -> None:
        done, back = divide(self.ids, self.blocks, but)
        await self._queue._to_the_end(self._queue._finish(self, done, back))

    async def nack(self) -> None:
        await self._queue._to_the_end(self._queue._finish(self, [], self.ids))


class Room(NamedTuple):
    """What one step may take, and the least: 0 or 1 blocks, also when it is too large."""

    events: int
    bytes: int
    blocks: int
    least: int = 1


class Took(NamedTuple):
    """What a step took.

    Attributes:
        full: whether more waits, which does not fit.
        seen: the ids after which new entries would appear.
    """

    batch: _RedisBatch | None
    full: bool
    seen: Sequence[bytes]


async def _give_back(batch: _RedisBatch) -> None:
    """Give back a batch whose caller was cancelled, or failed."""
    with contextlib.suppress(TallystickError):
        await batch.nack()


async def _undo(taking: Awaitable[Took]) -> None:
    """Give back a delivery whose caller was cancelled."""
    with contextlib.suppress(TallystickError):
        if (batch := (await taking).batch) is not None:
            await _give_back(batch)


def _read(entries: Sequence[tuple[bytes, Sequence[bytes]]]) -> tuple[dict[bytes, Block], list[bytes], int]:
    """Blocks by their entries' ids, in order; the ids of entries that Tallystick cannot have written; and the blocks'
    encoded bytes.
    """
    blocks: dict[bytes, Block] = {}
    foreign: list[bytes] = []
    size = 0
    for id_, flat in entries:
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        try:
            key = (fields[b"ingester"].decode(), int(fields[b"seq"]), int(fields[b"count"]))
            data = fields[b"block"]
        except (KeyError, ValueError):
            foreign.append(id_)
            continue
        size += len(data)
        try:
            blocks[id_] = decode_block(data)
        except BlockCorrupt:
            # Delivered as it is: its lines() raise, and the worker keeps the bytes as a dead letter (G6).
            blocks[id_] = Block(*key, data)
    return blocks, foreign, size


def _pairs(flat: Sequence[bytes]) -> Mapping[str, str]:
    return {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}
