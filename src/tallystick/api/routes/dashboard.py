"""The dashboard: files that `scripts/dashboard` builds into the package. Its pages use the same API as other clients.

The first page is at `/`; the other pages and all files are below `/ui/`, where no dialect has a route. `/` is the
dashboard only for requests that accept HTML. For other clients it may be a route of a dialect.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.errors import NotFound
from tallystick.not_built import why_as_html

BUILT = Path(__file__).parents[2] / "dashboard"
"""Where the build goes: part of the wheel, not of the repository."""

PAGES = (
    "explore",
    "funnels",
    "retention",
    "paths",
    "sql",
    "boards",
    "events",
    "users",
    "live",
    "install",
    "pipeline",
    "shared",
    "login",
    "join",
    "settings",
)
"""Pages below /ui/, as dashboard/src/app/pages.tsx has them."""

SAFE = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
}
"""What the pages may load; the headers that every answer has are in tallystick.http_headers."""
NAME_MAX = 100
"""Most characters of a requested file name. Longer ones are refused here: the file system would raise an error."""
FOR_EVER = "public, max-age=31536000, immutable"
"""For files whose names change with their content."""

NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tallystick</title>
<meta name="viewport" content="width=device-width"></head>
<body><h1>Tallystick is running</h1>
<p>The HTTP API works: see <a href="/docs">/docs</a>. The dashboard is not built.</p>
{why}<p>With Node.js 20 or newer, run <code>scripts/dashboard</code> in the source folder, then reload this page.</p>
</body></html>
"""

TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain",
}

router = APIRouter(include_in_schema=False, route_class=GuardedRoute)


class ForBrowsers(GuardedRoute):
    """A route that matches only requests whose Accept header names text/html, as those of browsers do."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if "text/html" not in Headers(scope=scope).get("accept", ""):
            return Match.NONE, {}
        return super().matches(scope)


@access(Access.OPEN)
async def page() -> Response:
    """Every page is the same file; its script reads from the address what to show."""
    headers = {**SAFE, "Cache-Control": "no-cache", "Vary": "Accept"}
    index = BUILT / "index.html"
    if not index.is_file():
        return HTMLResponse(NOT_BUILT.replace("{why}", why_as_html(BUILT)), headers=headers)
    return FileResponse(index, media_type="text/html", headers=headers)


@access(Access.OPEN)
async def asset(request: Request, name: str) -> Response:
    """A file whose name changes with its content."""
    return _file(request, BUILT / "assets", name, FOR_EVER)


@access(Access.OPEN)
async def file(request: Request, name: str) -> Response:
    """A file of the build outside `assets/`, such as the icon."""
    return _file(request, BUILT, name, "no-cache")


def _file(request: Request, folder: Path, name: str, caching: str) -> Response:
    """A file, in its gzip form when there is one and the browser accepts it. Raises NotFound."""
    found = folder / name
    kind = TYPES.get(found.suffix)
    if kind is None or len(name) > NAME_MAX or found.parent != folder or not found.is_file():
        raise NotFound(f"the dashboard has no file {name!r}")
    headers = {**SAFE, "Cache-Control": caching}
    packed = found.with_name(found.name + ".gz")
    if packed.is_file():
        headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            return FileResponse(packed, media_type=kind, headers={**headers, "Content-Encoding": "gzip"})
    return FileResponse(found, media_type=kind, headers=headers)


router.add_api_route("/", page, name="dashboard", route_class_override=ForBrowsers)
for _page in PAGES:
    router.add_api_route(f"/ui/{_page}", page, name=f"dashboard_{_page}")
router.add_api_route("/ui/assets/{name}", asset, name="dashboard_asset")
router.add_api_route("/ui/{name}", file, name="dashboard_file")
