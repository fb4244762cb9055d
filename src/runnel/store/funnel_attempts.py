"""The attempt that counts of each person, as common tables of SQL: one writer for each order of a funnel's steps.

The last table is `persons`: `u`, and `t1`… when the person did each step, NULL from the first one on that was not done.

Looking at every attempt of every person means sorting all their events. Most persons are told without: where the steps
that are done soonest after the person's first attempt began all lie in the window, and nothing is left out for being
too late, no other attempt gets further. Only the others (`unsettled`) are looked at attempt by attempt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from runnel.store.funnel_steps import Steps

Tables = list[str]
"""Common tables, `name AS (…)` each."""


def persons(steps: Steps) -> Tables:
    """The tables that end with `persons`."""
    return WRITERS[steps.query.order](steps)


def _table(name: str, *lines: str) -> str:
    body = "\n".join(lines).replace("\n", "\n  ")
    return f"{name} AS (\n  {body}\n)"


def _times(steps: Steps, first: int = 1, prefix: str = "t") -> list[str]:
    return [f"{prefix}{number}" for number in steps.numbers[first - 1 :]]


def _first_attempts(steps: Steps) -> str:
    """Each person's first event that matches the first step."""
    return _table(
        "reached_1",
        f"SELECT user_id AS u, min(timestamp) AS t1{'' if steps.apart else ', FALSE AS tied'}",
        steps.events(steps.match(1)),
        "GROUP BY user_id",
    )


def _best(steps: Steps) -> str:
    """Of `attempts`, those that get furthest, and of these the earliest of each person."""
    done = " + ".join(f"CASE WHEN {time} IS NULL THEN 0 ELSE 1 END" for time in _times(steps, 2))
    order = f"ORDER BY {done} DESC, {', '.join(_times(steps))}"
    return _table("best", f"SELECT *, row_number() OVER (PARTITION BY u {order}) AS place", "FROM attempts")


def _persons(steps: Steps, settled: str) -> str:
    """Who is told without a closer look, by this SELECT (empty: nobody is), and the best attempts of the others."""
    best = [f"SELECT u, {', '.join(_times(steps))}", "FROM best WHERE place = 1"]
    return _table("persons", *([settled, "UNION ALL"] if settled else []), *best)


# --- ordered ---------------------------------------------------------------------------------------------------------


def _ordered(steps: Steps) -> Tables:
    """`reached_<n>`: the first attempt of each person, step by step, as if the window had no end."""
    tables = [_first_attempts(steps)]
    for number in steps.numbers[1:]:
        tables += _next_of_first(steps, number)
    last = f"coalesce({', '.join(reversed(_times(steps)))})"
    settled = f"{last} <= t1 + {steps.window}" + ("" if steps.apart else " AND NOT tied")
    reached = f"FROM reached_{len(steps.tests)}"
    tables.append(_table("unsettled", "SELECT u", f"{reached} WHERE NOT ({settled})"))
    flags = [f"CASE WHEN {steps.test(number)} THEN 1 ELSE 0 END AS s{number}" for number in steps.numbers]
    tables.append(
        _table(
            "marked",
            f"SELECT user_id AS u, timestamp AS t, {steps.place} AS place, {', '.join(flags)}",
            steps.events(steps.match(*steps.numbers), "user_id IN (SELECT u FROM unsettled)"),
        )
    )
    tables += _followed(steps)
    return [*tables, _best(steps), _persons(steps, f"SELECT u, {', '.join(_times(steps))}\n{reached} WHERE {settled}")]


def _next_of_first(steps: Steps, number: int) -> Tables:
    """The first event behind the step before that matches this one.

    Where an event could match several steps, one at the instant of the step before may be that one itself: should
    there be several then, which one is taken is left to the closer look.
    """
    name, before = f"t{number}", f"t{number - 1}"
    known = ", ".join(f"t{n}" for n in range(1, number))
    if steps.apart:
        found, matching = f"min(timestamp) AS {name}", steps.match(number)
    else:
        hit = f"timestamp > {before} AND {steps.test(number)}"
        found = f"min(CASE WHEN {hit} THEN timestamp END) AS {name}, sum(CASE WHEN timestamp = {before} THEN 1 END) AS ties"
        matching = steps.match(number - 1, number)
    tied = "" if steps.apart else ", tied OR coalesce(ties, 0) > 1 AS tied"
    return [
        _table(
            f"next_{number}",
            f"SELECT u, {found}",
            f"FROM (SELECT * {steps.events(matching)}) AS events",
            f"JOIN reached_{number - 1} ON u = user_id AND timestamp >= {before}",
            "GROUP BY u",
        ),
        _table(
            f"reached_{number}",
            f"SELECT reached_{number - 1}.u, {known}, {name}{tied}",
            f"FROM reached_{number - 1} LEFT JOIN next_{number} ON next_{number}.u = reached_{number - 1}.u",
        ),
    ]


def _followed(steps: Steps) -> Tables:
    """`attempts`: from each event of the first step on, the first event that matches the next one, and so forth.

    The last step is looked for first: what follows an event from a step on is what follows the first event behind it
    that matches this step. That is the minimum of what follows all of them, since a later event is never followed by
    anything earlier. So one walk from a person's last event to the first is enough for each step.
    """
    count = len(steps.tests)
    tables = []
    if steps.apart:
        place, order, source = "place", "t DESC, place DESC", "marked"
    else:  # the same event must stand at the same place in each walk
        numbered = "SELECT *, row_number() OVER (PARTITION BY u ORDER BY t DESC, place DESC) AS step"
        tables.append(_table("numbered", numbered, "FROM marked"))
        place, order, source = "step", "step", "numbered"
    frame = f"(PARTITION BY u ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    for number in range(count, 1, -1):
        walked = [("t", number), *((f"n{later}", later) for later in range(number + 1, count + 1))]
        minima = [f"min(CASE WHEN s{number} = 1 THEN {value} END) OVER walk AS n{later}" for value, later in walked]
        kept = ["u", "t", place, *(f"s{n}" for n in range(1, number))]
        walking = f"FROM {source} WINDOW walk AS {frame}"
        tables.append(_table(f"from_{number}", f"SELECT {', '.join([*kept, *minima])}", walking))
        source = f"from_{number}"
    in_time = [f"CASE WHEN n{n} <= t + {steps.window} THEN n{n} END AS t{n}" for n in steps.numbers[1:]]
    return [*tables, _table("attempts", f"SELECT u, t AS t1, {', '.join(in_time)}", f"FROM {source} WHERE s1 = 1")]


# --- strict ----------------------------------------------------------------------------------------------------------


def _strict(steps: Steps) -> Tables:
    """Whoever never matched the second step is told at once; of the others each event is compared with its followers."""
    numbers = steps.numbers
    flags = [f"CASE WHEN {steps.test(number)} THEN 1 ELSE 0 END AS s{number}" for number in numbers]
    nothing = ", ".join(f"{steps.params.engine.no_time} AS t{number}" for number in numbers[1:])
    looked_at = "SELECT 1 FROM unsettled WHERE unsettled.u = reached_1.u"
    following, in_time, before = [], [], "s1 = 1"
    for number in numbers[1:]:
        following += [f"lead(s{number}, {number - 1}) OVER walk AS f{number}"]
        following += [f"lead(t, {number - 1}) OVER walk AS n{number}"]
        before = f"{before} AND f{number} = 1"
        in_time.append(f"CASE WHEN {before} AND n{number} <= t + {steps.window} THEN n{number} END AS t{number}")
    return [
        _first_attempts(steps),
        _table(
            "unsettled",
            f"SELECT DISTINCT user_id AS u {steps.events(steps.match(2), 'user_id IN (SELECT u FROM reached_1)')}",
        ),
        _table(
            "marked",
            f"SELECT user_id AS u, timestamp AS t, {steps.place} AS place, {', '.join(flags)}",
            steps.events("user_id IN (SELECT u FROM unsettled)"),
        ),
        _table(
            "followed",
            f"SELECT u, t, s1, {', '.join(following)}",
            "FROM marked WINDOW walk AS (PARTITION BY u ORDER BY t, place)",
        ),
        _table("attempts", f"SELECT u, t AS t1, {', '.join(in_time)}", "FROM followed WHERE s1 = 1"),
        _best(steps),
        _persons(steps, f"SELECT u, t1, {nothing}\nFROM reached_1 WHERE NOT EXISTS ({looked_at})"),
    ]


# --- any -------------------------------------------------------------------------------------------------------------


def _any(steps: Steps) -> Tables:
    """Columns here are one for each step: d1…, when it was done. `persons` has their times in order.

    The c-th of equal steps is done by the c-th event that matches it.
    """
    turns: Counter[str] = Counter()
    turn = {}
    for number, step in zip(steps.numbers, steps.query.steps, strict=True):
        turns[same := step.model_dump_json()] += 1
        turn[number] = turns[same]
    tables, settled = _first_of_each(steps) if max(turns.values()) == 1 else ([], "")
    flags = [f"CASE WHEN {steps.test(number)} THEN 1 ELSE 0 END AS s{number}" for number in steps.numbers]
    only = ["user_id IN (SELECT u FROM unsettled)"] if settled else []
    matching = steps.events(steps.match(*steps.numbers), *only)
    tables.append(_table("marked", f"SELECT user_id AS u, timestamp AS t, {', '.join(flags)}", matching))
    nth = []
    for number in steps.numbers:
        later = f"lead(t, {turn[number] - 1}) OVER (PARTITION BY u, s{number} ORDER BY t)" if turn[number] > 1 else "t"
        nth.append(f"CASE WHEN s{number} = 1 THEN {later} END AS n{number}")
    tables.append(_table("counted", f"SELECT u, t, {', '.join(nth)}", "FROM marked"))
    soonest = ", ".join(f"min(n{number}) OVER walk AS n{number}" for number in steps.numbers)
    tables.append(_table("followed", f"SELECT u, t, {soonest}", "FROM counted WINDOW walk AS (PARTITION BY u ORDER BY t DESC)"))
    in_time = [f"CASE WHEN n{number} <= t + {steps.window} THEN n{number} END" for number in steps.numbers]
    tables.append(_table("done", f"SELECT u, {steps.params.engine.ascending.format(', '.join(in_time))} AS done", "FROM followed"))
    tables += [_table("attempts", f"SELECT u, {_unpacked(steps)}", "FROM done"), _best(steps)]
    return [*tables, _persons(steps, settled)]


def _unpacked(steps: Steps) -> str:
    return ", ".join(f"done[{number}] AS t{number}" for number in steps.numbers)


def _first_of_each(steps: Steps) -> tuple[Tables, str]:
    """Whoever did all the steps that they ever did in time from their first event on is told at once."""
    firsts = [f"d{number}" for number in steps.numbers]
    found = [f"min(CASE WHEN {steps.test(number)} THEN timestamp END) AS d{number}" for number in steps.numbers]
    settled = f"greatest({', '.join(firsts)}) <= least({', '.join(firsts)}) + {steps.window}"
    ascending = steps.params.engine.ascending.format(", ".join(firsts))
    return [
        _table(
            "firsts",
            f"SELECT user_id AS u, {', '.join(found)}",
            steps.events(steps.match(*steps.numbers)),
            "GROUP BY user_id",
        ),
        _table("unsettled", f"SELECT u FROM firsts WHERE NOT ({settled})"),
        _table("in_time", f"SELECT u, {ascending} AS done FROM firsts WHERE {settled}"),
    ], f"SELECT u, {_unpacked(steps)}\nFROM in_time"


WRITERS: dict[str, Callable[[Steps], Tables]] = {"ordered": _ordered, "strict": _strict, "any": _any}
