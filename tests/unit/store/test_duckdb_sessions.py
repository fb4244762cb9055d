"""Materializing sessions: when it is done, and how the row numbers of events may change meanwhile (G10).

That the answers are right is tested with the oracle in tests/conformance/analyses/test_sessions_materialized.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.model.books import Difference
from tallystick.model.event import Event
from tallystick.model.query import Condition, SessionsQuery
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.duckdb.connection import transaction
from tallystick.store.duckdb.upkeep import sessions, sessions_sql
from tallystick.store.duckdb.upkeep.watermark import Watermark
from tests.helpers.samples import NOON, block_of, sample_event

ASKED = SessionsQuery(metrics=["sessions", "pages", "events", "avg_duration"], breakdown=["entry_page", "channel"])
RAW = ASKED.model_copy(update={"filter": Condition(field="session_id", op="set")})
"""The same, as the raw events say it."""


def visit(number: int, session: str, at: datetime | None = None) -> Event:
    event = sample_event(number, timestamp=at, properties=b'{"utm_source":"ads"}')
    return msgspec.structs.replace(event, session_id=session, path=f"/{number % 3}")


async def put(store: DuckDBStore, seq: int, events: Sequence[Event]) -> None:
    await store.write([block_of(seq, events)])


async def fold_all(store: DuckDBStore) -> None:
    while await store.maintain():
        pass


def one(store: DuckDBStore, sql: str) -> Any:
    return store._writer.execute(sql).fetchall()[0][0]


async def check(store: DuckDBStore, folded: bool = True) -> list[dict[str, Any]]:
    """The session index and the raw events give the same rows, which are returned."""
    result, raw = await store.run(ASKED), await store.run(RAW)
    assert (result.from_rollup, raw.from_rollup) == (folded, False)
    assert result.rows == raw.rows
    return result.rows


async def test_housekeeping_folds_and_later_events_are_added(store: DuckDBStore) -> None:
    await put(store, 0, [visit(number, f"s{number % 4}") for number in range(20)])
    await check(store, folded=False)
    await fold_all(store)
    assert one(store, "SELECT count(*) FROM session_parts") == 4
    before = await check(store)
    await put(store, 1, [visit(20, "s1"), visit(21, "s9")])
    assert await check(store) != before
    assert await store.verify() == []


async def test_a_few_events_wait_and_many_do_not(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step looks through all sessions, however few events it folds."""
    monkeypatch.setattr(sessions, "PIECE", 10)
    monkeypatch.setattr(sessions, "ENOUGH", 8)
    monkeypatch.setattr(sessions, "REST", 1_000_000.0)
    await put(store, 0, [visit(number, "s") for number in range(25)])
    await fold_all(store)
    assert sessions.read_watermark(store._writer) == 25, "a beginning is made at once, whole pieces and the rest"
    await put(store, 1, [visit(number, "s") for number in range(30, 35)])
    await fold_all(store)
    assert sessions.read_watermark(store._writer) == 25
    await put(store, 2, [visit(number, "s") for number in range(40, 43)])
    await fold_all(store)
    assert sessions.read_watermark(store._writer) == 33


async def test_the_raw_events_are_read_while_most_of_them_are_not_folded(store: DuckDBStore) -> None:
    await put(store, 0, [visit(0, "a"), visit(1, "b")])
    await fold_all(store)
    await put(store, 1, [visit(number, "a") for number in range(2, 8)])
    await check(store, folded=False)


async def test_row_numbers_that_move_are_noticed(store: DuckDBStore) -> None:
    """DuckDB may give rows after purged ones new numbers when it writes a checkpoint."""
    await put(store, 0, [visit(number, f"s{number % 4}", NOON - timedelta(days=30)) for number in range(10)])
    await put(store, 1, [visit(number, f"s{number % 4}") for number in range(10, 30)])
    await fold_all(store)
    await put(store, 2, [visit(number, f"s{number % 5}") for number in range(30, 40)])
    assert sessions.read_watermark(store._writer) == 30
    assert (await store.purge(NOON - timedelta(days=1))).events == 10
    await check(store)
    store._writer.execute("CHECKPOINT tallystick")
    assert one(store, "SELECT max(rowid) FROM events") == 29, "the numbers moved, or this tests nothing"
    assert sessions.read_watermark(store._writer) == 20
    await check(store)
    assert await store.verify() == []
    store._sessions = sessions.SessionMaterializer()  # as after a start
    await fold_all(store)
    assert one(store, "SELECT max(mark) FROM session_mark") == 30
    await check(store)
    assert await store.verify() == []


async def test_a_purge_of_all_that_was_folded_begins_anew(store: DuckDBStore) -> None:
    await put(store, 0, [visit(number, "s") for number in range(5)])
    await fold_all(store)
    await put(store, 1, [visit(10, "s", NOON + timedelta(days=2))])
    await store.purge(NOON + timedelta(days=1))
    assert one(store, "SELECT count(*) FROM session_parts") == 0
    assert sessions.read_watermark(store._writer) is None
    await check(store, folded=False)
    store._sessions = sessions.SessionMaterializer()
    await fold_all(store)
    assert (await check(store))[0]["events"] == 1
    assert await store.verify() == []


async def test_other_rules_fold_anew(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version with other rules for channels does not read an older version's session index."""
    await put(store, 0, [visit(number, "s") for number in range(5)])
    await fold_all(store)
    store._writer.execute("UPDATE session_parts SET channel = 'of yesterday'")
    monkeypatch.setattr(sessions, "WATERMARK", Watermark("session_mark", "of today"))
    await check(store, folded=False)
    assert await store.verify() == []
    store._sessions = sessions.SessionMaterializer()
    await fold_all(store)
    assert {row["channel"] for row in await check(store)} == {"campaign"}


@pytest.mark.parametrize(
    "damage",
    [
        "SET pages = 7",
        "SET exit_path = NULL",
        "SET channel = 'direct'",
        "SET entry_id = uuid()",
        "SET trail = ['/x']",
        "SET session_hash = 7",
        "SET bot_events = 1",
        "SET bot_events = NULL",
    ],
)
async def test_verify_finds_sessions_that_are_wrong(store: DuckDBStore, damage: str) -> None:
    """G4: the session index is compared with the raw events."""
    await put(store, 0, [visit(number, f"s{number % 2}") for number in range(6)])
    await fold_all(store)
    store._writer.execute(f"UPDATE session_parts {damage} WHERE session_id = 's1'")
    found = await store.verify()
    assert {difference.check for difference in found} == {"sessions"}
    assert isinstance(found[0], Difference)


async def test_sessions_of_one_hash_are_told_apart(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions are looked for by a number of 32 bits, and compared by their texts."""
    monkeypatch.setattr(sessions_sql, "HASHED", "CAST(7 AS UINTEGER)")
    await put(store, 0, [visit(number, f"s{number % 4}") for number in range(20)])
    await fold_all(store)
    assert one(store, "SELECT list(DISTINCT session_hash) FROM session_parts") == [7]
    await put(store, 1, [visit(number, f"s{number % 3}") for number in range(20, 26)])
    await check(store)
    store._sessions = sessions.SessionMaterializer()
    await fold_all(store)
    assert one(store, "SELECT count(*) FROM session_parts") == 4
    await check(store)
    assert await store.verify() == []


async def test_a_session_that_may_not_fit_into_memory_has_no_trail(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some clients send one id for everybody: `verify` and a purge make no list of all their pages."""
    monkeypatch.setattr(sessions_sql, "TRAIL_PAGES", 3)
    yesterday = NOON - timedelta(days=1)
    await put(store, 0, [visit(number, "s", yesterday) for number in range(3)])
    await put(store, 1, [visit(number, "s" if number < 12 else "t") for number in range(10, 15)])
    monkeypatch.setattr(sessions, "PIECE", 4)
    await fold_all(store)
    assert one(store, "SELECT list(session_id ORDER BY 1) FROM session_parts WHERE trail IS NOT NULL") == ["t"]
    assert await store.verify() == []
    await store.purge(NOON - timedelta(hours=1))
    assert one(store, "SELECT list(session_id ORDER BY 1) FROM session_parts WHERE trail IS NOT NULL") == ["t"]
    assert one(store, "SELECT count(*) FROM session_parts") == 2
    assert await store.verify() == []


async def test_a_step_that_fails_changes_nothing(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions and mark are changed in one transaction."""
    await put(store, 0, [visit(number, "s") for number in range(5)])
    await fold_all(store)
    await put(store, 1, [visit(9, "s")])
    whole = Watermark.set

    def fails(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Watermark, "set", fails)
    with pytest.raises(RuntimeError), transaction(store._writer):
        sessions.materialize(store._writer, 5, 6)
    monkeypatch.setattr(Watermark, "set", whole)
    assert await store.verify() == []
    await check(store)


async def test_folded_sessions_survive_a_restart(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, disk_reserve_bytes=0)
    for seq in range(2):
        store = DuckDBStore(settings)
        await store.open()
        try:
            await put(store, seq, [visit(10 * seq + number, "s") for number in range(6)])
            await check(store, folded=seq > 0)
            await fold_all(store)
            assert sessions.read_watermark(store._writer) == 6 * (seq + 1)
        finally:
            await store.close()


async def test_a_large_history_is_folded_within_the_memory_limit(tmp_path: Path) -> None:
    """Piece by piece: 600,000 events, each a session of its own, with 64 MiB."""
    store = DuckDBStore(Settings(data=tmp_path, disk_reserve_bytes=0, store_memory=64 * 1024 * 1024))
    await store.open()
    try:
        store._writer.execute(
            "INSERT INTO events (event_id, site_id, name, timestamp, received_at, source, properties, session_id, "
            "path) SELECT uuid(), 'default', 'page_view', TIMESTAMP '2026-01-01' + INTERVAL (n) SECOND, "
            "TIMESTAMP '2026-01-01', '', ?, uuid(), '/' || n % 100 FROM range(600_000) AS t(n)",
            ['{"utm_source":"a source", "text":"' + "long " * 20 + '"}'],
        )
        began = time.monotonic()
        folder = sessions.SessionMaterializer()
        while folder.step(store._writer):
            assert time.monotonic() - began < 300
        assert one(store, "SELECT count(*) FROM session_parts") == 600_000
    finally:
        await store.close()
