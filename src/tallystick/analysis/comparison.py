"""Comparison: a question, the same one about another period, and both answers side by side.

The second is asked about the groups of the first's answer, so that a group stands beside itself; the n-th bucket of a
period stands beside the n-th of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.dispatch import shape
from tallystick.analysis.metrics.rows import figures, nothing
from tallystick.analysis.sessions.rows import COUNTS
from tallystick.analysis.sources import Groups
from tallystick.analysis.statement import Row, Statement
from tallystick.errors import InvalidRequest
from tallystick.model.queries.comparison import Period, previous_period
from tallystick.model.query import Freshness, MetricsQuery, Query, Result, SessionsQuery

Comparable: TypeAlias = MetricsQuery | SessionsQuery
Found: TypeAlias = tuple[Statement, Sequence[Row]]
"""A statement and its rows."""
Figures: TypeAlias = dict[str, Any]
"""A row of an answer."""

ROWS_LIMIT = 100_000
"""Most rows that are looked up in the other period."""


@dataclass(frozen=True)
class Compared:
    """Two questions that differ in their periods.

    Attributes:
        asked: the question, with an end.
        before: the same about the other period.
        period: that period.
    """

    asked: Comparable
    before: Comparable
    period: Period


def compared(query: Query, now: datetime) -> Compared | None:
    """The two questions of one that compares; None for any other.

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
            period = previous_period(query.since, until, query.timezone, query.interval)
        except OverflowError as error:
            raise InvalidRequest("compare: the period before would begin before the year 1") from error
    update = {"since": period.since, "until": period.until, "compare": None}
    before = query.model_copy(update=update | ({"limit": ROWS_LIMIT} if isinstance(query, MetricsQuery) else {}))
    return Compared(query.model_copy(update={"until": until, "compare": None}), before, period)


def groups_of(asked: Comparable, found: Found) -> Groups | None:
    """The groups to look up in the other period, none where the answer has no rows; None: all that there are."""
    if not asked.breakdown or asked.top is None:
        return None
    statement, rows = found
    first = statement.buckets is not None
    last = first + len(asked.breakdown)
    return list(dict.fromkeys(tuple(row[first:last]) for row in rows if not (asked.other and row[-1])))


def result_of(both: Compared, asked: Found, before: Found | None, loaded_at: datetime | None) -> Result:
    """The answer: the asked rows, each with `previous`, null where the other period has no such bucket.

    Args:
        before: None when there was no group to look up.
        loaded_at: as `Freshness.loaded_at`.

    Raises:
        InvalidRequest: as `shape`, or one of the two would not be whole.
    """
    rows = _whole(both.asked, asked, "this one")
    if before is not None:
        earlier = _whole(both.before, before, "that of the other period")
        beside = _Beside(both, asked[0].buckets, before[0].buckets, earlier)
        rows = [row | {"previous": beside.previous(row)} for row in rows]
    statements = [found[0] for found in (asked, before) if found is not None]
    return Result(
        rows=rows,
        previous=both.period,
        exact=all(statement.exact for statement in statements),
        from_rollup=all(statement.from_rollup for statement in statements),
        freshness=Freshness(loaded_at=loaded_at, queue_lag_seconds=None),
    )


def _whole(query: Comparable, found: Found, what: str) -> list[Figures]:
    rows, next_cursor = shape(query, *found)
    if next_cursor is not None:
        assert isinstance(query, MetricsQuery)  # the others have no pages
        raise InvalidRequest(
            f"an answer with compare comes whole, and {what} has more rows than {query.limit}: "
            "take top, a larger limit or a longer interval"
        )
    return rows


class _Beside:
    """The rows of the other period, to be found by what they stand beside."""

    def __init__(self, both: Compared, asked: Buckets | None, before: Buckets | None, rows: Sequence[Figures]) -> None:
        self._query = both.before
        self._buckets: dict[str | None, str | None] = {}
        if asked is None or before is None:
            self._buckets[None] = None
        else:
            self._buckets.update(zip(_labels(both.asked, asked), _labels(both.before, before), strict=False))
        self._rows = {self._key(row, row.get("bucket")): row for row in rows}
        if isinstance(both.before, MetricsQuery):
            self._nothing = figures(both.before, nothing(both.before))
        else:
            self._nothing = {kind: 0 if kind in COUNTS else None for kind in both.before.metrics}

    def previous(self, row: Figures) -> Figures | None:
        """What a row's group had in the bucket beside its own."""
        own = row.get("bucket")
        if own not in self._buckets:
            return None
        bucket = self._buckets[own]
        found = self._rows.get(self._key(row, bucket), self._nothing)
        values = {name: found[name] for name in self._nothing}
        return values if bucket is None else {"bucket": bucket, **values}

    def _key(self, row: Figures, bucket: str | None) -> tuple[object, ...]:
        return bucket, "other" in row, *(row[field] for field in self._query.breakdown)


def _labels(query: Comparable, buckets: Buckets) -> list[str]:
    return [buckets.label(key) for key in buckets.series(query.since, query.until, ())]
