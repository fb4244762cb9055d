"""Arithmetic of the ledger that every store needs: an ingester's blocks as one value, and what `verify` says of sums.

Old blocks of an ingester are compacted: one row holds their sums, and `folded` (the column's historical name) is the
seq below which all blocks are in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.model.books import Difference, IngesterLedger

_NOTHING = (0, 0, 0, 0, 0, 0, 0)


def is_unbroken(first: int, last: int, blocks: int) -> bool:
    """Whether so many different seqs from `first` to `last` leave no gap."""
    return last - first + 1 == blocks


def ingester_ledger(
    compacted: Sequence[int] | None, blocks: Sequence[int] | None, seqs: Sequence[int]
) -> IngesterLedger:
    """One ingester's part of the ledger.

    Args:
        compacted: `folded`, and the sums count, stored, duplicates, conflicts, dead, erased; None: there are none.
        blocks: first seq, last seq, number of blocks, and their sums; None: all blocks are compacted.
        seqs: the blocks' seqs, ascending; only looked at when they have gaps.
    """
    end, *sums = compacted or _NOTHING
    first, last, number, *more = blocks or (end, end - 1, 0, *_NOTHING[1:])
    if is_unbroken(first, last, number):
        seqs = list(range(first, last + 1))
        if first == end:
            end, seqs = last + 1, []
    return IngesterLedger(end, seqs, *(a + b for a, b in zip(sums, more, strict=True)))


class Findings:
    """Collects what `verify` finds to be wrong."""

    def __init__(self) -> None:
        self.differences: list[Difference] = []

    def check(self, name: str, wrong: bool, message: str) -> None:
        """Add a difference if something is wrong."""
        if wrong:
            self.differences.append(Difference(name, message))

    def check_sums(self, unbalanced: int) -> None:
        """`unbalanced` blocks have a count that is not what became of their events."""
        self.check("ledger", unbalanced > 0, f"{unbalanced} blocks: count is not stored + duplicates + dead + erased")

    def check_stored(self, stored: int, events: int, purged: int) -> None:
        """Events that the ledger counts as stored, that are there, and that were removed on purpose."""
        sentence = (
            f"the ledger says {stored} stored; {events} events are there, {purged} were purged, taken back or erased"
        )
        self.check("stored", stored != events + purged, sentence)

    def check_dead(self, in_ledger: int, letters: int) -> None:
        """Events that the ledger counts as dead, and that the dead letters hold."""
        sentence = f"the ledger says {in_ledger} dead; the dead letters hold {letters}"
        self.check("dead", in_ledger != letters, sentence)

    def check_identities(self, repeated: int) -> None:
        """`repeated` events are stored beside one with the same identity and time."""
        self.check("identity", repeated > 0, f"{repeated} events are stored more than once")

    def check_rollup(self, buckets: int) -> None:
        """`buckets` of the rollup differ."""
        self.check("rollup", buckets > 0, f"{buckets} rollup buckets differ from the raw events")

    def check_people(self, rows: int, rollup: str = "people rollup") -> None:
        """`rows` of a rollup of users differ. `people` is the historical name of that table."""
        self.check("people", rows > 0, f"{rows} rows of the {rollup} differ from the raw events")

    def check_kept(self, events: int, purged: int, days: int) -> None:
        """Kept rollups stand for `events` of the `purged` ones; `days` have counts of events or of users alone."""
        sentence = f"kept rollups stand for {events} events, and only {purged} were purged"
        self.check("kept", events > purged, sentence)
        self.check("kept", days > 0, f"{days} kept days have only one of the counts of events and of users")

    def check_erased(self, persons: int) -> None:
        """`persons`: user ids that were erased and have events which their tombstones refuse."""
        self.check("erased", persons > 0, f"{persons} user ids were erased and have events of before their erasure")
