"""Ids from content: the same event has the same id in every export; equal events of one file are told apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tallystick.cli.importing.content_ids import ContentIds, Ordinals, content_id, exact

EVENT = {"name": "a", "timestamp": "2026-01-01T00:00:00Z", "properties": {"x": 1, "y": "2"}}


def test_the_order_of_members_does_not_matter() -> None:
    other = {"properties": {"y": "2", "x": 1}, "timestamp": "2026-01-01T00:00:00Z", "name": "a"}
    assert ContentIds().of(EVENT) == ContentIds().of(other)


def test_every_field_and_every_digit_matters() -> None:
    texts = [
        b'{"name":"a","properties":{"x":1}}',
        b'{"name":"a","properties":{"x":1.0}}',
        b'{"name":"a","properties":{"x":"1"}}',
        b'{"name":"a","properties":{"x":9007199254740993}}',
        b'{"name":"a","properties":{"x":9007199254740992}}',
        b'{"name":"a","properties":{}}',
        b'{"name":"a","user_id":"u","properties":{}}',
        b'{"name":"b","properties":{}}',
    ]
    assert len({ContentIds().of(exact(text)) for text in texts}) == len(texts)


def test_equal_events_of_a_file_are_told_apart_and_overlap_agrees() -> None:
    first, second = ContentIds(), ContentIds()
    one = [first.of(EVENT) for _ in range(2)]
    two = [second.of(EVENT) for _ in range(3)]
    assert len(set(two)) == 3
    assert one == two[:2]
    assert two[0] == content_id(EVENT, 1)


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9), max_size=3000))
def test_ordinals_are_those_of_a_dictionary(digests: list[int]) -> None:
    ordinals = Ordinals()
    counts: dict[int, int] = {}
    for digest in digests:
        counts[digest or 1] = counts.get(digest or 1, 0) + 1
        assert ordinals.next(digest) == counts[digest or 1]


def test_ordinals_grow() -> None:
    ordinals = Ordinals()
    digests = [(number * 0x9E3779B97F4A7C15) & (2**64 - 1) for number in range(1, 20_001)]
    assert {ordinals.next(digest) for digest in digests} == {1}
    assert {ordinals.next(digest) for digest in digests} == {2}
    assert {ordinals.next(digest) for digest in digests} == {3}
