"""A member of the consumer group: the driver's consumer, and the one thread that calls it.

The thread keeps polling while nothing is taken, so that the member stays in the group however long a batch is stored;
it pauses the partitions instead. The event loop has the blocks; both sides change trackers under one lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from tallystick.config import KIB, MIB
from tallystick.errors import QueueUnavailable
from tallystick.queue.kafka.address import Address
from tallystick.queue.kafka.client import after_elections, committed, error_of, explained, settings_of
from tallystick.queue.kafka.offsets import Progress, Tracker, read_progress

log = structlog.get_logger(__name__)

POLL = 0.1
"""Seconds that the thread waits for a block before it looks for requests while no block is in this process."""
POLL_BUSY = 0.01
"""The same while this process has blocks, so that an acknowledgement may come."""
HAND_OVER = 4 * MIB
"""Bytes of blocks after which they are handed to the event loop."""
UNTAKEN = 8 * MIB
"""Bytes that the event loop has not taken yet at which fetching pauses: it may be busy with something else."""
COMMIT_AGAIN = 0.5
"""Seconds until a commit is tried again that a broker did not take."""
PATIENCE = 10.0
"""Seconds that a partition's last commit may take to be read or written when it comes or goes."""
STALE = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._NO_OFFSET,
        KafkaError._ASSIGNMENT_LOST,
    }
)
"""Errors of a commit in a rebalance. Partitions that stay here are committed again; the blocks of others come again."""


class Arrived(NamedTuple):
    """A message of a partition that this process has."""

    tracker: Tracker
    offset: int
    body: bytes
    headers: dict[str, bytes]
    timestamp: float


class Listener(NamedTuple):
    """What the event loop wants to be told, in its own thread.

    Attributes:
        arrived: messages, in the order of each partition.
        assigned: the partitions that this process has from now on beside the others.
        dropped: a partition that another process has from now on.
        ended: the member is gone, by an error or because it was told to.
    """

    arrived: Callable[[Sequence[Arrived]], None]
    assigned: Callable[[Sequence[Tracker]], None]
    dropped: Callable[[Tracker], None]
    ended: Callable[[QueueUnavailable | None], None]


class Member(threading.Thread):
    """One member from its joining to its leaving."""

    def __init__(self, address: Address, patience: float, lock: threading.Lock, listener: Listener) -> None:
        super().__init__(name="tallystick-kafka-consumer", daemon=True)
        self._address = address
        self._patience = patience
        self._lock = lock
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._trackers: dict[int, Tracker] = {}
        self._ending = False
        self._paused = False
        self._pause = False
        self.busy = False
        """Set by the event loop: whether this process has blocks."""
        self._waiting: list[asyncio.Future[None]] = []
        """Those who wait for the next commit."""
        self._committing: dict[int, Progress] | None = None
        self._committed: list[asyncio.Future[None]] = []
        self._commit_at = 0.0
        self._commit_again = False
        """Whether the last commit was not taken, while nobody waits for the next one."""
        self._untaken = 0
        self._driver: Consumer

    # --- called by the event loop -----------------------------------------------------------------------------------

    def pause(self, wanted: bool) -> None:
        """Fetch no more blocks, or go on."""
        self._pause = wanted

    def commit(self) -> asyncio.Future[None]:
        """Commit what is acknowledged; done once the brokers have it, or will not take it from this process."""
        future = self._loop.create_future()
        with self._lock:
            if self._ending:
                future.set_result(None)
            else:
                self._waiting.append(future)
        return future

    def end(self) -> None:
        """Commit what is acknowledged and leave the group."""
        with self._lock:
            self._ending = True

    # --- the thread -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        failure: QueueUnavailable | None = None
        try:
            self._driver = Consumer(self._settings())
            self._driver.subscribe(
                [self._address.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
            while not self._ending:
                self._obey()
                self._poll()
        except KafkaException as raised:
            failure = explained(error_of(raised))
        except QueueUnavailable as error:
            failure = error
        except Exception:
            log.exception("the consumer failed")
            failure = QueueUnavailable("the consumer failed")
        finally:
            self.end()
            with contextlib.suppress(Exception):
                self._driver.close()  # calls `_revoked`
            self._leave(failure)

    def _leave(self, failure: QueueUnavailable | None) -> None:
        with self._lock:
            for tracker in self._trackers.values():
                tracker.dropped = True
            dropped, self._trackers = list(self._trackers.values()), {}
            waiting, self._waiting = self._waiting + self._committed, []
        for tracker in dropped:
            self._tell(self._listener.dropped, tracker)
        self._resolve(waiting)
        self._tell(self._listener.ended, failure)

    def _settings(self) -> dict[str, Any]:
        return settings_of(
            self._address,
            self._patience,
            **{
                "group.id": self._address.group,
                "group.protocol": "consumer",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",  # a group that the brokers forgot begins again; the ledger skips
                "isolation.level": "read_committed",
                "queued.max.messages.kbytes": 16 * MIB // KIB,
                "fetch.message.max.bytes": 4 * MIB,
                "fetch.error.backoff.ms": 100,
                "on_commit": self._commit_done,
            },
        )

    def _poll(self) -> None:
        message = self._driver.poll(POLL_BUSY if self.busy or self._committing is not None else POLL)
        if message is None:
            return
        arrived, size = [], 0
        while message is not None:
            if (error := message.error()) is not None:
                raise explained(error)
            if (one := self._read(message)) is not None:
                arrived.append(one)
                size += len(one.body)
            message = self._driver.poll(0) if size < HAND_OVER else None
        if arrived:
            with self._lock:
                self._untaken += size
            self._tell(self._hand_over, arrived, size)

    def _hand_over(self, arrived: Sequence[Arrived], size: int) -> None:
        """Called in the event loop's thread."""
        self._listener.arrived(arrived)
        with self._lock:
            self._untaken -= size

    def _read(self, message: Message) -> Arrived | None:
        tracker = self._trackers.get(message.partition() or 0)
        offset = message.offset()
        if tracker is None or offset is None:
            return None
        given = message.headers() or []
        pairs = given.items() if isinstance(given, dict) else given
        headers = {pair[0]: pair[1] for pair in pairs if isinstance(pair[1], bytes)}
        return Arrived(tracker, offset, message.value() or b"", headers, message.timestamp()[1] / 1000)

    def _obey(self) -> None:
        """Do what the event loop asked for."""
        if self._paused != (paused := self._pause or self._untaken > UNTAKEN):
            self._paused = paused
            self._apply_pause([TopicPartition(self._address.topic, partition) for partition in self._trackers])
        wanted = self._waiting or self._commit_again
        if wanted and self._committing is None and time.monotonic() >= self._commit_at:
            self._commit()

    def _apply_pause(self, partitions: list[TopicPartition]) -> None:
        if partitions and self._paused:
            self._driver.pause(partitions)
        elif partitions:
            self._driver.resume(partitions)

    # --- commits ----------------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        with self._lock:
            offsets, progress = self._to_commit(self._trackers.values())
            waiting, self._waiting = self._waiting, []
        self._commit_again = False
        if not offsets:
            self._resolve(waiting)
            return
        self._committing, self._committed = progress, waiting
        self._driver.commit(offsets=offsets, asynchronous=True)

    def _to_commit(self, trackers: Any) -> tuple[list[TopicPartition], dict[int, Progress]]:
        """What is not committed yet. The lock is held."""
        offsets, saved = [], {}
        for tracker in trackers:
            if (found := tracker.to_save()) is not None:
                progress, text = found
                offsets.append(TopicPartition(self._address.topic, tracker.partition, progress.next, text))
                saved[tracker.partition] = progress
        return offsets, saved

    def _commit_done(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """Called by the driver, within a poll."""
        progress = self._committing
        if progress is None or (partitions and {at.partition for at in partitions} != progress.keys()):
            return  # the answer to a commit of `_revoked`
        self._committing = None
        waiting, self._committed = self._committed, []
        error = error or next((at.error for at in partitions if at.error is not None), None)
        if error is None:
            with self._lock:
                self._saved(progress)
            self._resolve(waiting)
            return
        log.info("an acknowledgement is tried again", reason=error.name())
        self._commit_at = time.monotonic() + COMMIT_AGAIN
        self._commit_again = True
        if error.code() in STALE:
            self._resolve(waiting)  # the worker goes on: if the partitions go to another one, the ledger skips there
        else:
            with self._lock:
                self._waiting = waiting + self._waiting

    def _saved(self, progress: dict[int, Progress]) -> None:
        for partition, saved in progress.items():
            if partition in self._trackers:
                self._trackers[partition].saved(saved)

    def _resolve(self, futures: Sequence[asyncio.Future[None]]) -> None:
        def resolve() -> None:
            for future in futures:
                if not future.done():
                    future.set_result(None)

        if futures:
            self._tell(resolve)

    def _tell(self, call: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call, *arguments)

    # --- partitions come and go; called by the driver, within a poll or a close ---------------------------------------

    def _assigned(self, driver: Consumer, partitions: list[TopicPartition]) -> None:
        trackers = []
        for at in after_elections(lambda: committed(driver, partitions, PATIENCE), PATIENCE):
            trackers.append(Tracker(at.partition, read_progress(at.offset, at.metadata)))
            at.offset = at.offset if at.offset >= 0 else OFFSET_BEGINNING
            next(given for given in partitions if given.partition == at.partition).offset = at.offset
        with self._lock:
            self._trackers |= {tracker.partition: tracker for tracker in trackers}
        driver.incremental_assign(partitions)
        self._apply_pause(partitions)  # one that was paused when it went is still paused to the driver
        self._tell(self._listener.assigned, trackers)

    def _revoked(self, driver: Consumer, partitions: list[TopicPartition]) -> None:
        leaving = [self._trackers[at.partition] for at in partitions if at.partition in self._trackers]
        with self._lock:
            offsets, _ = self._to_commit(leaving)
            for tracker in leaving:
                tracker.dropped = True
                del self._trackers[tracker.partition]
        if offsets:
            try:
                driver.commit(offsets=offsets, asynchronous=False)
            except KafkaException as raised:
                reason = error_of(raised)
                log.info("the last acknowledgement was not taken; blocks are delivered again", reason=reason)
        self._given_up(driver, partitions, leaving)

    def _lost(self, driver: Consumer, partitions: list[TopicPartition]) -> None:
        """The group has given this process up, and other processes have its partitions."""
        leaving = [self._trackers[at.partition] for at in partitions if at.partition in self._trackers]
        with self._lock:
            for tracker in leaving:
                tracker.dropped = True
                del self._trackers[tracker.partition]
        log.warning(
            "the consumer group gave this process up; its blocks are delivered to another", group=self._address.group
        )
        self._given_up(driver, partitions, leaving)

    def _given_up(self, driver: Consumer, partitions: list[TopicPartition], leaving: Sequence[Tracker]) -> None:
        driver.incremental_unassign(partitions)
        for tracker in leaving:
            self._tell(self._listener.dropped, tracker)
