"""Everything that can be read of a damaged queue: its blocks, its side of the books, its last tally."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tallystick.errors import BlockCorrupt
from tallystick.model.block import decode_block
from tallystick.model.books import IngesterLedger, Published
from tallystick.queue.sqlite.opening import Files
from tallystick.queue.sqlite.pages import DatabaseFile, GetPage, Value, page_size_of, rows
from tallystick.queue.sqlite.tally import Tally, decode, ingester_check
from tallystick.queue.sqlite.wal import Log
from tallystick.queue.sqlite.watermark import Watermark

LOST = "lost-in-recovery"
"""The ingester in the books for blocks that an unknown ingester published and that are found nowhere."""
_INGESTER = re.compile(rf"[0-9a-f]{{16}}|{LOST}")
_MASK = 2**63 - 1
NUMBER_MAX = 2**40
"""Larger numbers of blocks or events are damage."""


class Found(NamedTuple):
    """A block's row. `sound`: its bytes are what was written, and its ingester, seq and events are theirs."""

    id: int
    ingester: str
    seq: int
    events: int
    enqueued_at: float
    data: bytes
    sound: bool

    @property
    def key(self) -> tuple[str, int]:
        return (self.ingester, self.seq)


class Salvage:
    """One pass over all pages. `blocks` first; then `tally` and `ingesters` are there.

    Attributes:
        tally: the newest of all tallies, the watermark's included; None: there is none.
        ingesters: each row of the ingesters' table that some page holds.
    """

    def __init__(self, path: Path) -> None:
        files = Files.of(path)
        size = page_size_of(files.queue)
        self._log = Log(files.wal, size)
        self._base = DatabaseFile(files.queue, self._log.page_size)
        watermark = Watermark(files.watermark)
        watermark.read()
        self.tally: Tally | None = watermark.tally
        self.ingesters: dict[str, set[Published]] = {}

    def close(self) -> None:
        """Close the files."""
        self._base.close()

    def blocks(self) -> Iterator[Found]:
        """Every block on any page of file and log, in no order; some come more than once."""
        newest: dict[int, memoryview] = {}
        changed: dict[int, memoryview] = {}

        def with_log(number: int) -> memoryview | None:
            return newest.get(number) or self._base.page(number)

        for number, page, ends_commit in self._log.images():
            newest[number] = changed[number] = page
            if ends_commit:
                yield from self._read_all(changed, with_log)
                changed.clear()
        yield from self._read_all(changed, with_log)
        for number in range(1, self._base.pages + 1):
            if (old := self._base.page(number)) is not None:
                yield from self._read(old, number, self._base.page)
                if newest:
                    yield from self._read(old, number, with_log)

    def _read_all(self, pages: Mapping[int, memoryview], get: GetPage) -> Iterator[Found]:
        for number, page in pages.items():
            yield from self._read(page, number, get)

    def _read(self, page: memoryview, number: int, get: GetPage) -> Iterator[Found]:
        for rowid, values in rows(page, number, get):
            match values:
                case [None, bytes(sealed)]:
                    tally = decode(sealed)
                    if tally and (self.tally is None or tally.commits > self.tally.commits):
                        self.tally = tally
                case [str(ingester), int(next_seq), int(events)]:
                    if _INGESTER.fullmatch(ingester) and 0 <= next_seq < NUMBER_MAX and 0 <= events < NUMBER_MAX:
                        self.ingesters.setdefault(ingester, set()).add(Published(next_seq, events))
                case [None, _, _, _, _, _, bytes(data)]:
                    if (found := _found(rowid, values, data)) is not None:
                        yield found


def _found(rowid: int, values: list[Value], data: bytes) -> Found | None:
    _, ingester, seq, count, size, at, _ = values
    enqueued_at = float(at) if isinstance(at, int | float) else 0.0
    try:
        block = decode_block(data)
    except BlockCorrupt:
        pass
    else:
        return Found(rowid, block.ingester, block.seq, block.count, enqueued_at, data, True)
    if not (isinstance(ingester, str) and isinstance(seq, int) and isinstance(count, int) and isinstance(size, int)):
        return None
    plausible = _INGESTER.fullmatch(ingester) and 0 <= seq < NUMBER_MAX and 0 < count <= max(size, 1)
    return Found(rowid, ingester, seq, count, enqueued_at, data, False) if plausible else None


# --- the books ------------------------------------------------------------------------------------------------------


def is_stored(ledger: Mapping[str, IngesterLedger], ingester: str, seq: int) -> bool:
    """Whether the store has this block."""
    entry = ledger.get(ingester)
    return entry is not None and (seq < entry.folded or seq in entry.seqs)


def published_rows(
    found: Mapping[str, set[Published]],
    tally: Tally | None,
    kept: Mapping[tuple[str, int], int],
    ledger: Mapping[str, IngesterLedger] | None,
) -> dict[str, Published]:
    """The queue's side of the books, in which missing blocks show as missing.

    Args:
        found: rows that pages hold.
        tally: the sums that the rows must have; None: unknown.
        kept: events of each block that was found and is not stored.
        ledger: what is stored; None: the store could not be read.
    """
    rows = {ingester: max(versions, key=lambda row: row.next_seq) for ingester, versions in found.items()}
    if tally is not None:
        if tally.ingester:
            rows[tally.ingester] = Published(tally.next_seq, tally.ingester_events)
        if not _adds_up(rows, tally):
            rows = _with_one_corrected(rows, tally) or {}
            if not rows and tally.ingester:
                rows[tally.ingester] = Published(tally.next_seq, tally.ingester_events)
    here = _accounted(kept, ledger or {})
    for ingester, seen in here.items():
        row = rows.get(ingester)
        if row is None or row.next_seq < seen.next_seq:
            rows[ingester] = Published(seen.next_seq, max(seen.events, row.events if row else 0))
    if tally is not None and ledger is not None:
        _add_the_unknown(rows, tally)
    return rows


def _adds_up(rows: Mapping[str, Published], tally: Tally) -> bool:
    return sum(ingester_check(name, row) for name, row in rows.items()) & _MASK == tally.ingesters_check


def _with_one_corrected(rows: Mapping[str, Published], tally: Tally) -> dict[str, Published] | None:
    """The rows with the one damaged row corrected: its value follows from the sums."""
    blocks = sum(row.next_seq for row in rows.values())
    events = sum(row.events for row in rows.values())
    for name, row in rows.items():
        right = Published(tally.published_blocks - blocks + row.next_seq, tally.published_events - events + row.events)
        if 0 <= right.next_seq < NUMBER_MAX and 0 <= right.events < NUMBER_MAX:
            tried = {**rows, name: right}
            if _adds_up(tried, tally):
                return tried
    return None


def _accounted(kept: Mapping[tuple[str, int], int], ledger: Mapping[str, IngesterLedger]) -> dict[str, Published]:
    """What each ingester must have published at least, going by its blocks in store and queue."""
    ends = {name: max([entry.folded, *(seq + 1 for seq in entry.seqs)]) for name, entry in ledger.items()}
    events = {name: entry.count for name, entry in ledger.items()}
    for (name, seq), count in kept.items():
        ends[name] = max(ends.get(name, 0), seq + 1)
        events[name] = events.get(name, 0) + count
    return {name: Published(end, events[name]) for name, end in ends.items()}


def _add_the_unknown(rows: dict[str, Published], tally: Tally) -> None:
    """Add a row for published events that no row counts."""
    blocks = tally.published_blocks - sum(row.next_seq for row in rows.values())
    events = tally.published_events - sum(row.events for row in rows.values())
    if events > 0:
        before = rows.get(LOST, Published(0, 0))
        rows[LOST] = Published(before.next_seq + max(1, blocks), before.events + events)
