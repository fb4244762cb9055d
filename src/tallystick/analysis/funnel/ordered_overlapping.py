"""Ordered funnels in which an event may match several steps.

As in `ordered_disjoint`, the first attempt of each person is continued as if there were no window, and counts if its
last step is in the window. An event is used for one step only. So the next step has to be later than the step before;
where several events happen at the very instant of a step, which of them is used for which step is open (`tied`). The
attempts of persons with such a tie, and of those with a step after the window, are compared one by one.
"""

from __future__ import annotations

from tallystick.analysis.cte import Cte, columns, cte, sql
from tallystick.analysis.funnel.common import attempts, persons, step_events, unsettled_persons
from tallystick.analysis.funnel.following_steps import following_steps
from tallystick.analysis.funnel.steps import Steps


def ordered_overlapping_persons(steps: Steps) -> list[Cte]:
    """The CTEs that end with `persons`."""
    first_attempts = f"first_attempts_to_step_{steps.numbers[-1]}"
    settled = f"{steps.last_time()} <= step_1_at + {steps.window} AND NOT tied"
    return [
        cte(
            "first_attempts_to_step_1",
            """
            SELECT *, FALSE AS tied
            FROM (
                {first_events}
            ) AS first_events
            """,
            first_events=steps.first_events(),
        ),
        *(table for number in steps.numbers[1:] for table in _first_attempts(steps, number)),
        unsettled_persons(steps, f"FROM {first_attempts}\nWHERE NOT ({settled})"),
        step_events(steps),
        *following_steps(steps, "step_events", steps.numbers[1:]),
        attempts(
            steps,
            [f"next_{number}_at <= event_at + {steps.window}" for number in steps.numbers[1:]],
            "followed_by_step_2",
        ),
        *persons(
            steps,
            sql(
                """
                SELECT
                    person,
                    {times}
                FROM {first_attempts}
                WHERE {settled}
                """,
                times=columns(steps.times),
                first_attempts=first_attempts,
                settled=settled,
            ),
        ),
    ]


def _first_attempts(steps: Steps, number: int) -> list[Cte]:
    """`first_attempts_to_step_<n>`: the first attempts, with the first event later than the step before that matches n.

    `tied` tells that more than one event happened at the instant of a step. The event of the step is one of them, and
    another one may be the next step.
    """
    before, time, time_before = f"first_attempts_to_step_{number - 1}", f"step_{number}_at", f"step_{number - 1}_at"
    return [
        cte(
            f"next_step_{number}",
            """
            SELECT
                person,
                min(CASE WHEN timestamp > {time_before} AND {test} THEN timestamp END) AS {time},
                sum(CASE WHEN timestamp = {time_before} THEN 1 END) AS events_at_step_before
            FROM (
                SELECT {columns_of_events}
                {events}
            ) AS events
            JOIN {before} ON person = user_id AND timestamp >= {time_before}
            GROUP BY person
            """,
            time_before=time_before,
            test=steps.test(number),
            time=time,
            columns_of_events=steps.columns,
            events=steps.events(steps.test_any(number - 1, number)),
            before=before,
        ),
        cte(
            f"first_attempts_to_step_{number}",
            """
            SELECT
                {columns},
                tied OR coalesce(events_at_step_before, 0) > 1 AS tied
            FROM {before}
            LEFT JOIN {next_step} ON {next_step}.person = {before}.person
            """,
            before=before,
            columns=", ".join([f"{before}.person", *steps.times[:number]]),
            next_step=f"next_step_{number}",
        ),
    ]
