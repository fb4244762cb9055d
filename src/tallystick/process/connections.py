"""How many connections a process keeps, for how long, and which it closes first when it has no room.

`Connections` counts them; `tallystick.process.http` has the protocol of a single connection. Each request costs two
operations on an ordered dictionary here.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
from collections import Counter, OrderedDict
from functools import lru_cache
from typing import Protocol

from tallystick.address import household, parse_address, parse_networks
from tallystick.config import MIB, Settings
from tallystick.logs import Seldom
from tallystick.metrics import Metrics
from tallystick.process.refusals import CROWDED, FULL, TOO_MUCH, Refusal

KEEP_ALIVE = 75.0
"""Seconds for which an idle connection stays open: longer than a proxy's usual 60, so that the proxy closes first."""
SPARE_MAX = 256
"""Most file descriptors that are reserved for files, the store and the queue; never more than a quarter of all."""
CONNECTIONS_MAX = 10_000
"""Default for TALLYSTICK_CONNECTIONS, at most. An idle connection takes about 10 KB."""
ENDING_MAX = 64
"""Most refused connections, beyond the limit, that stay open so that their clients can read the answer."""
PARTIAL_MAX = 256 * MIB
"""Most bytes of incomplete requests, summed over all connections."""
LOOK_EVERY = 1.0
"""Seconds between two checks of the deadlines; shorter when a deadline is short."""
ROOM_SHARE = 8
"""When no file descriptor is left, one in this many waiting connections is closed."""


class Connection(Protocol):
    """What `Connections` needs of a connection."""

    client: tuple[str, int] | None

    def look(self, now: float) -> None:
        """Enforce the deadlines."""

    def drop(self, reason: str) -> None:
        """Close the connection at once."""

    def give_way(self) -> None:
        """Drop the request that is arriving and stop reading it."""


def raise_descriptor_limit() -> int:
    """Raise the file descriptor limit of this process and its children to the hard limit. Returns the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # some systems have a lower limit than they report
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS_MAX * 2 if soft == resource.RLIM_INFINITY else soft


class Connections:
    """All connections of a process.

    Attributes:
        waiting: connections without a request in progress, the first to close first. Each connection removes itself
            and appends itself.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if descriptors == resource.RLIM_INFINITY:
            descriptors = CONNECTIONS_MAX * 2
        room = max(descriptors - min(SPARE_MAX, descriptors // 4), 1)
        self.limit = settings.connections or min(room, CONNECTIONS_MAX)
        self.limit_per_address = settings.connections_per_address or max(self.limit // 2, 1)
        self.header_timeout = settings.header_timeout
        self.send_timeout = settings.send_timeout
        self.keep_alive = KEEP_ALIVE
        self._every = max(0.05, min(LOOK_EVERY, self.header_timeout / 4, self.send_timeout / 4))
        proxies = parse_networks(settings.trusted_proxies, "TALLYSTICK_TRUSTED_PROXIES")

        @lru_cache(4096)
        def crowd(host: str) -> str:
            """The key under which an address's connections are counted; empty: they are not counted together.

            Loopback and trusted proxies are not counted, since many clients can come through one of them.
            """
            address = parse_address(host)
            if address is None or address.is_loopback or any(address in network for network in proxies):
                return ""
            return household(address)

        self._crowd = crowd
        self._crowds: Counter[str] = Counter()
        self._all: dict[Connection, str] = {}
        self.waiting: OrderedDict[Connection, None] = OrderedDict()
        self._ending: OrderedDict[Connection, None] = OrderedDict()
        self._partial: OrderedDict[Connection, int] = OrderedDict()
        self._partial_bytes = 0
        self.partial_max = PARTIAL_MAX
        self._ended = metrics.http_connections_ended
        metrics.http_connections.set_function(lambda: len(self._all))
        self._full = Seldom(__name__, "connections are at a limit")
        self._refused = Seldom(__name__, "bad requests refused")
        self._timer: asyncio.TimerHandle | None = None

    # --- opening and closing --------------------------------------------------------------------------------------

    def admit(self, connection: Connection) -> Refusal | None:
        """Accept a new connection; at the limit close an idle one. Returns a refusal if it cannot stay."""
        crowd = self._crowd(connection.client[0]) if connection.client else ""
        self._all[connection] = crowd
        if crowd:
            self._crowds[crowd] += 1
            if self._crowds[crowd] > self.limit_per_address:
                self._full.warning(reason="address", limit=self.limit_per_address, address=crowd)
                return CROWDED
        if len(self._all) - len(self._ending) > self.limit:
            self._full.warning(reason="limit", limit=self.limit, waiting=len(self.waiting))
            if not self.waiting:
                return FULL
            next(iter(self.waiting)).drop("idle")
        self.waiting[connection] = None
        return None

    def gone(self, connection: Connection) -> None:
        """The connection is closed or about to be. A second call does nothing."""
        crowd = self._all.pop(connection, "")
        self.waiting.pop(connection, None)
        self._ending.pop(connection, None)
        self.received(connection)
        if crowd:
            self._crowds[crowd] -= 1
            if not self._crowds[crowd]:
                del self._crowds[crowd]

    def ending(self, connection: Connection) -> None:
        """The connection has its last answer and stays open briefly so that the client can read it."""
        self.waiting.pop(connection, None)
        self._ending[connection] = None
        if len(self._ending) > ENDING_MAX:
            next(iter(self._ending)).drop("")

    def receiving(self, connection: Connection, size: int) -> None:
        """Count `size` more bytes of an incomplete request.

        When all incomplete requests together are too large, the connection whose request began first gives way.
        """
        self._partial[connection] = self._partial.get(connection, 0) + size
        self._partial_bytes += size
        while self._partial_bytes > self.partial_max:
            self._full.warning(reason="memory", limit=self.partial_max, requests=len(self._partial))
            next(iter(self._partial)).give_way()

    def received(self, connection: Connection) -> None:
        """The connection's request is complete or dropped. A second call does nothing."""
        self._partial_bytes -= self._partial.pop(connection, 0)

    def ended(self, reason: str) -> None:
        """Count a connection that this process ended, by reason."""
        self._ended.labels(reason).inc()

    def refused(self, refusal: Refusal) -> None:
        """Count a connection that ends with a `Refusal`."""
        self.ended(refusal.reason)
        if refusal not in (FULL, CROWDED, TOO_MUCH):
            self._refused.warning(status=refusal.status, reason=refusal.reason)

    # --- deadlines ------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Enforce the deadlines from now on, until `stop`. Call it on the event loop."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self._all):
            connection.look(now)
        self._look_for_descriptors()
        self._timer = loop.call_later(self._every, self.watch)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look_for_descriptors(self) -> None:
        """Close some connections if no file descriptor is free: otherwise the event loop drops every new one unread."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                return
            self._full.warning(reason="descriptors", limit=self.limit, waiting=len(self.waiting))
            for _ in range(-(-(len(self.waiting) + len(self._ending)) // ROOM_SHARE)):
                next(iter(self._ending or self.waiting)).drop("descriptors")
