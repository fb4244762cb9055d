"""Strict funnels: nothing may happen between two steps.

The first attempt of a person who never matches the second step counts as it is: it has one step. All events of the
other persons stand in their order, and each event of the first step is compared with the events right after it.
"""

from __future__ import annotations

from tallystick.analysis.cte import Cte, columns, cte, sql
from tallystick.analysis.funnel.common import attempts, persons, step_events, unsettled_persons
from tallystick.analysis.funnel.steps import Steps


def strict_persons(steps: Steps) -> list[Cte]:
    """The CTEs that end with `persons`."""
    not_done = [f"{steps.dialect.no_time} AS step_{number}_at" for number in steps.numbers[1:]]
    return [
        Cte("first_attempts", steps.first_events()),
        unsettled_persons(
            steps,
            sql(
                """
                FROM first_attempts
                WHERE person IN (
                    SELECT user_id
                    {events}
                )
                """,
                events=steps.events(steps.test_any(2)),
            ),
        ),
        step_events(steps, only_matching=False),
        _followed_events(steps),
        attempts(steps, _in_time(steps), "followed_events"),
        *persons(
            steps,
            sql(
                """
                SELECT
                    {columns}
                FROM first_attempts
                WHERE NOT EXISTS (SELECT 1 FROM unsettled WHERE unsettled.person = first_attempts.person)
                """,
                columns=columns(["person", "step_1_at", *not_done]),
            ),
        ),
    ]


def _followed_events(steps: Steps) -> Cte:
    """`followed_events`: each event with the events right after it.

    The event that would have to be step 2 is the next one, the one for step 3 follows that, and so on. `next_<n>_at` is
    the time of the event for step n; `next_<n>_step` is the step that it does match, or `next_<n>_matches` is 1 if it
    matches step n. For a funnel of three steps:

        event_at  step  next_2_step  next_2_at  next_3_step  next_3_at
        12:00     1     2            12:05      4            12:06
        12:05     2     4            12:06      NULL         NULL
        12:06     4     NULL         NULL       NULL         NULL
    """
    following = []
    for number in steps.numbers[1:]:
        match, name = ("step", "step") if steps.disjoint else (f"matches_step_{number}", "matches")
        following += [
            f"lead({match}, {number - 1}) OVER events_of_person AS next_{number}_{name}",
            f"lead(event_at, {number - 1}) OVER events_of_person AS next_{number}_at",
        ]
    return cte(
        "followed_events",
        """
        SELECT
            {columns}
        FROM step_events
        WINDOW events_of_person AS (PARTITION BY person_number ORDER BY event_at, {position})
        """,
        columns=columns(["person_number", "event_at", "step" if steps.disjoint else "matches_step_1", *following]),
        position=steps.position,
    )


def _in_time(steps: Steps) -> list[str]:
    """For each step but the first, the condition that it and all steps before it follow directly and in time."""
    matching: list[str] = []
    conditions = []
    for number in steps.numbers[1:]:
        matching.append(f"next_{number}_step = {number}" if steps.disjoint else f"next_{number}_matches = 1")
        conditions.append(f"{' AND '.join(matching)} AND next_{number}_at <= event_at + {steps.window}")
    return conditions
