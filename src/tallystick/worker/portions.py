"""How much of a batch goes into one write of the store. Pure: callers pass the time."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.model.block import Block

REMEMBERED = 600.0
"""Seconds after which a write may be twice as large as what was found to fit."""


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
