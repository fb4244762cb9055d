"""When a batch is full enough, and how much of it the store takes at once: pure, no clock of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.model.block import Block

REMEMBERED = 600.0
"""Seconds until twice as much is tried as what was found to fit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A batch is flushed at the first of these.

    Attributes:
        events, bytes: size of the lines, before compression.
        age: seconds since the batch's first block came.
    """

    events: int
    bytes: int
    age: float


class Batcher:
    """Counts what was gathered and says whether to go on gathering."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._events = 0
        self._bytes = 0
        self._since: float | None = None

    def add(self, events: int, size: int, now: float) -> None:
        """Some blocks came; `now` is monotonic seconds."""
        if self._since is None:
            self._since = now
        self._events += events
        self._bytes += size

    def room(self) -> int:
        """Events that still fit; 0 or less when the batch is full by count or bytes."""
        return 0 if self._bytes >= self._limits.bytes else self._limits.events - self._events

    def room_bytes(self) -> int:
        """Bytes of lines that still fit; encoded blocks of so many bytes hold at least as many."""
        return max(0, self._limits.bytes - self._bytes)

    def patience(self, now: float) -> float:
        """Seconds for which more may still be gathered; 0 when it is time to flush. At most the limit while empty."""
        if self._since is None:
            return self._limits.age
        if self.room() <= 0:
            return 0.0
        return max(0.0, self._since + self._limits.age - now)


class Portions:
    """How many bytes of lines go into one write. Half as many after a write that found no memory, more again later."""

    def __init__(self, most: int) -> None:
        """`most`: bytes that a write takes as long as nothing speaks against it."""
        self._most = self._bytes = most
        self._grows_at = 0.0

    def split(self, blocks: Sequence[Block], now: float) -> list[Sequence[Block]]:
        """The blocks in their order, in portions that should fit; a block that alone is larger is one."""
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
        """These did not fit: remembered, and in smaller portions; one portion when it is a single block."""
        self._bytes = max(1, min(self._bytes, sum(block.size for block in blocks) // 2))
        self._grows_at = now + REMEMBERED
        return self.split(blocks, now)
