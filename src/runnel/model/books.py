"""The books: what proves that no event was lost or counted twice (G4).

`accepted = stored + duplicates + dead + queued`, computed from stored rows, never from counters in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec


class Published(msgspec.Struct, frozen=True):
    """What a queue remembers of an ingester, in the same durable commit as the blocks.

    Attributes:
        next_seq: the seq that the next block will have; all below it were published.
        events: events in those blocks.
    """

    next_seq: int
    events: int


class QueuedBlock(msgspec.Struct, frozen=True):
    """A block that the queue holds and nobody has acknowledged."""

    ingester: str
    seq: int
    count: int


class QueueBooks(msgspec.Struct, frozen=True):
    """One consistent look at a queue's side of the books."""

    published: Mapping[str, Published]
    queued: Sequence[QueuedBlock]


class LedgerEntry(msgspec.Struct, frozen=True):
    """What became of one block: `count = stored + duplicates + dead`. `conflicts` is part of `duplicates`.

    Attributes:
        conflicts: duplicates whose payload differs from the event that was stored first.
    """

    ingester: str
    seq: int
    count: int
    stored: int
    duplicates: int
    conflicts: int
    dead: int
    loaded_at: datetime


class IngesterLedger(msgspec.Struct, frozen=True):
    """One ingester's blocks in the store.

    Attributes:
        folded: all blocks with `seq < folded` are in the ledger, kept as one sum.
        seqs: the others' numbers, ascending.
        count, stored, duplicates, conflicts, dead: events, summed over all of them.
    """

    folded: int
    seqs: Sequence[int]
    count: int
    stored: int
    duplicates: int
    conflicts: int
    dead: int


class Totals(msgspec.Struct, frozen=True):
    """The closed books of a pipeline. `missing` is 0 unless events were lost."""

    accepted: int
    stored: int
    duplicates: int
    conflicts: int
    dead: int
    queued: int

    @property
    def missing(self) -> int:
        return self.accepted - self.stored - self.duplicates - self.dead - self.queued


class Difference(msgspec.Struct, frozen=True):
    """Something that `runnel verify` found to be wrong: which check, and one sentence that names the numbers."""

    check: str
    message: str


def close_books(
    queue: QueueBooks, ledger: Mapping[str, IngesterLedger]
) -> tuple[Totals, list[Difference]]:
    """Compare both sides; `ledger` must have been read *after* `queue`.

    Blocks leave a queue only after the store committed them, so a block that the earlier look saw published and that
    is neither queued there nor in the later ledger is lost. Blocks that both hold count as stored; blocks published
    after the look at the queue are left for the next one when they are not stored yet. Of an ingester that the queue
    does not know (any more), each block below the last stored one has to be there.
    """
    queued: dict[str, dict[int, int]] = {}
    for block in queue.queued:
        queued.setdefault(block.ingester, {})[block.seq] = block.count
    closed = [
        _close_ingester(ingester, queue.published.get(ingester), queued.get(ingester, {}), ledger.get(ingester))
        for ingester in sorted(queue.published.keys() | ledger.keys() | queued.keys())
    ]
    totals = Totals(
        accepted=sum(ingester.accepted for ingester in closed),
        stored=sum(entry.stored for entry in ledger.values()),
        duplicates=sum(entry.duplicates for entry in ledger.values()),
        conflicts=sum(entry.conflicts for entry in ledger.values()),
        dead=sum(entry.dead for entry in ledger.values()),
        queued=sum(ingester.queued for ingester in closed),
    )
    differences = [ingester.difference for ingester in closed if ingester.difference]
    if totals.missing and not differences:
        differences.append(
            Difference("totals", f"{totals.accepted} events were accepted, {totals.missing} of them are in no column")
        )
    return totals, differences


class _Closed(msgspec.Struct, frozen=True):
    """One ingester's part of the totals, and what is wrong with it."""

    accepted: int
    queued: int
    difference: Difference | None = None


def _close_ingester(
    ingester: str, published: Published | None, queued: Mapping[int, int], entry: IngesterLedger | None
) -> _Closed:
    """`queued` is the count of each seq that waited at the look at the queue."""
    folded = entry.folded if entry else 0
    stored = set(entry.seqs) if entry else set()
    waiting = {seq: count for seq, count in queued.items() if seq >= folded and seq not in stored}
    waits = sum(waiting.values())
    accounted = (entry.count if entry else 0) + waits
    last = max(folded - 1, max(stored, default=-1), max(waiting, default=-1))
    end = published.next_seq if published else last + 1
    holes = [seq for seq in range(folded, end) if seq not in stored and seq not in waiting]
    if holes:
        shown = ", ".join(map(str, holes[:5])) + (" …" if len(holes) > 5 else "")
        message = f"ingester {ingester}: {len(holes)} of {end} blocks are missing: {shown}"
        accepted = max(published.events if published else 0, accounted)
        return _Closed(accepted, waits, Difference("sequence", message))
    if published is None or last >= end:  # later blocks are in the ledger's sums: nothing to compare those with
        return _Closed(accounted, waits)
    if published.events != accounted:
        message = f"ingester {ingester}: {published.events} events were published, {accounted} are accounted for"
        return _Closed(max(published.events, accounted), waits, Difference("count", message))
    return _Closed(accounted, waits)
