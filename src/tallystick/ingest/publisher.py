"""Group commit: requests that arrive during a publish share the next one.

No timer delays a request: without a publish under way it is published at once, and the longer a commit takes, the more
requests share the next. The publisher owns the ingester's identity. `(ingester, seq)` has no gaps, because only a
successful publish uses up a seq. After a publish with an unknown outcome the publisher takes a new ingester id, so that
the unknown block can only be the last of its ingester and never leaves a gap.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from typing import NamedTuple

import structlog

from tallystick.config import Settings
from tallystick.errors import QueueBroken, QueueFull, QueueUnavailable, TallystickError, Unavailable
from tallystick.metrics import Metrics
from tallystick.model.block import Block, RequestPart, make_block, receipt_of
from tallystick.queue.base import Queue

log = structlog.get_logger(__name__)

COMPRESS_IN_THREAD_BYTES = 16 * 1024
"""Smaller payloads are compressed on the event loop, since handing them to a thread costs more."""
BLOCKS_PER_PUBLISH = 8
"""Most blocks in one durable commit; bounds what a publish holds in memory."""


class _Waiting(NamedTuple):
    lines: bytes
    events: int
    request_id: str
    done: asyncio.Future[str]


class Publisher:
    """Publishes the lines of requests as blocks, one publish at a time.

    `run` must be running as a task for `publish` to return.
    """

    def __init__(self, queue: Queue, settings: Settings, metrics: Metrics | None = None) -> None:
        self._queue = queue
        self._metrics = metrics or Metrics()
        self._settings = settings
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._stopping = False
        self.failed = asyncio.Event()
        """Set when the queue's file is broken: the process must end, and the next start checks the file (G6)."""
        self._identity()

    def _identity(self) -> None:
        self.ingester = secrets.token_hex(8)
        self.seq = 0

    async def publish(self, lines: bytes, count: int, request_id: str) -> str:
        """Publish a request's events and return the receipt once they are durable (G1).

        Raises:
            QueueFull: no event was accepted.
            QueueUnavailable: the queue did not confirm in time; it may have the events.
            Unavailable: the server is shutting down; no event was accepted.
        """
        if self._stopping:
            raise Unavailable("the server is shutting down")
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(lines, count, request_id, done))
        self._arrived.set()
        return await done

    async def run(self) -> None:
        """Publish until `stop`, and then what still waits."""
        while True:
            if not self._waiting:
                if self._stopping:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            await self._publish(self._take())

    def stop(self) -> None:
        """Accept no more requests. `run` ends after the last publish."""
        self._stopping = True
        self._arrived.set()

    def _take(self) -> list[list[_Waiting]]:
        """The waiting requests, grouped into blocks. A request is never divided."""
        groups: list[list[_Waiting]] = []
        events = size = 0
        while self._waiting:
            head = self._waiting[0]
            fits = events + head.events <= self._settings.block_max_events
            if not groups or not fits or size + len(head.lines) > self._settings.block_max_bytes:
                if len(groups) == BLOCKS_PER_PUBLISH:
                    break
                groups.append([])
                events = size = 0
            groups[-1].append(self._waiting.popleft())
            events += head.events
            size += len(head.lines)
        return groups

    async def _publish(self, groups: list[list[_Waiting]]) -> None:
        started = time.perf_counter()
        self._give_up_later(groups)
        try:
            blocks = [await self._block(self.seq + n, group) for n, group in enumerate(groups)]
            await self._queue.publish(blocks)
        except QueueFull as error:
            self._metrics.publish_failures.labels(error.code).inc()
            _fail(groups, error)
        except TallystickError as error:
            if isinstance(error, QueueBroken):
                self.failed.set()
            self._identity()
            self._metrics.publish_failures.labels(error.code).inc()
            log.error("publish failed", code=error.code, error=error.whole)
            _fail(groups, error)
        except Exception:
            self._identity()
            self._metrics.publish_failures.labels("internal").inc()
            log.exception("publish failed")
            _fail(groups, QueueUnavailable("the queue did not confirm"))
        else:
            self.seq += len(blocks)
            self._metrics.blocks_published.inc(len(blocks))
            self._metrics.publish_seconds.observe(time.perf_counter() - started)
            for block, group in zip(blocks, groups, strict=True):
                receipt = receipt_of(block.ingester, block.seq)
                for waiting in group:
                    if not waiting.done.done():
                        waiting.done.set_result(receipt)
        finally:
            self._overdue.cancel()

    def _give_up_later(self, groups: list[list[_Waiting]]) -> None:
        timeout = self._settings.publish_timeout
        self._overdue = asyncio.get_running_loop().call_later(timeout, self._give_up, groups)

    def _give_up(self, groups: list[list[_Waiting]]) -> None:
        """Fail the requests of a publish that takes too long, and all that wait for it. The commit continues."""
        _fail([*groups, list(self._waiting)], QueueUnavailable())
        self._waiting.clear()
        self._give_up_later([])

    async def _block(self, seq: int, group: list[_Waiting]) -> Block:
        lines = b"".join([waiting.lines for waiting in group])
        count = sum(waiting.events for waiting in group)
        requests = tuple(RequestPart(waiting.request_id, waiting.events) for waiting in group)
        if len(lines) < COMPRESS_IN_THREAD_BYTES:
            return make_block(self.ingester, seq, lines, count, requests)
        return await asyncio.to_thread(make_block, self.ingester, seq, lines, count, requests)


def _fail(groups: list[list[_Waiting]], error: TallystickError) -> None:
    for group in groups:
        for waiting in group:
            if not waiting.done.done():
                waiting.done.set_exception(type(error)(error.message))
