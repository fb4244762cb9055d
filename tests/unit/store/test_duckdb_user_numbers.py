"""Numbers of users: who has one, who is forgotten, and that `verify` looks at them (G4, G10).

That the answers are right is tested with the oracle in tests/conformance/analyses/test_sessions_materialized.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tallystick.analysis.dispatch import compile_query
from tallystick.analysis.sources import Sources
from tallystick.model.event import Event
from tallystick.model.queries.funnel import FunnelQuery
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.duckdb.dialect import DUCKDB
from tallystick.store.duckdb.upkeep import sessions
from tests.helpers.samples import NOON, block_of, sample_event

FUNNEL = FunnelQuery(steps=[{"name": "page_view"}, {"name": "signup"}])


def did(number: int, user: str | None, name: str = "page_view", days: float = 0) -> Event:
    event = sample_event(number, timestamp=NOON + timedelta(days=days, seconds=number))
    return msgspec.structs.replace(event, user_id=user, name=name)


async def put(store: DuckDBStore, seq: int, events: Sequence[Event], folds: bool = True) -> None:
    await store.write([block_of(seq, events)])
    store._sessions = sessions.SessionMaterializer()  # as after a rest
    while folds and await store.maintain():
        pass


def numbers(store: DuckDBStore) -> dict[str, int]:
    return dict(store._writer.execute("SELECT user_id, number FROM user_numbers ORDER BY user_id").fetchall())


def parts(store: DuckDBStore) -> int:
    """Of how many parts a query reads the events; 0: as texts."""
    numbered = sessions.read_user_numbers(store._writer)
    return len(numbered.parts) if numbered else 0


async def users(store: DuckDBStore) -> list[int]:
    return [row["users"] for row in (await store.run(FUNNEL)).rows]


async def test_users_get_numbers_when_their_events_are_folded(store: DuckDBStore) -> None:
    assert parts(store) == 0
    await put(store, 0, [did(0, "ann"), did(1, None), did(2, "bob"), did(3, "ann", "signup")])
    assert sorted(numbers(store).values()) == [1, 2]
    assert (parts(store), await users(store)) == (1, [2, 1])
    before = numbers(store)
    await put(store, 1, [did(4, "bob", "signup"), did(5, "cid"), did(6, None)], folds=False)
    assert (parts(store), numbers(store), await users(store)) == (2, before, [3, 2])
    await put(store, 2, [did(7, "cid", "signup")])
    assert numbers(store) == before | {"cid": 3}
    assert (parts(store), await users(store)) == (1, [3, 3])
    assert await store.verify() == []


async def test_nobody_is_known_by_an_id(store: DuckDBStore) -> None:
    """The first user after events without any."""
    await put(store, 0, [did(0, None), did(1, None), did(2, None, "signup")])
    assert (parts(store), numbers(store), await users(store)) == (1, {}, [0, 0])
    await put(store, 1, [did(3, "ann"), did(4, "ann", "signup")], folds=False)
    assert (parts(store), await users(store)) == (2, [1, 1])


async def test_a_purge_forgets_users_of_whom_nothing_is_left(store: DuckDBStore) -> None:
    await put(store, 0, [did(0, "ann", days=-30), did(1, "bob", days=-30), did(2, "cid", days=-30)])
    await put(store, 1, [did(3, "ann"), did(4, "ann", "signup")])
    await put(store, 2, [did(5, "bob")], folds=False)
    assert set(numbers(store)) == {"ann", "bob", "cid"}
    await store.purge(NOON - timedelta(days=1))
    assert set(numbers(store)) == {"ann", "bob"}, "an id of somebody who is gone is not kept"
    assert await users(store) == [2, 1]
    assert await store.verify() == []
    await put(store, 3, [did(6, "dora"), did(7, "dora", "signup")])
    assert len(set(numbers(store).values())) == 3
    assert await users(store) == [3, 2]
    assert await store.verify() == []


@pytest.mark.parametrize("folds", [True, False], ids=["folded", "behind"])
async def test_persons_whose_own_ids_are_gone(store: DuckDBStore, folds: bool) -> None:
    """Each is another user, and none of those with numbers."""
    links = [did(0, "P", "identify", days=-30), did(1, "Q", "identify", days=-30)]
    links[0].properties = msgspec.Raw(b'{"anonymous_id":"x"}')
    links[1].properties = msgspec.Raw(b'{"anonymous_id":"y"}')
    await put(store, 0, [*links, *(did(number, None) for number in range(10, 20))])
    seen = [did(20 + number, user) for number, user in enumerate(["x", "y", "ann"])]
    await put(store, 1, [*seen, did(30, "x", "signup"), did(31, "bob")], folds)
    await store.purge(NOON - timedelta(days=1))
    assert parts(store) == (1 if folds else 2)
    assert {"P", "Q"}.isdisjoint(numbers(store))
    assert await users(store) == [4, 1]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE events SET user_number = 7 WHERE user_id = 'bob'",
        "UPDATE events SET user_number = NULL WHERE user_id = 'ann'",
        "UPDATE events SET user_number = 1 WHERE user_id IS NULL",
        "UPDATE user_numbers SET number = 1",
        "DELETE FROM user_numbers WHERE user_id = 'ann'",
        "INSERT INTO user_numbers VALUES ('ann', 9)",
    ],
)
async def test_verify_finds_wrong_numbers(store: DuckDBStore, damage: str) -> None:
    await put(store, 0, [did(0, "ann"), did(1, None), did(2, "bob"), did(3, "ann", "signup")])
    assert await store.verify() == []
    store._writer.execute(damage)
    assert {difference.check for difference in await store.verify()} == {"users"}


async def test_a_checkpoint_keeps_the_numbers(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Materialized in pieces, with checkpoints in between, and read from the file afterwards."""
    monkeypatch.setattr(sessions, "PIECE", 10)
    monkeypatch.setattr(sessions, "CHECKPOINT_PIECES", 2)
    await put(store, 0, [did(number, f"u{number % 7}", ("page_view", "signup")[number % 2]) for number in range(95)])
    said: list[Any] = [await users(store), numbers(store)]
    await store.close()
    await store.open()
    assert [await users(store), numbers(store)] == said == [[7, 7], numbers(store)]
    assert await store.verify() == []


async def test_grouping_by_number_needs_no_hashing(store: DuckDBStore) -> None:
    """The setting is every connection's, and DuckDB knows the numbers' range. (Up to 65,536 it makes them smaller.)"""
    columns = "event_id, site_id, name, timestamp, received_at, user_id, source, properties"
    moments = "TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01'"
    values = f"uuid(), 'default', 'page_view', {moments}, 'u' || range, '', '{{}}'"
    store._writer.execute(f"INSERT INTO events ({columns}) SELECT {values} FROM range(70_000)")
    while store._sessions.step(store._writer):
        pass
    statement = compile_query(FUNNEL, Sources(DUCKDB, NOON, user_numbers=sessions.read_user_numbers(store._writer)))
    with store._cursor() as cursor:
        plan = str(cursor.execute(f"EXPLAIN {statement.sql}", list(statement.params)).fetchall())
    assert "Perfect Hash Group By" in plan
