"""Clients that go away take along what was done for them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from tallystick.store.waiting import ended

R = TypeVar("R")


class BrokenOff(Exception):
    """The answer ends before its end; only a closed connection tells the client."""


class ClientLeft(BrokenOff):
    """The client closed the connection: nobody waits for the answer."""


async def while_connected(receive: Receive, work: Coroutine[Any, Any, R]) -> R:
    """Do it as long as the client is there: when it goes, the work is cancelled. It has ended when this has.

    Args:
        receive: the request's; its body has been read, or nobody wants it.

    Raises:
        ClientLeft: it went away.
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
