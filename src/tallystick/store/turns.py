"""Turns: a limited number of queries run at a time, shared fairly between callers.

Waiting queries are served round-robin by caller. So a caller with a hundred queries delays another caller only by those
that run already. With more than one turn, no caller holds all of them: one stays free for the next caller.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from contextvars import ContextVar
from types import TracebackType

from tallystick.errors import QueryTimeout

CALLER: ContextVar[str] = ContextVar("caller", default="")
"""The caller of the current request, set by the gate: a name for each key and each share link. Without keys there is
one caller, whose name is empty.
"""
GRACE = 15.0
"""Seconds after its deadline that a query may hold its turn: stopping it may take so long."""


class Turn:
    """One caller's turn. Leaving its `with` gives it back; that awaits nothing, so a cancellation cannot interrupt it.

    Attributes:
        heavy: the query is a statement that a user wrote; fewer of these may run.
        by: the query's deadline, in the event loop's time.
    """

    def __init__(self, turns: Turns, caller: str, heavy: bool, by: float) -> None:
        self.caller = caller
        self.heavy = heavy
        self.by = by
        self.given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns = turns

    def end(self) -> None:
        """Give the turn back, or stop waiting for it. A second call does nothing."""
        self._turns.end(self)

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()


class Turns:
    """At most `total` turns at a time: one caller holds at most all but one, of heavy ones at most all but two.

    All heavy turns together leave one turn free. To be used from one event loop.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.each = max(1, total - 1)
        self._heavy_each = max(1, total - 2)
        self._held: set[Turn] = set()
        self._waiting: OrderedDict[str, deque[Turn]] = OrderedDict()
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def held(self) -> int:
        """How many turns are held."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """How many queries wait for a turn."""
        return sum(map(len, self._waiting.values()))

    async def take(self, deadline: float, heavy: bool = False) -> Turn:
        """Wait for a turn of the current `CALLER`, to be used in a `with`.

        Args:
            deadline: in the event loop's time.

        Raises:
            QueryTimeout: no turn became free before the deadline.
        """
        turn = Turn(self, CALLER.get(), heavy, deadline)
        self._waiting.setdefault(turn.caller, deque()).append(turn)
        self._quiet.clear()
        try:
            self._serve()
            if not turn.given.done():
                async with asyncio.timeout_at(deadline):
                    await turn.given
        except TimeoutError as error:
            turn.end()
            raise QueryTimeout("the query had no turn before its deadline: too many others run") from error
        except BaseException:
            turn.end()  # it may just have been given
            raise
        return turn

    def end(self, turn: Turn) -> None:
        """As `Turn.end`."""
        self._held.discard(turn)
        if (line := self._waiting.get(turn.caller)) is not None and turn in line:
            line.remove(turn)
            if not line:
                del self._waiting[turn.caller]
        self._serve()
        if not self._held and not self._waiting:
            self._quiet.set()

    def stuck(self) -> bool:
        """Whether so many turns are held long after their deadlines that a caller may find none. Busy is not stuck."""
        overdue = asyncio.get_running_loop().time() - GRACE
        return sum(turn.by < overdue for turn in self._held) >= self.each

    async def quiet(self, most: float) -> None:
        """Wait until no turn is held or waited for; at most `most` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most):
                await self._quiet.wait()

    def _serve(self) -> None:
        """Give free turns to waiting queries, first to the caller who was served longest ago."""
        while len(self._held) < self.total:
            turn = next((turn for line in self._waiting.values() for turn in line if self._may(turn)), None)
            if turn is None:
                return
            line = self._waiting[turn.caller]
            line.remove(turn)
            if line:
                self._waiting.move_to_end(turn.caller)
            else:
                del self._waiting[turn.caller]
            self._held.add(turn)
            turn.given.set_result(None)

    def _may(self, turn: Turn) -> bool:
        if turn.given.done():
            return False  # its task was just cancelled and will end the turn
        own = [held for held in self._held if held.caller == turn.caller]
        if len(own) >= self.each:
            return False
        if not turn.heavy:
            return True
        heavy = sum(held.heavy for held in self._held)
        return heavy < self.each and sum(held.heavy for held in own) < self._heavy_each
