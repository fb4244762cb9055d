"""GET /v1/live: events as server-sent events, as soon as they are stored."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.access.scoped_store import of_site
from tallystick.api.dependencies import GivenParts, GivenReach
from tallystick.api.live_feed import HEARTBEAT_EVERY, Live
from tallystick.api.streaming.responses import Stream
from tallystick.keys import EVERY_SITE
from tallystick.model.event import SITE_ID_MAX
from tallystick.model.query import EventsQuery

router = APIRouter(tags=["queries"], route_class=GuardedRoute)

RETRY_MS = 2_000
"""Milliseconds after which a browser reconnects."""


class LiveParams(BaseModel):
    """The site whose events are streamed, and for how long."""

    model_config = ConfigDict(extra="forbid")

    site_id: str = Field("default", max_length=SITE_ID_MAX, description="`*`: every site.")
    seconds: float | None = Field(
        None, ge=0, le=86_400, description="End the stream after this time; absent: when the server stops."
    )


@router.get(
    "/v1/live",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
@access(Access.SITE)
async def live(
    parts: GivenParts, request: Request, reach: GivenReach, params: Annotated[LiveParams, Query()]
) -> Response:
    """Events as they are stored, in a stream of server-sent events.

    `open` comes first, `event` has a stored event, `left_out` has the number of stored events that are not shown: at
    most TALLYSTICK_LIVE_EVENTS_PER_SECOND are. Only events whose own time lies in the last hour are shown and counted.
    """
    named = {"site_id": None if params.site_id == EVERY_SITE else params.site_id}
    query = of_site(EventsQuery(**(named if "site_id" in params.model_fields_set else {})), reach)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    hub: Live = request.app.state.live
    if request.state.head:
        return Response(headers=headers, media_type="text/event-stream")
    pieces = _pieces(hub, query.site_id, math.inf if params.seconds is None else params.seconds)
    return Stream(parts, pieces, headers, "text/event-stream")


async def _pieces(hub: Live, site_id: str | None, seconds: float) -> AsyncGenerator[bytes, None]:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    async with hub.listening(site_id) as listener:
        site = msgspec.json.encode({"site_id": EVERY_SITE if site_id is None else site_id})
        yield f"retry: {RETRY_MS}\nevent: open\ndata: ".encode() + site + b"\n\n"
        while loop.time() < end:
            piece = await listener.next(min(HEARTBEAT_EVERY, end - loop.time()))
            if not piece:
                return
            yield piece
