"""`tallystick bench`: measures how many events per second a server accepts, how fast it answers, and at what cost."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import msgspec
import numpy as np
import uvloop
from rich.console import Console

from tallystick.cli.bench.events import bodies
from tallystick.cli.bench.floor import bare_server, measure_floor
from tallystick.cli.bench.load_client import closed_loop, paced, wrap
from tallystick.cli.bench.report import LagFigures, LoadFigures, PacedFigures, Report, machine
from tallystick.config import split_url
from tallystick.harness.deployment import EMBEDDED, Deployment
from tallystick.harness.server import Api, ServerFailed

SIZES = (1, 100, 1_000)
CONNECTIONS = {1: 64, 100: 16, 1_000: 4}
EVENTS = {1: 120_000, 100: 1_000_000, 1_000: 2_000_000}
"""Per body size: connections of the closed loop, and how many events it sends; a run of each ends within 30 s."""

PACED_SECONDS = 10
LAG_SECONDS = 15
LAG_RATE = 100
"""Requests per second, of one event each, while the time from 202 to queryable is measured: a normal load."""

PROBE_EVERY = 0.25
LOOK_EVERY = 0.01
"""Seconds between two queries for the same probe: the resolution of the measured time."""

DRAIN_CHECK_EVERY = 0.1
DRAIN_TIMEOUT = 300.0
IDLE_AFTER = 3.0


class Target(NamedTuple):
    """The server under load. `processes` is None when it was running already; then it may need a key."""

    url: str
    read_url: str
    processes: Deployment | None
    key: str = ""

    def api(self) -> Api:
        """A new connection for queries."""
        return Api(self.read_url, key=self.key)

    def wrap(self, bodies: Iterable[bytes]) -> list[bytes]:
        """Requests to the server around JSON bodies."""
        return wrap(self.url, bodies, key=self.key)


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """A new data folder inside `folder`, which is on the disk to measure. It is removed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-", dir=folder) as parent:
        yield Path(parent) / "data"


class Subject(NamedTuple):
    """What is measured: a running server, or a new one on this queue and store (empty URLs: the embedded ones)."""

    url: str | None = None
    key: str = ""
    queue_url: str = ""
    store_url: str = ""
    workers: int = 2
    """Number of `tallystick work` processes, when queue and store are servers."""


def measure_load(
    console: Console, folder: Path, subject: Subject, sizes: Sequence[int], events: int | None, rate: float | None
) -> Report:
    """A closed loop for each body size; after that of single events, an open loop and the time to queryable.

    Each size gets a new server with an empty data folder, unless `subject` names a running one. A queue on a server
    keeps its books, so an embedded store beside it is kept from one size to the next, as a store on a server is.

    Raises:
        LoadFailed, ServerFailed: an answer was wrong, so there are no figures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    queue, store = (split_url(url).scheme for url in (subject.queue_url, subject.store_url))
    report = Report(machine(folder), measure_floor(console), queue=queue or "sqlite", store=store or "duckdb")
    with ExitStack() as stack:
        kept = stack.enter_context(scratch_folder(folder)) if queue not in EMBEDDED else None
        for size in sizes:
            if (url := subject.url) is not None:
                _measure_size(console, report, Target(url, url, None, subject.key), size, events, rate)
                continue
            with (
                nullcontext(kept) if kept else scratch_folder(folder) as data,
                Deployment(data, subject.queue_url, subject.store_url, workers=subject.workers) as processes,
            ):
                target = Target(processes.write_url, processes.read_url, processes)
                _measure_size(console, report, target, size, events, rate)
    return report


def _measure_size(
    console: Console, report: Report, target: Target, size: int, events: int | None, rate: float | None
) -> None:
    console.print(f"Bodies of {size:,}: making {events or EVENTS.get(size, 500_000):,} events …")
    figures = _closed(console, target, size, events or EVENTS.get(size, 500_000))
    if size == 1:
        share = figures.requests_per_second / report.floor[0].per_second
        figures = msgspec.structs.replace(figures, share_of_bare=share)
        pace = rate or figures.requests_per_second / 4
        console.print(f"Single events, {pace:,.0f} a second …")
        report.paced.append(_open(target, pace))
        console.print(f"From 202 to queryable, at {LAG_RATE} events a second …")
        report.lag.append(_lag(target))
    with closing(target.api()) as api:
        verify(api)
        stored = api.ledger()["stored"]
    report.load.append(figures if target.processes is None else _at_rest(target.processes, figures, stored))


def _closed(console: Console, target: Target, size: int, events: int) -> LoadFigures:
    connections = CONNECTIONS.get(size, 16)
    requests = target.wrap(bodies(events, size, time.time_ns() // 1_000))
    first = target.wrap(bodies(connections * size, size, time.time_ns() // 1_000))
    with closing(target.api()) as api:
        there = api.ledger()["stored"]
        uvloop.run(closed_loop(target.url, first, connections))  # the first requests pay for lazy imports
        before, counted = drained(api, there + connections * size), api.count()
        cpu = target.processes.cpu_seconds() if target.processes else None
        console.print(f"  sending {len(requests):,} requests on {connections} connections …")
        tally = uvloop.run(closed_loop(target.url, requests, connections))
        api.close()  # after a slow load the server has closed the idle connection; the next request opens a new one
        drained(api, before + events)
        queryable = time.perf_counter() - tally.began
        found = api.count() - counted
    if not tally.events == found == events:
        raise ServerFailed(f"of {events} events {tally.events} were accepted and a query finds {found}")
    used = target.processes.cpu_seconds() if target.processes else None
    return LoadFigures(
        body_events=size,
        connections=connections,
        requests=tally.requests,
        events=events,
        accepted_per_second=events / tally.seconds,
        requests_per_second=tally.requests / tally.seconds,
        p50_ms=tally.milliseconds(50),
        p99_ms=tally.milliseconds(99),
        max_ms=tally.milliseconds(100),
        refused=tally.refused,
        seconds_to_queryable=queryable,
        end_to_end_per_second=events / queryable,
        cpu_seconds=None if used is None or cpu is None else used - cpu,
        peak_bytes=target.processes.resident_peak() if target.processes else None,
        disk_bytes_per_event=None,
        warm_start_seconds=None,
        idle_bytes=None,
    )


def _open(target: Target, rate: float) -> PacedFigures:
    requests = target.wrap(bodies(max(100, int(rate * PACED_SECONDS)), 1, time.time_ns() // 1_000))
    tally = uvloop.run(paced(target.url, requests, rate, CONNECTIONS[1]))
    with bare_server() as url:
        again = wrap(url, bodies(tally.requests, 1, time.time_ns() // 1_000))
        bare = uvloop.run(paced(url, again, rate, CONNECTIONS[1]))
    return PacedFigures(
        requests_per_second=rate,
        requests=tally.requests,
        p50_ms=tally.milliseconds(50),
        p99_ms=tally.milliseconds(99),
        p999_ms=tally.milliseconds(99.9),
        max_ms=tally.milliseconds(100),
        bare=(bare.milliseconds(99), bare.milliseconds(99.9)),
        over_bare=(
            tally.milliseconds(99) / bare.milliseconds(99),
            tally.milliseconds(99.9) / bare.milliseconds(99.9),
        ),
    )


def _lag(target: Target) -> LagFigures:
    requests = target.wrap(bodies(LAG_RATE * LAG_SECONDS, 1, time.time_ns() // 1_000))
    lags: list[float] = []
    probes = [
        threading.Thread(target=_probe, args=(target, n * PROBE_EVERY, lags))
        for n in range(int(LAG_SECONDS / PROBE_EVERY) - 4)
    ]
    for probe in probes:
        probe.start()
    uvloop.run(paced(target.url, requests, LAG_RATE, 8))
    for probe in probes:
        probe.join()
    if len(lags) != len(probes):
        raise ServerFailed(f"{len(probes) - len(lags)} of {len(probes)} events were not queryable within 10 s")
    p50, p95, longest = (float(value) * 1_000 for value in np.percentile(lags, [50, 95, 100]))
    return LagFigures(events_per_second=LAG_RATE, probes=len(lags), p50_ms=p50, p95_ms=p95, max_ms=longest)


def _probe(target: Target, after: float, lags: list[float]) -> None:
    """Send an event of a new user, and query until the user's timeline has it."""
    time.sleep(after)
    user = f"probe-{uuid4()}"
    with closing(Api(target.url, key=target.key)) as writing, closing(target.api()) as api:
        writing.post("/v1/events", {"name": "probe", "user_id": user, "event_id": str(uuid4())})
        began = time.perf_counter()
        while time.perf_counter() - began < 10:
            if api.query(kind="events", user_id=user, limit=1)["rows"]:
                lags.append(time.perf_counter() - began)
                return
            time.sleep(LOOK_EVERY)


def _at_rest(processes: Deployment, figures: LoadFigures, stored: int) -> LoadFigures:
    """Add the figures of a restart: size on disk (of embedded parts only), time of a warm start, memory when idle."""
    processes.stop()
    embedded = not any(processes.schemes)
    size = sum(path.stat().st_size for path in processes.data.rglob("*") if path.is_file()) if embedded else None
    warm_start = processes.start()
    time.sleep(IDLE_AFTER)
    idle = processes.resident()
    processes.stop()
    return msgspec.structs.replace(
        figures, disk_bytes_per_event=size and size / stored, warm_start_seconds=warm_start, idle_bytes=idle
    )


def drained(api: Api, stored: int = 0) -> int:
    """The number of stored events, once the queue is empty and at least `stored` are stored."""
    deadline = time.monotonic() + DRAIN_TIMEOUT
    while time.monotonic() < deadline:
        books = api.ledger()
        if books["queued"] == 0 and books["stored"] >= stored:
            return books["stored"]
        time.sleep(DRAIN_CHECK_EVERY)
    raise ServerFailed(f"after {DRAIN_TIMEOUT:.0f} s {books['stored']} of {stored} events are stored")


def verify(api: Api) -> None:
    """Raises ServerFailed when the books do not close."""
    answer = api.get("/v1/verify")
    if not answer["ok"]:
        raise ServerFailed(f"the books do not close: {answer}")
