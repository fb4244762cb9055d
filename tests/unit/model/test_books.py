"""Closing the books, held against a model that knows of every single block what became of it (G4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.books import IngesterLedger, Published, QueueBooks, QueuedBlock, close_books


class Fate(Enum):
    """Where a block was at the look at the queue, and at the look at the ledger after it."""

    QUEUED = "waits"
    IN_BETWEEN = "queued at the first look, stored at the second"
    NOT_ACKED = "stored before the first look, not acknowledged yet"
    STORED = "stored and acknowledged"
    LATER_STORED = "published after the first look, stored at the second"
    LATER_QUEUED = "published after the first look, not stored at the second"
    LOST = "published, nowhere now"


LATER = {Fate.LATER_STORED, Fate.LATER_QUEUED}
IN_QUEUE = {Fate.QUEUED, Fate.IN_BETWEEN, Fate.NOT_ACKED}
IN_LEDGER = {Fate.IN_BETWEEN, Fate.NOT_ACKED, Fate.STORED, Fate.LATER_STORED}


@dataclass(frozen=True)
class Fortune:
    """One block: its fate, and what its events became if the store has it."""

    fate: Fate
    stored: int
    duplicates: int
    dead: int

    @property
    def count(self) -> int:
        return self.stored + self.duplicates + self.dead


Histories = Mapping[str, tuple[list[Fortune], bool]]
"""By ingester: its blocks in the order of their seq, and whether the ledger compacts what it can."""


def histories(*fates: Fate) -> st.SearchStrategy[Histories]:
    """Some ingesters with blocks of these fates; those published after the look come last."""
    numbers = st.integers(0, 4)
    fortune = st.builds(Fortune, st.sampled_from(fates), st.integers(1, 5), numbers, numbers)
    blocks = st.lists(fortune, max_size=12).map(lambda found: sorted(found, key=lambda block: block.fate in LATER))
    told_apart = blocks.filter(lambda found: not looks_forgotten(found))
    return st.dictionaries(st.sampled_from(["a" * 16, "b" * 16, "c" * 16]), st.tuples(told_apart, st.booleans()))


def looks_forgotten(blocks: list[Fortune]) -> bool:
    """New after the look, and stored out of order: taken for an ingester that the queue has forgotten (see below)."""
    return bool(blocks) and blocks[0].fate in LATER and any(block.fate is Fate.LATER_QUEUED for block in blocks)


def first_look(history: Histories) -> QueueBooks:
    published, queued = {}, []
    for ingester, (blocks, _) in history.items():
        seen = [block for block in blocks if block.fate not in LATER]
        if seen:
            published[ingester] = Published(len(seen), sum(block.count for block in seen))
        queued += [QueuedBlock(ingester, seq, b.count) for seq, b in enumerate(seen) if b.fate in IN_QUEUE]
    return QueueBooks(published, queued)


def second_look(history: Histories) -> dict[str, IngesterLedger]:
    ledger = {}
    for ingester, (blocks, folds) in history.items():
        held = {seq: block for seq, block in enumerate(blocks) if block.fate in IN_LEDGER}
        folded = next(seq for seq in range(len(blocks) + 1) if seq not in held) if folds else 0
        if held:
            ledger[ingester] = IngesterLedger(
                folded=folded,
                seqs=[seq for seq in held if seq >= folded],
                count=sum(block.count for block in held.values()),
                stored=sum(block.stored for block in held.values()),
                duplicates=sum(block.duplicates for block in held.values()),
                conflicts=0,
                dead=sum(block.dead for block in held.values()),
            )
    return ledger


def events(history: Histories, *fates: Fate) -> int:
    return sum(block.count for blocks, _ in history.values() for block in blocks if block.fate in fates)


@given(histories(*(fate for fate in Fate if fate is not Fate.LOST)))
def test_the_books_close_when_nothing_is_lost(history: Histories) -> None:
    """G4: accepted = stored + duplicates + dead + queued, at whatever moments the two looks are taken."""
    totals, differences = close_books(first_look(history), second_look(history))

    held = [block for blocks, _ in history.values() for block in blocks if block.fate in IN_LEDGER]
    assert differences == []
    assert totals.missing == 0
    assert totals.queued == events(history, Fate.QUEUED)
    assert totals.stored == sum(block.stored for block in held)
    assert totals.duplicates == sum(block.duplicates for block in held)
    assert totals.dead == sum(block.dead for block in held)
    assert totals.accepted == events(history, *(fate for fate in Fate if fate is not Fate.LATER_QUEUED))


@given(histories(*Fate))
def test_every_lost_block_is_named(history: Histories) -> None:
    """G4: a published block that is neither queued nor in the ledger is a hole, and nothing else is."""
    _, differences = close_books(first_look(history), second_look(history))

    lost = {
        ingester: sum(block.fate is Fate.LOST for block in blocks)
        for ingester, (blocks, _) in history.items()
        if any(block.fate is Fate.LOST for block in blocks)
    }
    assert [difference.check for difference in differences] == ["sequence"] * len(lost)
    for difference, (ingester, holes) in zip(differences, sorted(lost.items()), strict=True):
        assert f"ingester {ingester}: {holes} of " in difference.message


@given(histories(Fate.QUEUED, Fate.NOT_ACKED, Fate.STORED, Fate.LOST))
def test_lost_events_are_counted_as_missing(history: Histories) -> None:
    """G4: without traffic between the looks, `missing` is exactly the number of the lost events."""
    totals, _ = close_books(first_look(history), second_look(history))

    assert totals.missing == events(history, Fate.LOST)


# --- a queue that cannot name all of its blocks ---------------------------------------------------------------------


def anonymous_look(history: Histories, here: set[int], late: int, more: int) -> QueueBooks:
    """The first look of such a queue: it names the blocks whose seq is `here`, and counts the others.

    Of each ingester the last `late` blocks are not noted down yet, and up to `more` blocks are somewhere else.
    """
    full = first_look(history)
    published = {}
    for ingester, (blocks, _) in history.items():
        seen = [block for block in blocks if block.fate not in LATER]
        noted = seen[: max(1, len(seen) - late)]
        if noted:
            published[ingester] = Published(len(noted), sum(block.count for block in noted))
    named = [block for block in full.queued if block.seq in here]
    return QueueBooks(published, named, len(full.queued) - len(named) + more)


anywhere = st.sets(st.integers(0, 11))


@given(histories(*(fate for fate in Fate if fate is not Fate.LOST)), anywhere, st.integers(0, 3), st.integers(0, 3))
def test_the_books_close_over_blocks_without_a_name(history: Histories, here: set[int], late: int, more: int) -> None:
    """G4: whatever the queue can name, however late its notes are."""
    totals, differences = close_books(anonymous_look(history, here, late, more), second_look(history))

    held = [block for blocks, _ in history.values() for block in blocks if block.fate in IN_LEDGER]
    assert differences == []
    assert totals.missing == 0
    assert totals.stored == sum(block.stored for block in held)
    assert totals.queued <= events(history, Fate.QUEUED)


@given(histories(Fate.QUEUED, Fate.IN_BETWEEN, Fate.NOT_ACKED, Fate.STORED), anywhere)
def test_blocks_without_a_name_count_as_queued(history: Histories, here: set[int]) -> None:
    """G4: with notes that are up to date the sums are those of a queue that names every block."""
    exact = close_books(first_look(history), second_look(history))

    assert close_books(anonymous_look(history, here, late=0, more=0), second_look(history)) == exact


@given(histories(Fate.QUEUED, Fate.STORED, Fate.LOST), anywhere, st.integers(0, 3))
def test_more_blocks_than_the_queue_can_hold_are_missing(history: Histories, here: set[int], more: int) -> None:
    """G4: only blocks that another worker may have can hide lost blocks."""
    _, differences = close_books(anonymous_look(history, here, 0, more), second_look(history))

    lost = sum(block.fate is Fate.LOST for blocks, _ in history.values() for block in blocks)
    assert {difference.check for difference in differences} == ({"sequence"} if lost > more else set())


def test_the_message_says_how_many_may_be_waiting() -> None:
    _, differences = close_books(QueueBooks({"a": Published(3, 30)}, [], held=2), {})

    assert [d.message for d in differences] == [
        "ingester a: 3 of 3 blocks are missing: 0, 1, 2 (not more than 2 blocks of all ingesters can be waiting)"
    ]


def test_too_many_events_are_found_without_names_too() -> None:
    """G4: a block waits, and the stored ones have more events already than were published."""
    _, differences = close_books(QueueBooks({"a": Published(2, 20)}, [], held=1), {"a": ledger_of(0, [0], stored=21)})

    assert [d.check for d in differences] == ["count"]


# --- single cases ---------------------------------------------------------------------------------------------------


def test_a_lost_last_block_is_found_by_what_the_queue_remembers() -> None:
    """G4: no later seq shows the hole; that the queue knows its next seq does."""
    totals, differences = close_books(QueueBooks({"a": Published(3, 30)}, []), {"a": ledger_of(0, [0, 1], stored=20)})

    assert totals.missing == 10
    assert [d.message for d in differences] == ["ingester a: 1 of 3 blocks are missing: 2"]


def test_a_hole_is_found_when_the_queue_has_forgotten_the_ingester() -> None:
    """G4: a memory queue starts empty, the ledger still shows what never came."""
    _, differences = close_books(QueueBooks({}, []), {"a": ledger_of(0, [0, 2], stored=20)})

    assert [d.message for d in differences] == ["ingester a: 1 of 3 blocks are missing: 1"]


def test_a_block_that_arrived_with_other_events_is_found() -> None:
    """G4: every block is there, but not with the number of events that were published."""
    totals, differences = close_books(QueueBooks({"a": Published(2, 20)}, []), {"a": ledger_of(0, [0, 1], stored=19)})

    assert [d.check for d in differences] == ["count"]
    assert totals.missing == 1


def test_more_events_than_were_published_are_found() -> None:
    """G4: extra events are as wrong as missing ones."""
    _, differences = close_books(QueueBooks({"a": Published(2, 20)}, []), {"a": ledger_of(2, [], stored=21)})

    assert [d.check for d in differences] == ["count"]


def test_a_ledger_whose_columns_do_not_add_up_is_found() -> None:
    """G4: a block's events have to be in one of the columns."""
    entry = IngesterLedger(folded=2, seqs=[], count=20, stored=12, duplicates=4, conflicts=1, dead=3)

    totals, differences = close_books(QueueBooks({"a": Published(2, 20)}, []), {"a": entry})

    assert [d.message for d in differences] == ["20 events were accepted, 1 of them are in no column"]
    assert totals.missing == 1


def test_many_holes_are_named_briefly() -> None:
    _, differences = close_books(QueueBooks({"a": Published(100, 100)}, []), {})

    assert [d.message for d in differences] == ["ingester a: 100 of 100 blocks are missing: 0, 1, 2, 3, 4 …"]


def ledger_of(folded: int, seqs: list[int], stored: int) -> IngesterLedger:
    return IngesterLedger(folded, seqs, count=stored, stored=stored, duplicates=0, conflicts=0, dead=0)
