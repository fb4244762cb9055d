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
from tallystick.app import Tallystick, open_tallystick
from tallystick.config import Settings

DOCS = Path(__file__).parents[2] / "docs" / "use" / "dialects.md"
READS = ["/analytics/stats", "/v1/analytics/event-types", "/api/stats", "/stats"]
WRITES = ["/events", "/v1/events/bulk", "/api/event", "/event"]


def served(tallystick: Tallystick) -> set[tuple[str, str]]:
    speaks = dialects.Speaks(tallystick.ingest, tallystick.queue, tallystick.settings, tallystick.store)
    writes = {key for key in dialects.write_routes(speaks) if key[0] == "POST"}
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


ELSEWHERE = "https://shop.example"


@pytest.mark.parametrize("path", [*WRITES, *READS, "/v1/analytics/events/raw", "/healthz/detailed"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_browser_may_ask_every_route_first(empty: httpx.AsyncClient, path: str) -> None:
    asked = {"Origin": ELSEWHERE, "Access-Control-Request-Method": "POST"}
    answer = await empty.options(path, headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ELSEWHERE)


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.asyncio(loop_scope="module")
async def test_every_page_may_send_with_cookies_or_without(empty: httpx.AsyncClient, path: str) -> None:
    plain = await empty.post(path, content=b"{", headers={"Origin": ELSEWHERE})
    assert plain.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in plain.headers
    with_cookie = await empty.post(path, content=b"{", headers={"Origin": ELSEWHERE, "Cookie": "a=b"})
    assert with_cookie.headers["access-control-allow-origin"] == ELSEWHERE
    assert with_cookie.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize("path", READS)
async def test_pages_of_configured_origins_may_read(settings: Settings, path: str) -> None:
    configured = settings.model_copy(update={"read_origins": f"http://10.0.0.5:3000, {ELSEWHERE}"})
    async with open_tallystick(configured) as opened:
        transport = httpx.ASGITransport(opened.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            for origin in (ELSEWHERE, "http://10.0.0.5:3000"):
                answer = await client.get(path, headers={"Origin": origin, "Cookie": "a=b"})
                assert answer.headers["access-control-allow-origin"] == origin
                assert answer.headers["access-control-allow-credentials"] == "true"
                answer = await client.get(path, headers={"Origin": origin})
                assert answer.headers["access-control-allow-origin"] == "*"
            other = await client.get(path, headers={"Origin": "https://evil.example", "Cookie": "a=b"})
            assert [name for name in other.headers if name.startswith("access-control")] == []


@pytest.mark.parametrize("text", ["*", "dash.example", "https://a.example/path", "https://a.example https://b.example"])
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        Settings(read_origins=text)


@pytest.mark.parametrize("path", ["/events", "/api/events", "/v1/events/bulk", "/api/event"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_path_for_sending_answers_405_to_other_methods(empty: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        answer = await empty.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
        assert method == "HEAD" or "Method Not Allowed" in answer.text


@pytest.mark.parametrize("path", ["/events", "/v1/events/bulk", "/api/event"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_slash_at_the_end_changes_nothing(empty: httpx.AsyncClient, path: str) -> None:
    """Their servers redirect such a request; here it is answered at once."""
    for sent in (path, f"{path}/"):
        assert (await empty.post(sent, content=b"{")).status_code in (400, 422)
    for read in ("/analytics/stats/", "/v1/analytics/event-types/", "/healthz/detailed/"):
        assert (await empty.get(read)).status_code == 200
    assert (await empty.post(path.upper(), content=b"{")).status_code == 404


async def test_compressed_bodies_are_taken(client: httpx.AsyncClient) -> None:
    event = {"site_id": "s", "event_type": "e", "path": "/", "timestamp": "2025-11-12T19:30:01Z"}
    body = gzip.compress(msgspec.json.encode(event))
    assert (await client.post("/event", content=body, headers={"Content-Encoding": "gzip"})).status_code == 200
