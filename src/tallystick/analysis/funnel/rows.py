"""Rows of a statement about a funnel → the rows of an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tallystick.analysis.buckets import instant_of
from tallystick.analysis.cursor import encode_cursor
from tallystick.analysis.statement import Answer, Row, Statement
from tallystick.model.queries.funnel import FunnelQuery, FunnelUsersQuery


def shape_funnel(query: FunnelQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    """A row for each group and step."""
    answer: list[dict[str, Any]] = []
    for row in rows:
        group: dict[str, Any] = {}
        figures = row
        if query.breakdown:
            place, value, *figures = row
            group = {query.breakdown: value, **({"other": True} if place is None else {})}
        answer += [group | step for step in _steps(query, figures)]
    return answer, None


def _steps(query: FunnelQuery, figures: Row) -> Iterator[dict[str, Any]]:
    count = len(query.steps)
    users, times = figures[:count], figures[count:]
    for index, step in enumerate(query.steps):
        yield {
            "step": index + 1,
            "name": None if query.order == "any" else step.name,
            "users": users[index],
            "from_first": _share(users[index], users[0]),
            "from_previous": _share(users[index], users[max(0, index - 1)]),
            "median_seconds": times[2 * index - 2] if index else None,
            "p90_seconds": times[2 * index - 1] if index else None,
        }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def shape_funnel_users(query: FunnelUsersQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    """A page of persons, and the cursor of the next."""
    page = rows[: query.limit]
    cursor = encode_cursor(query, [page[-1][0]]) if len(rows) > query.limit else None
    return [_person(row) for row in page], cursor


def _person(row: Row) -> dict[str, Any]:
    user, *times = row
    done = [time for time in times if time is not None]
    return {"user_id": user, "steps": len(done), "first_at": _instant(done[0]), "last_at": _instant(done[-1])}


def _instant(micros: int) -> str:
    return instant_of(micros).isoformat(timespec="microseconds").replace("+00:00", "Z")
