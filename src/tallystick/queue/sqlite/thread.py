"""The thread that writes the queue's file. What requests wait for goes ahead of everything else that waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class WriterThread:
    """Runs calls one after the other: those that are `first` before the others, each kind in its order.

    From a call's end to its caller are two steps of the event loop. With a pool's futures and a shielded task they were
    four, and the steps of other requests came between them.
    """

    def __init__(self, name: str) -> None:
        """Starts the thread; its outcomes go to the event loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._first: deque[_Call[Any]] = deque()
        self._later: deque[_Call[Any]] = deque()
        self._given: SimpleQueue[bool] = SimpleQueue()
        """True for each call that waits; False ends the thread."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(
        self, call: Callable[..., R], *args: Any, then: Callable[[R], None] | None = None, first: bool = False
    ) -> asyncio.Future[R]:
        """The outcome of a call, as a future of the event loop. A call that was given is made, whoever still waits.

        Args:
            then: is called with the result on the event loop, also if the future was cancelled.
            first: ahead of the calls that wait and are not.
        """
        made = _Call(call, args, then, self._loop.create_future())
        (self._first if first else self._later).append(made)
        self._given.put(True)
        return made.future

    def stop(self) -> None:
        """End the thread after the calls that wait, and wait for its end."""
        self._given.put(False)
        self._thread.join()

    def _run(self) -> None:
        while self._given.get():
            made = (self._first or self._later).popleft()
            made.make()
            with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody waits
                self._loop.call_soon_threadsafe(made.tell)


class _Call(Generic[R]):
    """A call, its outcome, and who waits for it."""

    __slots__ = ("_args", "_call", "_error", "_result", "_then", "future")

    def __init__(
        self,
        call: Callable[..., R],
        args: tuple[Any, ...],
        then: Callable[[R], None] | None,
        future: asyncio.Future[R],
    ) -> None:
        self._call = call
        self._args = args
        self._then = then
        self._error: BaseException | None = None
        self.future = future

    def make(self) -> None:
        """On the thread."""
        try:
            self._result = self._call(*self._args)
        except BaseException as error:
            self._error = error

    def tell(self) -> None:
        """On the event loop."""
        if self._error is None:
            if self._then is not None:
                self._then(self._result)
            if not self.future.done():
                self.future.set_result(self._result)
        elif not self.future.done():
            self.future.set_exception(self._error)
