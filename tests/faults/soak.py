"""An hour under load with a fault every 20 seconds: `make faults-soak`, or `python -m tests.faults.soak --help`.

Clients send events and never lose count of them, others query, and one thing after the other is killed or hangs. At
the end the oracle looks (docs/build/guarantees.md), and memory, descriptors and latencies have to be level. The run
writes a report, the measurements and a picture. What is killed begins anew; `--no-kills` leaves Tallystick's own
processes alive, so that a slow leak of one of them would show.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from tallystick.harness.deployment import Deployment
from tallystick.harness.server import ServerFailed, ServerProcess
from tests.faults.flatness import Sample, as_csv, as_svg, lines
from tests.faults.killing import Clients, look, swept
from tests.faults.matrix import page, record
from tests.faults.matrix.catalogue import SOAK
from tests.faults.oracle import Outcome, findings
from tests.faults.rolling import Connection
from tests.servers.clickhouse import ClickHouseServer
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import RealServer
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer
from tests.servers.scratch import scratch_folder

SENDERS, PAUSE = 4, 1.0
"""Clients, and the most seconds between two requests of one: about 200 events/s, which the oracle can read back."""
ASKERS, ASK_PAUSE = 2, 0.25
LOOK_EVERY = 5.0
"""Seconds between two measurements."""
HANG = (2.0, 8.0)
"""Seconds for which something hangs."""
DARK = (0.2, 3.0)
"""Seconds for which something that was killed is missing."""
SETTLE_SECONDS = 3.0
"""After a fault: what waited is sent and stored."""
CALM_SECONDS = 15.0
"""Between the end of a fault and the next one, so that something is measured also where faults take long."""
HOUR = 3600.0
"""Seconds of a run that has a row in docs/build/fault-matrix.md."""
BUSY_LOAD = 3.0
"""A load average of so many a core is not the run's own, which is about one in all."""

QUERIES = (
    ("GET", "/v1/query?metric=events&metric=users&since=1m&interval=minute", ""),
    ("GET", "/v1/query?metric=users&since=1m&breakdown=properties.n&top=5", ""),
    ("GET", "/v1/events?limit=50", ""),
    ("GET", "/v1/values?field=user_id&sample=1000", ""),
    ("POST", "/v1/query/funnel", '{"steps":[{"name":"page_view"},{"name":"page_view"}],"window":600,"since":"%s"}'),
)
"""About the last minute, so that each has as much to do at the end as at the beginning. `%s`: a minute ago."""
QUEUES: dict[str, tuple[Callable[[Path], RealServer], str]] = {
    "redis": (RedisServer, "?stream=soak"),
    "rabbitmq": (RabbitServer, "?queue=soak"),
    "kafka": (KafkaServer, "/soak"),
}
STORES: dict[str, Callable[[Path], PostgresServer | ClickHouseServer]] = {
    "postgresql": PostgresServer,
    "clickhouse": ClickHouseServer,
}

Fault = Callable[[], Awaitable[None]]


class Latencies:
    """Seconds of the answers since the last look."""

    def __init__(self) -> None:
        self.total = 0
        self._since: list[float] = []

    def add(self, seconds: float) -> None:
        self.total += 1
        self._since.append(seconds)

    def take(self) -> tuple[float | None, float | None]:
        """Median and 99th percentile; None: there was no answer."""
        taken, self._since = self._since, []
        if not taken:
            return None, None
        return float(np.percentile(taken, 50)), float(np.percentile(taken, 99))


class SoakClients(Clients):
    """Clients whose answers are timed."""

    def __init__(self, url: Callable[[], str], seed: int) -> None:
        super().__init__(url, seed, SENDERS, PAUSE)
        self.latencies = Latencies()

    async def _accepted(self, body: bytes, events: int, heard: bool) -> bool:
        began = time.monotonic()
        accepted = await super()._accepted(body, events, heard)
        if accepted:
            self.latencies.add(time.monotonic() - began)
        return accepted


@dataclass
class Soaked:
    """What a run has seen.

    Attributes:
        faults: when each began, in seconds since the run did, and its name.
        answered: requests with events that got a success.
        queried: queries that were answered.
        refused: queries that got another status, or no answer, by what they got. During a fault 503 and none are right.
        wrong: statuses that are never right.
        problems: what the oracle found, and lines that are not level.
        unjudged: latencies that are not level, on a machine that was busy with other things.
    """

    seconds: float = 0.0
    accepted: int = 0
    unknown: int = 0
    answered: int = 0
    queried: int = 0
    outcome: Outcome = field(default_factory=Outcome)
    samples: list[Sample] = field(default_factory=list)
    faults: list[tuple[float, str]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)


class Soak:
    """One run. `queue` and `store` are servers beside Tallystick; None: embedded."""

    def __init__(
        self,
        deployment: Deployment,
        seed: int,
        servers: Mapping[str, RealServer] | None = None,
        *,
        kills: bool = True,
        every: float = 20.0,
    ) -> None:
        self._deployment = deployment
        self._random = random.Random(seed)
        self._servers = servers or {}
        self._every = every
        self.clients = SoakClients(lambda: deployment.write_url, seed)
        self._queries = Latencies()
        self._seen = Soaked()
        self._began = 0.0
        self._busy_until = 0.0
        self._stopping = False
        self._faults = self._possible(kills)

    async def run(self, seconds: float) -> Soaked:
        """Load, faults and queries for so long; then the queue drains and the oracle looks."""
        seen = self._seen
        try:
            await asyncio.to_thread(self._deployment.start)
            self._began = time.monotonic()
            self.clients.go_on()
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self.clients.sending())
                await stack.enter_async_context(self._beside())
                begins = self._every
                while begins < seconds:
                    await asyncio.sleep(max(0.0, begins - self._at()))
                    await self._one_fault()
                    begins = max(begins + self._every, self._at() + CALM_SECONDS)
                await asyncio.sleep(max(0.0, seconds - self._at()))
            seen.seconds = self._at()
            seen.outcome = await asyncio.to_thread(self._look)
        finally:
            self._deployment.kill()
        ledger = self.clients.ledger
        seen.accepted, seen.unknown = len(ledger.accepted), len(ledger.unknown)
        seen.answered, seen.queried = self.clients.answered, self._queries.total
        seen.problems = findings(ledger, seen.outcome) + seen.wrong
        judge(seen)
        return seen

    def _look(self) -> Outcome:
        deployment = self._deployment

        def seen() -> Outcome:
            return look(deployment.write_url, deployment.read_url)

        return swept(seen, deployment.work[0]) if "clickhouse" in self._servers else seen()

    def _at(self) -> float:
        return time.monotonic() - self._began

    # --- the faults -----------------------------------------------------------------------------------------------

    def _possible(self, kills: bool) -> dict[str, Fault]:
        own: dict[str, ServerProcess] = {"up": self._deployment.serve}
        if self._deployment.separate:
            workers = {f"work {number}": worker for number, worker in enumerate(self._deployment.work)}
            own = {"ingest": self._deployment.ingest[0], "serve": self._deployment.serve, **workers}
        faults: dict[str, Fault] = {}
        for name, process in own.items():
            faults[f"{name} hangs"] = lambda process=process: self._hangs(process)  # type: ignore[misc]
            if kills:
                faults[f"{name} is killed"] = lambda process=process: self._killed(process)  # type: ignore[misc]
                faults[f"{name} is killed at its start"] = lambda process=process: self._killed_early(process)  # type: ignore[misc]
                faults[f"{name} restarts"] = lambda process=process: self._restarts(process)  # type: ignore[misc]
        for name, server in self._servers.items():
            faults[f"{name} is killed"] = lambda server=server: self._server_killed(server)  # type: ignore[misc]
        return faults

    async def _one_fault(self) -> None:
        name = self._random.choice(sorted(self._faults))
        self._seen.faults.append((self._at(), name))
        self._busy_until = float("inf")
        await self._faults[name]()
        self._busy_until = self._at() + SETTLE_SECONDS

    async def _hangs(self, process: ServerProcess) -> None:
        """SIGSTOP, and SIGCONT later: connections stay, and nothing is answered."""
        process.pause()
        try:
            await asyncio.sleep(self._random.uniform(*HANG))
        finally:
            process.resume()

    async def _killed(self, process: ServerProcess) -> None:
        """SIGKILL, and another process on the same data."""
        with self._without(process):
            await asyncio.to_thread(process.kill)
            await asyncio.sleep(self._random.uniform(*DARK))
            await asyncio.to_thread(process.start)

    async def _killed_early(self, process: ServerProcess) -> None:
        """SIGKILL, and once more while the next process starts."""
        with self._without(process):
            await asyncio.to_thread(process.kill)
            process.spawn()
            await asyncio.sleep(self._random.uniform(*DARK))
            await asyncio.to_thread(process.kill)
            await asyncio.to_thread(process.start)

    async def _restarts(self, process: ServerProcess) -> None:
        """SIGTERM; it finishes what it is at."""
        with self._without(process):
            await asyncio.to_thread(process.stop)
            await asyncio.to_thread(process.start)

    def _without(self, process: ServerProcess) -> ExitStack:
        """Senders wait while the process that takes events is missing."""
        stack = ExitStack()
        if process is self._deployment.ingest[0]:
            self.clients.pause()
            stack.callback(self.clients.go_on)
        return stack

    async def _server_killed(self, server: RealServer) -> None:
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(self._random.uniform(*DARK))
        await asyncio.to_thread(server.start)

    # --- beside them ----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _beside(self) -> AsyncIterator[None]:
        """Queries and measurements until the end of the block."""
        tasks = [asyncio.create_task(self._ask()) for _ in range(ASKERS)] + [asyncio.create_task(self._measure())]
        try:
            yield
        finally:
            self._stopping = True
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    async def _ask(self) -> None:
        connection, url = Connection(0), ""
        try:
            while not self._stopping:
                await asyncio.sleep(self._random.uniform(0, 2 * ASK_PAUSE))
                if url != self._deployment.read_url:
                    await connection.close()
                    url = self._deployment.read_url
                    connection = Connection(urlsplit(url).port or 80)
                await self._ask_once(connection)
        finally:
            await connection.close()

    async def _ask_once(self, connection: Connection) -> None:
        method, path, text = self._random.choice(QUERIES)
        body = text.replace("%s", (datetime.now(UTC) - timedelta(minutes=1)).isoformat()).encode()
        began = time.monotonic()
        try:
            status, answer = await connection.ask(method, path, body)
        except (OSError, EOFError, TimeoutError) as error:
            self._seen.refused[type(error).__name__] += 1
            await connection.close()
            return
        if status == 200:
            self._queries.add(time.monotonic() - began)
        else:
            self._seen.refused[str(status)] += 1
            if status not in (503, 504):
                self._seen.wrong.append(f"{method} {path} was answered {status}: {answer[:200]!r}")

    async def _measure(self) -> None:
        while not self._stopping:
            await asyncio.sleep(LOOK_EVERY)
            calm = self._at() > self._busy_until + LOOK_EVERY
            resident, descriptors = await asyncio.to_thread(self._sizes)
            write_p50, write_p99 = self.clients.latencies.take()
            query_p50, query_p99 = self._queries.take()
            self._seen.samples.append(
                Sample(
                    self._at(),
                    calm,
                    resident,
                    descriptors,
                    os.getloadavg()[0],
                    write_p50,
                    write_p99,
                    query_p50,
                    query_p99,
                )
            )

    def _sizes(self) -> tuple[int | None, int | None]:
        try:
            return self._deployment.resident(), self._deployment.descriptors()
        except ServerFailed:  # one is missing just now
            return None, None


def judge(seen: Soaked) -> None:
    """Add what is not level. Where others keep the machine busy, latencies say nothing; sizes do."""
    busy = max((sample.load for sample in seen.samples), default=0.0) > BUSY_LOAD * (os.cpu_count() or 1)
    for line in lines(seen.samples):
        if line.complaint:
            (seen.unjudged if busy and line.title.endswith("ms") else seen.problems).append(line.complaint)


# --- the command ----------------------------------------------------------------------------------------------------


def report(seen: Soaked, title: str) -> str:
    """The run as Markdown."""
    kinds = Counter(name for _, name in seen.faults)
    drawn = lines(seen.samples)
    fresh = "never" if seen.outcome.fresh_seconds is None else f"after {seen.outcome.fresh_seconds:.2f} s"
    changes = ["–" if line.change is None else f"{line.change:+.1f}" for line in drawn]
    rows = [
        f"| {line.title} | {line.median:.1f} | {change} | {line.allowed:.1f} |"
        for line, change in zip(drawn, changes, strict=True)
    ]
    averages = [sample.load for sample in seen.samples] or [0.0]
    loads = f"{min(averages):.1f} to {max(averages):.1f} on {os.cpu_count()} cores"
    calm = sum(sample.calm for sample in seen.samples)
    return "\n".join(
        [
            f"# {title}",
            "",
            f"{seen.seconds:.0f} s, {len(seen.faults)} faults: "
            + ", ".join(f"{name} ×{count}" for name, count in sorted(kinds.items()))
            + ".",
            "",
            f"- events with a success: {seen.accepted:,}; without an answer: {seen.unknown:,}; stored: "
            f"{seen.outcome.stored.total():,}; dead: {len(seen.outcome.dead)}; still queued: {seen.outcome.queued}",
            f"- a fresh event was found {fresh}",
            f"- requests with a success: {seen.answered:,}; queries answered: {seen.queried:,}; refused or without an "
            f"answer: {dict(seen.refused)}",
            f"- measurements: {len(seen.samples)}, of which {calm} without a fault; load average {loads}",
            "",
            "| without a fault | median | change over the run | allowed |",
            "|---|--:|--:|--:|",
            *rows,
            "",
            "![Each line over the run; a red mark is a fault](soak.svg)",
            "",
            *([f"- **{problem}**" for problem in seen.problems] or ["Nothing was lost or stored twice."]),
            *(f"- not judged, since the machine did other things: {line}" for line in seen.unjudged),
            "",
        ]
    )


def write_report(seen: Soaked, folder: Path, title: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(report(seen, title))
    (folder / "samples.csv").write_text(as_csv(seen.samples))
    (folder / "soak.svg").write_text(as_svg(lines(seen.samples), seen.faults, title))


def soak(queue: str, store: str, seconds: float, seed: int, *, kills: bool, every: float) -> Soaked:
    """A run on these servers, which are started for it; empty names: embedded. Both or none.

    G1, G2, G3, G4, G6, G11: nothing that got a success is lost or stored twice, whatever was killed meanwhile.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        if not queue:
            deployment = Deployment(folder / "data")
            return asyncio.run(Soak(deployment, seed, kills=kills, every=every).run(seconds))
        make_queue, own = QUEUES[queue]
        queue_server = make_queue(stack.enter_context(scratch_folder(queue)))
        store_server = STORES[store](stack.enter_context(scratch_folder(store)))
        for server in (queue_server, store_server):
            server.start()
            stack.callback(server.kill)
        settings = {"TALLYSTICK_QUEUE_TAKEOVER_SECONDS": "2", "TALLYSTICK_PUBLISH_TIMEOUT": "5"}
        deployment = Deployment(
            folder / "data", f"{queue_server.url}{own}", store_server.new_database(), workers=2, settings=settings
        )
        servers: dict[str, RealServer] = {queue: queue_server, store: store_server}
        return asyncio.run(Soak(deployment, seed, servers, kills=kills, every=every).run(seconds))


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.faults.soak", description=__doc__)
    parser.add_argument("--queue", choices=QUEUES, default="", help="without it queue and store are embedded")
    parser.add_argument("--store", choices=STORES, default="")
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("SOAK_SECONDS", HOUR)))
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--no-kills", action="store_true", help="Tallystick's own processes hang, and are never killed")
    parser.add_argument("--report", type=Path, default=Path("build/soak"), help="folder of the report")
    options = parser.parse_args(given)
    if bool(options.queue) != bool(options.store):
        parser.error("--queue and --store belong together: name both, or none for the embedded ones")
    names = f"{options.queue}, {options.store}" if options.queue else "embedded"
    kills = not options.no_kills
    seen = soak(options.queue, options.store, options.seconds, options.seed, kills=kills, every=options.every)
    write_report(seen, options.report, f"Soak: {names}, seed {options.seed}" + ("" if kills else ", without kills"))
    print((options.report / "report.md").read_text())
    if kills and options.seconds >= HOUR:
        row = f"tests/{SOAK}[{names}]"
        page.add({row: record.run("failed" if seen.problems else "passed", len(seen.faults), seen.seconds)})
    return 1 if seen.problems else 0


if __name__ == "__main__":
    sys.exit(main())
