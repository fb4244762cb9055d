"""Questions about funnels → SQL. How each person's attempt is found is in `funnel_attempts`."""

from __future__ import annotations

from tallystick.analysis.cursor import decode_cursor
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.filters import Fields, Params, where
from tallystick.analysis.funnel.attempts import persons
from tallystick.analysis.funnel.steps import Steps
from tallystick.analysis.sources import Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.funnel import FunnelQuery, FunnelUsersQuery


def compile_funnel(query: FunnelQuery, sources: Sources) -> Statement:
    """The statement of a funnel; see `dispatch.compile_query`.

    A row for each group: how many did each step, then for each step but the first the median and the 90th percentile of
    the seconds since the step before. With a breakdown two more columns come first: the group's place, NULL for the
    rest, and its value.
    """
    params = Params(sources, query.site_id)
    grouped = _grouped(query, params) if query.breakdown else None
    steps = Steps(query, params)
    tables = [*params.tables, *persons(steps)]
    columns = _figures(steps)
    if grouped is None:
        source = "FROM persons"
    else:
        tables += _dimension(steps, grouped)
        columns = ["place", "ranked.d", *columns]
        join = "LEFT JOIN" if query.other else "JOIN"
        same = params.dialect.same.format("valued.d", "ranked.d")
        source = f"FROM valued {join} ranked ON {same}\nGROUP BY place, ranked.d\nORDER BY place NULLS LAST"
    return Statement(f"WITH {_joined(tables)}\nSELECT {_lines(columns)}\n{source}", params.values)


def compile_funnel_users(query: FunnelUsersQuery, sources: Sources) -> Statement:
    """The statement of a page of persons: their ids, and when they did each step."""
    params = Params(sources, query.site_id)
    steps = Steps(query, params)
    after = decode_cursor(query)
    if query.outcome == "reached":
        conditions = [f"t{query.step} IS NOT NULL"]
    else:
        conditions = [f"t{query.step - 1} IS NOT NULL", f"t{query.step} IS NULL"]
    if after is not None:
        conditions.append(f"u > {params.add(after[0], 'text')}")
    times = [f"{params.dialect.epoch_us.format(f't{number}')} AS t{number}" for number in steps.numbers]
    page = f"FROM persons{where(conditions)}\nORDER BY u\nLIMIT {query.limit + 1}"
    return Statement(f"WITH {_joined(persons(steps))}\nSELECT u, {', '.join(times)}\n{page}", params.values)


def _grouped(query: FunnelQuery, params: Params) -> str:
    assert query.breakdown
    return Fields(params).text(query.breakdown)


def _joined(tables: list[str]) -> str:
    return ",\n".join(tables)


def _lines(columns: list[str]) -> str:
    return ",\n  ".join(columns)


def _figures(steps: Steps) -> list[str]:
    dialect = steps.params.dialect
    counts = [f"count(t{number}) AS c{number}" for number in steps.numbers]
    for number in steps.numbers[1:]:
        seconds = _seconds(dialect, f"t{number - 1}", f"t{number}")
        counts += [f"{dialect.percentile.format(seconds, fraction=fraction)}" for fraction in ("0.5", "0.9")]
    return counts


def _seconds(dialect: Dialect, start: str, end: str) -> str:
    micros = f"{dialect.epoch_us.format(end)} - {dialect.epoch_us.format(start)}"
    return f"CAST({micros} AS DOUBLE PRECISION) / 1000000"


def _dimension(steps: Steps, grouped: str) -> list[str]:
    """`valued`: persons with their value `d` at the beginning of the attempt; `ranked`: the largest groups."""
    query = steps.query
    assert isinstance(query, FunnelQuery)
    began = steps.match(*steps.numbers) if query.order == "any" else steps.match(1)
    found = f"SELECT user_id, timestamp, {grouped} AS d {steps.events(began)}"
    times = ", ".join(f"t{number}" for number in steps.numbers)
    return [
        # As groups they are few in the planner's eyes, too, so that it does not keep the events in memory instead.
        "begun AS (\n  SELECT u, min(t1) AS since\n  FROM persons\n  GROUP BY u\n)",
        "dims AS (\n  SELECT begun.u, min(d) AS d\n"
        f"  FROM begun JOIN ({found}) AS began ON user_id = begun.u AND timestamp = since\n  GROUP BY begun.u\n)",
        f"valued AS (\n  SELECT {times}, d\n  FROM persons JOIN dims ON dims.u = persons.u\n)",
        "ranked AS (\n  SELECT d, row_number() OVER (ORDER BY count(*) DESC, d NULLS LAST) AS place\n"
        f"  FROM valued\n  GROUP BY d\n  ORDER BY place\n  LIMIT {query.top}\n)",
    ]
