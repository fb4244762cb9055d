"""/docs: Swagger UI, which `scripts/dashboard` puts into the package. The page loads nothing from other servers."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, HTMLResponse, Response

from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.responses import json_answer
from tallystick.api.routes.dashboard import BUILT
from tallystick.errors import NotFound
from tallystick.not_built import why_as_html

FILES = BUILT / "swagger"
"""Where the build puts Swagger UI's files."""

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
"""The files of Swagger UI that the page uses, with their media types."""

OWN = {"start.js": "text/javascript", "page.css": "text/css"}
"""Files of our own, in `docs_page/`: the page's Content-Security-Policy forbids inline scripts and styles."""

SAFE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
"""`img-src` allows `data:` because Swagger UI's style sheet holds its icons that way."""

PARTS = Path(__file__).parent / "docs_page"

router = APIRouter(include_in_schema=False, route_class=GuardedRoute)


@router.get("/openapi.json")
@access(Access.OPEN)
async def openapi(request: Request) -> Response:
    """The OpenAPI document of every route, including the write routes."""
    return json_answer(request.app.openapi())


@router.get("/docs")
@access(Access.OPEN)
async def docs() -> Response:
    """The page that shows /openapi.json; a page with the reason and a hint when Swagger UI is not built."""
    whole = all((FILES / name).is_file() for name in ASSETS)
    page = (PARTS / ("page.html" if whole else "not_built.html")).read_text("utf-8")
    if not whole:
        page = page.replace("{why}", why_as_html(FILES.parent))
    return HTMLResponse(page, headers={**SAFE, "Cache-Control": "no-cache"})


@router.get("/docs/assets/{name}")
@access(Access.OPEN)
async def asset(name: str) -> Response:
    """One of the page's files."""
    folder, kind = (PARTS, OWN[name]) if name in OWN else (FILES, ASSETS.get(name))
    if kind is None or not (folder / name).is_file():
        raise NotFound(f"/docs has no file {name!r}")
    caching = "no-cache" if name in OWN else "public, max-age=86400"
    return FileResponse(folder / name, media_type=kind, headers={**SAFE, "Cache-Control": caching})
