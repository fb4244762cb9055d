"""The order in which blocks wait and are delivered, for queues that keep it in this process. No I/O."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from heapq import heappop, heappush
from typing import NamedTuple

LOOK_EVERY = 0.02
"""Seconds between two looks while a batch gathers."""


class Slot(NamedTuple):
    """A block in the backlog: its id, which rises in the order of publishing, its events and its encoded bytes."""

    id: int
    events: int
    size: int


class Backlog:
    """Blocks that wait or are delivered, and their totals. Blocks given back come before those never delivered."""

    def __init__(self) -> None:
        self._fresh: deque[Slot] = deque()
        self._returned: list[Slot] = []
        self._delivered: dict[int, Slot] = {}
        self._waiting_events = 0
        self._waiting_bytes = 0
        self.blocks = 0
        self.events = 0
        self.bytes = 0

    def put(self, slot: Slot) -> None:
        """Add a published block; ids must rise."""
        self._fresh.append(slot)
        self._waits(slot, 1)
        self.blocks += 1
        self.events += slot.events
        self.bytes += slot.size

    def take(self, max_events: int, max_bytes: int | None = None) -> list[Slot]:
        """Deliver the oldest waiting blocks: at most so many events and encoded bytes, but at least one block.

        Empty when none waits.
        """
        taken: list[Slot] = []
        events, room = 0, math.inf if max_bytes is None else max_bytes
        while (head := self._head()) is not None:
            events += head.events
            room -= head.size
            if taken and (events > max_events or room < 0):
                break
            slot = heappop(self._returned) if self._returned else self._fresh.popleft()
            self._delivered[slot.id] = slot
            self._waits(slot, -1)
            taken.append(slot)
        return taken

    def _waits(self, slot: Slot, sign: int) -> None:
        self._waiting_events += sign * slot.events
        self._waiting_bytes += sign * slot.size

    def _head(self) -> Slot | None:
        if self._returned:
            return self._returned[0]
        return self._fresh[0] if self._fresh else None

    def forget(self, ids: Iterable[int]) -> None:
        """Remove delivered blocks, which were acknowledged."""
        for id_ in ids:
            slot = self._delivered.pop(id_)
            self.blocks -= 1
            self.events -= slot.events
            self.bytes -= slot.size

    def give_back(self, ids: Iterable[int]) -> None:
        """Let delivered blocks wait again, in their old order."""
        for id_ in ids:
            slot = self._delivered.pop(id_)
            heappush(self._returned, slot)
            self._waits(slot, 1)

    def drop(self, ids: Collection[int]) -> None:
        """Remove blocks that wait or are delivered, because another process has them by now."""
        for slot in [slot for slot in (*self._returned, *self._fresh) if slot.id in ids]:
            self._waits(slot, -1)
            self._delivered[slot.id] = slot
        self._returned = sorted(slot for slot in self._returned if slot.id not in ids)
        self._fresh = deque(slot for slot in self._fresh if slot.id not in ids)
        self.forget(id_ for id_ in ids if id_ in self._delivered)

    @property
    def waiting(self) -> bool:
        """Whether a block waits that is not delivered."""
        return bool(self._returned or self._fresh)

    @property
    def delivered(self) -> Iterable[int]:
        """Ids of the blocks that are delivered and not acknowledged."""
        return self._delivered.keys()

    async def wait_and_take(
        self,
        arrived: asyncio.Event,
        max_events: int,
        wait: float,
        max_bytes: int | None = None,
        linger: float = 0.0,
        enough: Callable[[], bool] = lambda: False,
    ) -> list[Slot]:
        """`take`, after waiting up to `wait` seconds for `arrived` when nothing is there yet, and then up to `linger`
        seconds until so many events or bytes wait, or `enough` says that no more may come.

        The wait for more looks now and then instead of waking at each block.
        """
        if not self.waiting and wait > 0:
            arrived.clear()
            try:
                async with asyncio.timeout(wait):
                    await arrived.wait()
            except TimeoutError:
                return []
        until = time.monotonic() + linger
        while (left := until - time.monotonic()) > 0 and not enough():
            if self._waiting_events >= max_events or (max_bytes is not None and self._waiting_bytes >= max_bytes):
                break
            await asyncio.sleep(min(left, LOOK_EVERY))
        return self.take(max_events, max_bytes)
