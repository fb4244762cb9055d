"""Retention by arrays, in ClickHouse's SQL: one pass over the events, in the place of a join of two.

A person has an array of the periods in which cohorts of theirs begin, and one of the periods in which they came back.
"""

from __future__ import annotations

from tallystick.analysis.buckets import SECONDS
from tallystick.analysis.cte import Cte, cte, sql
from tallystick.analysis.retention.active_persons import ActivePersons
from tallystick.model.queries.retention import RetentionQuery


def array_cells(query: RetentionQuery, persons: ActivePersons, limit: int) -> tuple[list[Cte], str]:
    """CTEs, and the SELECT of the rows of a statement about retention: cohort, period and users."""
    source = persons.source
    tests = {"starts": query.start, "returns": query.returning}
    events = persons.tested_events(query.until, tests)
    since = source.parameters.add(query.since, "timestamp") if query.since else None

    def periods(test: str) -> str:
        in_range = f"{test} AND timestamp >= {since}" if since else test
        return f"groupUniqArrayIf({persons.buckets.sql(source.dialect, 'timestamp')}, {in_range})"

    if query.mode == "recurring":
        cohorts = periods("starts")
    else:
        # Without a start event it is NULL.
        first = "minIf(timestamp, starts)"
        in_range = f"{first} >= {since}" if since else "TRUE"
        cohorts = (
            f"if({first} IS NOT NULL AND {in_range}, "
            f"[assumeNotNull({persons.buckets.sql(source.dialect, first)})], emptyArrayInt64())"
        )
    of_persons = cte(
        "persons",
        """
        SELECT {cohorts} AS cohorts, {periods} AS periods
        FROM (
            {events}
        ) AS tested_events
        WHERE starts OR returns
        GROUP BY person
        """,
        cohorts=cohorts,
        periods=periods("returns"),
        events=events,
    )
    last = source.dialect.later.format("cohort", seconds=SECONDS[query.interval] * (query.periods + 1))
    cells = sql(
        """
        SELECT cohort, period, count(*) AS users
        FROM (
            SELECT cohort, {periods} AS of_cohort
            FROM persons
            ARRAY JOIN cohorts AS cohort
        ) AS cohorts_of_persons
        ARRAY JOIN of_cohort AS period
        GROUP BY cohort, period
        LIMIT {limit}
        """,
        periods=f"arrayConcat([NULL], arrayFilter(period -> period >= cohort AND period <= {last}, periods))",
        limit=str(limit),
    )
    return [of_persons], cells
