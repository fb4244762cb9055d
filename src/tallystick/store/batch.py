"""A batch on its way into a store: the blocks that the ledger does not have, and what became of their lines.

Both stores use these values. What differs between them is only how the lines are copied and compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from tallystick.model.block import Block, split_lines
from tallystick.model.books import LedgerEntry
from tallystick.store.base import DeadLetter
from tallystick.store.erasure import NONE, PART_REASON, ErasedLine, Tombstones

Counts = NDArray[np.int64]
"""One number for each block of a batch, in the blocks' order."""
BlockKey = tuple[str, int]
"""Ingester and seq."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The blocks of one write that the ledger does not have.

    Attributes:
        dead: the dead letters of each block.
        erased: the lines of each block that are erased persons'; some blocks have none.
        tombstones_version: that of the tombstones by which they were found.
    """

    blocks: Sequence[Block]
    dead: Mapping[BlockKey, Sequence[DeadLetter]]
    erased: Mapping[BlockKey, Sequence[ErasedLine]] = field(default_factory=dict)
    tombstones_version: int = 0

    def kept(self) -> Counts:
        """How many lines of each block are to be stored: all but the dead ones and those of erased persons."""
        return np.array([block.count - self._gone(block.key) for block in self.blocks], np.int64)

    def _gone(self, key: BlockKey) -> int:
        return sum(letter.events for letter in self.dead.get(key, ())) + len(self.erased.get(key, ()))

    def lines(self) -> Iterator[tuple[bytes, int]]:
        """The lines of each block to be stored, and their number. A block of which nothing is stored is left out.

        Raises:
            BlockCorrupt: a block's payload is broken.
        """
        for block in self.blocks:
            indexes = {letter.index for letter in self.dead.get(block.key, ())}
            if -1 in indexes:
                continue
            indexes |= {erased.line for erased in self.erased.get(block.key, ())}
            if len(indexes) == block.count:
                continue
            lines = block.lines()
            if indexes:
                lines = b"".join(line for number, line in enumerate(split_lines(lines)) if number not in indexes)
            yield lines, block.count - len(indexes)


def batch_of(
    blocks: Sequence[Block],
    dead: Sequence[DeadLetter],
    known: Collection[BlockKey],
    compacted: Mapping[str, int],
    tombstones: Tombstones = NONE,
) -> Batch:
    """The blocks that the ledger does not have, each once, with their dead letters and what is erased persons'.

    Args:
        known: the blocks that have a ledger row of their own.
        compacted: for each ingester the seq below which its blocks are in the compacted ledger.

    Raises:
        BlockCorrupt: a block whose lines are looked at (for refused ones, or where persons were erased) is broken, and
            `dead` does not name it as a whole.
    """
    new: dict[BlockKey, Block] = {}
    for block in blocks:
        if block.key not in known and block.seq >= compacted.get(block.ingester, 0):
            new.setdefault(block.key, block)
    letters: dict[BlockKey, list[DeadLetter]] = {}
    for letter in dead:
        if (key := (letter.ingester, letter.seq)) in new:
            letters.setdefault(key, []).append(letter)
    for key, block in new.items():
        # A block that is broken as a whole has one letter for all of its events, and its lines cannot be read.
        if block.refused and all(letter.index >= 0 for letter in letters.get(key, ())):
            letters.setdefault(key, []).extend(_refused_letters(block))
    erased = {key: lines for key, block in new.items() if (lines := _take_out(block, letters, tombstones))}
    return Batch(list(new.values()), letters, erased, tombstones.version)


def _take_out(block: Block, letters: dict[BlockKey, list[DeadLetter]], tombstones: Tombstones) -> list[ErasedLine]:
    """The lines of a block that are erased persons'. They become no dead letters either."""
    own = letters.get(block.key, [])
    if not tombstones:
        return []
    if any(letter.index < 0 for letter in own):
        letters[block.key] = [_without_erased(letter, tombstones) for letter in own]
        return []
    out = [letter for letter in own if tombstones.refuses_letter(letter.original, as_sent=letter.attempts == 0)]
    dead = {letter.index for letter in own}
    if out:
        letters[block.key] = [letter for letter in own if letter not in out]
    lines = [erased for erased in tombstones.erased_lines(block.lines()) if erased.line not in dead]
    return sorted([*lines, *(ErasedLine(letter.index, "", "", "") for letter in out)])


def _without_erased(letter: DeadLetter, tombstones: Tombstones) -> DeadLetter:
    """A broken block's letter without the lines of erased persons, as far as they can be read."""
    if letter.index >= 0:
        return letter
    lines = split_lines(letter.original if letter.original.endswith(b"\n") else letter.original + b"\n")
    left = [line for line in lines if not tombstones.refuses_letter(line, as_sent=False)]
    if len(left) == len(lines):
        return letter
    return replace(letter, original=b"".join(left), reason=PART_REASON)


def _refused_letters(block: Block) -> list[DeadLetter]:
    """A dead letter for each line that was refused before it came into the queue: no attempt was made to store it."""
    lines = split_lines(block.lines())
    return [
        DeadLetter(block.ingester, block.seq, line.index, lines[line.index][:-1], line.code, line.reason, attempts=0)
        for line in block.refused
    ]


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
            block.count - stored - duplicates - len(batch.erased.get(block.key, ())),
            loaded_at,
            len(batch.erased.get(block.key, ())),
        )
        for block, (stored, duplicates, conflicts) in zip(batch.blocks, counts, strict=True)
    ]
