"""analytics-backend: one page view a request, statistics per site.

POST /event · GET /stats
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tallystick.dialects.pageview import PageViewDialect, TextField
from tallystick.model.event import NAME_MAX, PATH_MAX, SITE_ID_MAX, USER_ID_MAX


class AnalyticsBackendEvent(msgspec.Struct, gc=False):
    """The body of POST /event. Fields of other names are ignored."""

    site_id: Annotated[str, msgspec.Meta(min_length=1, max_length=SITE_ID_MAX)]
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_MAX)]
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=PATH_MAX)]
    timestamp: Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="ISO 8601; without an offset: UTC")]
    user_id: Annotated[str, msgspec.Meta(max_length=USER_ID_MAX)] | None = None


def error_form(message: str) -> dict[str, Any]:
    return {"error": message}


DIALECT = PageViewDialect(
    name="analytics-backend",
    event_path="/event",
    stats_path="/stats",
    body=AnalyticsBackendEvent,
    fields=(
        TextField("site_id", SITE_ID_MAX, required=True),
        TextField("event_type", NAME_MAX, required=True),
        TextField("path", PATH_MAX, required=True),
        TextField("timestamp", 64, required=True),
        TextField("user_id", USER_ID_MAX),
    ),
    queued=(200, {"status": "ok"}),
    error_form=error_form,
    invalid=lambda problems: error_form("; ".join(problems)),
    invalid_description="What is wrong.",
    no_site="site_id is required",
    example_date="2025-11-12",
)
