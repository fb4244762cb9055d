"""The write path: one transaction per batch for events, rollups, ledger and dead letters (G2, G3).

No Python runs per event. The batch's lines go to DuckDB as NDJSON in a spool file that only the page cache ever sees;
most events are known to be new by the index of recent ids, the rest are compared exactly in SQL.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from runnel.config import Settings
from runnel.errors import DataRejected
from runnel.model.block import Block, split_lines
from runnel.model.books import LedgerEntry
from runnel.model.event import AHEAD_MAX
from runnel.model.sql import load_statements
from runnel.store.base import DeadLetter, WriteReport
from runnel.store.duckdb.connection import Connection, transaction
from runnel.store.duckdb.recent import Hashes, RecentIds

SQL = load_statements("runnel.store", "sql/duckdb/load.sql")
RECENT_SLICE = 1_000_000
"""Rows read at a time when the index of recent ids is built after a start."""
HOUR = 3_600_000_000
"""Microseconds."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """The blocks of one write that the ledger does not have, and their dead events."""

    blocks: Sequence[Block]
    dead: Sequence[DeadLetter]
    events: int
    """Lines to be stored: all but the dead ones."""


class Loader:
    """Writes batches through one connection; used by one thread at a time."""

    def __init__(self, connection: Connection, spool: Path, settings: Settings) -> None:
        self._db = connection
        self._spool = spool
        self._window = int(settings.dedupe_window_hours * HOUR)
        self._line_max = max(2 * settings.max_event_bytes, 1024 * 1024)
        self._recent: RecentIds | None = None

    def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter]) -> WriteReport:
        """As `Store.write`; driver errors pass as they are.

        Raises:
            BlockCorrupt: a block's payload is broken, and `dead` does not name the block as a whole.
        """
        now = time.time_ns() // 1_000
        recent = self._recent_ids(now)
        batch = self._unknown(blocks, dead)
        if not batch.blocks:
            return WriteReport(len(blocks), [])
        if batch.events:
            # Before the transaction: a table's own transaction sees other row ids than 0, 1, 2, … in it.
            self._read(batch)
        with transaction(self._db):
            new: Hashes = np.empty(0, np.uint64)
            if batch.events:
                new = self._drop_duplicates(recent, now)
                self._insert()
            entries = self._enter(batch, now)
        recent.add(new, now)
        return WriteReport(len(blocks) - len(batch.blocks), entries)

    def probe(self, lines: bytes) -> None:
        """Read lines as `write` would; driver errors and DataRejected tell that they cannot be stored."""
        count = lines.count(b"\n")
        if count:
            self._read(_Batch([], [], count), lines)

    # --- which blocks are new --------------------------------------------------------------------------------------

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
        letters = [letter for letter in dead if (letter.ingester, letter.seq) in fresh]
        events = sum(block.count for block in fresh.values()) - sum(letter.events for letter in letters)
        return _Batch(list(fresh.values()), letters, events)

    # --- reading ---------------------------------------------------------------------------------------------------

    def _read(self, batch: _Batch, lines: bytes | None = None) -> None:
        """Fill the table `incoming`."""
        with tempfile.NamedTemporaryFile(dir=self._spool, suffix=".ndjson") as file:
            if lines is None:
                _spool(file, batch)
            else:
                file.write(_tagged(lines, 0))
            file.flush()
            self._db.execute(SQL["read"], {"spool": file.name, "line_max": self._line_max})
        count, broken = self._db.execute(SQL["check"]).fetchall()[0]
        if broken or count != batch.events:
            raise DataRejected(f"{broken} events lack a field, {batch.events - count} lines are no events")

    # --- duplicates ------------------------------------------------------------------------------------------------

    def _drop_duplicates(self, recent: RecentIds, now: int) -> Hashes:
        """Delete from `incoming` what is stored already; the hashes of what is left. `duplicates` holds the rest."""
        self._db.execute("CREATE OR REPLACE TEMP TABLE duplicates (row BIGINT, b INTEGER, conflict BOOLEAN)")
        # An event cannot be stored earlier than AHEAD_MAX before its own time, so one that is younger than the window
        # less that is in the index if it was ever stored; for older ones the index proves nothing.
        old_before = now - self._window + int(AHEAD_MAX.total_seconds() * 1_000_000)
        columns = self._db.execute(SQL["hashes"], {"old_before": old_before}).fetchnumpy()
        hashes: Hashes = columns["h"]
        hit = recent.suspects(hashes)
        rows = np.flatnonzero(hit | columns["old"] | _repeated(hashes))
        if not len(rows):
            return hashes
        self._db.execute(SQL["suspects"], {"rows": rows.tolist(), "hits": hit[rows].tolist()})
        lowest, highest, hits = self._db.execute(SQL["suspects_range"]).fetchall()[0]
        self._db.execute(SQL["twins"], {"lowest": lowest, "highest": highest})
        if hits:
            self._db.execute(SQL["twins_in_window"], {"window_start": now - self._window})
        self._db.execute(SQL["twins_in_batch"])
        self._db.execute(SQL["duplicates"])
        self._db.execute(SQL["drop_duplicates"])
        dropped = self._db.execute("SELECT row FROM duplicates").fetchnumpy()["row"]
        return np.delete(hashes, dropped) if len(dropped) else hashes

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
                    recent.add(columns["h"], newest)
            self._recent = recent
        self._recent.forget(window_start)
        return self._recent

    # --- inserting -------------------------------------------------------------------------------------------------

    def _insert(self) -> None:
        for statement in ("insert_events", "insert_rollup", "insert_people"):
            self._db.execute(SQL[statement])

    def _enter(self, batch: _Batch, now: int) -> list[LedgerEntry]:
        """The ledger's rows and the dead letters."""
        stored: dict[int, int] = {}
        duplicates: dict[int, tuple[int, int]] = {}
        if batch.events:
            stored = dict(self._db.execute(SQL["count_stored"]).fetchall())
            duplicates = {b: (all_, odd) for b, all_, odd in self._db.execute(SQL["count_duplicates"]).fetchall()}
        dead = Counter[tuple[str, int]]()
        for letter in batch.dead:
            dead[letter.ingester, letter.seq] += letter.events
            row = (letter.ingester, letter.seq, letter.index, letter.original, letter.code, letter.reason)
            self._db.execute(SQL["insert_dead_letter"], (*row, letter.events, letter.attempts, now))
        loaded_at = datetime.fromtimestamp(now / 1_000_000, UTC)
        entries = [
            LedgerEntry(
                block.ingester, block.seq, block.count, stored.get(b, 0), *duplicates.get(b, (0, 0)),
                dead=dead[block.key], loaded_at=loaded_at,
            )
            for b, block in enumerate(batch.blocks)
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


def _repeated(hashes: Hashes) -> NDArray[np.bool_]:
    """For each hash, whether it stands more than once."""
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    return counts[inverse] > 1


def _spool(file: IO[bytes], batch: _Batch) -> None:
    """Write the batch's lines, each marked with its block's place; dead ones are left out."""
    dead = {key: {letter.index for letter in letters} for key, letters in _by_block(batch.dead)}
    for place, block in enumerate(batch.blocks):
        indexes = dead.get(block.key)
        if indexes and -1 in indexes:
            continue
        lines = block.lines()
        if indexes:
            kept = (line for n, line in enumerate(split_lines(lines)) if n not in indexes)
            lines = b"".join(kept)
        file.write(_tagged(lines, place))


def _by_block(dead: Iterable[DeadLetter]) -> Iterable[tuple[tuple[str, int], list[DeadLetter]]]:
    ordered = sorted(dead, key=lambda letter: (letter.ingester, letter.seq))
    for key, group in itertools.groupby(ordered, key=lambda letter: (letter.ingester, letter.seq)):
        yield key, list(group)


def _tagged(lines: bytes, place: int) -> bytes:
    """Lines with the field `b` in front; one pass in C, since a line break occurs only at a line's end."""
    tag = b'{"b":%d,' % place
    tagged = lines.replace(b"\n{", b"\n" + tag)
    return tag + tagged[1:] if tagged.startswith(b"{") else tagged
