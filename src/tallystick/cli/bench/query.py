"""`tallystick bench query`: measures how fast a server answers queries about thirty days of a busy site."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tallystick.cli.bench.background_load import SteadyLoad
from tallystick.cli.bench.events import BLOCK_EVENTS, DAILY_USERS, DAY_US, day_blocks
from tallystick.cli.bench.query_list import DAYS, TimedQuery, instant, timed_queries
from tallystick.cli.bench.report import FillFigures, QueryFigures, Report, machine
from tallystick.cli.bench.size import store_bytes
from tallystick.config import Settings, split_url
from tallystick.harness.neighbours import Neighbours, difference, on_this_machine, rest
from tallystick.harness.server import START_TIMEOUT, Api, ServerFailed, ServerProcess
from tallystick.model.block import Block
from tallystick.model.query import MetricsQuery
from tallystick.store import Store, is_embedded, make_store

MARKER = "bench-history.json"
"""A file beside a history that says how many events it has and when it starts, so that it can be used again."""
FORMAT = 2
"""Version of the history: 2 has visits that begin with a page view and know where they came from."""

RUNS = 7
ENOUGH_SECONDS = 20.0
"""A query is not repeated once its runs have taken this long in total and one of them is counted."""
DEADLINE = 60
"""Seconds of the query timeout, twice the default. A query that takes longer gets this as its figure."""
PATIENCE = 3_600.0
"""Seconds that a transaction may take while the history is made: no caller waits for it."""
SAY_SECONDS = 15.0
"""Seconds between two lines about the progress of a long step, where there is no terminal."""
SETTLING = {"clickhouse": 65.0, "clickhouses": 65.0}
"""By the scheme of a store's URL: seconds from a day's last change until housekeeping builds what it builds of it. A
real history is older."""
LOAD = 5_000
"""Events per second of the load under which the analyses run again."""


class History(msgspec.Struct, frozen=True):
    """What a folder holds: `events` events of DAYS days, from `first_day` on (00:00 UTC, microseconds since 1970)."""

    events: int
    first_day: int
    format: int = 1


def measure_queries(
    console: Console, data: Path, events: int, store_url: str = "", load: int = LOAD, runs: int = RUNS
) -> Report:
    """Fill the store (empty URL: DuckDB in `data`) with `events` events, start a server on it and time queries.

    A marker file in `data` lets the next run use the filled store.

    Args:
        load: events per second of a load under which the analyses run again; 0: no such run. These events stay in
            the store, after the days that are queried.
        runs: how often a query is timed, after one run that is not.

    Raises:
        ServerFailed: the server does not start or answer, or the store has something else in it.
    """
    data.mkdir(parents=True, exist_ok=True)
    history, filling = _filled(console, data, events, store_url)
    store = split_url(store_url).scheme or "duckdb"
    report = Report(machine(data), query_events=history.events, store=store, fill=filling)
    settings = {"TALLYSTICK_STORE_URL": store_url, "TALLYSTICK_QUERY_TIMEOUT": str(DEADLINE)}
    with ServerProcess(data, settings) as process:
        with closing(Api(process.url, timeout=2 * DEADLINE)) as api:
            _wait_for_store(api)
            if (found := _count(api, history)) != history.events:
                raise ServerFailed(f"the history has {history.events} events, a query finds {found}")
            queries = timed_queries(history.first_day, _a_user(api, history), store)
            report.query = _measure_all(console, api, queries, 1, runs)
            analyses = [query for query in queries if query.section == "analyses"]
            if load:
                with SteadyLoad(process.url, load) as steady:
                    report.query_loaded = _measure_all(console, api, analyses, 2, runs)
                report.query_load = steady.per_second
        report.query_peak_bytes = process.resident_peak()
        process.stop()
    return report


def fill(console: Console, data: Path, events: int, store_url: str) -> datetime:
    """Fill the store, unless a marker in `data` says that it is filled. Returns the first day of its history."""
    history, _ = _filled(console, data, events, store_url)
    return datetime.fromtimestamp(history.first_day / 1_000_000, UTC)


def _filled(console: Console, data: Path, events: int, store_url: str) -> tuple[History, list[FillFigures]]:
    """The history, and what it cost to store it; nothing of one that was there."""
    marker = data / MARKER
    if marker.exists():
        kept = msgspec.json.decode(marker.read_bytes(), type=History)
        if kept.format != FORMAT:
            raise ServerFailed(f"{data} has a history of an older version of this command; remove it, or name another")
        return kept, []
    if any(data.iterdir()):
        raise ServerFailed(f"{data} is not empty; give an empty folder, or one that this command filled")
    history = History(events, (time.time_ns() // 1_000 // DAY_US - DAYS) * DAY_US, FORMAT)
    settings = Settings(data=data, queue_url="", store_url=store_url, store_write_timeout=PATIENCE)
    server = Neighbours(on_this_machine(store_url))
    began, own, others = time.perf_counter(), time.process_time(), server.cpu_seconds()

    def spent() -> float:
        return time.process_time() - own + (difference(server.cpu_seconds(), others) or 0.0)

    filled = asyncio.run(_fill(console, settings, history, spent))
    seconds, cpu_seconds = time.perf_counter() - began - filled.idle, time.process_time() - own
    rest([server])
    filling = FillFigures(
        events=history.events,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        server_cpu_seconds=difference(server.cpu_seconds(), others),
        disk_bytes=asyncio.run(store_bytes(settings)),
        stored_cpu_seconds=filled.stored_cpu,
    )
    marker.write_bytes(msgspec.json.encode(history))
    return history, [filling]


class Filled(NamedTuple):
    """How a history was stored.

    Attributes:
        idle: seconds in which nothing was done, until housekeeping went on.
        stored_cpu: processor seconds when the last event was stored.
    """

    idle: float
    stored_cpu: float


async def _fill(console: Console, settings: Settings, history: History, spent: Callable[[], float]) -> Filled:
    """Store the history and keep house.

    Args:
        spent: processor seconds so far, of this process and of the store's server.
    """
    store = make_store(settings)
    await store.open()
    try:
        await store.migrate()
        if (await store.run(MetricsQuery())).rows[0]["events"]:
            raise ServerFailed("the store already has events; give an empty one")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        stored, log = 0, ProgressLog(console)
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("Storing events", total=history.events)
            writers = asyncio.Semaphore(1 if is_embedded(settings) else settings.store_write_connections)
            async with asyncio.TaskGroup() as writing:

                async def write(batch: list[Block]) -> None:
                    nonlocal stored
                    try:
                        await store.write(batch)
                    finally:
                        writers.release()
                    events = sum(block.count for block in batch)
                    stored += events
                    progress.advance(task, events)
                    log.say(f"Storing events: {stored:,} of {history.events:,}")

                for day in _days(history):
                    for batch in _batches(await asyncio.wrap_future(day), settings.batch_max_events):
                        await writers.acquire()
                        writing.create_task(write(batch))
        stored_cpu = spent()
        idle = await _keep_house(console, store, SETTLING.get(split_url(settings.store_url).scheme, 0.0))
        return Filled(idle, stored_cpu)
    finally:
        await store.close()


async def _keep_house(console: Console, store: Store, settling: float) -> float:
    """Do all housekeeping, however long it takes: what the store builds ahead of queries, rollups.

    Args:
        settling: it is done when there is nothing to do after a pause of so many seconds; 0: without one.

    Returns:
        How many seconds the pauses took.
    """
    log, steps, idle = ProgressLog(console), 0, 0.0
    with Progress(TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("Housekeeping")
        while True:
            before = steps
            while await store.maintain():
                steps += 1
                progress.update(task, description=f"Housekeeping: {steps:,} steps done")
                log.say(f"Housekeeping: {steps:,} steps done")
            if not settling or (idle and steps == before):
                return idle
            await asyncio.sleep(settling)
            idle += settling


class ProgressLog:
    """Prints a line every SAY_SECONDS where there is no terminal, on which a progress bar moves."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = time.monotonic() + SAY_SECONDS

    def say(self, line: str) -> None:
        """Print the line, if it is time for one."""
        if not self._console.is_terminal and time.monotonic() >= self._next:
            self._console.print(line)
            self._next = time.monotonic() + SAY_SECONDS


def _days(history: History) -> Iterator[Future[list[Block]]]:
    """The blocks of each day. Another process makes the next day while this process stores one."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as maker:
        waiting: list[Future[list[Block]]] = []
        ingester, seq = uuid4().hex[:16], 0
        for day in range(DAYS):
            count = history.events // DAYS + (day < history.events % DAYS)
            users = min(DAILY_USERS, max(1, count // 10))
            waiting.append(maker.submit(day_blocks, ingester, seq, history.first_day + day * DAY_US, count, users))
            seq += -(-count // BLOCK_EVENTS)
            if len(waiting) > 2:
                yield waiting.pop(0)
        yield from waiting


def _batches(blocks: list[Block], events: int) -> Iterator[list[Block]]:
    """The blocks in batches, as large as those that the worker stores in one transaction."""
    batch: list[Block] = []
    for block in blocks:
        if batch and sum(b.count for b in batch) + block.count > events:
            yield batch
            batch = []
        batch.append(block)
    if batch:
        yield batch


def _a_user(api: Api, history: History) -> str:
    """The user with the most events on the last day, whose timeline is not empty."""
    end = instant(history.first_day + DAYS * DAY_US)
    since = instant(history.first_day + (DAYS - 1) * DAY_US)
    answer = api.query(kind="metrics", breakdown=["user_id"], top=1, since=since, until=end)
    return str(answer["rows"][0]["user_id"])


def _wait_for_store(api: Api) -> None:
    """Wait until the store is open: with a store on a server, the process answers earlier. Raises ServerFailed."""
    end = time.monotonic() + START_TIMEOUT
    while api.ask("POST", "/v1/query", {"kind": "events", "limit": 1})[0] == 503:
        if time.monotonic() > end:
            raise ServerFailed(f"the store is not open after {START_TIMEOUT:.0f} s")
        time.sleep(0.05)


def _count(api: Api, history: History) -> int:
    """Events of the history's days that a query finds."""
    end = instant(history.first_day + DAYS * DAY_US)
    return int(api.query(kind="metrics", since=instant(history.first_day), until=end)["rows"][0]["events"])


def _measure_all(
    console: Console, api: Api, queries: Sequence[TimedQuery], slack: float, runs: int
) -> list[QueryFigures]:
    """The figures of these queries. Targets are multiplied by `slack`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    figures = []
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Querying", total=len(queries))
        for query in queries:
            progress.update(task, description=f"Querying: {query.name}")
            figures.append(_measured(api, query, slack, runs))
            progress.advance(task)
    return figures


def _measured(api: Api, query: TimedQuery, slack: float, runs: int) -> QueryFigures:
    target = None if query.target_ms is None else query.target_ms * slack
    times: list[float] = []
    while len(times) <= runs and (len(times) < 2 or sum(times) < ENOUGH_SECONDS * 1_000):
        began = time.perf_counter()
        status, body = api.ask("POST", "/v1/query", query.body)
        times.append((time.perf_counter() - began) * 1_000)
        if status == 504:
            whole = DEADLINE * 1_000.0
            return QueryFigures(query.name, 0, 0, False, whole, whole, whole, target, query.section)
        if status != 200:
            raise ServerFailed(f"{query.name}: the answer is {status}: {body[:200]!r}")
        answer = msgspec.json.decode(body)
        if not answer["rows"]:
            raise ServerFailed(f"{query.name}: the answer is empty")
    counted = times[1:]  # the first run reads the file's pages into memory, so it is not counted
    return QueryFigures(
        question=query.name,
        runs=len(counted),
        rows=len(answer["rows"]),
        from_rollup=answer["from_rollup"],
        median_ms=statistics.median(counted),
        min_ms=min(counted),
        max_ms=max(counted),
        target_ms=target,
        section=query.section,
    )
