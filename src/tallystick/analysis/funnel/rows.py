"""The rows of a funnel statement become the rows of an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tallystick.analysis.buckets import show_micros
from tallystick.analysis.cursor import encode_cursor
from tallystick.analysis.statement import Answer, Row, Statement
from tallystick.model.queries.funnel import FunnelQuery, FunnelUsersQuery


def shape_funnel(query: FunnelQuery, statement: Statement, rows: Sequence[Row]) -> Answer:
    """A row for each step of each group, from the columns that `compile_funnel` names."""
    answer: list[dict[str, Any]] = []
    for row in rows:
        group: dict[str, Any] = {}
        figures = row
        if query.breakdown:
            rank, value, *figures = row
            group = {query.breakdown: value, **({"other": True} if rank is None else {})}
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
    """A page of persons, and the cursor of the next page."""
    page = rows[: query.limit]
    cursor = encode_cursor(query, [page[-1][0]]) if len(rows) > query.limit else None
    return [_person(row) for row in page], cursor


def _person(row: Row) -> dict[str, Any]:
    person, *times = row
    done = [time for time in times if time is not None]
    return {"user_id": person, "steps": len(done), "first_at": show_micros(done[0]), "last_at": show_micros(done[-1])}
