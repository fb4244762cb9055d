"""How many connections a process keeps, for how long, and which are closed first when there is no room.

`Connections` counts them; `tallystick.process.http` is the protocol on each of them. A request costs two steps in an
ordered dictionary here.
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

from tallystick.config import MIB, Settings
from tallystick.ingest.enrich.address import household, parse_address, parse_networks
from tallystick.logs import Seldom
from tallystick.metrics import Metrics
from tallystick.process.refusals import CROWDED, FULL, TOO_MUCH, Refusal

KEEP_ALIVE = 75.0
"""Seconds for which an idle connection stays open: longer than a proxy's usual 60, so that the proxy closes first."""
SPARE_MAX = 256
"""Most descriptors that are reserved for files, the store and the queue; a quarter where that is less."""
CONNECTIONS_MAX = 10_000
"""Most connections without a setting for it: each takes about 10 KB while it is idle."""
ENDING_MAX = 64
"""Most connections beyond the limit that may still read why they were refused."""
PARTIAL_MAX = 256 * MIB
"""Most bytes of incomplete requests, of all connections together."""
LOOK_EVERY = 1.0
"""Seconds between two checks of the deadlines; less where a deadline is shorter."""
ROOM_SHARE = 8
"""When no descriptor is left, one in this many waiting connections is closed."""


class Connection(Protocol):
    """A connection as `Connections` sees it."""

    client: tuple[str, int] | None

    def look(self, now: float) -> None:
        """Enforce the deadlines."""

    def drop(self, reason: str) -> None:
        """Close it at once."""

    def give_way(self) -> None:
        """Drop the request that is arriving, and read no more of it."""


def raise_descriptor_limit() -> int:
    """Raise the descriptor limit of this process and its children to what the system allows. Returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # some systems have a lower limit than they report
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS_MAX * 2 if soft == resource.RLIM_INFINITY else soft


class Connections:
    """All connections of a process.

    Attributes:
        waiting: those that have no request in progress, in the order in which they can be closed; a connection takes
            itself out and puts itself at the end.
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
            """Whose connections are counted together; empty: they are not, since many may come through one."""
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

    # --- coming and going -----------------------------------------------------------------------------------------

    def admit(self, connection: Connection) -> Refusal | None:
        """Take a new one in, at the cost of one that asks for nothing; or why it has to go."""
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
        """It is closed, or will be in a moment; may be said twice."""
        crowd = self._all.pop(connection, "")
        self.waiting.pop(connection, None)
        self._ending.pop(connection, None)
        self.received(connection)
        if crowd:
            self._crowds[crowd] -= 1
            if not self._crowds[crowd]:
                del self._crowds[crowd]

    def ending(self, connection: Connection) -> None:
        """It has its last answer, and is kept for a moment so that the client can read it."""
        self.waiting.pop(connection, None)
        self._ending[connection] = None
        if len(self._ending) > ENDING_MAX:
            next(iter(self._ending)).drop("")

    def receiving(self, connection: Connection, size: int) -> None:
        """So many bytes more have come of a request that has not come to its end. With too many of all connections
        together, the one that has been at it for longest gives way.
        """
        self._partial[connection] = self._partial.get(connection, 0) + size
        self._partial_bytes += size
        while self._partial_bytes > self.partial_max:
            self._full.warning(reason="memory", limit=self.partial_max, requests=len(self._partial))
            next(iter(self._partial)).give_way()

    def received(self, connection: Connection) -> None:
        """Its request has come to its end, in one way or another; may be said twice."""
        self._partial_bytes -= self._partial.pop(connection, 0)

    def ended(self, reason: str) -> None:
        """Count one that ended otherwise than by its client's wish or after an answer."""
        self._ended.labels(reason).inc()

    def refused(self, refusal: Refusal) -> None:
        """Count one that ends with an answer of the process's own."""
        self.ended(refusal.reason)
        if refusal not in (FULL, CROWDED, TOO_MUCH):
            self._refused.warning(status=refusal.status, reason=refusal.reason)

    # --- deadlines ------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """From now on deadlines are kept, until `stop`; to be called on the event loop."""
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
        """Without a free descriptor the loop closes every new connection unheard: make room."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                return
            self._full.warning(reason="descriptors", limit=self.limit, waiting=len(self.waiting))
            for _ in range(-(-(len(self.waiting) + len(self._ending)) // ROOM_SHARE)):
                next(iter(self._ending or self.waiting)).drop("descriptors")
