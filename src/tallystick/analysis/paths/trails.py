"""Questions about paths → SQL over the trails of folded sessions (see `folded`), in DuckDB's words.

A trail has all the pages of a session in their order, the same one several times in a row once. It tells what a
question asks if the session lies wholly in the range; of the others (`compile_from_index.LONG`) the events are read.
"""

from __future__ import annotations

from tallystick.analysis.filters import Params, where
from tallystick.analysis.sessions.index import KNOWN, TRAIL, SessionIndex
from tallystick.analysis.sessions.materialized import LONG, of_site
from tallystick.model.queries.paths import PathsQuery
from tallystick.model.queries.sessions import PAGE_NAMES


def can_use_trails(query: PathsQuery) -> bool:
    """Whether trails have all that the question asks for."""
    return query.by == "page" and query.filter is None and set(query.page_names) == set(PAGE_NAMES)


def trail_tables(query: PathsQuery, params: Params, folded: SessionIndex) -> list[str]:
    """The common tables of the folded sessions and of those among them whose events have to be read."""
    site = of_site(query, params)
    reaches = []
    if query.since is not None:
        reaches.append(f"ended >= {params.add(query.since, 'timestamp')}")
    if query.until is not None:
        reaches.append(f"started < {params.add(query.until, 'timestamp')}")
    unclear = where([*site, *reaches, f"NOT ({' AND '.join(_told(query, params))})"])
    return [
        folded.tables([TRAIL]),
        f"{LONG} AS MATERIALIZED (\n  SELECT site_id, session_id FROM {KNOWN}{unclear}\n)",
    ]


def _told(query: PathsQuery, params: Params) -> list[str]:
    """Conditions of a session whose trail is all that there is in the range."""
    told = [f"{TRAIL} IS NOT NULL"]
    if query.since is not None:
        told.append(f"started >= {params.add(query.since, 'timestamp')}")
    if query.until is not None:
        told.append(f"ended < {params.add(query.until, 'timestamp')}")
    return told if query.merge else [*told, f"len({TRAIL}) = pages"]


def seen(query: PathsQuery, params: Params, anchor: str | None) -> str:
    """`seen`: how many sessions have which page at which place from the anchor on, and which one before it."""
    at, most = "place", query.steps
    anchored = TRAIL
    conditions = [*of_site(query, params), *_told(query, params)]
    if anchor is not None:
        wanted = params.add(anchor, "text")
        anchored = f"{TRAIL}, list_position({TRAIL}, {wanted}) AS anchor"
        conditions.append(f"list_contains({TRAIL}, {wanted})")
        at = "anchor + place - 1" if query.end is None else "anchor - place + 1"
        most = query.steps if query.end is None else query.steps - 1
    places = ", ".join(str(place) for place in range(1, most + 1))
    return (
        f"seen AS MATERIALIZED (\n  SELECT place, CASE WHEN n > 1 THEN {TRAIL}[n - 1] END AS before, "
        f"{TRAIL}[n] AS node, count(*) AS sessions\n"
        f"  FROM (\n    SELECT {TRAIL}, place, {at} AS n\n"
        f"    FROM (SELECT {anchored}, unnest([{places}]) AS place FROM {KNOWN}{where(conditions)}) AS trails\n"
        "  ) AS placed\n"
        f"  WHERE n BETWEEN 1 AND len({TRAIL})\n  GROUP BY ALL\n)"
    )


def counted_of(events: str) -> str:
    """`counted`: what the trails say together with what the events of the others say, the table of that name."""
    return (
        "counted AS MATERIALIZED (\n  SELECT place, before, code, CAST(sum(sessions) AS BIGINT) AS sessions\n  FROM (\n"
        f"    SELECT place, before, code, sessions FROM {events}\n    UNION ALL\n"
        "    SELECT place, coalesce(sources.code, 0), targets.code, sessions\n    FROM seen\n"
        "    JOIN codes AS targets ON targets.node = seen.node\n"
        "    LEFT JOIN codes AS sources ON sources.node = seen.before\n  ) AS both_kinds\n  GROUP BY 1, 2, 3\n)"
    )
