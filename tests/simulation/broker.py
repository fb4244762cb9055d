"""A queue as its contract allows it to be: at least once, leased, full at times, and with answers that get lost."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tallystick.errors import QueueFull, QueueUnavailable, TallystickError
from tallystick.model.block import Block, BlockKey, split_lines
from tallystick.model.books import Published, QueueBooks, QueuedBlock
from tallystick.queue.base import Depth, divide
from tests.simulation.weather import Process, Weather

LEASE = 30.0
"""Seconds after which a block that is delivered and not acknowledged is delivered to another worker."""
ROOM = 40
"""Blocks that fit."""
POLL = 0.2
"""Seconds between two looks for blocks."""


@dataclass
class Kept:
    """A block on the broker's disk."""

    block: Block
    leased_until: float = 0.0


@dataclass
class Broker:
    """The server's state.

    Attributes:
        synced: whether what was written waits for fsync before it is confirmed. Without it a power cut loses blocks.
        evicts: whether a full queue deletes its oldest block instead of refusing.
        written: blocks in the order of their arrival: id → block.
        at_risk: ids of blocks that a power cut may lose.
        under_way: publishes that arrive although nobody waits for them.
        contents: the event ids of each block, as it was published.
    """

    weather: Weather
    synced: bool = True
    evicts: bool = False
    written: dict[int, Kept] = field(default_factory=dict)
    published: dict[str, Published] = field(default_factory=dict)
    at_risk: list[int] = field(default_factory=list)
    contents: dict[BlockKey, list[str]] = field(default_factory=dict)
    under_way: list[asyncio.Task[None]] = field(default_factory=list)
    next_id: int = 0

    def take(self, blocks: Sequence[Block]) -> None:
        """Write the blocks in one commit, with what each ingester has published."""
        if len(self.written) + len(blocks) > ROOM:
            if not self.evicts:
                raise QueueFull
            for id_ in list(self.written)[: len(blocks)]:
                del self.written[id_]
        for block in blocks:
            damaged = self.weather.strikes("a block is damaged on disk")
            self.contents.setdefault(block.key, [event_id(line) for line in split_lines(block.lines())])
            self.written[self.next_id] = Kept(with_damage(block) if damaged else block)
            if not self.synced:
                self.at_risk.append(self.next_id)
            self.next_id += 1
            before = self.published.get(block.ingester, Published(0, 0))
            self.published[block.ingester] = Published(block.seq + 1, before.events + block.count)

    def flush(self) -> None:
        """The operating system writes what it has."""
        self.at_risk.clear()

    def power_cut(self) -> None:
        """What was not flushed is gone, with its record of what was published; leases are forgotten."""
        for id_ in self.at_risk:
            if (lost := self.written.pop(id_, None)) is not None:
                before = self.published[lost.block.ingester]
                self.published[lost.block.ingester] = Published(before.next_seq - 1, before.events - lost.block.count)
        self.at_risk.clear()
        for kept in self.written.values():
            kept.leased_until = 0.0

    def deliver(self, max_events: int, now: float) -> dict[int, Block]:
        delivered: dict[int, Block] = {}
        events = 0
        for id_, kept in self.written.items():
            if kept.leased_until > now:
                continue
            if delivered and events + kept.block.count > max_events:
                break
            kept.leased_until = now + LEASE
            delivered[id_] = kept.block
            events += kept.block.count
        return delivered

    def forget(self, ids: Collection[int]) -> None:
        for id_ in ids:
            self.written.pop(id_, None)

    def give_back(self, ids: Collection[int]) -> None:
        for id_ in ids:
            if id_ in self.written:
                self.written[id_].leased_until = 0.0

    def books(self) -> QueueBooks:
        queued = [QueuedBlock(k.block.ingester, k.block.seq, k.block.count) for k in self.written.values()]
        return QueueBooks(dict(self.published), queued)


def event_id(line: bytes) -> str:
    """The id of a simulated event, whose line is the id and, after a space, what else it has."""
    return line.split()[0].decode()


def with_damage(block: Block) -> Block:
    """The block with a payload that cannot be unpacked."""
    return Block(block.ingester, block.seq, block.count, b"damaged " + block.payload, block.requests)


class SimulatedQueue:
    """The queue as one process has it."""

    durability = "simulated"

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process
        self._weather = broker.weather

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def publish(self, blocks: Sequence[Block]) -> None:
        weather = self._weather

        async def effect() -> None:
            if weather.strikes("a publish is lost on its way"):
                raise QueueUnavailable
            if weather.strikes("a publish is late"):
                await asyncio.sleep(weather.dice.uniform(0, 20))
            if weather.strikes("a publish is taken in part"):
                self._broker.take(blocks[: weather.dice.randrange(len(blocks))])
                raise QueueUnavailable
            self._broker.take(blocks)
            if weather.strikes("a confirmation is lost"):
                raise QueueUnavailable

        async def later() -> None:
            await asyncio.sleep(weather.dice.uniform(0, 20))
            with suppress(TallystickError):
                await effect()

        if weather.strikes("a publish arrives after its caller has given up"):
            self._broker.under_way.append(asyncio.ensure_future(later()))
            raise QueueUnavailable
        await self._process.call(effect)

    async def consume(
        self, max_events: int, wait: float, max_bytes: int | None = None, linger: float = 0.0
    ) -> SimulatedBatch | None:
        loop = asyncio.get_running_loop()
        until = loop.time() + wait

        async def effect() -> dict[int, Block]:
            if self._weather.strikes("the queue is away"):
                raise QueueUnavailable
            return self._broker.deliver(max_events, loop.time())

        delivered = await self._process.call(effect)
        while not delivered and loop.time() < until:
            await asyncio.sleep(POLL)
            delivered = await self._process.call(effect)
        return SimulatedBatch(self._broker, self._process, delivered) if delivered else None

    async def depth(self) -> Depth:
        return Depth(len(self._broker.written), None, None, None)

    async def books(self) -> QueueBooks:
        return self._broker.books()


class SimulatedBatch:
    """Blocks that are leased to one process."""

    def __init__(self, broker: Broker, process: Process, delivered: dict[int, Block]) -> None:
        self._broker = broker
        self._process = process
        self._ids = list(delivered)
        self.blocks: Sequence[Block] = list(delivered.values())

    async def ack(self, but: Collection[BlockKey] = ()) -> None:
        done, back = divide(self._ids, self.blocks, but)

        async def effect() -> None:
            if self._broker.weather.strikes("an acknowledgement is lost on its way"):
                raise QueueUnavailable
            self._broker.forget(done)
            self._broker.give_back(back)
            if self._broker.weather.strikes("the answer to an acknowledgement is lost"):
                raise QueueUnavailable

        await self._process.call(effect)

    async def nack(self) -> None:
        async def effect() -> None:
            self._broker.give_back(self._ids)

        await self._process.call(effect)
