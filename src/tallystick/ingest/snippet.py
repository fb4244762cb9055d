"""The browser snippet: its script, which `scripts/snippet` builds, and the alias of POST /v1/events that it uses."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from tallystick.config import Settings
from tallystick.errors import ConfigError, NotFound
from tallystick.http_headers import WRITE
from tallystick.ingest.app import CORS_HEADERS, ROUTE, NativeEvents, preflight, reply_error, request_id_of
from tallystick.ingest.body import header
from tallystick.metrics import Metrics
from tallystick.not_built import why_not_built

BUILT = Path(__file__).parent / "built" / "tallystick.js"
CACHE_CONTROL = b"public, max-age=3600, stale-while-revalidate=86400"
"""Browsers reuse the script for an hour without a request, and after at most a day they have a changed script."""


def snippet_routes(
    settings: Settings, native: NativeEvents, metrics: Metrics, taken: Mapping[tuple[str, str], ASGIApp]
) -> dict[tuple[str, str], ASGIApp]:
    """`(method, path)` → ASGI callable, for the script and its endpoint under the names in the settings.

    Args:
        taken: the other write routes.

    Raises:
        ConfigError: another route has one of the names.
    """
    routes: dict[tuple[str, str], ASGIApp] = {}
    if settings.snippet_endpoint != ROUTE:
        routes["POST", settings.snippet_endpoint] = native
        routes["OPTIONS", settings.snippet_endpoint] = preflight
    names = {path for _, path in taken} | {path for _, path in routes}
    others = {path for _, path in taken}
    for variable, name, not_these in (
        ("TALLYSTICK_SNIPPET_ENDPOINT", settings.snippet_endpoint, others - {ROUTE}),
        ("TALLYSTICK_SNIPPET_PATH", settings.snippet_path, names),
    ):
        if name in not_these:
            raise ConfigError(f"{variable}: {name} is taken by another part of the API")
    script = Script(settings, metrics)
    return {**routes, ("GET", settings.snippet_path): script, ("HEAD", settings.snippet_path): script}


class Script:
    """The ASGI application of the script."""

    def __init__(self, settings: Settings, metrics: Metrics, built: Path = BUILT) -> None:
        """
        Args:
            built: the script's file; without it every answer is 404 with the reason.
        """
        self._route = settings.snippet_path
        self._metrics = metrics
        self._plain = _for_endpoint(built.read_bytes(), settings.snippet_endpoint) if built.is_file() else b""
        self._missing = "the browser snippet is not part of this installation: scripts/snippet builds it"
        if why := why_not_built(built.parent):
            self._missing += f"; {' '.join(why)}"
        self._packed = gzip.compress(self._plain, 9, mtime=0)
        self._etag = b'W/"%s"' % sha256(self._plain).hexdigest()[:16].encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(scope)
        if not self._plain:
            self._count(404)
            await reply_error(send, NotFound(self._missing), request_id, CORS_HEADERS)
            return
        known = header(scope, b"if-none-match")
        status = 304 if known == b"*" or self._etag in map(bytes.strip, known.split(b",")) else 200
        self._count(status)
        packed = b"gzip" in header(scope, b"accept-encoding")
        body = b"" if status == 304 else self._packed if packed else self._plain
        headers = [
            *WRITE,
            *CORS_HEADERS,
            (b"cache-control", CACHE_CONTROL),
            (b"etag", self._etag),
            (b"vary", b"Accept-Encoding"),
            (b"x-request-id", request_id.encode("ascii")),
        ]
        if status == 200:
            headers += [(b"content-type", b"text/javascript; charset=utf-8"), (b"content-length", b"%d" % len(body))]
            headers += [(b"content-encoding", b"gzip")] if packed else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _count(self, status: int) -> None:
        self._metrics.http_requests.labels(self._route, str(status)).inc()


def _for_endpoint(script: bytes, endpoint: str) -> bytes:
    """The script with the endpoint's name filled in. Raises ConfigError if the script is not of this version."""
    written = msgspec.json.encode(ROUTE)
    if script.count(written) != 1:
        raise ConfigError(f"the browser snippet does not name {ROUTE} once: build it again with scripts/snippet")
    return script.replace(written, msgspec.json.encode(endpoint))
