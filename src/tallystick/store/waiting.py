"""Waiting for work that must have ended before its resources are released, even if the waiting task is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def ended(*futures: asyncio.Future[Any]) -> None:
    """Wait until all futures are done, and ignore their errors. A cancellation in the meantime is raised after that."""
    cancelled: asyncio.CancelledError | None = None
    while waiting := [future for future in futures if not future.done()]:
        try:
            await asyncio.wait(waiting)
        except asyncio.CancelledError as error:
            cancelled = error
    for future in futures:
        if not future.cancelled():
            future.exception()  # otherwise asyncio warns that the exception was never retrieved
    if cancelled is not None:
        raise cancelled


async def in_thread(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """As `asyncio.to_thread`, but never returns before the call has ended, so that its files can be removed."""
    future = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
    try:
        await asyncio.wait({future})
    finally:
        await ended(future)
    return future.result()
