"""Which rows of `people` a process remembers as stored."""

from __future__ import annotations

from datetime import UTC, datetime

from tallystick.store.postgres.encode import Seen
from tallystick.store.postgres.seen import SeenUsers, people_rows

STATE = ("started", 0, 0)
NOON = ("site", 12 * 3_600_000_000)
LATER = ("site", 13 * 3_600_000_000)


def users(*ids: str) -> Seen:
    return Seen(set(ids), set())


def bots(*ids: str) -> Seen:
    return Seen(set(), set(ids))


def test_only_what_is_committed_is_known() -> None:
    seen = SeenUsers()
    assert seen.unknown(STATE, {NOON: users("ada", "bob")}) == {NOON: users("ada", "bob")}
    assert seen.unknown(STATE, {NOON: users("ada")}) == {NOON: users("ada")}

    seen.add(STATE, {NOON: users("ada")})

    assert seen.unknown(STATE, {NOON: users("ada", "bob")}) == {NOON: users("bob")}
    assert seen.unknown(STATE, {NOON: users("ada")}) == {}
    assert seen.unknown(STATE, {LATER: users("ada")}) == {LATER: users("ada")}


def test_a_user_stands_for_its_bot_events_and_not_the_other_way_round() -> None:
    """G10: a row that says `bot` says that all events are bots'."""
    seen = SeenUsers()
    seen.unknown(STATE, {})
    seen.add(STATE, {NOON: Seen({"ada"}, {"eve"})})

    assert seen.unknown(STATE, {NOON: bots("ada", "eve")}) == {}
    assert seen.unknown(STATE, {NOON: users("eve")}) == {NOON: users("eve")}


def test_removed_rows_are_not_known() -> None:
    """G10, G13: another state of the store means that rows may be gone, also for a transaction that began before."""
    seen = SeenUsers()
    seen.unknown(STATE, {})
    seen.add(STATE, {NOON: users("ada")})
    purged = ("started", 1, 0)

    assert seen.unknown(purged, {NOON: users("ada")}) == {NOON: users("ada")}
    seen.add(STATE, {NOON: users("ada")})
    assert seen.unknown(purged, {NOON: users("ada")}) == {NOON: users("ada")}


def test_the_quarter_hours_that_were_written_last_are_remembered() -> None:
    seen = SeenUsers(most=3)
    seen.unknown(STATE, {})
    seen.add(STATE, {NOON: users("ada", "bob")})
    seen.add(STATE, {LATER: users("ada")})
    seen.unknown(STATE, {NOON: users("ada")})
    seen.add(STATE, {("other", 0): users("ada")})

    assert seen.unknown(STATE, {NOON: users("ada", "bob")}) == {}
    assert seen.unknown(STATE, {LATER: users("ada")}) == {LATER: users("ada")}
    seen.add(STATE, {LATER: users("a", "b", "c", "d")})
    assert seen.unknown(STATE, {NOON: users("ada")}) == {NOON: users("ada")}


def test_rows_are_in_the_order_of_the_index() -> None:
    rows = people_rows({LATER: Seen({"bob", "ada"}, {"eve"}), NOON: users("zoe")})

    assert rows.users == ["zoe", "ada", "bob", "eve"]
    assert rows.quarters == [1, 2, 2, 2]
    assert rows.bots == [False, False, False, True]
    assert rows.sites == ["site", "site"]
    assert rows.buckets == [datetime(2000, 1, 1, 12, tzinfo=UTC), datetime(2000, 1, 1, 13, tzinfo=UTC)]
