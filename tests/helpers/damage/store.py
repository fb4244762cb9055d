"""A store with known content, ways to damage its files, and what is in one: steps of test_flips_store."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from tallystick.config import MIB, Settings
from tallystick.model.books import IngesterLedger
from tallystick.model.query import EventsQuery, Metric, MetricsQuery
from tallystick.store import DeadLetter
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.library import Document
from tests.helpers.samples import INGESTER, NOON, block_of, sample_event

BLOCKS, IN_A_BLOCK = 9, 700
COLUMNS = "event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties"
ROLLUP = "SELECT site_id, bucket, name, source, sum(events) FROM rollup GROUP BY ALL ORDER BY ALL"
RAW = (
    "SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), name, source, count(*) FROM events "
    "GROUP BY ALL ORDER BY ALL"
)
Damage = Callable[[Path, random.Random], None]


def settings_in(folder: Path) -> Settings:
    return Settings(data=folder, disk_reserve_bytes=0, store_memory=128 * MIB)


@dataclass(frozen=True)
class Content:
    """All that is looked at."""

    events: frozenset[tuple[Any, ...]]
    rollup: list[tuple[Any, ...]]
    answers: list[dict[str, Any]]
    ledger: dict[str, IngesterLedger]
    letters: list[bytes]
    reports: list[str]


async def make(folder: Path) -> None:
    """Several checkpoints, a session index, filled columns, a report, a dead letter; and a log that a crash leaves."""
    live = folder.with_name("live")
    store = DuckDBStore(settings_in(live))
    await store.open()
    for seq in range(BLOCKS):
        events = []
        for number in range(seq * IN_A_BLOCK, (seq + 1) * IN_A_BLOCK):
            event = sample_event(number, timestamp=NOON + timedelta(minutes=number % 5_000))
            event.session_id, event.path = f"session-{number // 5}", f"/page/{number % 40}"
            event.properties = msgspec.Raw(b'{"plan":"p%d","text":"%x"}' % (number % 3, hash((number, 1)) % 2**60))
            events.append(event)
        letters = [DeadLetter(INGESTER, seq, 5, b"a bad line\n", "data_rejected", "bad")] if seq in (2, 8) else []
        await store.write([block_of(seq, events)], letters)
        if seq in (2, 4, 6):
            while seq == 4 and await store.maintain():
                pass
            await store._in(store._writing, store._writer.execute, "CHECKPOINT tallystick")
        if seq == 4:
            await store.library.add(Document("report", "sales", None, {}, NOON, NOON))
    shutil.copytree(live, folder, ignore=shutil.ignore_patterns("*.spool"))
    await store.close()


async def content(store: DuckDBStore) -> Content:
    """Everything that the store says, every block of it that counts read."""
    exported = 0
    async for chunk in store.export(EventsQuery(site_id=None)):
        exported += chunk.count(b"\n")
    metrics = [Metric(kind="events"), Metric(kind="users"), Metric(kind="sessions")]
    answers = (await store.run(MetricsQuery(site_id=None, metrics=metrics))).rows
    answers += (await store.run(MetricsQuery(site_id=None, metrics=metrics[:1], breakdown=["properties.plan"]))).rows
    letters = [stored.letter.original for stored in await store.dead_letters()]
    reports = [found.id for found in await store.library.documents("report")]
    ledger = dict(await store.ledger())
    events = frozenset(await store._read_admin(lambda db: db.execute(f"SELECT {COLUMNS} FROM events").fetchall()))
    assert exported == len(events)
    rollup = await store._read_admin(lambda db: db.execute(ROLLUP).fetchall())
    assert rollup == await store._read_admin(lambda db: db.execute(RAW).fetchall())
    return Content(events, rollup, answers, ledger, letters, reports)


# --- ways to damage a file ------------------------------------------------------------------------------------------


def _flip(name: str, first: int = 0, end: int | None = None) -> Damage:
    def damage(folder: Path, dice: random.Random) -> None:
        data = bytearray((folder / name).read_bytes())
        data[dice.randrange(first, end or len(data))] ^= 1 << dice.randrange(8)
        (folder / name).write_bytes(data)

    return damage


def _cut(name: str) -> Damage:
    def damage(folder: Path, dice: random.Random) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: dice.randrange(len(data))])

    return damage


def _zero(name: str) -> Damage:
    def damage(folder: Path, dice: random.Random) -> None:
        data = bytearray((folder / name).read_bytes())
        start = dice.randrange(0, len(data), 4_096)
        data[start : start + 4_096] = bytes(min(4_096, len(data) - start))
        (folder / name).write_bytes(data)

    return damage


FILE, LOG = "store.duckdb", "store.duckdb.wal"
DAMAGES: dict[str, Damage] = {
    "flip in the file": _flip(FILE),
    "flip in the file's headers": _flip(FILE, 0, 3 * 4_096),
    "file cut": _cut(FILE),
    "4 KiB of the file zeroed": _zero(FILE),
    "flip in the log": _flip(LOG),
    "flip in the log's header": _flip(LOG, 0, 40),
    "log cut": _cut(LOG),
    "4 KiB of the log zeroed": _zero(LOG),
}
