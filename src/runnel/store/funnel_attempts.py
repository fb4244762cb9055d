"""The attempt that counts of each person, as common tables of SQL: one writer for each order of a funnel's steps.

The last table is `persons`: `u`, and `t1`… when the person did each step, NULL from the first one on that was not done.

Looking at every attempt of every person means sorting all their events. Most persons are told without: where the steps
that are done soonest after the person's first attempt began all lie in the window, and nothing is left out for being
too late, no other attempt gets further. Only the others (`unsettled`) are looked at attempt by attempt. A number, `id`,
stands for a person where it can, since numbers sort faster than texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from runnel.store.funnel_steps import Steps

Tables = list[str]
"""Common tables, `name AS (…)` each."""


def persons(steps: Steps) -> Tables:
    """The tables that end with `persons`."""
    return WRITERS[steps.query.order](steps)


def _table(name: str, *lines: str, materialized: bool = False) -> str:
    body = "\n".join(lines).replace("\n", "\n  ")
    return f"{name} AS {'MATERIALIZED ' if materialized else ''}(\n  {body}\n)"


def _times(steps: Steps) -> list[str]:
    return [f"t{number}" for number in steps.numbers]


def _last(steps: Steps, of: str = "") -> str:
    """When the last of the steps that were done was done; `of` is a table's name and a dot."""
    return f"coalesce({', '.join(of + time for time in reversed(_times(steps)))})"


def _reach(steps: Steps, of: str = "") -> str:
    """How many of the steps were done."""
    return " + ".join(f"CASE WHEN {of}{time} IS NULL THEN 0 ELSE 1 END" for time in _times(steps))


def _first_attempts(steps: Steps) -> str:
    """Each person's first event that matches the first step."""
    tied = "" if steps.apart else ", FALSE AS tied"
    begun = steps.events(steps.first)
    return _table("reached_1", f"SELECT user_id AS u, min(timestamp) AS t1{tied}", begun, "GROUP BY user_id")


def _numbered(source: str) -> str:
    """`unsettled` with numbers, which are the same wherever it is read."""
    return _table("unsettled", "SELECT *, CAST(row_number() OVER () AS INTEGER) AS id", source, materialized=True)


def _marked(steps: Steps, *, only_matching: bool = True) -> str:
    """The events of the unsettled with their place among those of the same instant, and which steps each matches.

    Where that is one at most, the place tells which; see `_did`.
    """
    columns = ["id", "timestamp AS t", f"{steps.place} AS place"]
    if not steps.apart:
        columns += [f"CASE WHEN {steps.test(number)} THEN 1 ELSE 0 END AS s{number}" for number in steps.numbers]
    events = f"(SELECT * {steps.events(*([steps.match(*steps.numbers)] if only_matching else []))}) AS events"
    return _table("marked", f"SELECT {', '.join(columns)}", f"FROM {events}", "JOIN unsettled ON u = user_id")


def _did(steps: Steps, number: int) -> str:
    """Whether a marked event matches a step."""
    return f"place = {number}" if steps.apart else f"s{number} = 1"


def _chosen(steps: Steps, *told: str) -> Tables:
    """`persons`: who is told without a closer look, by these SELECTs, and the best of the others' `attempts`.

    Of several attempts that get equally far the earliest did each of the steps first.
    """
    first = ", ".join(f"min({time}) AS {time}" for time in _times(steps))
    times = ", ".join(_times(steps))
    return [
        _table("by_reach", f"SELECT id, {_reach(steps)} AS done, {first}", "FROM attempts", "GROUP BY id, done"),
        _table(
            "ranked_reach", "SELECT *, row_number() OVER (PARTITION BY id ORDER BY done DESC) AS place", "FROM by_reach"
        ),
        _table("best", f"SELECT id, {times}", "FROM ranked_reach WHERE place = 1"),
        _table(
            "persons",
            *(line for select in told for line in (select, "UNION ALL")),
            f"SELECT unsettled.u, {', '.join(f'best.{time}' for time in _times(steps))}",
            "FROM best JOIN unsettled ON unsettled.id = best.id",
        ),
    ]


# --- ordered ---------------------------------------------------------------------------------------------------------


def _ordered(steps: Steps) -> Tables:
    """`reached_<n>`: the first attempt of each person, step by step, as if the window had no end."""
    return _ordered_apart(steps) if steps.apart else _ordered_overlapping(steps)


def _ordered_apart(steps: Steps) -> Tables:
    """The events of all steps but the first are read once (`later`), and those of the first again for the unsettled."""
    last = f"reached_{len(steps.tests)}"
    settled = f"{_last(steps)} <= t1 + {steps.window}"
    since = f"{_last(steps)} - {steps.window} AS since"
    times = ", ".join(_times(steps))
    return [
        *_later(steps),
        *(table for number in steps.numbers[1:] for table in _next_of_numbered(steps, number)),
        _table("unsettled", f"SELECT *, {since}", f"FROM {last} WHERE NOT ({settled})"),
        _table(
            "tries",
            "SELECT id, since, timestamp AS t",
            f"FROM (SELECT * {steps.events(steps.first)}) AS events JOIN unsettled ON u = user_id",
        ),
        *_again(steps),
        *_followed(steps, "open"),
        *_chosen(
            steps,
            f"SELECT u, {times}\nFROM {last} WHERE {settled}",
            f"SELECT unsettled.u, {', '.join(f'again.{time}' for time in _times(steps))}\n"
            "FROM again JOIN unsettled ON unsettled.id = again.id",
        ),
    ]


def _later(steps: Steps) -> Tables:
    """`reached_1`, numbered; and these persons' events since then that match a later step, `place`."""
    first = f"SELECT user_id AS u, min(timestamp) AS t1 {steps.events(steps.first)} GROUP BY user_id"
    others = f"SELECT * {steps.events(steps.match(*steps.numbers[1:]))}"
    return [
        _table(
            "reached_1",
            "SELECT *, CAST(row_number() OVER () AS INTEGER) AS id",
            f"FROM ({first}) AS firsts",
            materialized=True,
        ),
        _table(
            "later",
            f"SELECT id, timestamp AS t, {steps.place} AS place",
            f"FROM ({others}) AS events JOIN reached_1 ON u = user_id AND timestamp >= t1",
        ),
    ]


def _next_of_numbered(steps: Steps, number: int) -> Tables:
    """The first event behind the step before that matches this one."""
    before = f"reached_{number - 1}"
    known = ", ".join(f"{before}.{time}" for time in ["id", "u", *_times(steps)[: number - 1]])
    return [
        _table(
            f"next_{number}",
            f"SELECT later.id, min(t) AS t{number}",
            f"FROM later JOIN {before} ON {before}.id = later.id AND t >= t{number - 1}",
            f"WHERE {_did(steps, number)}",
            "GROUP BY later.id",
        ),
        _table(
            f"reached_{number}",
            f"SELECT {known}, t{number}",
            f"FROM {before} LEFT JOIN next_{number} ON next_{number}.id = {before}.id",
        ),
    ]


def _ordered_overlapping(steps: Steps) -> Tables:
    tables = [_first_attempts(steps)]
    for number in steps.numbers[1:]:
        tables += _next_of_first(steps, number)
    reached = f"reached_{len(steps.tests)}"
    settled = f"{_last(steps)} <= t1 + {steps.window} AND NOT tied"
    told = f"SELECT u, {', '.join(_times(steps))}\nFROM {reached} WHERE {settled}"
    tables += [_numbered(f"FROM {reached} WHERE NOT ({settled})"), _marked(steps)]
    return [*tables, *_followed(steps, "marked"), *_chosen(steps, told)]


def _next_of_first(steps: Steps, number: int) -> Tables:
    """The first event behind the step before that matches this one.

    An event at the instant of the step before may be that one itself: should there be several then, which one is taken
    is left to the closer look.
    """
    name, before = f"t{number}", f"t{number - 1}"
    known = ", ".join(_times(steps)[: number - 1])
    hit = f"timestamp > {before} AND {steps.test(number)}"
    ties = f"sum(CASE WHEN timestamp = {before} THEN 1 END) AS ties"
    return [
        _table(
            f"next_{number}",
            f"SELECT u, min(CASE WHEN {hit} THEN timestamp END) AS {name}, {ties}",
            f"FROM (SELECT * {steps.events(steps.match(number - 1, number))}) AS events",
            f"JOIN reached_{number - 1} ON u = user_id AND timestamp >= {before}",
            "GROUP BY u",
        ),
        _table(
            f"reached_{number}",
            f"SELECT reached_{number - 1}.u, {known}, {name}, tied OR coalesce(ties, 0) > 1 AS tied",
            f"FROM reached_{number - 1} LEFT JOIN next_{number} ON next_{number}.u = reached_{number - 1}.u",
        ),
    ]


def _again(steps: Steps) -> Tables:
    """`again`: who gets as far as they ever do at the second try; `open`: the events of those who do not.

    The furthest step was done too late for every attempt that began more than a window before it, and a later attempt
    does it no earlier. So the next attempt that may get as far is the first that begins later than that.
    """
    tables = [_table("again_1", "SELECT id, min(t) AS t1", "FROM tries WHERE t >= since", "GROUP BY id")]
    for number in steps.numbers[1:]:
        before, did = f"again_{number - 1}", _did(steps, number)
        known = ", ".join(_times(steps)[: number - 1])
        tables.append(
            _table(
                f"again_{number}",
                f"SELECT {before}.id, {known}, min(t) AS t{number}",
                f"FROM {before} LEFT JOIN later ON later.id = {before}.id AND t >= t{number - 1} AND {did}",
                f"GROUP BY {before}.id, {known}",
            )
        )
    tried = f"again_{len(steps.tests)}"
    as_far = f"{_reach(steps, f'{tried}.')} = {_reach(steps, 'unsettled.')}"
    in_time = f"{_last(steps, f'{tried}.')} <= {tried}.t1 + {steps.window}"
    return [
        *tables,
        _table(
            "again",
            f"SELECT {tried}.id, {', '.join(f'{tried}.{time}' for time in _times(steps))}",
            f"FROM {tried} JOIN unsettled ON unsettled.id = {tried}.id WHERE {as_far} AND {in_time}",
        ),
        _table("still_open", "SELECT id FROM unsettled", "EXCEPT", "SELECT id FROM again"),
        _table(
            "open",
            "SELECT tries.id, t, CAST(1 AS SMALLINT) AS place FROM tries JOIN still_open ON still_open.id = tries.id",
            "UNION ALL",
            "SELECT later.id, t, place FROM later JOIN still_open ON still_open.id = later.id",
        ),
    ]


def _followed(steps: Steps, source: str) -> Tables:
    """`attempts`: from each event of the first step on, the first event that matches the next one, and so forth.

    The last step is looked for first: what follows an event from a step on is what follows the first event behind it
    that matches this step. That is the minimum of what follows all of them, since a later event is never followed by
    anything earlier. So for each step one walk is enough, from the last event to the first, through those that match it
    and those that match the step before.
    """
    tables = []
    place, order = "place", "t DESC, place DESC"
    if not steps.apart:  # the same event must stand at the same place in each walk
        numbered = f"SELECT *, row_number() OVER (PARTITION BY id ORDER BY {order}) AS step"
        tables.append(_table("numbered", numbered, f"FROM {source}"))
        place, order, source = "step", "step", "numbered"
    frame = f"(PARTITION BY id ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    kept = ["id", "t", place, *(f"s{number}" for number in steps.numbers if not steps.apart)]
    for number in reversed(steps.numbers[1:]):
        did, before = _did(steps, number), _did(steps, number - 1)
        later = [f"n{n}" for n in steps.numbers[number:]]
        lines = [f"SELECT {', '.join(kept)} FROM {source} WHERE {did} OR {before}"]
        if later:
            unknown = [f"{steps.params.engine.no_time} AS {name}" for name in later]
            lines = [f"SELECT {', '.join([*kept, *later])} FROM from_{number + 1} WHERE {did}", "UNION ALL"]
            lines.append(f"SELECT {', '.join([*kept, *unknown])} FROM {source} WHERE {before} AND NOT {did}")
        tables.append(_table(f"at_{number}", *lines))
        minima = [
            f"min(CASE WHEN {did} THEN {value} END) OVER walk AS {name}"
            for value, name in [("t", f"n{number}"), *((name, name) for name in later)]
        ]
        walking = f"FROM at_{number} WINDOW walk AS {frame}"
        tables.append(_table(f"from_{number}", f"SELECT {', '.join([*kept, *minima])}", walking))
    return [*tables, _attempts(steps, [f"n{n} <= t + {steps.window}" for n in steps.numbers[1:]], "from_2")]


def _attempts(steps: Steps, in_time: Sequence[str], source: str) -> str:
    times = [f"CASE WHEN {test} THEN n{n} END AS t{n}" for n, test in zip(steps.numbers[1:], in_time, strict=True)]
    return _table("attempts", f"SELECT id, t AS t1, {', '.join(times)}", f"FROM {source} WHERE {_did(steps, 1)}")


# --- strict ----------------------------------------------------------------------------------------------------------


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
    nothing = ", ".join(f"{steps.params.engine.no_time} AS t{number}" for number in steps.numbers[1:])
    return [
        _first_attempts(steps),
        _numbered(f"FROM reached_1 WHERE u IN ({second})"),
        _marked(steps, only_matching=False),
        _table(
            "followed",
            f"SELECT id, t, {'place' if steps.apart else 's1'}, {', '.join(following)}",
            "FROM marked WINDOW walk AS (PARTITION BY id ORDER BY t, place)",
        ),
        _attempts(steps, in_time, "followed"),
        *_chosen(
            steps,
            f"SELECT u, t1, {nothing}\n"
            "FROM reached_1 WHERE NOT EXISTS (SELECT 1 FROM unsettled WHERE unsettled.u = reached_1.u)",
        ),
    ]


# --- any -------------------------------------------------------------------------------------------------------------


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
        nth.append(f"CASE WHEN {_did(steps, number)} THEN {later} END AS n{number}")
        soonest.append(f"min(n{number}) OVER walk AS n{number}")
    tables, told = _first_of_each(steps) if max(turns.values()) == 1 else (_everybody(steps), [])
    in_time = ", ".join(f"CASE WHEN n{number} <= t + {steps.window} THEN n{number} END" for number in steps.numbers)
    return [
        *tables,
        _marked(steps),
        _table("counted", f"SELECT id, t, {', '.join(nth)}", "FROM marked"),
        _table(
            "followed",
            f"SELECT id, t, {', '.join(soonest)}",
            "FROM counted WINDOW walk AS (PARTITION BY id ORDER BY t DESC)",
        ),
        _table("done_in_time", f"SELECT id, {steps.params.engine.ascending.format(in_time)} AS done", "FROM followed"),
        _table("attempts", f"SELECT id, {_unpacked(steps)}", "FROM done_in_time"),
        *_chosen(steps, *told),
    ]


def _unpacked(steps: Steps) -> str:
    return ", ".join(f"done[{number}] AS t{number}" for number in steps.numbers)


def _everybody(steps: Steps) -> Tables:
    matching = steps.events(steps.match(*steps.numbers))
    return [_numbered(f"FROM (SELECT DISTINCT user_id AS u {matching}) AS everybody")]


def _first_of_each(steps: Steps) -> tuple[Tables, list[str]]:
    """Whoever did all the steps that they ever did in time from their first event on is told at once."""
    firsts = ", ".join(f"d{number}" for number in steps.numbers)
    found = [f"min(CASE WHEN {steps.test(number)} THEN timestamp END) AS d{number}" for number in steps.numbers]
    settled = f"greatest({firsts}) <= least({firsts}) + {steps.window}"
    matching = steps.events(steps.match(*steps.numbers))
    ascending = steps.params.engine.ascending.format(firsts)
    return [
        _table("firsts", f"SELECT user_id AS u, {', '.join(found)}", matching, "GROUP BY user_id"),
        _numbered(f"FROM firsts WHERE NOT ({settled})"),
        _table("in_time", f"SELECT u, {ascending} AS done FROM firsts WHERE {settled}"),
    ], [f"SELECT u, {_unpacked(steps)}\nFROM in_time"]


WRITERS: dict[str, Callable[[Steps], Tables]] = {"ordered": _ordered, "strict": _strict, "any": _any}
