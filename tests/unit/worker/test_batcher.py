"""When a batch is flushed: at the first of its limits, and never by a clock of its own."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.block import Block
from tallystick.worker.batcher import REMEMBERED, Batcher, Limits, Portions
from tests.helpers.samples import sample_block

LIMITS = Limits(events=100, bytes=1_000, age=0.5)


def test_an_empty_batch_has_all_its_room_and_all_its_time() -> None:
    batcher = Batcher(LIMITS)

    assert batcher.room() == 100
    assert batcher.patience(now=7.0) == 0.5
    assert batcher.patience(now=1e9) == 0.5


def test_it_is_full_by_events() -> None:
    batcher = Batcher(LIMITS)

    batcher.add(99, 10, now=0.0)
    assert batcher.room() == 1
    assert batcher.patience(now=0.0) == 0.5

    batcher.add(1, 10, now=0.0)
    assert batcher.room() == 0
    assert batcher.patience(now=0.0) == 0.0


def test_it_is_full_by_bytes() -> None:
    batcher = Batcher(LIMITS)

    batcher.add(1, 999, now=0.0)
    assert batcher.room() == 99

    batcher.add(1, 1, now=0.0)
    assert batcher.room() == 0
    assert batcher.patience(now=0.0) == 0.0


def test_it_is_full_by_age_counted_from_its_first_block() -> None:
    batcher = Batcher(LIMITS)
    batcher.add(1, 1, now=10.0)
    batcher.add(1, 1, now=10.4)

    assert batcher.patience(now=10.4) > 0.0
    assert batcher.patience(now=10.5) == 0.0
    assert batcher.patience(now=99.0) == 0.0


def test_one_block_larger_than_the_limits_flushes_at_once() -> None:
    batcher = Batcher(LIMITS)

    batcher.add(5_000, 1, now=0.0)

    assert batcher.room() <= 0
    assert batcher.patience(now=0.0) == 0.0


def test_without_an_age_nothing_is_gathered() -> None:
    batcher = Batcher(Limits(events=100, bytes=1_000, age=0.0))

    batcher.add(1, 1, now=3.0)

    assert batcher.patience(now=3.0) == 0.0


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 600), st.floats(0, 0.3)), max_size=12),
    st.floats(0, 1),
)
def test_it_flushes_exactly_when_a_limit_is_reached(blocks: list[tuple[int, int, float]], pause: float) -> None:
    batcher = Batcher(LIMITS)
    now = 1_000.0
    for events, size, gap in blocks:
        now += gap
        batcher.add(events, size, now)
    first = 1_000.0 + (blocks[0][2] if blocks else 0.0)
    now += pause

    full = sum(b[0] for b in blocks) >= 100 or sum(b[1] for b in blocks) >= 1_000
    old = bool(blocks) and now >= first + 0.5

    assert (batcher.patience(now) == 0.0) == (full or old)
    assert (batcher.room() <= 0) == full


# --- portions -------------------------------------------------------------------------------------------------------


def sizes(portions: list[Sequence[Block]]) -> list[list[int]]:
    return [[block.seq for block in portion] for portion in portions]


def test_what_does_not_fit_is_halved_and_that_is_remembered_for_a_while() -> None:
    """G6: and a block that is larger than a portion is one of its own."""
    blocks = [sample_block(seq, range(10)) for seq in range(8)]
    one = blocks[0].size
    portions = Portions(most=8 * one)
    assert sizes(portions.split(blocks, now=0.0)) == [list(range(8))]

    assert sizes(portions.too_large(blocks, now=0.0)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert sizes(portions.too_large(blocks[:4], now=1.0)) == [[0, 1], [2, 3]]
    assert sizes(portions.split(blocks, now=2.0)) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert sizes(portions.too_large(blocks[:1], now=2.0)) == [[0]]
    assert len(portions.split(blocks, now=3.0)) == 8

    later = [len(portions.split(blocks, now=2.0 + 1.1 * REMEMBERED * times)) for times in range(1, 6)]
    assert later == sorted(later, reverse=True)
    assert (later[0], later[-1]) == (8, 1)
