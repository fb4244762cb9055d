"""The books: what proves that no event was lost or counted twice (G4).

`accepted = stored + duplicates + dead + erased + queued`, computed from stored rows, never from counters in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec


class Published(msgspec.Struct, frozen=True):
    """What a queue records of an ingester, in the same durable commit as the blocks.

    Attributes:
        next_seq: the seq of the next block; all lower ones were published.
        events: events in those blocks.
    """

    next_seq: int
    events: int


class QueuedBlock(msgspec.Struct, frozen=True):
    """A block that the queue holds and that is not acknowledged."""

    ingester: str
    seq: int
    count: int


class QueueBooks(msgspec.Struct, frozen=True):
    """A consistent snapshot of the queue's side of the books.

    Attributes:
        queued: the blocks that wait, as far as the queue can name them.
        held: the most further blocks that can wait unnamed; None: `queued` names all of them.
        damage: a contradiction within the queue, as a sentence; None: there is none.
    """

    published: Mapping[str, Published]
    queued: Sequence[QueuedBlock]
    held: int | None = None
    damage: str | None = None


class LedgerEntry(msgspec.Struct, frozen=True):
    """What became of one block: `count = stored + duplicates + dead + erased`. `conflicts` is part of `duplicates`.

    Attributes:
        conflicts: duplicates whose payload differs from the event that was stored first.
        erased: events of erased persons, which were not stored.
    """

    ingester: str
    seq: int
    count: int
    stored: int
    duplicates: int
    conflicts: int
    dead: int
    loaded_at: datetime
    erased: int = 0


class IngesterLedger(msgspec.Struct, frozen=True):
    """One ingester's blocks in the store.

    Attributes:
        folded: ledger compaction has replaced the entries of all blocks with `seq < folded` by one sum.
        seqs: the seq of each other block, ascending.
        count, stored, duplicates, conflicts, dead, erased: events, summed over all blocks.
    """

    folded: int
    seqs: Sequence[int]
    count: int
    stored: int
    duplicates: int
    conflicts: int
    dead: int
    erased: int = 0


class Totals(msgspec.Struct, frozen=True):
    """The closed books of a pipeline. `missing` is 0 unless events were lost."""

    accepted: int
    stored: int
    duplicates: int
    conflicts: int
    dead: int
    queued: int
    erased: int = 0

    @property
    def missing(self) -> int:
        return self.accepted - self.stored - self.duplicates - self.dead - self.erased - self.queued


class Difference(msgspec.Struct, frozen=True):
    """A fault that `tallystick verify` found: the check, and one sentence with the numbers."""

    check: str
    message: str


def close_books(queue: QueueBooks, ledger: Mapping[str, IngesterLedger]) -> tuple[Totals, list[Difference]]:
    """Compare both sides. `ledger` must have been read *after* `queue`.

    A block leaves the queue only after the store has committed it. So a block is lost if the queue's snapshot counts it
    as published and neither that snapshot nor the later ledger has it. A block that both have counts as stored. A block
    that was published after the snapshot and is not stored yet is left to the next comparison. Of an ingester that the
    queue does not know or has forgotten, the ledger must have every block before the last one stored.

    Missing blocks count as queued as long as there are no more of them than the queue holds unnamed.
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
        erased=sum(entry.erased for entry in ledger.values()),
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
    """A difference for each ingester of which the store has blocks that the queue has not recorded as published.

    A block is published before it is stored. So when `queue` was read *after* `ledger`, the queue has lost commits: it
    is older than the store. Two cases prove nothing and are left out: a queue that cannot name its blocks may record
    late what was published, and an unknown ingester may be one that the queue has forgotten.
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
        end: how many blocks must be stored or waiting.
        last: the highest seq that is stored or waiting.
        waiting: events of the blocks that wait and are not stored.
        accounted: events that are stored or waiting.
        holes: the seqs that are neither stored nor named by the queue.
    """

    ingester: str
    published: Published | None
    end: int
    last: int
    waiting: int
    accounted: int
    holes: Sequence[int]


def _side(ingester: str, published: Published | None, queued: Mapping[int, int], entry: IngesterLedger | None) -> _Side:
    """Both sides of an ingester. `queued` maps the seq of each waiting block to its events."""
    folded = entry.folded if entry else 0
    stored = set(entry.seqs) if entry else set()
    waiting = {seq: count for seq, count in queued.items() if seq >= folded and seq not in stored}
    waits = sum(waiting.values())
    last = max(folded - 1, max(stored, default=-1), max(waiting, default=-1))
    end = published.next_seq if published else last + 1
    holes = [seq for seq in range(folded, end) if seq not in stored and seq not in waiting]
    return _Side(ingester, published, end, last, waits, (entry.count if entry else 0) + waits, holes)


class _Closed(msgspec.Struct, frozen=True):
    """One ingester's part of the totals, and its differences."""

    accepted: int
    queued: int
    difference: Difference | None = None


def _close_ingester(side: _Side, held: int, holes_wait: bool) -> _Closed:
    """Close one ingester's books. `holes_wait`: its holes are among the `held` blocks that the queue does not name."""
    published = side.published.events if side.published else 0
    accepted = max(published, side.accounted)
    if side.holes and not holes_wait:
        shown = ", ".join(map(str, side.holes[:5])) + (" …" if len(side.holes) > 5 else "")
        message = f"ingester {side.ingester}: {len(side.holes)} of {side.end} blocks are missing: {shown}"
        if held:
            message += f" (not more than {held} blocks of all ingesters can be waiting)"
        return _Closed(accepted, side.waiting, Difference("sequence", message))
    if side.published is None or side.last >= side.end:
        # Later blocks are in the ledger's sums: nothing to compare those with, and no telling what holes hold.
        return _Closed(side.accounted, side.waiting)
    unnamed = published - side.accounted
    if unnamed < 0 or (unnamed > 0) != bool(side.holes):
        message = f"ingester {side.ingester}: {published} events were published, {side.accounted} are accounted for"
        return _Closed(accepted, side.waiting, Difference("count", message))
    return _Closed(published, side.waiting + unnamed)
