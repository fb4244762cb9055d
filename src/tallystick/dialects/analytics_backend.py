"""analytics-backend: one page view a request, statistics per site.

POST /event · GET /stats
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tallystick.dialects.pageview import PageViewDialect
from tallystick.dialects.pageview_events import Limits, read_analytics_backend
from tallystick.model.event import NAME_MAX, PATH_MAX, SITE_ID_MAX, USER_ID_MAX


class AnalyticsBackendEvent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The body of POST /event. Fields of other names are refused."""

    site_id: Annotated[str, msgspec.Meta(min_length=1, max_length=SITE_ID_MAX)]
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_MAX)]
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=PATH_MAX)]
    timestamp: Annotated[str, msgspec.Meta(min_length=1, description="ISO 8601; without an offset: UTC")]
    user_id: Annotated[str, msgspec.Meta(max_length=USER_ID_MAX)] | None = None


def error_form(message: str) -> dict[str, Any]:
    return {"error": message}


DIALECT = PageViewDialect(
    name="analytics-backend",
    event_path="/event",
    stats_path="/stats",
    body=AnalyticsBackendEvent,
    read=read_analytics_backend,
    limits=Limits(SITE_ID_MAX, NAME_MAX, PATH_MAX, USER_ID_MAX),
    queued=(200, {"status": "ok"}),
    error_form=error_form,
    invalid=lambda problems: error_form(problems[0]),
    invalid_description="What is wrong first.",
    invalid_example='"site_id" is required',
    no_site="site_id required",
    example_date="2025-11-12",
    any_case=True,
)
