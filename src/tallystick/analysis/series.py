"""Time series: the buckets of a query with an interval, and the limits of their number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from tallystick.analysis.buckets import SECONDS, Buckets, segments
from tallystick.analysis.statement import Statement
from tallystick.errors import InvalidRequest
from tallystick.model.query import SERIES_LIMIT, Interval, MetricsQuery, Scope, SessionsQuery

COMPLETE = "complete"
"""The field of a row that says whether its bucket is whole."""


def is_filled(query: MetricsQuery | SessionsQuery) -> bool:
    """Whether the answer is a series without gaps. Its pages are cut after the gaps are filled."""
    return query.fill and query.interval is not None and not query.breakdown


def make_buckets(query: MetricsQuery | SessionsQuery, now: datetime) -> Buckets | None:
    """The buckets of a query with an interval; None without one. Raises InvalidRequest: there are too many."""
    if query.interval is None:
        return None
    check_range(query, query.interval)
    zone = query.timezone
    return Buckets(query.interval, zone, segments(zone, query.since, query.until, now), query.week_start)


def with_completeness(
    query: MetricsQuery | SessionsQuery, statement: Statement, rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The rows of a series, each with `complete`: whether its bucket is over and the range has the whole of it.

    A metric that the query itself calls `complete` keeps the name.
    """
    if statement.buckets is None:
        return rows
    complete = complete_buckets(query, statement, dict.fromkeys(row["bucket"] for row in rows))
    for row in rows:
        row.setdefault(COMPLETE, complete[row["bucket"]])
    return rows


def complete_buckets(
    query: MetricsQuery | SessionsQuery, statement: Statement, labels: Iterable[str]
) -> dict[str, bool]:
    """Whether the buckets with these labels are complete."""
    buckets, now = statement.buckets, statement.now
    assert buckets
    assert now  # statements with buckets have it
    keys = {label: buckets.key(datetime.fromisoformat(label)) for label in labels}
    return {label: buckets.is_complete(key, query.since, query.until, now) for label, key in keys.items()}


def check_range(query: Scope, interval: Interval) -> None:
    """Check that a range can be cut into buckets.

    Raises:
        InvalidRequest: the range has too many buckets, or lies outside of the years in which zones have rules.
    """
    for edge in (query.since, query.until):
        if edge and not 1900 <= edge.year <= 9000:
            raise InvalidRequest("with an interval, since and until lie in the years 1900 to 9000")
    if query.since and query.until:
        count = (query.until - query.since) // timedelta(seconds=SECONDS[interval])
        if count > SERIES_LIMIT:
            raise InvalidRequest(
                f"the range has {count} {interval} buckets, {SERIES_LIMIT} at most: "
                "shorten it, or take a longer interval"
            )
