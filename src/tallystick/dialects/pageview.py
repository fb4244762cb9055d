"""Dialects with one page view a request and statistics per site: fast-worker and analytics-backend.

`PageViewDialect` is such a dialect; each module of the two says how its own differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
from starlette.routing import BaseRoute
from starlette.types import Scope

from tallystick.api.access.gate import Access
from tallystick.api.access.scoped_store import ScopedStore
from tallystick.dialects.base import (
    Answer,
    Asks,
    ErrorForm,
    Refused,
    Speaks,
    Spellings,
    Takes,
    WriteRoute,
    WriteRoutes,
    beside_post,
    check_site,
    derive_ids,
    openapi_answer,
    openapi_body,
    openapi_query,
    openapi_schemas,
    preflight,
    read_route,
)
from tallystick.dialects.js_date import js_date
from tallystick.dialects.pageview_events import Limits, Problems
from tallystick.ingest.decode import encode_decoded
from tallystick.ingest.normalise import Draft, Rejected, normalise
from tallystick.ingest.text import clean_text
from tallystick.keys import EVERY_SITE
from tallystick.model.event import SITE_ID_MAX
from tallystick.model.query import AllOf, Condition, Metric, MetricsQuery

TOP_PATHS = 10
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def day_of(text: str) -> date:
    """The UTC day of a date that JavaScript reads: `2025-11-12`, also with a time, `11/12/2025`, …

    Of an ISO date with a time and an offset it is the day that is written there.

    Raises:
        ValueError: it is none; the message is for the client.
    """
    moment = js_date(text)
    try:
        if moment is not None:
            return date.fromisoformat(text[:10]) if _ISO_DAY.match(text) else moment.date()
    except ValueError:  # such as 2025-11-31, which JavaScript reads as the day after
        pass
    raise ValueError("Invalid date format. Use YYYY-MM-DD")


def day_range(first: date, last: date) -> tuple[datetime, datetime]:
    """The UTC days from `first` to `last`, both included, as `[since, until)`.

    Days before year 1 or after year 9999 do not exist: the end of the last possible day is its last microsecond.
    """
    since = datetime.combine(first, time.min, UTC)
    if last == date.max:
        return since, datetime.max.replace(tzinfo=UTC)
    return since, datetime.combine(last + timedelta(days=1), time.min, UTC)


def known_site(site_id: str) -> str:
    """A site id as events have it.

    Raises:
        ValueError: longer than any event's, or `*`; the message is for the client.
    """
    if len(site_id) > SITE_ID_MAX:
        raise ValueError(f"site_id must not be longer than {SITE_ID_MAX} characters")
    if site_id == EVERY_SITE:
        raise ValueError("site_id must be the id of one site")
    return clean_text(site_id)


async def site_stats(
    store: ScopedStore, site_id: str, day: str | None, counted: str | None, all_days: str | None
) -> dict[str, Any]:
    """A site's events, its users and most viewed paths: ever, or on a UTC day.

    Args:
        counted: the name of the events that count; None: all do.
        all_days: `date` of the answer without a day.

    Raises:
        ValueError: `site_id` or `day` is wrong; the message is for the client.
        TallystickError: the store has no answer.
    """
    site = known_site(site_id)
    chosen = day_of(day) if day else None
    named = Condition(field="name", op="=", value=counted) if counted else None
    with_path = Condition(field="path", op="set")
    since, until = day_range(chosen, chosen) if chosen else (None, None)
    metrics = [Metric(kind="events"), Metric(kind="users")]
    totals = await store.run(MetricsQuery(site_id=site, since=since, until=until, metrics=metrics, filter=named))
    paths = await store.run(
        MetricsQuery(
            site_id=site,
            since=since,
            until=until,
            breakdown=["path"],
            top=TOP_PATHS,
            filter=AllOf(all=[named, with_path]) if named else with_path,
        )
    )
    ranked = sorted(paths.rows, key=lambda row: (-row["events"], row["path"]))
    return {
        "site_id": site_id,
        "date": day or all_days,
        "total_views": sum(row["events"] for row in totals.rows),
        "unique_users": sum(row["users"] for row in totals.rows),
        "top_paths": [{"path": row["path"], "views": row["events"]} for row in ranked],
    }


@dataclass(frozen=True)
class PageViewDialect:
    """An API that takes one page view a request and answers with a site's statistics.

    Attributes:
        name: the system's name; `source` of its events, and the tag of its routes in the OpenAPI document.
        body: the JSON body of a page view for the OpenAPI document.
        read: a decoded body, the limits and the source → the event, or raises Problems.
        queued: status and body of the answer once the event is durable.
        error_form: the body of an error that is one sentence.
        invalid: the body of the 400 that lists the problems of a body.
        invalid_description, invalid_example: what the OpenAPI document says about that 400, and one of its sentences.
        no_site: the sentence of the 400 for statistics without a site.
        counted: the name of the events that statistics count; None: all.
        all_days: `date` of statistics of all days.
        any_case: capitals in its paths are small letters to its own server.
        preflight_body: the body of the answer to OPTIONS.
        example_date: `date` in the OpenAPI document's example of statistics.
    """

    name: str
    event_path: str
    stats_path: str
    body: type[Any]
    read: Callable[[Any, Limits, str], Draft]
    limits: Limits
    queued: tuple[int, dict[str, Any]]
    error_form: ErrorForm
    invalid: Callable[[list[str]], dict[str, Any]]
    invalid_description: str
    invalid_example: str
    no_site: str
    example_date: str | None
    counted: str | None = None
    all_days: str | None = None
    any_case: bool = False
    preflight_body: bytes = b""

    @property
    def SPELLINGS(self) -> Spellings:
        return Spellings(frozenset((self.event_path, self.stats_path)), self.any_case)

    async def take_event(self, ctx: Takes, scope: Scope, body: bytes, request_id: str, site: str | None) -> Answer:
        """The POST route of one page view."""
        try:
            event = normalise(self.read(msgspec.json.decode(body), self.limits, self.name), datetime.now(UTC))
        except (msgspec.DecodeError, RecursionError) as error:
            raise Refused(400, self.invalid(["body must be valid JSON"])) from error
        except Problems as error:
            raise Refused(400, self.invalid(error.sentences)) from error
        except Rejected as error:
            raise Refused(400, self.invalid([error.message])) from error
        check_site(event.site_id, site, self.error_form)
        try:
            ctx.ingest.admit_names(event)
        except Rejected as error:
            raise Refused(400, self.invalid([error.message])) from error
        derive_ids(scope, body, [event])
        await ctx.ingest.accept(scope, encode_decoded(ctx.ingest.enriched(scope, [event]), []), request_id)
        return Answer(*self.queued)

    async def stats(self, ctx: Asks, params: Mapping[str, str]) -> Any:
        """The GET route of a site's statistics."""
        site_id = params.get("site_id")
        if not site_id:
            raise Refused(400, self.error_form(self.no_site))
        try:
            return await site_stats(ctx.store, site_id, params.get("date"), self.counted, self.all_days)
        except ValueError as error:
            raise Refused(400, self.error_form(str(error))) from error

    def write_routes(self, ctx: Takes) -> WriteRoutes:
        return {
            ("POST", self.event_path): WriteRoute(ctx, self.event_path, self.take_event, self.error_form),
            ("OPTIONS", self.stats_path): preflight(b"GET", self.preflight_body),
            **beside_post(self.event_path, self.error_form, self.preflight_body),
        }

    def read_routes(self, ctx: Speaks) -> list[BaseRoute]:
        return [read_route(ctx, self.stats_path, Access.SITE, self.stats, self.error_form)]

    def openapi(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """`(paths, schemas)` for the OpenAPI document."""
        prefix = self.name.replace("-", "_")
        status, queued = self.queued
        invalid = self.invalid([self.invalid_example])
        event = {
            "operationId": f"{prefix}_event",
            "tags": [self.name],
            "summary": "Send one page view",
            "requestBody": openapi_body(self.body.__name__),
            "responses": {
                str(status): openapi_answer("Durable in the queue.", queued),
                "400": openapi_answer(self.invalid_description, invalid),
                "503": openapi_answer("The queue accepts no events; try again.", self.error_form("…")),
            },
        }
        day = {"type": "string", "format": "date"}
        answer = {
            "site_id": "site-abc-123",
            "date": self.example_date,
            "total_views": 3,
            "unique_users": 2,
            "top_paths": [{"path": "/pricing", "views": 2}],
        }
        stats = {
            "operationId": f"{prefix}_stats",
            "tags": [self.name],
            "summary": "A site's views and users",
            "parameters": [
                openapi_query("site_id", {"type": "string", "maxLength": SITE_ID_MAX}, "The site.", required=True),
                openapi_query("date", day, "One UTC day; absent: all days."),
            ],
            "responses": {
                "200": openapi_answer("The numbers.", answer),
                "400": openapi_answer("A parameter is wrong.", self.error_form(self.no_site)),
            },
        }
        return {self.event_path: {"post": event}, self.stats_path: {"get": stats}}, openapi_schemas(self.body)
