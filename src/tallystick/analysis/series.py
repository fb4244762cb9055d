"""Time series: the buckets of a query with an interval, and the limits of their number."""

from __future__ import annotations

from datetime import datetime, timedelta

from tallystick.analysis.buckets import SECONDS, Buckets, segments
from tallystick.errors import InvalidRequest
from tallystick.model.query import SERIES_LIMIT, Interval, MetricsQuery, Scope, SessionsQuery


def is_filled(query: MetricsQuery | SessionsQuery) -> bool:
    """Whether the answer is a series without gaps. Its pages are cut after the gaps are filled."""
    return query.fill and query.interval is not None and not query.breakdown


def make_buckets(query: MetricsQuery | SessionsQuery, now: datetime) -> Buckets | None:
    """The buckets of a query with an interval; None without one. Raises InvalidRequest: there are too many."""
    if query.interval is None:
        return None
    check_range(query, query.interval)
    return Buckets(query.interval, query.timezone, segments(query.timezone, query.since, query.until, now))


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
