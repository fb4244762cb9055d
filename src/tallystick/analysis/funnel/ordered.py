"""The attempt that counts of each person where a funnel's steps are done in their order; see `funnel_attempts`."""

from __future__ import annotations

from tallystick.analysis.funnel import times as funnel_times
from tallystick.analysis.funnel.steps import Steps
from tallystick.analysis.funnel.tables import (
    Tables,
    attempts_table,
    chosen,
    first_attempts,
    last_time,
    marked_events,
    matches,
    numbered,
    reached_steps,
    step_times,
    table,
    with_numbers,
)


def ordered(steps: Steps) -> Tables:
    """`reached_<n>`: the first attempt of each person, step by step, as if the window had no end."""
    return _ordered_apart(steps) if steps.apart else _ordered_overlapping(steps)


def _ordered_apart(steps: Steps) -> Tables:
    """The events of all steps but the first are read once (`later`), and those of the first again for the unsettled."""
    last = f"reached_{len(steps.tests)}"
    settled = f"{last_time(steps)} <= t1 + {steps.window}"
    since = f"{last_time(steps)} - {steps.window} AS since"
    times = ", ".join(step_times(steps))
    return [
        *([funnel_times.times(steps)] if funnel_times.can_tell(steps) else []),
        *_later(steps),
        *(step for number in steps.numbers[1:] for step in _next_of_numbered(steps, number)),
        table("unsettled", f"SELECT *, {since}", f"FROM {last} WHERE NOT ({settled})"),
        *_tries(steps),
        *_again(steps),
        *_paired(steps),
        *chosen(
            steps,
            f"SELECT u, {times}\nFROM {last} WHERE {settled}",
            f"SELECT unsettled.u, {', '.join(f'again.{time}' for time in step_times(steps))}\n"
            "FROM again JOIN unsettled ON unsettled.id = again.id",
        ),
    ]


def _tries(steps: Steps) -> Tables:
    """`again_1`: of the unsettled the first try that is not too early."""
    if funnel_times.can_tell(steps):
        return [funnel_times.again(steps)]
    return [
        table(
            "tries",
            "SELECT id, timestamp AS t",
            f"FROM (SELECT * {steps.events(steps.first)}) AS events JOIN unsettled ON u = user_id",
            # By number, reading them twice takes no longer than keeping them.
            materialized=False if steps.params.numbered else None,
        ),
        table(
            "again_1",
            "SELECT tries.id, min(t) AS t1",
            "FROM tries JOIN unsettled ON unsettled.id = tries.id AND t >= since",
            "GROUP BY tries.id",
        ),
    ]


def _later(steps: Steps) -> Tables:
    """`reached_1`, numbered; and the events that match a later step, `place`: these persons' at least."""
    others = steps.events(steps.match(*steps.numbers[1:]))
    theirs = f"FROM (SELECT * {others}) AS events JOIN reached_1 ON u = user_id AND timestamp >= t1"
    person = "user_id AS id" if steps.params.numbered else "id"
    by_times, place = funnel_times.can_tell(steps), _place_of_later(steps)
    return [
        table(
            "reached_1",
            f"SELECT *, {numbered(steps)}",
            f"FROM ({funnel_times.first_attempts(steps) if by_times else steps.first_attempts()}) AS firsts",
            materialized=True,
        ),
        funnel_times.later(steps, place)
        if by_times
        else table(
            "later",
            f"SELECT {person}, timestamp AS t, {place} AS place",
            others if steps.params.numbered else theirs,
        ),
    ]


def _place_of_later(steps: Steps) -> str:
    """Which of the later steps an event matches that matches one."""
    whens = " ".join(f"WHEN {steps.test(number)} THEN {number}" for number in steps.numbers[1:-1])
    place = f"CASE {whens} ELSE {len(steps.tests)} END" if whens else f"{len(steps.tests)}"
    return f"CAST({place} AS SMALLINT)"


def _next_of_numbered(steps: Steps, number: int) -> Tables:
    """The first event behind the step before that matches this one."""
    before = f"reached_{number - 1}"
    known = ", ".join(f"{before}.{time}" for time in ["id", "u", *step_times(steps)[: number - 1]])
    return [
        table(
            f"next_{number}",
            f"SELECT later.id, min(t) AS t{number}",
            f"FROM later JOIN {before} ON {before}.id = later.id AND t >= t{number - 1}",
            f"WHERE {matches(steps, number)}",
            "GROUP BY later.id",
        ),
        table(
            f"reached_{number}",
            f"SELECT {known}, t{number}",
            f"FROM {before} LEFT JOIN next_{number} ON next_{number}.id = {before}.id",
        ),
    ]


def _ordered_overlapping(steps: Steps) -> Tables:
    tables = [first_attempts(steps)]
    for number in steps.numbers[1:]:
        tables += _next_of_first(steps, number)
    reached = f"reached_{len(steps.tests)}"
    settled = f"{last_time(steps)} <= t1 + {steps.window} AND NOT tied"
    told = f"SELECT u, {', '.join(step_times(steps))}\nFROM {reached} WHERE {settled}"
    tables += [with_numbers(steps, f"FROM {reached} WHERE NOT ({settled})"), marked_events(steps)]
    return [*tables, *_followed(steps, "marked"), *chosen(steps, told)]


def _next_of_first(steps: Steps, number: int) -> Tables:
    """The first event behind the step before that matches this one.

    An event at the instant of the step before may be that one itself: should there be several then, which one is taken
    is left to the closer look.
    """
    name, before = f"t{number}", f"t{number - 1}"
    known = ", ".join(step_times(steps)[: number - 1])
    hit = f"timestamp > {before} AND {steps.test(number)}"
    ties = f"sum(CASE WHEN timestamp = {before} THEN 1 END) AS ties"
    return [
        table(
            f"next_{number}",
            f"SELECT u, min(CASE WHEN {hit} THEN timestamp END) AS {name}, {ties}",
            f"FROM (SELECT * {steps.events(steps.match(number - 1, number))}) AS events",
            f"JOIN reached_{number - 1} ON u = user_id AND timestamp >= {before}",
            "GROUP BY u",
        ),
        table(
            f"reached_{number}",
            f"SELECT reached_{number - 1}.u, {known}, {name}, tied OR coalesce(ties, 0) > 1 AS tied",
            f"FROM reached_{number - 1} LEFT JOIN next_{number} ON next_{number}.u = reached_{number - 1}.u",
        ),
    ]


def _again(steps: Steps) -> Tables:
    """`again`: who gets as far as they ever do at the second try; `still_open`: who does not.

    The furthest step was done too late for every attempt that began more than a window before it, and a later attempt
    does it no earlier. So the next attempt that may get as far is the first that begins later than that.
    """
    tables = []
    for number in steps.numbers[1:]:
        before, did = f"again_{number - 1}", matches(steps, number)
        known = ", ".join(step_times(steps)[: number - 1])
        tables.append(
            table(
                f"again_{number}",
                f"SELECT {before}.id, {known}, min(t) AS t{number}",
                f"FROM {before} LEFT JOIN later ON later.id = {before}.id AND t >= t{number - 1} AND {did}",
                f"GROUP BY {before}.id, {known}",
            )
        )
    tried = f"again_{len(steps.tests)}"
    as_far = f"{reached_steps(steps, f'{tried}.')} = {reached_steps(steps, 'unsettled.')}"
    in_time = f"{last_time(steps, f'{tried}.')} <= {tried}.t1 + {steps.window}"
    return [
        *tables,
        table(
            "again",
            f"SELECT {tried}.id, {', '.join(f'{tried}.{time}' for time in step_times(steps))}",
            f"FROM {tried} JOIN unsettled ON unsettled.id = {tried}.id WHERE {as_far} AND {in_time}",
        ),
        table("still_open", "SELECT id FROM unsettled", "EXCEPT", "SELECT id FROM again"),
    ]


def _paired(steps: Steps) -> Tables:
    """`attempts` of those who are still open: each of theirs with every event of the second step that it has in time.

    Of these the first gets furthest, and a later one that gets as far does no step earlier, so that all may stand for
    the attempt. What follows is told of the second step's events alone, and the attempts, which are many, need not be
    sorted.
    """
    open_ones = "SELECT later.id, t, place FROM later JOIN still_open ON still_open.id = later.id"
    later = steps.numbers[2:]
    rest = [f"CASE WHEN n{n} <= tried.t + {steps.window} THEN n{n} END AS t{n}" for n in later]
    nothing = [f"{steps.params.dialect.no_time} AS t{number}" for number in steps.numbers[1:]]
    source = "from_3" if later else "open"
    tried = "SELECT tries.id, t FROM tries JOIN still_open ON still_open.id = tries.id"
    if funnel_times.can_tell(steps):
        tried = funnel_times.tried(steps)
    return [
        table("open", open_ones),
        *_walks(steps, "open", later, first=2),
        table(
            "seconds",
            f"SELECT {', '.join(['id', 't AS n2', *(f'n{n}' for n in later)])}",
            f"FROM {source} WHERE {matches(steps, 2)}",
        ),
        table(
            "attempts",
            f"SELECT tried.id, tried.t AS t1, {', '.join(['n2 AS t2', *rest])}",
            f"FROM ({tried}) AS tried",
            f"JOIN seconds ON seconds.id = tried.id AND n2 >= tried.t AND n2 - {steps.window} <= tried.t",
            "UNION ALL",
            f"SELECT unsettled.id, t1, {', '.join(nothing)}",
            "FROM unsettled JOIN still_open ON still_open.id = unsettled.id",
        ),
    ]


def _followed(steps: Steps, source: str) -> Tables:
    """`attempts`: from each event of the first step on, the first event that matches the next one, and so forth."""
    in_time = [f"n{n} <= t + {steps.window}" for n in steps.numbers[1:]]
    return [*_walks(steps, source, steps.numbers[1:]), attempts_table(steps, in_time, "from_2")]


def _walks(steps: Steps, source: str, numbers: range, first: int = 1) -> Tables:
    """`from_<n>` for these steps and all behind: the events of it and of the step before, with what follows each.

    The last step is looked for first: what follows an event from a step on is what follows the first event behind it
    that matches this step. That is the minimum of what follows all of them, since a later event is never followed by
    anything earlier. So for each step one walk is enough, from the last event to the first, through those that match it
    and those that match the step before.

    Args:
        first: the first step whose events are in the source.
    """
    tables = []
    place, order = "place", "t DESC, place DESC"
    if not steps.apart:  # the same event must stand at the same place in each walk
        numbered = f"SELECT *, row_number() OVER (PARTITION BY id ORDER BY {order}) AS step"
        tables.append(table("numbered", numbered, f"FROM {source}"))
        place, order, source = "step", "step", "numbered"
    frame = f"(PARTITION BY id ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    kept = ["id", "t", place, *(f"s{number}" for number in steps.numbers if not steps.apart)]
    for number in reversed(numbers):
        did, before = matches(steps, number), matches(steps, number - 1)
        later = [f"n{n}" for n in steps.numbers[number:]]
        lines = [f"SELECT {', '.join(kept)} FROM {source}"]
        if number > first + 1:
            lines[0] += f" WHERE {did} OR {before}"
        if later:
            unknown = [f"{steps.params.dialect.no_time} AS {name}" for name in later]
            lines = [f"SELECT {', '.join([*kept, *later])} FROM from_{number + 1} WHERE {did}", "UNION ALL"]
            lines.append(f"SELECT {', '.join([*kept, *unknown])} FROM {source} WHERE {before} AND NOT {did}")
        tables.append(table(f"at_{number}", *lines))
        minima = [
            f"min(CASE WHEN {did} THEN {value} END) OVER walk AS {name}"
            for value, name in [("t", f"n{number}"), *((name, name) for name in later)]
        ]
        walking = f"FROM at_{number} WINDOW walk AS {frame}"
        tables.append(table(f"from_{number}", f"SELECT {', '.join([*kept, *minima])}", walking))
    return tables
