"""What one loading transaction leaves beside the events: which sites have bots, and which blocks are in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tallystick.store.duckdb import DuckDBStore, admin
from tests.helpers.samples import block_of, sample_event


@pytest.mark.parametrize(
    ("properties", "is_bot"),
    [
        (b'{"$bot":true}', True),
        (b'{"\\u0024bot":true}', True),
        (b'{"a":"\\u0041"}', False),
        (b'{"bot":true}', False),
    ],
    ids=["bot", "escaped", "another escape", "another key"],
)
async def test_a_site_with_a_bots_event_is_noted(store: DuckDBStore, properties: bytes, is_bot: bool) -> None:
    await store.write([block_of(0, [sample_event(0)])])
    assert store._writer.execute("SELECT site_id FROM bot_sites").fetchall() == []

    event = msgspec.structs.replace(sample_event(1), site_id="shop", properties=msgspec.Raw(properties))
    await store.write([block_of(1, [event])])

    noted = {site for (site,) in store._writer.execute("SELECT site_id FROM bot_sites").fetchall()}
    assert noted == ({"shop"} if is_bot else set())


@pytest.mark.parametrize("compacted", [False, True], ids=["a row of its own", "compacted"])
async def test_a_block_that_is_in_the_ledger_is_skipped(store: DuckDBStore, compacted: bool) -> None:
    """G2."""
    blocks = [block_of(number, [sample_event(number)]) for number in range(3)]
    await store.write(blocks[:2])
    if compacted:
        admin.compact_ledger(store._writer, datetime.now(UTC) + timedelta(hours=1))
        assert store._writer.execute("SELECT count(*) FROM blocks").fetchall() == [(0,)]

    report = await store.write(blocks)

    assert (report.skipped, [entry.seq for entry in report.entries]) == (2, [2])
    assert await store.verify() == []
