"""Ticks ascend, whatever the clock does."""

from __future__ import annotations

from tallystick.store.clickhouse.ticks import LetterIds, Ticks


def test_no_number_comes_twice_and_none_is_lower_than_the_one_before() -> None:
    moments = iter([100, 100, 50, 200, 201, 201])
    ticks = Ticks(lambda: next(moments))
    assert [ticks.next() for _ in range(6)] == [100, 101, 102, 200, 201, 202]


def test_letters_of_two_processes_have_different_ids_and_javascript_can_count_them() -> None:
    ids = [[ids.next() for _ in range(100)] for ids in (LetterIds(1), LetterIds(4_095))]
    assert ids == [sorted(set(of_process)) for of_process in ids]
    assert not set(ids[0]) & set(ids[1])
    assert 0 < min(map(min, ids)) < max(map(max, ids)) < 2**53
