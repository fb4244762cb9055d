"""Rows of a metrics statement → the rows of an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tallystick.analysis.buckets import Buckets, show_micros
from tallystick.analysis.cursor import encode_cursor
from tallystick.analysis.metrics.compile import cursor_key
from tallystick.analysis.series import is_filled
from tallystick.analysis.statement import Answer, Row, Statement
from tallystick.errors import InvalidRequest
from tallystick.model.queries.formula import computed
from tallystick.model.query import MetricsQuery

COUNTS = {"events", "users", "sessions"}
"""Metrics that are 0 where nothing happened; the others are null."""


def shape_metrics(query: MetricsQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    """A page of the answer.

    Raises:
        InvalidRequest: more buckets than a series may have, or more rows than an answer with `top` may have.
    """
    buckets = statement.buckets
    if buckets and is_filled(query):
        return _filled(query, buckets, rows)
    page = rows[: query.limit]
    cursor = None
    if len(rows) > query.limit:
        if query.top is not None:
            raise InvalidRequest(
                f"an answer with top comes whole, and this one has more rows than limit ({query.limit}): "
                "raise limit, shorten the range, or take a longer interval"
            )
        keys = (buckets is not None) + len(query.breakdown)
        cursor = encode_cursor(query, list(page[-1][:keys]))
    return [_metrics_row(query, buckets, row) for row in page], cursor


def _filled(query: MetricsQuery, buckets: Buckets, rows: Sequence[Row]) -> Answer:
    """A page of the series with its empty buckets."""
    found = {row[0]: row for row in rows}
    keys = buckets.series(query.since, query.until, found.keys())
    after = cursor_key(query)
    if after is not None:
        keys = [key for key in keys if isinstance(after[0], int) and key > after[0]]
    empty = empty_metrics(query)
    page = keys[: query.limit]
    answer = [_metrics_row(query, buckets, found.get(key, (key, *empty))) for key in page]
    return answer, encode_cursor(query, [page[-1]]) if len(keys) > len(page) else None


def empty_metrics(query: MetricsQuery) -> list[int | None]:
    """The metrics of no events."""
    return [0 if metric.kind in COUNTS else None for metric in query.metrics]


def _metrics_row(query: MetricsQuery, buckets: Buckets | None, row: Row) -> dict[str, Any]:
    values = iter(row)
    answer: dict[str, Any] = {}
    if buckets:
        answer["bucket"] = buckets.label(next(values))
    for field in query.breakdown:
        answer[field] = next(values)
    numbers = [_number(metric.kind, next(values)) for metric in query.metrics]
    answer |= figures(query, numbers)
    if query.other and next(values):
        answer["other"] = True
    return answer


def figures(query: MetricsQuery, numbers: Sequence[Any]) -> dict[str, Any]:
    """Metrics and formulas by their labels."""
    named = {metric.label: number for metric, number in zip(query.metrics, numbers, strict=True)}
    return named | computed(query.formulas, numbers)


def _number(kind: str, value: Any) -> Any:
    """A metric's value; a sum or average that no double can hold is null, since JSON has no infinity."""
    if value is None:
        return None
    if kind == "last_received":
        return show_micros(value)
    return value if not isinstance(value, float) or math.isfinite(value) else None
