"""Funnels whose steps may be done in any order. An attempt begins with an event that matches any step.

Where all steps differ, the first time of each step tells the attempt of most persons: if all steps that a person ever
did lie in one window from their first event on, no other attempt gets further. The attempts of the other persons are
compared one by one. So are those of all persons where steps are equal, since each equal step needs an event of its own.
"""

from __future__ import annotations

from collections import Counter

from tallystick.analysis.cte import Cte, columns, cte, sql
from tallystick.analysis.funnel.common import persons, step_events, unsettled_persons
from tallystick.analysis.funnel.steps import Steps


def any_order_persons(steps: Steps) -> list[Cte]:
    """The CTEs that end with `persons`."""
    earlier_equals = _earlier_equals(steps)
    if any(earlier_equals):
        return [_active_persons(steps), *_attempts(steps, earlier_equals), *persons(steps)]
    settled = sql(
        """
        SELECT
            person,
            {times}
        FROM settled
        """,
        times=_unpacked_times(steps),
    )
    return [*_first_times(steps), *_attempts(steps, earlier_equals), *persons(steps, settled)]


def _earlier_equals(steps: Steps) -> list[int]:
    """For each step, how many of the steps before it are equal to it."""
    seen: Counter[str] = Counter()
    counts = []
    for step in steps.query.steps:
        key = step.model_dump_json()
        counts.append(seen[key])
        seen[key] += 1
    return counts


def _active_persons(steps: Steps) -> Cte:
    """`unsettled`: all persons with an event that matches a step."""
    return unsettled_persons(
        steps,
        sql(
            """
            FROM (
                SELECT DISTINCT user_id AS person
                {events}
            ) AS active_persons
            """,
            events=steps.events(steps.test_any(*steps.numbers)),
        ),
    )


def _first_times(steps: Steps) -> list[Cte]:
    """`first_times`: when each person did each step first; `unsettled` and `settled`: see above.

    `settled` has the times as a list in their order, without the steps that were never done.
    """
    firsts = ", ".join(f"first_{number}_at" for number in steps.numbers)
    settled = f"greatest({firsts}) <= least({firsts}) + {steps.window}"
    return [
        cte(
            "first_times",
            """
            SELECT
                {columns}
            {events}
            GROUP BY user_id
            """,
            columns=columns(
                [
                    "user_id AS person",
                    *(
                        f"min(CASE WHEN {steps.test(number)} THEN timestamp END) AS first_{number}_at"
                        for number in steps.numbers
                    ),
                ]
            ),
            events=steps.events(steps.test_any(*steps.numbers)),
        ),
        unsettled_persons(steps, f"FROM first_times\nWHERE NOT ({settled})"),
        cte(
            "settled",
            """
            SELECT person, {times} AS times
            FROM first_times
            WHERE {settled}
            """,
            times=steps.dialect.ascending.format(firsts),
            settled=settled,
        ),
    ]


def _attempts(steps: Steps, earlier_equals: list[int]) -> list[Cte]:
    """`attempts`: an attempt for each event that matches a step. For the steps 1 and 2, and a window of 10 minutes:

        step_events        done_steps                  next_times                     times_in_window
        event_at  step     event_at  done_1  done_2    event_at  next_1  next_2       times
        12:00     2        12:00     NULL    12:00     12:00     12:05   12:00        [12:00, 12:05]
        12:05     1        12:05     12:05   NULL      12:05     12:05   12:30        [12:05]
        12:30     2        12:30     NULL    12:30     12:30     NULL    12:30        [12:30]

    Of equal steps, an event does the first one. It does the second one at the time of the next event that matches, and
    so on: from each event on, the n-th equal step is done at the n-th event that matches.
    """
    done = []
    for number, earlier in zip(steps.numbers, earlier_equals, strict=True):
        time = "event_at"
        if earlier and not steps.disjoint:  # equal steps that are disjoint have tests that no event passes
            time = (
                f"lead(event_at, {earlier}) OVER (PARTITION BY person_number, matches_step_{number} ORDER BY event_at)"
            )
        done.append(f"CASE WHEN {steps.matches(number)} THEN {time} END AS done_{number}_at")
    next_times = [f"min(done_{number}_at) OVER from_event_on AS next_{number}_at" for number in steps.numbers]
    in_window = (
        f"CASE WHEN next_{number}_at <= event_at + {steps.window} THEN next_{number}_at END" for number in steps.numbers
    )
    return [
        step_events(steps),
        cte(
            "done_steps",
            """
            SELECT
                {columns}
            FROM step_events
            """,
            columns=columns(["person_number", "event_at", *done]),
        ),
        cte(
            "next_times",
            """
            SELECT
                {columns}
            FROM done_steps
            WINDOW from_event_on AS (PARTITION BY person_number ORDER BY event_at DESC)
            """,
            columns=columns(["person_number", "event_at", *next_times]),
        ),
        cte(
            "times_in_window",
            """
            SELECT person_number, {times} AS times
            FROM next_times
            """,
            times=steps.dialect.ascending.format(", ".join(in_window)),
        ),
        cte(
            "attempts",
            """
            SELECT
                person_number,
                {times}
            FROM times_in_window
            """,
            times=_unpacked_times(steps),
        ),
    ]


def _unpacked_times(steps: Steps) -> str:
    """Columns from a list: the n-th time is when the n-th step was done, whichever step of the funnel that is."""
    return columns(f"times[{number}] AS step_{number}_at" for number in steps.numbers)
