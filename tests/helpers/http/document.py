"""The OpenAPI document of the whole app. It takes half a second of computing: a process makes it once, and no process
that only collects tests makes it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route

from tallystick.app import build_app
from tallystick.config import Settings


@cache
def document() -> dict[str, Any]:
    """The document of an app that answers statements too; no test changes it."""
    return _app().openapi()


@cache
def labels() -> list[str]:
    """`METHOD path` of what the document has to describe, from the app's routes and the paths beside them."""
    app = _app()
    routes = [route for route in app.routes if isinstance(route, Route) and route.include_in_schema]
    found = [
        f"{method} {route.path_format}" for route in routes for method in (route.methods or ()) if method != "HEAD"
    ]
    beside = [paths for paths, _ in app.state.extra_openapi]
    found += [f"{method.upper()} {path}" for paths in beside for path, item in paths.items() for method in item]
    return sorted(set(found))


@cache
def _app() -> FastAPI:
    return build_app(Settings(queue_url="memory://", allow_weak_durability=True, sql=True))
