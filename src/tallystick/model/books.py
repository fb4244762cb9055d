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
    """One consistent look at a queue's side of the books.

    Attributes:
        queued: the blocks that wait; where the queue cannot name them all, those that it can.
        held: how many others wait at most; None: none, `queued` names them all.
        damage: what in the queue contradicts itself, as a sentence; None: nothing.
    """

    published: Mapping[str, Published]
    queued: Sequence[QueuedBlock]
    held: int | None = None
    damage: str | None = None


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
    """Something that `tallystick verify` found to be wrong: which check, and one sentence that names the numbers."""

    check: str
    message: str


def close_books(queue: QueueBooks, ledger: Mapping[str, IngesterLedger]) -> tuple[Totals, list[Difference]]:
    """Compare both sides; `ledger` must have been read *after* `queue`.

    Blocks leave a queue only after the store committed them, so a block that the earlier look saw published and that
    is neither queued there nor in the later ledger is lost. Blocks that both hold count as stored; blocks published
    after the look at the queue are left for the next one when they are not stored yet. Of an ingester that the queue
    does not know (any more), each block below the last stored one has to be there.

    Blocks that are nowhere count as queued as long as there are no more of them than the queue holds unnamed.
    """
    queued: dict[str, dict[int, int]] = {}
    for block in queue.queued:
        queued.setdefault(block.ingester, {})[block.seq] = block.count
    sides = [
        _side(ingester, queue.published.get(ingester), queued.get(ingester, {}), ledger.get(ingester))
        for ingester in sorted(queue.published.keys() | ledger.keys() | queued.keys())
    ]
    held = queue.held or 0
    unnamed = sum(len(side.holes) for side in sides)
    closed = [_close_ingester(side, held, holes_wait=unnamed <= held) for side in sides]
    totals = Totals(
        accepted=sum(ingester.accepted for ingester in closed),
        stored=sum(entry.stored for entry in ledger.values()),
        duplicates=sum(entry.duplicates for entry in ledger.values()),
        conflicts=sum(entry.conflicts for entry in ledger.values()),
        dead=sum(entry.dead for entry in ledger.values()),
        queued=sum(ingester.queued for ingester in closed),
    )
    differences = [ingester.difference for ingester in closed if ingester.difference]
    if queue.damage:
        differences.append(Difference("queue", queue.damage))
    if totals.missing and not differences:
        differences.append(
            Difference("totals", f"{totals.accepted} events were accepted, {totals.missing} of them are in no column")
        )
    return totals, differences


def stored_beyond(queue: QueueBooks, ledger: Mapping[str, IngesterLedger]) -> list[Difference]:
    """Ingesters of which the store has later blocks than the queue says were published.

    A block is published before it is stored, so when `queue` was read *after* `ledger` this means that the queue has
    lost commits: it is older than the store. A queue that cannot name its blocks may note down late what was published,
    and an ingester that it does not know may be one that it has forgotten: both prove nothing.
    """
    found = []
    for ingester, published in sorted(queue.published.items()) if queue.held is None else ():
        entry = ledger.get(ingester)
        end = max([entry.folded, *(seq + 1 for seq in entry.seqs)]) if entry else 0
        if end > published.next_seq:
            message = (
                f"ingester {ingester}: the store has block {end - 1}, but the queue knows of {published.next_seq} "
                "blocks only: it is older than the store, and what was published last may be missing"
            )
            found.append(Difference("queue", message))
    return found


class _Side(msgspec.Struct, frozen=True):
    """One ingester on both sides.

    Attributes:
        end: so many blocks have to be somewhere.
        last: the highest number that is stored or waits.
        waiting: events of the blocks that wait and are not stored.
        accounted: events that are stored or wait.
        holes: numbers of the blocks that are neither stored nor named by the queue.
    """

    ingester: str
    published: Published | None
    end: int
    last: int
    waiting: int
    accounted: int
    holes: Sequence[int]


def _side(ingester: str, published: Published | None, queued: Mapping[int, int], entry: IngesterLedger | None) -> _Side:
    """`queued` is the count of each seq that waited at the look at the queue."""
    folded = entry.folded if entry else 0
    stored = set(entry.seqs) if entry else set()
    waiting = {seq: count for seq, count in queued.items() if seq >= folded and seq not in stored}
    waits = sum(waiting.values())
    last = max(folded - 1, max(stored, default=-1), max(waiting, default=-1))
    end = published.next_seq if published else last + 1
    holes = [seq for seq in range(folded, end) if seq not in stored and seq not in waiting]
    return _Side(ingester, published, end, last, waits, (entry.count if entry else 0) + waits, holes)


class _Closed(msgspec.Struct, frozen=True):
    """One ingester's part of the totals, and what is wrong with it."""

    accepted: int
    queued: int
    difference: Difference | None = None


def _close_ingester(side: _Side, held: int, holes_wait: bool) -> _Closed:
    """`holes_wait`: the holes are among the `held` blocks that the queue does not name."""
    told = side.published.events if side.published else 0
    accepted = max(told, side.accounted)
    if side.holes and not holes_wait:
        shown = ", ".join(map(str, side.holes[:5])) + (" …" if len(side.holes) > 5 else "")
        message = f"ingester {side.ingester}: {len(side.holes)} of {side.end} blocks are missing: {shown}"
        if held:
            message += f" (not more than {held} blocks of all ingesters can be waiting)"
        return _Closed(accepted, side.waiting, Difference("sequence", message))
    if side.published is None or side.last >= side.end:
        # Later blocks are in the ledger's sums: nothing to compare those with, and no telling what holes hold.
        return _Closed(side.accounted, side.waiting)
    unnamed = told - side.accounted
    if unnamed < 0 or (unnamed > 0) != bool(side.holes):
        message = f"ingester {side.ingester}: {told} events were published, {side.accounted} are accounted for"
        return _Closed(accepted, side.waiting, Difference("count", message))
    return _Closed(told, side.waiting + unnamed)
