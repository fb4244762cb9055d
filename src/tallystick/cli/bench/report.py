"""The figures of the measurements and a description of the machine, as `tallystick bench --json` writes them."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import msgspec

from tallystick import __version__

PACKAGES = ("apsw", "duckdb", "httptools", "msgspec", "starlette", "uvicorn", "uvloop")


class Machine(msgspec.Struct, frozen=True):
    """The machine and the time of a measurement. `file_system` is that of the data folder."""

    at: str
    cpu: str
    cores: int
    kernel: str
    file_system: str
    python: str
    tallystick: str
    packages: dict[str, str]


class FloorFigures(msgspec.Struct, frozen=True):
    """What the machine can do at best at the time of the run, see `floor.py`. `unit` is what is counted."""

    what: str
    per_second: float
    unit: str


class LoadFigures(msgspec.Struct, frozen=True):
    """One closed loop. `_ms` are milliseconds of acknowledgement; sizes are in bytes; None: not known.

    Attributes:
        accepted_per_second: events, from the first byte sent to the last 202.
        end_to_end_per_second: events, from the first byte sent until all were stored and queryable.
        seconds_to_queryable: seconds from the first byte sent until all events were stored and queryable.
        peak_bytes: the server's highest resident memory.
        disk_bytes_per_event: of the data folder, after the server was stopped.
        cpu_seconds: the server's CPU time until all events were queryable.
        share_of_bare: its requests a second through those of a bare uvicorn in the same report; single events only.
    """

    body_events: int
    connections: int
    requests: int
    events: int
    accepted_per_second: float
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    refused: int
    seconds_to_queryable: float
    end_to_end_per_second: float
    cpu_seconds: float | None
    peak_bytes: int | None
    disk_bytes_per_event: float | None
    warm_start_seconds: float | None
    idle_bytes: int | None
    share_of_bare: float | None = None


class PacedFigures(msgspec.Struct, frozen=True):
    """One open loop of single events. Latencies count from the moment at which a request fell due.

    `bare`: p99 and p99.9 in milliseconds of a bare uvicorn, which keeps nothing, at the same rate just afterwards; None
    in reports of earlier versions. `over_bare`: this server's p99 and p99.9 through those.
    """

    requests_per_second: float
    requests: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    p999_ms: float = 0.0
    bare: tuple[float, float] | None = None
    over_bare: tuple[float, float] | None = None


class LagFigures(msgspec.Struct, frozen=True):
    """Milliseconds from an event's 202 until a query found it, under a steady load of `events_per_second`."""

    events_per_second: float
    probes: int
    p50_ms: float
    p95_ms: float
    max_ms: float


class QueryFigures(msgspec.Struct, frozen=True):
    """One query over HTTP on a warm server, in milliseconds of round trip. `target_ms` None: no target is set.

    `runs` 0: the server cancelled the query after `median_ms`, its deadline. `question` is the query's name: existing
    result files have that field.
    """

    question: str
    runs: int
    rows: int
    from_rollup: bool
    median_ms: float
    min_ms: float
    max_ms: float
    target_ms: float | None
    section: str = "questions"


class DedupeFigures(msgspec.Struct, frozen=True):
    """One `store.write` of `batch` events into a table of `rows`; `kind` is fresh, backfill or resent."""

    rows: int
    batch: int
    kind: str
    runs: int
    median_ms: float
    min_ms: float
    max_ms: float


class ExperimentFigures(msgspec.Struct, frozen=True):
    """One figure of `tallystick bench experiments`; `value` counts `unit`."""

    experiment: str
    way: str
    what: str
    value: float
    unit: str


class ScenarioFigures(msgspec.Struct):
    """What virtual users saw of a server.

    Attributes:
        seconds: from the first request to the last answer.
        requests, events: accepted ones; rates and times are theirs.
        errors: how often each other outcome occurred: a status, or what became of the connection.
        stored: events that were stored afterwards; more than `events` only by requests that got no answer.
        seconds_to_stored: from the last answer until everything was stored.
    """

    scenario: str
    users: int
    body_events: int
    pause_ms: float
    seconds: float
    requests: int
    events: int
    requests_per_second: float
    events_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    errors: dict[str, int]
    stored: int
    seconds_to_stored: float


class FillFigures(msgspec.Struct, frozen=True):
    """What it cost to store a history through the store's ordinary write path.

    Attributes:
        seconds: until housekeeping was done.
        cpu_seconds: of the process that stored it, with its embedded store.
        server_cpu_seconds: of the store's server, until it rested; None: embedded, or not known.
        disk_bytes: of the store afterwards; None: not known.
        stored_cpu_seconds: of both, until the last event was stored: without what housekeeping did afterwards.
    """

    events: int
    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float | None
    disk_bytes: int | None
    stored_cpu_seconds: float | None = None


class CpuFigures(msgspec.Struct, frozen=True):
    """Processor seconds by role; `queue` and `store` are their servers, and None where these are not known."""

    ingest: float | None
    work: float | None
    queue: float | None
    store: float | None


class ScaleFigures(msgspec.Struct, frozen=True):
    """One step of `tallystick bench scale`.

    Attributes:
        processes: how many `ingest`, and how many `work`.
        round: 0 for the first.
        connections: of the one client, to all `ingest` together.
        seconds_to_accepted: from the first byte sent to the last 202.
        seconds_to_stored: from the moment at which the workers went on until all events were stored.
        refused: answers with status 503, after which a request was sent again.
        cpu: of ours until all events were stored, of the servers until they rested.
        ingest_peak_bytes, work_peak_bytes: the most resident memory of one process; None: not known.
    """

    processes: int
    round: int
    events: int
    body_events: int
    connections: int
    seconds_to_accepted: float
    seconds_to_stored: float
    refused: int
    cpu: CpuFigures
    ingest_peak_bytes: int | None = None
    work_peak_bytes: int | None = None


class Report(msgspec.Struct):
    """Everything that one run of `tallystick bench` measured. `queue` and `store` are the schemes of their URLs.

    Attributes:
        query_loaded: the queries of the section `analyses` again, under a load of `query_load` events per second.
        query_peak_bytes: the highest resident memory of the server, without that of a store on a server.
    """

    machine: Machine
    floor: list[FloorFigures] = []
    load: list[LoadFigures] = []
    paced: list[PacedFigures] = []
    lag: list[LagFigures] = []
    query: list[QueryFigures] = []
    query_events: int = 0
    fill: list[FillFigures] = []
    query_loaded: list[QueryFigures] = []
    query_load: float = 0.0
    query_peak_bytes: int | None = None
    dedupe: list[DedupeFigures] = []
    experiments: list[ExperimentFigures] = []
    scenario: list[ScenarioFigures] = []
    scale: list[ScaleFigures] = []
    queue: str = "sqlite"
    store: str = "duckdb"

    def write(self, path: Path) -> None:
        """The report as indented JSON."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")


def machine(folder: Path) -> Machine:
    """This machine, and the file system that `folder` is on."""
    return Machine(
        at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        cpu=_cpu(),
        cores=os.cpu_count() or 0,
        kernel=f"{platform.system()} {platform.release()}",
        file_system=_file_system(folder.absolute()),
        python=sys.version.split()[0],
        tallystick=__version__,
        packages={name: version(name) for name in PACKAGES},
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _file_system(folder: Path) -> str:
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    around = [(len(m[1]), m[2]) for m in mounts if folder == Path(m[1]) or Path(m[1]) in folder.parents]
    return max(around)[1] if around else "unknown"
