"""Comparison: a query, the same query about another period, and one answer with the figures of both.

The second query is restricted to the groups in the first one's answer. Rows are matched by group, and buckets by their
number: the n-th bucket of one period with the n-th of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.dispatch import shape
from tallystick.analysis.metrics.rows import empty_metrics, figures
from tallystick.analysis.series import COMPLETE, complete_buckets
from tallystick.analysis.sessions.rows import COUNTS
from tallystick.analysis.sources import Groups
from tallystick.analysis.statement import Row, Statement
from tallystick.errors import InvalidRequest
from tallystick.model.queries.comparison import BeforeRange, Period, previous_period
from tallystick.model.query import Freshness, MetricsQuery, Query, Result, SessionsQuery

Comparable: TypeAlias = MetricsQuery | SessionsQuery
Found: TypeAlias = tuple[Statement, Sequence[Row]]
"""A statement and its rows."""
Figures: TypeAlias = dict[str, Any]
"""A row of an answer."""

ROWS_LIMIT = 100_000
"""Most rows that are read of the other period."""


@dataclass(frozen=True)
class Compared:
    """Two queries that differ in their periods.

    Attributes:
        query: the query itself, with an `until`.
        previous: the same query about the other period.
        period: the other period.
    """

    query: Comparable
    previous: Comparable
    period: Period


def compared(query: Query, now: datetime) -> Compared | None:
    """The two queries of a query with `compare`; None for any other query.

    Raises:
        InvalidRequest: it has no `since`, or the other period lies beyond the calendar.
    """
    if not isinstance(query, MetricsQuery | SessionsQuery) or query.compare is None:
        return None
    if query.since is None:
        raise InvalidRequest("compare needs since: all time has no period before it")
    until = query.until or now
    if query.since > until:
        raise InvalidRequest("compare: since lies in the future, so until is needed too")
    if isinstance(query.compare, Period):
        period = query.compare
    else:
        try:
            period = previous_period(
                query.since,
                until,
                query.timezone,
                query.interval,
                now=now,
                range_=query.compare.range if isinstance(query.compare, BeforeRange) else None,
                week_start=query.week_start,
            )
        except OverflowError as error:
            raise InvalidRequest("compare: the period before would begin before the year 1") from error
    update = {"since": period.since, "until": period.until, "compare": None}
    previous = query.model_copy(update=update | ({"limit": ROWS_LIMIT} if isinstance(query, MetricsQuery) else {}))
    return Compared(query.model_copy(update={"until": until, "compare": None}), previous, period)


def groups_of(query: Comparable, found: Found) -> Groups | None:
    """The groups to read of the other period, empty if the answer has no rows; None: all groups."""
    if not query.breakdown or query.top is None:
        return None
    statement, rows = found
    first = statement.buckets is not None
    last = first + len(query.breakdown)
    return list(dict.fromkeys(tuple(row[first:last]) for row in rows if not (query.other and row[-1])))


def result_of(both: Compared, found: Found, previous: Found | None, loaded_at: datetime | None) -> Result:
    """The answer: the rows of the query, each with `previous`, null where the other period has no such bucket.

    Args:
        previous: None if there was no group to read.
        loaded_at: see `Freshness.loaded_at`.

    Raises:
        InvalidRequest: what `shape` raises, or one of the two answers has more than one page.
    """
    rows = _all_rows(both.query, found, "this one")
    if previous is not None:
        previous_rows = _all_rows(both.previous, previous, "that of the other period")
        matched = _PreviousRows(both, found[0].buckets, previous[0], previous_rows)
        rows = [row | {"previous": matched.previous(row)} for row in rows]
    statements = [part[0] for part in (found, previous) if part is not None]
    return Result(
        rows=rows,
        previous=both.period,
        exact=all(statement.exact for statement in statements),
        from_rollup=all(statement.from_rollup for statement in statements),
        events_from=next((statement.events_from for statement in statements if statement.events_from), None),
        freshness=Freshness(loaded_at=loaded_at, queue_lag_seconds=None),
    )


def _all_rows(query: Comparable, found: Found, what: str) -> list[Figures]:
    rows, next_cursor = shape(query, *found)
    if next_cursor is not None:
        assert isinstance(query, MetricsQuery)  # the others have no pages
        raise InvalidRequest(
            f"an answer with compare comes whole, and {what} has more rows than {query.limit}: "
            "take top, a larger limit or a longer interval"
        )
    return rows


class _PreviousRows:
    """The rows of the other period, by the group and the bucket that they are compared with."""

    def __init__(self, both: Compared, buckets: Buckets | None, statement: Statement, rows: Sequence[Figures]) -> None:
        previous = statement.buckets
        self._query = both.previous
        self._buckets: dict[str | None, str | None] = {}
        if buckets is None or previous is None:
            self._buckets[None] = None
        else:
            labels = _labels(both.previous, previous)
            self._buckets.update(zip(_labels(both.query, buckets), labels, strict=False))
            self._complete = complete_buckets(both.previous, statement, labels)
        self._rows = {self._key(row, row.get("bucket")): row for row in rows}
        if isinstance(both.previous, MetricsQuery):
            self._empty = figures(both.previous, empty_metrics(both.previous))
        else:
            self._empty = {kind: 0 if kind in COUNTS else None for kind in both.previous.metrics}

    def previous(self, row: Figures) -> Figures | None:
        """The figures of a row's group in the bucket of the same number; None if there is no such bucket."""
        own = row.get("bucket")
        if own not in self._buckets:
            return None
        bucket = self._buckets[own]
        found = self._rows.get(self._key(row, bucket), self._empty)
        values = {name: found[name] for name in self._empty}
        return values if bucket is None else {"bucket": bucket, **values} | {COMPLETE: self._complete[bucket]} | values

    def _key(self, row: Figures, bucket: str | None) -> tuple[object, ...]:
        return bucket, "other" in row, *(row[field] for field in self._query.breakdown)


def _labels(query: Comparable, buckets: Buckets) -> list[str]:
    return [buckets.label(key) for key in buckets.series(query.since, query.until, ())]
