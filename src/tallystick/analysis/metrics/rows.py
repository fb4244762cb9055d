"""Rows of a metrics statement → the rows of an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from tallystick.analysis.buckets import Buckets, show_micros
from tallystick.analysis.cursor import encode_cursor
from tallystick.analysis.metrics.compile import cursor_key
from tallystick.analysis.series import is_filled, with_completeness
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
        answer, cursor = _filled(query, buckets, rows)
        return with_completeness(query, statement, answer), cursor
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
    shaped = _row_shaper(query, buckets)
    return with_completeness(query, statement, [shaped(row) for row in page]), cursor


def _filled(query: MetricsQuery, buckets: Buckets, rows: Sequence[Row]) -> Answer:
    """A page of the series with its empty buckets."""
    found = {row[0]: row for row in rows}
    keys = buckets.series(query.since, query.until, found.keys())
    after = cursor_key(query)
    if after is not None:
        keys = [key for key in keys if isinstance(after[0], int) and key > after[0]]
    empty = empty_metrics(query)
    page = keys[: query.limit]
    shaped = _row_shaper(query, buckets)
    answer = [shaped(found.get(key, (key, *empty))) for key in page]
    return answer, encode_cursor(query, [page[-1]]) if len(keys) > len(page) else None


def empty_metrics(query: MetricsQuery) -> list[int | None]:
    """The metrics of no events."""
    return [0 if metric.kind in COUNTS else None for metric in query.metrics]


def _row_shaper(query: MetricsQuery, buckets: Buckets | None) -> Callable[[Row], dict[str, Any]]:
    """A function from a row of the statement to a row of the answer.

    What is the same for all rows is worked out once, and each bucket's label once, since an answer may have many rows.
    """
    metrics = [metric.label for metric in query.metrics]
    names = [*(["bucket"] if buckets else []), *query.breakdown, *metrics]
    converted = [(metric.label, metric.kind) for metric in query.metrics if metric.kind not in COUNTS]
    label = cache(buckets.label) if buckets else None

    def shaped(row: Row) -> dict[str, Any]:
        answer = dict(zip(names, row, strict=False))  # the flag of `other` follows
        if label:
            answer["bucket"] = label(row[0])
        for name, kind in converted:
            answer[name] = _number(kind, answer[name])
        if query.formulas:
            answer |= computed(query.formulas, [answer[name] for name in metrics])
        if query.other and row[len(names)]:
            answer["other"] = True
        return answer

    return shaped


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
