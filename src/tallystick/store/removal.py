"""The steps in which many events are removed: whole days, put together until they have enough events."""

from __future__ import annotations

from collections.abc import Sequence

DAY = 86_400_000_000
"""A day in microseconds."""
STEP_EVENTS = 250_000
"""Events of one step, unless a single day has more: nothing can be stored meanwhile."""

Span = tuple[int, int]
"""Two instants in microseconds since 1970; the second is excluded."""


def steps(days: Sequence[tuple[int, int]]) -> list[Span]:
    """Spans of about STEP_EVENTS.

    Args:
        days: the first instant of each day (UTC, microseconds since 1970) and its number of events, ascending.
    """
    found: list[Span] = []
    held = STEP_EVENTS
    for day, events in days:
        if found and held + events <= STEP_EVENTS:
            found[-1], held = (found[-1][0], day + DAY), held + events
        else:
            found.append((day, day + DAY))
            held = events
    return found
