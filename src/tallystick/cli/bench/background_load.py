"""A steady load during a measurement: another process sends events at a fixed rate until the measurement ends."""

from __future__ import annotations

import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import uvloop

from tallystick.cli.bench.events import bodies
from tallystick.cli.bench.load_client import paced, wrap
from tallystick.harness.server import ServerFailed

BODY_EVENTS = 100
"""Events in one request."""
CONNECTIONS = 4
FIRST_SECONDS = 3.0
"""How long the load runs before anything is measured."""


class SteadyLoad:
    """Sends `rate` events a second to a server, from entering the context to leaving it.

    Attributes:
        sent: events that got a 202; set when the context is left.
        per_second: the rate of these events.
    """

    def __init__(self, url: str, rate: int) -> None:
        self.sent, self.per_second = 0, 0.0
        context = get_context("spawn")
        self._ours, self._theirs = context.Pipe()
        self._process = context.Process(target=_send, args=(url, rate, self._theirs), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()  # so that `recv` ends when the process does
        if self._ours.recv() != "began":
            raise ServerFailed("the load did not begin")
        time.sleep(FIRST_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises ServerFailed when an answer was neither a 202 nor a 503."""
        try:
            self._ours.send("stop")
            result = self._ours.recv()
        except (EOFError, OSError):
            result = "its process is gone"
        self._process.join()
        if not isinstance(result, str):
            self.sent, seconds = result
            self.per_second = self.sent / seconds
        elif error is None:
            raise ServerFailed(f"the load ended: {result}")


def _send(url: str, rate: int, pipe: Connection) -> None:
    """Runs in the other process: sends the events of one second at a time, until the pipe says stop."""
    pipe.send("began")
    sent, began = 0, time.perf_counter()
    try:
        while not pipe.poll():
            requests = wrap(url, bodies(rate, BODY_EVENTS, time.time_ns() // 1_000, seed=sent))
            sent += uvloop.run(paced(url, requests, rate / BODY_EVENTS, CONNECTIONS)).events
            # The next second begins when this one is over, or at once where the server was late.
            time.sleep(max(0.0, sent / rate - (time.perf_counter() - began)))
        pipe.send((sent, time.perf_counter() - began))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")
