"""Questions about paths → SQL.

`codes` numbers the pages (or events' names) in their order, since sorting and comparing numbers takes a third of the
time that texts take. `walked` has a row for each edge of a session: place is its number, from 1 at the anchor. Sorting
by session is all that needs much memory, and goes through files where it does not fit.
"""

from __future__ import annotations

from runnel.model.paths import PathsQuery
from runnel.store.compile_filter import Fields, Params, filter_sql, scope_conditions, where
from runnel.store.compile_sessions import page_sql, session_events
from runnel.store.statement import Statement


def compile_paths(query: PathsQuery, params: Params) -> Statement:
    """The statement of a question about paths: step, source, target, sessions, and whether the row is the rest."""
    node = "name" if query.by == "event" else f"CASE WHEN {page_sql(query, params)} = 1 THEN path END"
    columns = [f"{node} AS node"]
    if query.filter is not None:
        columns.append(f"{filter_sql(query.filter, Fields(params))} AS picked")
    walked = "\n  UNION ALL\n".join(
        _walked(query, params, events, keys) for events, keys in session_events(query, params, columns)
    )
    kept = f"rank <= {query.top}"
    sql = (
        f"WITH codes AS MATERIALIZED (\n{_codes(query, params, columns)}\n),\nwalked AS (\n{walked}\n),\n"
        "edges AS (\n  SELECT place, source, target, count(*) AS sessions\n"
        f"  FROM walked\n  WHERE place BETWEEN 1 AND {query.steps - 1}\n  GROUP BY place, source, target\n),\n"
        "ranked AS (\n  SELECT *, row_number() OVER (PARTITION BY place\n"
        "    ORDER BY sessions DESC, source NULLS LAST, target NULLS LAST) AS rank\n  FROM edges\n),\n"
        f"cut AS (\n  SELECT place, CASE WHEN {kept} THEN source END AS source, CASE WHEN {kept} THEN target END AS "
        f"target,\n    {params.engine.whole.format('sessions')} AS sessions, NOT {kept} AS other\n  FROM ranked\n"
        "  GROUP BY 1, 2, 3, 5\n)\n"
        "SELECT place, sources.node, targets.node, sessions, other\nFROM cut\n"
        "LEFT JOIN codes AS sources ON sources.code = source\nLEFT JOIN codes AS targets ON targets.code = target\n"
        "ORDER BY place, other, sessions DESC, source NULLS LAST, target NULLS LAST"
    )
    return Statement(sql, params.values)


def _picked(query: PathsQuery) -> str:
    return "WHERE node IS NOT NULL" + (" AND picked" if query.filter is not None else "")


def _codes(query: PathsQuery, params: Params, columns: list[str]) -> str:
    conditions = scope_conditions(query.model_copy(update={"filter": None}), "timestamp", params)
    events = f"SELECT {', '.join(columns)} FROM {params.relation()}{where(conditions)}"
    return (
        "  SELECT node, row_number() OVER (ORDER BY node) AS code\n"
        f"  FROM (\n    SELECT DISTINCT node FROM (\n    {events}\n    ) AS seen {_picked(query)}\n  ) AS nodes"
    )


def _walked(query: PathsQuery, params: Params, events: str, keys: list[str]) -> str:
    key = ", ".join(keys)
    window = f"WINDOW walk AS (PARTITION BY {key} ORDER BY timestamp, code)"
    coded = f"(\n    {events}\n  ) AS visited JOIN codes USING (node)"
    steps = f"SELECT {key}, timestamp, code FROM {coded} {_picked(query)}"
    if query.merge:
        before = f"SELECT *, lag(code) OVER walk AS before FROM (\n  {steps}\n  ) AS steps\n  {window}"
        steps = f"SELECT * FROM (\n  {before}\n  ) AS repeated\n  WHERE before IS NULL OR before <> code"
    beside = "lag(code) OVER walk" if query.end is not None else "lead(code) OVER walk"
    numbered = (
        f"SELECT {key}, code, row_number() OVER walk AS n, {beside} AS beside\n  FROM (\n  {steps}\n  ) AS steps\n"
        f"  {window}"
    )
    anchor = query.start if query.end is None else query.end
    if anchor is None:
        return f"  SELECT n AS place, code AS source, beside AS target FROM (\n  {numbered}\n  ) AS numbered"
    wanted = f"(SELECT code FROM codes WHERE node = {params.add(anchor, 'text')})"
    first = f"min(CASE WHEN code = {wanted} THEN n END) OVER (PARTITION BY {key}) AS anchor"
    anchored = f"FROM (\n  SELECT *, {first} FROM (\n  {numbered}\n  ) AS numbered\n  ) AS anchored"
    if query.end is None:
        return f"  SELECT n - anchor + 1 AS place, code AS source, beside AS target {anchored}"
    return f"  SELECT anchor - n + 1 AS place, beside AS source, code AS target {anchored}"
