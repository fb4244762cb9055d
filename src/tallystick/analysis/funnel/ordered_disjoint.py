"""Ordered funnels whose steps are disjoint: an event matches one step at most.

For the steps `view`, `add`, `buy` with a window of one hour, and a person with these events:

    12:00 view    12:10 add    15:00 view    15:10 add    15:40 buy

1. `first_attempts_to_step_1`: the person's first `view` is at 12:00. With it the first attempt begins.
2. `first_attempts_to_step_2`, `…_3`: continue the attempt as if there were no window: 12:00, 12:10, 15:40. Each step is
   done as early as any attempt can do it, because no attempt begins earlier. So no attempt gets further than this one.
3. If its last step is in the window, the first attempt counts: it gets furthest, and is the earliest to do so.
   Otherwise the person is `unsettled`, as here: 15:40 is later than 13:00. Most persons are settled.
4. `second_attempts…`: an attempt can only get as far if it begins at 14:40 (`retry_from`) or later, one window before
   the last step at 15:40. The first `view` from there on is at 15:00; its attempt is 15:00, 15:10, 15:40. It is in the
   window and gets as far, so it counts (`settled_again`).
5. Only for the `remaining_persons` every start is paired with each `add` in its window (`attempts`), and the best
   attempt of all counts.

Steps 1 to 4 only group and join by hash. Sorting the events of all persons, as step 5 does it for a few, takes several
times as long.
"""

from __future__ import annotations

from tallystick.analysis.cte import Cte, columns, cte, sql
from tallystick.analysis.funnel import user_times
from tallystick.analysis.funnel.common import person_number, persons
from tallystick.analysis.funnel.following_steps import following_steps
from tallystick.analysis.funnel.steps import Steps


def ordered_disjoint_persons(steps: Steps) -> list[Cte]:
    """The CTEs that end with `persons`."""
    first_attempts = f"first_attempts_to_step_{steps.numbers[-1]}"
    settled = f"{steps.last_time()} <= step_1_at + {steps.window}"
    return [
        *([user_times.event_times(steps)] if steps.reads_user_times else []),
        _first_events(steps),
        _later_events(steps),
        *(table for number in steps.numbers[1:] for table in _first_attempts(steps, number)),
        cte(
            "unsettled",
            """
            SELECT
                *,
                {steps_done} AS steps_done,
                {last_time} - {window} AS retry_from
            FROM {first_attempts}
            WHERE NOT ({settled})
            """,
            steps_done=steps.count_done(),
            last_time=steps.last_time(),
            window=steps.window,
            first_attempts=first_attempts,
            settled=settled,
        ),
        *_second_attempts(steps),
        *_remaining_attempts(steps),
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
            sql(
                """
                SELECT
                    person,
                    {times}
                FROM settled_again
                JOIN unsettled ON unsettled.person_number = settled_again.person_number
                """,
                times=columns(f"settled_again.{time}" for time in steps.times),
            ),
        ),
    ]


# --- first attempts -------------------------------------------------------------------------------------------------


def _first_events(steps: Steps) -> Cte:
    """`first_attempts_to_step_1`: each person with the time of their first event that matches the first step."""
    return cte(
        "first_attempts_to_step_1",
        """
        SELECT *, {person_number} AS person_number
        FROM (
            {first_events}
        ) AS first_events
        """,
        person_number=person_number(steps),
        first_events=user_times.first_events(steps) if steps.reads_user_times else steps.first_events(),
        materialized=True,
    )


def _later_events(steps: Steps) -> Cte:
    """`later_events`: the events that match a step after the first, with its number.

    With user numbers these are the events of all persons. Without them, it is those of persons who did the first step,
    since only these have a number to sort and join by.
    """
    step = _later_step(steps)
    if steps.reads_user_times:
        return user_times.later_events(steps, step)
    events = steps.events(steps.test_any(*steps.numbers[1:]))
    if steps.has_user_numbers:
        return cte(
            "later_events",
            """
            SELECT user_id AS person_number, timestamp AS event_at, {step} AS step
            {events}
            """,
            step=step,
            events=events,
        )
    return cte(
        "later_events",
        """
        SELECT person_number, timestamp AS event_at, {step} AS step
        FROM (
            SELECT {columns_of_events}
            {events}
        ) AS events
        JOIN first_attempts_to_step_1 ON person = user_id AND timestamp >= step_1_at
        """,
        step=step,
        columns_of_events=steps.columns,
        events=events,
    )


def _later_step(steps: Steps) -> str:
    """The number of the step that an event matches, if it matches one after the first."""
    last = steps.numbers[-1]
    whens = " ".join(f"WHEN {steps.test(number)} THEN {number}" for number in steps.numbers[1:-1])
    return f"CAST({f'CASE {whens} ELSE {last} END' if whens else last} AS SMALLINT)"


def _first_attempts(steps: Steps, number: int) -> list[Cte]:
    """`first_attempts_to_step_<n>`: the first attempts, with the first event after the step before that matches n."""
    before, time = f"first_attempts_to_step_{number - 1}", f"step_{number}_at"
    return [
        cte(
            f"next_step_{number}",
            """
            SELECT later_events.person_number, min(event_at) AS {time}
            FROM later_events
            JOIN {before}
                ON {before}.person_number = later_events.person_number
                AND event_at >= {time_before}
            WHERE {matches_step}
            GROUP BY later_events.person_number
            """,
            time=time,
            before=before,
            time_before=f"step_{number - 1}_at",
            matches_step=steps.matches(number),
        ),
        cte(
            f"first_attempts_to_step_{number}",
            """
            SELECT {before}.*, {time}
            FROM {before}
            LEFT JOIN {next_step} ON {next_step}.person_number = {before}.person_number
            """,
            before=before,
            time=time,
            next_step=f"next_step_{number}",
        ),
    ]


# --- second attempts ------------------------------------------------------------------------------------------------


def _second_attempts(steps: Steps) -> list[Cte]:
    """`settled_again`: the second attempts that count; `remaining_persons`: the unsettled persons without one.

    The last step of the first attempt is the earliest event that gets as far. An attempt that begins more than a window
    before it cannot get as far in time, so the second attempt is the first one that begins no earlier than that.
    """
    return [
        *_second_starts(steps),
        *(_second_attempts_to(steps, number) for number in steps.numbers[1:]),
        cte(
            "settled_again",
            """
            SELECT second_attempts.*
            FROM {last_second_attempts} AS second_attempts
            JOIN unsettled ON unsettled.person_number = second_attempts.person_number
            WHERE {steps_done} = unsettled.steps_done
                AND {last_time} <= second_attempts.step_1_at + {window}
            """,
            last_second_attempts=f"second_attempts_to_step_{steps.numbers[-1]}",
            steps_done=steps.count_done("second_attempts"),
            last_time=steps.last_time("second_attempts"),
            window=steps.window,
        ),
        cte(
            "remaining_persons",
            """
            SELECT person_number FROM unsettled
            EXCEPT
            SELECT person_number FROM settled_again
            """,
        ),
    ]


def _second_starts(steps: Steps) -> list[Cte]:
    """`second_attempts_to_step_1`: for each unsettled person, the first start at `retry_from` or later."""
    if steps.reads_user_times:
        return [user_times.second_starts(steps)]
    return [
        cte(
            "unsettled_starts",
            """
            SELECT person_number, timestamp AS event_at
            FROM (
                SELECT {columns_of_events}
                {events}
            ) AS events
            JOIN unsettled ON person = user_id
            """,
            columns_of_events=steps.columns,
            events=steps.events(steps.test_first),
            # With user numbers, reading the events twice takes no longer than storing these rows.
            materialized=False if steps.has_user_numbers else None,
        ),
        cte(
            "second_attempts_to_step_1",
            """
            SELECT unsettled_starts.person_number, min(event_at) AS step_1_at
            FROM unsettled_starts
            JOIN unsettled ON unsettled.person_number = unsettled_starts.person_number AND event_at >= retry_from
            GROUP BY unsettled_starts.person_number
            """,
        ),
    ]


def _second_attempts_to(steps: Steps, number: int) -> Cte:
    """`second_attempts_to_step_<n>`: the second attempts, with the first event after the step before that matches n."""
    before = f"second_attempts_to_step_{number - 1}"
    known = ", ".join(steps.times[: number - 1])
    return cte(
        f"second_attempts_to_step_{number}",
        """
        SELECT {before}.person_number, {known}, min(event_at) AS {time}
        FROM {before}
        LEFT JOIN later_events
            ON later_events.person_number = {before}.person_number
            AND event_at >= {time_before}
            AND {matches_step}
        GROUP BY {before}.person_number, {known}
        """,
        before=before,
        known=known,
        time=f"step_{number}_at",
        time_before=f"step_{number - 1}_at",
        matches_step=steps.matches(number),
    )


# --- all other attempts ---------------------------------------------------------------------------------------------


def _remaining_attempts(steps: Steps) -> list[Cte]:
    """`attempts` of the remaining persons: each start with every event of the second step in its window.

    An attempt has more than one row where several events of the second step follow its start. The first of them gets
    furthest, and the others that get as far do no step earlier, so the extra rows change no result. In return, what
    follows is computed for the events of the second step only; those of the first, which are many, are never sorted.

    The last rows are the first attempts cut off after the first step, for persons who do no second step in time.
    """
    numbers = steps.numbers[2:]
    in_time = [
        f"CASE WHEN next_{number}_at <= event_at + {steps.window} THEN next_{number}_at END AS step_{number}_at"
        for number in numbers
    ]
    not_done = [f"{steps.dialect.no_time} AS step_{number}_at" for number in steps.numbers[1:]]
    return [
        cte(
            "remaining_events",
            """
            SELECT later_events.person_number, event_at, step
            FROM later_events
            JOIN remaining_persons ON remaining_persons.person_number = later_events.person_number
            """,
        ),
        *following_steps(steps, "remaining_events", numbers, first=2),
        cte(
            "second_step_events",
            """
            SELECT
                {columns}
            FROM {source}
            WHERE {matches_second_step}
            """,
            columns=columns(
                ["person_number", "event_at AS step_2_at", *(f"next_{number}_at" for number in numbers)],
            ),
            source="followed_by_step_3" if numbers else "remaining_events",
            matches_second_step=steps.matches(2),
        ),
        _remaining_starts(steps),
        cte(
            "attempts",
            """
            SELECT
                {columns}
            FROM remaining_starts
            JOIN second_step_events
                ON second_step_events.person_number = remaining_starts.person_number
                AND step_2_at >= event_at
                AND step_2_at - {window} <= event_at
            UNION ALL
            SELECT
                {columns_of_first_step}
            FROM unsettled
            JOIN remaining_persons ON remaining_persons.person_number = unsettled.person_number
            """,
            columns=columns(["remaining_starts.person_number", "event_at AS step_1_at", "step_2_at", *in_time]),
            window=steps.window,
            columns_of_first_step=columns(["unsettled.person_number", "step_1_at", *not_done]),
        ),
    ]


def _remaining_starts(steps: Steps) -> Cte:
    """`remaining_starts`: each event of the remaining persons that matches the first step."""
    if steps.reads_user_times:
        return user_times.remaining_starts(steps)
    return cte(
        "remaining_starts",
        """
        SELECT unsettled_starts.person_number, event_at
        FROM unsettled_starts
        JOIN remaining_persons ON remaining_persons.person_number = unsettled_starts.person_number
        """,
    )
