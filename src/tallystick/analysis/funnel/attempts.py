"""The attempt that counts of each person, as common tables of SQL: one writer for each order of a funnel's steps.

The last table is `persons`: `u`, and `t1`… when the person did each step, NULL from the first one on that was not done.

Looking at every attempt of every person means sorting all their events. Most persons are told without: where the steps
that are done soonest after the person's first attempt began all lie in the window, and nothing is left out for being
too late, no other attempt gets further. Only the others (`unsettled`) are looked at attempt by attempt. A number, `id`,
stands for a person where it can, since numbers sort faster than texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tallystick.analysis.funnel.ordered import ordered
from tallystick.analysis.funnel.steps import Steps
from tallystick.analysis.funnel.tables import (
    Tables,
    attempts_table,
    chosen,
    first_attempts,
    marked_events,
    matches,
    table,
    with_numbers,
)


def persons(steps: Steps) -> Tables:
    """The tables that end with `persons`."""
    return WRITERS[steps.query.order](steps)


# --- strict ---------------------------------------------------------------------------------------------------------


def _strict(steps: Steps) -> Tables:
    """Who never matched the second step is told at once; of the others each event is compared with its followers."""
    second = f"SELECT user_id {steps.events(steps.match(2))}"
    following: list[str] = []
    in_time, before = [], []
    for number in steps.numbers[1:]:
        column = "place" if steps.apart else f"s{number}"
        following += [f"lead({column}, {number - 1}) OVER walk AS f{number}"]
        following += [f"lead(t, {number - 1}) OVER walk AS n{number}"]
        before.append(f"f{number} = {number if steps.apart else 1}")
        in_time.append(f"{' AND '.join(before)} AND n{number} <= t + {steps.window}")
    nothing = ", ".join(f"{steps.params.dialect.no_time} AS t{number}" for number in steps.numbers[1:])
    return [
        first_attempts(steps),
        with_numbers(steps, f"FROM reached_1 WHERE u IN ({second})"),
        marked_events(steps, only_matching=False),
        table(
            "followed",
            f"SELECT id, t, {'place' if steps.apart else 's1'}, {', '.join(following)}",
            "FROM marked WINDOW walk AS (PARTITION BY id ORDER BY t, place)",
        ),
        attempts_table(steps, in_time, "followed"),
        *chosen(
            steps,
            f"SELECT u, t1, {nothing}\n"
            "FROM reached_1 WHERE NOT EXISTS (SELECT 1 FROM unsettled WHERE unsettled.u = reached_1.u)",
        ),
    ]


# --- any ------------------------------------------------------------------------------------------------------------


def _any(steps: Steps) -> Tables:
    """n1… is when each step is done from an event on, whatever its place: `done` has these times in order.

    The c-th of equal steps is done by the c-th event that matches it.
    """
    turns: Counter[str] = Counter()
    soonest, nth = [], []
    for number, step in zip(steps.numbers, steps.query.steps, strict=True):
        turns[same := step.model_dump_json()] += 1
        ahead = turns[same] - 1
        apart = ahead == 0 or steps.apart  # equal ones that are apart match nothing
        later = "t" if apart else f"lead(t, {ahead}) OVER (PARTITION BY id, s{number} ORDER BY t)"
        nth.append(f"CASE WHEN {matches(steps, number)} THEN {later} END AS n{number}")
        soonest.append(f"min(n{number}) OVER walk AS n{number}")
    tables, told = _first_of_each(steps) if max(turns.values()) == 1 else (_everybody(steps), [])
    in_time = ", ".join(f"CASE WHEN n{number} <= t + {steps.window} THEN n{number} END" for number in steps.numbers)
    return [
        *tables,
        marked_events(steps),
        table("counted", f"SELECT id, t, {', '.join(nth)}", "FROM marked"),
        table(
            "followed",
            f"SELECT id, t, {', '.join(soonest)}",
            "FROM counted WINDOW walk AS (PARTITION BY id ORDER BY t DESC)",
        ),
        table("done_in_time", f"SELECT id, {steps.params.dialect.ascending.format(in_time)} AS done", "FROM followed"),
        table("attempts", f"SELECT id, {_unpacked(steps)}", "FROM done_in_time"),
        *chosen(steps, *told),
    ]


def _unpacked(steps: Steps) -> str:
    return ", ".join(f"done[{number}] AS t{number}" for number in steps.numbers)


def _everybody(steps: Steps) -> Tables:
    matching = steps.events(steps.match(*steps.numbers))
    return [with_numbers(steps, f"FROM (SELECT DISTINCT user_id AS u {matching}) AS everybody")]


def _first_of_each(steps: Steps) -> tuple[Tables, list[str]]:
    """Whoever did all the steps that they ever did in time from their first event on is told at once."""
    firsts = ", ".join(f"d{number}" for number in steps.numbers)
    found = [f"min(CASE WHEN {steps.test(number)} THEN timestamp END) AS d{number}" for number in steps.numbers]
    settled = f"greatest({firsts}) <= least({firsts}) + {steps.window}"
    matching = steps.events(steps.match(*steps.numbers))
    ascending = steps.params.dialect.ascending.format(firsts)
    return [
        table("firsts", f"SELECT user_id AS u, {', '.join(found)}", matching, "GROUP BY user_id"),
        with_numbers(steps, f"FROM firsts WHERE NOT ({settled})"),
        table("in_time", f"SELECT u, {ascending} AS done FROM firsts WHERE {settled}"),
    ], [f"SELECT u, {_unpacked(steps)}\nFROM in_time"]


WRITERS: dict[str, Callable[[Steps], Tables]] = {"ordered": ordered, "strict": _strict, "any": _any}
