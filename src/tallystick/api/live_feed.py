"""The live feed: new events as they are stored. All listeners of a site share one poll of the store every half second.

It reads nothing but the store, so it works in any process that answers queries, wherever the workers run. The rollup
gives the number of new events; the events themselves are the newest ones. An event whose timestamp is more than an hour
old is not shown.
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
from tallystick.store.patience import patiently
from tallystick.store.turns import CALLER

log = logs.logger(__name__)

POLL_EVERY = 0.5
"""Seconds between two polls of the store."""
HEARTBEAT_EVERY = 15.0
"""Seconds without a message after which a comment is sent, so that no proxy closes an idle connection."""
REACH = timedelta(hours=1)
"""How old an event's timestamp may be for the event to be shown."""
AHEAD = timedelta(minutes=1)
"""How far in the future a timestamp may be. An event further ahead, from a wrong clock, would hide newer ones."""
QUARTER = timedelta(minutes=15)
REMEMBERED = 5_000
"""How many shown events are remembered."""
WAITING_MAX = 200
"""Most messages that wait for a slow listener; further events are left out."""


class Listener:
    """One stream of the feed. `site_id` None: every site."""

    def __init__(self, site_id: str | None) -> None:
        self.site_id = site_id
        self.ended = False
        self._messages: list[bytes] = []
        self._left_out = 0
        self._changed = asyncio.Event()

    def put(self, events: list[dict[str, Any]], left_out: int) -> None:
        """Queue messages for these events; those for which there is no room count as left out."""
        room = max(0, WAITING_MAX - len(self._messages))
        self._messages += [_message("event", event) for event in events[:room]]
        self._left_out += left_out + len(events[room:])
        self._changed.set()

    def end(self) -> None:
        """End the stream after the messages that are queued."""
        self.ended = True
        self._changed.set()

    async def next(self, within: float = HEARTBEAT_EVERY) -> bytes:
        """The next piece of the stream, after at most `within` seconds. Empty: the stream has ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self.ended else within):
                await self._changed.wait()
        self._changed.clear()
        pieces, self._messages = self._messages, []
        if self._left_out:
            pieces.append(_message("left_out", {"events": self._left_out}))
            self._left_out = 0
        if pieces:
            return b"".join(pieces)
        return b"" if self.ended else b": nothing new\n\n"


class Live:
    """All listeners, and the task that polls the store for them."""

    def __init__(self, store: Store, settings: Settings, ready: Callable[[], str | None]) -> None:
        """
        Args:
            ready: as `Parts.ready`. Once it returns a sentence, the server stops and every stream ends.
        """
        self._store = store
        self.limit = ConcurrencyLimit(settings.live_listeners, "live streams", "TALLYSTICK_LIVE_LISTENERS")
        self._at_once = max(1, int(settings.live_events_per_second * POLL_EVERY))
        self._ready = ready
        self._listeners: dict[str | None, list[Listener]] = {}
        self._views: dict[str | None, _View] = {}
        self._task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def listening(self, site_id: str | None) -> AsyncIterator[Listener]:
        """A new listener, which gets the events that are stored from now on.

        Raises:
            Unavailable: the limit of streams is reached, or the server stops.
            TooMany: the caller has as many streams as one key may have.
            TallystickError: what `Store.run` raises.
        """
        if reason := self._ready():
            raise Unavailable(reason)
        with self.limit.hold():
            async with self._registered(site_id) as listener:
                yield listener

    @contextlib.asynccontextmanager
    async def _registered(self, site_id: str | None) -> AsyncIterator[Listener]:
        listener = Listener(site_id)
        self._listeners.setdefault(site_id, []).append(listener)
        try:
            if site_id not in self._views:
                view = _View(self._store, site_id, self._at_once)
                await view.begin()
                self._views.setdefault(site_id, view)
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._poll(), name="live")
            yield listener
        finally:
            self._listeners[site_id].remove(listener)
            if not self._listeners[site_id]:
                del self._listeners[site_id]
                self._views.pop(site_id, None)

    async def _poll(self) -> None:
        """Poll while there are listeners. However it ends, it ends all streams; browsers then reconnect."""
        CALLER.set("live")  # one caller for the whole task: all listeners share its queries
        try:
            while self._listeners and not self._ready():
                await self._poll_once()
                await asyncio.sleep(POLL_EVERY)
        finally:
            for listener in [one for some in self._listeners.values() for one in some]:
                listener.end()

    async def _poll_once(self) -> None:
        for site, view in list(self._views.items()):
            try:
                events, left_out = await view.news()
            except TallystickError as error:
                log.debug("the live feed could not read the store", error=error.whole)
                continue
            for listener in self._listeners.get(site, []) if events or left_out else []:
                listener.put(events, left_out)


class _View:
    """What the feed has seen of one site, or of every site."""

    def __init__(self, store: Store, site_id: str | None, at_once: int) -> None:
        self._store = store
        self._site = site_id
        self._at_once = at_once
        self._since = _quarter(datetime.now(UTC) - REACH)
        self._counted = 0
        self._unshown = 0
        self._shown: dict[tuple[str, str], None] = {}

    async def news(self) -> tuple[list[dict[str, Any]], int]:
        """Events stored since the last poll, oldest first, and the number of those left out. Raises what `run` does."""
        now = datetime.now(UTC)
        counted = await self._count(self._since)
        fresh, self._counted = max(0, counted - self._counted), counted  # an erasure lowers the count
        self._unshown += fresh
        if now - self._since > 2 * REACH:
            since = _quarter(now - REACH)
            self._counted, self._since = await self._count(since), since
        wanted = max(fresh, self._unshown)  # more than are fresh: the poll before counted them and failed then
        if wanted <= 0:
            return [], 0
        newest = await self._newest(now, min(wanted, self._at_once))
        self._unshown -= len(newest)
        left_out, self._unshown = max(0, self._unshown), min(0, self._unshown)
        return newest, left_out

    async def begin(self) -> None:
        """Mark the events that are stored already as shown; wait for memory. Raises what `run` does."""

        async def attempt() -> None:
            self._counted = await self._count(self._since)
            await self._newest(datetime.now(UTC), REMEMBERED)

        await patiently(attempt)

    async def _count(self, since: datetime) -> int:
        query = MetricsQuery(site_id=self._site, since=since, metrics=[Metric(kind="events")])
        return int((await self._store.run(query)).rows[0]["events"])

    async def _newest(self, now: datetime, most: int) -> list[dict[str, Any]]:
        """Up to `most` of the newest events that were not shown yet, oldest first."""
        limit = min(REMEMBERED, 10 * most)
        query = EventsQuery(site_id=self._site, since=now - REACH, until=now + AHEAD, limit=limit)
        rows = (await self._store.run(query)).rows
        fresh = [row for row in rows if (row["site_id"], row["event_id"]) not in self._shown][:most]
        self._shown |= dict.fromkeys((row["site_id"], row["event_id"]) for row in reversed(fresh))
        while len(self._shown) > 2 * REMEMBERED:
            del self._shown[next(iter(self._shown))]
        return fresh[::-1]


def _quarter(instant: datetime) -> datetime:
    """The start of the instant's quarter hour: the rollup counts by quarter hours."""
    return instant - (instant - datetime(2000, 1, 1, tzinfo=UTC)) % QUARTER


def _message(kind: str, data: dict[str, Any]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
