"""Exports from DuckDB hold nothing between two pieces, and are as of their beginning all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tallystick.config import MIB, Settings
from tallystick.errors import QueryTooExpensive, StoreUnavailable
from tallystick.model.event import decode_line
from tallystick.model.query import Condition, EventsQuery
from tallystick.store import patience
from tallystick.store.duckdb import DuckDBStore, export
from tallystick.store.duckdb.connection import Connection, OutOfMemoryException, checkpoint
from tests.helpers.query_steps import put, some_events

SITE = "default"
ALL = EventsQuery(site_id=SITE)


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DuckDBStore]:
    """Its pieces have some hundred events."""
    monkeypatch.setattr(export, "PIECE_BYTES", 20_000)
    monkeypatch.setattr(export, "ROWS", 50)
    opened = DuckDBStore(Settings(data=tmp_path, disk_reserve_bytes=0, store_memory=128 * MIB))
    await opened.open()
    yield opened
    await opened.close()


def ids(*pieces: bytes) -> list[str]:
    return [str(decode_line(line).event_id) for piece in pieces for line in piece.splitlines()]


async def test_an_unread_export_keeps_nothing_from_being_written_into_the_file(store: DuckDBStore) -> None:
    """The write-ahead log grew for as long as one was held, and memory with it, until nothing could be stored."""
    await put(store, some_events(SITE, 2_000))
    exported = store.export(ALL)
    first = await anext(exported)
    await put(store, some_events(SITE, 2_000))
    log = store.path.with_name(store.path.name + ".wal")
    assert log.stat().st_size > 10_000
    await store._in(store._writing, checkpoint, store._writer)
    assert not log.exists() or log.stat().st_size < 10_000
    rest = [piece async for piece in exported]
    assert len(ids(first, *rest)) == 2_000, "what was stored meanwhile is not in it"


async def test_every_event_once_while_others_are_stored(store: DuckDBStore) -> None:
    for _ in range(5):
        await put(store, some_events(SITE, 400))
    await put(store, some_events("other", 300))
    found = []
    async for piece in store.export(ALL):
        found += ids(piece)
        await put(store, some_events(SITE, 3))
        if len(found) % 4 == 0:
            await store._in(store._writing, checkpoint, store._writer)
    assert len(found) == len(set(found)) == 2_000
    assert [piece async for piece in store.export(EventsQuery(site_id="nobody"))] == []
    few = EventsQuery(site_id=None, filter=Condition(field="path", op="=", value="/nowhere"))
    assert [piece async for piece in store.export(few)] == []


async def test_a_piece_without_memory_is_read_again(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader, or what builds property columns, may hold all of it for a moment; the export was broken off then."""
    await put(store, some_events(SITE, 2_000))
    exported = store.export(ALL)
    first = await anext(exported)
    lacking = lack_memory(monkeypatch, times=5)
    found = ids(first, *[piece async for piece in exported])
    assert not lacking
    assert len(found) == len(set(found)) == 2_000


async def test_an_export_ends_when_no_memory_comes(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSES", (0.01, 0.01))
    await put(store, some_events(SITE, 200))
    lack_memory(monkeypatch, times=3)
    with pytest.raises(QueryTooExpensive):
        assert [piece async for piece in store.export(ALL)] == []


def lack_memory(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """The next so many reads of a piece fail after their rows were read; what is still to fail is left in the list."""
    left, real = list(range(times)), export._position

    def place(cursor: Connection, row: str) -> export._Position | None:
        if left and row.startswith("SELECT max(rowid) FROM events WHERE"):
            left.pop()
            raise OutOfMemoryException("failed to allocate data of size 32.0 KiB")
        return real(cursor, row)

    monkeypatch.setattr(export, "_position", place)
    return left


async def test_a_purge_breaks_it_off_or_leaves_it_whole(store: DuckDBStore) -> None:
    """Rows after purged ones get new numbers: no event is silently left out or exported twice."""
    now = datetime.now(UTC).replace(microsecond=0)
    recent = ALL.model_copy(update={"since": now - timedelta(days=2)})
    many_old(store)
    left = await put_at(store, now - timedelta(days=1), 2_000)

    async def purged_meanwhile(query: EventsQuery) -> list[str]:
        """The ids of an export that was read in part when all old events were purged."""
        found: list[str] = []
        exported = store.export(query)
        while len(found) < 100:
            found += ids(await anext(exported))
        assert (await store.purge(now - timedelta(days=20))).events
        await store._in(store._writing, checkpoint, store._writer)
        async for piece in exported:
            found += ids(piece)
        return found

    row = "SELECT min(rowid) FROM events WHERE timestamp > now()::TIMESTAMP - INTERVAL 2 DAYS"
    (before,) = store._admin.execute(row).fetchall()[0]
    found = await purged_meanwhile(recent)
    (after,) = store._admin.execute(row).fetchall()[0]
    assert after < before, "they were numbered anew"
    assert len(found) == len(left)
    assert set(found) == left
    many_old(store)
    with pytest.raises(StoreUnavailable, match="purged"):
        await purged_meanwhile(ALL.model_copy(update={"until": now - timedelta(days=20)}))


def many_old(store: DuckDBStore) -> None:
    """In row groups that DuckDB takes out when they are purged."""
    for _ in range(5):
        store._writer.execute(
            "INSERT INTO events (event_id, site_id, name, timestamp, received_at, source, properties) "
            "SELECT uuid(), 'default', 'old', moment, moment, '', '{}' "
            "FROM (SELECT now()::TIMESTAMP - INTERVAL 40 DAYS AS moment), range(20000)"
        )


async def put_at(store: DuckDBStore, moment: datetime, count: int) -> set[str]:
    """Store so many events of one moment; their ids."""
    events = some_events(SITE, count)
    for event in events:
        event.timestamp = moment
    await put(store, events)
    return {str(event.event_id) for event in events}
