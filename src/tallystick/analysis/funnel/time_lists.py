"""Ordered funnels whose steps are names, from sorted lists of times: one grouping of `user_times`, no joins of times.

For a store that finds the first time at or after another one in a list by binary search (`Dialect.next_time`), and
merges sorted lists (`Dialect.merged_times`). Each person is one row from the first CTE to the last one. For the steps
`view`, `add`, `buy`:

1. `persons_with_times`: of each person who did the first step its first time, and a list of times for each step.
2. `first_attempts`: from the first start on, the next time of each step, whatever the window is. No attempt does a step
   earlier, so if the last step is in the window the person is settled: see `ordered_disjoint`.
3. `tries`: each time at which an unsettled person did the second step, with the next times of later ones. To reach step
   n in time from there, an attempt has to begin at most one window before step n, and not after the second step. So the
   first start from that border on (`tried_starts`) is the earliest that reaches it, if it is not too late.
4. `attempts`: of each try the furthest attempt. Of a person's attempts the furthest counts, and the earliest of these.

The persons are parted in halves (`Dialect.halves`), each with CTEs of its own, and none of these is read twice. So
PostgreSQL keeps none of their rows, and has each half found by a process of its own: a parallel process can neither
read the rows of a CTE, nor run a subquery for each of its rows, nor make lists together with another one.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import FENCE, Cte, columns, cte, sql, union_all
from tallystick.analysis.filters import ALWAYS
from tallystick.analysis.funnel.steps import Steps
from tallystick.analysis.funnel.user_times import event_times, listed_times


def time_list_persons(steps: Steps) -> list[Cte]:
    """The CTEs that end with `persons`."""
    halves = steps.halves
    suffixes = [f"_of_half_{number}" for number in range(1, len(halves) + 1)] or [""]
    ctes = [event_times(steps)]
    for half, suffix in zip(halves or [ALWAYS], suffixes, strict=True):
        ctes += [
            _persons_with_times(steps, half, suffix),
            cte(
                f"first_attempts{suffix}",
                "{chain}",
                chain=_chain(steps, f"SELECT * FROM persons_with_times{suffix}", "step", steps.numbers[1:]),
            ),
            _tries(steps, suffix),
            _tried_starts(steps, suffix),
            _attempts(steps, suffix),
        ]
    selects = (
        sql(
            """
            SELECT
                {columns}
            FROM (
                SELECT person, min(attempt) AS attempt
                FROM {attempts}
                GROUP BY person
            ) AS best_attempts
            """,
            columns=columns(["person", *(f"attempt[{index}] AS {time}" for index, time in enumerate(steps.times, 2))]),
            attempts=f"attempts{suffix}",
        )
        for suffix in suffixes
    )
    return [*ctes, cte("persons", "{selects}", selects=union_all(selects))]


def _persons_with_times(steps: Steps, half: str, suffix: str) -> Cte:
    first = f"min(first) FILTER (WHERE {steps.test(1)})"
    merged = steps.dialect.merged_times.format("times")
    lists = [f"{merged} FILTER (WHERE {steps.test(number)}) AS {_list(number)}" for number in steps.numbers]
    of_half = [] if half == ALWAYS else [half]
    return cte(
        f"persons_with_times{suffix}",
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
        listed_times=listed_times(steps, steps.test_any(*steps.numbers), *of_half),
        first=first,
    )


def _tries(steps: Steps, suffix: str) -> Cte:
    """`tries`: of a settled person one row. Of others one for each second step, with the next times of later steps."""
    settled = f"{steps.last_time()} <= step_1_at + {steps.window}"
    lists = [_list(number) for number in steps.numbers]
    first = sql(
        """
        SELECT
            {columns}
        FROM (
            SELECT *, {settled} AS settled
            FROM {first_attempts}
            {fence}
        ) AS first_attempts
        """,
        columns=columns(
            [
                "person",
                "step_1_at",
                "settled",
                *lists,
                # A list that is not there has no rows, but the person has one.
                f"unnest(CASE WHEN settled THEN ARRAY[step_2_at] ELSE {_list(2)} END) AS try_2_at",
            ]
        ),
        settled=settled,
        first_attempts=f"first_attempts{suffix}",
        fence=FENCE,
    )
    return cte(f"tries{suffix}", "{chain}", chain=_chain(steps, first, "try", steps.numbers[2:]))


def _tried_starts(steps: Steps, suffix: str) -> Cte:
    """`tried_starts`: for each later step, `start_<n>` is the first start from which it is in the window."""
    starts = [
        f"{_next(steps, _list(1), f'try_{number}_at - {steps.window}')} AS start_{number}"
        for number in steps.numbers[1:]
    ]
    return cte(
        f"tried_starts{suffix}",
        """
        SELECT
            {columns}
        FROM {tries}
        {fence}
        """,
        columns=columns(["*", *starts]),
        tries=f"tries{suffix}",
        fence=FENCE,
    )


def _attempts(steps: Steps, suffix: str) -> Cte:
    """`attempts`: the furthest attempt of each try, as an array that is the smaller the better it is.

    The array has an instant that is the earlier the more steps are done, then the time of each step. So the smallest
    one of a person is the furthest, and of several of these the earliest.
    """
    furthest_first = list(reversed(steps.numbers[1:]))
    reaches = [f"WHEN start_{number} <= try_2_at THEN {number}" for number in furthest_first]
    starts = [f"WHEN start_{number} <= try_2_at THEN start_{number}" for number in furthest_first]
    begun = sql(
        """
        SELECT
            {columns}
        FROM {tried_starts}
        """,
        columns=columns(
            [
                "person",
                f"CASE WHEN settled THEN {len(steps.numbers)} {' '.join(reaches)} ELSE 1 END AS steps_done",
                f"CASE WHEN settled THEN step_1_at {' '.join(starts)} ELSE step_1_at END AS step_1_at",
                *map(_list, steps.numbers[1:]),
            ]
        ),
        tried_starts=f"tried_starts{suffix}",
    )
    reach = steps.dialect.instant.format("2000-01-01 00:00:00") + " - steps_done * INTERVAL '1 second'"
    in_time = [f"CASE WHEN steps_done >= {number} THEN step_{number}_at END" for number in steps.numbers[1:]]
    return cte(
        f"attempts{suffix}",
        """
        SELECT
            person,
            ARRAY[{attempt}] AS attempt
        FROM (
            {chain}
        ) AS whole_attempts
        """,
        attempt=", ".join([reach, "step_1_at", *in_time]),
        chain=_chain(steps, begun, "step", steps.numbers[1:]),
    )


def _chain(steps: Steps, source: str, prefix: str, numbers: Sequence[int]) -> str:
    """A SELECT with the columns of a source, and the time of each of some steps after the step before it.

    Args:
        prefix: what the columns with these times begin with.
    """
    for number in numbers:
        source = sql(
            """
            SELECT *, {next} AS {prefix}_{number}_at
            FROM (
                {source}
                {fence}
            ) AS attempts_to_step_{before}
            """,
            next=_next(steps, _list(number), f"{prefix}_{number - 1}_at"),
            prefix=prefix,
            number=str(number),
            source=source,
            fence=FENCE,
            before=str(number - 1),
        )
    return sql(
        """
        {source}
        {fence}
        """,
        source=source,
        fence=FENCE,
    )


def _next(steps: Steps, times: str, instant: str) -> str:
    return steps.dialect.next_time.format(instant, times=times)


def _list(number: int) -> str:
    """The column with a person's times of a step."""
    return f"step_{number}_times"
