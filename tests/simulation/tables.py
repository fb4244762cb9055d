"""A store as its contract allows it to be: transactions, a ledger, and errors before and after the commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tallystick.errors import BatchTooLarge, DataRejected, StoreUnavailable
from tallystick.model.block import Block, BlockKey, split_lines
from tallystick.model.books import IngesterLedger, LedgerEntry
from tallystick.store.base import DeadLetter, WriteReport
from tallystick.store.retention import RetentionRule
from tests.simulation.broker import event_id
from tests.simulation.weather import Process, Weather

POISON = b" poison"
"""A line that has it is rejected by `probe` and `write`."""
STUBBORN = b" stubborn"
"""A line that has it passes `probe` and is rejected by `write`."""
LOADED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Tables:
    """The server's state.

    Attributes:
        away: no statement is answered.
        skips: whether blocks of the ledger are skipped.
        dedupes: whether an event that is stored already is dropped.
        dead: keys of blocks whole in dead letters (index -1), and of single events.
    """

    weather: Weather
    skips: bool = True
    dedupes: bool = True
    away: bool = False
    stored: Counter[str] = field(default_factory=Counter)
    dead: dict[tuple[BlockKey, int], DeadLetter] = field(default_factory=dict)
    entries: dict[BlockKey, LedgerEntry] = field(default_factory=dict)
    doubled: list[LedgerEntry] = field(default_factory=list)

    def commit(self, blocks: Sequence[Block], letters: Sequence[DeadLetter]) -> WriteReport:
        """All of it, or, with an error, nothing."""
        set_aside = {((letter.ingester, letter.seq), letter.index): letter for letter in letters}
        new = [block for block in blocks if not (self.skips and block.key in self.entries)]
        sound = [(block, split_lines(block.lines())) for block in new if (block.key, -1) not in set_aside]
        for block, lines in sound:
            for index, line in enumerate(lines):
                if (POISON in line or STUBBORN in line) and (block.key, index) not in set_aside:
                    raise DataRejected(f"block {block.key} has a line that cannot be stored")
        entries = [
            LedgerEntry(block.ingester, block.seq, block.count, 0, 0, 0, block.count, LOADED_AT)
            for block in new
            if (block.key, -1) in set_aside
        ]
        for block, lines in sound:
            before = self.stored.total()
            kept = [event_id(line) for n, line in enumerate(lines) if (block.key, n) not in set_aside]
            self.stored.update(set(kept) - self.stored.keys() if self.dedupes else kept)
            stored = self.stored.total() - before
            dead = block.count - len(kept)
            duplicates = len(kept) - stored
            entries.append(LedgerEntry(block.ingester, block.seq, block.count, stored, duplicates, 0, dead, LOADED_AT))
        self.dead.update(set_aside)
        for entry in entries:
            key = (entry.ingester, entry.seq)
            if key in self.entries:
                self.doubled.append(entry)
            else:
                self.entries[key] = entry
        return WriteReport(len(blocks) - len(new), entries)

    def ledger(self) -> Mapping[str, IngesterLedger]:
        """Summed by ingester."""
        of: dict[str, list[LedgerEntry]] = {}
        for entry in [*self.entries.values(), *self.doubled]:
            of.setdefault(entry.ingester, []).append(entry)
        return {
            ingester: IngesterLedger(
                0,
                sorted({entry.seq for entry in entries}),
                sum(entry.count for entry in entries),
                sum(entry.stored for entry in entries),
                sum(entry.duplicates for entry in entries),
                0,
                sum(entry.dead for entry in entries),
            )
            for ingester, entries in of.items()
        }


class SimulatedStore:
    """The store as one worker has it."""

    write_bytes = 1 << 20

    def __init__(self, tables: Tables, process: Process) -> None:
        self._tables = tables
        self._process = process
        self._weather = tables.weather

    async def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        async def effect() -> WriteReport:
            self._answers()
            if self._weather.strikes("a write finds no memory"):
                raise BatchTooLarge
            await self._weather.passes()
            self._answers()
            report = self._tables.commit(blocks, dead)
            if self._weather.strikes("the answer to a commit is lost"):
                raise StoreUnavailable
            return report

        return await self._process.call(effect)

    async def probe(self, lines: bytes) -> None:
        async def effect() -> None:
            self._answers()
            if POISON in lines:
                raise DataRejected("poison")

        await self._process.call(effect)

    async def maintain(self) -> bool:
        async def effect() -> bool:
            self._answers()
            return self._weather.strikes("there is more housekeeping")

        return await self._process.call(effect)

    keeps_rollups = False

    async def retention_rules(self) -> Sequence[RetentionRule]:
        async def effect() -> Sequence[RetentionRule]:
            self._answers()
            return []

        return await self._process.call(effect)

    def _answers(self) -> None:
        if self._tables.away or self._weather.strikes("a statement fails"):
            raise StoreUnavailable
