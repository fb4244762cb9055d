"""The load client: raw keep-alive connections that send prepared requests and parse only what they need of answers.

Closed loop: each connection sends its next request when the last one is answered. Open loop: requests fall due at a
fixed rate, and a latency counts from the due time, so that a slow server cannot hide behind a waiting client.
"""

from __future__ import annotations

import asyncio
import re
import time
from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import cycle, islice
from typing import cast
from urllib.parse import urlsplit

import numpy as np

from tallystick.errors import TallystickError

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_RETRY = re.compile(rb"\r\nretry-after:\s*(\d+)", re.IGNORECASE)
_ACCEPTED = re.compile(rb'"accepted":\s*(\d+)')
TICK = 0.001
"""Seconds between two checks for requests that have fallen due."""


class LoadFailed(TallystickError):
    """The server answered with neither 202 nor 503, or closed a connection."""


class Tally:
    """The figures of a load. Times are seconds of `time.perf_counter()`.

    Attributes:
        latencies: seconds from sending (open loop: from falling due) to the last byte of each 202.
        refused: answers with status 503. Those requests were sent again.
    """

    def __init__(self) -> None:
        self.latencies = array("d")
        self.events = 0
        self.refused = 0
        self.began = self.ended = 0.0

    @property
    def requests(self) -> int:
        return len(self.latencies)

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    def milliseconds(self, percentile: float) -> float:
        """A percentile of the latencies; 100 is the longest."""
        return float(np.percentile(np.frombuffer(self.latencies), percentile)) * 1_000


def wrap(url: str, bodies: Iterable[bytes], path: str = "/v1/events", key: str = "") -> list[bytes]:
    """Complete HTTP/1.1 requests around JSON bodies; with the key, unless it is empty."""
    head = f"POST {path} HTTP/1.1\r\nhost: {urlsplit(url).netloc}\r\ncontent-type: application/json\r\n"
    head += f"authorization: Bearer {key}\r\ncontent-length: " if key else "content-length: "
    start = head.encode()
    return [b"%b%d\r\n\r\n%b" % (start, len(body), body) for body in bodies]


class Load:
    """Decides what each connection sends next. It is done when every request got a 202."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self.tally = Tally()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._total = len(requests)
        self._fresh = iter(requests)
        self._again: deque[bytes] = deque()

    def ready(self, connection: Connection) -> None:
        """Send the next request on this connection, which is free."""
        request = self._again.popleft() if self._again else next(self._fresh, None)
        if request is not None:
            connection.send(request, time.perf_counter())

    def accepted(self, connection: Connection, since: float, events: int) -> None:
        """Count a 202, and send the next request."""
        tally = self.tally
        tally.ended = time.perf_counter()
        tally.latencies.append(tally.ended - since)
        tally.events += events
        if len(tally.latencies) == self._total and not self.done.done():
            self.done.set_result(None)
        self.ready(connection)

    def refused(self, connection: Connection, request: bytes, since: float, pause: float) -> None:
        """Count a 503, and send the request again on this connection after `pause` seconds (Retry-After)."""
        self.tally.refused += 1
        asyncio.get_running_loop().call_later(pause, connection.send, request, since)

    def failed(self, reason: str) -> None:
        """End the load with LoadFailed."""
        if not self.done.done():
            self.done.set_exception(LoadFailed(reason))


class PacedLoad(Load):
    """Requests fall due at `rate` a second. One that finds no free connection waits; its latency includes the wait."""

    def __init__(self, requests: Sequence[bytes], rate: float) -> None:
        super().__init__(requests)
        self._due = 0
        self._rate = rate
        self._idle: list[Connection] = []
        self._waiting: deque[tuple[bytes, float]] = deque()

    def ready(self, connection: Connection) -> None:
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)

    def tick(self) -> None:
        """Send the requests that have fallen due, and schedule the next check."""
        now = time.perf_counter()
        while self._due < self._total and (due := self.tally.began + self._due / self._rate) <= now:
            self._due += 1
            request = next(self._fresh)
            if self._idle:
                self._idle.pop().send(request, due)
            else:
                self._waiting.append((request, due))
        if self._due < self._total and not self.done.done():
            asyncio.get_running_loop().call_later(TICK, self.tick)


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._request = self._buffer = b""
        self._since = 0.0
        self._gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, since: float) -> None:
        """Send a request; its latency counts from `since`."""
        self._request, self._since = request, since
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data if self._buffer else data
        head_end = buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length = _LENGTH.search(buffer, 0, head_end)
        if length is None:
            self._load.failed(f"an answer without content-length: {buffer[:300]!r}")
            return
        if len(buffer) < head_end + 4 + int(length[1]):
            return
        self._buffer = b""
        if buffer.startswith(b"202", 9):
            found = _ACCEPTED.search(buffer, head_end)
            self._load.accepted(self, self._since, int(found[1]) if found else 0)
        elif buffer.startswith(b"503", 9):
            pause = _RETRY.search(buffer, 0, head_end)
            self._load.refused(self, self._request, self._since, float(pause[1]) if pause else 1.0)
        else:
            self._load.failed(buffer[:500].decode(errors="replace"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.failed(f"the server closed a connection: {exc}")
        self._gone.set()

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            await self._gone.wait()


async def _connect(urls: Sequence[str], load: Load, connections: int) -> list[Connection]:
    """As many connections, to one server after the other."""
    loop, made = asyncio.get_running_loop(), []
    for parts in map(urlsplit, islice(cycle(urls), connections)):
        host, port = parts.hostname or "127.0.0.1", parts.port or 80
        made.append(loop.create_connection(lambda: Connection(load), host, port))
    return [connection for _, connection in await asyncio.gather(*made)]


async def _finish(load: Load, connections: Sequence[Connection]) -> Tally:
    try:
        await load.done
    finally:
        for connection in connections:
            await connection.close()
    return load.tally


async def closed_loop(url: str | Sequence[str], requests: Sequence[bytes], connections: int) -> Tally:
    """Send all requests as fast as `connections` allow, which are shared by the servers. Raises LoadFailed."""
    load = Load(requests)
    opened = await _connect([url] if isinstance(url, str) else url, load, connections)
    load.tally.began = time.perf_counter()
    for connection in opened:
        load.ready(connection)
    return await _finish(load, opened)


async def paced(url: str, requests: Sequence[bytes], rate: float, connections: int) -> Tally:
    """Send all requests, `rate` of them a second. Raises LoadFailed."""
    load = PacedLoad(requests, rate)
    opened = await _connect([url], load, connections)
    load.tally.began = time.perf_counter()
    for connection in opened:
        load.ready(connection)
    load.tick()
    return await _finish(load, opened)
