"""Steps of sessions from their trails in the session index, in DuckDB's SQL.

A *trail* is a list of the paths of a session's page views in their order, in which a path that repeats directly stands
only once. If a session lies wholly in the range, its trail answers the query. The other sessions of the index (the CTE
`long_sessions`) are read from their events.
"""

from __future__ import annotations

from tallystick.analysis.cte import Cte, clause, cte
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.sessions.events import site_condition
from tallystick.analysis.sessions.index import INDEXED_SESSIONS, TRAIL, SessionIndex
from tallystick.analysis.sessions.materialized import long_sessions
from tallystick.model.queries.paths import PathsQuery
from tallystick.model.queries.sessions import PAGE_NAMES


def can_use_trails(query: PathsQuery) -> bool:
    """Whether trails have all that the query asks for."""
    return query.by == "page" and query.filter is None and set(query.page_names) == set(PAGE_NAMES)


def index_ctes(query: PathsQuery, source: EventSource, index: SessionIndex) -> list[Cte]:
    """The CTEs of the index, and `long_sessions`: those of the range whose trail does not answer the query."""
    overlapping = []
    if query.since is not None:
        overlapping.append(f"ended >= {source.parameters.add(query.since, 'timestamp')}")
    if query.until is not None:
        overlapping.append(f"started < {source.parameters.add(query.until, 'timestamp')}")
    without_trail = f"NOT ({' AND '.join(_has_usable_trail(query, source))})"
    return [*index.ctes([TRAIL]), long_sessions([*site_condition(query, source), *overlapping, without_trail])]


def _has_usable_trail(query: PathsQuery, source: EventSource) -> list[str]:
    """Conditions: the trail has every step that the session takes in the range, and no other."""
    conditions = [f"{TRAIL} IS NOT NULL"]
    if query.since is not None:
        conditions.append(f"started >= {source.parameters.add(query.since, 'timestamp')}")
    if query.until is not None:
        conditions.append(f"ended < {source.parameters.add(query.until, 'timestamp')}")
    return conditions if query.merge else [*conditions, f"len({TRAIL}) = pages"]


def trail_step_counts(query: PathsQuery, source: EventSource, anchor: str | None) -> Cte:
    """`trail_step_counts`: how many sessions have which page as which step, and which page before it.

    `position` is the index of the step in the trail, from 1.
    """
    position, last_step = "step", query.steps
    selected = TRAIL
    conditions = [*site_condition(query, source), *_has_usable_trail(query, source)]
    if anchor is not None:
        node = source.parameters.add(anchor, "text")
        selected = f"{TRAIL}, list_position({TRAIL}, {node}) AS anchor_position"
        conditions.append(f"list_contains({TRAIL}, {node})")
        position = "anchor_position + step - 1" if query.end is None else "anchor_position - step + 1"
        last_step = query.steps if query.end is None else query.steps - 1
    return cte(
        "trail_step_counts",
        """
        SELECT
            step,
            CASE WHEN position > 1 THEN {trail}[position - 1] END AS previous_node,
            {trail}[position] AS node,
            count(*) AS sessions
        FROM (
            SELECT {trail}, step, {position} AS position
            FROM (
                SELECT {selected}, unnest([{steps}]) AS step
                FROM {index}
                {where}
            ) AS trails
        ) AS trail_steps
        WHERE position BETWEEN 1 AND len({trail})
        GROUP BY ALL
        """,
        materialized=True,
        trail=TRAIL,
        position=position,
        selected=selected,
        steps=", ".join(str(step) for step in range(1, last_step + 1)),
        index=INDEXED_SESSIONS,
        where=clause("WHERE", conditions),
    )


def step_counts_with_trails() -> Cte:
    """`step_counts`: the sum of `event_step_counts` and `trail_step_counts`."""
    return cte(
        "step_counts",
        """
        SELECT step, previous_code, code, CAST(sum(sessions) AS BIGINT) AS sessions
        FROM (
            SELECT step, previous_code, code, sessions
            FROM event_step_counts
            UNION ALL
            SELECT step, coalesce(previous_codes.code, 0), codes.code, sessions
            FROM trail_step_counts
            JOIN codes ON codes.node = trail_step_counts.node
            LEFT JOIN codes AS previous_codes ON previous_codes.node = trail_step_counts.previous_node
        ) AS both_counts
        GROUP BY step, previous_code, code
        """,
        materialized=True,
    )
