"""The read side of the HTTP API: queries, exports, receipts, dead letters, health, metrics, documentation.

Write routes are not served here; `extra_openapi` adds them to the document. These routes send no CORS headers, so a
foreign web page cannot read an answer. Nor can it change anything: that takes a JSON body, for which a browser sends a
preflight request first. Each route declares beside its path which key it asks for.
"""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI

from tallystick.api.access.gate import Gate
from tallystick.api.access.share_gate import ShareGate
from tallystick.api.dependencies import Parts
from tallystick.api.live_feed import Live
from tallystick.api.openapi import extra_openapi, install_openapi
from tallystick.api.request_scope import RequestScope
from tallystick.api.responses import install_errors
from tallystick.api.routes import (
    analyses,
    backup,
    boards,
    dashboard,
    dead_letters,
    docs,
    erasure,
    export,
    health,
    identity,
    imports,
    live,
    query,
    receipts,
    reports,
    retention,
    rollups,
    shared,
    sql,
)
from tallystick.api.routes.access import keys, people, sessions, sign_on

__all__ = ["Parts", "extra_openapi", "make_query_app"]

ROUTES = (
    query,
    analyses,
    reports,
    boards,
    shared,
    sql,
    live,
    export,
    receipts,
    dead_letters,
    imports,
    rollups,
    identity,
    erasure,
    retention,
    backup,
    health,
    sessions,
    sign_on,
    keys,
    people,
    docs,
    dashboard,
)
"""The modules of routes, in the order in which they are tried and documented."""
DESCRIPTION = "Events in over HTTP, exact answers out. Explained, with examples, in docs/use/http-api.md."


def make_query_app(parts: Parts) -> FastAPI:
    """The ASGI app of all read and administration routes."""
    app = FastAPI(
        title="Tallystick",
        version=version("tallystick"),
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would use the host that the request names
    )
    app.state.parts = parts
    app.state.live = Live(parts.store, parts.settings, parts.ready)
    app.state.gate = Gate(parts.settings, parts.metrics, parts.accounts)
    app.state.share_gate = ShareGate(parts.store, parts.metrics)
    install_errors(app)
    install_openapi(app)
    for room in ROUTES:
        # Not include_router: it builds every route a second time at the first request, which takes 0.1 s.
        app.router.routes.extend(room.router.routes)
    app.add_middleware(RequestScope, metrics=parts.metrics, settings=parts.settings)
    return app
