"""`runnel bench query`: how fast a server answers questions about thirty days of a busy site."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from runnel.cli.bench_data import BLOCK_EVENTS, DAILY_USERS, DAY_US, day_blocks
from runnel.cli.bench_report import QueryFigures, Report, machine
from runnel.cli.bench_server import Api, ServerFailed, ServerProcess
from runnel.config import Settings
from runnel.model.block import Block
from runnel.model.query import MetricsQuery
from runnel.store import make_store

DAYS = 30
MARKER = "bench-history.json"
"""File beside a made history that says how many events it has and where it starts, so that it can be used again."""

RUNS = 7
SERIES_MS = 300.0
ROLLUP_MS = 10.0
"""Targets in milliseconds of round trip: questions that look at events, questions that the rollup answers."""


class History(msgspec.Struct, frozen=True):
    """What a folder was filled with: `events` of DAYS days from `first_day` on (00:00 UTC, microseconds since 1970)."""

    events: int
    first_day: int


class Question(NamedTuple):
    """A question with a name and, where one is set, the milliseconds it has to stay below."""

    name: str
    ask: dict[str, Any]
    target_ms: float | None


def measure_queries(console: Console, data: Path, events: int, store_url: str = "") -> Report:
    """Fill the store (empty URL: DuckDB in `data`) with `events`, start a server on it and ask. Raises ServerFailed.

    A marker in `data` says that this has been done, for the next time.
    """
    data.mkdir(parents=True, exist_ok=True)
    history = _filled(console, data, events, store_url)
    report = Report(machine(data), query_events=history.events, store=urlsplit(store_url).scheme or "duckdb")
    with ServerProcess(data, {"RUNNEL_STORE_URL": store_url}) as process:
        with closing(process.api()) as api:
            if (found := api.count()) != history.events:
                raise ServerFailed(f"the history has {history.events} events, a query finds {found}")
            for question in _questions(history, _a_user(api, history)):
                report.query.append(_measured(api, question))
        process.stop()
    return report


def fill(console: Console, data: Path, events: int, store_url: str) -> datetime:
    """Fill the store unless `data` says that it is filled; the first day of its history."""
    history = _filled(console, data, events, store_url)
    return datetime.fromtimestamp(history.first_day / 1_000_000, UTC)


def _filled(console: Console, data: Path, events: int, store_url: str) -> History:
    marker = data / MARKER
    if marker.exists():
        return msgspec.json.decode(marker.read_bytes(), type=History)
    if any(data.iterdir()):
        raise ServerFailed(f"{data} has something else in it; give an empty folder, or one that this command filled")
    history = History(events, (time.time_ns() // 1_000 // DAY_US - DAYS) * DAY_US)
    asyncio.run(_fill(console, Settings(data=data, queue_url="", store_url=store_url), history))
    marker.write_bytes(msgspec.json.encode(history))
    return history


async def _fill(console: Console, settings: Settings, history: History) -> None:
    store = make_store(settings)
    await store.open()
    try:
        await store.migrate()
        if (await store.run(MetricsQuery())).rows[0]["events"]:
            raise ServerFailed("the store has events already; give an empty one")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("Storing events", total=history.events)
            for day in _days(history):
                for batch in _batches(await asyncio.wrap_future(day), Settings().batch_max_events):
                    await store.write(batch)
                    progress.advance(task, sum(block.count for block in batch))
        console.print("Housekeeping: rollups, property columns …")
        while await store.maintain():
            pass
    finally:
        await store.close()


def _days(history: History) -> Iterator[Future[list[Block]]]:
    """Every day's blocks; another process makes the next day while this one's is stored."""
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
    """The blocks, as many together as the worker takes in one transaction."""
    batch: list[Block] = []
    for block in blocks:
        if batch and sum(b.count for b in batch) + block.count > events:
            yield batch
            batch = []
        batch.append(block)
    if batch:
        yield batch


def _a_user(api: Api, history: History) -> str:
    """The user with the most events of the last day: a timeline that has something in it."""
    end = _instant(history.first_day + DAYS * DAY_US)
    since = _instant(history.first_day + (DAYS - 1) * DAY_US)
    answer = api.query(kind="metrics", breakdown=["user_id"], top=1, since=since, until=end)
    return str(answer["rows"][0]["user_id"])


def _instant(us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).isoformat()


def _questions(history: History, user: str) -> list[Question]:
    end = history.first_day + DAYS * DAY_US
    month = {"kind": "metrics", "since": _instant(history.first_day), "until": _instant(end)}
    week = {**month, "since": _instant(end - 7 * DAY_US)}
    daily = {"metrics": [{"kind": "events"}, {"kind": "users"}], "interval": "day"}
    bought = {"metrics": [{"kind": "sum", "property": "amount"}], "interval": "day"}
    only = {"filter": {"field": "name", "op": "=", "value": "purchase"}}
    browsers = {"breakdown": ["properties.browser"]}
    new_york = {"interval": "day", "timezone": "America/New_York"}
    return [
        Question("events and unique users per day, 30 days", {**month, **daily}, SERIES_MS),
        Question("events and unique users per day, 7 days", {**week, **daily}, SERIES_MS),
        Question("unique users of 30 days", {**month, "metrics": [{"kind": "users"}]}, SERIES_MS),
        Question("top 10 paths, 30 days", {**month, "breakdown": ["path"], "top": 10}, SERIES_MS),
        Question("top 10 paths and the others", {**month, "breakdown": ["path"], "top": 10, "other": True}, SERIES_MS),
        Question("by property browser, 30 days", {**month, **browsers}, SERIES_MS),
        Question("by property browser, 7 days", {**week, **browsers}, SERIES_MS),
        Question("top 10 of property referrer", {**month, "breakdown": ["properties.referrer"], "top": 10}, SERIES_MS),
        Question("revenue per day, 30 days", {**month, **bought, **only}, None),
        Question("events per day, 30 days", {**month, "interval": "day"}, ROLLUP_MS),
        Question("events per day in New York", {**month, **new_york}, ROLLUP_MS),
        Question("events by name, 30 days", {**month, "breakdown": ["name"]}, ROLLUP_MS),
        Question("events by name and day", {**month, "interval": "day", "breakdown": ["name"]}, ROLLUP_MS),
        Question("newest 100 events", {"kind": "events", "limit": 100}, None),
        Question("one user's timeline", {"kind": "events", "user_id": user, "ascending": True, "limit": 100}, None),
        Question("property keys", {"kind": "keys"}, None),
    ]


def _measured(api: Api, question: Question) -> QueryFigures:
    answer = api.query(**question.ask)  # not counted: the measured ones find the file's pages in memory
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        answer = api.query(**question.ask)
        times.append((time.perf_counter() - began) * 1_000)
    if not answer["rows"]:
        raise ServerFailed(f"{question.name}: the answer is empty")
    return QueryFigures(
        question=question.name, runs=RUNS, rows=len(answer["rows"]), from_rollup=answer["from_rollup"],
        median_ms=statistics.median(times), min_ms=min(times), max_ms=max(times), target_ms=question.target_ms,
    )  # fmt: skip
