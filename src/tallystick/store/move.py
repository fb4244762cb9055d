"""Carries a whole store into another one: `tallystick move`.

The events go first, in the destination's own way of storing them, as blocks of an ingester of the move's own. What is
stored already is counted, not remembered: a site's day with as many events on both sides is done, and an event that
comes again with its time is a duplicate in every store. So a move that was stopped anywhere goes on when it is started
again. The last step puts the source's ledger, and what else it has beside events, in the place of the move's blocks.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from tallystick.analysis.buckets import instant_of
from tallystick.config import Settings, shown_url, url_path
from tallystick.errors import ConfigError, DataRejected
from tallystick.model.block import make_block, split_lines
from tallystick.model.books import Difference, IngesterLedger
from tallystick.model.query import EventsQuery
from tallystick.store.base import Store, StoredDeadLetter
from tallystick.store.carried import (
    COLUMNS,
    MOVE,
    Kind,
    Row,
    ended_move,
    is_unfinished,
    without_moves,
)
from tallystick.store.library import LIMITS, Document, Share
from tallystick.store.removal import steps

BATCH_BYTES = 8 * 1024 * 1024
"""Bytes of lines that are stored at a time, if the destination takes so many."""
SHOWN_DAYS = 3
"""Days that a message names."""
ID_AT = slice(13, 49)
"""Where a canonical line has its event's id: after `{"event_id":"`."""

Day = tuple[str, int]
"""A site, and a UTC day's start in microseconds since 1970."""
Tell = Callable[[str, int, int], None]
"""Is told what is being done, how many events are done, and how many there are; 0 of 0: it cannot be known."""


class Refused(ConfigError):
    """The move cannot begin, or cannot go on."""


class Compared(msgspec.Struct, frozen=True):
    """One kind of thing, counted on both sides after the move."""

    name: str
    source: int
    destination: int
    equal: bool


class Moved(msgspec.Struct, frozen=True):
    """What a move did, or would do.

    Attributes:
        events: events of the source.
        carried: those that were stored by this call; the others were there.
        resumed: the destination had been begun before.
        compared: what both sides have; empty for a dry run.
        differences: what is not equal, and what the destination's `verify` found.
    """

    events: int
    days: int
    sites: int
    carried: int
    resumed: bool
    seconds: float
    dry_run: bool
    compared: Sequence[Compared] = ()
    differences: Sequence[Difference] = ()

    @property
    def ok(self) -> bool:
        """Whether both sides are the same."""
        return not self.differences


def destination_settings(settings: Settings) -> Settings:
    """Settings of the store that is filled: an id that the source holds twice, under two times, is two events there.

    The source decided which events are duplicates. The window only finds those of another time, and is none here.
    """
    return settings.model_copy(update={"dedupe_window_hours": 0.0, "sql": False})


def ingester_of(settings: Settings) -> str:
    """The name of the ingester whose blocks are the events of this source: by its address, without its password."""
    url = settings.resolved_store_url
    where = str(url_path(url).resolve()) if urlsplit(url).scheme == "duckdb" else shown_url(url)
    return MOVE + hashlib.sha256(where.encode()).hexdigest()[:16]


class Move:
    """One move between two open stores, of which nobody else writes either."""

    def __init__(self, source: Store, destination: Store, ingester: str, tell: Tell) -> None:
        """Make a move.

        Args:
            destination: made with `destination_settings`.
            ingester: see `ingester_of`.
        """
        self._source = source
        self._destination = destination
        self._ingester = ingester
        self._tell = tell
        self._seq = time.time_ns() // 1_000  # each call has blocks of its own: what it stores is not the same again
        self._done = 0
        self._total = 0
        self._carried = 0

    async def run(self, *, dry_run: bool = False) -> Moved:
        """Carry everything, and compare both sides.

        Raises:
            Refused: the destination is in use, or the source was written meanwhile.
            DataRejected: the destination cannot take an event that the source has.
            StoreUnavailable: one of the two failed; the same call goes on.
        """
        started = time.monotonic()
        self._tell("counting the events of both stores", 0, 0)
        ledger = await self._source.ledger()
        if is_unfinished(ledger):
            raise Refused("the source is itself the destination of a move that has not ended: finish that one first")
        await self._check_kept()
        there = await self._destination.ledger()
        wanted = await _days(self._source)
        found = await _days(self._destination)
        resumed = await self._check_destination(ledger, there, wanted, found)
        ended = resumed and not is_unfinished(there)
        if ended and without_moves(there) != without_moves(ledger):
            raise Refused("this move has ended, and the destination has been used since: nothing was changed")
        self._total = sum(wanted.values())
        if not dry_run and not ended:
            await self._carry_all(ledger, wanted, found)
        compared, differences = ([], []) if dry_run else await self._compare()
        days, sites = {day for _, day in wanted}, {site for site, _ in wanted}
        seconds = round(time.monotonic() - started, 3)
        given = (self._total, len(days), len(sites), self._carried, resumed, seconds, dry_run)
        return Moved(*given, compared, differences)

    async def _check_kept(self) -> None:
        """Raises Refused: the source keeps rollups of removed events, and the destination cannot take them."""
        if self._destination.keeps_rollups:
            return
        if any(rule.keep_rollups for rule in await self._source.retention_rules()):
            raise Refused(
                "sites of the source keep rollups when their events go, which the destination cannot: "
                "set it off first (tallystick retention set --no-keep-rollups)"
            )
        async with contextlib.aclosing(self._source.carried("kept_days")) as pieces:
            async for _ in pieces:
                raise Refused(
                    "the source has rollups whose events retention removed, and the destination has no rollups: "
                    "they would be lost, nothing was changed"
                )

    async def _check_destination(
        self,
        ledger: Mapping[str, IngesterLedger],
        there: Mapping[str, IngesterLedger],
        wanted: Mapping[Day, int],
        found: Mapping[Day, int],
    ) -> bool:
        """Whether the destination was begun before.

        Raises:
            Refused: it is neither empty nor this move's.
        """
        if self._ingester not in there:
            library, _ = await _library(self._destination)
            if there or found or library or await self._destination.dead_letters(state=None, limit=1):
                other = any(name.startswith(MOVE) for name in there)
                what = "another source was moved into it" if other else "it is in use"
                raise Refused(f"the destination is not empty ({what}): name an empty one, nothing was changed")
            return False
        foreign = without_moves(there).keys() - ledger.keys()
        extra = {day: count for day, count in found.items() if count > wanted.get(day, 0)}
        if is_unfinished(there) and (foreign or extra):
            why = f"blocks of {len(foreign)} other ingesters" if foreign else _shown(extra)
            message = f"the half-filled destination has what the source has not ({why}): empty it, and start again"
            raise Refused(message)
        return True

    # --- carrying -------------------------------------------------------------------------------------------------

    async def _carry_all(
        self, ledger: Mapping[str, IngesterLedger], wanted: Mapping[Day, int], found: Mapping[Day, int]
    ) -> None:
        await self._store([])  # from now on the destination is this move's
        await self._destination.library.replace_all(*await _library(self._source))
        open_days = sorted({day for (site, day), count in wanted.items() if found.get((site, day)) != count})
        per_day: Counter[int] = Counter()
        for (_, day), count in wanted.items():
            per_day[day] += count
        self._done = self._total - sum(per_day[day] for day in open_days)
        for first, end in steps([(day, per_day[day]) for day in open_days]):
            await self._carry_span(first, end)
        if await self._source.ledger() != ledger or await _days(self._source) != wanted:
            raise Refused(
                "the source was written during the move: stop its workers and run the same command again, it goes on"
            )
        stored = await _days(self._destination)
        if stored != wanted:
            unlike = {
                day: stored.get(day, 0) for day in wanted.keys() | stored.keys() if stored.get(day) != wanted.get(day)
            }
            raise Refused(
                f"the destination has other events than the source ({_shown(unlike)}): was one of them written "
                "meanwhile? Nothing is lost; run the same command again"
            )
        self._tell("carrying persons, dead letters and the ledger", self._total, self._total)
        await self._destination.replace_carried(self._everything_else())

    async def _carry_span(self, first: int, end: int) -> None:
        """Carry the events of some whole days."""
        query = EventsQuery(site_id=None, since=instant_of(first), until=instant_of(end), bots="include")
        size = max(1, min(BATCH_BYTES, self._destination.write_bytes))
        waiting: list[bytes] = []
        held = 0
        async with contextlib.aclosing(self._source.export(query)) as pieces:
            async for piece in pieces:
                waiting += split_lines(piece)
                held += len(piece)
                if held >= size:
                    await self._store(waiting)
                    waiting, held = [], 0
        if waiting:
            await self._store(waiting)

    async def _store(self, lines: Sequence[bytes]) -> None:
        """Store lines. An id that stands among them twice, under two times, would be a duplicate within a batch."""
        left = lines
        while True:
            left = await self._store_each_once(left)
            if not left:
                return

    async def _store_each_once(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """Store the first line of each id; returns the other lines."""
        chosen, others = await asyncio.to_thread(_first_of_each, lines)
        block = await asyncio.to_thread(make_block, self._ingester, self._seq, b"".join(chosen), len(chosen))
        self._seq += 1
        try:
            report = await self._destination.write([block])
        except DataRejected as error:
            raise DataRejected(f"the destination cannot take an event that the source has: {error.message}") from error
        self._carried += sum(entry.stored for entry in report.entries)
        self._done += len(chosen)
        self._tell("carrying events", min(self._done, self._total), self._total)
        return others

    async def _everything_else(self) -> AsyncIterator[tuple[Kind, Sequence[Row]]]:
        for kind in COLUMNS:
            async with contextlib.aclosing(self._source.carried(kind)) as pieces:
                async for rows in pieces:
                    yield kind, rows
        yield "compacted", [ended_move(self._ingester)]

    # --- comparing ------------------------------------------------------------------------------------------------

    async def _compare(self) -> tuple[list[Compared], list[Difference]]:
        """What both sides have, and what differs."""
        self._tell("comparing both stores", self._total, self._total)
        ours, theirs = await _sides(self._source), await _sides(self._destination)
        compared, differences = [], []
        for name, (count, content) in ours.items():
            other, other_content = theirs[name]
            equal = content == other_content
            compared.append(Compared(name, count, other, equal))
            if not equal:
                differences.append(Difference(name, f"the source has {count}, the destination {other}, not the same"))
        self._tell("verifying the destination", self._total, self._total)
        return compared, [*differences, *await self._destination.verify()]


def _first_of_each(lines: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The first line of each event id, and the other lines."""
    if len({line[ID_AT] for line in lines}) == len(lines):
        return list(lines), []
    seen: set[bytes] = set()
    chosen: list[bytes] = []
    others: list[bytes] = []
    for line in lines:
        (others if line[ID_AT] in seen else chosen).append(line)
        seen.add(line[ID_AT])
    return chosen, others


async def _days(store: Store) -> dict[Day, int]:
    return {(found.site_id, found.day): found.events for found in await store.day_events()}


def _shown(days: Mapping[Day, int]) -> str:
    named = sorted((day, site) for site, day in days)[:SHOWN_DAYS]
    words = ", ".join(f"{site} {instant_of(day):%Y-%m-%d}" for day, site in named)
    return words + (f" and {len(days) - SHOWN_DAYS} more days" if len(days) > SHOWN_DAYS else "")


async def _library(store: Store) -> tuple[list[Document], list[Share]]:
    """All reports, boards and share links."""
    documents = [document for kind in LIMITS for document in await store.library.documents(kind)]
    boards = [document.id for document in documents if document.kind == "board"]
    return documents, [share for board in boards for share in await store.library.shares(board)]


async def _letters(store: Store) -> list[StoredDeadLetter]:
    """All dead letters, without their ids: each store numbers them by itself, in their order."""
    letters: list[StoredDeadLetter] = []
    while page := await store.dead_letters(state=None, limit=1000, after=letters[-1].id if letters else 0):
        letters += page
    return letters


async def _sides(store: Store) -> dict[str, tuple[int, object]]:
    """What a store has: for each kind of thing how many there are, and what has to be equal."""
    days = await _days(store)
    ledger = without_moves(await store.ledger())
    documents, shares = await _library(store)
    letters = [msgspec.structs.replace(letter, id=0) for letter in await _letters(store)]
    found: dict[str, tuple[int, object]] = {
        "events by site and day": (sum(days.values()), days),
        "ledger: events of all blocks": (sum(entry.count for entry in ledger.values()), ledger),
        "dead letters": (len(letters), letters),
        "reports and boards": (len(documents), sorted(documents, key=lambda one: (one.kind, one.id))),
        "share links": (len(shares), sorted(shares, key=lambda one: one.id)),
    }
    names: dict[Kind, str] = {
        "identities": "joined ids",
        "splits": "split ids",
        "purges": "purges",
        "removals": "removed imports, persons",
        "retention_rules": "retention rules",
        "kept_rollup": "kept rollups of events",
        "kept_days": "kept rollups of users",
        "tombstones": "erased ids",
        "erasures": "receipts of erasures",
        "erasure_keys": "key of erased ids",
    }
    for kind, name in names.items():
        count, digest = 0, 0
        async with contextlib.aclosing(store.carried(kind)) as pieces:
            async for rows in pieces:
                count += len(rows)
                for row in rows:
                    digest ^= int.from_bytes(hashlib.sha256(repr(tuple(row)).encode()).digest()[:16])
        found[name] = (count, (count, digest))
    return found
