"""Consume → write → acknowledge (G3). Events that the store rejects become dead letters. While the store is
unavailable the worker waits.

The worker acknowledges only after the store's commit. If it dies in between, the queue delivers the blocks again, and
the ledger recognises them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog

from tallystick.config import Settings
from tallystick.errors import BatchTooLarge, BlockCorrupt, DataRejected, QueueBroken, TallystickError, Unavailable
from tallystick.metrics import Metrics
from tallystick.model.block import Block, BlockKey
from tallystick.queue.base import Batch, Queue
from tallystick.store.base import DeadLetter, Store, WriteReport
from tallystick.store.retention import RetentionRule, borders_at
from tallystick.worker.poison import corrupt_blocks, poisoned_events, whole_block
from tallystick.worker.portions import Portions

log = structlog.get_logger(__name__)

FIRST_DELAY = 0.1
"""Seconds before the first retry; doubled up to `retry_max_delay`."""
PRESSED_EVENTS = 5_000
"""A batch of more events than this means load, so housekeeping waits."""
BETWEEN_PIECES = 0.1
"""Seconds of waiting for blocks between two pieces of housekeeping, so that requests can use the cores."""
RETIRE_EVERY = 3_600.0
"""Seconds between two checks for events that are older than the retention."""
SAY_EVERY = 60.0
"""Seconds between two log lines about failures with the same code."""
OVERDUE = 10
"""Housekeeping waits for a quiet moment, but at most this many times `maintain_every`."""


class Worker:
    """Loads the queue into the store, one batch at a time."""

    def __init__(
        self,
        queue: Queue,
        store: Store,
        settings: Settings,
        metrics: Metrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock`: seconds that never go back; they agree with the event loop's."""
        self._clock = clock
        self._queue = queue
        self._store = store
        self._settings = settings
        self._metrics = metrics or Metrics()
        self._portions = Portions(min(settings.batch_max_bytes, store.write_bytes))
        self._stuck: dict[BlockKey, float] = {}
        """Blocks that did not fit into the store's memory → the time (monotonic) of their next attempt."""
        self._stopping = asyncio.Event()
        self._maintained = clock()
        self._more = False
        self._retired: float | None = None
        self._rules: Sequence[RetentionRule] = ()
        """The rules by which events were last removed."""
        self._pressed = False
        """Whether the last batch was so large that housekeeping has to wait."""
        self._said: dict[str, float] = {}
        """For each error code, the time (monotonic) until which its failures are not logged again."""
        self.failed = asyncio.Event()
        """Set when the queue's file is broken: the process must end."""

    async def run(self) -> None:
        """Load until `stop`. The current batch is finished first."""
        while not self._stopping.is_set():
            try:
                await self.step(wait=BETWEEN_PIECES if self._more else 0.5)
                await self._maintain()
            except QueueBroken as error:
                log.critical("the queue is broken", error=error.whole)
                self.failed.set()
                return
            except Unavailable as error:
                self._say("the worker cannot continue and tries again", error)
                await self._pause(self._settings.retry_max_delay / 5)
            except Exception:
                # Continuing loses nothing: the queue delivers unacknowledged blocks again.
                log.exception("the worker failed and continues")
                await self._pause(FIRST_DELAY)

    def stop(self) -> None:
        """Finish the current batch, then end. A batch that the store does not take returns to the queue."""
        self._stopping.set()

    async def step(self, wait: float) -> bool:
        """Gather, write and acknowledge one batch. False when no block came within `wait` seconds.

        A batch that does not fit into the store's memory is written in portions. A block that does not fit even alone
        returns to the queue; the others are acknowledged.
        """
        batch = await self._gather(wait)
        if batch is None:
            return False
        try:
            stuck = await self._store_in_portions(batch.blocks)
        except BaseException:
            await batch.nack()
            raise
        await batch.ack(but=stuck)
        if len(stuck) == len(batch.blocks):
            await self._pause(min(self._stuck.values()) - self._clock())
        return True

    async def _store_in_portions(self, blocks: Sequence[Block]) -> set[BlockKey]:
        """Store what fits. Returns the keys of the blocks that do not fit even alone, to be tried again later."""
        now = self._clock()
        stuck = {block.key for block in blocks if self._stuck.get(block.key, now) > now}
        waiting = deque(self._portions.split([block for block in blocks if block.key not in stuck], now))
        while waiting:
            portion = waiting.popleft()
            try:
                await self._store_patiently(portion)
                for block in portion:
                    self._stuck.pop(block.key, None)
            except BatchTooLarge as error:
                self._metrics.worker_retries.labels(error.code).inc()
                smaller = self._portions.too_large(portion, self._clock())
                if len(smaller) > 1:
                    waiting.extendleft(reversed(smaller))
                    continue
                log.warning("a block does not fit into the store's memory", block=portion[0].key, error=error.message)
                self._stuck[portion[0].key] = self._clock() + self._settings.retry_max_delay
                stuck.add(portion[0].key)
        return stuck

    async def _gather(self, wait: float) -> Batch | None:
        """The next batch; None: no block came. `stop` ends the waiting for more, and what is there then is stored."""
        limits = (self._settings.batch_max_events, wait, self._settings.batch_max_bytes)
        gathering = asyncio.ensure_future(self._queue.consume(*limits, self._settings.batch_max_age))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({gathering, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not gathering.done():
                gathering.cancel()
                await asyncio.wait({gathering})
        batch = await self._queue.consume(limits[0], 0.0, limits[2]) if gathering.cancelled() else gathering.result()
        self._pressed = batch is not None and sum(block.count for block in batch.blocks) > PRESSED_EVENTS
        return batch

    async def _store_patiently(self, blocks: Sequence[Block]) -> None:
        """Write the blocks, and retry while the store is unavailable (G6). Such retries do not count as attempts.

        Raises:
            BatchTooLarge: the store has no memory for so many blocks; fewer may fit.
        """
        delay = FIRST_DELAY
        while True:
            try:
                await self._store_now(blocks)
                return
            except BatchTooLarge:
                raise
            except TallystickError as error:
                self._metrics.worker_retries.labels(error.code).inc()
                self._say("storing failed, trying again", error)
                if self._stopping.is_set():
                    raise
            await self._pause(delay)
            delay = min(2 * delay, self._settings.retry_max_delay)

    def _say(self, what: str, error: TallystickError) -> None:
        """Log a failure, at most once in SAY_EVERY seconds for each error code."""
        now = self._clock()
        if now >= self._said.get(error.code, 0.0):
            self._said[error.code] = now + SAY_EVERY
            log.warning(what, code=error.code, error=error.whole, longest_pause=self._settings.retry_max_delay)

    async def _store_now(self, blocks: Sequence[Block]) -> None:
        started = time.perf_counter()
        try:
            report = await self._store.write(blocks)
        except (DataRejected, BlockCorrupt) as error:
            report = await self._set_aside(blocks, error)
        self._metrics.write_seconds.observe(time.perf_counter() - started)
        self._metrics.write_events.observe(sum(entry.count for entry in report.entries))
        self._metrics.loaded(report.entries, report.skipped)

    async def _set_aside(self, blocks: Sequence[Block], error: TallystickError) -> WriteReport:
        """Store the batch without its broken blocks and rejected events: the same commit makes them dead letters."""
        letters = corrupt_blocks(blocks)
        broken = {(letter.ingester, letter.seq) for letter in letters}
        sound = [block for block in blocks if block.key not in broken]
        letters += await poisoned_events(sound, self._probe)
        log.warning("events set aside", dead=sum(letter.events for letter in letters), reason=error.whole)
        try:
            return await self._store.write(blocks, letters)
        except DataRejected as still:
            return await self._one_by_one(blocks, letters, still)

    async def _one_by_one(
        self, blocks: Sequence[Block], letters: Sequence[DeadLetter], error: DataRejected
    ) -> WriteReport:
        """Store block by block, because the batch fails although each event passes alone. A block that fails becomes
        one dead letter.
        """
        log.error("a batch fails as a whole and is stored block by block", reason=error.whole)
        reports = []
        for block in blocks:
            own = [letter for letter in letters if (letter.ingester, letter.seq) == block.key]
            try:
                reports.append(await self._store.write([block], own))
            except DataRejected as refused:
                lines = block.lines()
                reports.append(
                    await self._store.write([block], [whole_block(block, lines, refused.code, refused.message, 2)])
                )
        entries = [entry for report in reports for entry in report.entries]
        return WriteReport(sum(report.skipped for report in reports), entries)

    async def _probe(self, lines: bytes) -> None:
        self._metrics.probes.inc()
        await self._store.probe(lines)

    async def _maintain(self) -> None:
        """Do housekeeping if it is due or unfinished, and no blocks wait to be stored."""
        due = self._clock() - self._maintained
        every = self._settings.maintain_every
        if (due >= every or self._more) and (not self._pressed or due >= OVERDUE * every):
            self._more = await self._store.maintain()
            if not self._more:
                await self._retire()
                self._maintained = self._clock()

    async def _retire(self) -> None:
        """Remove days that are older than the retention of their site: once an hour, and when a rule has changed."""
        rules, now = await self._store.retention_rules(), self._clock()
        if rules == self._rules and self._retired is not None and now - self._retired < RETIRE_EVERY:
            return
        days, keeps = self._settings.retention_days, self._settings.retention_rollups
        borders = borders_at(datetime.now(UTC), days, rules, keeps)
        # Without a border, too, kept rollups may be there of sites that no longer keep them.
        may_remove = borders.latest is not None or self._store.keeps_rollups
        if may_remove and (removed := (await self._store.retire(borders)).events) > 0:
            log.info("events removed by retention", events=removed)
        self._rules, self._retired = rules, now

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
