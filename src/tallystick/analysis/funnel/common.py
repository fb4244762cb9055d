"""CTEs that all orders of a funnel's steps share."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import Cte, columns, cte, sql, union_all
from tallystick.analysis.funnel.steps import Steps

# --- where a statement begins ---------------------------------------------------------------------------------------


def person_number(steps: Steps) -> str:
    """The column `person_number`: a small whole number for each row of a CTE of persons.

    Sorting and joining by numbers is much faster than by texts. The CTE has to be materialized: `row_number()` may give
    other numbers each time it is computed.
    """
    return "person" if steps.has_user_numbers else "CAST(row_number() OVER () AS INTEGER)"


def unsettled_persons(steps: Steps, source: str) -> Cte:
    """`unsettled`: the persons whose attempts are compared one by one.

    Args:
        source: FROM and WHERE of these persons.
    """
    return cte(
        "unsettled",
        """
        SELECT *, {person_number} AS person_number
        {source}
        """,
        person_number=person_number(steps),
        source=source,
        materialized=True,
    )


def step_events(steps: Steps, *, only_matching: bool = True) -> Cte:
    """`step_events`: the events of the unsettled persons, with the steps that each event matches.

    For a funnel of three disjoint steps (an event that matches none has step 4):

        person_number  event_at  step
                    1  12:00     1
                    1  12:05     3

    Where an event can match several steps, `position` and `matches_step_1`… (1 or 0) take the place of `step`.

    Args:
        only_matching: leave out the events that match no step.
    """
    matched = [] if steps.disjoint else steps.numbers
    conditions = [steps.test_any(*steps.numbers)] if only_matching else []
    return cte(
        "step_events",
        """
        SELECT
            {columns}
        FROM (
            SELECT {columns_of_events}
            {events}
        ) AS events
        JOIN unsettled ON person = user_id
        """,
        columns=columns(
            [
                "person_number",
                "timestamp AS event_at",
                f"{steps.position_sql} AS {steps.position}",
                *(f"CASE WHEN {steps.test(number)} THEN 1 ELSE 0 END AS matches_step_{number}" for number in matched),
            ]
        ),
        columns_of_events=steps.columns,
        events=steps.events(*conditions),
    )


# --- where it ends --------------------------------------------------------------------------------------------------


def attempts(steps: Steps, in_time: Sequence[str], source: str) -> Cte:
    """`attempts`: an attempt for each event that matches the first step, with the steps that are done in time.

    Args:
        in_time: for each step but the first, the condition that the column `next_<n>_at` of the source counts.
        source: the CTE of events that has these columns.
    """
    times = [
        f"CASE WHEN {condition} THEN next_{number}_at END AS step_{number}_at"
        for number, condition in zip(steps.numbers[1:], in_time, strict=True)
    ]
    return cte(
        "attempts",
        """
        SELECT
            {columns}
        FROM {source}
        WHERE {matches_first_step}
        """,
        columns=columns(["person_number", "event_at AS step_1_at", *times]),
        source=source,
        matches_first_step=steps.matches(1),
    )


def persons(steps: Steps, *settled: str) -> list[Cte]:
    """`persons`: the one attempt of each person that counts.

    The unsettled persons get the best of their `attempts`: the furthest one, and of several of these the earliest. The
    earliest has the smallest time of every step, so the minimum of each column gives it:

        attempts                attempts_by_reach             best_attempts
        1  12:00  12:05         1  2 steps  12:00  12:05      1  12:00  12:05
        1  12:30  12:40         1  1 step   13:00  NULL
        1  13:00  NULL

    Args:
        settled: SELECTs of `person`, `step_1_at`… for persons whose attempt is known without `attempts`.
    """
    best = sql(
        """
        SELECT
            person,
            {times}
        FROM best_attempts
        JOIN unsettled ON unsettled.person_number = best_attempts.person_number
        """,
        times=columns(f"best_attempts.{time}" for time in steps.times),
    )
    return [
        cte(
            "attempts_by_reach",
            """
            SELECT
                person_number,
                {steps_done} AS steps_done,
                {earliest}
            FROM attempts
            GROUP BY person_number, steps_done
            """,
            steps_done=steps.count_done(),
            earliest=columns(f"min({time}) AS {time}" for time in steps.times),
        ),
        cte(
            "ranked_attempts",
            """
            SELECT *, row_number() OVER (PARTITION BY person_number ORDER BY steps_done DESC) AS reach_rank
            FROM attempts_by_reach
            """,
        ),
        cte(
            "best_attempts",
            """
            SELECT
                person_number,
                {times}
            FROM ranked_attempts
            WHERE reach_rank = 1
            """,
            times=columns(steps.times),
        ),
        cte("persons", "{selects}", selects=union_all([*settled, best])),
    ]
