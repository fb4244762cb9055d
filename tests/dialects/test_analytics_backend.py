"""analytics-backend's API at its edges. Its documented session is in sessions/analytics_backend.txt.

What it shares with fast-worker (statistics, the checks of fields) is tested there.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tallystick.app import Tallystick

GOOD: dict[str, Any] = {"site_id": "s", "event_type": "page_view", "path": "/", "timestamp": "2025-11-12T19:30:01Z"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ([], '"value" must be of type object'),
        (7, '"value" must be of type object'),
        ({}, '"site_id" is required'),
        ({"extra": 1}, '"site_id" is required'),
        ({key: GOOD[key] for key in GOOD if key != "path"}, '"path" is required'),
        (GOOD | {"path": ""}, '"path" is not allowed to be empty'),
        (GOOD | {"path": None}, '"path" must be a string'),
        (GOOD | {"site_id": 7, "event_type": ""}, '"site_id" must be a string'),
        (GOOD | {"extra": 1}, '"extra" is not allowed'),
        (GOOD | {"user_id": 7, "timestamp": "x"}, '"user_id" must be a string'),
        (GOOD | {"timestamp": "x"}, '"timestamp" must be in iso format'),
        (GOOD | {"timestamp": "2025-13-12T19:30:01Z"}, '"timestamp" must be in iso format'),
        (GOOD | {"timestamp": "11/14/2025"}, '"timestamp" must be in iso format'),
        (GOOD | {"timestamp": 7}, '"timestamp" must be a string'),
        (GOOD | {"site_id": "s" * 256}, "site_id must not be longer than 255 characters"),
        (GOOD | {"event_type": "e" * 256}, "event_type must not be longer than 255 characters"),
        (GOOD | {"path": "/" * 2_049}, "path must not be longer than 2048 characters"),
        (GOOD | {"user_id": "u" * 257}, "user_id must not be longer than 256 characters"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_wrong_is_named(empty: httpx.AsyncClient, body: Any, named: str) -> None:
    answer = await empty.post("/event", json=body)
    assert answer.status_code == 400
    assert answer.json() == {"error": named}


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"site_id": NaN}', b"\xff"])
@pytest.mark.asyncio(loop_scope="module")
async def test_broken_json_is_400(empty: httpx.AsyncClient, body: bytes) -> None:
    answer = await empty.post("/event", content=body)
    assert (answer.status_code, answer.json()) == (400, {"error": "body must be valid JSON"})


async def test_fields_are_stored_as_they_came(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    answer = await client.post("/event", json=GOOD | {"user_id": "größe\u0000", "path": "/日本"})
    assert answer.status_code == 200
    await tallystick.drained()
    row = (await client.get("/v1/events", params={"site_id": "s"})).json()["rows"][0]
    found = (row["name"], row["source"], row["path"], row["user_id"], row["properties"])
    assert found == ("page_view", "analytics-backend", "/日本", "größe\ufffd", {})


async def test_its_paths_in_every_spelling_that_express_takes(
    client: httpx.AsyncClient, tallystick: Tallystick
) -> None:
    for path in ("/event", "/event/", "/EVENT", "/Event/"):
        assert (await client.post(path, json=GOOD | {"user_id": path})).status_code == 200, path
    await tallystick.drained()
    for path in ("/stats", "/stats/", "/STATS", "/Stats/"):
        answer = await client.get(path, params={"site_id": "s"})
        assert (answer.status_code, answer.json()["total_views"]) == (200, 4), path
    assert (await client.post("/event//", json=GOOD)).status_code == 404


@pytest.mark.asyncio(loop_scope="module")
async def test_statistics_without_a_site_are_400(empty: httpx.AsyncClient) -> None:
    assert (await empty.get("/stats")).json() == {"error": "site_id required"}


@pytest.mark.parametrize("timestamp", ["2025", "2025-11", "2025-11-12", "2025-11-12 19:30", "2025-11-12T19:30:01+02"])
async def test_dates_of_iso_8601(client: httpx.AsyncClient, timestamp: str) -> None:
    assert (await client.post("/event", json=GOOD | {"timestamp": timestamp})).status_code == 200


@pytest.mark.parametrize("params", [{"site_id": ""}, {"date": "2025-11-12"}, {"site_id": "s", "date": "x"}])
@pytest.mark.asyncio(loop_scope="module")
async def test_wrong_parameters_are_400(empty: httpx.AsyncClient, params: dict[str, str]) -> None:
    answer = await empty.get("/stats", params=params)
    assert (answer.status_code, answer.json().keys()) == (400, {"error"})


async def test_a_full_queue_is_503_in_its_own_form(full: httpx.AsyncClient) -> None:
    """G5."""
    answer = await full.post("/event", json=GOOD)
    assert (answer.status_code, answer.json().keys()) == (503, {"error"})
    assert int(answer.headers["retry-after"]) > 0
