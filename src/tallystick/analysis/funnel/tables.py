"""Common tables that the writers of `persons` share, whatever the order of a funnel's steps."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.funnel.steps import Steps

Tables = list[str]
"""Common tables, `name AS (…)` each."""


def table(name: str, *lines: str, materialized: bool | None = None) -> str:
    """One common table, its SELECT given in lines.

    Args:
        materialized: kept, or made anew wherever it is read; None leaves it to the database.
    """
    body = "\n".join(lines).replace("\n", "\n  ")
    kept = {None: "", True: "MATERIALIZED ", False: "NOT MATERIALIZED "}[materialized]
    return f"{name} AS {kept}(\n  {body}\n)"


def step_times(steps: Steps) -> list[str]:
    """The columns that say when each step was done: t1…"""
    return [f"t{number}" for number in steps.numbers]


def last_time(steps: Steps, of: str = "") -> str:
    """When the last of the steps that were done was done; `of` is a table's name and a dot."""
    return f"coalesce({', '.join(of + time for time in reversed(step_times(steps)))})"


def reached_steps(steps: Steps, of: str = "") -> str:
    """How many of the steps were done."""
    return " + ".join(f"CASE WHEN {of}{time} IS NULL THEN 0 ELSE 1 END" for time in step_times(steps))


def first_attempts(steps: Steps) -> str:
    """Each person's first event that matches the first step."""
    tied = "" if steps.apart else ", FALSE AS tied"
    return table("reached_1", f"SELECT *{tied}", f"FROM ({steps.first_attempts()}) AS firsts")


def numbered(steps: Steps) -> str:
    """A number, `id`, for each row of a table of persons that is materialized."""
    return "u AS id" if steps.params.numbered else "CAST(row_number() OVER () AS INTEGER) AS id"


def with_numbers(steps: Steps, source: str) -> str:
    """`unsettled` with numbers, which are the same wherever it is read."""
    return table("unsettled", f"SELECT *, {numbered(steps)}", source, materialized=True)


def marked_events(steps: Steps, *, only_matching: bool = True) -> str:
    """The events of the unsettled with their place among those of the same instant, and which steps each matches.

    Where that is one at most, the place tells which; see `matches`.
    """
    columns = ["id", "timestamp AS t", f"{steps.place} AS place"]
    if not steps.apart:
        columns += [f"CASE WHEN {steps.test(number)} THEN 1 ELSE 0 END AS s{number}" for number in steps.numbers]
    events = f"(SELECT * {steps.events(*([steps.match(*steps.numbers)] if only_matching else []))}) AS events"
    return table("marked", f"SELECT {', '.join(columns)}", f"FROM {events}", "JOIN unsettled ON u = user_id")


def matches(steps: Steps, number: int) -> str:
    """Whether a marked event matches a step."""
    return f"place = {number}" if steps.apart else f"s{number} = 1"


def chosen(steps: Steps, *told: str) -> Tables:
    """`persons`: who is told without a closer look, by these SELECTs, and the best of the others' `attempts`.

    Of several attempts that get equally far the earliest did each of the steps first.
    """
    first = ", ".join(f"min({time}) AS {time}" for time in step_times(steps))
    times = ", ".join(step_times(steps))
    return [
        table("by_reach", f"SELECT id, {reached_steps(steps)} AS done, {first}", "FROM attempts", "GROUP BY id, done"),
        table(
            "ranked_reach", "SELECT *, row_number() OVER (PARTITION BY id ORDER BY done DESC) AS place", "FROM by_reach"
        ),
        table("best", f"SELECT id, {times}", "FROM ranked_reach WHERE place = 1"),
        table(
            "persons",
            *(line for select in told for line in (select, "UNION ALL")),
            f"SELECT unsettled.u, {', '.join(f'best.{time}' for time in step_times(steps))}",
            "FROM best JOIN unsettled ON unsettled.id = best.id",
        ),
    ]


def attempts_table(steps: Steps, in_time: Sequence[str], source: str) -> str:
    """`attempts`: each event of the first step in a table, with the steps behind it that were done in time.

    Args:
        in_time: of each step but the first, whether its time in the table, n2…, counts.
    """
    times = [f"CASE WHEN {test} THEN n{n} END AS t{n}" for n, test in zip(steps.numbers[1:], in_time, strict=True)]
    return table("attempts", f"SELECT id, t AS t1, {', '.join(times)}", f"FROM {source} WHERE {matches(steps, 1)}")
