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
from collections.abc import Callable, Sequence

import structlog

from tallystick.config import Settings
from tallystick.errors import QueueBroken, QueueFull, QueueUnavailable, TallystickError, Unavailable
from tallystick.metrics import Metrics
from tallystick.model.block import Block, RefusedLine, RequestPart, make_block, receipt_of
from tallystick.queue.base import Queue

log = structlog.get_logger(__name__)

COMPRESS_IN_THREAD_BYTES = 16 * 1024
"""Smaller payloads are compressed on the event loop, since handing them to a thread costs more."""
IDS_IN_LINE = 200
"""Most request ids in one log line; a block with more requests has several lines."""
BLOCKS_PER_PUBLISH = 8
"""Most blocks in one durable commit; bounds what a publish holds in memory."""


Tell = Callable[[str | TallystickError], None]
"""Takes what became of a request: its receipt once its events are durable, or the error that is its answer."""


class _Waiting:
    """A request that waits for its publish."""

    __slots__ = ("_tell", "events", "lines", "refused", "request_id")

    def __init__(self, lines: bytes, events: int, request_id: str, refused: Sequence[RefusedLine], tell: Tell) -> None:
        self.lines = lines
        self.events = events
        self.request_id = request_id
        self.refused = refused
        self._tell: Tell | None = tell

    def settle(self, outcome: str | TallystickError) -> None:
        """Tell the outcome. Only the first one counts: after the time-out a request is not told of its commit."""
        tell, self._tell = self._tell, None
        if tell is None:
            return
        try:
            tell(outcome)
        except Exception:
            log.exception("an answer failed", request_id=self.request_id)  # the others get theirs


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

    async def publish(self, lines: bytes, count: int, request_id: str, refused: Sequence[RefusedLine] = ()) -> str:
        """Publish a request's events and return the receipt once they are durable (G1).

        Args:
            refused: the lines that are no canonical events, by their index in `lines`.

        Raises:
            QueueFull: no event was accepted.
            QueueUnavailable: the queue did not confirm in time; it may have the events.
            Unavailable: the server is shutting down; no event was accepted.
        """
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def tell(outcome: str | TallystickError) -> None:
            if done.done():
                return  # the caller has left
            if isinstance(outcome, str):
                done.set_result(outcome)
            else:
                done.set_exception(outcome)

        self.submit(lines, count, request_id, refused, tell)
        return await done

    def submit(self, lines: bytes, count: int, request_id: str, refused: Sequence[RefusedLine], tell: Tell) -> None:
        """As `publish`, for a caller without a task: `tell` is called with the outcome, one of its errors included.

        Raises:
            Unavailable: the server is shutting down; no event was accepted.
        """
        if self._stopping:
            raise Unavailable("the server is shutting down")
        self._waiting.append(_Waiting(lines, count, request_id, refused, tell))
        if not self._arrived.is_set():
            self._arrived.set()

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
                    waiting.settle(receipt)
            if self._settings.log_accepted:
                asyncio.get_running_loop().call_soon(_log_accepted, blocks)  # the answers and the next publish go first
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
        refused = _refused_lines(group)
        if len(lines) < COMPRESS_IN_THREAD_BYTES:
            return make_block(self.ingester, seq, lines, count, requests, refused)
        return await asyncio.to_thread(make_block, self.ingester, seq, lines, count, requests, refused)


def _refused_lines(group: Sequence[_Waiting]) -> tuple[RefusedLine, ...]:
    """The refused lines of the group's requests, by their index in the block."""
    found: list[RefusedLine] = []
    first = 0
    for waiting in group:
        found += [RefusedLine(first + line.index, line.code, line.reason) for line in waiting.refused]
        first += waiting.events
    return tuple(found)


def _log_accepted(blocks: Sequence[Block]) -> None:
    for block in blocks:
        _log_requests(block)


def _log_requests(block: Block) -> None:
    """Log which requests are in the block, so that a client's request id leads to its receipt.

    One line for all of them: a line for each would take a third of the time of a request.
    """
    receipt = receipt_of(block.ingester, block.seq)
    refused = {"refused": len(block.refused)} if block.refused else {}
    for first in range(0, len(block.requests), IDS_IN_LINE):
        parts = block.requests[first : first + IDS_IN_LINE]
        ids = " ".join([part.request_id for part in parts])
        log.info("accepted", receipt=receipt, events=sum(part.count for part in parts), request_ids=ids, **refused)


def _fail(groups: list[list[_Waiting]], error: TallystickError) -> None:
    for group in groups:
        for waiting in group:
            waiting.settle(type(error)(error.message))
