"""Queries about persons over days, weeks and months → SQL: retention, lifecycle, stickiness and active users.

Each statement begins with the persons who were active in each period, one row for each `person` and `period_key`. The
rest of the statement counts those rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tallystick.analysis.buckets import EPOCH, SECONDS, Buckets, segments
from tallystick.analysis.cte import Cte, clause, cte, sql, union_all, with_ctes
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import ALWAYS
from tallystick.analysis.retention.active_persons import ActivePersons, are_names, reads_user_times
from tallystick.analysis.retention.arrays import array_cells
from tallystick.analysis.series import check_range
from tallystick.analysis.sources import Needs, Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.retention import (
    PERIODS_MAX,
    ROWS_MAX,
    ActiveUsersQuery,
    LifecycleQuery,
    PersonsScope,
    RetentionQuery,
    StickinessQuery,
)

LOOK_BACK = timedelta(days=70)
"""How far before `since` clock changes are looked up: more than two months, for the periods before the first one."""
CELLS_MAX = ROWS_MAX * (PERIODS_MAX + 2)
"""Most rows of a retention statement."""
WEEK, MONTH = 7, 30
"""Days of WAU and MAU."""


def persons_needs(query: PersonsScope) -> Needs:
    """What a store reads before it compiles a query about persons over time."""
    by_name = isinstance(query, RetentionQuery) and are_names(query, query.start, query.returning)
    joins = isinstance(query, RetentionQuery)
    return Needs(
        property_columns=True,
        persons=True,
        user_keys=True,
        user_times=by_name,
        hash_joins=joins,
        merge_joins=not joins,
    )


def compile_persons(query: PersonsScope, sources: Sources) -> Statement:
    """The statement of a query about persons over time.

    Raises:
        InvalidRequest: the range has too many periods.
    """
    assert isinstance(query, RetentionQuery | LifecycleQuery | StickinessQuery | ActiveUsersQuery)
    check_range(query, query.interval)
    now = sources.now
    early = query.since and max(query.since - LOOK_BACK, EPOCH.replace(year=1900))
    buckets = Buckets(
        query.interval, query.timezone, segments(query.timezone, early, query.until, now), query.week_start
    )
    source = EventSource(sources, query.site_id)
    in_halves = False
    tests = (query.start, query.returning) if isinstance(query, RetentionQuery) else ()
    numbers = sources.user_numbers
    if numbers and not numbers.parts and not reads_user_times(query, source, buckets, *tests):
        source = EventSource(replace(sources, user_numbers=None), query.site_id)
    persons = ActivePersons(query, source, buckets, sources.rollups)
    if isinstance(query, RetentionQuery):
        text, table = _retention(query, persons)
        in_halves = len(_halves(query, source)) > 1 and table != "events"
    elif isinstance(query, LifecycleQuery):
        text, table = _lifecycle(query, persons)
    elif isinstance(query, StickinessQuery):
        text, table = _stickiness(query, persons)
    else:
        text, table = _active_users(query, persons)
    return Statement(
        text,
        source.parameters.values,
        from_rollup=table not in ("events", "user_times"),
        buckets=buckets,
        now=now,
        in_halves=in_halves,
    )


# --- retention ------------------------------------------------------------------------------------------------------


def _retention(query: RetentionQuery, persons: ActivePersons) -> tuple[str, str]:
    """The statement, and the table that it reads.

    Its rows: the key of each cohort, NULL and the cohort's size; the keys of each cohort and period, and how many
    persons of the cohort came back in it.
    """
    dialect = persons.source.dialect
    if dialect.walks_arrays:
        ctes, cells = array_cells(query, persons, CELLS_MAX + 1)
        return with_ctes([*persons.source.ctes, *ctes], cells), "events"
    start_table, returning_table = persons.table(query.start), persons.table(query.returning)
    if halves := _halves(query, persons.source):
        return _cells_of_halves(query, persons, start_table, halves), start_table
    returning_persons = persons.by_period(
        "returning_persons", returning_table, query.since, query.until, query.returning
    )
    if query.mode == "recurring":
        cohorts = persons.by_period("cohorts", start_table, query.since, query.until, query.start)
    else:
        cohorts = _cohorts_of_first_times(query, persons, start_table)
    cells = sql(
        """
        SELECT {cohort} AS cohort, NULL AS period, count(*) AS users
        FROM cohorts
        GROUP BY period_key
        UNION ALL
        SELECT {cohort}, {period}, count(*)
        FROM cohorts
        JOIN returning_persons
            ON returning_persons.person = cohorts.person
            AND returning_persons.period_key >= cohorts.period_key
            AND returning_persons.period_key <= {last_period}
        GROUP BY cohorts.period_key, returning_persons.period_key
        LIMIT {limit}
        """,
        cohort=dialect.key_us.format("cohorts.period_key"),
        period=dialect.key_us.format("returning_persons.period_key"),
        last_period=dialect.later.format("cohorts.period_key", seconds=SECONDS[query.interval] * (query.periods + 1)),
        limit=str(CELLS_MAX + 1),
    )
    table = "events" if "events" in (start_table, returning_table) else start_table
    return with_ctes([*persons.source.ctes, cohorts, returning_persons], cells), table


def _cohorts_of_first_times(query: RetentionQuery, persons: ActivePersons, table: str) -> Cte:
    """`cohorts`: a person belongs to the period of the first start event ever.

    The first times are a subquery, not a CTE. DuckDB keeps the rows of a CTE that groups and is read twice, which
    `cohorts` is; if `cohorts` read another CTE that groups, DuckDB would find the first times twice, a fifth slower.
    """
    source = persons.source
    in_range = [f"first_at >= {source.parameters.add(query.since, 'timestamp')}"] if query.since else []
    return cte(
        "cohorts",
        """
        SELECT person, {period} AS period_key
        FROM (
            {first_times}
        ) AS first_times
        {where}
        """,
        period=persons.buckets.sql(source.dialect, "first_at"),
        first_times=persons.first_times(table, query.until, query.start),
        where=clause("WHERE", in_range),
    )


def _halves(query: RetentionQuery, source: EventSource) -> list[str]:
    """Conditions of each part of the persons that `_cells_of_halves` counts by itself; empty: cohorts are joined."""
    templates = source.dialect.halves if source.user_numbers else source.dialect.text_halves
    if not templates or query.mode != "first_time" or query.start != query.returning:
        return []
    # The numbers of persons with joined ids are found by a subquery that runs first, which is not parallel.
    return [ALWAYS] if source.has_persons and source.user_numbers else [half.format("person") for half in templates]


def _cells_of_halves(query: RetentionQuery, persons: ActivePersons, table: str, halves: Sequence[str]) -> str:
    """The statement where the events that start and those that return are the same: the rows are read once, not joined.

    All periods of a person whose first event is in the range are in it too. A list with a NULL before these periods
    becomes a row for each, and the one without a period says how large the cohort is. The persons are parted in halves,
    of which PostgreSQL gives each to a process of its own, since no half reads a CTE.
    """
    source, dialect = persons.source, persons.source.dialect
    in_range = [f"min(first_at) >= {source.parameters.add(query.since, 'timestamp')}"] if query.since else []
    cells = (
        sql(
            """
            SELECT cohort, period_key, count(*) AS users
            FROM (
                SELECT {cohort} AS cohort, unnest({periods}) AS period_key
                FROM (
                    SELECT min(first_at) AS first_at, array_agg(period_key) AS period_keys
                    FROM (
                        {periods_of_persons}
                    ) AS periods_of_persons
                    {where}
                    GROUP BY person
                    {having}
                ) AS cohorts
            ) AS periods_of_cohorts
            WHERE period_key IS NULL OR period_key BETWEEN cohort AND {last_period}
            GROUP BY cohort, period_key
            """,
            cohort=persons.buckets.sql(dialect, "first_at"),
            periods=f"{dialect.no_time} || period_keys",
            periods_of_persons=persons.first_by_period(table, query.until, query.start),
            where=clause("WHERE", [] if half == ALWAYS else [half]),
            having=clause("HAVING", in_range),
            last_period=dialect.later.format("cohort", seconds=SECONDS[query.interval] * (query.periods + 1)),
        )
        for half in halves
    )
    select = sql(
        """
        SELECT {cohort} AS cohort, {period} AS period, {users} AS users
        FROM cells
        GROUP BY cells.cohort, period_key
        LIMIT {limit}
        """,
        cohort=dialect.key_us.format("cells.cohort"),
        period=dialect.key_us.format("period_key"),
        users=dialect.whole.format("users"),
        limit=str(CELLS_MAX + 1),
    )
    return with_ctes([*source.ctes, cte("cells", "{cells}", cells=union_all(cells))], select)


# --- lifecycle, stickiness, active users ----------------------------------------------------------------------------


def _lifecycle(query: LifecycleQuery, persons: ActivePersons) -> tuple[str, str]:
    """The statement, and the table that it reads.

    Its rows: a period's key, whether the persons are new in it, the key of their period before it if that is near, and
    how many persons these are. The reader of the rows finds out whether a near period is the one right before: a zone
    may have skipped a day.
    """
    source, buckets = persons.source, persons.buckets
    dialect, table = source.dialect, persons.table()
    # The persons of the period right before the first one can be dormant in the first.
    first = buckets.key(query.since) - 2 * SECONDS[query.interval] * 1_000_000 if query.since else None
    near = SECONDS[query.interval] * (2 if query.interval == "day" else 1)
    activity = cte(
        "activity",
        """
        SELECT period_key, {previous_key} AS previous_key
        FROM active_persons
        """,
        previous_key=dialect.lag.format("period_key", "(PARTITION BY person ORDER BY period_key)"),
    )
    counts = sql(
        """
        SELECT
            {period} AS period,
            previous_key IS NULL AS is_new,
            CASE WHEN period_key <= {latest_near} THEN {previous_period} END AS previous_period,
            count(*) AS users
        FROM activity
        {where}
        GROUP BY period, is_new, previous_period
        """,
        period=dialect.key_us.format("period_key"),
        latest_near=dialect.later.format("previous_key", seconds=near),
        previous_period=dialect.key_us.format("previous_key"),
        where=clause("WHERE", [] if first is None else [f"period_key >= {source.parameters.add(first, 'bucket')}"]),
    )
    return with_ctes([persons.by_period("active_persons", table, None, query.until), activity], counts), table


def _stickiness(query: StickinessQuery, persons: ActivePersons) -> tuple[str, str]:
    """The statement, and the table that it reads.

    Its rows: a number of periods, how many persons were active in that many, and the keys of the first and the last
    period of these persons.
    """
    table, key_us = persons.table(), persons.source.dialect.key_us
    periods_of_persons = cte(
        "periods_of_persons",
        """
        SELECT person, count(*) AS periods, min(period_key) AS first_key, max(period_key) AS last_key
        FROM active_persons
        GROUP BY person
        """,
    )
    counts = sql(
        """
        SELECT periods, count(*) AS users, {first} AS first_period, {last} AS last_period
        FROM periods_of_persons
        GROUP BY periods
        ORDER BY periods
        """,
        first=key_us.format("min(first_key)"),
        last=key_us.format("max(last_key)"),
    )
    active_persons = persons.by_period("active_persons", table, query.since, query.until)
    return with_ctes([active_persons, periods_of_persons], counts), table


def _active_users(query: ActiveUsersQuery, persons: ActivePersons) -> tuple[str, str]:
    """The statement, and the table that it reads.

    An active day makes a person count for WAU on that day and the 6 days after it, and for MAU on that day and the 29
    days after it. The rows: a day's key, how many persons were active on it, and for WAU and then MAU, how many of them
    enter the count on that day, and how many leave it 7 or 30 days later, because they were not active again before.
    """
    dialect = persons.source.dialect
    since = query.since and first_day(persons.buckets, query.since)
    # Whether the rollups fit depends on the range that is read.
    persons = replace(persons, scope=query.model_copy(update={"since": since}))
    table = persons.table()
    activity = cte(
        "activity",
        """
        SELECT
            period_key,
            {previous_key} AS previous_key,
            {next_key} AS next_key
        FROM active_persons
        WINDOW days_of_person AS (PARTITION BY person ORDER BY period_key)
        """,
        previous_key=dialect.lag.format("period_key", "days_of_person"),
        next_key=dialect.lead.format("period_key", "days_of_person"),
    )
    counts = sql(
        """
        SELECT
            {day} AS day,
            count(*) AS dau,
            sum(CASE WHEN previous_key IS NULL OR period_key >= {week_after_previous} THEN 1 ELSE 0 END) AS enter_wau,
            sum(CASE WHEN next_key IS NULL OR next_key >= {week_after_day} THEN 1 ELSE 0 END) AS leave_wau,
            sum(CASE WHEN previous_key IS NULL OR period_key >= {month_after_previous} THEN 1 ELSE 0 END) AS enter_mau,
            sum(CASE WHEN next_key IS NULL OR next_key >= {month_after_day} THEN 1 ELSE 0 END) AS leave_mau
        FROM activity
        GROUP BY period_key
        """,
        day=dialect.key_us.format("period_key"),
        week_after_previous=dialect.later.format("previous_key", seconds=WEEK * SECONDS["day"]),
        week_after_day=dialect.later.format("period_key", seconds=WEEK * SECONDS["day"]),
        month_after_previous=dialect.later.format("previous_key", seconds=MONTH * SECONDS["day"]),
        month_after_day=dialect.later.format("period_key", seconds=MONTH * SECONDS["day"]),
    )
    return with_ctes([persons.by_period("active_persons", table, since, query.until), activity], counts), table


def first_day(buckets: Buckets, since: datetime) -> datetime:
    """When the first of the 30 days starts that end with the day of `since`."""
    return buckets.start(buckets.key(since) - (MONTH - 1) * SECONDS["day"] * 1_000_000).astimezone(UTC)
