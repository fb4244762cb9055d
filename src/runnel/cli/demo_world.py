"""An imaginary shop and its visitors: sessions with pages and referrers, sign-ups, purchases, late and repeated events.

Nothing here does I/O or reads a clock. The same seed and start give the same events, ids included.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec

NAMESPACE = UUID("0b7b3b5e-4c0f-4d0c-9f59-1f8f5d3c1a52")
USERS = 20_000
REGULARS = 0.35
"""Part of the sessions that belong to people who come back; who does follows a long tail."""
LATE = 0.03
"""Part of the sessions that a phone kept to itself for a while."""
LATEST = timedelta(hours=36)
REPEATED = 0.01
"""Part of the events that are sent twice, as a client does that did not hear the answer."""
THINKING = 20.0
"""Seconds between two events of a session, on average."""
HURRIED_RATE = 200.0
"""Events per second from which on visitors think less, so that not too many sessions are open at a time."""
SESSION_EVENTS = 3.3
"""Events of a session, about: how many sessions a rate of events needs."""

SOURCES = (("web", 62), ("ios", 21), ("android", 17))
REFERRERS = (
    (None, 44),
    ("https://www.google.com/", 27),
    ("https://news.ycombinator.com/", 6),
    ("https://www.bing.com/", 5),
    ("https://t.co/", 5),
    ("https://www.reddit.com/", 5),
    ("https://duckduckgo.com/", 4),
    ("https://newsletter.example/", 4),
)
COUNTRIES = (
    ("DE", 24),
    ("US", 22),
    ("FR", 11),
    ("GB", 10),
    ("NL", 7),
    ("PL", 6),
    ("ES", 6),
    ("IT", 5),
    ("BR", 5),
    ("JP", 4),
)
BROWSERS = {
    "web": (("Chrome", 58), ("Safari", 20), ("Firefox", 13), ("Edge", 9)),
    "ios": (("Safari", 92), ("Chrome", 8)),
    "android": (("Chrome", 83), ("Samsung Internet", 11), ("Firefox", 6)),
}
ENTRIES = (("/", 46), ("/pricing", 11), ("/docs", 12), ("/blog/launch", 9), ("/products", 22))
PRODUCTS = tuple(
    (f"{kind}-{number:02}", round(price * (0.7 + number / 20), 2))
    for kind, price in (("mug", 12.0), ("shirt", 25.0), ("poster", 18.0), ("bag", 49.0))
    for number in range(1, 13)
)
PLANS = (("free", 70), ("team", 22), ("business", 8))


class Sent(msgspec.Struct, frozen=True):
    """One event and when it is sent: seconds after the start. A late event's timestamp is older than that."""

    at: float
    event: dict[str, Any]


class World:
    """The shop's visitors. Iterate to get their events in the order of sending, without end."""

    def __init__(self, seed: int, start: datetime, rate: float) -> None:
        """`rate`: events per second, on average."""
        self._random = random.Random(seed)
        self._namespace = uuid5(NAMESPACE, f"{seed} {start.isoformat()}")
        self._start = start
        self._sessions_per_second = rate / SESSION_EVENTS
        self._thinking = THINKING * min(1.0, HURRIED_RATE / rate)
        self._numbers = itertools.count()
        self._order = itertools.count()

    def __iter__(self) -> Iterator[Sent]:
        waiting: list[tuple[float, int, Sent]] = []
        # Visitors were there before the first second: without them the rate would rise for minutes.
        begins = -self._thinking * SESSION_EVENTS
        while True:
            begins += self._random.expovariate(self._sessions_per_second)
            while waiting and waiting[0][0] <= begins:
                yield heapq.heappop(waiting)[2]
            for sent in self._session(begins):
                if sent.at >= 0:
                    heapq.heappush(waiting, (sent.at, next(self._order), sent))

    def _session(self, begins: float) -> Iterator[Sent]:
        """A visit's events; a late visit's all arrive at the same moment, hours after they happened."""
        late = self._random.random() < LATE
        ago = timedelta(seconds=self._random.uniform(60.0, LATEST.total_seconds())) if late else timedelta(0)
        user = self._user()
        visit = self._visit(user)
        at = begins
        for name, path, properties in visit.steps:
            event = {
                "event_id": str(uuid5(self._namespace, str(next(self._numbers)))),
                "name": name,
                "timestamp": (self._start + timedelta(seconds=at) - ago).isoformat(),
                "session_id": visit.session,
                "source": visit.source,
                "path": path,
                "properties": {**visit.properties, **properties},
            }
            if user is not None:
                event["user_id"] = user
            yield Sent(begins if late else at, event)
            if self._random.random() < REPEATED:
                yield Sent(at + self._random.uniform(1.0, 30.0), event)
            at += self._random.expovariate(1.0 / self._thinking)

    def _user(self) -> str | None:
        """Who comes: a regular by a long tail, somebody new, or nobody known."""
        kind = self._random.random()
        if kind < REGULARS:
            return f"user-{min(int(self._random.paretovariate(0.9)), USERS)}"
        return f"user-{self._random.randint(1, USERS)}" if kind < 0.85 else None

    def _visit(self, user: str | None) -> _Visit:
        source = self._one_of(SOURCES)
        properties: dict[str, Any] = {"country": self._one_of(COUNTRIES), "browser": self._one_of(BROWSERS[source])}
        referrer = self._one_of(REFERRERS)
        session = f"s-{uuid5(self._namespace, f'session {next(self._numbers)}').hex[:16]}"
        return _Visit(session, source, properties, list(self._steps(user, referrer)))

    def _steps(self, user: str | None, referrer: str | None) -> Iterator[_Step]:
        entry = self._one_of(ENTRIES)
        yield "page_view", entry, {"referrer": referrer} if referrer else {}
        if self._random.random() < 0.38:
            return  # most visits that leave do so at once
        if self._random.random() < 0.2:
            yield "search", "/search", {"query": self._one_of(PRODUCTS)[:-3], "results": self._random.randint(0, 40)}
        cart: list[tuple[str, float]] = []
        for _ in range(min(1 + int(self._random.expovariate(0.5)), 12)):
            product = PRODUCTS[min(int(self._random.expovariate(0.12)), len(PRODUCTS) - 1)]
            page = f"/products/{product[0]}"
            yield "page_view", page, {}
            if self._random.random() < 0.16:
                cart.append(product)
                yield "add_to_cart", page, {"product": product[0], "price": product[1]}
        if entry in ("/", "/pricing") and self._random.random() < 0.25:
            yield from self._sign_up()
        if cart and user is not None and self._random.random() < 0.45:
            yield "page_view", "/checkout", {}
            amount = round(sum(price for _, price in cart), 2)
            yield "purchase", "/checkout", {"amount": amount, "currency": "EUR", "items": len(cart)}

    def _sign_up(self) -> Iterator[_Step]:
        """The funnel: each step loses some."""
        yield "page_view", "/signup", {}
        plan = self._one_of(PLANS)
        for name, goes_on in (("signup_started", 0.62), ("signup_email_confirmed", 0.8), ("signup_completed", 0.0)):
            yield name, "/signup", {"plan": plan}
            if self._random.random() >= goes_on:
                return

    def _one_of(self, choices: Any) -> Any:
        return self._random.choices([value for value, _ in choices], [weight for _, weight in choices])[0]


_Step = tuple[str, str, dict[str, Any]]


class _Visit(msgspec.Struct):
    session: str
    source: str
    properties: dict[str, Any]
    steps: list[_Step]
