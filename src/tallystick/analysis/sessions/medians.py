"""Median durations of counted sessions, in PostgreSQL's SQL.

A median is no sum. But the counts say how many sessions of a group last how long, in classes, and so in which class the
median is and which of that class's sessions it is. Only the sessions of these classes are read and sorted.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import Cte, clause, columns, cte, sql, union_all
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.sessions.index import DurationClasses

COUNTED_GROUPS = "counted_groups"
"""The CTE of the groups of the answer: their keys, `group_number`, `total` (sessions) and sessions by class."""
MEDIANS = "medians"
"""The CTE with the `median` (microseconds) of each `group_number`."""
_LONGEST = 2**63 - 1
"""Microseconds that no session reaches."""


def median_ctes(classes: DurationClasses, keys: Sequence[str], selects: Sequence[str], dialect: Dialect) -> list[Cte]:
    """CTEs up to `medians`, after `counted_groups`.

    Args:
        keys: the columns that tell the groups apart.
        selects: SELECTs of the single sessions, with the keys and `duration`.
    """
    least = ", ".join(["0", *map(str, classes.edges)])
    beyond = ", ".join([*map(str, classes.edges), str(_LONGEST)])
    # `reached` counts the sessions up to the end of a class. A median is the mean of the ones at `lower` and `upper`.
    median_classes = cte(
        "median_classes",
        """
        SELECT
            group_number,
            lower,
            upper,
            (CAST(ARRAY[{least}] AS bigint[]))[min(class) FILTER (WHERE reached > lower)] AS least_duration,
            (CAST(ARRAY[{beyond}] AS bigint[]))[min(class) FILTER (WHERE reached > upper)] AS beyond_duration,
            coalesce(max(reached) FILTER (WHERE reached <= lower), 0) AS below
        FROM (
            SELECT
                group_number,
                (total - 1) / 2 AS lower,
                total / 2 AS upper,
                class,
                sum(sessions_of_class) OVER (PARTITION BY group_number ORDER BY class) AS reached
            FROM {groups}
            CROSS JOIN LATERAL unnest(ARRAY[{counts}]) WITH ORDINALITY AS classes (sessions_of_class, class)
        ) AS reached_classes
        GROUP BY group_number, lower, upper
        """,
        materialized=True,
        least=least,
        beyond=beyond,
        groups=COUNTED_GROUPS,
        counts=", ".join(classes.counts),
    )
    # The bounds of all groups together are known before the sessions are read, so that most are passed over at once.
    near = cte(
        "sessions_near_medians",
        """
        SELECT {columns}
        FROM (
            {sessions}
        ) AS sessions_of_any_duration
        WHERE
            duration >= (SELECT min(least_duration) FROM median_classes)
            AND duration < (SELECT max(beyond_duration) FROM median_classes)
        """,
        materialized=True,
        columns=", ".join([*keys, "duration"]),
        sessions=union_all(selects),
    )
    medians = cte(
        MEDIANS,
        """
        SELECT
            group_number,
            CASE
                WHEN first_index = last_index THEN durations[first_index]
                ELSE durations[first_index] + 0.5 * (durations[last_index] - durations[first_index])
            END AS median
        FROM (
            SELECT
                group_number,
                CAST(lower - below + 1 AS integer) AS first_index,
                CAST(upper - below + 1 AS integer) AS last_index,
                array_agg(CAST(duration AS double precision) ORDER BY duration) AS durations
            FROM median_classes
            JOIN {groups} USING (group_number)
            JOIN sessions_near_medians AS near {on}
            GROUP BY group_number, lower, upper, below
        ) AS sorted_groups
        """,
        groups=COUNTED_GROUPS,
        on=clause(
            "ON",
            [
                *(_same(key, dialect) for key in keys),
                "near.duration >= least_duration",
                "near.duration < beyond_duration",
            ],
        ),
    )
    return [median_classes, near, medians]


def _same(key: str, dialect: Dialect) -> str:
    """Condition: a session is of a group. A bucket is never NULL."""
    same = "{0} = {1}" if key == "bucket_key" else dialect.same
    return same.format(f"near.{key}", f"{COUNTED_GROUPS}.{key}")


def answer_with_medians(selected: Sequence[str]) -> str:
    """The groups in their order.

    Args:
        selected: the columns of the answer, as SQL over `counted_groups` and `medians`.
    """
    return sql(
        """
        SELECT
            {columns}
        FROM {groups}
        LEFT JOIN {medians} USING (group_number)
        ORDER BY group_number
        """,
        columns=columns(selected),
        groups=COUNTED_GROUPS,
        medians=MEDIANS,
    )
