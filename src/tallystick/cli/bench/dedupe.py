"""`tallystick bench dedupe`: times one transaction of the store while its table grows."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from rich.console import Console

from tallystick.cli.bench.events import DAY_US, uniform_blocks
from tallystick.cli.bench.report import DedupeFigures, Report, machine
from tallystick.config import Settings
from tallystick.harness.server import ServerFailed
from tallystick.model.block import Block
from tallystick.store import Store, make_store

BATCHES = (1_000, 10_000, 50_000)
RUNS = 7
HISTORY_DAYS = 60
BACKFILL_DAYS = 40
"""The table's events are spread over HISTORY_DAYS; a backfill's happened on one day, BACKFILL_DAYS ago."""

FILL_BATCH = 50_000


class Filler:
    """Makes blocks that are numbered in order, as those of one ingester."""

    def __init__(self) -> None:
        self._ingester = uuid4().hex[:16]
        self._seq = 0

    def blocks(self, events: int, start_us: int, end_us: int, now_us: int | None = None) -> list[Block]:
        """Blocks of events with new ids that happened between the two instants."""
        made = uniform_blocks(self._ingester, self._seq, events, start_us, end_us, now_us)
        self._seq += len(made)
        return made

    def again(self, blocks: Sequence[Block]) -> list[Block]:
        """The same events as after a client's retry: in blocks that the ledger does not know."""
        made = []
        for block in blocks:
            made.append(Block(self._ingester, self._seq, block.count, block.payload, block.requests))
            self._seq += 1
        return made


def measure_dedupe(
    console: Console, folder: Path, rows: Sequence[int], store_url: str = "", *, recent: bool = False
) -> Report:
    """Times `store.write` of batches of every size and kind, at each of the table sizes `rows`.

    Args:
        store_url: empty: DuckDB in `folder`.
        recent: the table's events arrived just now, so that all of them are within the dedupe window; else each arrived
            a second after it happened.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = Report(machine(folder), store=urlsplit(store_url).scheme or "duckdb")
    settings = Settings(data=folder, queue_url="", store_url=store_url)
    asyncio.run(_measure(console, settings, sorted(rows), report, recent))
    return report


async def _measure(console: Console, settings: Settings, levels: Sequence[int], report: Report, recent: bool) -> None:
    filler, rows = Filler(), 0
    for level in levels:
        console.print(f"Filling up to {level:,} rows …")
        async with _opened(settings) as store:
            rows += await _fill(store, filler, level - rows, recent)
        # Opened again, as if most rows had been stored long ago: the store fills its memory of recent events from their
        # times of arrival.
        async with _opened(settings) as store:
            rows += await _fill(store, filler, 1_000, recent)
            for batch in BATCHES:
                for kind, age in (("fresh", 0), ("backfill", BACKFILL_DAYS)):
                    figures, sent = await _times(store, filler, rows, batch, kind, age)
                    report.dedupe.append(figures)
                    rows += batch * RUNS
                    if kind == "fresh":
                        report.dedupe.append(await _times_again(store, filler, rows, batch, sent))


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Store]:
    store = make_store(settings)
    await store.open()
    try:
        await store.migrate()
        yield store
    finally:
        await store.close()


async def _fill(store: Store, filler: Filler, events: int, recent: bool) -> int:
    """Store `events` that happened one after the other during the last HISTORY_DAYS, up to a minute ago."""
    arrived = _now() if recent else None
    start = _now() - HISTORY_DAYS * DAY_US
    width = (HISTORY_DAYS * DAY_US - 60_000_000) * FILL_BATCH // max(events, 1)
    stored = 0
    while stored < events:
        count = min(FILL_BATCH, events - stored)
        await store.write(filler.blocks(count, start, start + max(width * count // FILL_BATCH, 1), arrived))
        start, stored = start + width, stored + count
    return stored


async def _times(
    store: Store, filler: Filler, rows: int, batch: int, kind: str, age: int
) -> tuple[DedupeFigures, list[list[Block]]]:
    """RUNS batches of new events that happened `age` days ago, within a minute (a backfill: within a day)."""
    end = _now() - age * DAY_US
    width = DAY_US if age else 60_000_000
    sent = [filler.blocks(batch, end - width, end, _now()) for _ in range(RUNS)]
    return _figures(rows, batch, kind, [await _timed(store, blocks, stored=batch) for blocks in sent]), sent


async def _times_again(
    store: Store, filler: Filler, rows: int, batch: int, sent: Sequence[Sequence[Block]]
) -> DedupeFigures:
    """The same events again, all of which the store has to recognize."""
    times = [await _timed(store, filler.again(blocks), stored=0) for blocks in sent]
    return _figures(rows, batch, "resent", times)


async def _timed(store: Store, blocks: Sequence[Block], stored: int) -> float:
    """Milliseconds of one transaction. Raises ServerFailed when it did not store `stored` events."""
    began = time.perf_counter()
    report = await store.write(blocks)
    took = (time.perf_counter() - began) * 1_000
    if (found := sum(entry.stored for entry in report.entries)) != stored:
        raise ServerFailed(f"the store took {found} events as new, {stored} were")
    return took


def _figures(rows: int, batch: int, kind: str, times: Sequence[float]) -> DedupeFigures:
    return DedupeFigures(rows, batch, kind, len(times), statistics.median(times), min(times), max(times))


def _now() -> int:
    return time.time_ns() // 1_000
