"""The read routes over the real queue and store: queries, exports, receipts, the books, health."""

from __future__ import annotations

import csv
import dataclasses
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from tallystick.api.app import make_query_app
from tallystick.model.event import decode_line
from tallystick.model.status import PipelineStatus, Verification
from tests.helpers.http.read_side import ReadSide, open_read_side
from tests.helpers.samples import INGESTER, block_of, sample_block, sample_event


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[ReadSide]:
    async with open_read_side(tmp_path) as opened:
        yield opened


# --- queries ------------------------------------------------------------------------------------------------------


async def test_post_query_counts(side: ReadSide) -> None:
    await side.store_blocks([sample_block(0, range(10))])
    answer = await side.post("/v1/query", {"kind": "metrics", "metrics": [{"kind": "events"}, {"kind": "users"}]})
    assert answer["rows"] == [{"events": 10, "users": 7}]
    assert answer["exact"] is True
    assert answer["elapsed_ms"] > 0


BOT_EVENTS = [sample_event(1, properties=b'{"$bot":true}'), sample_event(2), sample_event(3)]


async def test_numbers_are_without_bots(side: ReadSide) -> None:
    """By default; lists show everything that is stored, and a query that names `$bot` is about bots."""
    await side.store_blocks([block_of(0, BOT_EVENTS)])

    async def events(**more: object) -> list[int]:
        answer = await side.post("/v1/query", {"kind": "metrics", **more})
        return [row["events"] for row in answer["rows"]]

    assert await events() == [2]
    assert await events(bots="exclude") == [2]
    assert await events(bots="include") == [3]
    assert await events(filter={"field": "properties.$bot", "op": "=", "value": True}) == [1]
    assert sorted(await events(breakdown=["properties.$bot"])) == [1, 2]
    assert [row["events"] for row in (await side.get("/v1/query"))["rows"]] == [2]
    assert [row["events"] for row in (await side.get("/v1/query", bots="include"))["rows"]] == [3]
    assert len((await side.get("/v1/events"))["rows"]) == 3
    assert len((await side.get("/v1/events", bots="exclude"))["rows"]) == 2
    assert "bots" in (await side.client.post("/v1/query", json={"kind": "metrics", "bots": "some"})).text


async def test_a_setting_counts_bots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_BOTS", "include")
    async with open_read_side(tmp_path) as side:
        await side.store_blocks([block_of(0, BOT_EVENTS)])
        assert (await side.post("/v1/query", {"kind": "metrics"}))["rows"] == [{"events": 3}]
        assert (await side.post("/v1/query", {"kind": "metrics", "bots": "exclude"}))["rows"] == [{"events": 2}]


async def test_reports_are_without_bots(side: ReadSide) -> None:
    await side.store_blocks([block_of(0, BOT_EVENTS)])
    for bots, events in ((None, 2), ("include", 3)):
        question = {"kind": "metrics", **({} if bots is None else {"bots": bots})}
        report = await side.client.post("/v1/reports", json={"name": "r", "question": question, "range": "all"})
        run = await side.client.post(f"/v1/reports/{report.json()['id']}/run", json={})
        assert [row["events"] for row in run.json()["rows"]] == [events]


async def test_get_query_is_the_same_question_as_post(side: ReadSide) -> None:
    events = [sample_event(n, properties=b'{"amount":%d}' % n) for n in range(10)]
    await side.store_blocks([block_of(0, events)])
    got = await side.get(
        "/v1/query",
        metric=["events", "sum:amount"],
        breakdown="name",
        filter="properties.amount:>:4",
        interval="day",
        since="2026-03-01",
        until="2026-03-02",
        timezone="Europe/Berlin",
    )
    posted = await side.post(
        "/v1/query",
        {
            "kind": "metrics",
            "metrics": [{"kind": "events"}, {"kind": "sum", "property": "amount"}],
            "breakdown": ["name"],
            "filter": {"field": "properties.amount", "op": ">", "value": 4},
            "interval": "day",
            "since": "2026-02-28T23:00:00Z",
            "until": "2026-03-01T23:00:00Z",
            "timezone": "Europe/Berlin",
        },
    )
    assert got["rows"] == posted["rows"]
    assert got["rows"][0]["sum(amount)"] == 5 + 6 + 7 + 8 + 9


async def test_freshness_tells_the_load_and_the_lag(side: ReadSide) -> None:
    """G10: every answer carries when the newest batch was stored and how old the oldest waiting event is."""
    fresh = (await side.get("/v1/query"))["freshness"]
    assert fresh == {"loaded_at": None, "queue_lag_seconds": None}
    await side.store_blocks([sample_block(0, range(3))])
    published = time.monotonic()
    await side.queue.publish([sample_block(1, range(3, 5))])
    fresh = (await side.get("/v1/query"))["freshness"]
    assert fresh["loaded_at"] is not None
    assert 0 <= fresh["queue_lag_seconds"] <= time.monotonic() - published + 1


async def test_events_come_page_by_page(side: ReadSide) -> None:
    await side.store_blocks([sample_block(0, range(5))])
    first = await side.get("/v1/events", limit=3)
    second = await side.get("/v1/events", limit=3, cursor=first["next_cursor"])
    ids = [row["event_id"] for row in first["rows"] + second["rows"]]
    assert ids == [str(sample_event(n).event_id) for n in (4, 3, 2, 1, 0)]
    assert second["next_cursor"] is None


async def test_timeline_is_oldest_first_and_takes_any_user_id(side: ReadSide) -> None:
    events = [sample_event(n) for n in range(3)]
    for event in events:
        event.user_id = "ann/müller"
    await side.store_blocks([block_of(0, [*events, sample_event(9)])])
    answer = await side.get("/v1/users/ann%2Fm%C3%BCller/events")
    assert [row["event_id"] for row in answer["rows"]] == [str(event.event_id) for event in events]


async def test_properties_and_values_are_found(side: ReadSide) -> None:
    await side.store_blocks([block_of(0, [sample_event(n, properties=b'{"plan":"pro"}') for n in range(3)])])
    assert (await side.get("/v1/properties"))["rows"] == [{"key": "plan", "events": 3}]
    assert (await side.get("/v1/values", field="properties.plan"))["rows"] == [{"value": "pro", "events": 3}]


async def test_every_site_is_asked_for_with_a_star(side: ReadSide) -> None:
    other = sample_event(2)
    other.site_id = "shop"
    await side.store_blocks([block_of(0, [sample_event(1), other])])
    assert (await side.get("/v1/query"))["rows"] == [{"events": 1}]
    assert (await side.get("/v1/query", site_id="shop"))["rows"] == [{"events": 1}]
    assert (await side.get("/v1/query", site_id="*"))["rows"] == [{"events": 2}]


async def test_numbers_that_json_lacks_are_null(side: ReadSide) -> None:
    events = [sample_event(n, properties=b'{"amount":1.7e308}') for n in range(3)]
    await side.store_blocks([block_of(0, events)])
    answer = await side.client.get("/v1/query", params={"metric": "sum:amount"})
    assert answer.status_code == 200
    assert answer.json()["rows"] == [{"sum(amount)": None}]


# --- exports --------------------------------------------------------------------------------------------------------


async def test_export_ndjson_gives_canonical_lines(side: ReadSide) -> None:
    events = [sample_event(n, properties=b'{"n":%d}' % n) for n in range(200)]
    await side.store_blocks([block_of(0, events)])
    answer = await side.client.get("/v1/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert answer.headers["content-disposition"] == 'attachment; filename="events.ndjson"'
    exported = [decode_line(line) for line in answer.content.splitlines()]
    assert sorted(exported, key=lambda e: e.event_id) == events


async def test_export_csv_escapes_formulas(side: ReadSide) -> None:
    event = sample_event(1, name="=cmd()", properties=b'{"text":"a \\"quoted\\" one, with comma"}')
    event.path = "-1+2"
    await side.store_blocks([block_of(0, [event])])
    answer = await side.client.get("/v1/export", params={"format": "csv"})
    [row] = list(csv.DictReader(io.StringIO(answer.text)))
    assert row["name"] == "'=cmd()"
    assert row["path"] == "'-1+2"
    assert row["user_id"] == "user-1"
    assert row["timestamp"] == "2026-03-01T12:00:01Z"
    assert msgspec.json.decode(row["properties"]) == {"text": 'a "quoted" one, with comma'}


async def test_export_csv_of_nothing_is_the_header(side: ReadSide) -> None:
    answer = await side.client.get("/v1/export", params={"format": "csv"})
    assert answer.text == ("event_id,site_id,name,timestamp,received_at,user_id,session_id,source,path,properties\r\n")


async def test_export_parquet_holds_the_same_events(side: ReadSide, tmp_path: Path) -> None:
    from tallystick.store.duckdb.connection import connect_memory

    events = [sample_event(n, properties=b'{"n":%d}' % n) for n in range(100)]
    await side.store_blocks([block_of(0, events)])
    answer = await side.client.get("/v1/export", params={"format": "parquet", "filter": "properties.n:<:10"})
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    file = tmp_path / "answer.parquet"
    file.write_bytes(answer.content)
    rows = (
        connect_memory(64 * 1024 * 1024, 1)
        .execute(
            "SELECT event_id, epoch_us(timestamp), user_id, properties FROM read_parquet(?) ORDER BY timestamp",
            [str(file)],
        )
        .fetchall()
    )
    assert rows == [
        (e.event_id, round(e.timestamp.timestamp() * 1_000_000), e.user_id, bytes(e.properties).decode())
        for e in events[:10]
    ]
    assert not list(side.settings.data.glob("export-*")), "the temporary files are gone"


async def test_export_parquet_leaves_the_disk_its_reserve(tmp_path: Path) -> None:
    """G5: an export does not take the space that events need."""
    async with open_read_side(tmp_path) as side:
        await side.store_blocks([sample_block(0, range(3))])
        low = side.settings.model_copy(update={"disk_reserve_bytes": 2**62, "disk_reserve_fraction": 0.9999})
        parts = dataclasses.replace(side.parts(), settings=low)
        transport = httpx.ASGITransport(app=make_query_app(parts))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            answer = await client.get("/v1/export", params={"format": "parquet"})
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "unavailable"
        assert not list(side.settings.data.glob("export-*"))


async def test_head_of_an_export_reads_nothing(side: ReadSide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(side.store), "export", None)
    answer = await side.client.head("/v1/export", params={"format": "csv"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"


# --- receipts -------------------------------------------------------------------------------------------------------


async def test_receipt_goes_from_queued_to_stored(side: ReadSide) -> None:
    """G1: a receipt tells where the accepted events are."""
    await side.queue.publish([sample_block(0, [1, 2, 2])])
    path = f"/v1/receipts/{INGESTER}-0"
    queued = await side.get(path)
    assert (queued["state"], queued["count"], queued["stored"]) == ("queued", 3, None)
    await side.load()
    stored = await side.get(path)
    assert (stored["state"], stored["count"], stored["stored"], stored["duplicates"]) == ("stored", 3, 2, 1)
    assert stored["loaded_at"].endswith("Z")


async def test_receipt_of_a_block_stored_between_the_two_looks(side: ReadSide, monkeypatch: pytest.MonkeyPatch) -> None:
    await side.queue.publish([sample_block(0, [1])])
    books = side.queue.books

    async def stored_meanwhile() -> object:
        await side.load()
        return await books()

    monkeypatch.setattr(side.queue, "books", stored_meanwhile)
    assert (await side.get(f"/v1/receipts/{INGESTER}-0"))["state"] == "stored"


async def test_receipt_of_a_folded_block_is_stored_without_details(tmp_path: Path) -> None:
    async with open_read_side(tmp_path, ledger_keep_hours=0) as side:
        await side.store_blocks([sample_block(0, [1]), sample_block(1, [2])])
        while await side.store.maintain():
            pass
        folded = (await side.store.ledger())[INGESTER].folded
        assert folded > 0
        answer = await side.get(f"/v1/receipts/{INGESTER}-0")
        assert (answer["state"], answer["count"]) == ("stored", None)


@pytest.mark.parametrize("receipt", ["nonsense", f"{INGESTER}-77", f"{INGESTER}-", "g" * 16 + "-1", f"{INGESTER}-١"])
async def test_unknown_receipts_are_404(side: ReadSide, receipt: str) -> None:
    answer = await side.client.get(f"/v1/receipts/{receipt}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


# --- the books ------------------------------------------------------------------------------------------------------


async def test_pipeline_closes_the_books(side: ReadSide) -> None:
    """G4: accepted = stored + duplicates + dead + erased + queued, from stored rows."""
    await side.store_blocks([sample_block(0, [1, 2, 2])])
    await side.queue.publish([sample_block(1, [3, 4])])
    status = PipelineStatus.model_validate(await side.get("/v1/pipeline"))
    assert status.ledger.model_dump() == {
        "accepted": 5,
        "stored": 2,
        "duplicates": 1,
        "conflicts": 0,
        "dead": 0,
        "erased": 0,
        "queued": 2,
    }
    assert status.differences == []
    assert (status.queue.blocks, status.queue.events) == (1, 2)
    assert status.rates.stored_per_second > 0
    assert status.durability == side.queue.durability
    assert {"tallystick", "python", "sqlite", "duckdb"} <= status.versions.keys()


async def test_verify_is_content_with_a_sound_store(side: ReadSide) -> None:
    """G4."""
    await side.store_blocks([sample_block(0, range(20)), sample_block(1, range(10, 30))])
    found = Verification.model_validate(await side.get("/v1/verify"))
    assert found.ok
    assert found.ledger.stored == 30


async def test_verify_sees_a_lost_block(side: ReadSide) -> None:
    """G4: a block that left the queue without being stored is a hole in the sequence."""
    await side.queue.publish([sample_block(0, [1]), sample_block(1, [2])])
    batch = await side.queue.consume(100, 0)
    assert batch is not None
    await side.store.write(batch.blocks[:1])
    await batch.ack()
    found = Verification.model_validate(await side.get("/v1/verify"))
    assert not found.ok
    assert "sequence" in {difference.check for difference in found.differences}


# --- health ---------------------------------------------------------------------------------------------------------


async def test_healthz_is_exactly_ok(side: ReadSide) -> None:
    answer = await side.client.get("/healthz")
    assert answer.content == b'{"status":"ok"}'


async def test_readyz_follows_the_app(side: ReadSide) -> None:
    """G1, G11: readiness shows the durability, and is off while shutting down."""
    assert await side.get("/readyz") == {"status": "ready", "durability": side.queue.durability}
    side.not_ready = "shutting down"
    answer = await side.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"error": {"code": "unavailable", "message": "shutting down"}}
    assert answer.headers["retry-after"] == "1"
    assert (await side.client.get("/healthz")).status_code == 200


async def test_metrics_show_queue_and_books(side: ReadSide) -> None:
    await side.store_blocks([sample_block(0, [1, 2, 2])])
    await side.queue.publish([sample_block(1, [3, 4])])
    text = (await side.client.get("/metrics")).text
    for line in (
        'tallystick_ledger_events{column="stored"} 2.0',
        'tallystick_ledger_events{column="missing"} 0.0',
        "tallystick_queue_events 2.0",
        'tallystick_up{part="store"} 1.0',
        "tallystick_ready 1.0",
    ):
        assert f"\n{line}\n" in text
    assert 'tallystick_http_requests_total{route="/metrics",status="200"}' not in text, (
        "this very request is not done yet"
    )
    assert (
        'tallystick_http_requests_total{route="/metrics",status="200"} 1.0' in (await side.client.get("/metrics")).text
    )


async def test_unknown_paths_do_not_become_labels(side: ReadSide) -> None:
    await side.client.get("/" + "x" * 50)
    text = (await side.client.get("/metrics")).text
    assert 'tallystick_http_requests_total{route="none",status="404"} 1.0' in text
    assert "xxxxx" not in text
