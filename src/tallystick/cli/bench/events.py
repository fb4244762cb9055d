"""Makes events for measurements by the thousand, as a byte matrix: one event a row, shorter texts padded with NUL.

The imaginary site has 200,000 users of whom few come often, sessions of several events, pages and referrers with long
tails, and properties that not every event has. Event ids are random UUID4s, whatever the seed, and never repeat.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tallystick.model.block import Block, make_block

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

USERS = 200_000
DAILY_USERS = 20_000
EVENTS_PER_SESSION = 6
DAY_US = 86_400_000_000
BLOCK_EVENTS = 10_000
"""Events in one block of history: as many as a full block of a busy server has."""

NAMES = ("page_view", "click", "search", "add_to_cart", "sign_up", "purchase")
NAME_WEIGHTS = (0.62, 0.2, 0.08, 0.05, 0.02, 0.03)
SOURCES = ("web", "ios", "android")
PLANS = ("free", "pro", "team", "enterprise")
ARRIVALS = (
    "",
    ',"$referring_domain":"www.google.com"',
    ',"$referring_domain":"duckduckgo.com"',
    ',"$referring_domain":"t.co"',
    ',"$referring_domain":"www.linkedin.com"',
    ',"utm_source":"newsletter","utm_medium":"email","utm_campaign":"weekly"',
    ',"utm_source":"google","utm_medium":"cpc","utm_campaign":"brand"',
    *(f',"$referring_domain":"site-{n:02}.example"' for n in range(50)),
)
"""Properties of a visit's first event that say where the visit came from; the most frequent first."""
BROWSERS = ("Chrome 131", "Safari 18", "Firefox 133", "Edge 131", "Chrome 130", "Samsung 27", "Opera 115", "Vivaldi 7")


class Table:
    """Texts to choose from by number, padded with NUL to the longest."""

    def __init__(self, values: Sequence[str]) -> None:
        fixed = np.array([value.encode() for value in values])
        self.texts = fixed.view(np.uint8).reshape(len(values), fixed.dtype.itemsize)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, numbers: Ints) -> Bytes:
        """One row per number."""
        return self.texts.take(numbers, axis=0)


def long_tail(choices: int, exponent: float, shift: float = 3.0) -> NDArray[np.float64]:
    """Cumulative probabilities of `choices` items, for `pick`. The first item is much likelier than the last."""
    weights = (np.arange(choices) + shift) ** -exponent
    return np.asarray(np.cumsum(weights / weights.sum()), dtype=np.float64)


def pick(rng: np.random.Generator, cumulative: NDArray[np.float64], count: int) -> Ints:
    """`count` indices, drawn by cumulative probabilities."""
    found = np.searchsorted(cumulative, rng.random(count), side="right")
    return np.minimum(found, len(cumulative) - 1).astype(np.int64)


class Site:
    """The texts and probabilities of the imaginary site."""

    def __init__(self) -> None:
        self.clock = Table([f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(86_400)])
        self.thousandths = Table([f"{n:03}" for n in range(1_000)])
        self.names = Table(NAMES)
        self.sources = Table(SOURCES)
        self.users = Table([f"user-{n:06}" for n in range(USERS)])
        self.paths = Table(["/", "/pricing", "/docs", "/login", *(f"/products/{n * 79 % 100:03}" for n in range(96))])
        self.plans = Table([f'"plan":"{plan}"' for plan in PLANS])
        self.browsers = Table([f',"browser":"{browser}"' for browser in BROWSERS])
        self.referrers = Table([""] + [f',"referrer":"https://site-{n:02}.example/"' for n in range(50)])
        self.arrivals = Table(ARRIVALS)
        self.amounts = Table([""] + [f',"amount":{n / 100:.2f}' for n in range(99, 29_900, 50)])
        self.name_tail = np.cumsum(NAME_WEIGHTS)
        self.path_tail = long_tail(100, 1.1)
        self.user_tail = long_tail(USERS, 0.9, 50.0)
        self.referrer_tail = long_tail(50, 1.2)
        self.arrival_tail = long_tail(len(ARRIVALS), 1.3, 1.0)
        self.browser_tail = long_tail(len(BROWSERS), 1.0, 1.0)

    def uuids(self, count: int) -> Bytes:
        """Random version 4 UUIDs as 36 characters a row."""
        raw = np.frombuffer(os.urandom(16 * count), dtype=np.uint8).reshape(count, 16).copy()
        raw[:, 6] = raw[:, 6] & 0x0F | 0x40
        raw[:, 8] = raw[:, 8] & 0x3F | 0x80
        digits = np.frombuffer(raw.tobytes().hex().encode(), dtype=np.uint8).reshape(count, 32)
        out = np.full((count, 36), ord("-"), dtype=np.uint8)
        for (start, stop), at in zip(pairwise((0, 8, 12, 16, 20, 32)), (0, 9, 14, 19, 24), strict=True):
            out[:, at : at + stop - start] = digits[:, start:stop]
        return out

    def instants(self, at: Ints) -> list[Bytes]:
        """Microseconds since 1970 as ISO 8601 in UTC, in columns."""
        days, of_day = np.divmod(at, DAY_US)
        first = int(days.min())
        calendar = Table([str(np.datetime64(first + n, "D")) for n in range(int(days.max()) - first + 1)])
        seconds, micros = np.divmod(of_day, 1_000_000)
        count = len(at)
        return [
            calendar[days - first],
            literal("T", count),
            self.clock[seconds],
            literal(".", count),
            self.thousandths[micros // 1_000],
            self.thousandths[micros % 1_000],
            literal("Z", count),
        ]

    def properties(self, rng: np.random.Generator, users: Ints, names: Ints, first: Flags | None) -> list[Bytes]:
        """Columns of a JSON object: a user keeps plan and browser, 40 % have a referrer, purchases have an amount, the
        first events of visits have the properties of ARRIVALS.
        """
        count = len(users)
        arrivals = [] if first is None else [self.arrivals[np.where(first, pick(rng, self.arrival_tail, count), 0)]]
        referrers = np.where(rng.random(count) < 0.4, pick(rng, self.referrer_tail, count) + 1, 0)
        amounts = np.where(names == NAMES.index("purchase"), rng.integers(1, len(self.amounts), count), 0)
        browsers = np.searchsorted(self.browser_tail, (users * 2654435761 % 1_000_003) / 1_000_003)
        plans = np.searchsorted((0.8, 0.95, 0.99, 1.0), (users * 40503 % 65_537) / 65_537)
        return [
            literal("{", count),
            self.plans[plans],
            self.browsers[browsers],
            self.referrers[referrers],
            self.amounts[amounts],
            *arrivals,
            literal("}", count),
        ]


def literal(text: str, count: int) -> Bytes:
    """The same text in every row."""
    return np.broadcast_to(np.frombuffer(text.encode(), dtype=np.uint8), (count, len(text)))


@lru_cache(maxsize=1)
def site() -> Site:
    """The tables, built once per process."""
    return Site()


def event_rows(
    rng: np.random.Generator,
    at: Ints,
    users: Ints,
    sessions: Ints,
    received: Ints | None,
    end: str,
    first: Flags | None = None,
) -> Bytes:
    """A matrix with one JSON event a row, each followed by `end`. With `received` they are canonical lines.

    `first` marks the events with which visits begin; they become page views.
    """
    here, count = site(), len(at)
    names = pick(rng, here.name_tail, count)
    if first is not None:
        names[first] = NAMES.index("page_view")

    def comma(key: str) -> Bytes:
        return literal(f'","{key}":"', count)

    columns = [
        literal('{"event_id":"', count),
        here.uuids(count),
        comma("name"),
        here.names[names],
        comma("timestamp"),
        *here.instants(at),
        *([comma("received_at"), *here.instants(received)] if received is not None else []),
        comma("user_id"),
        here.users[users],
        comma("session_id"),
        *digits(here, sessions),
        comma("source"),
        here.sources[users % 10 // 7 * (1 + users % 2)],
        comma("path"),
        here.paths[pick(rng, here.path_tail, count)],
        literal('","properties":', count),
        *here.properties(rng, users, names, first),
        literal("}" + end, count),
    ]
    return np.hstack(columns)


def digits(here: Site, numbers: Ints) -> list[Bytes]:
    """Numbers below 10**9 as nine digits, in columns."""
    return [here.thousandths[numbers // power % 1_000] for power in (1_000_000, 1_000, 1)]


def packed(rows: Bytes) -> bytes:
    """The rows, concatenated without padding."""
    return rows.tobytes().translate(None, b"\0")


def bodies(events: int, size: int, now_us: int, seed: int = 1) -> list[bytes]:
    """Request bodies for POST /v1/events: single events, or `{"events":[…]}` with `size` of them; times up to now."""
    made: list[bytes] = []
    rng = np.random.default_rng(seed)
    step = max(size, 20_000 // size * size)
    for start in range(0, events, step):
        count = min(step, events - start)
        at = now_us - 60_000_000 + np.sort(rng.integers(0, 60_000_000, count))
        users = pick(rng, site().user_tail, count)
        sessions = users * 4_000 + now_us // 1_800_000_000 % 4_000
        rows = event_rows(rng, at, users, sessions, None, "," if size > 1 else "")
        stops = np.cumsum(np.count_nonzero(rows, axis=1))[size - 1 :: size].tolist()
        if count % size:
            stops.append(int(np.count_nonzero(rows)))
        text = packed(rows)
        pieces = [text[a:b] for a, b in pairwise([0, *stops])]
        made += pieces if size == 1 else [b'{"events":[' + piece[:-1] + b"]}" for piece in pieces]
    return made


def uniform_blocks(
    ingester: str, seq: int, events: int, start_us: int, end_us: int, now_us: int | None = None
) -> list[Block]:
    """Blocks of canonical events with ascending times between the two instants.

    `now_us`: the time at which they arrived, in microseconds since 1970; None: each a second after it happened.
    """
    rng = np.random.default_rng([seq, events])
    at = np.sort(rng.integers(start_us, end_us, events))
    users = pick(rng, site().user_tail, events)
    received = at + 1_000_000 if now_us is None else np.full(events, now_us)
    return _blocks(ingester, seq, event_rows(rng, at, users, users * 4_000 + seq % 4_000, received, "\n"))


def day_blocks(ingester: str, seq: int, day_us: int, events: int, daily_users: int) -> list[Block]:
    """One day of the site's life, in order of time: `daily_users` users, sessions of about six events."""
    rng = np.random.default_rng([day_us // DAY_US, events])
    weights = np.diff(site().user_tail, prepend=0.0)
    today = np.argpartition(np.log(weights) + rng.gumbel(size=USERS), USERS - daily_users)[USERS - daily_users :]
    count = max(daily_users, events // EVENTS_PER_SESSION)
    visitors = np.concatenate([today, rng.choice(today, count - daily_users)])
    starts = (rng.beta(3, 2.2, count) * DAY_US).astype(np.int64)
    session = np.concatenate([np.arange(count), rng.integers(0, count, max(0, events - count))])[:events]
    at = starts[session] + (rng.exponential(180.0, events) * 1_000_000).astype(np.int64)
    order = np.argsort(at)
    session, at = session[order], day_us + np.minimum(at[order], DAY_US - 1)
    first = np.zeros(events, np.bool_)
    first[np.unique(session, return_index=True)[1]] = True
    number = session + day_us // DAY_US % 1_000 * 1_000_000
    blocks: list[Block] = []
    for start in range(0, events, BLOCK_EVENTS):
        part = slice(start, start + BLOCK_EVENTS)
        users, arrived = visitors[session[part]], at[part] + 1_000_000
        rows = event_rows(rng, at[part], users, number[part], arrived, "\n", first[part])
        blocks += _blocks(ingester, seq + len(blocks), rows)
    return blocks


def _blocks(ingester: str, seq: int, rows: Bytes) -> list[Block]:
    parts = [rows[first : first + BLOCK_EVENTS] for first in range(0, len(rows), BLOCK_EVENTS)]
    return [make_block(ingester, seq + n, packed(part), len(part)) for n, part in enumerate(parts)]
