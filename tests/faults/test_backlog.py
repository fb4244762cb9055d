"""A start with 1 GiB of unread events and little memory, on each queue."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from uuid import uuid4

import pytest

from tallystick.harness.deployment import Deployment
from tallystick.harness.server import TALLYSTICK, Api
from tests.faults.disk_faults import failing
from tests.faults.killing import look
from tests.faults.oracle import ClientLedger, findings
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer
from tests.servers.scratch import scratch_folder

pytestmark = pytest.mark.faults
QUEUES: dict[str, type[RedisServer] | type[RabbitServer] | type[KafkaServer]] = {
    "redis": RedisServer,
    "rabbitmq": RabbitServer,
    "kafka": KafkaServer,
}
BACKLOG = 1 << 30
"""Bytes of unread events that nothing compresses."""
NOISE = 12 << 10
"""So many of them are in one event."""
EVENTS = 400
"""Events of a request, which is a block of its own: 5 MB."""
CLIENTS = 4
PATIENCE = 300.0
"""Seconds that a request is sent again, and that it may take."""
READY = 60.0
"""Seconds of a start: so long it waits for servers, too."""
DATA = 3 << 29
"""Bytes of RLIMIT_DATA. The stacks of threads count, which are never used in full: a process without a backlog has
about half of this.
"""
SHOWN = 3_000
"""Characters of the end of each process's log, for a failure."""
RESIDENT = 768 << 20
"""Bytes of each process, at the most."""


def with_little_memory() -> tuple[str, ...]:
    """The command of a process that cannot have more than DATA."""
    return ("sh", "-c", 'ulimit -d "$0" && exec "$@"', str(DATA >> 10), *TALLYSTICK)


@contextmanager
def servers(queue: str) -> Iterator[tuple[str, str]]:
    """The URLs of a queue and a store; empty: the embedded ones."""
    if queue == "sqlite":
        yield "", ""
        return
    with scratch_folder(queue) as queue_folder, scratch_folder("postgres") as store_folder, ExitStack() as stack:
        broker, postgres = QUEUES[queue](queue_folder), PostgresServer(store_folder)
        for server in (broker, postgres):
            server.start()
            stack.callback(server.kill)
        yield broker.url + ("/backlog" if queue == "kafka" else ""), postgres.new_database()


def fill(url: str, ledger: ClientLedger) -> None:
    """Send all of the backlog; each request until it is accepted."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        for _ in clients.map(lambda _: send(url, ledger), range(-(-BACKLOG // (NOISE * EVENTS)))):
            pass


def send(url: str, ledger: ClientLedger) -> None:
    ids = [str(uuid4()) for _ in range(EVENTS)]
    body = json.dumps({"events": [event(id_) for id_ in ids]}).encode()
    ledger.sent(ids)
    with closing(Api(url, PATIENCE)) as api:
        until = time.monotonic() + PATIENCE
        while (status := api.ask("POST", "/v1/events", body)[0]) != 202:
            assert time.monotonic() < until, f"the last answer was {status}"
            time.sleep(0.1)
    ledger.succeeded(ids)


def event(id_: str) -> dict[str, object]:
    noise = base64.b64encode(os.urandom(NOISE)).decode()
    return {"event_id": id_, "name": "large", "user_id": f"user-{id_[:2]}", "properties": {"noise": noise}}


def started(deployment: Deployment) -> dict[str, float]:
    """Start one process after the other; the seconds that each took until it was ready."""
    return {process.role: process.start() for process in deployment.processes}


@pytest.mark.parametrize("queue", ["sqlite", *QUEUES])
def test_a_gibibyte_of_unread_events_at_a_start(queue: str) -> None:
    """G1, G2, G3, G4, G11: ready as soon as without them, within its memory; and each of them is stored once."""
    ledger = ClientLedger()
    with scratch_folder("backlog") as folder, servers(queue) as (queue_url, store_url):
        taking = Deployment(folder / "data", queue_url, store_url, command=failing("stores-nothing"))
        try:
            taking.ingest[0].start()  # no worker stores: of `up` its store is away, and of others there is none
            fill(taking.write_url, ledger)
        finally:
            taking.kill()
        small = Deployment(folder / "data", queue_url, store_url, command=with_little_memory())
        try:
            seconds = started(small)
            outcome = look(small.write_url, small.read_url)
            peaks = {process.role: process.resident_peak() or 0 for process in small.processes}
        finally:
            small.kill()
            for log in folder.glob("*.log"):
                print(f"{log.name}: {log.read_text(errors='replace')[-SHOWN:]}")
    print(f"seconds until ready: {seconds}; bytes at the most: {peaks}")
    assert findings(ledger, outcome) == []
    assert {role: peak for role, peak in peaks.items() if peak > RESIDENT} == {}
    assert max(seconds.values()) < READY
