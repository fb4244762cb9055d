"""/docs: Swagger UI out of the installed package: it works without internet access and loads nothing from afar."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, Response
from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]

from runnel.errors import NotFound
from runnel.query.access import Access, Guarded, access
from runnel.query.answers import json_answer

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
"""The files that the page uses; the package's others, such as a page that loads a foreign API, are not served."""

router = APIRouter(include_in_schema=False, route_class=Guarded)


@router.get("/openapi.json")
@access(Access.OPEN)
async def openapi(request: Request) -> Response:
    """The OpenAPI document of every route, those that write included."""
    return json_answer(request.app.openapi())


@router.get("/docs")
@access(Access.OPEN)
async def docs() -> Response:
    """The page that shows /openapi.json."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Runnel's HTTP API",
        swagger_js_url="docs/assets/swagger-ui-bundle.js",
        swagger_css_url="docs/assets/swagger-ui.css",
        swagger_favicon_url="docs/assets/favicon-32x32.png",
        swagger_ui_parameters={"defaultModelsExpandDepth": 0, "displayRequestDuration": True},
    )


@router.get("/docs/assets/{name}")
@access(Access.OPEN)
async def asset(name: str) -> Response:
    """One of the page's files."""
    if name not in ASSETS:
        raise NotFound(f"/docs has no file {name!r}")
    return FileResponse(
        swagger_ui_path / name, media_type=ASSETS[name], headers={"Cache-Control": "public, max-age=86400"}
    )
