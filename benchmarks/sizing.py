"""Writes the tables of docs/run/sizing.md about many machines: `python -m benchmarks.sizing`.

They follow from measured figures (`Costs`, most of them from the results of the benchmarks) and from what is said in
`Layout`. Each is a multiplication; nothing of this size was ever run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.render import RESULTS, rendered
from tallystick.cli.bench.report import QueryFigures, Report
from tallystick.cli.bench.scale.tables import MIB, scale_rows

DOCUMENT = Path(__file__).parents[1] / "docs" / "run" / "sizing.md"
BEGIN = "<!-- sizes: written by benchmarks/sizing.py -->\n"
END = "<!-- end of sizes -->\n"
SIZES = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000)
"""Events a day."""
DAY = 86_400
HOUR = 3_600
GB = 1_000_000_000
MEASURED_EVENTS = 10_000_000
MEASURED_CORES = 2


class Layout(NamedTuple):
    """What is assumed.

    Attributes:
        peak: the busiest second's events through the mean's.
        busy: share of its cores that a machine uses at the peak, so that there is room to catch up.
        batch_events, batch_seconds: when a worker stores a batch: TALLYSTICK_BATCH_MAX_EVENTS and _AGE.
        replicas: of ClickHouse. Kafka has three.
        node_cores, node_bytes: of a ClickHouse node, of the latter what its disk may hold.
        backlog_hours: how long Kafka can keep what the store cannot take.
        retention_days: how long events are kept.
        deadline: seconds of a query: TALLYSTICK_QUERY_TIMEOUT.
        gib_a_core: memory of a machine for a store's or a broker's core.
    """

    peak: float = 3.0
    busy: float = 0.5
    batch_events: int = 65_536
    batch_seconds: float = 1.0
    replicas: int = 2
    node_cores: int = 16
    node_bytes: int = 4_000 * GB
    backlog_hours: int = 24
    retention_days: int = 365
    deadline: float = 30.0
    gib_a_core: int = 4


LAYOUT = Layout()
KAFKA_REPLICAS = 3
PARTITIONS_LEAST = 12
BLOCK_BYTES = 42.0
"""Bytes an event of a block of 1,000 to 8,000 events of `bench`, compressed, as the queue has it."""
DISK_BYTES = 482_422_661 / 10_000_000
"""Bytes an event of ClickHouse's tables after merges, by `system.parts`: the history of 10 million events."""
ID_NS = 68.0
"""Processor nanoseconds that the look-up of 65,536 ids takes for each id in the window: the second part of `suspects`
took 52 ms over 450,416 ids and 327 ms over 4,505,000.
"""
WINDOWS = (48, 24, 12, 6, 3, 1)
"""Hours of TALLYSTICK_DEDUPE_WINDOW_HOURS to choose from."""
FINDING_CORES = 1.0
"""Cores that finding duplicates may take, where loading takes less."""


class Costs(NamedTuple):
    """What was measured.

    Attributes:
        ingest_us, work_us, queue_us, store_us: processor microseconds an event.
        id_ns: processor nanoseconds that a batch takes longer for each id in the dedupe window.
        block_bytes: bytes an event in the queue, one replica.
        disk_bytes: bytes an event in the store, one replica.
        funnel_s, overview_s: seconds of a funnel, and of events and users by day, over 10 million events on two cores.
        ingest_bytes, work_bytes: the most resident memory of a process.
    """

    ingest_us: float
    work_us: float
    queue_us: float
    store_us: float
    id_ns: float
    block_bytes: float
    disk_bytes: float
    funnel_s: float
    overview_s: float
    ingest_bytes: float
    work_bytes: float


class Needs(NamedTuple):
    """What so many events a day need. Cores and bytes are of all machines of a kind together."""

    events_a_day: int
    per_second: float
    peak: float
    ingest: int
    workers: int
    partitions: int
    brokers: int
    broker_cores: int
    queue_bytes: float
    window_hours: int
    shards: int
    node_cores: int
    disk_a_day: float
    disk: float
    funnel_s: float
    cores: int
    gib: int


# --- figures --------------------------------------------------------------------------------------------------------


def costs(folder: Path = RESULTS) -> Costs:
    """The figures in the results of the benchmarks. Raises FileNotFoundError or ValueError where one is missing."""
    scale, query = (_report(folder / f"results-{name}.json") for name in ("scale", "clickhouse"))
    row = scale_rows(scale.scale)[-1]
    ingest_us, work_us, queue_us, store_us = map(_known, row.cpu_us)
    ingest_bytes, work_bytes = map(_known, row.peaks)
    return Costs(
        ingest_us=ingest_us,
        work_us=work_us,
        queue_us=queue_us,
        store_us=store_us,
        id_ns=ID_NS,
        block_bytes=BLOCK_BYTES,
        disk_bytes=DISK_BYTES,
        funnel_s=_seconds(query.query, "funnel of three steps"),
        overview_s=_seconds(query.query, "events and users per day"),
        ingest_bytes=ingest_bytes,
        work_bytes=work_bytes,
    )


def _known(value: float | None) -> float:
    if value is None:
        raise ValueError("the results lack processor times, memory or bytes on disk")
    return value


def _report(path: Path) -> Report:
    return msgspec.json.decode(path.read_bytes(), type=Report)


def _seconds(figures: Sequence[QueryFigures], name: str) -> float:
    return next(f.median_ms for f in figures if f.question == name) / 1_000


# --- the calculation ------------------------------------------------------------------------------------------------


def needs(events_a_day: int, cost: Costs, layout: Layout = LAYOUT) -> Needs:
    """What so many events a day need."""
    mean = events_a_day / DAY
    peak = mean * layout.peak
    ingest = max(2, _cores(peak * cost.ingest_us, layout))
    workers = max(2, _cores(peak * cost.work_us, layout))
    partitions = max(PARTITIONS_LEAST, _up_to(2 * workers, PARTITIONS_LEAST))
    broker_cores = max(3, _cores(peak * cost.queue_us * KAFKA_REPLICAS, layout))
    brokers = max(3, math.ceil(broker_cores / 8))
    loading = peak * cost.store_us / 1e6
    most = max(loading, FINDING_CORES)
    window = next((hours for hours in WINDOWS if _finding(mean, hours, workers, cost, layout) <= most), WINDOWS[-1])
    storing = math.ceil((loading + _finding(mean, window, workers, cost, layout)) / layout.busy)
    disk_a_day = events_a_day * cost.disk_bytes
    disk = disk_a_day * layout.retention_days
    shards = max(1, math.ceil(storing / layout.node_cores), math.ceil(disk / layout.node_bytes))
    node_cores = layout.node_cores if shards > 1 or storing > 4 else max(2, storing)
    store_cores = shards * layout.replicas * node_cores
    memory = (ingest + 2) * cost.ingest_bytes + workers * cost.work_bytes
    servers = (_up_to(broker_cores, brokers) + store_cores) * layout.gib_a_core
    return Needs(
        events_a_day=events_a_day,
        per_second=mean,
        peak=peak,
        ingest=ingest,
        workers=workers,
        partitions=partitions,
        brokers=brokers,
        broker_cores=broker_cores,
        queue_bytes=mean * layout.backlog_hours * HOUR * cost.block_bytes * KAFKA_REPLICAS,
        window_hours=window,
        shards=shards,
        node_cores=node_cores,
        disk_a_day=disk_a_day * layout.replicas,
        disk=disk * layout.replicas,
        funnel_s=_funnel(events_a_day, cost, shards * node_cores),
        cores=ingest + workers + 2 + _up_to(broker_cores, brokers) + store_cores,
        gib=math.ceil(memory / 1024 / MIB) + servers,
    )


def _cores(microseconds: float, layout: Layout) -> int:
    """Cores for so many microseconds of work in a second."""
    return math.ceil(microseconds / 1e6 / layout.busy)


def _up_to(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _finding(mean: float, hours: float, workers: int, cost: Costs, layout: Layout) -> float:
    """Cores of the store that look for the ids of the peak's batches among all ids of the dedupe window."""
    batches = max(mean * layout.peak / layout.batch_events, min(workers, mean) / layout.batch_seconds)
    return batches * mean * hours * HOUR * cost.id_ns / 1e9


def _funnel(events_a_day: float, cost: Costs, cores: int) -> float:
    """Seconds of a funnel over 30 days, when time is proportional to events and falls with cores."""
    return cost.funnel_s * 30 * events_a_day / MEASURED_EVENTS * MEASURED_CORES / cores


class Limit(NamedTuple):
    """What breaks first from so many events a day on, and what helps."""

    what: str
    helps: str
    breaks: Callable[[float], bool]
    """Whether it breaks at so many events a day."""

    def at(self) -> float:
        """Events a day from which on it breaks, to within a hundredth."""
        low, high = 1.0, 1e14
        while high / low > 1.01:
            middle = math.sqrt(low * high)
            low, high = (low, middle) if self.breaks(middle) else (middle, high)
        return high


def limits(cost: Costs, layout: Layout = LAYOUT) -> list[Limit]:
    """What is measured to grow faster than machines are added, in the order in which it breaks."""
    node = layout.node_cores * layout.busy
    found = [
        Limit(
            f"a funnel over 30 days takes {layout.deadline:g} s on one ClickHouse node of {layout.node_cores} cores",
            "more shards; shorter ranges; a longer `TALLYSTICK_QUERY_TIMEOUT`",
            lambda events: _funnel(events, cost, layout.node_cores) > layout.deadline,
        ),
        Limit(
            f"finding duplicates in {WINDOWS[0]} hours takes half of such a node, with two workers",
            "a shorter `TALLYSTICK_DEDUPE_WINDOW_HOURS`; a longer `TALLYSTICK_BATCH_MAX_AGE`",
            lambda events: _finding(events / DAY, WINDOWS[0], 2, cost, layout) > node,
        ),
        Limit(
            f"a year of events fills one node's disk of {layout.node_bytes // GB:,} GB",
            "more shards; `TALLYSTICK_RETENTION_DAYS`",
            lambda events: events * cost.disk_bytes * layout.retention_days > layout.node_bytes,
        ),
        Limit(
            "reading the batches takes half of such a node: all of them go through the one that the URL names",
            "several URLs: some workers on each node",
            lambda events: events / DAY * layout.peak * cost.store_us / 1e6 > node,
        ),
    ]
    return sorted(found, key=Limit.at)


COLUMNS = (
    "events a day",
    "a second, mean / peak",
    "`ingest`",
    "`work`",
    "partitions",
    "brokers × cores",
    "in Kafka, a day",
    "shards × replicas × cores",
    "dedupe window",
    "disk a day",
    "disk a year",
)

# --- the page -------------------------------------------------------------------------------------------------------


def first_limit(events_a_day: int, found: Sequence[Limit]) -> Limit | None:
    """The limit that a growing site meets next; None: none that is known."""
    return next((limit for limit in found if limit.at() > events_a_day), None)


def page(cost: Costs, layout: Layout = LAYOUT) -> str:
    """The tables as Markdown."""
    found = limits(cost, layout)
    rows = [needs(events, cost, layout) for events in SIZES]
    return "\n".join(
        [
            "What an event costs, measured:\n",
            _table(["what", "figure"], _cost_rows(cost), "ll"),
            "What so many events a day take:\n",
            _table(
                COLUMNS,
                [_row(row, layout) for row in rows],
                "r" * len(COLUMNS),
            ),
            "All of it together, and what breaks first from there on:\n",
            _table(
                [
                    "events a day",
                    "vCPU",
                    "GB of memory",
                    "a funnel of 30 days",
                    "first to break, at so many a day",
                ],
                [_whole(row, first_limit(row.events_a_day, found)) for row in rows],
                "rrrrl",
            ),
            "What breaks, from how many events a day on, and what helps:\n",
            _table(
                ["from", "what", "what helps"],
                [[_count(limit.at()), limit.what, limit.helps] for limit in found],
                "rll",
            ),
        ]
    )


def _cost_rows(cost: Costs) -> list[list[str]]:
    return [
        ["CPU of `ingest`, an event", f"{cost.ingest_us:.2f} µs"],
        ["CPU of `work`, an event", f"{cost.work_us:.2f} µs"],
        ["CPU of Kafka, an event and replica", f"{cost.queue_us:.2f} µs"],
        ["CPU of ClickHouse, an event", f"{cost.store_us:.2f} µs"],
        ["CPU of ClickHouse, a batch and id in the dedupe window", f"{cost.id_ns:.1f} ns"],
        ["an event in Kafka, one replica", f"{cost.block_bytes:.0f} bytes"],
        ["an event in ClickHouse, one replica", f"{cost.disk_bytes:.0f} bytes"],
        ["a funnel of three steps over 10 million events, two cores", f"{cost.funnel_s:.2f} s"],
        ["events and users by day over 10 million events, two cores", f"{cost.overview_s:.2f} s"],
        ["memory of one `ingest`, of one `work`, at most", f"{_mib(cost.ingest_bytes)}, {_mib(cost.work_bytes)}"],
    ]


def _row(row: Needs, layout: Layout) -> list[str]:
    return [
        _count(row.events_a_day),
        f"{row.per_second:,.0f} / {row.peak:,.0f}",
        f"{row.ingest}",
        f"{row.workers}",
        f"{row.partitions}",
        f"{row.brokers} × {-(-row.broker_cores // row.brokers)}",
        _bytes(row.queue_bytes),
        f"{row.shards} × {layout.replicas} × {row.node_cores}",
        f"{row.window_hours} h",
        _bytes(row.disk_a_day),
        _bytes(row.disk),
    ]


def _whole(row: Needs, limit: Limit | None) -> list[str]:
    breaks = "–" if limit is None else f"{_count(limit.at())}: {limit.what}"
    return [_count(row.events_a_day), f"{row.cores:,}", f"{row.gib:,}", _duration(row.funnel_s), breaks]


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], sides: str) -> str:
    rules = [":--" if side == "l" else "--:" for side in sides]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (names, rules, *rows)) + "\n"


def _count(number: float) -> str:
    """Two digits of it, in words."""
    for unit, word in ((1e12, " trillion"), (1e9, " billion"), (1e6, " million")):
        if number >= unit:
            return f"{float(f'{number / unit:.2g}'):,g}{word}"
    return f"{float(f'{number:.2g}'):,g}"


def _bytes(number: float) -> str:
    for unit, word in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if number >= unit:
            return f"{float(f'{number / unit:.2g}'):g} {word}"
    return f"{number:,.0f} bytes"


def _mib(number: float) -> str:
    return f"{number / MIB:,.0f} MiB"


def _duration(seconds: float) -> str:
    return f"{float(f'{seconds:.2g}'):g} s" if seconds < 600 else f"{float(f'{seconds / 60:.2g}'):g} min"


if __name__ == "__main__":
    DOCUMENT.write_text(rendered(DOCUMENT.read_text("utf-8"), page(costs()), BEGIN, END), "utf-8")
