"""CTEs of an ordered funnel that read `user_times` and no events, for steps that are names and nothing else.

`user_times` has a row for each user and event name: `first`, the time of the user's first event of that name, and
`more`, a list of the later ones (NULL if there are none). That is far fewer rows than events. The CTEs have the names
and columns of those that `ordered_disjoint` makes from events; times are unnested only where each one is needed.
"""

from __future__ import annotations

from tallystick.analysis.buckets import utc_day
from tallystick.analysis.cte import Cte, clause, cte, sql
from tallystick.analysis.filters import ALWAYS, scope_conditions
from tallystick.analysis.funnel.steps import Steps
from tallystick.analysis.rollups import on_utc_days


def event_times(steps: Steps) -> Cte:
    """`event_times`: `user_times` with the events that it does not have yet.

    It is not materialized, since each CTE that reads it needs only the rows of some names.
    """
    return Cte("event_times", steps.source.times(), materialized=False)


def first_events(steps: Steps) -> str:
    """SELECT: each `person` with `step_1_at`, the time of their first event that matches the first step."""
    since, until = _range(steps)
    earliest = f"min({steps.dialect.soonest.format(since) if since else 'first'})"
    return sql(
        """
        SELECT user_id AS person, {earliest} AS step_1_at
        FROM event_times
        {where}
        GROUP BY user_id
        HAVING {in_range}
        """,
        earliest=earliest,
        where=clause("WHERE", _conditions(steps, steps.test_any(1))),
        in_range=f"{earliest} < {until}" if until else f"{earliest} IS NOT NULL",
    )


def listed_times(steps: Steps, *conditions: str) -> str:
    """SELECT: `user_id`, `name`, the `times` of a row that are in the range, and the `first` of them; no empty ones."""
    times = steps.dialect.first_and_more
    where = clause("WHERE", _conditions(steps, *conditions))
    if _has_whole_days(steps):
        return sql(
            """
            SELECT *, {times} AS times
            FROM event_times
            {where}
            """,
            times=times,
            where=where,
        )
    since, until = _range(steps)
    return sql(
        """
        SELECT *, times[1] AS first
        FROM (
            SELECT user_id, name, CASE WHEN {on_edge} THEN {in_range} ELSE all_times END AS times
            FROM (
                SELECT *, {times} AS all_times
                FROM event_times
                {where}
            ) AS lists
        ) AS lists_in_range
        WHERE {list_length} > 0
        """,
        on_edge=_on_edge(steps),
        in_range=steps.dialect.times_between(since, until).format("all_times"),
        times=times,
        where=where,
        list_length=steps.dialect.list_length.format("times"),
    )


def _on_edge(steps: Steps) -> str:
    """Condition: a row may have times out of the range. With days, all others are in it as they are."""
    query, add = steps.query, steps.source.parameters.add
    if steps.source.user_numbers is None or not steps.source.user_numbers.has_days:
        return ALWAYS
    return f"day IN ({', '.join(add(utc_day(edge), 'day') for edge in (query.since, query.until) if edge)})"


def _has_whole_days(steps: Steps) -> bool:
    """Whether the conditions of the days leave no time out of the range in."""
    numbers = steps.source.user_numbers
    has_days = numbers is not None and numbers.has_days
    return on_utc_days(steps.query, None) if has_days else not any(_range(steps))


def later_events(steps: Steps, step: str) -> Cte:
    """`later_events`: each event that matches a step after the first.

    Args:
        step: the number of that step, as SQL.
    """
    return cte(
        "later_events",
        """
        SELECT user_id AS person_number, event_at, step
        FROM (
            {events}
        ) AS matching_events
        {in_range}
        """,
        events=_unnested(steps, f", {step} AS step", "FROM event_times", steps.test_any(*steps.numbers[1:])),
        in_range=_where_in_range(steps),
    )


def second_starts(steps: Steps) -> Cte:
    """`second_attempts_to_step_1`: for each unsettled person, the first start at `retry_from` or later."""
    return cte(
        "second_attempts_to_step_1",
        """
        SELECT person_number, min({soonest}) AS step_1_at
        FROM event_times
        JOIN unsettled ON person_number = user_id
        {where}
        GROUP BY person_number
        HAVING min({soonest}) IS NOT NULL
        """,
        soonest=steps.dialect.soonest.format("retry_from"),
        where=clause("WHERE", _conditions(steps, steps.test_any(1))),
    )


def remaining_starts(steps: Steps) -> Cte:
    """`remaining_starts`: each event of the remaining persons that matches the first step."""
    source = "FROM event_times\nJOIN remaining_persons ON person_number = user_id"
    return cte(
        "remaining_starts",
        """
        SELECT user_id AS person_number, event_at
        FROM (
            {events}
        ) AS matching_events
        {in_range}
        """,
        events=_unnested(steps, "", source, steps.test_any(1)),
        in_range=_where_in_range(steps),
    )


def _unnested(steps: Steps, more_columns: str, source: str, condition: str) -> str:
    """SELECT: `user_id` and `event_at`, a row for each time. Times out of the range are among them."""
    conditions = _conditions(steps, condition)
    return sql(
        """
        SELECT user_id, first AS event_at{more_columns}
        {source}
        {where}
        UNION ALL
        SELECT user_id, unnest(more){more_columns}
        {source}
        {where_more}
        """,
        more_columns=more_columns,
        source=source,
        where=clause("WHERE", conditions),
        where_more=clause("WHERE", [*conditions, "more IS NOT NULL"]),
    )


def _conditions(steps: Steps, *more: str) -> list[str]:
    """Conditions of the rows that may have a time in the range."""
    without_range = steps.query.model_copy(update={"since": None, "until": None})
    conditions = [*scope_conditions(without_range, "first", steps.source, table="user_times"), *more]
    numbers = steps.source.user_numbers
    has_days = numbers is not None and numbers.has_days
    if has_days and _has_whole_days(steps):
        return [*conditions, *_days(steps)]
    since, until = _range(steps)
    if since:
        conditions.append(f"(first >= {since} OR {steps.dialect.last_of.format('more')} >= {since})")
    if until:
        conditions.append(f"first < {until}")
    return [*conditions, *_days(steps)] if has_days else conditions


def _days(steps: Steps) -> list[str]:
    """Conditions of the days that the range has, by which the store finds the rows."""
    query, add = steps.query, steps.source.parameters.add
    since = [] if query.since is None else [f"day >= {add(utc_day(query.since), 'day')}"]
    last = "<" if _has_whole_days(steps) else "<="
    until = [] if query.until is None else [f"day {last} {add(utc_day(query.until), 'day')}"]
    return [*since, *until]


def _where_in_range(steps: Steps) -> str:
    """The WHERE clause for times in the range; empty if there is no range."""
    since, until = _range(steps)
    conditions = [*([f"event_at >= {since}"] if since else []), *([f"event_at < {until}"] if until else [])]
    return clause("WHERE", conditions)


def _range(steps: Steps) -> tuple[str | None, str | None]:
    """The parameters of `since` and `until`."""
    query, add = steps.query, steps.source.parameters.add
    since = None if query.since is None else add(query.since, "timestamp")
    return since, None if query.until is None else add(query.until, "timestamp")
