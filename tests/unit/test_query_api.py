"""The read routes over the real queue and store: questions, exports, receipts, dead letters, health."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from runnel.model.event import decode_line, encode_lines
from runnel.model.status import DeadLetterDetail, PipelineStatus, Verification
from runnel.store import DeadLetter
from tests.read_side import REPLAYER, ReadSide, open_read_side
from tests.samples import INGESTER, block_of, sample_block, sample_event


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[ReadSide]:
    async with open_read_side(tmp_path) as opened:
        yield opened


# --- questions -------------------------------------------------------------------------------------------------------


async def test_post_query_counts(side: ReadSide) -> None:
    await side.store_blocks([sample_block(0, range(10))])
    answer = await side.post("/v1/query", {"kind": "metrics", "metrics": [{"kind": "events"}, {"kind": "users"}]})
    assert answer["rows"] == [{"events": 10, "users": 7}]
    assert answer["exact"] is True
    assert answer["elapsed_ms"] > 0


async def test_get_query_is_the_same_question_as_post(side: ReadSide) -> None:
    events = [sample_event(n, properties=b'{"amount":%d}' % n) for n in range(10)]
    await side.store_blocks([block_of(0, events)])
    got = await side.get(
        "/v1/query", metric=["events", "sum:amount"], breakdown="name", filter="properties.amount:>:4", interval="day",
        since="2026-03-01", until="2026-03-02", timezone="Europe/Berlin",
    )
    posted = await side.post("/v1/query", {
        "kind": "metrics", "metrics": [{"kind": "events"}, {"kind": "sum", "property": "amount"}],
        "breakdown": ["name"], "filter": {"field": "properties.amount", "op": ">", "value": 4}, "interval": "day",
        "since": "2026-02-28T23:00:00Z", "until": "2026-03-01T23:00:00Z", "timezone": "Europe/Berlin",
    })
    assert got["rows"] == posted["rows"]
    assert got["rows"][0]["sum(amount)"] == 5 + 6 + 7 + 8 + 9


async def test_freshness_tells_the_load_and_the_lag(side: ReadSide) -> None:
    """G10: every answer carries when the newest batch was stored and how old the oldest waiting event is."""
    fresh = (await side.get("/v1/query"))["freshness"]
    assert fresh == {"loaded_at": None, "queue_lag_seconds": None}
    await side.store_blocks([sample_block(0, range(3))])
    await side.queue.publish([sample_block(1, range(3, 5))])
    fresh = (await side.get("/v1/query"))["freshness"]
    assert fresh["loaded_at"] is not None
    assert 0 <= fresh["queue_lag_seconds"] < 10


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


# --- exports ---------------------------------------------------------------------------------------------------------


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
    assert answer.text == (
        "event_id,site_id,name,timestamp,received_at,user_id,session_id,source,path,properties\r\n"
    )


async def test_export_parquet_holds_the_same_events(side: ReadSide, tmp_path: Path) -> None:
    from runnel.store.duckdb.connection import connect_memory

    events = [sample_event(n, properties=b'{"n":%d}' % n) for n in range(100)]
    await side.store_blocks([block_of(0, events)])
    answer = await side.client.get("/v1/export", params={"format": "parquet", "filter": "properties.n:<:10"})
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    file = tmp_path / "answer.parquet"
    file.write_bytes(answer.content)
    rows = connect_memory(64 * 1024 * 1024, 1).execute(
        "SELECT event_id, epoch_us(timestamp), user_id, properties FROM read_parquet(?) ORDER BY timestamp", [str(file)]
    ).fetchall()
    assert rows == [
        (e.event_id, round(e.timestamp.timestamp() * 1_000_000), e.user_id, bytes(e.properties).decode())
        for e in events[:10]
    ]
    assert not list(side.settings.data.glob("export-*")), "the temporary files are gone"


async def test_head_of_an_export_reads_nothing(side: ReadSide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(side.store), "export", None)
    answer = await side.client.head("/v1/export", params={"format": "csv"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"


# --- receipts --------------------------------------------------------------------------------------------------------


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
        await side.store.maintain()
        folded = (await side.store.ledger())[INGESTER].folded
        assert folded > 0
        answer = await side.get(f"/v1/receipts/{INGESTER}-0")
        assert (answer["state"], answer["count"]) == ("stored", None)


@pytest.mark.parametrize("receipt", ["nonsense", f"{INGESTER}-77", f"{INGESTER}-", "g" * 16 + "-1", f"{INGESTER}-١"])
async def test_unknown_receipts_are_404(side: ReadSide, receipt: str) -> None:
    answer = await side.client.get(f"/v1/receipts/{receipt}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


# --- the books -------------------------------------------------------------------------------------------------------


async def test_pipeline_closes_the_books(side: ReadSide) -> None:
    """G4: accepted = stored + duplicates + dead + queued, from stored rows."""
    await side.store_blocks([sample_block(0, [1, 2, 2])])
    await side.queue.publish([sample_block(1, [3, 4])])
    status = PipelineStatus.model_validate(await side.get("/v1/pipeline"))
    assert status.ledger.model_dump() == {
        "accepted": 5, "stored": 2, "duplicates": 1, "conflicts": 0, "dead": 0, "queued": 2
    }
    assert status.differences == []
    assert (status.queue.blocks, status.queue.events) == (1, 2)
    assert status.rates.stored_per_second > 0
    assert status.durability == side.queue.durability
    assert {"runnel", "python", "sqlite", "duckdb"} <= status.versions.keys()


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


# --- dead letters ----------------------------------------------------------------------------------------------------


async def with_dead_letters(side: ReadSide, numbers: range) -> list[int]:
    """Blocks whose events with an even index are dead; the dead letters' ids."""
    events = [sample_event(n) for n in numbers]
    dead = [
        DeadLetter(INGESTER, 0, index, encode_lines([event]), "data_rejected", "for this test", attempts=3)
        for index, event in enumerate(events)
        if index % 2 == 0
    ]
    await side.store_blocks([block_of(0, events)], dead)
    return [letter["id"] for letter in (await side.get("/v1/dead"))["dead"]]


async def test_dead_letters_are_listed_page_by_page(side: ReadSide) -> None:
    """G7: reason and attempts are kept."""
    ids = await with_dead_letters(side, range(10))
    assert len(ids) == 5
    first = await side.get("/v1/dead", limit=3)
    second = await side.get("/v1/dead", limit=3, after=first["next_after"])
    assert [letter["id"] for letter in first["dead"] + second["dead"]] == ids
    assert second["next_after"] is None
    assert first["dead"][0]["reason"] == "for this test"
    assert first["dead"][0]["attempts"] == 3
    assert first["dead"][0]["receipt"] == f"{INGESTER}-0"


async def test_dead_letter_shows_its_original_bytes(side: ReadSide) -> None:
    """G7: with original bytes."""
    [letter_id] = await with_dead_letters(side, range(1))
    letter = DeadLetterDetail.model_validate(await side.get(f"/v1/dead/{letter_id}"))
    assert letter.encoding == "utf-8"
    assert decode_line(letter.original.encode()) == sample_event(0)
    assert (await side.client.get(f"/v1/dead/{letter_id + 1}")).status_code == 404


async def test_dead_letter_that_is_no_text_is_shown_in_base64(side: ReadSide) -> None:
    letter = DeadLetter(INGESTER, 0, -1, b"\xff\x00", "block_corrupt", "broken", events=1)
    await side.store_blocks([sample_block(0, [1])], [letter])
    [listed] = (await side.get("/v1/dead"))["dead"]
    shown = await side.get(f"/v1/dead/{listed['id']}")
    assert (shown["encoding"], shown["original"]) == ("base64", "/wA=")
    report = await side.post("/v1/dead/replay", {"ids": [listed["id"]]})
    assert report["not_replayed"][0]["code"] == "not_an_event"


async def test_replay_stores_the_events_once(side: ReadSide) -> None:
    """G7, G2: replayed through the queue, with their own ids; a second replay is reported and not sent."""
    ids = await with_dead_letters(side, range(4))
    answer = await side.client.post("/v1/dead/replay", json={"ids": [*ids, ids[0]]}, headers={"X-Request-ID": "me"})
    report = answer.json()
    assert (report["replayed"], report["receipt"], report["not_replayed"]) == (ids, f"{REPLAYER}-0", [])
    assert side.republished == [(encode_lines([sample_event(0), sample_event(2)]), "me")]
    again = await side.post("/v1/dead/replay", {"ids": ids})
    assert again["replayed"] == []
    assert again["receipt"] is None
    assert [note["code"] for note in again["not_replayed"]] == ["already_replayed"] * 2
    await side.load()
    assert (await side.get("/v1/query"))["rows"] == [{"events": 4}]
    assert (await side.get("/v1/verify"))["ok"] is True
    assert len((await side.get("/v1/dead", state="replayed"))["dead"]) == 2


async def test_replay_takes_a_correction(side: ReadSide) -> None:
    [letter_id] = await with_dead_letters(side, range(1))
    edited = msgspec.json.format(encode_lines([sample_event(0, name="corrected", properties=b'{"a":[1,2]}')]), indent=2)
    report = await side.post("/v1/dead/replay", {"ids": [letter_id], "original": edited.decode()})
    assert report["replayed"] == [letter_id]
    await side.load()
    [row] = (await side.get("/v1/events"))["rows"]
    assert (row["name"], row["properties"]) == ("corrected", {"a": [1, 2]})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "n" * 201}, "name_too_long"),
        ({"name": ""}, "name_missing"),
        ({"name": 7}, "not_an_event"),
        ({"event_id": "x"}, "not_an_event"),
        ({"timestamp": "2026-01-01T00:00:00"}, "timestamp_invalid"),
        ({"timestamp": "0001-01-01T00:00:00+10:00"}, "not_an_event"),
        ({"properties": [1]}, "properties_invalid"),
        ({"properties": {"text": "x" * 70_000}}, "event_too_large"),
    ],
)
async def test_replay_refuses_what_is_no_event(side: ReadSide, change: dict[str, object], code: str) -> None:
    [letter_id] = await with_dead_letters(side, range(1))
    edited = msgspec.json.decode(encode_lines([sample_event(0)])) | change
    report = await side.post("/v1/dead/replay", {"ids": [letter_id], "original": msgspec.json.encode(edited).decode()})
    assert [note["code"] for note in report["not_replayed"]] == [code]
    assert side.republished == []
    assert (await side.get(f"/v1/dead/{letter_id}"))["state"] == "dead"


async def test_correction_of_several_is_refused(side: ReadSide) -> None:
    await side.post("/v1/dead/replay", {"ids": [1, 2], "original": "{}"}, status=400)


async def test_drop_marks_only_what_is_dead(side: ReadSide) -> None:
    first, second = await with_dead_letters(side, range(4))
    await side.post("/v1/dead/replay", {"ids": [first]})
    report = await side.post("/v1/dead/drop", {"ids": [first, second, 999]})
    assert report["dropped"] == [second]
    assert {note["id"]: note["code"] for note in report["not_dropped"]} == {first: "already_replayed", 999: "not_found"}
    assert (await side.get(f"/v1/dead/{first}"))["state"] == "replayed"
    assert (await side.get("/v1/dead"))["dead"] == []
    assert len((await side.get("/v1/dead", state="all"))["dead"]) == 2


# --- health ----------------------------------------------------------------------------------------------------------


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
        'runnel_ledger_events{column="stored"} 2.0', 'runnel_ledger_events{column="missing"} 0.0',
        "runnel_queue_events 2.0", 'runnel_up{part="store"} 1.0', "runnel_ready 1.0",
    ):
        assert f"\n{line}\n" in text
    assert 'runnel_http_requests_total{route="/metrics",status="200"}' not in text, "this very request is not done yet"
    assert 'runnel_http_requests_total{route="/metrics",status="200"} 1.0' in (await side.client.get("/metrics")).text


async def test_unknown_paths_do_not_become_labels(side: ReadSide) -> None:
    await side.client.get("/" + "x" * 50)
    text = (await side.client.get("/metrics")).text
    assert 'runnel_http_requests_total{route="none",status="404"} 1.0' in text
    assert "xxxxx" not in text


