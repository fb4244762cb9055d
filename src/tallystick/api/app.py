"""The read side of the HTTP API: questions, exports, receipts, dead letters, health, metrics, its own documentation.

Write routes do not go through here; whoever serves them adds their description with `extra_openapi`. There are no CORS
headers on these routes: a foreign web page can neither read an answer nor call what changes something, because that
takes a JSON body, for which a browser asks permission first. Which keys a route asks for is declared beside it.
"""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI

from tallystick.api.access import Gate
from tallystick.api.live_feed import Live
from tallystick.api.openapi import extra_openapi, install_openapi
from tallystick.api.parts import Parts
from tallystick.api.request_scope import RequestScope
from tallystick.api.responses import install_errors
from tallystick.api.routes import admin as routes_admin
from tallystick.api.routes import analyses as routes_analyses
from tallystick.api.routes import boards as routes_boards
from tallystick.api.routes import dashboard, export, health
from tallystick.api.routes import docs as docs_ui
from tallystick.api.routes import live as routes_live
from tallystick.api.routes import query as routes_query
from tallystick.api.routes import reports as routes_reports
from tallystick.api.routes import shared as routes_shared
from tallystick.api.routes import sql as routes_sql
from tallystick.api.share_access import ShareGate

__all__ = ["Parts", "extra_openapi", "make_query_app"]

DESCRIPTION = "Events in over HTTP, exact answers out. Explained, with examples, in docs/use/http-api.md."


def make_query_app(parts: Parts) -> FastAPI:
    """The ASGI app of every route that reads, and of those that administer."""
    app = FastAPI(
        title="Tallystick",
        version=version("tallystick"),
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would lead to whatever host the request names
    )
    app.state.parts = parts
    app.state.live = Live(parts.store, parts.settings, parts.ready)
    app.state.gate = Gate(parts.settings, parts.metrics)
    app.state.share_gate = ShareGate(parts.store, parts.metrics)
    install_errors(app)
    install_openapi(app)
    for routes in (
        routes_query,
        routes_analyses,
        routes_reports,
        routes_boards,
        routes_shared,
        routes_sql,
        routes_live,
        export,
        routes_admin,
        health,
        docs_ui,
        dashboard,
    ):
        # include_router would make every route a second time, at each app's first request: a tenth of a second.
        app.router.routes.extend(routes.router.routes)
    app.add_middleware(RequestScope, metrics=parts.metrics, settings=parts.settings)
    return app
