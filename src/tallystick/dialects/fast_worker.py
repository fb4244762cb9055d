"""fast-worker: one page view a request, statistics per site.

POST /api/event · GET /api/stats
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tallystick.dialects.pageview import PageViewDialect
from tallystick.dialects.pageview_events import Limits, read_fast_worker
from tallystick.model.event import SITE_ID_MAX

EVENT_TYPE_MAX = 100
PATH_MAX = 1_000
USER_ID_MAX = 255


class FastWorkerEvent(msgspec.Struct, gc=False):
    """The body of POST /api/event. Fields of other names are ignored."""

    site_id: Annotated[str, msgspec.Meta(min_length=1, max_length=SITE_ID_MAX)]
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=EVENT_TYPE_MAX)]
    timestamp: Annotated[str, msgspec.Meta(min_length=1, description="A date that JavaScript reads")]
    path: Annotated[str, msgspec.Meta(max_length=PATH_MAX)] | None = None
    user_id: Annotated[str, msgspec.Meta(max_length=USER_ID_MAX)] | None = None


def error_form(message: str) -> dict[str, Any]:
    return {"success": False, "error": message}


DIALECT = PageViewDialect(
    name="fast-worker",
    event_path="/api/event",
    stats_path="/api/stats",
    body=FastWorkerEvent,
    read=read_fast_worker,
    limits=Limits(SITE_ID_MAX, EVENT_TYPE_MAX, PATH_MAX, USER_ID_MAX),
    queued=(202, {"success": True, "message": "Event received and queued for processing"}),
    error_form=error_form,
    invalid=lambda problems: {**error_form("Validation failed"), "details": problems},
    invalid_description="The invalid fields.",
    invalid_example="site_id is required and must be a string",
    no_site="site_id query parameter is required",
    example_date="all-time",
    counted="page_view",
    all_days="all-time",
    preflight_body=b"{}",
)
