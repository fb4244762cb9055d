"""Questions about paths → SQL.

`walked` has a row for each edge of a session: place is its number, from 1 at the anchor. Sorting by session is all that
needs memory, and goes through files where it does not fit.
"""

from __future__ import annotations

from runnel.model.paths import PathsQuery
from runnel.store.compile_filter import Fields, Params, filter_sql
from runnel.store.compile_sessions import page_sql, session_events
from runnel.store.statement import Statement


def compile_paths(query: PathsQuery, params: Params) -> Statement:
    """The statement of a question about paths: step, source, target, sessions, and whether the row is the rest."""
    walked = "\n  UNION ALL\n".join(_walked(query, params, *form) for form in _forms(query, params))
    kept = f"rank <= {query.top}"
    sql = (
        f"WITH walked AS (\n{walked}\n),\n"
        "edges AS (\n  SELECT place, source, target, count(*) AS sessions\n"
        f"  FROM walked\n  WHERE place BETWEEN 1 AND {query.steps - 1}\n  GROUP BY place, source, target\n),\n"
        "ranked AS (\n  SELECT *, row_number() OVER (PARTITION BY place\n"
        "    ORDER BY sessions DESC, source NULLS LAST, target NULLS LAST) AS rank\n  FROM edges\n),\n"
        f"cut AS (\n  SELECT place, CASE WHEN {kept} THEN source END AS source, CASE WHEN {kept} THEN target END AS "
        f"target,\n    sessions, NOT {kept} AS other\n  FROM ranked\n)\n"
        f"SELECT place, source, target, {params.engine.whole.format('sessions')} AS total, other\nFROM cut\n"
        "GROUP BY place, source, target, other\n"
        "ORDER BY place, other, total DESC, source NULLS LAST, target NULLS LAST"
    )
    return Statement(sql, params.values)


def _forms(query: PathsQuery, params: Params) -> list[tuple[str, list[str]]]:
    """The selects of events, of both kinds of sessions, with what is a step in them."""
    node = "name" if query.by == "event" else f"CASE WHEN {page_sql(query, params)} = 1 THEN path END"
    columns = ["event_id", f"{node} AS node"]
    if query.filter is not None:
        columns.append(f"{filter_sql(query.filter, Fields(params))} AS picked")
    return session_events(query, params, columns)


def _walked(query: PathsQuery, params: Params, events: str, keys: list[str]) -> str:
    key = ", ".join(keys)
    window = f"WINDOW walk AS (PARTITION BY {key} ORDER BY timestamp, event_id)"
    picked = " AND picked" if query.filter is not None else ""
    stepping = f"FROM (\n    {events}\n  ) AS visited\n  WHERE node IS NOT NULL{picked}"
    steps = f"SELECT {key}, timestamp, event_id, node {stepping}"
    if query.merge:
        before = f"SELECT {key}, timestamp, event_id, node, lag(node) OVER walk AS before {stepping}\n  {window}"
        steps = f"SELECT * FROM (\n  {before}\n  ) AS repeated\n  WHERE before IS NULL OR before <> node"
    beside = "lag(node) OVER walk" if query.end is not None else "lead(node) OVER walk"
    numbered = (
        f"SELECT {key}, node, row_number() OVER walk AS n, {beside} AS beside\n  FROM (\n  {steps}\n  ) AS steps\n"
        f"  {window}"
    )
    anchor = query.start if query.end is None else query.end
    if anchor is None:
        return f"  SELECT n AS place, node AS source, beside AS target FROM (\n  {numbered}\n  ) AS numbered"
    first = f"min(CASE WHEN node = {params.add(anchor, 'text')} THEN n END) OVER (PARTITION BY {key}) AS anchor"
    anchored = f"FROM (\n  SELECT *, {first} FROM (\n  {numbered}\n  ) AS numbered\n  ) AS anchored"
    if query.end is None:
        return f"  SELECT n - anchor + 1 AS place, node AS source, beside AS target {anchored}"
    return f"  SELECT anchor - n + 1 AS place, beside AS source, node AS target {anchored}"
