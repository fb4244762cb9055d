"""The write path: one transaction per batch for events, rollups, ledger and dead letters (G2, G3).

No Python runs per event. The batch's lines go to DuckDB as NDJSON in a spool file that normally stays in the page
cache. The index of recent ids proves most events new; the rest are compared exactly in SQL.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tallystick.analysis.buckets import instant_of
from tallystick.config import Settings
from tallystick.errors import DataRejected
from tallystick.model.block import Block, split_lines
from tallystick.model.books import LedgerEntry
from tallystick.model.event import AHEAD_MAX
from tallystick.model.sql import load_statements
from tallystick.store.base import DeadLetter, WriteReport
from tallystick.store.batch import Batch, Counts, Outcome, batch_of, ledger_entries
from tallystick.store.duckdb import erasure, identity
from tallystick.store.duckdb.connection import Connection, transaction
from tallystick.store.duckdb.recent import Hashes, RecentIds
from tallystick.store.erasure import NONE

SQL = load_statements("tallystick.store.duckdb", "sql/load.sql")
RECENT_SLICE = 1_000_000
"""Rows read at a time when the index of recent ids is built after a start."""
READERS = 2
"""Files that a large batch is split into; DuckDB reads each with a thread of its own."""
SHARED_MIN = 20_000
"""Events from which on a batch is worth two threads."""
PIECE_BYTES = 1024 * 1024
"""Bytes of lines that are stored at a time when memory is short."""
HOUR = 3_600_000_000
"""An hour in microseconds."""


class Loader:
    """Writes batches through one connection; used by one thread at a time."""

    def __init__(self, connection: Connection, spool: Path, settings: Settings) -> None:
        self._db = connection
        self._spool = spool
        self._window = int(settings.dedupe_window_hours * HOUR)
        self._line_max = max(2 * settings.max_event_bytes, 1024 * 1024)
        self._recent: RecentIds | None = None
        self._tombstones = NONE
        self._links = 0
        """Events in `incoming` that may join ids."""
        self._bots = 0
        """Events in `incoming` that may be bots'."""
        self._first = 0
        """The row id of the first line in `incoming`; the others follow without gaps."""

    def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter], sparing: bool = False) -> WriteReport:
        """As `Store.write`; driver errors pass as they are.

        Args:
            sparing: take less memory and more time: still one transaction, but the lines are read a few at a time.

        Raises:
            BlockCorrupt: a block's payload is broken, and `dead` does not name the block as a whole.
        """
        now = time.time_ns() // 1_000
        recent = self._recent_ids(now)
        batch = self._batch(blocks, dead)
        if not batch.blocks:
            return WriteReport(len(blocks), [])
        kept = batch.kept()
        outcome, new = Outcome.all_stored(kept), np.empty(0, np.uint64)
        if kept.any() and not sparing:
            # Before the transaction: inside the one that makes a table, its row ids do not begin at 0.
            self._read(batch.lines(), int(kept.sum()))
        with transaction(self._db):
            if kept.any():
                load = self._load_sparingly if sparing else self._load
                outcome, new = load(batch, kept, recent, now)
            entries = self._enter(batch, outcome, now)
        recent.add(new, now)
        return WriteReport(len(blocks) - len(batch.blocks), entries)

    def probe(self, lines: bytes, sparing: bool = False) -> None:
        """Read lines as `write` would; a driver error or DataRejected means that they cannot be stored."""
        count = lines.count(b"\n")
        if sparing:
            for piece in _pieces(lines):
                self._read_sparingly(piece)
        elif count:
            self._read([(lines, count)], count)

    def _load(self, batch: Batch, kept: Counts, recent: RecentIds, now: int) -> tuple[Outcome, Hashes]:
        """Store what `incoming` holds. Returns what became of each block, and the sorted hashes of the new events."""
        outcome, new = self._drop_duplicates((recent,), kept, now)
        self._insert()
        return outcome, new

    def _load_sparingly(self, batch: Batch, kept: Counts, recent: RecentIds, now: int) -> tuple[Outcome, Hashes]:
        """As `_load`, but read the blocks' lines into `incoming` a few at a time."""
        earlier = RecentIds(self._spool)
        numbers = np.flatnonzero(kept)
        sums = [np.zeros_like(kept) for _ in range(3)]
        found: list[Hashes] = []
        for block, (lines, _) in zip(numbers, batch.lines(), strict=True):
            for piece in _pieces(lines):
                self._read_sparingly(piece)
                outcome, new = self._drop_duplicates((recent, earlier), np.array([len(piece)], np.int64), now)
                self._insert()
                earlier.add(new, now)
                found.append(new)
                for total, counts in zip(sums, (outcome.stored, outcome.duplicates, outcome.conflicts), strict=True):
                    total[block] += counts[0]
        if sums[0].sum() + sums[1].sum() != kept.sum():
            raise DataRejected(f"{kept.sum()} events were expected, {sums[0].sum() + sums[1].sum()} lines were read")
        return Outcome(*sums), np.sort(np.concatenate(found))

    # --- which blocks are new -------------------------------------------------------------------------------------

    def _batch(self, blocks: Sequence[Block], dead: Sequence[DeadLetter]) -> Batch:
        ingesters = sorted({block.ingester for block in blocks})
        seqs = [block.seq for block in blocks]
        bounds = {"ingesters": ingesters, "lowest": min(seqs, default=0), "highest": max(seqs, default=0)}
        rows = self._db.execute(SQL["known_blocks"], bounds).fetchall()
        known = {(ingester, seq) for ingester, seq, _ in rows if seq is not None}
        compacted = {ingester: below for ingester, _, below in rows if below is not None}
        self._tombstones = erasure.tombstones(self._db, self._tombstones)
        return batch_of(blocks, dead, known, compacted, self._tombstones)

    # --- reading --------------------------------------------------------------------------------------------------

    def _read(self, parts: Iterable[tuple[bytes, int]], events: int) -> None:
        """Fill the table `incoming` with these lines, which hold `events` events.

        DuckDB reads a file of this size with one thread, so a large batch goes into several files.

        Raises:
            DataRejected: a line is no event, or lacks a field.
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
        count, broken, self._links, self._bots, self._first = self._db.execute(SQL["check"]).fetchall()[0]
        if broken or count != events:
            raise DataRejected(f"{broken} events lack a field, {events - count} lines are no events")

    # --- duplicates -----------------------------------------------------------------------------------------------

    def _drop_duplicates(self, known: Sequence[RecentIds], kept: Counts, now: int) -> tuple[Outcome, Hashes]:
        """Delete from `incoming` what is stored already. Returns each block's outcome and the sorted hashes left."""
        # An event is never stored earlier than AHEAD_MAX before its own time. So an event younger than the window minus
        # AHEAD_MAX is in the index if it was ever stored. For older events the index proves nothing.
        old_before = now - self._window + int(AHEAD_MAX.total_seconds() * 1_000_000)
        columns = self._db.execute(SQL["hashes"], {"old_before": old_before}).fetchnumpy()
        order = np.argsort(columns["hash"], kind="stable")
        hashes: Hashes = columns["hash"][order]
        hit = np.logical_or.reduce([ids.suspects(hashes) for ids in known])
        places = np.flatnonzero(hit | _repeated(hashes) | columns["old"][order])
        if not len(places):
            return Outcome.all_stored(kept), hashes
        dropped, conflict = self._compare(order[places], hit[places], now)
        left = np.ones(len(hashes), np.bool_)
        left[dropped] = False
        return Outcome.without(kept, dropped, conflict), hashes[left[order]]

    def _compare(self, rows: Counts, hit: NDArray[np.bool_], now: int) -> tuple[Counts, NDArray[np.bool_]]:
        """Compare suspects exactly and delete duplicates from `incoming`. Returns their lines, and which conflict."""
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
        """The index of recent ids, built from the table at the first write after a start."""
        window_start = now - self._window
        if self._recent is None:
            recent = RecentIds(self._spool)
            first, last = self._db.execute(SQL["row_range"], {"window_start": window_start}).fetchall()[0]
            for start in range(first, last + 1, RECENT_SLICE):
                bounds = {"first": start, "last": min(start + RECENT_SLICE - 1, last), "window_start": window_start}
                columns = self._db.execute(SQL["recent_rows"], bounds).fetchnumpy()
                if len(columns["hash"]):
                    newest = int(columns["newest"][0].astype("datetime64[us]").astype(np.int64))
                    recent.add(np.sort(columns["hash"]), newest)
            self._recent = recent
        self._recent.forget(window_start)
        return self._recent

    # --- inserting ------------------------------------------------------------------------------------------------

    def _insert(self) -> None:
        for statement in ("insert_events", "insert_rollup", "insert_people"):
            self._db.execute(SQL[statement])
        if self._bots:
            self._db.execute(SQL["insert_bot_sites"])
        if self._links:
            identity.join(self._db)

    def _enter(self, batch: Batch, outcome: Outcome, now: int) -> list[LedgerEntry]:
        """Insert the ledger's rows and the dead letters."""
        if letters := [letter for of_block in batch.dead.values() for letter in of_block]:
            names = ("ingester", "seq", "index", "original", "code", "reason", "events", "attempts")
            columns = {name: [getattr(letter, name) for letter in letters] for name in names}
            self._db.execute(SQL["insert_dead_letters"], {**columns, "now": now})
        entries = ledger_entries(batch, outcome, instant_of(now))
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
                "erased": [entry.erased for entry in entries],
                "now": now,
            },
        )
        return entries


def _repeated(ascending: Hashes) -> NDArray[np.bool_]:
    """For each hash, whether it is there more than once."""
    same = ascending[1:] == ascending[:-1]
    result = np.zeros(len(ascending), np.bool_)
    result[1:] |= same
    result[:-1] |= same
    return result


def _pieces(lines: bytes) -> Iterator[Sequence[bytes]]:
    """The lines, in pieces of about PIECE_BYTES."""
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
