"""Virtual time: an event loop whose clock goes straight to the next timer when nothing else is to be done."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.simulation.weather import Died

T = TypeVar("T")


class _NoWaiting(selectors.SelectSelector):
    """Never waits: the time that it should have waited is added to `now`. Nothing comes from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing is left that could happen")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time. Two runs of the same coroutine do the same things in the same order."""

    def __init__(self) -> None:
        self._waits = _NoWaiting()
        super().__init__(self._waits)

    def time(self) -> float:
        return self._waits.now


def run_virtually(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.get_loop().set_exception_handler(_of_the_dead)
        return runner.run(coroutine)


def _of_the_dead(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a killed process leaves behind is no news; everything else is."""
    if not isinstance(context.get("exception"), Died):
        loop.default_exception_handler(context)
