"""`tallystick recover store` copies what tells which events were removed and which ids were taken apart."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tallystick.config import MIB, Settings
from tallystick.model.queries.users import PersonQuery
from tallystick.model.query import Metric, MetricsQuery
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.duckdb.repair import recover
from tallystick.store.retention import Borders, Keeping
from tests.helpers.query_steps import NOON, make_event, put


async def test_splits_and_removals_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G4: the books of the recovered store close, and what was taken apart stays apart."""
    settings = Settings(data=tmp_path / "data", disk_reserve_bytes=0, store_memory=128 * MIB)
    store = DuckDBStore(settings)
    await store.open()
    wrong = [make_event(n, "default", name="a", timestamp=NOON, properties={"$import": "wrong"}) for n in range(30)]
    join = make_event(
        100, "default", name="identify", user_id="ann", timestamp=NOON, properties={"anonymous_id": "device"}
    )
    view = make_event(101, "default", name="view", user_id="device", timestamp=NOON)
    await put(store, [*wrong, join, view])
    assert await store.undo_import("wrong") == 30
    assert await store.split("default", "device") is not None
    old = [make_event(200 + n, "old", name="view", user_id="u", timestamp=NOON) for n in range(4)]
    await put(store, old)
    assert (await store.retire(Borders(None, {"old": NOON + timedelta(days=1)}, Keeping(True)))).events == 4
    await store.close()
    monkeypatch.setattr(recover, "mend_file", lambda *_: True)  # a block that cannot be mended: rows are copied
    found = recover.recover(settings, lambda *_: None)
    assert (found.differences, found.lost) == ([], [])
    assert {table.name: table.kept for table in found.tables}["removals"] == 1
    store = DuckDBStore(settings)
    await store.open()
    assert await store.verify() == []
    [row] = (await store.run(PersonQuery(user_id="device"))).rows
    assert [one["user_id"] for one in row["ids"]] == ["device"]
    assert [one.events for one in await store.removals("wrong")] == [30]
    by_day = MetricsQuery(site_id="old", metrics=[Metric(), Metric(kind="users")], interval="day")
    assert [(row["events"], row["users"]) for row in (await store.run(by_day)).rows] == [(4, 1)]
    await store.close()
