"""Dialects with one page view a request and statistics per site: fast-worker and analytics-backend.

`PageViewDialect` is such a dialect; each module of the two says how its own differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any, NamedTuple, NoReturn

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
    Takes,
    WriteRoute,
    WriteRoutes,
    check_site,
    derive_ids,
    openapi_answer,
    openapi_body,
    openapi_query,
    openapi_schemas,
    read_route,
)
from tallystick.ingest import clock
from tallystick.ingest.decode import encode_decoded
from tallystick.ingest.normalise import Draft, Rejected, normalise
from tallystick.ingest.text import clean_text
from tallystick.keys import EVERY_SITE
from tallystick.model.event import SITE_ID_MAX
from tallystick.model.query import Condition, Metric, MetricsQuery

TOP_PATHS = 10
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class TextField(NamedTuple):
    """A text of the request's body and its limit in code points."""

    name: str
    longest: int
    required: bool = False


def problems(body: object, fields: Sequence[TextField]) -> list[str]:
    """A sentence for each field of a decoded body that is wrong; empty when all are right."""
    if not isinstance(body, dict):
        return ["body must be a JSON object"]
    found = []
    for field in fields:
        value = body.get(field.name)
        if field.required and (not isinstance(value, str) or not value):
            found.append(f"{field.name} is required and must be a string")
        elif value is not None and not isinstance(value, str):
            found.append(f"{field.name} must be a string")
        elif value is not None and len(value) > field.longest:
            found.append(f"{field.name} must not be longer than {field.longest} characters")
        elif field.name == "timestamp" and value is not None and not _is_time(value):
            found.append("timestamp must be a valid ISO-8601 date string")
    return found


def _is_time(text: str) -> bool:
    try:
        clock.event_time(text, datetime.now(UTC))
    except ValueError:
        return False
    return bool(text.strip())


def parse_day(text: str) -> date:
    """The day of `YYYY-MM-DD`, and of no other form.

    Raises:
        ValueError: it is none; the message is for the client.
    """
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("date must be a day in the form YYYY-MM-DD")


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


async def site_stats(store: ScopedStore, site_id: str, day: str | None) -> dict[str, Any]:
    """All of a site's events, its users and most viewed paths: ever, or on a UTC day.

    Raises:
        ValueError: `site_id` or `day` is wrong; the message is for the client.
        TallystickError: the store has no answer.
    """
    site = known_site(site_id)
    chosen = parse_day(day) if day else None
    since, until = day_range(chosen, chosen) if chosen else (None, None)
    metrics = [Metric(kind="events"), Metric(kind="users")]
    totals = await store.run(MetricsQuery(site_id=site, since=since, until=until, metrics=metrics))
    paths = await store.run(
        MetricsQuery(
            site_id=site,
            since=since,
            until=until,
            breakdown=["path"],
            top=TOP_PATHS,
            filter=Condition(field="path", op="set"),
        )
    )
    ranked = sorted(paths.rows, key=lambda row: (-row["events"], row["path"]))
    return {
        "site_id": site_id,
        "date": chosen.isoformat() if chosen else None,
        "total_views": sum(row["events"] for row in totals.rows),
        "unique_users": sum(row["users"] for row in totals.rows),
        "top_paths": [{"path": row["path"], "views": row["events"]} for row in ranked],
    }


@dataclass(frozen=True)
class PageViewDialect:
    """An API that takes one page view a request and answers with a site's statistics.

    Attributes:
        name: the system's name; `source` of its events, and the tag of its routes in the OpenAPI document.
        body: the JSON body of a page view, with `site_id`, `event_type`, `timestamp`, `path` and `user_id`.
        fields: the same fields in the order in which problems are listed.
        queued: status and body of the answer once the event is durable.
        error_form: the body of an error that is one sentence.
        invalid: the body of the 400 that lists the problems of a body.
        invalid_description: what the OpenAPI document says about that 400.
        no_site: the sentence of the 400 for statistics without a site.
        example_date: `date` in the OpenAPI document's example of statistics.
    """

    name: str
    event_path: str
    stats_path: str
    body: type[Any]
    fields: Sequence[TextField]
    queued: tuple[int, dict[str, Any]]
    error_form: ErrorForm
    invalid: Callable[[list[str]], dict[str, Any]]
    invalid_description: str
    no_site: str
    example_date: str | None

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self.body)

    async def take_event(self, ctx: Takes, scope: Scope, body: bytes, request_id: str, site: str | None) -> Answer:
        """The POST route of one page view."""
        try:
            given = self._decoder.decode(body)
            draft = Draft(
                name=given.event_type,
                site_id=given.site_id,
                timestamp=given.timestamp,
                user_id=given.user_id,
                source=self.name,
                path=given.path,
            )
            event = normalise(draft, datetime.now(UTC))
        except (msgspec.DecodeError, RecursionError, Rejected) as error:
            self._refuse(body, error)
        check_site(event.site_id, site, self.error_form)
        derive_ids(scope, body, [event])
        await ctx.ingest.accept(encode_decoded(ctx.ingest.enriched(scope, [event]), []), request_id)
        return Answer(*self.queued)

    def _refuse(self, body: bytes, error: Exception) -> NoReturn:
        """Raises Refused with a sentence for each field that is wrong."""
        try:
            found = problems(msgspec.json.decode(body), self.fields) or [str(error)]
        except (msgspec.DecodeError, RecursionError):
            found = ["body must be valid JSON"]
        raise Refused(400, self.invalid(found)) from error

    async def stats(self, ctx: Asks, params: Mapping[str, str]) -> Any:
        """The GET route of a site's statistics."""
        site_id = params.get("site_id")
        if not site_id:
            raise Refused(400, self.error_form(self.no_site))
        try:
            return await site_stats(ctx.store, site_id, params.get("date"))
        except ValueError as error:
            raise Refused(400, self.error_form(str(error))) from error

    def write_routes(self, ctx: Takes) -> WriteRoutes:
        return {("POST", self.event_path): WriteRoute(ctx, self.event_path, self.take_event, self.error_form)}

    def read_routes(self, ctx: Speaks) -> list[BaseRoute]:
        return [read_route(ctx, self.stats_path, Access.SITE, self.stats, self.error_form)]

    def openapi(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """`(paths, schemas)` for the OpenAPI document."""
        prefix = self.name.replace("-", "_")
        status, queued = self.queued
        invalid = self.invalid(["site_id is required and must be a string"])
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
