"""The attempt that counts of each person where the steps are names alone, told from each user's times; see `numbered`.

As `funnel_ordered` does it, but a user's events of one name are a few rows. Whoever needs a closer look has their times
laid out one by one.
"""

from __future__ import annotations

from tallystick.analysis.filters import scope_conditions, where
from tallystick.analysis.funnel.steps import Steps
from tallystick.analysis.funnel.tables import table


def can_tell(steps: Steps) -> bool:
    """Whether times are all that the funnel asks for."""
    plain = steps.query.filter is None and all(step.filter is None for step in steps.query.steps)
    return plain and steps.apart and steps.params.has_times


def times(steps: Steps) -> str:
    """`times`, which the others read; each reads only a part of it."""
    return table("times", steps.params.times(), materialized=False)


def first_attempts(steps: Steps) -> str:
    """SELECT of each person `u` and `t1`, when they first did the first step."""
    since, until = _range(steps)
    first = f"min({steps.params.dialect.soonest.format(since) if since else 'first'})"
    ends = f"{first} < {until}" if until else f"{first} IS NOT NULL"
    return (
        f"SELECT user_id AS u, {first} AS t1\n"
        f"  FROM times{where(_scope(steps, steps.match(1)))}\n"
        f"  GROUP BY user_id HAVING {ends}"
    )


def later(steps: Steps, place: str) -> str:
    """`later`: when whom did which step behind the first."""
    moments = _laid_out(steps, f", {place} AS place", "", steps.match(*steps.numbers[1:]))
    return table("later", "SELECT user_id AS id, t, place", f"FROM ({moments}) AS moments{where(_in_range(steps))}")


def again(steps: Steps) -> str:
    """`again_1`: when the unsettled did the first step after what is too early."""
    soonest = steps.params.dialect.soonest.format("since")
    return table(
        "again_1",
        f"SELECT id, min({soonest}) AS t1",
        f"FROM times JOIN unsettled ON id = user_id{where(_scope(steps, steps.match(1)))}",
        f"GROUP BY id HAVING min({soonest}) IS NOT NULL",
    )


def tried(steps: Steps) -> str:
    """SELECT of `id` and `t`: whenever those who are still open did the first step."""
    moments = _laid_out(steps, "", " JOIN still_open ON id = user_id", steps.match(1))
    return f"SELECT user_id AS id, t FROM ({moments}) AS moments{where(_in_range(steps))}"


def _laid_out(steps: Steps, more: str, join: str, condition: str) -> str:
    """SELECT of `user_id`, `t` and what else is asked for, a row for each time."""
    source, scope = f"FROM times{join}", _scope(steps, condition)
    return (
        f"SELECT user_id, first AS t{more} {source}{where(scope)}\n"
        f"  UNION ALL\n"
        f"  SELECT user_id, unnest(more){more} {source}{where([*scope, 'more IS NOT NULL'])}"
    )


def _range(steps: Steps) -> tuple[str | None, str | None]:
    """The parameters of `since` and `until`."""
    query, add = steps.query, steps.params.add
    since = None if query.since is None else add(query.since, "timestamp")
    return since, None if query.until is None else add(query.until, "timestamp")


def _scope(steps: Steps, condition: str) -> list[str]:
    """Conditions of the rows that may have a time in the scope."""
    since, until = _range(steps)
    anywhere = steps.query.model_copy(update={"since": None, "until": None})
    conditions = [*scope_conditions(anywhere, "first", steps.params), condition]
    if since:
        conditions.append(f"(first >= {since} OR more[-1] >= {since})")
    return [*conditions, f"first < {until}"] if until else conditions


def _in_range(steps: Steps) -> list[str]:
    since, until = _range(steps)
    return [*([f"t >= {since}"] if since else []), *([f"t < {until}"] if until else [])]
