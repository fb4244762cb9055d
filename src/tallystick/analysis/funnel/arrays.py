"""Funnels of any order by arrays, in ClickHouse's SQL: all events of a person at once, element by element.

`events` has a person's events in their order, an event as one whole number. From it come arrays of the same length, one
for each step but the first. With `ordered`, an element of `from_step_2` is how the funnel goes on from there: the times
of steps 2, 3, … of the attempt that does step 2 at this event or, where it does not match, at the next one that does.
With `strict`, an element is that only if this very event matches. For three steps, `ordered`:

    events       view 12:00     add 12:05        add 12:10        buy 12:20
    from_step_3  12:20          12:20            12:20            12:20
    from_step_2  12:05, 12:20   12:05, 12:20     12:10, 12:20     none

An event that matches step 1 begins an attempt: it goes on from the element behind it. With `any`, an element of
`next_2_of_step_1` is when the step is matched for the next two times, this event included; there are as many as the
funnel has equal steps. Of a person's attempts the one counts that does the most steps in time, and of several the
first.

`arrayReverseFill` makes these arrays without looking from an event at others: a lambda that names an array would copy
it for each element. The time 0 stands for a step that is not done; no event is so old (G9).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tallystick.analysis.cte import Cte, columns, cte
from tallystick.analysis.funnel.steps import Steps
from tallystick.model.queries.funnel import FunnelQuery

WALKED = "walked"
"""The CTE of each person's best attempt; kept where it is read several times."""
TIME_BITS = 52
"""Microseconds since 1970 have as many until the year 2112."""
_NOT_DONE = "toInt64(0)"


def array_persons(steps: Steps) -> list[Cte]:
    """The CTEs that end with `persons`."""
    times = (
        f"if(length(times) >= {number}, fromUnixTimestamp64Micro(times[{number}], 'UTC'), NULL) AS {time}"
        for number, time in zip(steps.numbers, steps.times, strict=True)
    )
    persons = cte(
        "persons",
        """
        SELECT
            {columns}
        FROM {walked}
        """,
        walked=WALKED,
        columns=columns(["person", *times]),
    )
    return [_walked(steps), persons]


def _walked(steps: Steps) -> Cte:
    """Each person's best attempt, as the times of its steps.

    It is one SELECT, however long: over shards each further one doubles the time of planning.
    """
    is_any = steps.query.order == "any"
    return cte(
        WALKED,
        """
        WITH
            {arrays}
        SELECT
            user_id AS person,
            attempts[indexOf(arrayMap(attempt -> length(attempt), attempts) AS lengths, arrayMax(lengths))] AS times
        FROM (
            SELECT
                {tested}
            {events}
        ) AS tested_events
        {where}
        GROUP BY user_id
        {having}
        """,
        materialized=True if isinstance(steps.query, FunnelQuery) and steps.query.breakdown else None,
        arrays=columns([_event_array(steps), *_attempts(steps)]),
        # Each test stands here alone: it may be a long statement itself, which is planned wherever it stands.
        tested=columns(
            ["user_id", "timestamp", *(f"{steps.test(number)} AS {_test(number)}" for number in steps.numbers)]
        ),
        events=steps.events(),
        where="" if steps.query.order == "strict" else f"WHERE {' OR '.join(map(_test, steps.numbers))}",
        having="" if is_any else f"HAVING max({_test(1)})",
    )


def _event_array(steps: Steps) -> str:
    """`events`: a person's events as whole numbers, which sort much faster than tuples.

    The lowest bits are the steps that the event matches. Above them is the first of these, and above it the time:
    together what orders a person's events of one instant, as `Steps.position_sql`.
    """
    time = f"{_whole(steps)}({steps.dialect.epoch_us.format('timestamp')})"
    return f"arraySort(groupArray({time} * {_width(steps)} + {_position(steps)})) AS events"


def _attempts(steps: Steps) -> list[str]:
    """Arrays up to `attempts`: a person's attempts in the order of their beginnings, each as the times of its steps."""
    is_any = steps.query.order == "any"
    arrays, attempt, going_on = _arrays_of_any(steps) if is_any else _arrays_in_order(steps)
    begins = _matches(steps, "event", *(steps.numbers if is_any else [1]))
    of_event = ", ".join(["event", *(f"later_{number}" for number in range(1, len(going_on) + 1))])
    begun = f"if({begins}, {attempt}, emptyArrayInt64())"
    return [
        *arrays,
        f"arrayFilter(attempt -> notEmpty(attempt), arrayMap(({of_event}) -> {begun}, "
        f"{', '.join(['events', *going_on])})) AS attempts",
    ]


def _arrays_in_order(steps: Steps) -> tuple[list[str], str, list[str]]:
    """The arrays; the times of the attempt that an event begins; and the arrays whose elements `later_1`… it reads."""
    arrays, behind = [], ""
    for number in reversed(steps.numbers[1:]):
        matches, time = _matches(steps, "event", number), _time(steps)
        none = ", ".join([_NOT_DONE] * (len(steps.numbers) - number + 1))
        if not behind:
            found = f"arrayMap(event -> tuple(if({matches}, {time}, 0)), events)"
        else:
            here = f"tuple({time}, {_parts('later', len(steps.numbers) - number)})"
            found = f"arrayMap((event, later) -> if({matches}, {here}, tuple({none})), events, {behind})"
        if steps.query.order == "ordered":
            found = f"arrayReverseFill(after -> after.1 <> 0, {found})"
        arrays.append(f"{found} AS from_step_{number}")
        behind = _shifted(f"from_step_{number}", none)
    if not behind:
        return arrays, f"[{_time(steps)}]", []
    later = f"[{_parts('later_1', len(steps.numbers) - 1)}]"
    return arrays, f"arrayConcat([{_time(steps)} AS begun], {_in_time(steps, later, 'begun')})", [behind]


def _arrays_of_any(steps: Steps) -> tuple[list[str], str, list[str]]:
    """As `_arrays_in_order`."""
    equal = Counter(step.model_dump_json() for step in steps.query.steps)
    first = {step.model_dump_json(): number for number, step in reversed(list(enumerate(steps.query.steps, 1)))}
    arrays, read, parts = [], [], []
    for place, (step, count) in enumerate(equal.items(), 1):
        matches, behind = _matches(steps, "event", first[step]), ""
        for times in range(1, count + 1):
            none = ", ".join([_NOT_DONE] * times)
            if not behind:
                found = f"arrayMap(event -> tuple(if({matches}, {_time(steps)}, 0)), events)"
            else:
                here = f"tuple({_time(steps)}, {_parts('later', times - 1)})"
                found = f"arrayMap((event, later) -> if({matches}, {here}, tuple({none})), events, {behind})"
            name = f"next_{times}_of_step_{first[step]}"
            arrays.append(f"arrayReverseFill(after -> after.1 <> 0, {found}) AS {name}")
            behind = _shifted(name, none)
        read.append(name)
        parts.append(_parts(f"later_{place}", count))
    found_times = f"[{', '.join(parts)}]"
    return arrays, f"arraySort({_in_time(steps, found_times, _time(steps))})", read


def _in_time(steps: Steps, times: str, begun: str) -> str:
    """Those of some times that are done, within the window of the attempt."""
    return f"arrayFilter(moment -> moment <> 0 AND moment <= {begun} + {steps.query.window * 1_000_000}, {times})"


def _shifted(array: str, none: str) -> str:
    """For each event the element behind it; `none`: the times of one that is not there."""
    return f"arrayPushBack(arrayPopFront({array}), tuple({none}))"


def _parts(name: str, count: int) -> str:
    return ", ".join(f"{name}.{place}" for place in range(1, count + 1))


# --- an event as a whole number -------------------------------------------------------------------------------------


def _position(steps: Steps) -> str:
    whens = " ".join(f"WHEN {_test(number)} THEN {number}" for number in steps.numbers)
    bits = " + ".join(f"if({_test(number)}, {2 ** (number - 1)}, 0)" for number in steps.numbers)
    return f"(CASE {whens} ELSE {len(steps.numbers) + 1} END) * {2 ** len(steps.numbers)} + {bits}"


def _position_bits(steps: Steps) -> int:
    count = len(steps.numbers)
    return count + (count + 1).bit_length()


def _width(steps: Steps) -> int:
    return int(2 ** _position_bits(steps))


def _whole(steps: Steps) -> str:
    """The function that makes a number wide enough for an event."""
    return "toInt64" if TIME_BITS + _position_bits(steps) < 64 else "toInt128"


def _time(steps: Steps) -> str:
    """Microseconds since 1970 of `event`."""
    return f"toInt64(intDiv(event, {_width(steps)}))"


def _test(number: int) -> str:
    """The column that says whether an event matches a step; NULL means no."""
    return f"matches_step_{number}"


def _matches(steps: Steps, event: str, *numbers: int) -> str:
    """The condition that an event matches one of some steps."""
    return f"bitAnd({event}, {_mask(numbers)}) <> 0"


def _mask(numbers: Sequence[int]) -> int:
    return sum(2 ** (number - 1) for number in numbers)
