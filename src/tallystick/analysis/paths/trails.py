"""Steps of sessions from their trails in the session index.

A *trail* is a list of the paths of a session's page views in their order, in which a path that repeats directly stands
only once. If a session lies wholly in the range, its trail answers the query. The other sessions of the index (the CTE
`long_sessions`) are read from their events. DuckDB has the paths themselves in its lists, PostgreSQL has their numbers.
"""

from __future__ import annotations

from tallystick.analysis.bots import is_no_bot
from tallystick.analysis.cte import FENCE, Cte, clause, columns, cte, sql, union_all
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.sessions.events import site_condition
from tallystick.analysis.sessions.index import INDEXED_PATHS, TRAIL, SessionIndex
from tallystick.analysis.sessions.materialized import bot_columns, long_sessions, without_bot_sessions, without_joined
from tallystick.model.queries.paths import PathsQuery
from tallystick.model.queries.sessions import PAGE_NAMES


def can_use_trails(query: PathsQuery) -> bool:
    """Whether trails have all that the query asks for."""
    no_filter = query.filter is None or is_no_bot(query.filter)
    return query.by == "page" and no_filter and set(query.page_names) == set(PAGE_NAMES)


def index_ctes(query: PathsQuery, source: EventSource, index: SessionIndex) -> list[Cte]:
    """The CTEs of the index, and `long_sessions`: those of the range whose trail does not answer the query."""
    overlapping = []
    if query.since is not None:
        overlapping.append(f"ended >= {source.parameters.add(query.since, 'timestamp')}")
    if query.until is not None:
        overlapping.append(f"started < {source.parameters.add(query.until, 'timestamp')}")
    without_trail = f"NOT ({' AND '.join(_has_usable_trail(query, source))})"
    long = [*site_condition(query, source), *overlapping, without_trail, *without_bot_sessions(query)]
    return [*index.ctes([TRAIL, *bot_columns(query)]), *long_sessions(query, source, [long])]


def _has_usable_trail(query: PathsQuery, source: EventSource) -> list[str]:
    """Conditions: the trail has every step that the session takes in the range, and no other."""
    conditions = [f"{TRAIL} IS NOT NULL", *(f"{bots} = 0" for bots in bot_columns(query))]
    if query.since is not None:
        conditions.append(f"started >= {source.parameters.add(query.since, 'timestamp')}")
    if query.until is not None:
        conditions.append(f"ended < {source.parameters.add(query.until, 'timestamp')}")
    return conditions if query.merge else [*conditions, f"{source.dialect.list_length.format(TRAIL)} = pages"]


def trail_step_counts(query: PathsQuery, source: EventSource, index: SessionIndex, anchor: str | None) -> Cte:
    """`trail_step_counts`: how many sessions have which page as which step, and which page before it.

    `position` is the index of the step in the trail, from 1.
    """
    position, last_step = "step", query.steps
    selected = TRAIL
    conditions = [*site_condition(query, source), *_has_usable_trail(query, source)]
    if index.has_numbered_trails:
        return _numbered_step_counts(query, source, index, anchor, conditions)
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
        index=without_joined(query, source),
        where=clause("WHERE", conditions),
    )


def _numbered_step_counts(
    query: PathsQuery, source: EventSource, index: SessionIndex, anchor: str | None, conditions: list[str]
) -> Cte:
    """`trail_step_counts` from trails of numbers: counted by numbers, and only the counts get their paths.

    `page_1` is the page of the first step that counts, `page_2` that of the next one, and so on: backwards from an
    `end`, else forwards, and then `page_0` is the page before the first one. Each step with the page before it is a
    grouping set. So a trail is read once, and never becomes a row for each of its pages.

    FENCE has the anchor searched once for all pages, and hides from the planner that pages are of trails, of which
    there are many: it would expect as many pairs of pages, and sort the trails instead of hashing them.
    """
    backwards = query.end is not None
    steps = range(1, query.steps if backwards else query.steps + 1)
    anchored = "1"
    if anchor is not None:
        node = source.parameters.add(anchor, "text")
        anchored = f"array_position({TRAIL}, (SELECT path_id FROM {INDEXED_PATHS} WHERE path = {node}))"
        conditions.append(f"{anchored} IS NOT NULL")
    numbers = range(1, query.steps + 1) if backwards else range(query.steps + 1)
    before = {step: f"page_{step + 1 if backwards else step - 1}" for step in steps}
    pages = [f"page_{number}" for number in numbers]
    sets = {step: {f"page_{step}", before[step]} for step in steps}
    # GROUPING has a bit for each of its columns, the last one's the lowest: 1 where the column is not grouped by.
    masks = {step: "".join("0" if page in sets[step] else "1" for page in pages) for step in steps}
    cases = {
        "step": [f"WHEN {int(masks[step], 2)} THEN {step}" for step in steps],
        "previous_id": [f"WHEN {int(masks[step], 2)} THEN {before[step]}" for step in steps],
        "path_id": [f"WHEN {int(masks[step], 2)} THEN page_{step}" for step in steps],
    }
    sign = "-" if backwards else "+"
    halves = halves_of_trails(query, source, index)
    grouped_steps = union_all(
        sql(
            """
            SELECT {pages}, GROUPING({pages}) AS not_grouped_by, count(*) AS sessions
            FROM (
                SELECT
                    {selected}
                FROM (
                    SELECT {trail}, {anchored} AS anchored
                    FROM {index}
                    {where}
                    {fence}
                ) AS trails
                {fence}
            ) AS pages_of_trails
            GROUP BY GROUPING SETS ({sets})
            """,
            pages=", ".join(pages),
            selected=columns(f"{TRAIL}[anchored {sign} {number - 1}] AS page_{number}" for number in numbers),
            trail=TRAIL,
            anchored=anchored,
            index=without_joined(query, source),
            where=clause("WHERE", [*conditions, *of_half]),
            fence=FENCE,
            sets=", ".join(f"({before[step]}, page_{step})" for step in steps),
        )
        for of_half in halves
    )
    return cte(
        "trail_step_counts",
        """
        SELECT step, previous_paths.path AS previous_node, paths.path AS node, sessions
        FROM (
            SELECT
                {cases},
                sessions
            FROM (
                {grouped_steps}
            ) AS grouped_steps
        ) AS counted_steps
        JOIN {paths} AS paths USING (path_id)
        LEFT JOIN {paths} AS previous_paths ON previous_paths.path_id = previous_id
        """,
        materialized=True,
        cases=columns(f"CASE not_grouped_by {' '.join(whens)} END AS {name}" for name, whens in cases.items()),
        grouped_steps=grouped_steps,
        paths=INDEXED_PATHS,
    )


def halves_of_trails(query: PathsQuery, source: EventSource, index: SessionIndex) -> list[list[str]]:
    """Conditions that part the sessions in two of about equal size, each of which one process can count.

    PostgreSQL does not share the work on grouping sets among processes, but gives each SELECT of a UNION ALL to one,
    unless it reads a CTE. A page of both halves is in two rows of `trail_step_counts`, which `step_counts` adds up.
    """
    anchored = query.start is not None or query.end is not None  # by a subquery that runs first, which is not parallel
    if not index.is_plain_table or source.has_loose_events or anchored or query.since is None or query.until is None:
        return [[]]
    middle = source.parameters.add(query.since + (query.until - query.since) / 2, "timestamp")
    return [[f"started < {middle}"], [f"started >= {middle}"]]


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
