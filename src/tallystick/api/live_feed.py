"""What is being stored, as it is stored: one look at the store every half second for all who listen to the same site.

It works in any process that answers questions, whoever loads: nothing but the store is asked. How many events there are
comes from the rollup, the events themselves are the newest ones; an event whose own time is more than an hour old is
not news.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tallystick import logs
from tallystick.api.streaming.concurrency import ConcurrencyLimit
from tallystick.config import Settings
from tallystick.errors import TallystickError, Unavailable
from tallystick.model.query import EventsQuery, Metric, MetricsQuery
from tallystick.store.base import Store
from tallystick.store.turns import CALLER

log = logs.logger(__name__)

LOOK_EVERY = 0.5
"""Seconds between two looks."""
HEARTBEAT_EVERY = 15.0
"""Seconds without news after which a comment is sent, so that no proxy takes the connection for dead."""
REACH = timedelta(hours=1)
"""How old an event's own time may be for it to be news."""
AHEAD = timedelta(minutes=1)
"""How far an event's own time may be ahead; one of a wrong clock would hide the others."""
QUARTER = timedelta(minutes=15)
REMEMBERED = 5_000
"""Events remembered as shown."""
WAITING_MAX = 200
"""Messages that wait for a slow listener; more are left out."""


class Listener:
    """One who listens. `site_id` None: every site."""

    def __init__(self, site_id: str | None) -> None:
        self.site_id = site_id
        self.ended = False
        self._messages: list[bytes] = []
        self._left_out = 0
        self._news = asyncio.Event()

    def tell(self, events: list[dict[str, Any]], left_out: int) -> None:
        """Put in line what was stored, as much as there is room for."""
        room = max(0, WAITING_MAX - len(self._messages))
        self._messages += [_message("event", event) for event in events[:room]]
        self._left_out += left_out + len(events[room:])
        self._news.set()

    def end(self) -> None:
        """Nothing more comes."""
        self.ended = True
        self._news.set()

    async def next(self, within: float = HEARTBEAT_EVERY) -> bytes:
        """The next piece of the stream, after at most so many seconds; empty at its end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self.ended else within):
                await self._news.wait()
        self._news.clear()
        pieces, self._messages = self._messages, []
        if self._left_out:
            pieces.append(_message("left_out", {"events": self._left_out}))
            self._left_out = 0
        if pieces:
            return b"".join(pieces)
        return b"" if self.ended else b": nothing new\n\n"


class Live:
    """All who listen, and the task that looks for them."""

    def __init__(self, store: Store, settings: Settings, ready: Callable[[], str | None]) -> None:
        """
        Args:
            ready: as `Parts.ready`: a sentence once the server stops, and then every stream ends.
        """
        self._store = store
        self.limit = ConcurrencyLimit(settings.live_listeners, "live streams", "TALLYSTICK_LIVE_LISTENERS")
        self._at_once = max(1, int(settings.live_events_per_second * LOOK_EVERY))
        self._ready = ready
        self._listeners: dict[str | None, list[Listener]] = {}
        self._views: dict[str | None, _View] = {}
        self._task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def listening(self, site_id: str | None) -> AsyncIterator[Listener]:
        """One more listener, who is told of what is stored from now on.

        Raises:
            Unavailable: there are as many as the setting allows, or the server stops.
            TooMany: the caller has as many as one key may have.
            TallystickError: what `Store.run` raises.
        """
        if reason := self._ready():
            raise Unavailable(reason)
        with self.limit.hold():
            async with self._told(site_id) as listener:
                yield listener

    @contextlib.asynccontextmanager
    async def _told(self, site_id: str | None) -> AsyncIterator[Listener]:
        listener = Listener(site_id)
        self._listeners.setdefault(site_id, []).append(listener)
        try:
            if site_id not in self._views:
                view = _View(self._store, site_id, self._at_once)
                await view.begin()
                self._views.setdefault(site_id, view)
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._look(), name="live")
            yield listener
        finally:
            self._listeners[site_id].remove(listener)
            if not self._listeners[site_id]:
                del self._listeners[site_id]
                self._views.pop(site_id, None)

    async def _look(self) -> None:
        """Look while anybody listens. However it ends, nobody goes on waiting: browsers connect again."""
        CALLER.set("live")  # of all who listen; it is this task's alone
        try:
            while self._listeners and not self._ready():
                await self._look_once()
                await asyncio.sleep(LOOK_EVERY)
        finally:
            for listener in [one for some in self._listeners.values() for one in some]:
                listener.end()

    async def _look_once(self) -> None:
        for site, view in list(self._views.items()):
            try:
                events, left_out = await view.news()
            except TallystickError as error:
                log.debug("no look at the store", error=error.whole)
                continue
            for listener in self._listeners.get(site, []) if events or left_out else []:
                listener.tell(events, left_out)


class _View:
    """What was seen of one site, or of all."""

    def __init__(self, store: Store, site_id: str | None, at_once: int) -> None:
        self._store = store
        self._site = site_id
        self._at_once = at_once
        self._since = _quarter(datetime.now(UTC) - REACH)
        self._counted = 0
        self._unshown = 0
        self._shown: dict[tuple[str, str], None] = {}

    async def news(self) -> tuple[list[dict[str, Any]], int]:
        """Events stored since the last look, oldest first, and how many more there were. Raises what `run` does."""
        now = datetime.now(UTC)
        counted = await self._count(self._since)
        fresh, self._counted = max(0, counted - self._counted), counted  # an erasure makes it less
        if now - self._since > 2 * REACH:
            self._since = _quarter(now - REACH)
            self._counted = await self._count(self._since)
        self._unshown += fresh
        if not fresh:
            return [], 0
        newest = await self._newest(now, min(fresh, self._at_once))
        self._unshown -= len(newest)
        left_out, self._unshown = max(0, self._unshown), min(0, self._unshown)
        return newest, left_out

    async def begin(self) -> None:
        """What is there already is no news. Raises what `run` does."""
        self._counted = await self._count(self._since)
        await self._newest(datetime.now(UTC), REMEMBERED)

    async def _count(self, since: datetime) -> int:
        query = MetricsQuery(site_id=self._site, since=since, metrics=[Metric(kind="events")])
        return int((await self._store.run(query)).rows[0]["events"])

    async def _newest(self, now: datetime, most: int) -> list[dict[str, Any]]:
        """Up to `most` events that were not shown yet."""
        limit = min(REMEMBERED, 10 * most)
        query = EventsQuery(site_id=self._site, since=now - REACH, until=now + AHEAD, limit=limit)
        rows = (await self._store.run(query)).rows
        fresh = [row for row in rows if (row["site_id"], row["event_id"]) not in self._shown][:most]
        self._shown |= dict.fromkeys((row["site_id"], row["event_id"]) for row in reversed(fresh))
        while len(self._shown) > 2 * REMEMBERED:
            del self._shown[next(iter(self._shown))]
        return fresh[::-1]


def _quarter(instant: datetime) -> datetime:
    """The start of its quarter hour, from which on the rollup counts."""
    return instant - (instant - datetime(2000, 1, 1, tzinfo=UTC)) % QUARTER


def _message(kind: str, data: dict[str, Any]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
