"""GET /js/tallystick.js: the headers for browsers and caches, and how small the script is."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from tallystick.app import open_tallystick
from tallystick.config import MIB, Settings
from tallystick.errors import ConfigError
from tallystick.ingest.snippet import BUILT, Script
from tallystick.metrics import Metrics
from tests.servers.process import needs_built

SMALL = 2048
"""Bytes that the script may have as it travels, compressed."""
WRITTEN = b'const endpoint="/v1/events";'


@pytest.fixture
def built(tmp_path: Path) -> Path:
    file = tmp_path / "tallystick.js"
    file.write_bytes(WRITTEN)
    return file


def client_of(script: Script) -> httpx.AsyncClient:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await script(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def ask(script: Script, method: str = "GET", headers: Mapping[str, str] | None = None) -> httpx.Response:
    async with client_of(script) as client:
        return await client.request(method, "/js/tallystick.js", headers=headers)


def test_size() -> None:
    needs_built(BUILT, "snippet")
    assert len(gzip.compress(BUILT.read_bytes(), 9)) <= SMALL


async def test_headers(built: Path) -> None:
    answer = await ask(Script(Settings(), Metrics(), built))
    assert answer.content == WRITTEN
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "public, max-age=3600, stale-while-revalidate=86400"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["vary"] == "Accept-Encoding"
    plain = await ask(Script(Settings(), Metrics(), built), headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert int(plain.headers["content-length"]) == len(plain.content) == len(WRITTEN)


async def test_head(built: Path) -> None:
    answer = await ask(Script(Settings(), Metrics(), built), "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["etag"].startswith('W/"')


@pytest.mark.parametrize(("known", "status"), [("{}", 304), ('"x", {}', 304), ("*", 304), ('W/"0"', 200)])
async def test_etag(built: Path, known: str, status: int) -> None:
    script = Script(Settings(), Metrics(), built)
    etag = (await ask(script)).headers["etag"]
    answer = await ask(script, headers={"If-None-Match": known.format(etag)})
    assert answer.status_code == status
    assert answer.headers["etag"] == etag
    assert (answer.content == b"") == (status == 304)


async def test_endpoint(built: Path) -> None:
    answer = await ask(Script(Settings(snippet_endpoint="/lib/in"), Metrics(), built))
    assert answer.content == b'const endpoint="/lib/in";'
    other = await ask(Script(Settings(), Metrics(), built))
    assert other.headers["etag"] != answer.headers["etag"]


async def test_not_built(tmp_path: Path) -> None:
    answer = await ask(Script(Settings(), Metrics(), tmp_path / "tallystick.js"))
    assert answer.status_code == 404
    assert "scripts/snippet" in answer.json()["error"]["message"]


def test_a_foreign_script(built: Path) -> None:
    built.write_bytes(b"something else")
    with pytest.raises(ConfigError, match="build it again"):
        Script(Settings(), Metrics(), built)


def settings_in(folder: Path, **names: Any) -> Settings:
    given: dict[str, Any] = {"snippet_path": "/lib/p.js", "snippet_endpoint": "/lib/in", **names}
    return Settings(data=folder, disk_reserve_bytes=0, batch_max_age=0.0, store_memory=128 * MIB, **given)


async def test_names(tmp_path: Path) -> None:
    """The endpoint is POST /v1/events by another name, which goes on too."""
    async with open_tallystick(settings_in(tmp_path)) as tallystick:
        transport = httpx.ASGITransport(tallystick.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            for path in ("/lib/in", "/v1/events"):
                body = json.dumps({"name": "a"})
                answer = await client.post(path, content=body, headers={"Content-Type": "text/plain;charset=UTF-8"})
                assert answer.status_code == 202
                assert answer.headers["access-control-allow-origin"] == "*"
            assert (await client.options("/lib/in")).status_code == 204
            assert (await client.get("/js/tallystick.js")).status_code == 404
            assert (await client.get("/lib/p.js")).status_code == (200 if BUILT.is_file() else 404)
            await tallystick.drained()
            rows = (await client.get("/v1/events")).json()["rows"]
    assert len(rows) == 2


@pytest.mark.parametrize(
    "names",
    [
        {"snippet_path": "/lib/in"},
        {"snippet_path": "/v1/events"},
        {"snippet_path": "/event"},
        {"snippet_endpoint": "/v1/events/bulk"},
    ],
)
async def test_names_that_are_taken(tmp_path: Path, names: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=f"TALLYSTICK_{next(iter(names)).upper()}: .* is taken"):
        async with open_tallystick(settings_in(tmp_path, **names)) as tallystick:
            assert callable(tallystick.asgi)


@pytest.mark.parametrize("name", ["", "js/tallystick.js", "/a?b", "/a#b", "/a b", "/a%20b", "/", "/js/"])
def test_names_that_are_no_paths(name: str) -> None:
    with pytest.raises(ValidationError):
        Settings(snippet_path=name)
