"""When to flush a batch, and how much of it goes into one write. Pure: callers pass the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.model.block import Block

REMEMBERED = 600.0
"""Seconds after which a write may be twice as large as what was found to fit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A batch is flushed when it reaches the first of these limits.

    Attributes:
        events: number of events.
        bytes: size of the lines before compression.
        age: seconds since the batch's first block arrived.
    """

    events: int
    bytes: int
    age: float


class Batcher:
    """Counts what a batch has gathered, and decides whether it gathers more."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._events = 0
        self._bytes = 0
        self._since: float | None = None

    def add(self, events: int, size: int, now: float) -> None:
        """Count blocks that arrived. `now`: monotonic seconds."""
        if self._since is None:
            self._since = now
        self._events += events
        self._bytes += size

    def room(self) -> int:
        """Events that still fit; 0 or less when the batch is full by count or bytes."""
        return 0 if self._bytes >= self._limits.bytes else self._limits.events - self._events

    def room_bytes(self) -> int:
        """Bytes of lines that still fit. Also a limit for encoded blocks, whose lines are at least as large."""
        return max(0, self._limits.bytes - self._bytes)

    def patience(self, now: float) -> float:
        """Seconds left for gathering; 0 when it is time to flush, the whole limit while the batch is empty."""
        if self._since is None:
            return self._limits.age
        if self.room() <= 0:
            return 0.0
        return max(0.0, self._since + self._limits.age - now)


class Portions:
    """How many bytes of lines go into one write. Halved when a write runs out of memory, and raised again later."""

    def __init__(self, most: int) -> None:
        """`most`: bytes of a write as long as no write has run out of memory."""
        self._most = self._bytes = most
        self._grows_at = 0.0

    def split(self, blocks: Sequence[Block], now: float) -> list[Sequence[Block]]:
        """The blocks in order, in portions that should fit. A block that is larger alone is a portion of its own."""
        if self._bytes < self._most and now >= self._grows_at:
            self._bytes = min(self._most, 2 * self._bytes)
            self._grows_at = now + REMEMBERED
        portions: list[Sequence[Block]] = []
        portion: list[Block] = []
        size = 0
        for block in blocks:
            if portion and size + block.size > self._bytes:
                portions.append(portion)
                portion, size = [], 0
            portion.append(block)
            size += block.size
        return [*portions, portion] if portion else portions

    def too_large(self, blocks: Sequence[Block], now: float) -> list[Sequence[Block]]:
        """Record that these blocks did not fit, and return them in smaller portions; a single block is not divided."""
        self._bytes = max(1, min(self._bytes, sum(block.size for block in blocks) // 2))
        self._grows_at = now + REMEMBERED
        return self.split(blocks, now)
