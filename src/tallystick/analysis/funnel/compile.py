"""The statements of both funnel queries: one counts the persons that `attempts` finds, the other lists them."""

from __future__ import annotations

from tallystick.analysis.buckets import SECONDS
from tallystick.analysis.cte import FENCE, Cte, clause, columns, cte, sql, with_ctes
from tallystick.analysis.cursor import decode_cursor
from tallystick.analysis.event_source import SENT_ID, EventSource
from tallystick.analysis.filters import Fields
from tallystick.analysis.funnel.attempts import attempts_of_persons
from tallystick.analysis.funnel.steps import Steps, are_apart_names
from tallystick.analysis.sources import Needs, Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.funnel import FunnelQuery, FunnelUsersQuery


def funnel_needs(query: FunnelQuery) -> Needs:
    """What a store reads before it compiles a funnel. A breakdown by user_id has to name the users."""
    names_users = query.breakdown == "user_id"
    # A breakdown looks up the event that an attempt begins with, by its site.
    can_look_up = query.breakdown is None or (query.site_id is not None and not names_users)
    return Needs(
        property_columns=True,
        persons=True,
        user_numbers=not names_users,
        user_keys=not names_users,
        user_times=query.order == "ordered" and are_apart_names(query) and can_look_up,
        hash_joins=True,
    )


def funnel_users_needs(query: FunnelUsersQuery) -> Needs:
    """What a store reads before it compiles a page of a funnel's persons, who are named."""
    return Needs(property_columns=True, persons=True, hash_joins=True)


def compile_funnel(query: FunnelQuery, sources: Sources) -> Statement:
    """The statement that counts the persons of each step.

    It gives a row for each group, or one row without a breakdown. The columns of a row are, in this order:

    - with a breakdown, the rank of the group from 1 (NULL: all groups that are not listed) and its value;
    - for each step, how many persons did it;
    - for each step but the first, the median and the 90th percentile of the seconds since the step before.
    """
    source = EventSource(sources, query.site_id)
    # The breakdown comes first, because its property column has to be known before events are read.
    breakdown = Fields(source).text(query.breakdown) if query.breakdown else None
    steps = Steps(query, source)
    ctes: list[Cte | str] = [*source.ctes, *attempts_of_persons(steps)]
    if breakdown is None:
        select = sql(
            """
            SELECT
                {figures}
            FROM persons
            """,
            figures=columns(_figures(steps)),
        )
        return Statement(with_ctes(ctes, select), source.parameters.values, in_halves=bool(steps.halves))
    select = sql(
        """
        SELECT
            {columns}
        FROM persons_with_value
        {join} largest_groups ON {same_value}
        GROUP BY group_rank, largest_groups.breakdown_value
        ORDER BY group_rank NULLS LAST
        """,
        columns=columns(["group_rank", "largest_groups.breakdown_value", *_figures(steps)]),
        join="LEFT JOIN" if query.other else "JOIN",
        same_value=steps.dialect.same.format("persons_with_value.breakdown_value", "largest_groups.breakdown_value"),
    )
    ctes += _groups(steps, breakdown, query.top)
    return Statement(with_ctes(ctes, select), source.parameters.values, in_halves=bool(steps.halves))


def compile_funnel_users(query: FunnelUsersQuery, sources: Sources) -> Statement:
    """The statement of one page of persons: `person`, and the time of each step in microseconds since 1970."""
    source = EventSource(sources, query.site_id)
    steps = Steps(query, source)
    after = decode_cursor(query, ["text"])
    if query.outcome == "reached":
        conditions = [f"step_{query.step}_at IS NOT NULL"]
    else:
        conditions = [f"step_{query.step - 1}_at IS NOT NULL", f"step_{query.step}_at IS NULL"]
    if after is not None:
        conditions.append(f"person > {source.parameters.add(after[0], 'text')}")
    select = sql(
        """
        SELECT
            person,
            {times}
        FROM persons
        {where}
        ORDER BY person
        LIMIT {limit}
        """,
        times=columns(f"{steps.dialect.epoch_us.format(time)} AS {time}" for time in steps.times),
        where=clause("WHERE", conditions),
        limit=str(query.limit + 1),
    )
    return Statement(with_ctes(attempts_of_persons(steps), select), source.parameters.values)


def _figures(steps: Steps) -> list[str]:
    """The columns of a row after the group; see `compile_funnel`."""
    figures = [f"count({time}) AS persons_{number}" for number, time in zip(steps.numbers, steps.times, strict=True)]
    for number in steps.numbers[1:]:
        seconds = steps.dialect.seconds_between.format(f"step_{number - 1}_at", f"step_{number}_at")
        for name, fraction in (("median", "0.5"), ("p90", "0.9")):
            figures.append(f"{steps.dialect.percentile.format(seconds, fraction=fraction)} AS {name}_seconds_{number}")
    return figures


def _groups(steps: Steps, breakdown: str, top: int) -> list[Cte]:
    """`persons_with_value`: the persons with the breakdown's value at the start of their attempt; `largest_groups`.

    Where several events at that instant can be the start, the smallest value counts.
    """
    return [
        # A person has one row already, but GROUP BY lets the planner of PostgreSQL expect few rows. So it builds the
        # hash table of the join from them; without GROUP BY, it would hold the events in memory instead.
        cte(
            "starts",
            """
            SELECT person, min(step_1_at) AS started_at
            FROM persons
            GROUP BY person
            """,
        ),
        _looked_up_values(steps, breakdown) if steps.looks_up_events else _joined_values(steps, breakdown),
        cte(
            "persons_with_value",
            """
            SELECT
                {columns}
            FROM persons
            JOIN values_at_start ON values_at_start.person = persons.person
            """,
            columns=columns([*steps.times, "breakdown_value"]),
        ),
        cte(
            "largest_groups",
            """
            SELECT
                breakdown_value,
                row_number() OVER (ORDER BY count(*) DESC, breakdown_value NULLS LAST) AS group_rank
            FROM persons_with_value
            GROUP BY breakdown_value
            ORDER BY group_rank
            LIMIT {top}
            """,
            top=str(top),
        ),
    ]


def _joined_values(steps: Steps, breakdown: str) -> Cte:
    """`values_at_start`: each person with the breakdown's value at the start.

    The starts are joined to the events, of which there are more: ClickHouse holds the right side of a join in memory
    as it is written, unless it has statistics of the columns. The other stores choose by themselves.
    """
    starting = steps.test_any(*steps.numbers) if steps.query.order == "any" else steps.test_any(1)
    return cte(
        "values_at_start",
        """
        SELECT starts.person, min(breakdown_value) AS breakdown_value
        FROM (
            SELECT user_id, timestamp, {breakdown} AS breakdown_value
            {events}
        ) AS starting_events
        JOIN starts ON starts.person = user_id AND started_at = timestamp
        GROUP BY starts.person
        """,
        breakdown=breakdown,
        events=steps.events(starting),
    )


def _looked_up_values(steps: Steps, breakdown: str) -> Cte:
    """`values_at_start`: each person with the breakdown's value at the start, which is found by its site and time.

    The starts of each UTC day are one list, whose times the index finds one after the other. To look up each start by
    itself takes three times as long.
    """
    return cte(
        "values_at_start",
        """
        SELECT starts.person, min(breakdown_value) AS breakdown_value
        FROM starts
        JOIN (
            {sent_ids}
        ) AS ids ON ids.person = starts.person
        JOIN (
            SELECT user_id, timestamp, breakdown_value
            FROM (
                SELECT {day} AS start_of_day, array_agg(DISTINCT started_at) AS starts_of_day
                FROM starts
                GROUP BY start_of_day
            ) AS days
            CROSS JOIN LATERAL (
                SELECT user_id, timestamp, {breakdown} AS breakdown_value
                FROM events
                {where}
                {fence}
            ) AS events_of_day
        ) AS starting_events ON timestamp = started_at AND user_id = {sent_id}
        GROUP BY starts.person
        """,
        breakdown=breakdown,
        sent_id=SENT_ID,
        sent_ids=steps.source.sent_ids(),
        day=steps.dialect.cut("started_at", SECONDS["day"], 0, 0),
        fence=FENCE,
        where=clause(
            "WHERE",
            [
                *steps.scope,
                steps.test_any(1),
                # The days tell which partition has the events.
                "timestamp >= start_of_day",
                f"timestamp < start_of_day + INTERVAL '{SECONDS['day']} seconds'",
                "timestamp = ANY (starts_of_day)",
            ],
        ),
    )
