"""Rows of a statement about sessions → the rows of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.series import is_filled, with_completeness
from tallystick.analysis.sessions.compile import ROWS_LIMIT
from tallystick.analysis.statement import Answer, Row, Statement
from tallystick.errors import InvalidRequest
from tallystick.model.query import SessionsQuery

COUNTS = {"sessions", "pages", "events"}
"""Metrics that are 0 if there are no sessions; the others are null."""


def shape_sessions(query: SessionsQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    """The rows of the answer to a `SessionsQuery`, with the empty buckets where the query wants them.

    Raises:
        InvalidRequest: too many buckets, or more than ROWS_LIMIT rows.
    """
    buckets = statement.buckets
    if len(rows) > ROWS_LIMIT:
        raise InvalidRequest(f"the answer has more than {ROWS_LIMIT} rows: take a smaller top, or a longer interval")
    if buckets and is_filled(query):
        found = {row[0]: row for row in rows}
        empty = [0 if kind in COUNTS else None for kind in query.metrics]
        keys = buckets.series(query.since, query.until, found.keys())
        rows = [found.get(key, (key, *empty)) for key in keys]
    return with_completeness(query, statement, [_row(query, buckets, row) for row in rows]), None


def _row(query: SessionsQuery, buckets: Buckets | None, row: Sequence[Any]) -> dict[str, Any]:
    values = iter(row)
    answer: dict[str, Any] = {}
    if buckets:
        answer["bucket"] = buckets.label(next(values))
    for name in (*query.breakdown, *query.metrics):
        answer[name] = next(values)
    if query.other and next(values):
        answer["other"] = True
    return answer
