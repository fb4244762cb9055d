"""Dead letters over the real queue and store: looked at, replayed, corrected, dropped (G7)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tallystick.model.event import decode_line, encode_lines
from tallystick.model.status import DeadLetterDetail
from tallystick.store import DeadLetter
from tests.helpers.http.read_side import REPLAYER, ReadSide, open_read_side
from tests.helpers.samples import INGESTER, block_of, sample_block, sample_event


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[ReadSide]:
    async with open_read_side(tmp_path) as opened:
        yield opened


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
        ({"name": "n" * 256}, "name_too_long"),
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
