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
        (event(event_name=""), ["body", "events", 1, "event_name"], "string_too_short"),
        (event(event_name="n" * 201), ["body", "events", 1, "event_name"], "string_too_long"),
        (event(user_id=None), ["body", "events", 1, "user_id"], "string_type"),
        (event(user_id="u" * 257), ["body", "events", 1, "user_id"], "string_too_long"),
        (event(event_id=12), ["body", "events", 1, "event_id"], "string_type"),
        (event(event_id="i" * 513), ["body", "events", 1, "event_id"], "string_too_long"),
        (event(session_id=[]), ["body", "events", 1, "session_id"], "string_type"),
        (event(properties=[1]), ["body", "events", 1, "properties"], "dict_type"),
        (event(properties=None), ["body", "events", 1, "properties"], "dict_type"),
        (event(properties="x"), ["body", "events", 1, "properties"], "dict_type"),
        (event(timestamp="yesterday"), ["body", "events", 1, "timestamp"], "value_error"),
        (event(timestamp=1762975801000), ["body", "events", 1, "timestamp"], "string_type"),
        (event(timestamp=""), ["body", "events", 1, "timestamp"], "string_too_short"),
        (event(properties={"a": "x" * 65_536}), ["body", "events", 1, "properties"], "value_error"),
        ("text", ["body", "events", 1], "model_type"),
        (None, ["body", "events", 1], "model_type"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_one_wrong_event_refuses_the_whole_batch(
    empty: httpx.AsyncClient, wrong: Any, loc: list[Any], kind: str
) -> None:
    """G8: a dialect answers as its own API does; `empty` stays empty."""
    answer = await send(empty, event(), wrong)
    assert answer.status_code == 422
    found = answer.json()["detail"]
    assert (loc, kind) in [(entry["loc"], entry["type"]) for entry in found]
    assert all(entry["msg"] for entry in found)


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


async def test_nesting_is_limited(client: httpx.AsyncClient) -> None:
    body = '{"events":[{"event_id":"1","event_name":"n","user_id":"u","timestamp":"%s","properties":%s}]}'
    for depth, status in ((64, 200), (65, 422), (100_000, 422)):
        assert (await client.post("/events", content=body % (WHEN, nested(depth)))).status_code == status


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


async def test_more_events_than_a_request_may_have_are_413(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    """G5; one fewer are taken."""
    many = [event(event_id=str(number)) for number in range(5_001)]
    refused = await send(client, *many)
    assert (refused.status_code, type(refused.json()["detail"])) == (413, str)
    assert (await send(client, *many[1:])).json()["events_received"] == 5_000
    await tallystick.drained()
    assert (await client.get("/analytics/stats")).json()["total_events"] == 5_000


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


@pytest.mark.parametrize("limit", ["0", "5001", "-1", "x", ""])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_wrong_limit_is_422(empty: httpx.AsyncClient, limit: str) -> None:
    answer = await empty.get("/analytics/events", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "limit"]


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
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == "content-type,smolhog-api-key"


async def test_a_full_queue_is_503_in_its_own_form(full: httpx.AsyncClient) -> None:
    """G5: the SDK keeps what got no 200."""
    answer = await send(full, event())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert isinstance(answer.json()["detail"], str)
    assert answer.headers["access-control-allow-origin"] == "*"
