"""Access (G12) to every read route of a whole Tallystick, with and without keys. See also test_keys_sites.py."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog

from tallystick import logs
from tallystick.api.access.gate import Access, access_of, endpoints
from tallystick.app import build_app
from tallystick.config import Settings
from tallystick.dialects import ALL
from tests.helpers.http.keyed import (
    BODIES,
    BY_ACCESS,
    DECIDED,
    EVERY,
    GUARDED,
    KEYS,
    QUERIES,
    SHOP,
    WRITE,
    WRONG,
    Side,
    opened,
    send_from_three_sites,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Side]:
    async with opened(tmp_path_factory.mktemp("keyed"), **KEYS) as side:
        await send_from_three_sites(side)
        yield side


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyless(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Side]:
    async with opened(tmp_path_factory.mktemp("keyless")) as side:
        yield side


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """Where logs go during the test."""
    out = io.StringIO()
    logs.configure(Settings(log_format="json", log_level="debug"), out)
    yield out
    structlog.reset_defaults()


# --- every route ----------------------------------------------------------------------------------------------------


def test_every_route_is_decided_about(tmp_path: Path) -> None:
    """G12: a new route fails here until its access is declared."""
    served = [
        (method, path, endpoint)
        for method, path, endpoint in endpoints(build_app(Settings(data=tmp_path)))
        if method != "HEAD"
    ]
    assert {(method, path) for method, path, _ in served} == DECIDED.keys()
    for method, path, endpoint in served:
        assert access_of(endpoint) is DECIDED[method, path]
        assert hasattr(endpoint, "access"), path


def test_a_route_that_says_nothing_needs_a_key_for_every_site() -> None:
    assert access_of(lambda: None) is Access.EVERY


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.asyncio(loop_scope="module")
async def test_guarded_routes_let_in_who_has_a_key(keyed: Side, method: str, path: str, log_lines: io.StringIO) -> None:
    """G12: no or an unknown key 401, a write key 403, a read key is let in; none of them is ever shown or logged."""
    bare = await keyed.ask(method, path)
    assert (bare.status_code, bare.headers["www-authenticate"]) == (401, 'Bearer realm="Tallystick"')
    for how in ({"key": WRONG}, {"x_api_key": WRONG}, {"authorization": f"Basic {EVERY}"}, {"authorization": EVERY}):
        refused = await keyed.ask(method, path, **how)
        assert refused.status_code == 401
        assert refused.headers["x-request-id"]
        assert WRONG not in refused.text
    for how in ({"key": WRITE}, {"x_api_key": WRITE}):
        assert (await keyed.ask(method, path, **how)).status_code == 403
    for how in ({"key": EVERY}, {"x_api_key": EVERY}):
        assert (await keyed.ask(method, path, **how)).status_code in (200, 201, 404)
    if method == "GET":
        assert (await keyed.ask("HEAD", path)).status_code == 401
    assert not any(key in log_lines.getvalue() for key in (EVERY, WRITE, WRONG))


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_in_the_url_is_none(keyed: Side, method: str, path: str) -> None:
    """G12: URLs end up in logs and histories."""
    for name in ("key", "api_key", "token", "x-api-key"):
        asked = "&".join(filter(None, (QUERIES.get(path), f"{name}={EVERY}")))
        assert (await keyed.ask(method, path, query=asked)).status_code == 401


@pytest.mark.parametrize(("method", "path"), BY_ACCESS[Access.OPEN])
@pytest.mark.asyncio(loop_scope="module")
async def test_open_routes_need_no_key(keyed: Side, method: str, path: str) -> None:
    """G12: they tell nothing about events, under whatever name they are asked. A file may not be built."""
    fine = (200, 404) if path.startswith(("/ui/", "/docs/assets/")) else (200,)
    assert (await keyed.ask(method, path)).status_code in fine
    assert (await keyed.ask(method, path, WRONG, host="evil.example")).status_code in fine


@pytest.mark.parametrize(("method", "path"), BY_ACCESS[Access.EVERY])
@pytest.mark.asyncio(loop_scope="module")
async def test_what_spans_all_sites_needs_a_key_for_all(keyed: Side, method: str, path: str) -> None:
    """G12: the refusal says so."""
    refused = await keyed.ask(method, path, SHOP)
    assert refused.status_code == 403
    assert "needs a read key for every site (*)" in refused.text


@pytest.mark.asyncio(loop_scope="module")
async def test_without_a_good_key_no_body_is_read(keyed: Side) -> None:
    """G12: who has no key costs nothing."""
    for path in BODIES:
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "http_version": "1.1",
            "scheme": "http",
            "headers": [(b"content-type", b"application/json")],
        }
        sent: list[Any] = []

        async def receive() -> Any:
            raise AssertionError("the body is read")

        async def send(message: Any, to: list[Any] = sent) -> None:
            to.append(message)

        await keyed.tallystick.asgi(scope, receive, send)
        assert sent[0]["status"] == 401


@pytest.mark.asyncio(loop_scope="module")
async def test_errors_keep_the_dialects_form(keyed: Side) -> None:
    assert (await keyed.ask("GET", "/v1/query")).json()["error"]["code"] == "unauthorized"
    assert (await keyed.ask("GET", "/analytics/stats")).json().keys() == {"detail"}
    assert (await keyed.ask("GET", "/v1/analytics/event-types")).json().keys() == {"detail"}
    assert (await keyed.ask("GET", "/api/stats")).json().keys() == {"success", "error"}
    assert (await keyed.ask("GET", "/stats")).json().keys() == {"error"}


@pytest.mark.asyncio(loop_scope="module")
async def test_methods_and_unknown_paths_are_answered_as_ever(keyed: Side) -> None:
    assert (await keyed.client.delete("/v1/query")).status_code == 405
    assert (await keyed.client.options("/v1/dead/drop")).headers["allow"] == "OPTIONS, POST"
    assert (await keyed.get("/v2/query")).status_code == 404


async def test_refusals_are_counted(tmp_path: Path) -> None:
    async with opened(tmp_path, **KEYS) as side:
        for key in ("", WRONG, WRITE):
            await side.ask("GET", "/v1/query", key)
        text = (await side.get("/metrics", EVERY)).text
    assert 'tallystick_access_refused_total{code="unauthorized",side="read"} 2.0' in text
    assert 'tallystick_access_refused_total{code="forbidden",side="read"} 1.0' in text
    assert 'tallystick_http_requests_total{route="/v1/query",status="401"} 2.0' in text


# --- without keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), [*GUARDED, ("GET", "/metrics")])
@pytest.mark.asyncio(loop_scope="module")
async def test_without_keys_no_name_of_a_web_page_is_answered(keyless: Side, method: str, path: str) -> None:
    """G12: a page whose name leads to 127.0.0.1 would read a developer's data through the browser (DNS rebinding)."""
    for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example:8000"):
        refused = await keyless.ask(method, path, host=host)
        assert refused.status_code == 421
        assert "TALLYSTICK_READ_KEYS" in refused.text
    for host in ("localhost", "127.0.0.1:8000", "[::1]:8000"):
        assert (await keyless.ask(method, path, WRONG, host=host)).status_code in (200, 201, 404)


@pytest.mark.asyncio(loop_scope="module")
async def test_with_keys_any_name_is_answered(keyed: Side) -> None:
    """G12: the page would have to know a key."""
    assert (await keyed.ask("GET", "/v1/query", SHOP, host="stats.example.org")).status_code == 200
    assert (await keyed.ask("GET", "/v1/query", host="localhost")).status_code == 401


async def test_without_read_keys_nobody_asks_from_afar(tmp_path: Path) -> None:
    """G12: whatever let such a process start, such as `tallystick ingest` with write keys alone."""
    async with opened(tmp_path, write_keys=KEYS["write_keys"], host="0.0.0.0") as side:
        for (method, path), key, host in product(GUARDED, ("", EVERY, WRITE), ("localhost", "evil.example")):
            assert (await side.ask(method, path, key, host=host)).status_code == 403, (method, path, key, host)


# --- /metrics -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "settings", "statuses"),
    [
        ("127.0.0.1", {}, {"": 200, SHOP: 200}),
        ("127.0.0.1", KEYS, {"": 200, SHOP: 200, WRITE: 200}),
        ("0.0.0.0", KEYS, {"": 401, WRONG: 401, SHOP: 403, WRITE: 403, EVERY: 200}),
        ("0.0.0.0", {**KEYS, "metrics_public": True}, {"": 200, WRONG: 200}),
        ("0.0.0.0", {"metrics_public": True}, {"": 200}),
        ("0.0.0.0", {}, {"": 403, EVERY: 403}),
    ],
)
async def test_who_may_scrape(tmp_path: Path, host: str, settings: dict[str, Any], statuses: dict[str, int]) -> None:
    """G12: on loopback everybody; from afar who has a key for every site, unless the operator opens it."""
    async with opened(tmp_path, host=host, **settings) as side:
        for key, status in statuses.items():
            assert (await side.get("/metrics", key)).status_code == status, key


@pytest.mark.asyncio(loop_scope="module")
async def test_a_proxy_on_the_same_machine_does_not_publish_metrics(keyed: Side) -> None:
    """G12: what it passes on under its public name needs a key."""
    assert (await keyed.get("/metrics", host="stats.example.org")).status_code == 401
    assert (await keyed.get("/metrics", EVERY, host="stats.example.org")).status_code == 200


# --- other origins --------------------------------------------------------------------------------------------------


DIALECTS = {path for dialect in ALL for path in dialect.SPELLINGS.paths}


@pytest.mark.parametrize(("method", "path"), [route for route in DECIDED if route[1] not in DIALECTS])
@pytest.mark.asyncio(loop_scope="module")
async def test_no_other_origin_may_read(keyed: Side, method: str, path: str) -> None:
    """G12: read routes have no CORS headers, with a key or without (other systems' have, see below)."""
    for key in ("", EVERY):
        answer = await keyed.ask(method, path, key, origin="http://localhost:3000")
        assert [name for name in answer.headers if name.startswith("access-control")] == []


@pytest.mark.parametrize("path", ["/analytics/stats", "/api/analytics/events"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_dialects_answers_are_for_pages_that_know_a_key(keyed: Side, keyless: Side, path: str) -> None:
    """G12: its API is open to every origin. Without keys that is for pages of the same machine only."""
    for origin, shared in (
        ("https://evil.example", None),
        ("null", None),
        ("http://localhost.evil.example", None),
        ("http://localhost:3000", "*"),
        ("http://127.0.0.1:5173", "*"),
    ):
        answer = await keyless.get(path, origin=origin)
        assert answer.headers.get("access-control-allow-origin") == shared, origin
    assert (await keyed.get(path, origin="https://app.example")).status_code == 401
    allowed = await keyed.get(path, origin="https://app.example", smolhog_api_key=EVERY)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "*")
    assert (await keyed.get("/v1/query", smolhog_api_key=EVERY)).status_code == 401


# --- the document ---------------------------------------------------------------------------------------------------


SCHEMES: dict[Access, list[dict[str, list[str]]] | None] = {
    Access.OPEN: None,
    Access.CALLER: None,
    Access.SHARE: [{"ShareToken": []}],
    Access.ACCOUNT: [{"Login": []}],
    Access.OWNER: [{"AdminKey": []}, {"Login": []}],
    Access.ADMIN: [{"AdminKey": []}, {"Login": []}],
}


@pytest.mark.parametrize("settings", [{}, KEYS])
def test_the_document_says_which_key_a_route_takes(tmp_path: Path, settings: dict[str, Any]) -> None:
    document = build_app(Settings(data=tmp_path, **settings)).openapi()
    assert document["components"]["securitySchemes"].keys() == {
        "ReadKey",
        "WriteKey",
        "ShareToken",
        "AdminKey",
        "Login",
    }
    for path, item in document["paths"].items():
        for method, operation in item.items():
            decided = DECIDED.get((method.upper(), path))
            if decided is not None and decided in SCHEMES:
                assert operation.get("security") == SCHEMES[decided], path
                continue
            scheme = "ReadKey" if decided else "WriteKey"
            needed: list[dict[str, list[str]]] = [{scheme: []}] if settings else [{scheme: []}, {}]
            assert operation["security"] == needed, path
