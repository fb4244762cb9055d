"""The write path: one transaction per batch for events, rollups, ledger and dead letters (G2, G3).

No Python runs per event. The batch's lines go to DuckDB as NDJSON in a spool file that only the page cache ever sees;
most events are known to be new by the index of recent ids, the rest are compared exactly in SQL.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tallystick.config import Settings
from tallystick.errors import DataRejected
from tallystick.model.block import Block, split_lines
from tallystick.model.books import LedgerEntry
from tallystick.model.event import AHEAD_MAX
from tallystick.model.sql import load_statements
from tallystick.store.base import DeadLetter, WriteReport
from tallystick.store.duckdb import identity
from tallystick.store.duckdb.connection import Connection, transaction
from tallystick.store.duckdb.recent import Hashes, RecentIds

Counts = NDArray[np.int64]
SQL = load_statements("tallystick.store.duckdb", "sql/load.sql")
RECENT_SLICE = 1_000_000
"""Rows read at a time when the index of recent ids is built after a start."""
READERS = 2
"""Files that a large batch is read from, each by a thread of its own."""
SHARED_MIN = 20_000
"""Events in a batch that is worth two threads."""
PIECE_BYTES = 1024 * 1024
"""Lines that are stored at a time where memory is short."""
HOUR = 3_600_000_000
"""Microseconds."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """The blocks of one write that the ledger does not have, and their dead events."""

    blocks: Sequence[Block]
    dead: Mapping[tuple[str, int], Sequence[DeadLetter]]
    """By block."""

    def kept(self) -> Counts:
        """How many lines of each block are to be stored: all but the dead ones."""
        dead = (sum(letter.events for letter in self.dead.get(block.key, ())) for block in self.blocks)
        return np.array([block.count - gone for block, gone in zip(self.blocks, dead, strict=True)], np.int64)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of each block's lines: how many were stored, how many had been before, how many of those differ."""

    stored: Counts
    duplicates: Counts
    conflicts: Counts


class Loader:
    """Writes batches through one connection; used by one thread at a time."""

    def __init__(self, connection: Connection, spool: Path, settings: Settings) -> None:
        self._db = connection
        self._spool = spool
        self._window = int(settings.dedupe_window_hours * HOUR)
        self._line_max = max(2 * settings.max_event_bytes, 1024 * 1024)
        self._recent: RecentIds | None = None
        self._links = 0
        """Events in `incoming` that may join ids."""
        self._first = 0
        """The row id of the first line in `incoming`; the others follow without a gap."""

    def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter], sparing: bool = False) -> WriteReport:
        """As `Store.write`; driver errors pass as they are.

        Args:
            sparing: take little memory and more time: the same transaction, but some lines after the other.

        Raises:
            BlockCorrupt: a block's payload is broken, and `dead` does not name the block as a whole.
        """
        now = time.time_ns() // 1_000
        recent = self._recent_ids(now)
        batch = self._unknown(blocks, dead)
        if not batch.blocks:
            return WriteReport(len(blocks), [])
        kept = batch.kept()
        outcome, new = _Outcome(kept, np.zeros_like(kept), np.zeros_like(kept)), np.empty(0, np.uint64)
        if kept.any() and not sparing:
            # Before the transaction: a table's own transaction sees other row ids than 0, 1, 2, … in it.
            self._read(_lines(batch), int(kept.sum()))
        with transaction(self._db):
            if kept.any():
                load = self._load_sparingly if sparing else self._load
                outcome, new = load(batch, kept, recent, now)
            entries = self._enter(batch, outcome, now)
        recent.add(new, now)
        return WriteReport(len(blocks) - len(batch.blocks), entries)

    def probe(self, lines: bytes, sparing: bool = False) -> None:
        """Read lines as `write` would; driver errors and DataRejected tell that they cannot be stored."""
        count = lines.count(b"\n")
        if sparing:
            for piece in _pieces(lines):
                self._read_sparingly(piece)
        elif count:
            self._read([(lines, count)], count)

    def _load(self, batch: _Batch, kept: Counts, recent: RecentIds, now: int) -> tuple[_Outcome, Hashes]:
        """Store what `incoming` holds: what became of each block, and the sorted hashes of what was new."""
        outcome, new = self._drop_duplicates((recent,), kept, now)
        self._insert()
        return outcome, new

    def _load_sparingly(self, batch: _Batch, kept: Counts, recent: RecentIds, now: int) -> tuple[_Outcome, Hashes]:
        """The same of the blocks' lines, of which a few are in `incoming` at a time."""
        earlier = RecentIds(self._spool)
        numbers = np.flatnonzero(kept)
        sums = [np.zeros_like(kept) for _ in range(3)]
        found: list[Hashes] = []
        for block, (lines, _) in zip(numbers, _lines(batch), strict=True):
            for piece in _pieces(lines):
                self._read_sparingly(piece)
                outcome, new = self._drop_duplicates((recent, earlier), np.array([len(piece)], np.int64), now)
                self._insert()
                earlier.add(new, now)
                found.append(new)
                for total, counts in zip(sums, (outcome.stored, outcome.duplicates, outcome.conflicts), strict=True):
                    total[block] += counts[0]
        if sums[0].sum() + sums[1].sum() != kept.sum():
            raise DataRejected(f"{kept.sum()} events were to be stored, {sums[0].sum() + sums[1].sum()} lines came")
        return _Outcome(*sums), np.sort(np.concatenate(found))

    # --- which blocks are new -------------------------------------------------------------------------------------

    def _unknown(self, blocks: Sequence[Block], dead: Sequence[DeadLetter]) -> _Batch:
        ingesters = sorted({block.ingester for block in blocks})
        seqs = [block.seq for block in blocks]
        bounds = {"ingesters": ingesters, "lowest": min(seqs, default=0), "highest": max(seqs, default=0)}
        known = set(self._db.execute(SQL["known_blocks"], bounds).fetchall())
        folded = dict(self._db.execute(SQL["folded"], {"ingesters": ingesters}).fetchall())
        fresh: dict[tuple[str, int], Block] = {}
        for block in blocks:
            if block.key not in known and block.seq >= folded.get(block.ingester, 0):
                fresh.setdefault(block.key, block)
        letters: dict[tuple[str, int], list[DeadLetter]] = {}
        for letter in dead:
            if (key := (letter.ingester, letter.seq)) in fresh:
                letters.setdefault(key, []).append(letter)
        return _Batch(list(fresh.values()), letters)

    # --- reading --------------------------------------------------------------------------------------------------

    def _read(self, parts: Iterable[tuple[bytes, int]], events: int) -> None:
        """Fill the table `incoming` with these lines, which are so many events.

        DuckDB reads a file of this size with one thread, so a large batch goes into several.
        """
        share = -(-events // READERS) if events >= SHARED_MIN else events
        with contextlib.ExitStack() as files:
            spools = []
            room = 0
            for lines, count in parts:
                if room <= 0:
                    file = files.enter_context(tempfile.NamedTemporaryFile(dir=self._spool, suffix=".ndjson"))
                    spools.append(file)
                    room = share
                file.file.write(lines)
                room -= count
            for file in spools:
                file.flush()
            self._db.execute(SQL["read"], {"spools": [file.name for file in spools], "line_max": self._line_max})
        self._check(events)

    def _read_sparingly(self, piece: Sequence[bytes]) -> None:
        try:
            lines = [line.decode() for line in piece]
        except UnicodeDecodeError as error:
            raise DataRejected(f"a line is no UTF-8: {error.reason}") from error
        self._db.execute(SQL["read_sparingly"], {"lines": lines})
        self._check(len(lines))

    def _check(self, events: int) -> None:
        count, broken, self._links, self._first = self._db.execute(SQL["check"]).fetchall()[0]
        if broken or count != events:
            raise DataRejected(f"{broken} events lack a field, {events - count} lines are no events")

    # --- duplicates -----------------------------------------------------------------------------------------------

    def _drop_duplicates(self, known: Sequence[RecentIds], kept: Counts, now: int) -> tuple[_Outcome, Hashes]:
        """Delete from `incoming` what is stored already; what became of each block, and the sorted hashes left."""
        # An event cannot be stored earlier than AHEAD_MAX before its own time, so one that is younger than the window
        # less that is in the index if it was ever stored; for older ones the index proves nothing.
        old_before = now - self._window + int(AHEAD_MAX.total_seconds() * 1_000_000)
        columns = self._db.execute(SQL["hashes"], {"old_before": old_before}).fetchnumpy()
        order = np.argsort(columns["h"], kind="stable")
        hashes: Hashes = columns["h"][order]
        hit = np.logical_or.reduce([ids.suspects(hashes) for ids in known])
        places = np.flatnonzero(hit | _repeated(hashes) | columns["old"][order])
        if not len(places):
            return _Outcome(kept, np.zeros_like(kept), np.zeros_like(kept)), hashes
        dropped, conflict = self._compare(order[places], hit[places], now)
        block = np.searchsorted(np.cumsum(kept), dropped, side="right")
        duplicates = np.bincount(block, minlength=len(kept))
        conflicts = np.bincount(block[conflict], minlength=len(kept))
        left = np.ones(len(hashes), np.bool_)
        left[dropped] = False
        return _Outcome(kept - duplicates, duplicates, conflicts), hashes[left[order]]

    def _compare(self, rows: Counts, hit: NDArray[np.bool_], now: int) -> tuple[Counts, NDArray[np.bool_]]:
        """Look suspects up exactly and delete the duplicates from `incoming`: their rows, and which are conflicts."""
        self._db.execute(SQL["suspects"], {"rows": (rows + self._first).tolist(), "hits": hit.tolist()})
        lowest, highest, hits = self._db.execute(SQL["suspects_range"]).fetchall()[0]
        self._db.execute(SQL["twins"], {"lowest": lowest, "highest": highest})
        if hits:
            self._db.execute(SQL["twins_in_window"], {"window_start": now - self._window})
        self._db.execute(SQL["twins_in_batch"])
        self._db.execute(SQL["duplicates"])
        self._db.execute(SQL["drop_duplicates"])
        columns = self._db.execute("SELECT row, conflict FROM duplicates").fetchnumpy()
        return columns["row"].astype(np.int64) - self._first, columns["conflict"].astype(np.bool_)

    def _recent_ids(self, now: int) -> RecentIds:
        """The index, built from the table at the first write after a start."""
        window_start = now - self._window
        if self._recent is None:
            recent = RecentIds(self._spool)
            first, last = self._db.execute(SQL["row_range"], {"window_start": window_start}).fetchall()[0]
            for start in range(first, last + 1, RECENT_SLICE):
                bounds = {"first": start, "last": min(start + RECENT_SLICE - 1, last), "window_start": window_start}
                columns = self._db.execute(SQL["recent_rows"], bounds).fetchnumpy()
                if len(columns["h"]):
                    newest = int(columns["newest"][0].astype("datetime64[us]").astype(np.int64))
                    recent.add(np.sort(columns["h"]), newest)
            self._recent = recent
        self._recent.forget(window_start)
        return self._recent

    # --- inserting ------------------------------------------------------------------------------------------------

    def _insert(self) -> None:
        for statement in ("insert_events", "insert_rollup", "insert_people"):
            self._db.execute(SQL[statement])
        if self._links:
            identity.join(self._db)

    def _enter(self, batch: _Batch, outcome: _Outcome, now: int) -> list[LedgerEntry]:
        """The ledger's rows and the dead letters."""
        for letters in batch.dead.values():
            for letter in letters:
                row = (letter.ingester, letter.seq, letter.index, letter.original, letter.code, letter.reason)
                self._db.execute(SQL["insert_dead_letter"], (*row, letter.events, letter.attempts, now))
        loaded_at = datetime.fromtimestamp(now / 1_000_000, UTC)
        counts = zip(outcome.stored.tolist(), outcome.duplicates.tolist(), outcome.conflicts.tolist(), strict=True)
        entries = [
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
        self._db.execute(
            SQL["insert_blocks"],
            {
                "ingesters": [entry.ingester for entry in entries],
                "seqs": [entry.seq for entry in entries],
                "counts": [entry.count for entry in entries],
                "stored": [entry.stored for entry in entries],
                "duplicates": [entry.duplicates for entry in entries],
                "conflicts": [entry.conflicts for entry in entries],
                "dead": [entry.dead for entry in entries],
                "now": now,
            },
        )
        return entries


def _repeated(ascending: Hashes) -> NDArray[np.bool_]:
    """For each hash, whether it stands more than once."""
    same = ascending[1:] == ascending[:-1]
    result = np.zeros(len(ascending), np.bool_)
    result[1:] |= same
    result[:-1] |= same
    return result


def _pieces(lines: bytes) -> Iterator[Sequence[bytes]]:
    """The single lines in pieces of about PIECE_BYTES."""
    piece: list[bytes] = []
    size = 0
    for line in split_lines(lines):
        piece.append(line)
        size += len(line)
        if size >= PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _lines(batch: _Batch) -> Iterator[tuple[bytes, int]]:
    """The lines of each block in turn, without the dead ones, and how many they are."""
    for block in batch.blocks:
        indexes = {letter.index for letter in batch.dead.get(block.key, ())}
        if -1 in indexes:
            continue
        lines = block.lines()
        if indexes:
            lines = b"".join(line for n, line in enumerate(split_lines(lines)) if n not in indexes)
        yield lines, block.count - len(indexes)
