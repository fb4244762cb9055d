"""When each user did what: when that is put together, cut by a purge, and that `verify` looks at it (G4, G10).

That the answers are right is tested with the oracle in tests/conformance/analyses/test_sessions_materialized.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tallystick.store.duckdb import DuckDBStore
from tallystick.store.duckdb.upkeep import sessions
from tallystick.store.duckdb.upkeep import user_times as times
from tests.helpers.samples import NOON
from tests.unit.store.test_duckdb_user_numbers import did, put, users


@pytest.fixture(autouse=True)
def pieces_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "PIECE", 4)


def kept(store: DuckDBStore) -> list[tuple[Any, ...]]:
    """User, name, and the seconds after noon."""
    moments = "list_transform([first] || coalesce(more, []), lambda t: epoch(t - $noon)::BIGINT)"
    rows = store._writer.execute(
        f"SELECT user_id, name, {moments} FROM user_times JOIN user_numbers ON number = user_number ORDER BY ALL",
        {"noon": NOON.replace(tzinfo=None)},
    )
    return rows.fetchall()


def mark(store: DuckDBStore) -> int | None:
    return times.WATERMARK.read(store._writer)


async def test_whole_pieces_of_folded_events(store: DuckDBStore) -> None:
    await put(store, 0, [did(2, "ann"), did(1, "ann"), did(0, "bob", "signup")])
    assert (mark(store), kept(store)) == (None, [])
    await put(store, 1, [did(3, None), did(4, "ann"), did(5, "ann", "signup")])
    assert (mark(store), kept(store)) == (4, [("ann", "page_view", [1, 2]), ("bob", "signup", [0])])
    assert await users(store) == [1, 1]
    await put(store, 2, [did(6, "bob"), did(7, "ann"), did(8, "bob", "signup")])
    assert (mark(store), kept(store)[:2]) == (8, [("ann", "page_view", [1, 2]), ("ann", "page_view", [4, 7])])
    assert await users(store) == [2, 2]
    assert await store.verify() == []


async def test_events_that_are_not_folded_are_not_put_together(store: DuckDBStore) -> None:
    await put(store, 0, [did(number, "ann") for number in range(9)], folds=False)
    assert not times.step(store._writer, sessions.read_watermark(store._writer))
    assert mark(store) is None


async def test_what_is_not_numbered_any_more_is_not_read(store: DuckDBStore) -> None:
    """A session index that is built again keeps the times, and numbers the events once more."""
    await put(store, 0, [did(number, "ann", ("page_view", "signup")[number % 2]) for number in range(8)])
    assert mark(store) == 8
    assert times.read(store._writer, 8) == 8
    assert times.read(store._writer, 7) is None
    store._writer.execute("DELETE FROM session_mark")
    assert await users(store) == [1, 1]
    await put(store, 1, [did(9, "bob")])
    assert await users(store) == [2, 1]
    assert await store.verify() == []


async def test_a_purge_cuts_the_lists(store: DuckDBStore) -> None:
    early = [did(0, "ann", days=-30), did(1, "bob", days=-30), did(2, "ann", days=-30)]
    await put(store, 0, [did(3, "ann"), *early, did(4, "ann"), did(5, "ann", "signup"), did(6, "cid"), did(7, "cid")])
    assert ("ann", "page_view", [-2_592_000, -2_591_998, 3]) in kept(store)
    await store.purge(NOON - timedelta(days=1))
    left = [("ann", "page_view", [3]), ("ann", "page_view", [4]), ("ann", "signup", [5]), ("cid", "page_view", [6, 7])]
    assert kept(store) == left
    assert await users(store) == [2, 1]
    assert await store.verify() == []


async def test_a_gap_that_a_purge_left(store: DuckDBStore) -> None:
    """A gap after the watermark, wider than a piece: the next piece begins after it."""
    await put(store, 0, [did(number, "ann") for number in range(5)])
    await put(store, 1, [did(number, "ann", days=-30) for number in range(5, 17)], folds=False)
    await store.purge(NOON - timedelta(days=1))
    await put(store, 2, [did(number, "bob", "signup") for number in range(17, 23)])
    assert ("bob", "signup", [17, 18, 19, 20]) in kept(store)
    assert await store.verify() == []


async def test_nothing_is_left_after_a_purge_of_all(store: DuckDBStore) -> None:
    await put(store, 0, [did(number, "ann", days=-30) for number in range(9)])
    assert mark(store) == 8
    await store.purge(NOON)
    assert (mark(store), kept(store)) == (None, [])
    await put(store, 1, [did(number, "bob", "signup") for number in range(9, 14)])
    assert kept(store) == [("bob", "signup", [9, 10, 11, 12])]
    assert await store.verify() == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE user_times SET first = first - INTERVAL 1 SECOND WHERE more IS NULL",
        "UPDATE user_times SET more = [more[1], more[1]] WHERE len(more) = 2",
        "UPDATE user_times SET more = [more[2], more[1]] WHERE len(more) = 2",
        "UPDATE user_times SET more = [] WHERE more IS NULL",
        "UPDATE user_times SET user_number = 3 - user_number",
        "UPDATE user_times SET name = 'signup'",
        "DELETE FROM user_times WHERE more IS NULL",
    ],
)
async def test_verify_finds_wrong_times(store: DuckDBStore, damage: str) -> None:
    await put(store, 0, [did(0, "ann"), did(1, "bob"), did(2, "ann"), did(3, "ann")])
    assert kept(store) == [("ann", "page_view", [0, 2, 3]), ("bob", "page_view", [1])]
    assert await store.verify() == []
    store._writer.execute(damage)
    assert [difference.check for difference in await store.verify()] == ["users"]
