"""Runs a saved report: its range becomes instants, and the reader's own range, time zone and filter are applied."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from tallystick.api.access.scoped_store import ScopedStore
from tallystick.api.dependencies import Parts
from tallystick.api.files.format import FileFormat
from tallystick.api.query_answer import answer_query
from tallystick.api.responses import sentence
from tallystick.errors import InvalidRequest
from tallystick.model import query as model
from tallystick.model.library import Report
from tallystick.model.queries.ranges import resolve
from tallystick.model.queries.scope import Filter

_QUERY: TypeAdapter[model.Query] = TypeAdapter(model.Query)


async def run(
    parts: Parts,
    store: ScopedStore,
    report: Report,
    *,
    range_: str | None = None,
    timezone: str | None = None,
    filter_: Filter | None = None,
    form: FileFormat | None = None,
) -> Response:
    """Run a report's query; the answer has the instants of its range, too. Arguments that are None: the report's own.

    Raises:
        InvalidRequest: the query cannot be run for this range, or this version does not know its kind or fields any
            more.
    """
    query = query_of(report, range_, timezone, filter_, datetime.now(UTC))
    instants = {"since": query.since, "until": query.until}
    return await answer_query(parts, store, query, form, report.name, instants)


def query_of(
    report: Report, range_: str | None, timezone: str | None, filter_: Filter | None, now: datetime
) -> model.Query:
    """The query of a report when it is run at the instant `now`. Raises InvalidRequest."""
    zone, within = timezone or report.timezone, range_ or report.range
    try:
        span = resolve(within, ZoneInfo(zone), now, report.question.get("week_start", "monday"))
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"range: {error}") from error
    fields: dict[str, Any] = {
        **report.question,
        "site_id": report.site_id,
        "since": span.since,
        "until": span.until,
        "filter": _both(report.question.get("filter"), filter_),
    }
    shape = model.QUERY_KINDS.get(str(fields.get("kind")))
    if shape is not None and "timezone" in shape.model_fields:
        fields["timezone"] = zone
    compare = fields.get("compare")
    if compare == "previous" or (isinstance(compare, dict) and "range" in compare):
        if span.since is None:
            del fields["compare"]  # a range without a start has no period before it
        else:
            fields["compare"] = {"range": within}
    try:
        return _QUERY.validate_python(fields)
    except ValidationError as error:
        wrong = sentence(error.errors(include_url=False))
        raise InvalidRequest(f"the report's question cannot be asked like this: {wrong}") from error


def _both(own: Any, more: Filter | None) -> Any:
    if more is None:
        return own
    given = more.model_dump(mode="json")
    return given if own is None else {"all": [own, given]}
