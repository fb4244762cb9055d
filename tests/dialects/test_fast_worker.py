"""fast-worker's API at its edges. Its documented session is in sessions/fast_worker.txt."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tallystick.app import Tallystick

EVENT = "/api/event"
GOOD: dict[str, Any] = {"site_id": "s", "event_type": "page_view", "timestamp": "2025-11-12T19:30:01Z"}
SITE = "site_id is required and must be a string"
KIND = "event_type is required and must be a string"
TIME = "timestamp is required and must be a string"


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({}, [SITE, KIND, TIME]),
        ([], [SITE, KIND, TIME]),
        (7, [SITE, KIND, TIME]),
        (GOOD | {"site_id": 7}, [SITE]),
        (GOOD | {"site_id": ""}, [SITE]),
        (GOOD | {"site_id": "s" * 256}, ["site_id must not be longer than 255 characters"]),
        (GOOD | {"event_type": None}, [KIND]),
        (GOOD | {"event_type": "e" * 101}, ["event_type must not be longer than 100 characters"]),
        (GOOD | {"timestamp": 1762975801}, [TIME]),
        (GOOD | {"timestamp": "yesterday"}, ["timestamp must be a valid ISO 8601 date string"]),
        (GOOD | {"timestamp": " "}, ["timestamp must be a valid ISO 8601 date string"]),
        (GOOD | {"timestamp": "2025-W46"}, ["timestamp must be a valid ISO 8601 date string"]),
        (GOOD | {"path": 7, "user_id": []}, ["path must be a string", "user_id must be a string"]),
        (GOOD | {"path": "/" * 1_001}, ["path must not be longer than 1000 characters"]),
        (GOOD | {"user_id": "u" * 256}, ["user_id must not be longer than 255 characters"]),
        # Plausible's tracker posts to the same path; only a body with `site_id` is fast-worker's.
        ({"n": "pageview", "u": "https://example.com/", "d": "example.com"}, [SITE, KIND, TIME]),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_wrong_is_named(empty: httpx.AsyncClient, body: Any, details: list[str]) -> None:
    answer = await empty.post(EVENT, json=body)
    assert answer.status_code == 400
    assert answer.json() == {"success": False, "error": "Validation failed", "details": details}


@pytest.mark.parametrize("body", ["", "{", "[" * 100_000, '{"site_id": NaN}'])
@pytest.mark.asyncio(loop_scope="module")
async def test_broken_json_is_400(empty: httpx.AsyncClient, body: str) -> None:
    answer = await empty.post(EVENT, content=body)
    assert (answer.status_code, answer.json()["details"]) == (400, ["body must be valid JSON"])


async def test_the_longest_of_every_field_is_stored_whole(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    longest = {"site_id": "s" * 255, "event_type": "é" * 100, "path": "/" + "😀" * 999, "user_id": "u" * 255}
    assert (await client.post(EVENT, json=GOOD | longest)).status_code == 202
    await tallystick.drained()
    row = (await client.get("/v1/events", params={"site_id": "*"})).json()["rows"][0]
    assert [row[field] for field in ("site_id", "name", "path", "user_id")] == list(longest.values())
    assert (row["source"], row["properties"], row["session_id"]) == ("fast-worker", {}, None)


async def test_texts_that_no_store_could_keep_are_replaced(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    body = r'{"site_id":"s\u0000","event_type":"page_view","timestamp":"2025-11-12T19:30:01Z",'
    body += r'"user_id":"\u0000","path":"\ud83d"}'
    assert (await client.post(EVENT, content=body)).status_code == 202
    await tallystick.drained()
    answer = await client.get("/api/stats", params={"site_id": "s\0"})
    assert (answer.json()["total_views"], answer.json()["unique_users"]) == (1, 1)
    assert answer.json()["top_paths"] == [{"path": "\ufffd", "views": 1}]


async def test_a_sites_numbers_are_its_own(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    """Only page views count, as there; the ten most viewed paths; the day is a UTC day."""
    for number in range(12):
        for _ in range(number + 1):
            view = {"path": f"/{number:02}", "user_id": f"u{number % 3}", "timestamp": "2025-11-12T23:59:59.999Z"}
            await client.post(EVENT, json=GOOD | view)
    await client.post(EVENT, json=GOOD | {"event_type": "signup", "path": "/11", "user_id": "u9"})
    await client.post(EVENT, json=GOOD | {"site_id": "other", "user_id": "x"})
    await tallystick.drained()
    everything = (await client.get("/api/stats", params={"site_id": "s"})).json()
    assert (everything["total_views"], everything["unique_users"]) == (78, 3)
    assert everything["date"] == "all-time"
    assert everything["top_paths"] == [{"path": f"/{n:02}", "views": n + 1} for n in range(11, 1, -1)]
    day = (await client.get("/api/stats", params={"site_id": "s", "date": "2025-11-12"})).json()
    assert (day["date"], day["total_views"]) == ("2025-11-12", 78)


@pytest.mark.parametrize("date", ["20251112", "2025-11-31", "today", "2025-W46-3", "2025-13-01"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_wrong_date_is_400(empty: httpx.AsyncClient, date: str) -> None:
    answer = await empty.get("/api/stats", params={"site_id": "s", "date": date})
    assert answer.status_code == 400
    assert answer.json() == {"success": False, "error": "Invalid date format. Use YYYY-MM-DD"}


async def test_every_date_that_new_date_reads(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    """Its server reads times with `new Date()`, and ignores a path or user that is 0, false or null."""
    expected = {
        "2025": "2025-01-01T00:00:00.000000Z",
        "2025-11": "2025-11-01T00:00:00.000000Z",
        "11/14/2025": "2025-11-14T00:00:00.000000Z",
        "Fri, 14 Nov 2025 10:00:00 GMT": "2025-11-14T10:00:00.000000Z",
        "2025-11-14T10:00:00.123456Z": "2025-11-14T10:00:00.123456Z",
    }
    for sent in expected:
        odd = {"timestamp": sent, "path": 0, "user_id": False}
        assert (await client.post(EVENT, json=GOOD | odd)).status_code == 202, sent
    await tallystick.drained()
    rows = (await client.get("/v1/events", params={"site_id": "s"})).json()["rows"]
    assert sorted(row["timestamp"] for row in rows) == sorted(expected.values())
    assert {(row["path"], row["user_id"]) for row in rows} == {(None, None)}
    for day in ("11/14/2025", "2025-11-14T23:00:00-05:00", "Fri, 14 Nov 2025 10:00:00 GMT"):
        answer = (await client.get("/api/stats", params={"site_id": "s", "date": day})).json()
        assert (answer["date"], answer["total_views"]) == (day, 3)


@pytest.mark.parametrize(("method", "path"), [("GET", EVENT), ("PUT", EVENT), ("POST", "/api/stats")])
@pytest.mark.asyncio(loop_scope="module")
async def test_other_methods_are_405(empty: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await empty.request(method, path)).status_code == 405


@pytest.mark.parametrize("path", [EVENT, "/api/stats"])
@pytest.mark.asyncio(loop_scope="module")
async def test_options_is_200(empty: httpx.AsyncClient, path: str) -> None:
    answer = await empty.options(path)
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize("date", ["0001-01-01", "9999-12-31"])
@pytest.mark.asyncio(loop_scope="module")
async def test_the_ends_of_the_calendar_have_no_events(empty: httpx.AsyncClient, date: str) -> None:
    answer = await empty.get("/api/stats", params={"site_id": "s", "date": date})
    assert (answer.status_code, answer.json()["total_views"]) == (200, 0)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_site_that_cannot_exist_is_400(empty: httpx.AsyncClient) -> None:
    answer = await empty.get("/api/stats", params={"site_id": "s" * 256})
    assert (answer.status_code, answer.json()["success"]) == (400, False)


async def test_an_idempotency_key_makes_a_retry_harmless(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    """G2: its events bring no ids."""
    for _ in range(2):
        await client.post(EVENT, json=GOOD, headers={"Idempotency-Key": "k"})
    refused = await client.post(EVENT, json=GOOD, headers={"Idempotency-Key": "k" * 257})
    assert (refused.status_code, refused.json()["success"]) == (400, False)
    await tallystick.drained()
    assert (await client.get("/api/stats?site_id=s")).json()["total_views"] == 1


async def test_a_full_queue_is_503_in_its_own_form(full: httpx.AsyncClient) -> None:
    """G5."""
    answer = await full.post(EVENT, json=GOOD)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json().keys() == {"success", "error"}
