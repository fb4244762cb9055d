"""The queue on Apache Kafka, 4.0 and newer: a topic of blocks, one message a block, and one consumer group.

- `publish` returns after the brokers have confirmed every block: with `acks=all` each replica in sync has it, and the
  topic's settings say how many these are (see `durability`). They are read at the start, after each disturbance and
  every minute, and too weak ones are refused.
- The blocks of one publish go to one partition, in order and without a hole; the next publish goes to the next
  partition, so that one ingester's blocks reach all workers.
- What is acknowledged is a commit of the group (see `offsets`): a block is forgotten by its acknowledgement alone, and
  no number of deliveries is too many. A worker deletes what is acknowledged once a minute.
- The budget is Tallystick's own: the bytes that were published (see `notes`) and not acknowledged. A broker whose disk
  is full ends, so the budget has to be smaller than the disks.
- Kafka counts the blocks that wait, and cannot name them. `books` has a sum of what was published, the names of the
  blocks in this process, and the exact number of all others.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import structlog

from tallystick.config import MIB, Settings
from tallystick.errors import ConfigError, QueueFull, QueueUnavailable, TallystickError
from tallystick.metrics import Metrics
from tallystick.model.block import Block, encode_block
from tallystick.model.books import Published, QueueBooks, QueuedBlock
from tallystick.queue.base import Batch, Depth
from tallystick.queue.kafka.address import parse_address
from tallystick.queue.kafka.client import Asking, Missing, Refused
from tallystick.queue.kafka.consuming import Consuming, headers_of
from tallystick.queue.kafka.durability import Durability, judge, settings_for
from tallystick.queue.kafka.notes import SETTINGS as NOTES_SETTINGS
from tallystick.queue.kafka.notes import NoteReader, NoteWriter, Sums
from tallystick.queue.kafka.offsets import Progress
from tallystick.queue.kafka.peeking import Peeking
from tallystick.queue.kafka.producing import Producing, Record

log = structlog.get_logger(__name__)

LOOK_EVERY = 1.0
"""Seconds after which a publish looks again at how much waits, and at the topic's settings after a disturbance."""
UPKEEP_EVERY = 60.0
"""Seconds between two looks at the topic's settings, and between two deletions of what is acknowledged."""
SESSION_BOUNDS = (45_000, 60_000)
HEARTBEAT_BOUNDS = (5_000, 15_000)
"""Milliseconds that brokers allow unless they are set otherwise."""
HEARTBEATS = 5
"""Heartbeats within the take-over time."""


class _Look(NamedTuple):
    """A snapshot of what the topic holds; `waiting` has the offsets that are not acknowledged, by partition."""

    sums: Mapping[str, Sums]
    progress: Mapping[int, Progress]
    waiting: Mapping[int, Sequence[tuple[int, int]]]

    @property
    def blocks(self) -> int:
        return sum(self.of(partition) for partition in self.waiting)

    def of(self, partition: int) -> int:
        """How many blocks of this partition wait."""
        return sum(end - start for start, end in self.waiting[partition])

    @property
    def surplus(self) -> tuple[int, int]:
        """Events and bytes that were published and, as far as the sums say, not acknowledged."""
        events = sum(sums.events for sums in self.sums.values()) - sum(p.events for p in self.progress.values())
        size = sum(sums.bytes for sums in self.sums.values()) - sum(p.bytes for p in self.progress.values())
        return events, size


class KafkaQueue:
    """Blocks in a topic. Any number of processes publish, and as many as there are partitions consume."""

    durability = "fsync"
    """The required level; `open` replaces it with the topic's level."""

    def __init__(self, settings: Settings, metrics: Metrics | None = None) -> None:
        self._settings = settings
        self._metrics = metrics or Metrics()
        self._address = parse_address(settings)
        seconds = settings.publish_timeout
        self._largest = settings.block_max_bytes + max(settings.max_body_bytes, settings.smolhog_max_body_bytes) + MIB
        self._partitions: list[int] = []
        self._next_partition = 0
        self._checked = False
        self._checked_at = 0.0
        self._takeover_said = False
        self._checking = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._upkeep: asyncio.Task[None] | None = None
        self._looked = 0.0
        self._waiting_bytes = 0
        self._sent = self._sent_before = 0
        """Bytes that this process has published, and how many of them when the last look began."""
        self._asking = Asking(self._address, seconds)
        self._producing = Producing(self._address, self._address.topic, seconds)
        self._consuming = Consuming(self._asking, seconds, self._before_joining, self._metrics)
        self._writer = NoteWriter(self._address, seconds)
        self._reader = NoteReader(self._asking, self._writer, seconds)
        self._peeking = Peeking(self._address, seconds)

    # --- opening ----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Raises ConfigError: the brokers refuse the user or an operation, or can lose what they confirmed."""
        self._looked = 0.0
        try:
            await self._check()
        except Refused as error:
            self._asking.close()
            raise ConfigError(self._located(error)) from None
        except BaseException:
            self._asking.close()
            raise
        self._upkeep = asyncio.create_task(self._keep_up(), name="queue-upkeep")

    def _located(self, error: TallystickError) -> str:
        """An error's text with the brokers in front."""
        where = f"TALLYSTICK_QUEUE_URL: {self._address.servers}: "
        return error.whole if where in error.whole else where + error.whole

    async def _check(self) -> None:
        """Make the topics if they are not there, and read how durable the topic of blocks is.

        Raises:
            ConfigError: it can lose what it confirmed.
        """
        async with self._checking:
            brokers = await self._asking.brokers()
            try:
                replicas = await self._asking.partitions(self._address.topic)
            except Missing:
                replicas = await self._make(brokers)
            try:
                await self._asking.partitions(self._address.notes)
            except Missing:
                await self._make_notes(brokers)
            settings = await self._asking.topic_settings(self._address.topic)
            found = judge(settings, min(replicas.values()), self._largest)
            self._partitions = sorted(replicas)
            self.durability = found.level
            self._producing.largest(int(settings.get("max.message.bytes", self._largest)))
            if found.to_set and not self._settings.allow_weak_durability:
                self._checked = False
                raise ConfigError(self._too_weak(found))
            self._checked = True
            self._checked_at = time.monotonic()

    async def _make(self, brokers: int) -> dict[int, int]:
        replicas, settings = settings_for(brokers, self._largest)
        topic = self._address.topic
        if await self._asking.create(topic, self._address.partitions, replicas, settings):
            log.warning("the topic was not there and was made", topic=topic, replicas=replicas, settings=settings)
        await self._make_notes(brokers)
        return await self._when_there(topic)

    async def _make_notes(self, brokers: int) -> None:
        replicas, settings = settings_for(brokers, MIB)
        in_sync = settings["min.insync.replicas"]
        await self._asking.create(self._address.notes, 1, replicas, {**NOTES_SETTINGS, "min.insync.replicas": in_sync})
        await self._when_there(self._address.notes)

    async def _when_there(self, topic: str) -> dict[int, int]:
        """A new topic's replicas. A broker hears of a topic a moment after the controller has made it."""
        until = time.monotonic() + self._settings.publish_timeout
        while True:
            try:
                return await self._asking.partitions(topic)
            except Missing:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.05)

    def _too_weak(self, found: Durability) -> str:
        return (
            f"TALLYSTICK_QUEUE_URL: the topic {self._address.topic!r} on {self._address.servers} can lose accepted "
            f"events; it needs {', '.join(found.to_set)}. Set that with kafka-configs.sh, or set "
            "TALLYSTICK_ALLOW_WEAK_DURABILITY=true"
        )

    async def _before_joining(self) -> None:
        """Let the group notice a dead worker after the take-over time, as far as the brokers allow it."""
        with contextlib.suppress(ConfigError):  # what waits in a topic that is refused by now is delivered all the same
            await self._check()
        wanted = int(self._settings.queue_takeover_seconds * 1000)
        brokers = await self._asking.broker_settings()

        def within(value: int, name: str, bounds: tuple[int, int]) -> int:
            least, most = (
                int(brokers.get(f"group.consumer.{bound}.{name}", usual))
                for bound, usual in zip(("min", "max"), bounds, strict=True)
            )
            return min(max(value, least), most)

        session = within(wanted, "session.timeout.ms", SESSION_BOUNDS)
        heartbeat = within(session // HEARTBEATS, "heartbeat.interval.ms", HEARTBEAT_BOUNDS)
        try:
            await self._asking.set_for_group(
                self._address.group,
                {"consumer.session.timeout.ms": str(session), "consumer.heartbeat.interval.ms": str(heartbeat)},
            )
        except QueueUnavailable as error:
            log.warning("the take-over time is the brokers' own, because it cannot be set", reason=error.whole)
            return
        if session != wanted and not self._takeover_said:
            self._takeover_said = True
            log.info("the brokers allow another take-over time only", seconds=session / 1000)

    async def close(self) -> None:
        if self._upkeep is not None:  # it is None where `open` failed
            self._upkeep.cancel()
            await asyncio.wait([self._upkeep, *self._tasks])
        await self._writer.close()
        await self._consuming.close()
        await self._producing.close()
        await self._reader.close()
        await self._peeking.close()
        self._asking.close()
        self._checked = False

    # --- publishing -------------------------------------------------------------------------------------------------

    async def publish(self, blocks: Sequence[Block]) -> None:
        if not blocks:
            return
        # In a task of its own, so that a cancelled caller does not leave half of its blocks published.
        task = asyncio.create_task(self._publish(blocks, [encode_block(block) for block in blocks]))
        self._tasks.add(task)
        task.add_done_callback(self._published)
        done, _ = await asyncio.wait({task}, timeout=self._settings.publish_timeout)
        if not done:
            task.cancel()
            self._checked = False
            raise QueueUnavailable
        task.result()

    def _published(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def _publish(self, blocks: Sequence[Block], data: Sequence[bytes]) -> None:
        disturbed = self._producing.disturbed and time.monotonic() - self._checked_at > LOOK_EVERY
        if not self._checked or disturbed:
            await self._check_again()
        size = sum(map(len, data))
        await self._refuse_above_budget(size)
        partition = self._partitions[self._next_partition % len(self._partitions)]
        self._next_partition += 1
        records = [Record(body, None, headers_of(block)) for block, body in zip(blocks, data, strict=True)]
        try:
            await self._producing.send(records, partition)
        except QueueUnavailable:
            self._checked = False
            raise
        self._sent += size
        for block, body in zip(blocks, data, strict=True):
            self._writer.confirmed(block, len(body))

    async def _check_again(self) -> None:
        self._producing.disturbed = False
        try:
            await self._check()
        except ConfigError as error:  # the topic has other settings now
            raise QueueUnavailable("Kafka's topic has settings now that Tallystick refuses") from error

    async def _refuse_above_budget(self, size: int) -> None:
        """Raises QueueFull."""
        budget = self._settings.queue_max_bytes
        if self._looked == 0.0:
            await self._look()
        elif time.monotonic() - self._looked > LOOK_EVERY:
            self._looked = time.monotonic()
            look = asyncio.create_task(self._look_quietly())
            self._tasks.add(look)
            look.add_done_callback(self._published)
        if self._waiting_bytes + self._sent - self._sent_before + size > budget:
            await self._look()
            if self._waiting_bytes + self._sent - self._sent_before + size > budget:
                raise QueueFull("the queue's budget is used up; nothing of this request was taken")

    async def _look_quietly(self) -> None:
        with contextlib.suppress(QueueUnavailable):
            await self._look()

    # --- consuming and reading --------------------------------------------------------------------------------------

    async def consume(
        self, max_events: int, wait: float, max_bytes: int | None = None, linger: float = 0.0
    ) -> Batch | None:
        return await self._consuming.take(max_events, wait, max_bytes, linger)

    async def _look(self) -> _Look:
        """What is published is read before what is acknowledged, so that `waiting` has every block that was published
        and is not in the ledger that is read afterwards.
        """
        if not self._partitions:
            await self._check()
        sent = self._sent
        sums = await self._reader.read()
        progress, ends, beginnings = await asyncio.gather(
            self._peeking.progress(self._partitions),
            self._asking.ends(self._partitions),
            self._asking.beginnings(self._partitions),
        )
        waiting = {
            partition: progress[partition].waiting(beginnings[partition], end) for partition, end in ends.items()
        }
        look = _Look(sums, progress, waiting)
        self._waiting_bytes = max(0, look.surplus[1]) if look.blocks else 0
        self._sent_before = sent
        self._looked = time.monotonic()
        return look

    async def depth(self) -> Depth:
        look = await self._look()
        for partition in look.waiting:
            self._metrics.queue_partition_blocks.labels(str(partition)).set(look.of(partition))
        if not look.blocks:
            return Depth(0, 0, 0, None)
        events, size = look.surplus
        return Depth(look.blocks, max(0, events), max(0, size), await self._oldest_age(look))

    async def _oldest_age(self, look: _Look) -> float | None:
        first = {partition: waiting[0][0] for partition, waiting in look.waiting.items() if waiting}
        times = [held.timestamp for held in self._consuming.held() if first.get(held.tracker.partition) == held.offset]
        here = {
            held.tracker.partition
            for held in self._consuming.held()
            if first.get(held.tracker.partition) == held.offset
        }
        elsewhere = {partition: offset for partition, offset in first.items() if partition not in here}
        if elsewhere:
            times += (await self._peeking.published(elsewhere)).values()
        return max(0.0, time.time() - min(times)) if times else None

    async def books(self) -> QueueBooks:
        look = await self._look()
        published = {ingester: Published(sums.next_seq, sums.events) for ingester, sums in look.sums.items()}
        held = self._consuming.held()
        named = [QueuedBlock(one.block.ingester, one.block.seq, one.block.count) for one in held]
        counted = sum(
            any(start <= one.offset < end for start, end in look.waiting.get(one.tracker.partition, ())) for one in held
        )
        return QueueBooks(published, named, look.blocks - counted)

    # --- upkeep -----------------------------------------------------------------------------------------------------

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP_EVERY)
            try:
                await self._check()
                await self._tidy()
            except ConfigError as error:
                log.error("nothing is accepted: the topic's settings are refused", error=error.whole)
            except TallystickError as error:
                log.warning("the queue's upkeep failed and is tried again", error=error.whole)
            except Exception:
                log.exception("the queue's upkeep failed and is tried again")

    async def _tidy(self) -> None:
        """Delete what is acknowledged in this process's partitions, and square the sums while nothing waits.

        A note that its ingester could not write any more, or offsets that an operator has set, leave them apart.
        """
        done = {partition: offset for partition, offset in self._consuming.progress().items() if offset > 0}
        if not done:
            return
        beginnings = await self._asking.beginnings(list(done))
        await self._asking.delete_before({p: offset for p, offset in done.items() if offset > beginnings[p]})
        look = await self._look()
        if not look.blocks and look.surplus != (0, 0):
            self._consuming.square(*look.surplus)
