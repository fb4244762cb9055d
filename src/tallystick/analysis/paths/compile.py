"""Questions about paths → SQL.

`codes` numbers the pages (or events' names) in their order, from 1, since sorting and comparing numbers takes a third
of the time that texts take. `stepped` has the steps of all sessions, `walked` each with its number `n` in the session
and the step `before` it (0: none), `counted` how many sessions have which step at which `place`, from the anchor on.

Where the dialect has a `hash`, that of 64 bits stands for a session: of two million sessions the chance that two are
taken for one is one in ten million.

Sorting by session is all that needs much memory, and goes through files where it does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.filters import Fields, Params, filter_sql, scope_conditions, where
from tallystick.analysis.paths.trails import can_use_trails, counted_of, seen, trail_tables
from tallystick.analysis.sessions.compile import is_page, session_events
from tallystick.analysis.sessions.index import SessionIndex
from tallystick.analysis.sources import Needs, Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.paths import PathsQuery

NUMBERED = "SELECT node, CAST(row_number() OVER (ORDER BY node) AS INTEGER) AS code"

Tables = list[str]
"""Common tables, `name AS (…)` each."""


def paths_needs(query: PathsQuery) -> Needs:
    """What a store reads before it compiles a query about paths: trails are in the session index."""
    return Needs(property_columns=True, persons=True, session_index=can_use_trails(query))


def compile_paths(query: PathsQuery, sources: Sources) -> Statement:
    """The statement of a question about paths: step, source, target, sessions, and whether the row is the rest."""
    params, folded = Params(sources, query.site_id), sources.session_index
    usable = folded if can_use_trails(query) else None
    tables = [
        *(_stepped(query, params) if usable is None else _stepped_with_trails(query, params, usable)),
        *_walked(query, params),
        _counted(query, params, "counted" if usable is None else "counted_events"),
        *([] if usable is None else [counted_of("counted_events")]),
        _edges(query, params),
    ]
    kept = f"rank <= {query.top}"
    tables += [
        "ranked AS (\n  SELECT *, row_number() OVER (PARTITION BY place\n"
        "    ORDER BY sessions DESC, source NULLS LAST, target NULLS LAST) AS rank\n  FROM edges\n)",
        f"cut AS (\n  SELECT place, CASE WHEN {kept} THEN source END AS source, CASE WHEN {kept} THEN target END AS "
        f"target,\n    {params.dialect.whole.format('sessions')} AS sessions, NOT {kept} AS other\n  FROM ranked\n"
        "  GROUP BY 1, 2, 3, 5\n)",
    ]
    sql = (
        f"WITH {_joined(tables)}\nSELECT place, sources.node, targets.node, sessions, other\nFROM cut\n"
        "LEFT JOIN codes AS sources ON sources.code = source\nLEFT JOIN codes AS targets ON targets.code = target\n"
        "ORDER BY place, other, sessions DESC, source NULLS LAST, target NULLS LAST"
    )
    return Statement(sql, params.values, from_rollup=usable is not None)


def _joined(tables: Tables) -> str:
    return ",\n".join(tables)


# --- the steps of sessions ------------------------------------------------------------------------------------------


def _stepped(query: PathsQuery, params: Params) -> Tables:
    """`codes` and `stepped`."""
    steps = _visited(query, params, "code", " JOIN codes USING (node)")
    return [f"codes AS MATERIALIZED (\n{_codes(query, params)}\n)", f"stepped AS (\n{steps}\n)"]


def _stepped_with_trails(query: PathsQuery, params: Params, folded: SessionIndex) -> Tables:
    """The same of the sessions whose trails do not say it, behind what says it of all others."""
    nodes = "SELECT node FROM seen UNION SELECT before FROM seen WHERE before IS NOT NULL UNION SELECT node FROM visits"
    return [
        *trail_tables(query, params, folded),
        seen(query, params, _anchor(query)),
        f"visits AS MATERIALIZED (\n{_visited(query, params, 'node', long_only=True)}\n)",
        f"codes AS MATERIALIZED (\n  {NUMBERED}\n  FROM ({nodes}) AS nodes\n)",
        f"stepped AS (\n  SELECT {', '.join([*_key(query, params), 'timestamp', 'code'])}\n"
        "  FROM visits JOIN codes USING (node)\n)",
    ]


def _of_interest(query: PathsQuery, params: Params) -> tuple[list[str], list[str]]:
    """Conditions of the events that can be steps, and the columns to read of them."""
    pages = [] if query.by == "event" else [is_page(query, params), "path IS NOT NULL"]
    node = "path" if pages else "name"
    filters = [] if query.filter is None else [f"{filter_sql(query.filter, Fields(params))} AS picked"]
    return pages, [f"{node} AS node", *filters]


def _visited(query: PathsQuery, params: Params, node: str, join: str = "", long_only: bool = False) -> str:
    """The steps' instants and what they are. With an anchor sessions are left out that surely do not have it."""
    pages, columns = _of_interest(query, params)
    by_id, named = session_events(query, params, columns, long_only, only=pages)[0]
    # Which events make a visit shows only with all of them, so that what is no page view is left out afterwards.
    of_all = [f"CASE WHEN {' AND '.join(pages)} THEN path END AS node", *columns[1:]] if pages else columns
    by_pause, paused = session_events(query, params, of_all)[1]
    picked = _picked(query)
    anchor = _anchor(query)
    having = ""
    if anchor is not None:
        keys = ", ".join(named)
        hit = f"SELECT {keys} FROM (\n    {by_id}\n    ) AS visited {picked} AND node = {params.add(anchor, 'text')}"
        having = f" AND ({keys}) IN (\n    {hit}\n  )"
    parts = [
        f"  SELECT {key}, timestamp, {node}\n  FROM (\n    {events}\n  ) AS visited{join}\n  {only}"
        for events, key, only in (
            (by_id, _named_key(named, params), picked + having),
            (by_pause, _paused_key(paused, params), picked),
        )
    ]
    return "\n  UNION ALL\n".join(parts)


def _anchor(query: PathsQuery) -> str | None:
    return query.start if query.end is None else query.end


def _named_key(keys: Sequence[str], params: Params) -> str:
    """What tells sessions with a `session_id` apart; visits of a user are numbered from 1, 0 is none of them."""
    if params.dialect.hash:
        return f"{params.dialect.hash.format(', '.join([*keys, '0']))} AS visit"
    return ", ".join([*keys[:-1], f"{keys[-1]} AS visitor", "CAST(0 AS BIGINT) AS visit"])


def _paused_key(keys: Sequence[str], params: Params) -> str:
    """What tells the visits of users apart."""
    if params.dialect.hash:
        return f"{params.dialect.hash.format(', '.join(keys))} AS visit"
    return ", ".join([*keys[:-2], f"{keys[-2]} AS visitor", "visit"])


def _key(query: PathsQuery, params: Params) -> list[str]:
    """The columns that tell the sessions of `stepped` apart."""
    return ["visit"] if params.dialect.hash else [*(["site_id"] if query.site_id is None else []), "visitor", "visit"]


def _picked(query: PathsQuery) -> str:
    return "WHERE node IS NOT NULL" + (" AND picked" if query.filter is not None else "")


def _codes(query: PathsQuery, params: Params) -> str:
    pages, columns = _of_interest(query, params)
    conditions = [*scope_conditions(query.model_copy(update={"filter": None}), "timestamp", params), *pages]
    events = f"SELECT {', '.join(columns)} FROM {params.relation(persons=False)}{where(conditions)}"
    nodes = f"SELECT DISTINCT node FROM (\n    {events}\n    ) AS seen {_picked(query)}"
    return f"  {NUMBERED}\n  FROM (\n    {nodes}\n  ) AS nodes"


# --- numbers --------------------------------------------------------------------------------------------------------


def _walked(query: PathsQuery, params: Params) -> Tables:
    """`walked`, without the repetitions that `merge` leaves out: `before` is the step before those, too."""
    key = ", ".join(_key(query, params))
    walk = f"WINDOW walk AS (PARTITION BY {key} ORDER BY timestamp, code)"
    number = "CAST(row_number() OVER walk AS INTEGER) AS n"
    steps = f"  SELECT {key}, timestamp, code, lag(code, 1, 0) OVER walk AS before, {number}\n  FROM stepped\n  {walk}"
    if not query.merge:
        return [f"walked AS (\n{steps}\n)"]
    if not params.dialect.hash:
        # The order is that of `numbered`, so that it is sorted once.
        merged = f"  SELECT {key}, code, before, {number}\n  FROM numbered WHERE before <> code\n  {walk}"
        return [f"numbered AS (\n{steps}\n)", f"walked AS (\n{merged}\n)"]
    steps = steps.replace(" timestamp,", "", 1)
    again = "SELECT visit FROM repeating"
    nth = "sum(CASE WHEN before = code THEN 0 ELSE 1 END) OVER walk"
    walk = "WINDOW walk AS (PARTITION BY visit ORDER BY n ROWS UNBOUNDED PRECEDING)"
    return [
        f"numbered AS MATERIALIZED (\n{steps}\n)",
        # Sorting once more is needed for sessions that repeat a step, which are few.
        "repeating AS MATERIALIZED (\n  SELECT DISTINCT visit FROM numbered WHERE before = code\n)",
        f"walked AS (\n  SELECT visit, code, before, n FROM numbered WHERE visit NOT IN ({again})\n"
        "  UNION ALL\n  SELECT visit, code, before, nth\n  FROM (\n"
        f"    SELECT visit, code, before, CAST({nth} AS INTEGER) AS nth\n"
        f"    FROM numbered WHERE visit IN ({again})\n    {walk}\n  ) AS renumbered\n  WHERE before <> code\n)",
    ]


def _counted(query: PathsQuery, params: Params, name: str) -> str:
    """Sessions by place and step; from a `start` the places go up, from an `end` down to the session's beginning."""
    anchor = _anchor(query)
    if anchor is None:
        placed, place = "walked", "n"
    else:
        key = ", ".join(_key(query, params))
        wanted = f"(SELECT code FROM codes WHERE node = {params.add(anchor, 'text')})"
        first = f"min(CASE WHEN code = {wanted} THEN n END) OVER (PARTITION BY {key}) AS anchor"
        placed = f"(\n    SELECT n, code, before, {first}\n    FROM walked\n  ) AS anchored"
        place = "n - anchor + 1" if query.end is None else "anchor - n + 1"
    last = query.steps if query.end is None else query.steps - 1
    return (
        f"{name} AS MATERIALIZED (\n  SELECT {place} AS place, before, code, count(*) AS sessions\n  FROM {placed}\n"
        f"  WHERE {place} BETWEEN 1 AND {last}\n  GROUP BY 1, 2, 3\n)"
    )


def _edges(query: PathsQuery, params: Params) -> str:
    """Each step but the first is an edge from the one before; sessions that have no next step end at theirs."""
    if query.end is not None:
        edges = "  SELECT place, nullif(before, 0) AS source, code AS target, sessions FROM counted"
        return f"edges AS (\n{edges}\n)"
    whole = params.dialect.whole.format("sessions")
    # No condition on places here: DuckDB would move it to where it is tested for each step of each session.
    return (
        "edges AS (\n  SELECT place - 1 AS place, before AS source, code AS target, sessions\n"
        "  FROM counted WHERE place > 1\n  UNION ALL\n"
        f"  SELECT place, code, NULL, {whole}\n  FROM (\n"
        f"    SELECT place, code, CASE WHEN place < {query.steps} THEN sessions ELSE 0 END AS sessions FROM counted\n"
        "    UNION ALL\n"
        "    SELECT place - 1, before, CASE WHEN place > 1 THEN -sessions ELSE 0 END FROM counted\n  ) AS ends\n"
        "  GROUP BY place, code HAVING sum(sessions) > 0\n)"
    )
