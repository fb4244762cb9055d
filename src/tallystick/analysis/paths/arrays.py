"""Paths by arrays, in ClickHouse's SQL: all steps of a session at once, instead of one after the other by windows.

A step is one whole number, with its place in the session above and its code in the lowest bits; so the sorted numbers
of a session are its *trail*. A query counts only the few steps of a trail that lie behind (or before) the anchor.
"""

from __future__ import annotations

from tallystick.analysis.cte import Cte, clause, cte
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.sessions.events import session_keys
from tallystick.model.queries.paths import PathsQuery

CODE_BITS = 32
"""Codes are numbered from 1, and are fewer."""


def array_step_counts(query: PathsQuery, source: EventSource) -> list[Cte]:
    """CTEs from `session_steps` to `step_counts`."""
    dialect = source.dialect
    # A text that cannot be NULL groups in three quarters of the time.
    keys = [*session_keys(query)[:-1], "assumeNotNull(visitor)", *(["visit"] if source.has_loose_events else [])]
    step = f"toUInt256({dialect.event_order}) * {2**CODE_BITS} + toUInt64(code)"
    trail = f"arrayMap(step -> toInt32(bitAnd(step, {2**CODE_BITS - 1})), arraySort(groupArray({step})))"
    trails = cte(
        "trails",
        """
        SELECT {trail} AS trail
        FROM session_steps
        GROUP BY {keys}
        """,
        trail=f"arrayCompact({trail})" if query.merge else trail,
        keys=", ".join(keys),
    )
    anchor = query.start if query.end is None else query.end
    begin, conditions = "1", []
    if anchor is not None:
        code = f"ifNull((SELECT code FROM codes WHERE node = {source.parameters.add(anchor, 'text')}), -1)"
        begin, conditions = f"indexOf(trail, {code})", ["begin > 0"]
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
                trail[position] AS code,
                if(position > 1, trail[position - 1], 0) AS previous_code,
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
        begin=f"toInt64({begin})",
        positions=positions,
        where=clause("WHERE", conditions),
    )
    return [trails, counts]
