"""Rows of a statement about persons over days, weeks and months → the rows of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from tallystick.analysis.buckets import SECONDS, Buckets
from tallystick.analysis.retention.compile import CELLS_MAX, MONTH, WEEK
from tallystick.analysis.statement import Answer, Row, Statement
from tallystick.errors import InvalidRequest
from tallystick.model.queries.retention import (
    ROWS_MAX,
    ActiveUsersQuery,
    LifecycleQuery,
    PersonsScope,
    RetentionQuery,
    StickinessQuery,
)

DAY = SECONDS["day"] * 1_000_000
"""Microseconds."""


def shape_persons(query: PersonsScope, statement: Statement, rows: Sequence[Row]) -> Answer:
    """The answer to one of these queries.

    Raises:
        InvalidRequest: the answer has more than ROWS_MAX rows.
    """
    assert statement.buckets
    assert statement.now
    periods = Periods(statement.buckets, query, statement.now)
    if isinstance(query, RetentionQuery):
        return _retention(query, periods, rows), None
    if isinstance(query, LifecycleQuery):
        return _lifecycle(periods, rows), None
    if isinstance(query, StickinessQuery):
        return _stickiness(periods, rows), None
    assert isinstance(query, ActiveUsersQuery)
    return _active_users(periods, rows), None


class Periods:
    """The periods of an answer. A period is a bucket, and its key says which one."""

    def __init__(self, buckets: Buckets, query: PersonsScope, now: datetime) -> None:
        self._buckets = buckets
        self._query = query
        self._end = min(query.until, now) if query.until else now

    def keys(self, *found: int) -> list[int]:
        """The keys in the range. Where an edge of the range is missing, the first or last found key takes its place.

        Raises:
            InvalidRequest: there are more than ROWS_MAX periods.
        """
        keys = self._buckets.series(self._query.since, self._query.until, found)
        if len(keys) > ROWS_MAX:
            raise InvalidRequest(f"the answer has more than {ROWS_MAX} periods: shorten the range, or take longer ones")
        return keys

    def following(self, key: int, count: int) -> list[int]:
        """A period and the `count` periods after it."""
        return self._buckets.following(key, count + 1)

    def before(self, key: int) -> int:
        """The period right before another."""
        return self._buckets.before(key)

    def begun(self, key: int) -> bool:
        """Whether a period has begun."""
        return self._buckets.start(key) < self._end

    def over(self, key: int) -> bool:
        """Whether a period is over."""
        return self._buckets.start(self.following(key, 1)[1]) <= self._end

    def label(self, key: int) -> str:
        """The start of a period, as text."""
        return self._buckets.label(key)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _retention(query: RetentionQuery, periods: Periods, rows: Sequence[Row]) -> list[dict[str, Any]]:
    if len(rows) > CELLS_MAX:
        raise InvalidRequest("the answer is too large: shorten the range, take longer periods or fewer of them")
    sizes = {cohort: users for cohort, period, users in rows if period is None}
    returning = {(cohort, period): users for cohort, period, users in rows if period is not None}
    answer = []
    for cohort in periods.keys(*sizes):
        begun = [key for key in periods.following(cohort, query.periods) if periods.begun(key)]
        users = sizes.get(cohort, 0)
        returned = [returning.get((cohort, key), 0) for key in begun]
        answer.append(
            {
                "cohort": periods.label(cohort),
                "users": users,
                "returned": returned,
                "shares": [_share(count, users) for count in returned],
                "complete": sum(periods.over(key) for key in begun),
            }
        )
    return answer


def _lifecycle(periods: Periods, rows: Sequence[Row]) -> list[dict[str, Any]]:
    active: dict[int, int] = {}
    new_users: dict[int, int] = {}
    continuing: dict[tuple[int, int], int] = {}
    for key, is_new, previous, users in rows:
        active[key] = active.get(key, 0) + users
        if is_new:
            new_users[key] = users
        if previous is not None:
            continuing[key, previous] = users
    answer = []
    for key in periods.keys(*active):
        before = periods.before(key)
        returning, new = continuing.get((key, before), 0), new_users.get(key, 0)
        answer.append(
            {
                "bucket": periods.label(key),
                "new": new,
                "returning": returning,
                "resurrecting": active.get(key, 0) - new - returning,
                "dormant": active.get(before, 0) - returning,
                "complete": periods.over(key),
            }
        )
    return answer


def _stickiness(periods: Periods, rows: Sequence[Row]) -> list[dict[str, Any]]:
    found = {count: users for count, users, _, _ in rows}
    total = sum(found.values())
    count = len(periods.keys(*(key for row in rows for key in row[2:])))
    at_least = list(accumulate(found.get(n, 0) for n in range(count, 0, -1)))[::-1]
    return [
        {"periods": n, "users": found.get(n, 0), "at_least": at_least[n - 1], "share": _share(found.get(n, 0), total)}
        for n in range(1, count + 1)
    ]


def _active_users(periods: Periods, rows: Sequence[Row]) -> list[dict[str, Any]]:
    days = {row[0]: row[1] for row in rows}
    # By how much WAU and MAU change on a day. A day without active persons has no row, but persons can leave on it.
    changes: dict[int, list[int]] = {}
    for key, _, enter_wau, leave_wau, enter_mau, leave_mau in rows:
        changes.setdefault(key, [0, 0])[0] += enter_wau
        changes.setdefault(key, [0, 0])[1] += enter_mau
        changes.setdefault(key + WEEK * DAY, [0, 0])[0] -= leave_wau
        changes.setdefault(key + MONTH * DAY, [0, 0])[1] -= leave_mau
    days_of_change = sorted(changes, reverse=True)
    answer, wau, mau = [], 0, 0
    for key in periods.keys(*days):
        while days_of_change and days_of_change[-1] <= key:
            change = changes[days_of_change.pop()]
            wau, mau = wau + int(change[0]), mau + int(change[1])
        dau = days.get(key, 0)
        answer.append(
            {
                "bucket": periods.label(key),
                "dau": dau,
                "wau": wau,
                "mau": mau,
                "dau_wau": _share(dau, wau),
                "dau_mau": _share(dau, mau),
                "complete": periods.over(key),
            }
        )
    return answer
