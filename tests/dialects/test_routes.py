"""All dialects together: what is served is what is described, and their shared ways with requests."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import httpx
import msgspec
import pytest
from starlette.routing import Route

from tallystick import dialects
from tallystick.app import Tallystick

DOCS = Path(__file__).parents[2] / "docs" / "use" / "dialects.md"
READS = ["/analytics/stats", "/v1/analytics/event-types", "/api/stats", "/stats"]
WRITES = ["/events", "/v1/events/bulk", "/api/event", "/event"]


def served(tallystick: Tallystick) -> set[tuple[str, str]]:
    speaks = dialects.Speaks(tallystick.ingest, tallystick.queue, tallystick.settings, tallystick.store)
    writes = {key for key in dialects.write_routes(speaks) if key[0] != "OPTIONS"}
    reads = {("GET", route.path) for route in dialects.read_routes(speaks) if isinstance(route, Route)}
    return writes | reads


async def test_every_route_is_described_and_documented(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    paths, _ = dialects.openapi()
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert described == served(tallystick)
    document = (await client.get("/openapi.json")).json()
    assert paths.keys() <= document["paths"].keys()
    text = DOCS.read_text()
    assert [f"{method} {path}" for method, path in described if f"`{method} {path}`" not in text] == []


def test_every_reference_of_the_description_leads_somewhere() -> None:
    paths, schemas = dialects.openapi()
    text = json.dumps([paths, schemas])
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named
    assert named <= schemas.keys()


@pytest.mark.parametrize("path", WRITES)
async def test_a_request_is_counted_by_its_route_and_status(
    client: httpx.AsyncClient, tallystick: Tallystick, path: str
) -> None:
    answer = await client.post(path, content=b"{")
    counted = tallystick.metrics.registry.get_sample_value(
        "tallystick_http_requests_total", {"route": path, "status": str(answer.status_code)}
    )
    assert counted == 1


@pytest.mark.parametrize("path", READS)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_read_is_counted_by_its_route(empty: httpx.AsyncClient, path: str) -> None:
    status = (await empty.get(path)).status_code
    assert (
        f'tallystick_http_requests_total{{route="{path}",status="{status}"}} 1.0' in (await empty.get("/metrics")).text
    )


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.asyncio(loop_scope="module")
async def test_broken_compression_is_answered_in_the_dialects_form(empty: httpx.AsyncClient, path: str) -> None:
    broken = await empty.post(path, content=b"\x1f\x8bnot", headers={"Content-Encoding": "gzip"})
    unknown = await empty.post(path, content=b"x", headers={"Content-Encoding": "br"})
    assert (broken.status_code, unknown.status_code) == (400, 415)
    assert broken.json().keys() & {"detail", "error"}


async def test_compressed_bodies_are_taken(client: httpx.AsyncClient) -> None:
    event = {"site_id": "s", "event_type": "e", "path": "/", "timestamp": "2025-11-12T19:30:01Z"}
    body = gzip.compress(msgspec.json.encode(event))
    assert (await client.post("/event", content=body, headers={"Content-Encoding": "gzip"})).status_code == 200
