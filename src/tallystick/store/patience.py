"""Trying again where a reader finds no memory: mostly other work has it, for a moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tallystick.errors import MemoryTaken, QueryTooExpensive

R = TypeVar("R")

PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each new attempt of what nobody hurries."""
BRIEF_PAUSES = (0.1, 0.3, 0.6, 0.8)
"""The same of a query whose caller waits; a third more or less, so that queries that failed together differ."""
BRIEF = 2.0
"""Seconds after the first failure in which such a query begins anew."""


async def patiently(attempt: Callable[[], Awaitable[R]], lacking: type[Exception] = QueryTooExpensive) -> R:
    """What `attempt` returns. Where it finds no memory it is called again, a few times, after longer and longer pauses.

    Args:
        attempt: must be able to begin anew after `lacking`. It holds nothing during a pause.
        lacking: what it raises without memory; the last attempt's is raised from here.
    """
    for pause in PAUSES:
        try:
            return await attempt()
        except lacking:
            pass
        await asyncio.sleep(pause)
    return await attempt()


async def briefly(attempt: Callable[[], Awaitable[R]], deadline: float) -> R:
    """What `attempt` returns. Where other work holds its memory it is called again, for about BRIEF seconds.

    A query that is too large by itself fails at once, because its attempt raises another QueryTooExpensive.

    Args:
        attempt: must be able to begin anew after MemoryTaken. During a pause it may hold its turn, so that others do
            not begin meanwhile, and nothing else.
        deadline: of the query, in the event loop's time.
    """
    loop = asyncio.get_running_loop()
    until: float | None = None
    for pause in BRIEF_PAUSES:
        try:
            return await attempt()
        except MemoryTaken as error:
            until = until or min(deadline, loop.time() + BRIEF)
            waits = max(error.pause, pause * random.uniform(0.67, 1.33))
            if loop.time() + waits > until:
                raise
        await asyncio.sleep(waits)
    return await attempt()
