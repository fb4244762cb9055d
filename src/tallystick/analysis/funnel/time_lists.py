"""Ordered funnels whose steps are names, from sorted lists of times: one grouping of `user_times`, no joins of times.

For a store that finds the first time at or after another one in a list by binary search (`Dialect.next_time`), and
merges sorted lists (`Dialect.merged_times`). For the steps `view`, `add`, `buy`:

1. `persons_with_times`: of each person who did the first step its first time, and a list of times for each later step.
2. `first_attempts`: from the first start on, the next time of each step, whatever the window is. No attempt does a step
   earlier, so if the last step is in the window the attempt counts: see `ordered_disjoint`. The others are `unsettled`.
3. `continued_events`: each time at which an unsettled person did the second step, with the next times of later ones. To
   reach step n in time from there, an attempt has to begin at most one window before step n, and not after the second
   step. So the first start from that border on is the earliest that reaches it, if it is not too late.
4. `best_starts`: the earliest start of a person that reaches step n in time. The last step with one is the furthest,
   and `best_attempts` go on from there to the next time of each step up to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import Cte, columns, cte, sql
from tallystick.analysis.funnel.steps import Steps
from tallystick.analysis.funnel.user_times import event_times, listed_times


def time_list_persons(steps: Steps) -> list[Cte]:
    """The CTEs that end with `persons`."""
    settled = f"{steps.last_time()} <= step_1_at + {steps.window}"
    return [
        event_times(steps),
        _persons_with_times(steps),
        cte("first_attempts", "{chain}", chain=_chain(steps, "SELECT * FROM persons_with_times", steps.numbers[1:])),
        cte(
            "unsettled",
            """
            SELECT *
            FROM first_attempts
            WHERE NOT ({settled})
            """,
            settled=settled,
        ),
        _starts_of_unsettled(steps),
        _continued_events(steps),
        _best_starts(steps),
        _best_attempts(steps),
        cte(
            "persons",
            """
            SELECT
                {columns}
            FROM first_attempts
            WHERE {settled}
            UNION ALL
            SELECT
                {columns}
            FROM best_attempts
            """,
            columns=columns(["person", *steps.times]),
            settled=settled,
        ),
    ]


def _persons_with_times(steps: Steps) -> Cte:
    first = f"min(first) FILTER (WHERE {steps.test(1)})"
    merged = steps.dialect.merged_times.format("times")
    lists = [f"{merged} FILTER (WHERE {steps.test(number)}) AS {_list(number)}" for number in steps.numbers[1:]]
    return cte(
        "persons_with_times",
        """
        SELECT
            {columns}
        FROM (
            {listed_times}
        ) AS lists
        GROUP BY user_id
        HAVING {first} IS NOT NULL
        """,
        columns=columns(["user_id AS person", f"{first} AS step_1_at", *lists]),
        listed_times=listed_times(steps, steps.test_any(*steps.numbers)),
        first=first,
    )


def _starts_of_unsettled(steps: Steps) -> Cte:
    """`starts_of_unsettled`: the times of the first step that an attempt of an unsettled person can begin at."""
    dialect, second = steps.dialect, _list(2)
    return cte(
        "starts_of_unsettled",
        """
        SELECT person, {merged} AS step_1_times
        FROM (
            SELECT person, times
            FROM (
                {listed_times}
            ) AS lists
            JOIN (
                SELECT person, min({second}[1]) - {window} AS earliest, max({last_of_second}) AS latest
                FROM unsettled
                GROUP BY person
            ) AS ranges ON person = user_id AND first <= latest AND {last_of_times} >= earliest
            ORDER BY person, first
        ) AS lists_in_order
        GROUP BY person
        """,
        # In order, each list goes behind the ones before it.
        merged=dialect.merged_times.format("times"),
        listed_times=listed_times(steps, steps.test_any(1)),
        # A person has one row already, but GROUP BY lets PostgreSQL's planner hash these rows and not the times.
        second=second,
        window=steps.window,
        last_of_second=dialect.last_of.format(second),
        last_of_times=dialect.last_of.format("times"),
    )


def _continued_events(steps: Steps) -> Cte:
    """`continued_events`: for each later step, `start_<n>` is the first start from which it is in the window."""
    lists = [_list(number) for number in steps.numbers[2:]]
    events = sql(
        """
        SELECT
            {columns}
        FROM unsettled
        JOIN starts_of_unsettled ON starts_of_unsettled.person = unsettled.person
        """,
        columns=columns(["unsettled.person", "step_1_times", *lists, f"unnest({_list(2)}) AS step_2_at"]),
    )
    starts = (
        f"{_next(steps, 'step_1_times', f'step_{number}_at - {steps.window}')} AS start_{number}"
        for number in steps.numbers[1:]
    )
    return cte(
        "continued_events",
        """
        SELECT
            {columns}
        FROM (
            {chain}
        ) AS events
        OFFSET 0
        """,
        columns=columns(["person", "step_2_at", *starts]),
        chain=_chain(steps, events, steps.numbers[2:]),
    )


def _best_starts(steps: Steps) -> Cte:
    starts = (
        f"min(start_{number}) FILTER (WHERE start_{number} <= step_2_at) AS start_{number}"
        for number in steps.numbers[1:]
    )
    return cte(
        "best_starts",
        """
        SELECT
            {columns}
        FROM continued_events
        GROUP BY person
        """,
        columns=columns(["person", *starts]),
    )


def _best_attempts(steps: Steps) -> Cte:
    """`best_attempts`: of each unsettled person the attempt that counts."""
    furthest_first = list(reversed(steps.numbers[1:]))
    start = f"coalesce({', '.join(f'start_{number}' for number in furthest_first)}, step_1_at)"
    reached = " ".join(f"WHEN start_{number} IS NOT NULL THEN {number}" for number in furthest_first)
    lists = [_list(number) for number in steps.numbers[1:]]
    begun = sql(
        """
        SELECT
            {columns}
        FROM unsettled
        LEFT JOIN best_starts ON best_starts.person = unsettled.person
        """,
        columns=columns(
            ["unsettled.person", f"{start} AS step_1_at", f"CASE {reached} ELSE 1 END AS steps_done", *lists]
        ),
    )
    in_time = [
        f"CASE WHEN steps_done >= {number} THEN step_{number}_at END AS step_{number}_at"
        for number in steps.numbers[1:]
    ]
    return cte(
        "best_attempts",
        """
        SELECT
            {columns}
        FROM (
            {chain}
        ) AS whole_attempts
        """,
        columns=columns(["person", "step_1_at", *in_time]),
        chain=_chain(steps, begun, steps.numbers[1:]),
    )


def _chain(steps: Steps, source: str, numbers: Sequence[int]) -> str:
    """A SELECT with the columns of a source, and the time of each of some steps after the step before it."""
    for number in numbers:
        # OFFSET 0 has each time computed once. Without it the planner would put its expression into all later ones.
        source = sql(
            """
            SELECT *, {next} AS step_{number}_at
            FROM (
                {source}
                OFFSET 0
            ) AS attempts_to_step_{before}
            """,
            next=_next(steps, _list(number), f"step_{number - 1}_at"),
            number=str(number),
            source=source,
            before=str(number - 1),
        )
    return sql(
        """
        {source}
        OFFSET 0
        """,
        source=source,
    )


def _next(steps: Steps, times: str, instant: str) -> str:
    return steps.dialect.next_time.format(instant, times=times)


def _list(number: int) -> str:
    """The column with a person's times of a step."""
    return f"step_{number}_times"
