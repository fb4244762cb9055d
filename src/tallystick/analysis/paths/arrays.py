"""Paths by arrays, in ClickHouse's SQL: all steps of a session at once, instead of one after the other by windows.

The codes of a session's steps, sorted by their places, are its *trail*. A query counts only the few steps of a trail
that lie behind (or before) the anchor, whose code is negative (`code_of_step`): a subquery that looks for its code
reads all events once more.

A session is a hash of 64 bits, and a step takes 20 bytes: the arrays of all sessions are in memory at once, or in files
where ClickHouse has too little.
"""

from __future__ import annotations

from tallystick.analysis.cte import Cte, clause, cte
from tallystick.analysis.event_source import EventSource
from tallystick.model.queries.paths import PathsQuery


def code_of_step(query: PathsQuery, source: EventSource) -> str:
    """The column `code` of `session_steps`: negative for the anchor."""
    if query.anchor is None:
        return "code"
    return f"if(node = {source.parameters.add(query.anchor, 'text')}, -code, code) AS code"


def array_step_counts(query: PathsQuery, source: EventSource) -> list[Cte]:
    """CTEs from `session_steps` to `step_counts`."""
    dialect = source.dialect
    trail = f"arraySort((code, place) -> place, groupArray(toInt32(code)), groupArray({dialect.event_order}))"
    trails = cte(
        "trails",
        """
        SELECT {trail} AS trail
        FROM session_steps
        GROUP BY session_key
        """,
        trail=f"arrayCompact({trail})" if query.merge else trail,
    )
    begin, conditions, code = "1", [], "trail[{}]"
    if query.anchor is not None:
        begin, conditions, code = "arrayFirstIndex(code -> code < 0, trail)", ["begin > 0"], "abs(trail[{}])"
    # From an `end` the steps are counted backwards.
    last = query.steps if query.end is None else query.steps - 1
    positions = f"range(begin, least(begin + {last}, length(trail) + 1))"
    if query.end is not None:
        positions = f"arrayMap(back -> begin - back, range(0, least(begin, {last})))"
    counts = cte(
        "step_counts",
        """
        SELECT step, previous_code, code, {count} AS sessions
        FROM (
            SELECT
                {code} AS code,
                if(position > 1, {previous_code}, 0) AS previous_code,
                step
            FROM (
                SELECT trail, {begin} AS begin
                FROM trails
            ) AS begun
            ARRAY JOIN {positions} AS position, arrayEnumerate({positions}) AS step
            {where}
        ) AS steps
        GROUP BY step, previous_code, code
        """,
        materialized=True,
        count=dialect.count,
        code=code.format("position"),
        previous_code=code.format("position - 1"),
        begin=f"toInt64({begin})",
        positions=positions,
        where=clause("WHERE", conditions),
    )
    return [trails, counts]
