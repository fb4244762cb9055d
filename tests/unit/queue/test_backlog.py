"""The order in which blocks wait, and what is left of it when another process gets some of them."""

from __future__ import annotations

from tallystick.queue.backlog import Backlog, Slot


def slots(*ids: int) -> list[Slot]:
    return [Slot(id_, 10, 100) for id_ in ids]


def test_blocks_that_are_dropped_are_in_no_count_and_no_batch() -> None:
    """Some of them wait for the first time, some were given back, some are delivered."""
    backlog = Backlog()
    for slot in slots(*range(8)):
        backlog.put(slot)
    backlog.take(40)
    backlog.give_back([2, 1])

    backlog.drop({0, 1, 4, 6, 99})

    assert (backlog.blocks, backlog.events, backlog.bytes) == (4, 40, 400)
    assert list(backlog.delivered) == [3]
    assert backlog.take(1_000) == slots(2, 5, 7)
    assert not backlog.waiting
    backlog.forget([2, 3, 5, 7])
    assert (backlog.blocks, backlog.events, backlog.bytes) == (0, 0, 0)
