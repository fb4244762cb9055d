"""What goes wrong in a simulated run, and when: all of it follows from the seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

LATENCIES = (0.0, 0.001, 0.005, 0.02, 0.3)
"""Seconds that one step of the network or of a disk takes."""


class Weather:
    """The dice of one run. `calm` ends all faults; latencies stay."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.calm = False
        self._likely: dict[str, float] = {}

    def strikes(self, fault: str) -> bool:
        """Whether this fault happens now. Each run has a likelihood of its own for each fault; some never happen."""
        if fault not in self._likely:
            self._likely[fault] = self.dice.choice((0.0, 0.02, 0.1, 0.3))
        return self.dice.random() < self._likely[fault] and not self.calm

    async def passes(self) -> None:
        """One step of the network or of a disk."""
        await asyncio.sleep(self.dice.choice(LATENCIES))


class Died(BaseException):
    """The process that made this call is dead: no line of it runs any more."""


class Process:
    """What can be killed and stopped. Calls to servers go through `call`."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self._dead = False
        self._running = asyncio.Event()
        self._running.set()
        self._effects: set[asyncio.Task[object]] = set()

    def kill(self) -> None:
        """SIGKILL. What servers were told takes effect all the same."""
        self._dead = True

    def stop(self) -> None:
        """SIGSTOP."""
        self._running.clear()

    def go_on(self) -> None:
        """SIGCONT."""
        self._running.set()

    async def call(self, effect: Callable[[], Awaitable[T]]) -> T:
        """Ask a server. It works on its own: neither a kill nor a cancellation here undoes what was sent.

        Raises:
            Died: the process was killed before or meanwhile.
        """
        self._alive()
        await self._running.wait()
        self._alive()
        working = asyncio.ensure_future(effect())
        self._effects.add(working)
        working.add_done_callback(self._effects.discard)
        working.add_done_callback(lambda task: task.cancelled() or task.exception())  # it is seen, if not by the caller
        await self._weather.passes()
        try:
            return await asyncio.shield(working)
        finally:
            await self._running.wait()
            self._alive()

    def _alive(self) -> None:
        if self._dead:
            raise Died
