"""A wire to each server that is slow, goes dead, breaks or carries a byte at a time, under load, and the oracle's look.

`TIMES=2 pytest -m faults tests/faults/test_wire_faults.py` repeats each fault so often.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.oracle import findings
from tests.faults.times import REPETITIONS, TIMES, Record
from tests.faults.wire_faults import COMMITS, WIRE_FAULTS, WireRun
from tests.helpers.thorough import chance
from tests.servers.clickhouse import ClickHouseServer
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer
from tests.servers.scratch import scratch_folder
from tests.servers.wire import Wire

Server = RedisServer | RabbitServer | KafkaServer | PostgresServer | ClickHouseServer
QUEUES = {"redis": "?stream=", "rabbitmq": "?queue=", "kafka": "/"}
"""What names a queue in each server's URL."""
SELDOM = {"rabbitmq", "kafka", "clickhouse"}
"""Servers that `make faults` alone has a wire to: they take long to start."""


class Ended(NamedTuple):
    """A server at the end of a wire, and what is used with it.

    Attributes:
        port: where the wire listens.
    """

    name: str
    server: Server
    port: int
    queue: RedisServer | RabbitServer | KafkaServer
    store: PostgresServer | ClickHouseServer


class Servers:
    """One of each kind, started when a test needs it first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, Server] = {}
        self._wire_port = free_port()

    def ended(self, name: str) -> Ended:
        """This server at the end of a wire: a queue with PostgreSQL, a store with Redis."""
        queue = self._started(name if name in QUEUES else "redis")
        store = self._started("postgres" if name in QUEUES else name)
        assert isinstance(queue, RedisServer | RabbitServer | KafkaServer)
        assert isinstance(store, PostgresServer | ClickHouseServer)
        return Ended(name, queue if name in QUEUES else store, self._wire_port, queue, store)

    def kill(self) -> None:
        for server in self._running.values():
            server.kill()

    def _started(self, name: str) -> Server:
        if name not in self._running:
            folder = self._folder / name
            folder.mkdir()
            folder.chmod(0o755)
            self._running[name] = self._made(name, folder)
            self._running[name].start()
        return self._running[name]

    def _made(self, name: str, folder: Path) -> Server:
        if name == "kafka":  # clients go on to the address that it names, which has to be the wire's
            return KafkaServer(folder, more={"advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._wire_port}"})
        kinds = {"redis": RedisServer, "rabbitmq": RabbitServer, "postgres": PostgresServer}
        return kinds[name](folder) if name in kinds else ClickHouseServer(folder)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with scratch_folder("wired") as folder:
        servers = Servers(folder)
        yield servers
        servers.kill()


@asynccontextmanager
async def wired(folder: Path, end: Ended, own: str, seed: int) -> AsyncIterator[WireRun]:
    """A run with a queue and a database of its own, one of them over a wire."""
    wire = Wire(end.server.port, end.port)
    await wire.open()
    kind = end.name if end.name in QUEUES else "redis"
    direct, over = f"127.0.0.1:{end.server.port}", f"127.0.0.1:{wire.port}"
    urls = [f"{end.queue.url}{QUEUES[kind]}{own}", end.store.new_database()]
    assert sum(direct in url for url in urls) == 1
    queue_url, store_url = (url.replace(direct, over) for url in urls)
    try:
        yield WireRun(folder, wire, end.name, end.queue, queue_url, end.store, store_url, seed)
    finally:
        await wire.close()


async def holds(run: WireRun, faults: list[str], times: int) -> None:
    outcome = await run.run([one for fault in faults for one in run.faults(fault, times)])
    assert findings(run.clients.ledger, outcome) == []
    assert run.clients.answered > 50
    assert run.broken == sum(times for fault in faults if fault.startswith("reset"))


async def test_a_wire_with_every_kind_of_fault_that_breaks_it(tmp_path: Path, servers: Servers) -> None:
    """G1, G2, G3, G4, G6, G11: a server and faults of this commit; `make faults` has each twenty times."""
    name = chance().choice([name for name in COMMITS if name not in SELDOM])
    faults = ["reset_in_commit", chance().choice(["latency", "reset_after_bytes", "one_byte_at_a_time"])]
    print(f"a wire to {name}: {faults}")
    async with wired(tmp_path, servers.ended(name), "sampled", seed=11) as run:
        await holds(run, faults, times=1)


@pytest.mark.faults
@pytest.mark.parametrize("fault", WIRE_FAULTS)
@pytest.mark.parametrize("name", COMMITS)
async def test_each_fault_of_a_wire(
    tmp_path: Path, servers: Servers, record_property: Record, name: str, fault: str
) -> None:
    """G1, G2, G3, G4, G6, G11."""
    record_property(REPETITIONS, TIMES)
    async with wired(tmp_path, servers.ended(name), f"{name}-{fault}", seed=12) as run:
        await holds(run, [fault], TIMES)
