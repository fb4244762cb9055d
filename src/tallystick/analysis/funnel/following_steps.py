"""For each event: when the steps after it are done."""

from __future__ import annotations

from tallystick.analysis.cte import Cte, columns, cte
from tallystick.analysis.funnel.steps import Steps


def following_steps(steps: Steps, source: str, numbers: range, first: int = 1) -> list[Cte]:
    """`followed_by_step_<n>`: the events of step n - 1 and of step n, with the times of step n and the steps after it.

    `next_<n>_at` is when step n is done by an attempt that goes on from this event; NULL if it is never done. For the
    steps 1, 2, 3, `followed_by_step_3` and `followed_by_step_2` of one person are:

        event_at  step  next_3_at        event_at  step  next_2_at  next_3_at
        12:00     2     12:30            11:00     1     12:00      12:30
        12:10     2     12:30            12:00     2     12:10      12:30
        12:30     3     NULL             12:10     2     NULL       NULL

    The last step is computed first. What follows an event of step n - 1 is what follows the next event of step n. That
    is the minimum over all later events of step n, because nothing that follows a later event is earlier. So one window
    for each step is enough: it reads the person's events from the last to the first.

    Args:
        source: the CTE of the events.
        numbers: the steps to compute, the last step of the funnel at the end; none gives no CTE.
        first: the first step whose events are in the source.
    """
    ctes = []
    position, newest_first = steps.position, f"event_at DESC, {steps.position} DESC"
    if not steps.disjoint:
        # Events of one instant that match the same steps are equal. A number keeps their order the same in each window.
        ctes.append(
            cte(
                "numbered_events",
                """
                SELECT *, row_number() OVER (PARTITION BY person_number ORDER BY {newest_first}) AS number_from_last
                FROM {source}
                """,
                newest_first=newest_first,
                source=source,
            )
        )
        position, newest_first, source = "number_from_last", "number_from_last", "numbered_events"
    matched = [] if steps.disjoint else steps.numbers
    event = ["person_number", "event_at", position, *(f"matches_step_{number}" for number in matched)]
    for number in reversed(numbers):
        after = [f"next_{later}_at" for later in steps.numbers[number:]]
        ctes.append(_events_of_two_steps(steps, source, event, number, all_match=number == first + 1))
        times = [("event_at", f"next_{number}_at"), *((name, name) for name in after)]
        ctes.append(
            cte(
                f"followed_by_step_{number}",
                """
                SELECT
                    {columns}
                FROM {events}
                WINDOW later_events_of_person AS (
                    PARTITION BY person_number
                    ORDER BY {newest_first}
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                )
                """,
                columns=columns(
                    [
                        *event,
                        *(
                            f"min(CASE WHEN {steps.matches(number)} THEN {time} END) OVER later_events_of_person"
                            f" AS {name}"
                            for time, name in times
                        ),
                    ]
                ),
                events=f"events_of_steps_{number - 1}_and_{number}",
                newest_first=newest_first,
            )
        )
    return ctes


def _events_of_two_steps(steps: Steps, source: str, event: list[str], number: int, *, all_match: bool) -> Cte:
    """`events_of_steps_<n - 1>_and_<n>`: the events of both steps, those of step n with the times after it.

    Args:
        event: the columns of an event.
        all_match: if n is the last step, the source has no other events than these.
    """
    name = f"events_of_steps_{number - 1}_and_{number}"
    matches, matches_before = steps.matches(number), steps.matches(number - 1)
    after = [f"next_{later}_at" for later in steps.numbers[number:]]
    if not after:
        return cte(
            name,
            """
            SELECT {event}
            FROM {source}
            {condition}
            """,
            event=", ".join(event),
            source=source,
            condition="" if all_match else f"WHERE {matches} OR {matches_before}",
        )
    return cte(
        name,
        """
        SELECT {event}, {after}
        FROM {followed}
        WHERE {matches}
        UNION ALL
        SELECT {event}, {not_done}
        FROM {source}
        WHERE {matches_before} AND NOT {matches}
        """,
        event=", ".join(event),
        after=", ".join(after),
        followed=f"followed_by_step_{number + 1}",
        matches=matches,
        not_done=", ".join(f"{steps.dialect.no_time} AS {time}" for time in after),
        source=source,
        matches_before=matches_before,
    )
