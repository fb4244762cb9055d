"""Portions: what does not fit is divided, and that is remembered for a while."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.model.block import Block
from tallystick.worker.portions import REMEMBERED, Portions
from tests.helpers.samples import sample_block


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
