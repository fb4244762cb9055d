"""One simulated run: clients, an ingest process, two workers, a queue and a store, and what goes wrong among them.

Worker, publisher, bisection and books are the product's own code. Queue and store are models of their contracts, the
network loses and delays, processes are killed and stopped. All of it follows from one seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import cast
from unittest.mock import patch

from structlog.testing import capture_logs

from tallystick.config import Settings
from tallystick.errors import TallystickError
from tallystick.ingest.publisher import Publisher
from tallystick.metrics import Metrics
from tallystick.model.books import close_books
from tallystick.store.base import Store
from tallystick.worker.worker import Worker
from tests.faults.oracle import ClientLedger, Outcome, findings
from tests.simulation.broker import LEASE, Broker, SimulatedQueue, event_id
from tests.simulation.clock import run_virtually
from tests.simulation.tables import POISON, STUBBORN, SimulatedStore, Tables
from tests.simulation.weather import Process, Weather

CLIENTS = 4
WORKERS = 2
FAULTS = 9
"""How often something is killed, stopped or away in a run."""
DRAIN = LEASE + 60.0
"""Seconds that the queue has to drain after the faults: the last lease, and a minute."""
FRESH = 10.0
"""Seconds after which a fresh event has to be stored."""
LOOK = 0.25
"""Seconds between two looks whether something has happened."""

SETTINGS = Settings(retry_max_delay=5.0, block_max_events=8, batch_max_events=32, log_accepted=False)
METRICS = Metrics()


class Api:
    """An ingest process."""

    def __init__(self, broker: Broker, publisher: type[Publisher]) -> None:
        self.process = Process(broker.weather)
        self.publisher = publisher(SimulatedQueue(broker, self.process), SETTINGS, METRICS)
        self.task = asyncio.create_task(self.publisher.run())


class Loader:
    """A worker process."""

    def __init__(self, broker: Broker, tables: Tables, worker: type[Worker]) -> None:
        self.process = Process(broker.weather)
        self.worker = worker(
            SimulatedQueue(broker, self.process),
            cast(Store, SimulatedStore(tables, self.process)),
            SETTINGS,
            METRICS,
            asyncio.get_running_loop().time,
        )
        self.task = asyncio.create_task(self.worker.run())


class Simulation:
    """A run. Subclasses take a promise out of a part of it.

    Attributes:
        differences: what the books said while the faults went on.
    """

    publisher: type[Publisher] = Publisher
    worker: type[Worker] = Worker

    def __init__(self, seed: int) -> None:
        self.weather = Weather(seed)
        self.dice = Random(f"course of {seed}")
        self.broker = self.make_broker()
        self.tables = self.make_tables()
        self.ledger = ClientLedger()
        self.differences: list[str] = []
        self._ids = 0
        self._over = False

    def make_broker(self) -> Broker:
        return Broker(self.weather)

    def make_tables(self) -> Tables:
        return Tables(self.weather)

    async def run(self) -> list[str]:
        """All of it. Returns one sentence for each promise that was broken."""
        self.api = Api(self.broker, self.publisher)
        self.loaders = [Loader(self.broker, self.tables, self.worker) for _ in range(WORKERS)]
        clients = [asyncio.create_task(self._client()) for _ in range(CLIENTS)]
        checks = asyncio.create_task(self._books())
        await self._faults()
        self._over = True
        await asyncio.gather(*clients, *self.broker.under_way)
        await self._until(lambda: not self.broker.written, DRAIN)
        outcome = Outcome(
            stored=self.tables.stored,
            dead=set(self._dead()),
            queued=sum(kept.block.count for kept in self.broker.written.values()),
            fresh_seconds=await self._fresh(),
        )
        self._compare_books()
        outcome.differences = self.differences
        checks.cancel()
        self.api.publisher.stop()
        for loader in self.loaders:
            loader.worker.stop()
        await asyncio.gather(self.api.task, *(loader.task for loader in self.loaders))
        return findings(self.ledger, outcome)

    async def _client(self) -> None:
        """Sends events until the faults are over, and those without an answer again, with the same ids."""
        old: list[bytes] = []
        while not self._over:
            new = [self._line() for _ in range(self.dice.randint(1, 5))]
            lines = new + (self.dice.sample(old, 1) if old and self.dice.random() < 0.2 else [])
            for _ in range(self.dice.randint(1, 6)):
                if await self._send(lines):
                    break
                await asyncio.sleep(self.dice.uniform(0, 5))
            old += new
            await asyncio.sleep(self.dice.uniform(0, 4))

    def _line(self) -> bytes:
        self._ids += 1
        chance = self.dice.random()
        kind = POISON if chance < 0.02 else STUBBORN if chance < 0.03 else b""
        return b"e%d%b\n" % (self._ids, kind)

    async def _send(self, lines: Sequence[bytes]) -> bool:
        """One request; whether its success arrived."""
        ids = [line.split()[0].decode() for line in lines]
        if self.weather.strikes("a request is lost"):
            return False
        self.ledger.sent(ids)
        try:
            async with asyncio.timeout(15):
                await self.api.publisher.publish(b"".join(lines), len(lines), "request")
        except (TallystickError, TimeoutError):
            return False
        if self.weather.strikes("an answer is lost"):
            return False
        self.ledger.succeeded(ids)
        return True

    async def _faults(self) -> None:
        """The course of the run; afterwards everything works."""
        happenings = (
            self._kill_api,
            self._kill_worker,
            self._stop_worker,
            self._power_cut,
            self._store_away,
            self._roll,
        )
        for _ in range(FAULTS):
            await asyncio.sleep(self.dice.uniform(0.1, 6))
            await self.dice.choice(happenings)()
        self.weather.calm = True

    async def _kill_api(self) -> None:
        self.api.process.kill()
        self.api.task.cancel()
        await asyncio.sleep(self.dice.uniform(0, 3))
        self.api = Api(self.broker, self.publisher)

    async def _kill_worker(self) -> None:
        number = self.dice.randrange(WORKERS)
        self.loaders[number].process.kill()
        self.loaders[number].task.cancel()
        await asyncio.sleep(self.dice.uniform(0, 3))
        self.loaders[number] = Loader(self.broker, self.tables, self.worker)

    async def _stop_worker(self) -> None:
        """For longer than its lease at times: another one gets its blocks, and then it goes on."""
        process = self.dice.choice(self.loaders).process
        process.stop()
        await asyncio.sleep(self.dice.choice((1.0, LEASE + 10)))
        process.go_on()

    async def _power_cut(self) -> None:
        """Of the queue's machine."""
        self.broker.power_cut()

    async def _store_away(self) -> None:
        """Until the queue is full at times."""
        self.tables.away = True
        await asyncio.sleep(self.dice.choice((3.0, 60.0)))
        self.tables.away = False

    async def _roll(self) -> None:
        """SIGTERM to the ingest process and to a worker; new ones take their places."""
        number = self.dice.randrange(WORKERS)
        old, api = self.loaders[number], self.api
        self.api = Api(self.broker, self.publisher)
        self.loaders[number] = Loader(self.broker, self.tables, self.worker)
        api.publisher.stop()
        old.worker.stop()
        await asyncio.wait({old.task, api.task}, timeout=10)

    async def _books(self) -> None:
        """G4 is true at every moment."""
        while True:
            await asyncio.sleep(self.dice.uniform(0, 3))
            self.broker.flush()
            self._compare_books()

    def _compare_books(self) -> None:
        _, differences = close_books(self.broker.books(), self.tables.ledger())
        self.differences += [difference.message for difference in differences]

    def _dead(self) -> Iterator[str]:
        for (key, index), letter in self.tables.dead.items():
            yield from self.broker.contents[key] if index == -1 else [event_id(letter.original)]

    async def _fresh(self) -> float | None:
        """How long a new event takes, when all is well again."""
        began = asyncio.get_running_loop().time()
        accepted = await self._send([b"fresh\n"])
        await self._until(lambda: "fresh" in self.tables.stored, FRESH)
        arrived = accepted and "fresh" in self.tables.stored
        return asyncio.get_running_loop().time() - began if arrived else None

    @staticmethod
    async def _until(done: Callable[[], bool], seconds: float) -> None:
        for _ in range(round(seconds / LOOK)):
            if done():
                return
            await asyncio.sleep(LOOK)


@contextmanager
def ids_from(dice: Random) -> Iterator[None]:
    """Ingester ids that follow from the seed too."""
    with patch("secrets.token_hex", lambda count: dice.randbytes(count).hex()):
        yield


def simulate(seed: int, kind: type[Simulation] = Simulation) -> list[str]:
    """One run. Returns one sentence for each promise that was broken."""
    with ids_from(Random(seed)), capture_logs():
        return run_virtually(kind(seed).run())


def broken(seeds: Iterable[int], kind: type[Simulation] = Simulation) -> dict[int, list[str]]:
    """The seeds whose runs broke a promise, and which."""
    return {seed: found for seed in seeds if (found := simulate(seed, kind))}
