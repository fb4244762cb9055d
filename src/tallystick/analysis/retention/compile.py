"""Questions about persons over days, weeks and months → SQL.

u is a person, b a period's key. Who was active when is put together first, so that each row is another person and
period; the rest counts those rows.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tallystick.analysis.buckets import EPOCH, SECONDS, Buckets, segments
from tallystick.analysis.filters import Params
from tallystick.analysis.persons import Persons
from tallystick.analysis.series import check_range
from tallystick.analysis.sources import Sources
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
"""How far before `since` periods are told apart: more than two months."""
CELLS_MAX = ROWS_MAX * (PERIODS_MAX + 2)
WEEK, MONTH = 7, 30
"""Days of WAU and MAU."""


def compile_persons(query: PersonsScope, sources: Sources) -> Statement:
    """The statement of a question about persons over time; see `dispatch.compile_query`."""
    assert isinstance(query, RetentionQuery | LifecycleQuery | StickinessQuery | ActiveUsersQuery)
    params, now = Params(sources, query.site_id), sources.now
    check_range(query, query.interval)
    early = query.since and max(query.since - LOOK_BACK, EPOCH.replace(year=1900))
    buckets = Buckets(query.interval, query.timezone, segments(query.timezone, early, query.until, now))
    persons = Persons(query, params, buckets, sources.rollups)
    if isinstance(query, RetentionQuery):
        sql, table = _retention(query, persons)
    elif isinstance(query, LifecycleQuery):
        sql, table = _lifecycle(query, persons)
    elif isinstance(query, StickinessQuery):
        sql, table = _stickiness(query, persons)
    else:
        sql, table = _active_users(query, persons)
    return Statement(sql, params.values, from_rollup=table != "events", buckets=buckets, now=now)


# --- retention ------------------------------------------------------------------------------------------------------


def _retention(query: RetentionQuery, persons: Persons) -> tuple[str, str]:
    """Rows of a cohort's key, NULL and its size; and of the keys of cohort and period, and how many came back."""
    dialect = persons.params.dialect
    start, back = persons.conditions(query.start), persons.conditions(query.returning)
    tables = [persons.table(query.start), persons.table(query.returning)]
    came = persons.active(tables[1], back, query.since, query.until)
    if query.mode == "recurring":
        began = persons.active(tables[0], start, query.since, query.until)
    else:
        time = persons.time(tables[0])
        ever = f"SELECT user_id AS u, min({time}) AS first\n    {persons.source(tables[0], start, None, query.until)}"
        later = f" WHERE first >= {persons.params.add(query.since, 'timestamp')}" if query.since else ""
        began = (
            f"SELECT u, {persons.buckets.sql(dialect, 'first')} AS b\n"
            f"  FROM (\n    {ever}\n    GROUP BY user_id\n  ) AS firsts{later}"
        )
    last = dialect.later.format("began.b", seconds=SECONDS[query.interval] * (query.periods + 1))
    cohort, period = dialect.key_us.format("began.b"), dialect.key_us.format("came.b")
    return (
        f"WITH began AS (\n  {began}\n),\ncame AS (\n  {came}\n)\n"
        f"SELECT {cohort} AS cohort, NULL AS period, count(*) AS users\nFROM began\nGROUP BY b\n"
        f"UNION ALL\nSELECT {cohort}, {period}, count(*)\n"
        f"FROM began JOIN came ON came.u = began.u AND came.b >= began.b AND came.b <= {last}\n"
        f"GROUP BY began.b, came.b\nLIMIT {CELLS_MAX + 1}",
        "events" if "events" in tables else tables[0],
    )


# --- lifecycle, stickiness, active users ----------------------------------------------------------------------------


def _lifecycle(query: LifecycleQuery, persons: Persons) -> tuple[str, str]:
    """Rows of a period's key, whether they are new, the key of the period before if it is near, and how many persons.

    Which period comes right before another is for the reader of the rows: a zone may have skipped a day.
    """
    dialect, buckets = persons.params.dialect, persons.buckets
    table = persons.table()
    near = dialect.later.format("before", seconds=SECONDS[query.interval] * (2 if query.interval == "day" else 1))
    before = f"CASE WHEN b <= {near} THEN {dialect.key_us.format('before')} END"
    # The period right before the first one tells who went dormant in the first.
    first = buckets.key(query.since) - 2 * SECONDS[query.interval] * 1_000_000 if query.since else None
    shown = f" WHERE b >= {persons.params.add(first, 'bucket')}" if first is not None else ""
    return (
        f"WITH active AS (\n  {persons.active(table, [], None, query.until)}\n),\n"
        "walked AS (\n  SELECT b, lag(b) OVER (PARTITION BY u ORDER BY b) AS before\n  FROM active\n)\n"
        f"SELECT {dialect.key_us.format('b')} AS period, before IS NULL AS fresh, {before} AS near, count(*) AS users\n"
        f"FROM walked{shown}\nGROUP BY 1, 2, 3",
        table,
    )


def _stickiness(query: StickinessQuery, persons: Persons) -> tuple[str, str]:
    """Rows of a number of periods, how many persons were active in as many, and the first and last of the periods."""
    table = persons.table()
    key = persons.params.dialect.key_us
    first, last = key.format("min(first)"), key.format("max(last)")
    return (
        f"WITH active AS (\n  {persons.active(table, [], query.since, query.until)}\n),\n"
        "counted AS (\n  SELECT u, count(*) AS periods, min(b) AS first, max(b) AS last\n"
        "  FROM active\n  GROUP BY u\n)\n"
        f"SELECT periods, count(*) AS users, {first} AS first, {last} AS last\n"
        "FROM counted\nGROUP BY periods\nORDER BY periods",
        table,
    )


def _active_users(query: ActiveUsersQuery, persons: Persons) -> tuple[str, str]:
    """Rows of a day's key, how many persons were active, and for WAU and MAU each how many of them had not been counted
    on the day before, and how many of them cease to be counted so many days later.
    """
    dialect, buckets = persons.params.dialect, persons.buckets
    since = query.since and first_day(buckets, query.since)
    whole = Persons(query.model_copy(update={"since": since}), persons.params, buckets, persons.rollups)
    table = whole.table()
    columns = [f"{dialect.key_us.format('b')} AS day", "count(*) AS dau"]
    for days in (WEEK, MONTH):
        enters = f"before IS NULL OR b >= {dialect.later.format('before', seconds=days * SECONDS['day'])}"
        leaves = f"after IS NULL OR after >= {dialect.later.format('b', seconds=days * SECONDS['day'])}"
        columns += [f"sum(CASE WHEN {enters} THEN 1 ELSE 0 END)", f"sum(CASE WHEN {leaves} THEN 1 ELSE 0 END)"]
    return (
        f"WITH active AS (\n  {whole.active(table, [], since, query.until)}\n),\n"
        "walked AS (\n  SELECT b, lag(b) OVER walk AS before, lead(b) OVER walk AS after\n"
        "  FROM active WINDOW walk AS (PARTITION BY u ORDER BY b)\n)\n"
        f"SELECT {', '.join(columns)}\nFROM walked\nGROUP BY b",
        table,
    )


def first_day(buckets: Buckets, since: datetime) -> datetime:
    """When the first of the 30 days begins that end with the one that `since` lies in."""
    return buckets.start(buckets.key(since) - (MONTH - 1) * SECONDS["day"] * 1_000_000).astimezone(UTC)
