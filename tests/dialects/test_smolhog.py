"""SmolHog's API at its edges. Its documented session is in sessions/smolhog.txt."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tallystick.app import Tallystick

WHEN = "2025-11-12T19:30:01.000Z"


def event(**fields: Any) -> dict[str, Any]:
    """A good event, with these fields instead."""
    return {"event_id": "1762975801000-1", "event_name": "tap", "user_id": "user_1", "timestamp": WHEN, **fields}


async def send(client: httpx.AsyncClient, *events: Any) -> httpx.Response:
    return await client.post("/events", json={"events": list(events)})


async def stored(client: httpx.AsyncClient, tallystick: Tallystick) -> list[dict[str, Any]]:
    """What the read route lists once everything is stored."""
    await tallystick.drained()
    listed: list[dict[str, Any]] = (await client.get("/analytics/events?limit=5000")).json()["events"]
    return listed


async def test_two_users_may_produce_the_same_id_and_a_resent_event_is_stored_once(
    client: httpx.AsyncClient, tallystick: Tallystick
) -> None:
    """G2: its ids are milliseconds and a random number, so identity is id and user."""
    mine, yours = event(properties={"a": 1}), event(user_id="user_2")
    for _ in range(2):
        assert (await send(client, mine, yours)).status_code == 200
    listed = await stored(client, tallystick)
    assert sorted(row["user_id"] for row in listed) == ["user_1", "user_2"]
    ledger = (await tallystick.store.ledger()).values()
    assert sum(entry.stored for entry in ledger) == 2
    assert sum(entry.duplicates for entry in ledger) == 2


async def test_the_original_id_is_kept_and_not_shown_to_its_clients(
    client: httpx.AsyncClient, tallystick: Tallystick
) -> None:
    await send(client, event(properties={"a": 1}))
    assert (await stored(client, tallystick))[0]["properties"] == {"a": 1}
    native = (await client.get("/v1/events")).json()["rows"][0]
    assert native["properties"] == {"a": 1, "$event_id": "1762975801000-1"}
    assert native["source"] == "smolhog"


@pytest.mark.parametrize(
    ("wrong", "loc", "kind"),
    [
        (event(event_name=7), ["body", "events", 1, "event_name"], "string_type"),
        (event(user_id=None), ["body", "events", 1, "user_id"], "string_type"),
        (event(event_id=12), ["body", "events", 1, "event_id"], "string_type"),
        (event(session_id=[]), ["body", "events", 1, "session_id"], "string_type"),
        (event(properties=[1]), ["body", "events", 1, "properties"], "dict_type"),
        (event(properties=None), ["body", "events", 1, "properties"], "dict_type"),
        (event(properties="x"), ["body", "events", 1, "properties"], "dict_type"),
        (event(timestamp=1762975801000), ["body", "events", 1, "timestamp"], "string_type"),
        ("text", ["body", "events", 1], "model_type"),
        (None, ["body", "events", 1], "model_type"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_what_its_own_model_does_not_take_is_422(
    empty: httpx.AsyncClient, wrong: Any, loc: list[Any], kind: str
) -> None:
    """G8: a dialect answers as its own API does; its SDK cannot send these. `empty` stays empty."""
    answer = await send(empty, event(), wrong)
    assert answer.status_code == 422
    found = answer.json()["detail"]
    assert (loc, kind) in [(entry["loc"], entry["type"]) for entry in found]
    assert all(entry["msg"] for entry in found)


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"event_name": ""}, "name_missing"),
    ({"event_name": "n" * 256}, "name_too_long"),
    ({"event_name": "tab\there"}, "name_invalid"),
    ({"user_id": "u" * 257}, "user_id_too_long"),
    ({"event_id": "i" * 513}, "event_id_too_long"),
    ({"session_id": "s" * 257}, "session_id_too_long"),
    ({"timestamp": "yesterday"}, "timestamp_invalid"),
    ({"timestamp": ""}, "timestamp_invalid"),
    ({"properties": {"a": "x" * 70_000}}, "event_too_large"),
]


async def test_an_event_that_cannot_be_stored_becomes_a_dead_letter_and_the_others_are_stored(
    client: httpx.AsyncClient, tallystick: Tallystick
) -> None:
    """G4: its SDK would send the batch again with every later event, for ever, and lose all of them."""
    wrong = [event(**{"event_id": str(number), **fields}) for number, (fields, _) in enumerate(UNFIT)]
    mixed = [event(event_id="first"), *wrong, event(event_id="last", event_name="n" * 255)]
    pretty = json.dumps({"events": mixed}, indent=1)
    answer = await client.post("/events", content=pretty, headers={"X-Request-ID": "sdk-1"})
    assert (answer.status_code, answer.json()["events_received"]) == (200, len(mixed))
    alone = await send(client, event(event_name=""))
    assert alone.status_code == 200
    assert sorted(len(row["event_name"]) for row in await stored(client, tallystick)) == [3, 255]
    letters = (await client.get("/v1/dead?limit=100")).json()["dead"]
    assert [letter["code"] for letter in letters] == [code for _, code in UNFIT] + ["name_missing"]
    assert {(letter["attempts"], letter["events"]) for letter in letters} == {(0, 1)}
    for letter, sent in zip(letters, wrong, strict=False):
        kept = (await client.get(f"/v1/dead/{letter['id']}")).json()
        assert (json.loads(kept["original"]), kept["encoding"]) == (sent, "utf-8")
        assert kept["reason"].endswith("(POST /events, site default)")
    report = (await client.get("/v1/verify")).json()
    books = report["ledger"]
    assert (report["ok"], books["accepted"], books["stored"], books["dead"]) == (True, 12, 2, 10)


async def test_a_dead_letter_has_the_bytes_that_were_sent(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    original = (
        f'{{"event_id" : "1",  "event_name":"", "user_id":"u", "timestamp":"{WHEN}", "properties":{{"n": 1.50}}}}'
    )
    assert (await client.post("/events", content=f'{{"events":[{original}]}}')).status_code == 200
    await tallystick.drained()
    letter = (await client.get("/v1/dead")).json()["dead"][0]
    assert (await client.get(f"/v1/dead/{letter['id']}")).json()["original"] == original


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"events": {}}',
        '{"events": [,]}',
        '{"events": [{"properties": NaN}]}',
        "[" * 100_000,
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_broken_bodies_are_422(empty: httpx.AsyncClient, body: str) -> None:
    answer = await empty.post("/events", content=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "body"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_nesting_is_limited(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    body = '{"events":[{"event_id":"1","event_name":"n","user_id":"u","timestamp":"%s","properties":%s}]}'
    for depth, status in ((64, 200), (65, 200), (100_000, 422)):
        assert (await client.post("/events", content=body % (WHEN, nested(depth)))).status_code == status
    await tallystick.drained()
    assert [letter["code"] for letter in (await client.get("/v1/dead")).json()["dead"]] == ["too_deep"]


async def test_texts_that_no_store_could_keep_are_replaced(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    texts = {
        r"nul \u0000": "nul \ufffd",
        r"half \ud83d pair": "half \ufffd pair",
        r"half \ude00": "half \ufffd",
        r"pair \ud83d\ude00": "pair 😀",
        "größe 😀 日本": "größe 😀 日本",
    }
    body = '{"events":[{"event_id":"1","event_name":"%s","user_id":"%s","timestamp":"%s","properties":{"%s":"%s"}}]}'
    for sent in texts:
        answer = await client.post("/events", content=(body % (sent, sent, WHEN, sent, sent)).encode())
        assert answer.status_code == 200
    found = {row["event_name"]: (row["user_id"], row["properties"]) for row in await stored(client, tallystick)}
    assert found == {kept: (kept, {kept: kept}) for kept in texts.values()}


async def test_a_batch_is_limited_by_its_bytes_alone(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    """Its SDK never divides what it saved while it was offline. All of its rows can be read back, too."""
    many = [event(event_id=str(number)) for number in range(12_001)]
    assert (await send(client, *many)).json()["events_received"] == 12_001
    await tallystick.drained()
    assert (await client.get("/analytics/stats")).json()["total_events"] == 12_001
    listed = (await client.get("/analytics/events?limit=1000000")).json()["events"]
    assert len(listed) == 12_001
    too_large = await client.post("/events", content=b" " * (32 * 1024 * 1024 + 1))
    assert (too_large.status_code, type(too_large.json()["detail"])) == (413, str)


async def test_a_batch_may_be_larger_than_other_requests(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    """SmolHog has no limit, and its SDK would send the batch again for ever. Sent twice, it is stored once."""
    many = [event(event_id=str(number), properties={"note": "x" * 50_000}) for number in range(200)]
    for _ in range(2):
        answer = await send(client, *many, event(event_id="long", event_name="x" * 300))
        assert (answer.status_code, answer.json()["events_received"]) == (200, 201)
    await tallystick.drained()
    assert (await client.get("/analytics/stats")).json()["total_events"] == 200
    ledger = (await tallystick.store.ledger()).values()
    counts = [sum(getattr(entry, kind) for entry in ledger) for kind in ("stored", "duplicates", "dead")]
    assert counts == [200, 200, 2]


async def test_a_broken_clock_does_not_lose_the_event(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    """G9."""
    assert (await send(client, event(timestamp="10000-01-01T00:00:00Z"))).status_code == 200
    assert (await stored(client, tallystick))[0]["properties"] == {"$timestamp": "10000-01-01T00:00:00Z"}


async def test_unknown_fields_are_let_be_and_pretty_json_is_taken(
    client: httpx.AsyncClient, tallystick: Tallystick
) -> None:
    body = json.dumps({"app": 1, "events": [event(x=1, properties={"a": 1})]}, indent=2)
    assert (await client.post("/events", content=body)).status_code == 200
    assert (await stored(client, tallystick))[0]["properties"] == {"a": 1}


async def test_a_path_among_the_properties_is_promoted(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    expected: list[tuple[Any, str | None]] = [
        ("/pricing", "/pricing"),
        (7, None),
        ("", None),
        ("/" * 2_048, "/" * 2_048),
        ("/" * 2_049, None),
        ({"a": 1}, None),
    ]
    for number, (path, _) in enumerate(expected):
        await send(client, event(event_id=f"e-{number}", properties={"path": path}))
    await tallystick.drained()
    rows = (await client.get("/v1/events")).json()["rows"]
    rows.sort(key=lambda row: row["properties"]["$event_id"])
    assert [(row["properties"]["path"], row["path"]) for row in rows] == expected


@pytest.mark.parametrize("limit", ["-1", "x", ""])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_wrong_limit_is_422(empty: httpx.AsyncClient, limit: str) -> None:
    answer = await empty.get("/analytics/events", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "limit"]


@pytest.mark.asyncio(loop_scope="module")
async def test_no_rows_may_be_asked_for(empty: httpx.AsyncClient) -> None:
    answer = await empty.get("/analytics/events", params={"limit": 0})
    assert (answer.status_code, answer.json()) == (200, {"events": []})


@pytest.mark.parametrize("path", ["/events", "/api/events", "/analytics/stats", "/analytics/events", "/health", "/"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_browser_may_ask_first(empty: httpx.AsyncClient, path: str) -> None:
    asked = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,smolhog-api-key",
    }
    answer = await empty.options(path, headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-headers"] == "content-type,smolhog-api-key"


async def test_a_full_queue_is_503_in_its_own_form(full: httpx.AsyncClient) -> None:
    """G5: the SDK keeps what got no 200."""
    answer = await send(full, event())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert isinstance(answer.json()["detail"], str)
    assert answer.headers["access-control-allow-origin"] == "*"
