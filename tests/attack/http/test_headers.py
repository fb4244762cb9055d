"""The headers for browsers on every answer, and requests with a header twice (G12)."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tallystick.api.routes.docs import ASSETS, FILES, OWN
from tallystick.app import Role, Tallystick
from tallystick.config import KIB, Settings
from tallystick.http_headers import ONCE
from tallystick.process import refusals
from tests.helpers.http.keyed import DECIDED, EVERY, GUARDED, JSON, KEYS, VALUES, WRITE, Side, opened
from tests.helpers.thorough import some
from tests.servers.process import needs_built

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
SCRIPT = "/js/tallystick.js"
WRITES = ["/v1/events", "/events", "/api/events", "/v1/events/bulk", "/api/event", "/event"]
EVENT = {
    "/v1/events": {"name": "a"},
    "/event": {"site_id": "s", "event_type": "a", "path": "/", "timestamp": "2026-01-01"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Side]:
    async with opened(tmp_path_factory.mktemp("keyed"), max_body_bytes=64 * KIB, **KEYS) as side:
        yield side


def wrong(answer: httpx.Response, *, for_pages: bool = False) -> list[str]:
    """What is wrong with an answer's headers. `for_pages`: foreign pages load or call it."""
    headers = answer.headers
    found = [f"{name}: {headers.get(name)}" for name, value in EVERYWHERE.items() if headers.get(name) != value]
    resource = "cross-origin" if for_pages else "same-origin"
    if headers.get("cross-origin-resource-policy") != resource:
        found.append(f"cross-origin-resource-policy: {headers.get('cross-origin-resource-policy')}")
    policy = headers.get("content-security-policy", "")
    if "frame-ancestors 'none'" not in policy or "unsafe" in policy or "*" in policy:
        found.append(f"content-security-policy: {policy}")
    if headers.get("content-type", "").startswith("application/json") and policy != API_POLICY:
        found.append(f"content-security-policy of JSON: {policy}")
    names = Counter(name.lower() for name, _ in headers.raw)
    return found + [f"{name.decode()} comes {count} times" for name, count in names.items() if count > 1]


async def documented(side: Side) -> list[tuple[str, str]]:
    document = (await side.get("/openapi.json")).json()
    return [(method.upper(), path) for path, item in document["paths"].items() for method in item]


@pytest.mark.asyncio(loop_scope="module")
async def test_every_route_has_the_headers(keyed: Side) -> None:
    """G12: with a key, without one, with another method, and as HEAD; each header once."""
    routes = {*await documented(keyed), *DECIDED, ("GET", SCRIPT), ("GET", "/no/route"), ("GET", "/ui/none.js")}
    faults = []
    for method, path in sorted(routes):
        writes = (method, path) == ("GET", SCRIPT) or (method == "POST" and path in WRITES)
        for key in ("", EVERY):
            answer = await keyed.ask(method, path, key)
            faults += [(method, path, answer.status_code, why) for why in wrong(answer, for_pages=writes)]
    for path in sorted({path for _, path in routes}):
        for method in some(("HEAD", "OPTIONS", "PATCH", "TRACE")):
            answer = await keyed.ask(method, path, EVERY)
            open_to_pages = answer.headers.get("cross-origin-resource-policy") == "cross-origin"
            assert not open_to_pages or method == "OPTIONS" or path == SCRIPT, (method, path)
            faults += [(method, path, answer.status_code, why) for why in wrong(answer, for_pages=open_to_pages)]
    assert faults == []


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.asyncio(loop_scope="module")
async def test_every_answer_of_a_write_route_has_them(keyed: Side, path: str) -> None:
    """Those that pages elsewhere wait for, with and without CORS: taken, refused, too large."""
    for content, headers in (
        (httpx.Response(200, json=EVENT.get(path, {})).content, {"X-API-Key": WRITE}),
        (b"", {"X-API-Key": WRITE}),
        (b"{", {"X-API-Key": WRITE}),
        (b"{}", {}),
        (b" " * (64 * KIB + 1), {"X-API-Key": WRITE}),
        (b"{}", {"X-API-Key": WRITE, "Content-Encoding": "br"}),
        (b"{}", {"Authorization": f"Bearer {EVERY}"}),
    ):
        answer = await keyed.client.post(path, content=content, headers={**headers, "Origin": "https://shop.example"})
        assert wrong(answer, for_pages=True) == [], (content[:20], answer.status_code)
    options = await keyed.client.options(path)
    assert wrong(options, for_pages=options.headers["cross-origin-resource-policy"] == "cross-origin") == []


@pytest.mark.asyncio(loop_scope="module")
async def test_streams_and_files_have_them(keyed: Side) -> None:
    needs_built(FILES / "swagger-ui.css", "dashboard")
    for path in (
        "/v1/export",
        "/v1/export?format=csv",
        "/v1/export?format=parquet",
        "/v1/live?seconds=0",
        "/metrics",
        *(f"/docs/assets/{name}" for name in (*ASSETS, *OWN)),
    ):
        answer = await keyed.get(path, EVERY)
        assert (answer.status_code, wrong(answer)) == (200, []), path


@pytest.mark.asyncio(loop_scope="module")
async def test_pages_have_policies_of_their_own(keyed: Side) -> None:
    """The dashboard and /docs load their own files, and nothing in the page itself runs."""
    for path in ("/", "/ui/explore", "/docs"):
        page = await keyed.get(path, accept="text/html")
        policy = page.headers["content-security-policy"]
        assert policy != API_POLICY
        assert "script-src 'self'" in policy or policy.startswith("default-src 'self'")
        assert "<script>" not in page.text
        assert "style=" not in page.text


@pytest.mark.asyncio(loop_scope="module")
async def test_where_the_docs_are_not_built_they_say_so(
    keyed: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document is there all the same."""
    monkeypatch.setattr("tallystick.api.routes.docs.FILES", tmp_path)
    page = await keyed.get("/docs")
    assert (page.status_code, "scripts/dashboard" in page.text, wrong(page)) == (200, True, [])
    assert (await keyed.get("/docs/assets/swagger-ui.css")).status_code == 404
    assert (await keyed.get("/openapi.json")).status_code == 200


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_has_them(tmp_path: Path, role: Role) -> None:
    """G12: also where queue and store are out of reach, and while the process stops."""
    settings = Settings(
        data=tmp_path,
        queue_url="redis://127.0.0.1:1/0",
        store_url="postgresql://nobody@127.0.0.1:1/none",
        store_acquire_timeout=0.1,
    )
    tallystick = Tallystick(settings, role)
    transport = httpx.ASGITransport(tallystick.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for state in ("closed", "open", "stopping"):
            tallystick.closed_store = None if state != "closed" else "the store is not open yet"
            if state == "stopping":
                tallystick.stop()
            for path in ("/", "/healthz", "/readyz", "/metrics", "/docs", "/v1/query", "/v1/dead", "/nothing"):
                answer = await client.get(path)
                assert wrong(answer) == [], (state, path, answer.status_code)
                assert (answer.headers.get("connection") == "close") is (state == "stopping")
            pages = role is not Role.WORK
            for path in WRITES:
                assert wrong(await client.post(path, content=b"{"), for_pages=pages) == [], (state, path)


# --- the same thing twice -------------------------------------------------------------------------------------------


def pairs(*headers: tuple[str, str]) -> Any:
    return [*JSON.items(), *headers]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_header_that_decides_may_come_once(keyed: Side) -> None:
    """G12: of two, a proxy in front may have checked the other one. Refused with both values the same, too."""
    read = [(method, path, EVERY) for method, path in GUARDED]
    for method, route, key in some([*read, *(("POST", path, WRITE) for path in WRITES)]):
        path = route.format(**VALUES)
        for headers in (
            [("X-API-Key", key), ("X-API-Key", "another-0123456789abcdef")],
            [("X-API-Key", "another-0123456789abcdef"), ("X-API-Key", key)],
            [("Authorization", f"Bearer {key}"), ("Authorization", f"Bearer {key}")],
            [("Authorization", f"Bearer {key}"), ("X-API-Key", "another-0123456789abcdef")],
            [("Authorization", "Bearer another-0123456789abcdef"), ("X-API-Key", key)],
        ):
            answer = await keyed.client.request(method, path, content=b"{}", headers=pairs(*headers))
            assert answer.status_code == 400, (method, path, headers)
            assert "twice" in answer.text or "two different keys" in answer.text
            assert key not in answer.text


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.asyncio(loop_scope="module")
async def test_so_may_what_decides_how_a_body_is_read(keyed: Side, path: str) -> None:
    for name in sorted(ONCE - {b"content-length", b"x-api-key", b"authorization"}):
        header = name.decode()
        twice = [("X-API-Key", WRITE), (header, "a"), (header, "b")]
        answer = await keyed.client.post(path, content=b"{}", headers=twice)
        assert (answer.status_code, f"the header {header} twice" in answer.text) == (400, True), header


@pytest.mark.asyncio(loop_scope="module")
async def test_one_key_in_two_places_is_one_key(keyed: Side) -> None:
    """A client that plays safe is answered."""
    both = pairs(("Authorization", f"Bearer {EVERY}"), ("X-API-Key", EVERY))
    assert (await keyed.client.get("/v1/query", headers=both)).status_code == 200
    both = pairs(("Authorization", f"Bearer {WRITE}"), ("X-API-Key", WRITE), ("X-Forwarded-For", "a"), ("Accept", "b"))
    sent = await keyed.client.post("/v1/events", content=b'{"name":"a"}', headers=[*both, ("X-Forwarded-For", "c")])
    assert sent.status_code == 202


def test_what_may_come_once_is_written_down() -> None:
    """docs/use/http-api.md names each of these headers."""
    text = (Path(__file__).parents[3] / "docs/use/http-api.md").read_text().lower()
    assert missing_in(text, (name.decode() for name in ONCE)) == []


def missing_in(text: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if f"`{name}`" not in text]


def test_answers_that_no_route_gives_have_the_headers() -> None:
    """Of a request that is none, a head that is too large, a connection too many."""
    refused = [value for value in vars(refusals).values() if isinstance(value, refusals.Refusal)]
    assert len(refused) > 5
    for refusal in refused:
        head, _, body = refusal.fields().partition(b"\r\n\r\n")
        lines = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")]
        answer = httpx.Response(refusal.status, headers=[(name, value) for name, value in lines], content=body)
        assert wrong(answer, for_pages=True) == [], refusal
