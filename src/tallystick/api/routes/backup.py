"""GET /v1/backup: queue and store of one moment, as one archive."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tallystick.access.model import Permission
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.dependencies import GivenAudit, GivenParts, Parts
from tallystick.api.routes.health import versions
from tallystick.api.streaming.responses import Stream
from tallystick.backup.make import making

router = APIRouter(tags=["operations"], route_class=GuardedRoute)
MEDIA_TYPE = "application/x-tar"
HEADERS = {"Content-Disposition": 'attachment; filename="tallystick.tar"'}


@router.get(
    "/v1/backup",
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
)
@access(Access.EVERY, Permission.OPERATE)
async def backup(parts: GivenParts, audit: GivenAudit, request: Request) -> Response:
    """A backup of the embedded queue and store: a tar file that `tallystick restore` reads. One at a time.

    Events are accepted and stored meanwhile. `Content-Length` is exact; an answer that is shorter is no backup.
    """
    if request.state.head:
        return Response(headers=HEADERS, media_type=MEDIA_TYPE)
    await audit.note("backup.make", "")
    return _Archive(parts)


class _Archive(Response):
    """The archive. The moment is held from the beginning of the answer to its end."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts = self._parts
        with parts.exports.hold():
            make_access = parts.accounts.directory.make_store if parts.accounts else None
            async with making(parts.store, parts.queue, parts.settings, versions(), make_access) as made:
                headers = {**HEADERS, "Content-Length": str(made.size)}
                await Stream(parts, made.pieces, headers, MEDIA_TYPE)(scope, receive, send)
