"""`tallystick bench scale`: does an event cost more when more processes share the work?

Each step starts as many `tallystick ingest` and `tallystick work`, sends as many events for each from one client,
and compares the processor time that an event took. The workers stand still until all events are in the queue: each
stores full batches then, as it does where the events are too many for fewer workers. A machine that is shared by all
processes could not send them as fast as that. The table grows from step to step and a machine's speed changes, so every
second round takes the steps in reverse order.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tallystick.cli.bench.events import bodies
from tallystick.cli.bench.load import CONNECTIONS, drained, scratch_folder, verify
from tallystick.cli.bench.load_client import Tally, closed_loop, wrap
from tallystick.cli.bench.report import CpuFigures, Report, ScaleFigures, machine
from tallystick.config import split_url
from tallystick.errors import ConfigError
from tallystick.harness.deployment import EMBEDDED, Deployment, total
from tallystick.harness.neighbours import Neighbours, difference, on_this_machine, rest
from tallystick.harness.server import Api, ServerFailed, ServerProcess

LOOK_EVERY = 0.25
"""Seconds between two looks at what the workers have stored: the resolution of the measured time."""
STORED_TIMEOUT = 600.0

_TAKEN = re.compile(rb"^tallystick_events_(?:stored|duplicate|dead)_total (\S+)", re.MULTILINE)


class Plan(NamedTuple):
    """What is measured.

    Attributes:
        processes: numbers of `ingest`, and of `work`, in the order of the first round.
        rounds: how often each of them; every second round is in reverse order.
        events: in each step for each `ingest`, and so for each `work`.
        body_events: events in a request.
        queue_pids, store_pids: processes of the servers; empty: those that listen at a loopback address of the URL.
    """

    queue_url: str
    store_url: str
    processes: Sequence[int]
    rounds: int
    events: int
    body_events: int
    queue_pids: Sequence[int] = ()
    store_pids: Sequence[int] = ()

    def steps(self) -> list[tuple[int, int]]:
        """Round and number of processes of each step."""
        forth, back = list(self.processes), list(reversed(self.processes))
        return [(turn, number) for turn in range(self.rounds) for number in (back if turn % 2 else forth)]


def measure_scale(console: Console, folder: Path, plan: Plan) -> Report:
    """The figures of each step. The store keeps its events, and the queue its books, from one step to the next.

    Raises:
        ConfigError: queue or store is embedded, so that there can be one process only.
        LoadFailed, ServerFailed: an answer was wrong or the books do not close, so there are no figures.
    """
    queue, store = (split_url(url).scheme for url in (plan.queue_url, plan.store_url))
    if EMBEDDED & {queue, store}:
        raise ConfigError(
            "`bench scale` needs a queue and a store on servers: --queue kafka://… --store clickhouse://…"
        )
    report = Report(machine(folder), queue=queue, store=store)
    servers = {
        "queue": Neighbours(plan.queue_pids or on_this_machine(plan.queue_url)),
        "store": Neighbours(plan.store_pids or on_this_machine(plan.store_url)),
    }
    for role, found in servers.items():
        if found.cpu_seconds() is None:
            console.print(
                f"The {role}'s server is not on this machine, or --{role}-pid is missing: its time is left out."
            )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with scratch_folder(folder) as data, Progress(*columns, console=console) as progress:
        steps = plan.steps()
        task = progress.add_task("", total=len(steps))
        for turn, number in steps:

            def saying(what: str, number: int = number) -> None:
                progress.update(task, description=f"{number} ingest, {number} work: {what}")

            with Deployment(data, plan.queue_url, plan.store_url, workers=number, ingesters=number) as processes:
                report.scale.append(_step(plan, processes, servers, turn, saying))
                saying("stopping")
                processes.stop()
            progress.advance(task)
    return report


def _step(
    plan: Plan, processes: Deployment, servers: Mapping[str, Neighbours], turn: int, saying: Callable[[str], None]
) -> ScaleFigures:
    number, size = len(processes.ingest), plan.body_events
    connections = CONNECTIONS.get(size, 16) * number
    saying("making events")
    urls = [process.url for process in processes.ingest]
    now_us = time.time_ns() // 1_000
    warm = wrap(urls[0], bodies(connections * size, size, now_us))
    events = plan.events * number
    requests = wrap(urls[0], bodies(events, size, now_us))
    with closing(Api(processes.read_url, timeout=STORED_TIMEOUT)) as api:
        there, counted = drained(api), api.count()
        uvloop.run(closed_loop(urls, warm, connections))  # the first requests pay for lazy imports
        _all_taken(processes.work, connections * size)
        rest(servers.values())
        before = _cpu(processes, servers)
        saying(f"sending {events:,} events")
        with _standing_still(processes.work):
            tally = uvloop.run(closed_loop(urls, requests, connections))
        saying("storing them")
        began = time.perf_counter()
        _all_taken(processes.work, connections * size + tally.events)
        seconds_to_stored = time.perf_counter() - began
        used = _cpu(processes, servers)
        saying("waiting until the servers rest")
        rest(servers.values())
        rested = _cpu(processes, servers)
        saying("comparing the books")
        _check(api, there, counted, events, connections * size, tally)
    return ScaleFigures(
        processes=number,
        round=turn,
        events=tally.events,
        body_events=size,
        connections=connections,
        seconds_to_accepted=tally.seconds,
        seconds_to_stored=seconds_to_stored,
        refused=tally.refused,
        cpu=CpuFigures(
            ingest=difference(used.ingest, before.ingest),
            work=difference(used.work, before.work),
            queue=difference(rested.queue, before.queue),
            store=difference(rested.store, before.store),
        ),
        ingest_peak_bytes=_peak(processes.ingest),
        work_peak_bytes=_peak(processes.work),
    )


def _check(api: Api, there: int, counted: int, events: int, warm: int, tally: Tally) -> None:
    """Raises ServerFailed when not every event was accepted, is stored and is found, or the books do not close."""
    if tally.events != events:
        raise ServerFailed(f"of {events} events {tally.events} were accepted")
    stored = drained(api, there + warm + events) - there
    found = api.count() - counted
    if not stored == found == warm + events:
        raise ServerFailed(f"{warm + events} events were accepted, {stored} are stored and a query finds {found}")
    verify(api)


@contextmanager
def _standing_still(workers: Sequence[ServerProcess]) -> Iterator[None]:
    """They hang (SIGSTOP) until the end of the block."""
    try:
        for worker in workers:
            worker.pause()
        yield
    finally:
        for worker in workers:
            worker.resume()


def _all_taken(workers: Sequence[ServerProcess], events: int) -> None:
    """Returns when the workers have stored so many events since their start.

    The books would say so too, but to read them costs the store's server time, which is what is measured.
    """
    deadline = time.monotonic() + STORED_TIMEOUT
    while (taken := sum(map(_taken, workers))) < events:
        if time.monotonic() > deadline:
            raise ServerFailed(f"after {STORED_TIMEOUT:.0f} s {taken:,} of {events:,} events are stored")
        time.sleep(LOOK_EVERY)


def _taken(worker: ServerProcess) -> int:
    """Events that a worker stored, recognised as duplicates or set aside, by its own counters."""
    with closing(worker.api()) as api:
        status, text = api.ask("GET", "/metrics")
    if status != 200:
        raise ServerFailed(f"the worker's /metrics answered {status}: {text[:500].decode(errors='replace')}")
    return int(sum(map(float, _TAKEN.findall(text))))


def _peak(processes: Sequence[ServerProcess]) -> int | None:
    return max((peak for process in processes if (peak := process.resident_peak()) is not None), default=None)


def _cpu(processes: Deployment, servers: Mapping[str, Neighbours]) -> CpuFigures:
    """Processor seconds of all so far."""
    return CpuFigures(
        ingest=total(process.cpu_seconds() for process in processes.ingest),
        work=total(process.cpu_seconds() for process in processes.work),
        queue=servers["queue"].cpu_seconds(),
        store=servers["store"].cpu_seconds(),
    )
