"""A batch on its way into a store: the blocks that the ledger does not have, and what became of their lines.

Both stores use these values. What differs between them is only how the lines are copied and compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tallystick.model.block import Block, split_lines
from tallystick.model.books import LedgerEntry
from tallystick.store.base import DeadLetter

Counts = NDArray[np.int64]
"""One number for each block of a batch, in the blocks' order."""
BlockKey = tuple[str, int]
"""Ingester and seq."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The blocks of one write that the ledger does not have.

    Attributes:
        dead: the dead letters of each block.
    """

    blocks: Sequence[Block]
    dead: Mapping[BlockKey, Sequence[DeadLetter]]

    def kept(self) -> Counts:
        """How many lines of each block are to be stored: all but the dead ones."""
        dead = (sum(letter.events for letter in self.dead.get(block.key, ())) for block in self.blocks)
        return np.array([block.count - gone for block, gone in zip(self.blocks, dead, strict=True)], np.int64)

    def lines(self) -> Iterator[tuple[bytes, int]]:
        """The lines of each block to be stored, and their number. A block that is dead as a whole is left out.

        Raises:
            BlockCorrupt: a block's payload is broken.
        """
        for block in self.blocks:
            indexes = {letter.index for letter in self.dead.get(block.key, ())}
            if -1 in indexes:
                continue
            lines = block.lines()
            if indexes:
                lines = b"".join(line for number, line in enumerate(split_lines(lines)) if number not in indexes)
            yield lines, block.count - len(indexes)


def batch_of(
    blocks: Sequence[Block], dead: Sequence[DeadLetter], known: Collection[BlockKey], compacted: Mapping[str, int]
) -> Batch:
    """The blocks that the ledger does not have, each once, with their dead letters.

    Args:
        known: the blocks that have a ledger row of their own.
        compacted: for each ingester the seq below which its blocks are in the compacted ledger.
    """
    new: dict[BlockKey, Block] = {}
    for block in blocks:
        if block.key not in known and block.seq >= compacted.get(block.ingester, 0):
            new.setdefault(block.key, block)
    letters: dict[BlockKey, list[DeadLetter]] = {}
    for letter in dead:
        if (key := (letter.ingester, letter.seq)) in new:
            letters.setdefault(key, []).append(letter)
    return Batch(list(new.values()), letters)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each block's lines.

    Attributes:
        stored: lines that were stored.
        duplicates: lines that had been stored before.
        conflicts: those of the duplicates whose payload differs from the stored event's.
    """

    stored: Counts
    duplicates: Counts
    conflicts: Counts

    @classmethod
    def all_stored(cls, kept: Counts) -> Outcome:
        """Every line is new."""
        return cls(kept, np.zeros_like(kept), np.zeros_like(kept))

    @classmethod
    def without(cls, kept: Counts, dropped: Counts, conflict: NDArray[np.bool_]) -> Outcome:
        """Some lines are duplicates.

        Args:
            dropped: the lines that are duplicates, counted from 0 over all blocks.
            conflict: for each of these, whether its payload differs.
        """
        block = np.searchsorted(np.cumsum(kept), dropped, side="right")
        duplicates = np.bincount(block, minlength=len(kept))
        conflicts = np.bincount(block[conflict], minlength=len(kept))
        return cls(kept - duplicates, duplicates, conflicts)


def ledger_entries(batch: Batch, outcome: Outcome, loaded_at: datetime) -> list[LedgerEntry]:
    """The ledger's entry of each block."""
    counts = zip(outcome.stored.tolist(), outcome.duplicates.tolist(), outcome.conflicts.tolist(), strict=True)
    return [
        LedgerEntry(
            block.ingester,
            block.seq,
            block.count,
            stored,
            duplicates,
            conflicts,
            block.count - stored - duplicates,
            loaded_at,
        )
        for block, (stored, duplicates, conflicts) in zip(batch.blocks, counts, strict=True)
    ]
