"""The oracle of paths and of the list of users, in plain Python."""

from __future__ import annotations

from collections.abc import Iterable

from tallystick.model.event import Event
from tallystick.model.queries.paths import PathsQuery
from tallystick.model.queries.users import PeopleQuery
from tests.oracle.metrics import Row, in_scope, passes
from tests.oracle.sessions import Session, sessions_of
from tests.oracle.visits import Visited, with_visits

Edge = tuple[str | None, str | None]


def answer_paths(query: PathsQuery, events: Iterable[Event]) -> list[Row]:
    """The rows of the answer."""
    everything = query.model_copy(update={"filter": None})
    counts: dict[int, dict[Edge, int]] = {}
    for session in sessions_of(query, [event for event in events if in_scope(everything, event)]):
        for number, edge in enumerate(_edges(query, _steps(query, session)), 1):
            here = counts.setdefault(number, {})
            here[edge] = here.get(edge, 0) + 1
    rows: list[Row] = []
    for number in sorted(counts):
        edges = counts[number]
        ranked = sorted(edges, key=lambda edge: (-edges[edge], [(end is None, end or "") for end in edge]))
        for edge in ranked[: query.top]:
            rows.append({"step": number, "source": edge[0], "target": edge[1], "sessions": edges[edge]})
        if rest := [edges[edge] for edge in ranked[query.top :]]:
            rows.append({"step": number, "source": None, "target": None, "sessions": sum(rest), "other": True})
    return rows


def _steps(query: PathsQuery, session: Session) -> list[str]:
    steps: list[str] = []
    for event in session:
        if query.filter is not None and not passes(query.filter, event):
            continue
        is_page = event.name in query.page_names
        step = event.name if query.by == "event" else event.path if is_page else None
        if step is not None:
            steps.append(step)
    return [step for index, step in enumerate(steps) if not (query.merge and index and steps[index - 1] == step)]


def _edges(query: PathsQuery, steps: list[str]) -> list[Edge]:
    """The edges from the anchor on. The last step of a session has an edge to None."""
    if query.end is not None:
        way: list[str | None] = [*reversed(steps[: steps.index(query.end) + 1]), None] if query.end in steps else []
        return [(way[index + 1], way[index]) for index in range(len(way) - 1)][: query.steps - 1]
    if query.start is not None:
        steps = steps[steps.index(query.start) :] if query.start in steps else []
    way = [*steps, None]
    return [(way[index], way[index + 1]) for index in range(len(steps))][: query.steps - 1]


def answer_people(query: PeopleQuery, events: Iterable[Event]) -> list[Row]:
    """The rows of all pages."""
    found: dict[str, list[Event]] = {}
    for event in with_visits(query, events):
        if event.user_id is not None and in_scope(query, event):
            found.setdefault(event.user_id, []).append(event)
    rows: list[Row] = []
    for user_id, mine in found.items():
        if (query.search or "").lower() in user_id.lower():
            times = sorted(event.timestamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for event in mine)
            sessions = {event.visit for event in mine if isinstance(event, Visited)} - {None}
            row = {"user_id": user_id, "first_seen": times[0], "last_seen": times[-1]}
            rows.append(row | {"events": len(mine), "sessions": len(sessions)})
    return sorted(rows, key=lambda row: (row[query.order], row["user_id"]), reverse=not query.ascending)
