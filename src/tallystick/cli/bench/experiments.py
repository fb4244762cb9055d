"""`tallystick bench experiments`: three comparisons that EventFlux's authors made for their design, made for this one.

A table partitioned by day against a flat one, COPY against INSERT, and a queue against direct writes into the store.
All run on one PostgreSQL database that has nothing else in it.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from tallystick.cli.bench.events import bodies
from tallystick.cli.bench.load_client import closed_loop, paced, wrap
from tallystick.cli.bench.query import fill
from tallystick.cli.bench.report import ExperimentFigures, Report, machine
from tallystick.config import Settings
from tallystick.harness.server import TALLYSTICK, ServerProcess
from tallystick.model.sql import load_statements
from tallystick.store.postgres.connection import Connection, Pool

SQL = load_statements("tallystick.cli.bench", "experiments.sql")
DIRECT = (sys.executable, "-c", "from tallystick.cli.bench.direct_server import main; main()")
DAYS = 30
RUNS = 5
ROWS = 5_000
"""Rows that are inserted one by one."""
COPIED = 100_000
"""Rows of one COPY."""
STATEMENT_SECONDS = 600.0
REQUESTS = 20_000
CONNECTIONS = 64
PACED_RATE = 300.0
PACED_SECONDS = 10


def measure_experiments(console: Console, folder: Path, store_url: str, events: int) -> Report:
    """Run all three. The database is filled with `events` events of 30 days, unless an earlier run filled it."""
    folder.mkdir(parents=True, exist_ok=True)
    report = Report(machine(folder), store="postgresql")
    settings = Settings(data=folder, queue_url="", store_url=store_url)
    first_day = fill(console, folder, events, store_url)
    asyncio.run(_tables(console, settings, first_day, report))
    for way, command in (("through the queue", TALLYSTICK), ("straight into the store", DIRECT)):
        console.print(f"Single events, {way} …")
        _requests(report, folder, store_url, way, command)
    return report


# --- tables ---------------------------------------------------------------------------------------------------------


async def _tables(console: Console, settings: Settings, first_day: datetime, report: Report) -> None:
    async def nothing(_: Connection) -> None:
        pass

    pool = Pool(settings, 1, {}, nothing, STATEMENT_SECONDS)
    await pool.open()
    try:
        async with pool.acquire() as db:
            await db.execute(SQL["start"])
            await _partitions(console, db, first_day, report)
            console.print("Rows one by one, and by COPY …")
            await _rows(db, report)
            await db.execute(SQL["end"])
    finally:
        await pool.close()


async def _partitions(console: Console, db: Connection, first_day: datetime, report: Report) -> None:
    await db.execute(SQL["flat"])
    await db.execute(SQL["partitioned"])
    for n in range(DAYS):
        day = first_day + timedelta(days=n)
        edges = {"first": day.isoformat(), "end": (day + timedelta(days=1)).isoformat()}
        await db.execute(SQL["partition"].format(n=n, **edges))
    total = await db.fetchval("SELECT count(*) FROM events")
    noon = first_day + timedelta(days=DAYS // 2, hours=12)
    site = await db.fetchval("SELECT site_id FROM events LIMIT 1")
    for table in ("flat", "partitioned"):
        console.print(f"The {table} table …")

        def note(what: str, value: float, unit: str, way: str = f"{table} table") -> None:
            report.experiments.append(ExperimentFigures("partitions", way, what, value, unit))

        seconds = await _seconds(db.execute(SQL["copy_rows"].format(table=table)))
        note("inserting all rows, in order", total / seconds, "events/s")
        await db.execute(SQL["settle"].format(table=table))
        for what, statement, args in (
            ("one site's hour by name", "hour", (site, noon)),
            ("top paths of a day", "day_paths", (noon,)),
        ):
            sql = SQL[statement].format(table=table)
            times = [await _seconds(db.fetch(sql, *args)) for _ in range(RUNS)]
            note(what, statistics.median(times) * 1000, "ms")
        removal = db.execute(SQL["delete_day"], first_day) if table == "flat" else db.execute(SQL["drop_day"])
        note("removing the oldest day", await _seconds(removal) * 1000, "ms")


async def _rows(db: Any, report: Report) -> None:
    def note(way: str, rows: int, seconds: float) -> None:
        report.experiments.append(ExperimentFigures("copy", way, "storing events", rows / seconds, "events/s"))

    few = await db.fetch(SQL["some_rows"], ROWS)
    many = [tuple(row) for row in await db.fetch(SQL["some_rows"], COPIED)]
    await db.execute(SQL["empty"])

    async def one_by_one() -> None:
        for row in few:
            await db.execute(SQL["insert_row"], *row)

    async def by_thousands() -> None:
        for start in range(0, len(few), 1_000):
            await db.executemany(SQL["insert_row"], few[start : start + 1_000])

    note("INSERT, each row committed", len(few), await _seconds(one_by_one()))
    await db.execute(SQL["empty"])
    note("INSERT, 1,000 rows a transaction", len(few), await _seconds(by_thousands()))
    await db.execute(SQL["empty"])
    copy = db.copy_records_to_table("flat", schema_name="tallystick_experiment", records=many)
    note("COPY", len(many), await _seconds(copy))


async def _seconds(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


# --- the queue ------------------------------------------------------------------------------------------------------


def _requests(report: Report, folder: Path, store_url: str, way: str, command: Sequence[str]) -> None:
    """Send single events to a server, first as fast as it accepts them, then at a fixed rate. Its queue is embedded."""
    settings = {"TALLYSTICK_STORE_URL": store_url}
    data = folder / "server"
    with ServerProcess(data, settings, command) as server:

        def requests(events: int) -> list[bytes]:
            return wrap(server.url, bodies(events, 1, time.time_ns() // 1_000))

        uvloop.run(closed_loop(server.url, requests(500), CONNECTIONS))
        tally = uvloop.run(closed_loop(server.url, requests(REQUESTS), CONNECTIONS))
        slow = uvloop.run(paced(server.url, requests(int(PACED_RATE * PACED_SECONDS)), PACED_RATE, CONNECTIONS))
        for what, value, unit in (
            (f"accepting single events, {CONNECTIONS} connections", tally.requests / tally.seconds, "requests/s"),
            ("acknowledgement p50 under that load", tally.milliseconds(50), "ms"),
            ("acknowledgement p99 under that load", tally.milliseconds(99), "ms"),
            (f"acknowledgement p50 at {PACED_RATE:.0f} requests/s", slow.milliseconds(50), "ms"),
            (f"acknowledgement p99 at {PACED_RATE:.0f} requests/s", slow.milliseconds(99), "ms"),
        ):
            report.experiments.append(ExperimentFigures("queue", way, what, value, unit))
        server.stop()
