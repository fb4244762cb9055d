"""GET /v1/live of a server process: events while they are stored, and an end when the server stops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rolling import Part
from tests.helpers.http import plain_http
from tests.servers.process import free_port


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Part, str]]:
    """`tallystick up`, and its URL."""
    port = free_port()
    part = Part(("up", "--port", str(port)), {"TALLYSTICK_DATA": str(tmp_path)}, tmp_path / "log")
    try:
        part.until_ready()
        yield part, f"http://127.0.0.1:{port}"
    finally:
        part.kill()


def test_a_stream_tells_of_an_event_and_ends_with_the_server(server: tuple[Part, str]) -> None:
    """G11: a stream that would go on for ever does not keep the server from stopping within its grace."""
    part, url = server
    with plain_http.client(url) as client, client.stream("GET", "/v1/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        lines = stream.iter_lines()
        while next(lines) != "event: open":
            pass
        sent = plain_http.post(f"{url}/v1/events", json={"name": "signup", "user_id": "ann"})
        assert sent.status_code == 202
        while next(lines) != "event: event":
            pass
        told = json.loads(next(lines).removeprefix("data: "))
        assert (told["name"], told["user_id"], told["site_id"]) == ("signup", "ann", "default")
        part.process.terminate()
        assert [line for line in lines if line and not line.startswith(":")] == [], "the stream ends by itself"
    assert part.process.wait(600) == 0


def test_a_question_has_a_route_of_its_own(server: tuple[Part, str]) -> None:
    """With or without its kind; an error names the field."""
    _, url = server
    with plain_http.client(url) as client:
        for kind in ("sessions", "paths", "people"):
            apart = client.post(f"/v1/query/{kind}", json={"site_id": "shop"}).json()
            named = client.post("/v1/query", json={"kind": kind, "site_id": "shop"}).json()
            assert apart["rows"] == named["rows"]
            refused = client.post(f"/v1/query/{kind}", json={"wrong": 1})
            assert refused.json()["error"]["message"] == "wrong: there is no such field"
            assert client.post(f"/v1/query/{kind}", content=b"{}").status_code == 415
        assert "/v1/live" in client.get("/openapi.json").json()["paths"]
