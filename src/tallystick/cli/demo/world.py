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
KNOWN = 200
"""Users who exist before the first session."""
REGULARS, AGAIN, NEW = 0.15, 0.48, 0.22
"""Shares of sessions: regular users, users who return for a while, new users. The rest has no user id."""
LATE = 0.03
"""Share of the sessions whose events arrive late, as those of a phone that was offline."""
LATEST = timedelta(hours=36)
REPEATED = 0.01
"""Share of the events that are sent twice, as by a client that did not get the answer."""
THINKING = 20.0
"""Average seconds between two events of a session."""
HURRIED_RATE = 200.0
"""Events per second above which the pauses get shorter, so that not too many sessions are open at a time."""
SESSION_EVENTS = 3.4
"""Average events of a session, from which the rate of sessions is computed."""

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
PRODUCT = "product"
"""Stands for the page of a random product."""
NEXT_PAGES: dict[str, tuple[tuple[str | None, int], ...]] = {
    "/": (("/products", 38), ("/pricing", 14), ("/search", 9), ("/docs", 8), ("/blog/launch", 4), (None, 20)),
    "/pricing": (("/signup", 34), ("/", 11), ("/docs", 9), ("/products", 8), (None, 38)),
    "/docs": (("/docs/quickstart", 42), ("/pricing", 12), ("/", 6), (None, 40)),
    "/docs/quickstart": (("/docs/api", 30), ("/signup", 16), ("/pricing", 8), (None, 46)),
    "/docs/api": (("/docs/quickstart", 12), ("/signup", 8), (None, 80)),
    "/blog/launch": (("/", 26), ("/pricing", 12), ("/docs", 10), (None, 52)),
    "/search": ((PRODUCT, 66), ("/products", 12), (None, 22)),
    "/products": ((PRODUCT, 74), ("/", 7), (None, 19)),
    PRODUCT: ((PRODUCT, 26), ("/cart", 26), ("/products", 20), (None, 28)),
    "/cart": (("/checkout", 54), ("/products", 18), (None, 28)),
    "/checkout": (("/checkout/thanks", 62), ("/cart", 10), (None, 28)),
    "/checkout/thanks": (("/", 14), (None, 86)),
    "/signup": (("/", 18), ("/docs", 9), (None, 73)),
}
"""The pages that follow a page, with their weights; None: the visit ends."""
HURRY = {"web": 0.0, "ios": 0.1, "android": 0.18}
"""Extra probability that a visit ends before its next page: fewer visitors buy on small screens."""
LONGEST = 30
"""Most pages of a visit."""
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
        self._known = KNOWN
        self._numbers = itertools.count()
        self._order = itertools.count()

    def __iter__(self) -> Iterator[Sent]:
        waiting: list[tuple[float, int, Sent]] = []
        # Sessions begin before the first second: otherwise the rate would rise for minutes.
        begins = -self._thinking * SESSION_EVENTS
        while True:
            begins += self._random.expovariate(self._sessions_per_second)
            while waiting and waiting[0][0] <= begins:
                yield heapq.heappop(waiting)[2]
            for sent in self._session(begins):
                if sent.at >= 0:
                    heapq.heappush(waiting, (sent.at, next(self._order), sent))

    def _session(self, begins: float) -> Iterator[Sent]:
        """The events of a visit. Those of a late visit all arrive at one moment, up to LATEST after they happened."""
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
        """The user of a visit: a regular one (long tail), one seen lately, a new one, or None."""
        kind = self._random.random()
        if kind < REGULARS:
            return f"user-{min(int(8 * self._random.paretovariate(0.9)) - 7, self._known)}"
        if kind < REGULARS + AGAIN:  # the longer ago the first visit, the rarer the next
            first = self._known - int(12 * self._random.paretovariate(0.32))
            return f"user-{first if first > 0 else self._random.randint(1, self._known)}"
        if kind < REGULARS + AGAIN + NEW:
            self._known += 1
            return f"user-{self._known}"
        return None

    def _visit(self, user: str | None) -> _Visit:
        # A known user keeps country and device.
        traits = self._random if user is None else random.Random(f"{self._namespace} {user}")
        source, country = _one_of(traits, SOURCES), _one_of(traits, COUNTRIES)
        properties: dict[str, Any] = {"country": country, "browser": _one_of(traits, BROWSERS[source])}
        referrer = self._one_of(REFERRERS)
        session = f"s-{uuid5(self._namespace, f'session {next(self._numbers)}').hex[:16]}"
        return _Visit(session, source, properties, list(self._steps(user, source, referrer)))

    def _steps(self, user: str | None, source: str, referrer: str | None) -> Iterator[_Step]:
        page: str | None = self._one_of(ENTRIES)
        cart: list[tuple[str, float]] = []
        for number in range(LONGEST):
            if page is None or (number and self._random.random() < HURRY[source]):
                return
            product = PRODUCTS[min(int(self._random.expovariate(0.25)), len(PRODUCTS) - 1)]
            path = f"/products/{product[0]}" if page == PRODUCT else page
            yield "page_view", path, {"referrer": referrer} if referrer and not number else {}
            goes_on = self._one_of(NEXT_PAGES[page])
            if page == "/search":
                yield "search", path, {"query": product[0][:-3], "results": self._random.randint(0, 40)}
            elif page == PRODUCT and goes_on == "/cart":
                cart.append(product)
                yield "add_to_cart", path, {"product": product[0], "price": product[1]}
            elif page == "/signup":
                yield from self._sign_up()
            elif goes_on == "/checkout/thanks":
                if user is None:
                    return  # only a known user can pay
                yield "purchase", path, _bill(cart)
            page = goes_on

    def _sign_up(self) -> Iterator[_Step]:
        """The sign-up funnel: some visits drop out at each step."""
        plan = self._one_of(PLANS)
        for name, goes_on in (("signup_started", 0.62), ("signup_email_confirmed", 0.8), ("signup_completed", 0.0)):
            yield name, "/signup", {"plan": plan}
            if self._random.random() >= goes_on:
                return

    def _one_of(self, choices: Any) -> Any:
        return _one_of(self._random, choices)


def _one_of(by: random.Random, choices: Any) -> Any:
    return by.choices([value for value, _ in choices], [weight for _, weight in choices])[0]


def _bill(cart: list[tuple[str, float]]) -> dict[str, Any]:
    return {"amount": round(sum(price for _, price in cart), 2), "currency": "EUR", "items": len(cart)}


_Step = tuple[str, str, dict[str, Any]]


class _Visit(msgspec.Struct):
    session: str
    source: str
    properties: dict[str, Any]
    steps: list[_Step]
