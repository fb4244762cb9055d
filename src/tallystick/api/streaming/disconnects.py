"""Work for a client is cancelled when the client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from tallystick.store.waiting import ended

R = TypeVar("R")


class BrokenOff(Exception):
    """The answer is cut short. The client notices because the connection closes before the answer is complete."""


class ClientLeft(BrokenOff):
    """The client closed the connection, so no one reads the answer."""


async def while_connected(receive: Receive, work: Coroutine[Any, Any, R]) -> R:
    """The result of `work`, which is cancelled when the client disconnects. It has ended when this function returns.

    Args:
        receive: the request's channel. Messages of a body that was not read yet are dropped.

    Raises:
        ClientLeft: the client disconnected.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        leaving.cancel()
        await ended(working, leaving)
    if working.cancelled():
        raise ClientLeft("the client went away")
    return working.result()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
