"""The oracle of funnels: it walks every attempt of every person event by event."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from tallystick.model.event import Event
from tallystick.model.queries.funnel import EventTest, FunnelQuery, FunnelScope, FunnelUsersQuery
from tests.oracle.metrics import NUMERIC, in_scope, passes, text_of, value_of

Row = dict[str, Any]
Attempt = list[datetime]
"""The times of the steps that were done, in their order."""


def means(test: EventTest, event: Event) -> bool:
    """Whether an event passes a test."""
    return (test.name is None or event.name == test.name) and (test.filter is None or passes(test.filter, event))


def _walk(query: FunnelScope, events: Iterable[Event]) -> list[tuple[datetime, list[bool]]]:
    """A person's events in their order: the time of each, and for each step whether the event matches it."""
    matched = [(event.timestamp, [means(step, event) for step in query.steps]) for event in events]

    def order(entry: tuple[datetime, list[bool]]) -> Any:
        at, steps = entry
        return at, steps.index(True) if any(steps) else len(steps), steps[::-1]

    return sorted(matched, key=order)


def _attempt(query: FunnelScope, walk: Sequence[tuple[datetime, list[bool]]], start: int) -> Attempt:
    """The attempt that begins with an event; empty if the event begins none."""
    end = walk[start][0] + timedelta(seconds=query.window)
    if query.order == "any":
        return sorted(at for at in _each_done(query, walk[start:]) if at <= end) if any(walk[start][1]) else []
    done: Attempt = []
    for at, steps in walk[start:]:
        if len(done) < len(query.steps) and steps[len(done)]:
            done.append(at)
        elif query.order == "strict":
            break
        if not done:
            break
    return [at for at in done if at <= end]


def _each_done(query: FunnelScope, walk: Sequence[tuple[datetime, list[bool]]]) -> list[datetime]:
    """When each step is done, without those that never are. The n-th equal step is done by the n-th matching event."""
    seen: Counter[str] = Counter()
    found = []
    for index, step in enumerate(query.steps):
        same = json.dumps(step.model_dump(mode="json"), sort_keys=True)
        matching = [at for at, steps in walk if steps[index]]
        found += matching[seen[same] : seen[same] + 1]
        seen[same] += 1
    return found


def attempts(query: FunnelScope, events: Iterable[Event]) -> dict[str, Attempt]:
    """The attempt that counts, for each person with an attempt."""
    by_user: dict[str, list[Event]] = {}
    for event in events:
        if event.user_id is not None and in_scope(query, event):
            by_user.setdefault(event.user_id, []).append(event)
    best = {}
    for user, own in by_user.items():
        walk = _walk(query, own)
        found = [_attempt(query, walk, start) for start in range(len(walk))]
        best[user] = min(found, key=lambda attempt: (-len(attempt), attempt))
    return {user: attempt for user, attempt in best.items() if attempt}


def funnel_answer(query: FunnelQuery, events: Sequence[Event]) -> list[Row]:
    """The rows of the answer to a funnel query."""
    found = attempts(query, events)
    if query.breakdown is None:
        return _rows(query, list(found.values()))
    groups: dict[str | None, list[Attempt]] = {}
    for user, attempt in found.items():
        groups.setdefault(_value(query, user, attempt, events), []).append(attempt)
    ranked = sorted(groups, key=lambda value: (-len(groups[value]), value is None, value or ""))
    rows = [{query.breakdown: value} | row for value in ranked[: query.top] for row in _rows(query, groups[value])]
    rest = [attempt for value in ranked[query.top :] for attempt in groups[value]]
    others: Row = {query.breakdown: None, "other": True}
    return rows + [others | row for row in _rows(query, rest) if rest and query.other]


def _value(query: FunnelQuery, user: str, attempt: Attempt, events: Iterable[Event]) -> str | None:
    assert query.breakdown
    steps = query.steps if query.order == "any" else query.steps[:1]
    values = [
        text_of(value_of(event, query.breakdown))
        for event in events
        if event.user_id == user and event.timestamp == attempt[0] and in_scope(query, event)
        if any(means(step, event) for step in steps)
    ]
    return min((value for value in values if value is not None), default=None)


def _rows(query: FunnelQuery, found: Sequence[Attempt]) -> list[Row]:
    users = [sum(len(attempt) > index for attempt in found) for index in range(len(query.steps))]
    rows = []
    for index, step in enumerate(query.steps):
        before = max(0, index - 1)
        taken = sorted((a[index] - a[before]) / timedelta(seconds=1) for a in found if len(a) > index > 0)
        rows.append(
            {
                "step": index + 1,
                "name": None if query.order == "any" else step.name,
                "users": users[index],
                "from_first": users[index] / users[0] if users[0] else None,
                "from_previous": users[index] / users[before] if users[before] else None,
                "median_seconds": NUMERIC["median"](taken) if taken else None,
                "p90_seconds": NUMERIC["p90"](taken) if taken else None,
            }
        )
    return rows


def funnel_users_answer(query: FunnelUsersQuery, events: Iterable[Event]) -> list[Row]:
    """The rows of all pages of persons."""
    reached = {
        user: attempt
        for user, attempt in attempts(query, events).items()
        if (len(attempt) >= query.step if query.outcome == "reached" else len(attempt) == query.step - 1)
    }
    return [
        {"user_id": user, "steps": len(at), "first_at": _instant(at[0]), "last_at": _instant(at[-1])}
        for user, at in sorted(reached.items())
    ]


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
