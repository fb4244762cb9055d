"""Waiting for what must have ended before its means are given back, however often the one who waits is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def ended(*futures: asyncio.Future[Any]) -> None:
    """Return once all of them are done, their errors seen. A cancellation meanwhile is raised then, and not before."""
    cancelled: asyncio.CancelledError | None = None
    while waiting := [future for future in futures if not future.done()]:
        try:
            await asyncio.wait(waiting)
        except asyncio.CancelledError as error:
            cancelled = error
    for future in futures:
        if not future.cancelled():
            future.exception()  # seen, so that nobody is warned about one that is not fetched
    if cancelled is not None:
        raise cancelled


async def in_thread(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """As `asyncio.to_thread`; the call has ended when this has, so its files may be removed then."""
    future = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
    try:
        await asyncio.wait({future})
    finally:
        await ended(future)
    return future.result()
