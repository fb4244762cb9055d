"""All Prometheus metrics: name, type and meaning. No other file has a metric's name.

Counters and histograms count what this process did since its start; they are for rates and alerts. The numbers that
prove something (`tallystick_ledger_events`, `tallystick_queue_*`) are gauges, read from stored rows at each scrape.

The app makes one `Metrics` and passes it on. Nothing is registered at import, so two apps in one process, as in tests,
do not share numbers.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter as Counted
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

from tallystick.model.books import LedgerEntry, Totals

FAST = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Histogram bounds in seconds: for what a client waits for while sending, and for loading and queries."""

RATE_WINDOW = 60
"""Seconds over which `RatedCounter.per_second` looks back."""


class RatedCounter:
    """A counter that also has its rate over the last minute, for operators without Prometheus.

    Stores one element per second. Call it from the event loop's thread only.
    """

    def __init__(self, counter: Counter, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter = counter
        self._clock = clock
        self._started = clock()
        self._amounts = [0.0] * RATE_WINDOW
        self._seconds = [-1] * RATE_WINDOW

    def inc(self, amount: float = 1) -> None:
        """Count `amount` more, now."""
        self._counter.inc(amount)
        second = int(self._clock())
        index = second % RATE_WINDOW
        if self._seconds[index] != second:
            self._seconds[index] = second
            self._amounts[index] = 0.0
        self._amounts[index] += amount

    def per_second(self) -> float:
        """Mean per second over the last 60 s, or since the start when that is shorter (but at least 1 s)."""
        now = self._clock()
        oldest = int(now) - RATE_WINDOW
        total = sum(n for n, second in zip(self._amounts, self._seconds, strict=True) if second > oldest)
        return total / min(float(RATE_WINDOW), max(1.0, now - self._started))


class GroupedHistogram(Histogram):
    """A histogram that also takes many values in one step."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """As `observe` of each, in a fraction of the time."""
        self._sum.inc(sum(amounts))
        for index, count in Counted(bisect_left(self._upper_bounds, amount) for amount in amounts).items():
            self._buckets[index].inc(count)


class Metrics:
    """The metrics of one Tallystick process. Attributes are ready to use: `metrics.events_accepted.inc(3)`.

    `process` names it: `up`, `serve`, `ingest-2` (the second of `tallystick ingest --workers`), ….
    """

    def __init__(self, process: str = "up") -> None:
        self.process = process
        # Without a `_created` gauge for each counter, because process_start_time_seconds has the same time. The library
        # can only turn them off for the whole process.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._http(self.registry)
        self._ingest(self.registry)
        self._worker(self.registry)
        self._scraped(self.registry)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def _http(self, registry: CollectorRegistry) -> None:
        self.http_requests = Counter(
            "tallystick_http_requests_total",
            "Requests answered, by route template and status.",
            ["route", "status"],
            registry=registry,
        )
        self.http_seconds = GroupedHistogram(
            "tallystick_http_request_seconds",
            "From taking a request up to its answer's last byte, by route template.",
            ["route"],
            buckets=FAST,
            registry=registry,
        )
        self.http_connections = Gauge(
            "tallystick_http_connections", "Open connections of this process.", registry=registry
        )
        self.http_connections_ended = Counter(
            "tallystick_http_connections_ended_total",
            "Connections that this process ended on its own, by reason: see Connections.",
            ["reason"],
            registry=registry,
        )
        self.access_refused = Counter(
            "tallystick_access_refused_total",
            "Requests refused for their key or their Host header, by side (write, read, share, login) and error code.",
            ["side", "code"],
            registry=registry,
        )
        self.query_seconds = Histogram(
            "tallystick_query_seconds",
            "Time the store took for a query, by its kind.",
            ["kind"],
            buckets=SLOW,
            registry=registry,
        )
        self.query_failures = Counter(
            "tallystick_query_failures_total",
            "Questions without an answer, by kind and error code.",
            ["kind", "code"],
            registry=registry,
        )

    def _ingest(self, registry: CollectorRegistry) -> None:
        self.events_accepted = RatedCounter(
            Counter("tallystick_events_accepted_total", "Events that got a success.", registry=registry)
        )
        self.events_rejected = Counter(
            "tallystick_events_rejected_total",
            "Events refused as invalid, by rejection code.",
            ["code"],
            registry=registry,
        )
        self.ingest_refused = Counter(
            "tallystick_ingest_refused_total",
            "Write requests refused as a whole, by error code.",
            ["code"],
            registry=registry,
        )
        self.ingest_body_bytes = Counter(
            "tallystick_ingest_body_bytes_total",
            "Bytes of write requests' bodies after decompression.",
            registry=registry,
        )
        self.blocks_published = Counter(
            "tallystick_blocks_published_total", "Blocks that the queue made durable.", registry=registry
        )
        self.publish_seconds = Histogram(
            "tallystick_publish_seconds",
            "Time of one durable publish, shared by the requests in it.",
            buckets=FAST,
            registry=registry,
        )
        self.publish_failures = Counter(
            "tallystick_publish_failures_total", "Publishes that failed, by error code.", ["code"], registry=registry
        )

    def _worker(self, registry: CollectorRegistry) -> None:
        self.events_stored = RatedCounter(
            Counter("tallystick_events_stored_total", "Events stored that were really new.", registry=registry)
        )
        self.events_duplicate = Counter(
            "tallystick_events_duplicate_total", "Events that were stored before.", registry=registry
        )
        self.events_conflict = Counter(
            "tallystick_events_conflict_total",
            "Duplicates whose payload differs from the event stored first.",
            registry=registry,
        )
        self.events_dead = Counter(
            "tallystick_events_dead_total", "Events set aside as dead letters.", registry=registry
        )
        self.blocks_stored = Counter(
            "tallystick_blocks_stored_total", "Blocks entered in the ledger.", registry=registry
        )
        self.blocks_skipped = Counter(
            "tallystick_blocks_skipped_total", "Blocks delivered again that the ledger had already.", registry=registry
        )
        self.write_seconds = Histogram(
            "tallystick_store_write_seconds",
            "Time of one loading transaction of the store.",
            buckets=SLOW,
            registry=registry,
        )
        self.write_events = Histogram(
            "tallystick_store_write_events",
            "Events in one loading transaction of the store.",
            buckets=(1, 10, 100, 1_000, 5_000, 10_000, 20_000, 50_000, 100_000),
            registry=registry,
        )
        self.worker_retries = Counter(
            "tallystick_worker_retries_total",
            "Loading transactions that failed and are tried again, by error code.",
            ["code"],
            registry=registry,
        )
        self.probes = Counter(
            "tallystick_worker_probes_total", "Tries spent on finding the bad events of a batch.", registry=registry
        )

        self.queue_blocks_gone = Counter(
            "tallystick_queue_blocks_gone_total",
            "Blocks that vanished from the queue unacknowledged: they were deleted there. Redis and Kafka only.",
            registry=registry,
        )

    def _scraped(self, registry: CollectorRegistry) -> None:
        self.up = Gauge(
            "tallystick_up",
            "1 when this part answered the scrape, else 0 (its other gauges are NaN then).",
            ["part"],
            registry=registry,
        )
        self.ready = Gauge("tallystick_ready", "1 while /readyz answers 200, else 0.", registry=registry)
        self.queue_blocks = Gauge("tallystick_queue_blocks", "Blocks waiting in the queue.", registry=registry)
        self.queue_partition_blocks = Gauge(
            "tallystick_queue_partition_blocks",
            "Blocks waiting in each partition of the queue: the consumer group's lag. Kafka only.",
            ["partition"],
            registry=registry,
        )
        self.queue_events = Gauge(
            "tallystick_queue_events",
            "Events waiting in the queue. NaN: unknown (RabbitMQ).",
            registry=registry,
        )
        self.queue_bytes = Gauge(
            "tallystick_queue_bytes",
            "Bytes of the blocks waiting in the queue. NaN: unknown (RabbitMQ).",
            registry=registry,
        )
        self.queue_oldest = Gauge(
            "tallystick_queue_oldest_seconds",
            "Age of the oldest block waiting in the queue; 0 when none waits, NaN when unknown (RabbitMQ).",
            registry=registry,
        )
        self.queries = Gauge(
            "tallystick_queries",
            "Questions that run now, and those that wait for their turn.",
            ["state"],
            registry=registry,
        )
        self.exports = Gauge("tallystick_exports", "Exports and files that are made or sent now.", registry=registry)
        self.live = Gauge("tallystick_live_listeners", "Streams of GET /v1/live that are open now.", registry=registry)
        self.ledger = Gauge(
            "tallystick_ledger_events",
            "The books, from stored rows: accepted = stored + duplicates + dead + erased + queued; conflicts "
            "are part of duplicates, missing is 0 unless events were lost.",
            ["column"],
            registry=registry,
        )
        self.info = Gauge(
            "tallystick_info",
            "Always 1; the labels say what runs.",
            ["version", "durability", "process"],
            registry=registry,
        )

    def loaded(self, entries: Sequence[LedgerEntry], skipped: int) -> None:
        """Count what one committed transaction of the store did: its ledger entries, and the blocks it skipped."""
        self.blocks_stored.inc(len(entries))
        self.blocks_skipped.inc(skipped)
        self.events_stored.inc(sum(entry.stored for entry in entries))
        self.events_duplicate.inc(sum(entry.duplicates for entry in entries))
        self.events_conflict.inc(sum(entry.conflicts for entry in entries))
        self.events_dead.inc(sum(entry.dead for entry in entries))

    def set_books(self, totals: Totals | None) -> None:
        """Show these books in the next scrape. None: they could not be read, so every column is NaN."""
        for column in ("accepted", "stored", "duplicates", "conflicts", "dead", "erased", "queued", "missing"):
            self.ledger.labels(column).set(float("nan") if totals is None else getattr(totals, column))

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

    def catalogue(self) -> Iterator[tuple[str, str, str]]:
        """`(name, type, meaning)` of each of Tallystick's own metrics, as docs/run/operations.md lists them."""
        for family in self.registry.collect():
            if family.name.startswith("tallystick_"):
                yield family.name + ("_total" if family.type == "counter" else ""), family.type, family.documentation
