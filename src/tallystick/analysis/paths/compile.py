"""Queries about paths → SQL.

A *step* is an event of a session; its *node* is the path of the page, or the name of the event. The statement goes
through these CTEs:

1. `codes` numbers the nodes in their order, from 1, because numbers sort and compare in a third of the time of texts.
2. `session_steps` has every step with the key of its session, its time and its code.
3. `steps` adds the `position` of a step in its session, from 1, and `previous_code`, the code of the step before it (0
   for the first). Where the query says `merge`, steps that repeat the one before them are left out.
4. `step_counts` counts the sessions by `step`, `previous_code` and `code`. `step` is the position counted from the
   anchor (`start` or `end` of the query), or the position itself where there is no anchor.
5. `edges` turns the counts into edges from `source` to `target`, `ranked_edges` ranks those of each step, and
   `kept_edges` adds up the ones below `top`.

A store that walks arrays counts the steps of each session's array instead (see `arrays`).

With a session index, most sessions are counted by their trails instead (see `trails`), and steps 2 to 4 are for the
sessions without a usable trail.

If the dialect has a `hash`, a session's key is a hash of 64 bits. The chance that two of two million sessions get the
same one is one in ten million. Only the sort by session needs much memory; it spills to files where it does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import Cte, clause, columns, cte, sql, union_all, with_ctes
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import Fields, filter_sql, scope_conditions
from tallystick.analysis.paths.arrays import array_step_counts, code_of_step
from tallystick.analysis.paths.trails import (
    can_use_trails,
    halves_of_trails,
    index_ctes,
    step_counts_with_trails,
    trail_step_counts,
)
from tallystick.analysis.sessions.events import (
    attributed_events,
    events_of_sessions,
    events_of_visits,
    is_page_view,
    session_keys,
    visit_keys,
)
from tallystick.analysis.sessions.index import SessionIndex
from tallystick.analysis.sessions.materialized import of_long_session
from tallystick.analysis.sources import Needs, Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.paths import PathsQuery


def paths_needs(query: PathsQuery) -> Needs:
    """What a store reads before it compiles a query about paths: trails are in the session index."""
    return Needs(property_columns=True, persons=True, loose_events=True, session_index=can_use_trails(query))


def compile_paths(query: PathsQuery, sources: Sources) -> Statement:
    """The statement of a query about paths: step, source, target, sessions, and whether the row is the rest."""
    source = EventSource(sources, query.site_id)
    index = sources.session_index if can_use_trails(query) else None
    if source.dialect.walks_arrays:
        ctes = [*_session_steps(query, source), *array_step_counts(query, source)]
    elif index is None:
        ctes = [
            *_session_steps(query, source),
            *_steps(query, source),
            _step_counts(query, source, "step_counts"),
        ]
    else:
        ctes = [
            *_session_steps_without_trail(query, source, index),
            *_steps(query, source),
            _step_counts(query, source, "event_step_counts"),
            step_counts_with_trails(),
        ]
    ctes += [_edges(query, source), *_largest_edges(query, source)]
    answer = sql(
        """
        SELECT step, sources.node, targets.node, sessions, other
        FROM kept_edges
        LEFT JOIN codes AS sources ON sources.code = kept_source
        LEFT JOIN codes AS targets ON targets.code = kept_target
        ORDER BY step, other, sessions DESC, kept_source NULLS LAST, kept_target NULLS LAST
        """
    )
    in_halves = index is not None and len(halves_of_trails(query, source, index)) > 1
    return Statement(
        with_ctes(ctes, answer), source.parameters.values, from_rollup=index is not None, in_halves=in_halves
    )


# --- the steps of sessions ------------------------------------------------------------------------------------------


def _session_steps(query: PathsQuery, source: EventSource) -> list[Cte]:
    """CTEs up to `codes` and `session_steps`."""
    code = code_of_step(query, source) if source.dialect.walks_arrays else "code"
    events, steps = _steps_of_events(query, source, code, join_codes=True)
    return [_codes_of_events(query, source), *_attributed_steps(query, source), *events, Cte("session_steps", steps)]


def _session_steps_without_trail(query: PathsQuery, source: EventSource, index: SessionIndex) -> list[Cte]:
    """CTEs up to `trail_step_counts`, and to `codes` and `session_steps` of the sessions without a usable trail."""
    ctes = [
        *_attributed_steps(query, source),
        *index_ctes(query, source, index),
        trail_step_counts(query, source, index, query.anchor),
    ]
    events, steps = _steps_of_events(query, source, "node", long_only=True)
    codes = _codes(
        """
        SELECT node FROM trail_step_counts
        UNION
        SELECT previous_node FROM trail_step_counts WHERE previous_node IS NOT NULL
        UNION
        SELECT node FROM steps_without_trail
        """
    )
    session_steps = cte(
        "session_steps",
        """
        SELECT {columns}
        FROM steps_without_trail JOIN codes USING (node)
        """,
        columns=", ".join([*_key(query, source), "timestamp", *source.dialect.arrival, "code"]),
    )
    return [*ctes, *events, Cte("steps_without_trail", steps, materialized=True), codes, session_steps]


def _codes(nodes: str, **parts: str) -> Cte:
    """`codes`: the nodes of a SELECT with their numbers."""
    return cte(
        "codes",
        """
        SELECT node, CAST(row_number() OVER (ORDER BY node) AS INTEGER) AS code
        FROM (
            {nodes}
        ) AS nodes
        """,
        materialized=True,
        nodes=sql(nodes, **parts),
    )


def _codes_of_events(query: PathsQuery, source: EventSource) -> Cte:
    page_view, selected = _step_columns(query, source)
    scope = query.model_copy(update={"filter": None})
    return _codes(
        """
        SELECT DISTINCT node
        FROM (
            SELECT {columns}
            FROM {events}
            {where_event}
        ) AS step_events
        {where}
        """,
        columns=", ".join(selected),
        events=source.relation(persons=False),
        where_event=clause("WHERE", [*scope_conditions(scope, "timestamp", source), *page_view]),
        where=clause("WHERE", _is_step(query)),
    )


def _step_columns(query: PathsQuery, source: EventSource) -> tuple[list[str], list[str]]:
    """Conditions of the events that can be steps, and the columns that are read of them."""
    page_view = [] if query.by == "event" else [is_page_view(query, source), "path IS NOT NULL"]
    node = "path" if page_view else "name"
    matches = [] if query.filter is None else [f"{filter_sql(query.filter, Fields(source))} AS matches"]
    return page_view, [f"{node} AS node", *matches]


def _attributed_steps(query: PathsQuery, source: EventSource) -> list[Cte]:
    """CTEs up to `attributed_events`, with the nodes of the events that can be steps.

    Only all events of a user together say where a visit starts. Therefore an event that is no page view is read too;
    without a node it is no step.
    """
    page_view, selected = _step_columns(query, source)
    node_or_null = [f"CASE WHEN {' AND '.join(page_view)} THEN path END AS node"] if page_view else selected[:1]
    return attributed_events(query, source, [*node_or_null, *selected[1:]])


def _is_step(query: PathsQuery) -> list[str]:
    return ["node IS NOT NULL", *(["matches"] if query.filter is not None else [])]


def _steps_of_events(
    query: PathsQuery, source: EventSource, node: str, join_codes: bool = False, long_only: bool = False
) -> tuple[list[Cte], str]:
    """CTEs of events, and a SELECT of the steps of both kinds of sessions: key, timestamp, and `node` or `code`.

    Args:
        node: the column that says what the step is.
        join_codes: the SELECT joins `codes`.
        long_only: of the sessions with a `session_id` only those in `long_sessions`.
    """
    page_view, selected = _step_columns(query, source)
    long_sessions = of_long_session(query, source) if long_only else []
    ctes = [events_of_sessions(query, source, selected, conditions=[*long_sessions, *page_view])]
    join = "JOIN codes USING (node)" if join_codes else ""
    template = """
        SELECT {columns}
        FROM {events}
        {join}
        {where}
        """
    with_session_id = sql(
        template,
        columns=", ".join([*_key_of_session(query, source), "timestamp", *source.dialect.arrival, node]),
        events="events_of_sessions",
        join=join,
        where=clause("WHERE", [*_is_step(query), *_has_anchor(query, source)]),
    )
    if not source.has_loose_events:
        return ctes, with_session_id
    ctes.append(events_of_visits(query, source, selected))
    of_visits = sql(
        template,
        columns=", ".join([*_key_of_visit(query, source), "timestamp", *source.dialect.arrival, node]),
        events="events_of_visits",
        join=join,
        where=clause("WHERE", _is_step(query)),
    )
    return ctes, union_all([with_session_id, of_visits])


def _has_anchor(query: PathsQuery, source: EventSource) -> list[str]:
    """Condition: a step belongs to a session that has the anchor. Sessions without it are not counted."""
    anchor = query.anchor
    if anchor is None or source.dialect.walks_arrays:  # to look for it in the array costs less
        return []
    condition = sql(
        """
        ({keys}) IN (
            SELECT {keys}
            FROM events_of_sessions
            {where}
        )
        """,
        keys=", ".join(session_keys(query)),
        where=clause("WHERE", [*_is_step(query), f"node = {source.parameters.add(anchor, 'text')}"]),
    )
    return [condition]


def _key(query: PathsQuery, source: EventSource) -> list[str]:
    """The columns of `session_steps` that identify a session of either kind.

    They are a hash, or the `visitor` (session id or user) and the number of the visit: 0 for a session with an id, so
    that such a session is none of the visits of a user with an equal id.
    """
    if source.dialect.hash:
        return ["session_key"]
    return [*session_keys(query)[:-1], "visitor", "visit"]


def _key_of_session(query: PathsQuery, source: EventSource) -> list[str]:
    *site, session_id = session_keys(query)
    if source.dialect.hash:
        return [f"{source.dialect.hash.format(', '.join([*site, session_id, '0']))} AS session_key"]
    return [*site, f"{session_id} AS visitor", "CAST(0 AS BIGINT) AS visit"]


def _key_of_visit(query: PathsQuery, source: EventSource) -> list[str]:
    *site, user_id, visit = visit_keys(query)
    if source.dialect.hash:
        return [f"{source.dialect.hash.format(', '.join([*site, user_id, visit]))} AS session_key"]
    return [*site, f"{user_id} AS visitor", f"CAST({visit} AS BIGINT) AS {visit}"]


# --- the positions of steps -----------------------------------------------------------------------------------------


def _steps(query: PathsQuery, source: EventSource) -> list[Cte]:
    """CTEs up to `steps`."""
    key = ", ".join(_key(query, source))
    if not query.merge:
        return [_numbered_steps("steps", key, source, with_time=True)]
    return _merged_steps(source) if source.dialect.hash else _merged_steps_in_order(key, source)


def _order(source: EventSource) -> str:
    """The order of a session's events."""
    return ", ".join(["timestamp", *source.dialect.arrival])


def _numbered_steps(
    name: str, key: str, source: EventSource, *, with_time: bool, materialized: bool | None = None
) -> Cte:
    """The steps with their positions and previous codes; repetitions are still in it."""
    return cte(
        name,
        """
        SELECT
            {columns},
            lag(code, 1, 0) OVER steps_of_session AS previous_code,
            CAST(row_number() OVER steps_of_session AS INTEGER) AS position
        FROM session_steps
        WINDOW steps_of_session AS (PARTITION BY {key} ORDER BY {order})
        """,
        materialized=materialized,
        columns=columns([key, *(["timestamp", *source.dialect.arrival] if with_time else []), "code"]),
        key=key,
        order=_order(source),
    )


def _merged_steps_in_order(key: str, source: EventSource) -> list[Cte]:
    """Repetitions are left out, and the rest is numbered in the order of `numbered_steps`, which needs no new sort."""
    steps = cte(
        "steps",
        """
        SELECT
            {key},
            code,
            previous_code,
            CAST(row_number() OVER steps_of_session AS INTEGER) AS position
        FROM numbered_steps
        WHERE previous_code <> code
        WINDOW steps_of_session AS (PARTITION BY {key} ORDER BY {order})
        """,
        key=key,
        order=_order(source),
    )
    return [_numbered_steps("numbered_steps", key, source, with_time=True), steps]


def _merged_steps(source: EventSource) -> list[Cte]:
    """Positions are computed anew only for the sessions with repetitions, which are few: that takes a second sort."""
    sessions = cte(
        "sessions_with_repetitions",
        """
        SELECT DISTINCT session_key
        FROM numbered_steps
        WHERE previous_code = code
        """,
        materialized=True,
    )
    steps = cte(
        "steps",
        """
        SELECT session_key, code, previous_code, position
        FROM numbered_steps
        WHERE session_key NOT IN (SELECT session_key FROM sessions_with_repetitions)
        UNION ALL
        SELECT session_key, code, previous_code, merged_position
        FROM (
            SELECT
                session_key,
                code,
                previous_code,
                CAST(
                    sum(CASE WHEN previous_code = code THEN 0 ELSE 1 END) OVER steps_so_far AS INTEGER
                ) AS merged_position
            FROM numbered_steps
            WHERE session_key IN (SELECT session_key FROM sessions_with_repetitions)
            WINDOW steps_so_far AS (PARTITION BY session_key ORDER BY position ROWS UNBOUNDED PRECEDING)
        ) AS renumbered_steps
        WHERE previous_code <> code
        """,
    )
    numbered = _numbered_steps("numbered_steps", "session_key", source, with_time=False, materialized=True)
    return [numbered, sessions, steps]


# --- edges ----------------------------------------------------------------------------------------------------------


def _step_counts(query: PathsQuery, source: EventSource, name: str) -> Cte:
    """Sessions by step, previous code and code.

    From a `start` steps are counted forwards; from an `end` they are counted backwards to the session's first step.
    """
    anchor = query.anchor
    if anchor is None:
        from_steps, step = "FROM steps", "position"
    else:
        step = "position - anchor_position + 1" if query.end is None else "anchor_position - position + 1"
        from_steps = sql(
            """
            FROM (
                SELECT
                    position,
                    code,
                    previous_code,
                    min(
                        CASE WHEN code = (SELECT code FROM codes WHERE node = {anchor}) THEN position END
                    ) OVER (PARTITION BY {key}) AS anchor_position
                FROM steps
            ) AS anchored_steps
            """,
            anchor=source.parameters.add(anchor, "text"),
            key=", ".join(_key(query, source)),
        )
    return cte(
        name,
        """
        SELECT {step} AS step, previous_code, code, {count} AS sessions
        {from_steps}
        WHERE {step} BETWEEN 1 AND {last_step}
        GROUP BY {step}, previous_code, code
        """,
        materialized=True,
        step=step,
        count=source.dialect.count,
        from_steps=from_steps,
        last_step=str(query.steps if query.end is None else query.steps - 1),
    )


def _edges(query: PathsQuery, source: EventSource) -> Cte:
    """`edges`: each step but the first is an edge from the step before it; a session's last step has no target."""
    if query.end is not None:
        return cte(
            "edges",
            """
            SELECT step, nullif(previous_code, 0) AS source, code AS target, sessions
            FROM step_counts
            """,
        )
    # The sessions that end with a step are those that take it, less those that take a next one. Steps out of range
    # count 0 instead of being left out by a condition: DuckDB would test a condition for every step of every session.
    return cte(
        "edges",
        """
        SELECT step - 1 AS step, previous_code AS source, code AS target, sessions
        FROM step_counts
        WHERE step > 1
        UNION ALL
        SELECT step, code, NULL, {sessions}
        FROM (
            SELECT step, code, CASE WHEN step < {steps} THEN sessions ELSE 0 END AS sessions
            FROM step_counts
            UNION ALL
            SELECT step - 1, previous_code, CASE WHEN step > 1 THEN -sessions ELSE 0 END
            FROM step_counts
        ) AS taken_less_continued
        GROUP BY step, code
        HAVING sum(sessions) > 0
        """,
        sessions=source.dialect.whole.format("sessions"),
        steps=str(query.steps),
    )


def _largest_edges(query: PathsQuery, source: EventSource) -> Sequence[Cte]:
    """`ranked_edges` and `kept_edges`: the edges of most sessions of each step, and the rest as one row."""
    ranked_edges = cte(
        "ranked_edges",
        """
        SELECT
            *,
            row_number() OVER (
                PARTITION BY step ORDER BY sessions DESC, source NULLS LAST, target NULLS LAST
            ) AS rank
        FROM edges
        """,
    )
    kept_edges = cte(
        "kept_edges",
        """
        SELECT
            step,
            CASE WHEN rank <= {top} THEN source END AS kept_source,
            CASE WHEN rank <= {top} THEN target END AS kept_target,
            {sessions} AS sessions,
            rank > {top} AS other
        FROM ranked_edges
        GROUP BY step, kept_source, kept_target, other
        """,
        top=str(query.top),
        sessions=source.dialect.whole.format("sessions"),
    )
    return [ranked_edges, kept_edges]
