"""Trying again where a reader that nobody hurries finds no memory: mostly other work has it, for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tallystick.errors import QueryTooExpensive

R = TypeVar("R")

PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each new attempt."""


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
