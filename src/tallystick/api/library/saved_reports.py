"""A saved report's question as it is asked now: its range becomes instants, what the reader wants is put in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from tallystick.api.access import Questions
from tallystick.api.files.format import FileFormat
from tallystick.api.parts import Parts
from tallystick.api.responses import sentence
from tallystick.api.routes.query import answer
from tallystick.errors import InvalidRequest
from tallystick.model import query as model
from tallystick.model.library import Report
from tallystick.model.queries.ranges import resolve
from tallystick.model.queries.scope import Filter

_QUESTION: TypeAdapter[model.Query] = TypeAdapter(model.Query)
_SHAPES: dict[str, type[model.Scope]] = {
    shape.model_fields["kind"].default: shape for shape in get_args(get_args(model.Query)[0])
}


async def run(
    parts: Parts,
    store: Questions,
    report: Report,
    *,
    range_: str | None = None,
    timezone: str | None = None,
    filter_: Filter | None = None,
    form: FileFormat | None = None,
) -> Response:
    """The answer to a report's question, with the instants of its range; what is None is the report's own.

    Raises:
        InvalidRequest: the question cannot be asked for this range, or this version does not know it any more.
    """
    question = question_of(report, range_, timezone, filter_, datetime.now(UTC))
    instants = {"since": question.since, "until": question.until}
    return await answer(parts, store, question, form, report.name, instants)


def question_of(
    report: Report, range_: str | None, timezone: str | None, filter_: Filter | None, now: datetime
) -> model.Query:
    """The question of a report at this instant. Raises InvalidRequest."""
    zone = timezone or report.timezone
    try:
        span = resolve(range_ or report.range, ZoneInfo(zone), now)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"range: {error}") from error
    fields: dict[str, Any] = {
        **report.question,
        "site_id": report.site_id,
        "since": span.since,
        "until": span.until,
        "filter": _both(report.question.get("filter"), filter_),
    }
    shape = _SHAPES.get(str(fields.get("kind")))
    if shape is not None and "timezone" in shape.model_fields:
        fields["timezone"] = zone
    if span.since is None and fields.get("compare") == "previous":
        del fields["compare"]  # nothing is before all time
    try:
        return _QUESTION.validate_python(fields)
    except ValidationError as error:
        wrong = sentence(error.errors(include_url=False))
        raise InvalidRequest(f"the report's question cannot be asked like this: {wrong}") from error


def _both(own: Any, more: Filter | None) -> Any:
    if more is None:
        return own
    given = more.model_dump(mode="json")
    return given if own is None else {"all": [own, given]}
