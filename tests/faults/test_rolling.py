"""Every process restarts under load, one after the other; no request of a client without retries fails."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.oracle import ClientLedger, Outcome, findings
from tests.faults.rolling import Load, Part
from tests.faults.times import REPETITIONS, Record
from tests.helpers.http import plain_http
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port, wait_until
from tests.servers.redis import RedisServer
from tests.servers.scratch import scratch_folder

DRAIN_SECONDS = 60.0


class Servers:
    """The queue and the store of a deployment."""

    def __init__(self, redis: RedisServer, postgres: PostgresServer) -> None:
        self.redis = redis
        self.postgres = postgres


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with scratch_folder("redis") as redis_folder, scratch_folder("postgres") as postgres_folder:
        redis, postgres = RedisServer(redis_folder), PostgresServer(postgres_folder)
        redis.start()
        postgres.start()
        yield Servers(redis, postgres)
        postgres.kill()
        redis.kill()


class Deployment:
    """`ingest`, two of `work`, and `serve`, each of which can be followed by another of its kind."""

    def __init__(self, folder: Path, servers: Servers) -> None:
        self._folder = folder
        self._settings = {
            "TALLYSTICK_QUEUE_URL": servers.redis.url,
            "TALLYSTICK_STORE_URL": servers.postgres.new_database(),
            "TALLYSTICK_START_TIMEOUT": "30",
        }
        self.ports = {"ingest": free_port(), "serve": free_port()}
        self._running: dict[str, Part] = {}
        self._started: list[Part] = []

    def start(self, name: str) -> Part:
        """A process of the kind that `name` begins with; ready."""
        kind, _, _ = name.partition("-")
        port = self.ports.get(kind) or free_port()
        part = Part([kind, "--port", str(port)], self._settings, self._folder / f"{name}.{len(self._started)}.log")
        self._started.append(part)
        part.until_ready()
        if kind == "work":
            wait_until(lambda: _status(port) == 200, "a worker with its store")
        return part

    def roll(self, name: str) -> None:
        """Start the next one, wait until it is ready, stop the one before."""
        following = self.start(name)
        if name in self._running:
            self._running[name].stop()
        self._running[name] = following

    def kill(self) -> None:
        for part in self._started:
            part.kill()

    def get(self, path: str) -> Any:
        """The JSON of `serve`."""
        answer = plain_http.get(f"http://127.0.0.1:{self.ports['serve']}{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def outcome(self) -> Outcome:
        """What is stored once the queue is empty."""
        wait_until(lambda: self.get("/v1/pipeline")["ledger"]["queued"] == 0, "an empty queue", DRAIN_SECONDS)
        found = plain_http.get(f"http://127.0.0.1:{self.ports['serve']}/v1/export")
        assert found.status_code == 200, found.text
        stored = Counter(json.loads(line)["event_id"] for line in found.text.splitlines())
        differences = [difference["message"] for difference in self.get("/v1/verify")["differences"]]
        return Outcome(stored, differences=differences, fresh_seconds=0.0)


def _status(port: int) -> int:
    try:
        return plain_http.get(f"http://127.0.0.1:{port}/readyz").status_code
    except httpx.TransportError:
        return 0


async def _rolled(folder: Path, servers: Servers, rounds: int) -> tuple[Load, Outcome]:
    servers.redis.ask("FLUSHALL")
    deployment = Deployment(folder, servers)
    names = ("work-1", "work-2", "serve", "ingest")
    try:
        for name in names:
            await asyncio.to_thread(deployment.roll, name)
        load = Load(rounds, deployment.ports["ingest"], deployment.ports["serve"])
        for _ in range(rounds):
            for name in names:
                await asyncio.to_thread(deployment.roll, name)
        await load.stop()
        return load, await asyncio.to_thread(deployment.outcome)
    finally:
        deployment.kill()


def _check(load: Load, outcome: Outcome) -> None:
    client = ClientLedger()
    client.sent(load.accepted)
    client.succeeded(load.accepted)
    assert load.failures == []
    assert findings(client, outcome) == []


async def test_each_process_once(tmp_path: Path, servers: Servers) -> None:
    """G2, G3, G4, G11, in seconds."""
    load, outcome = await _rolled(tmp_path, servers, rounds=1)
    _check(load, outcome)
    assert len(load.accepted) > 100
    assert load.asked > 10


@pytest.mark.faults
async def test_each_process_ten_times(tmp_path: Path, servers: Servers, record_property: Record) -> None:
    """G2, G3, G4, G11."""
    record_property(REPETITIONS, 10)
    load, outcome = await _rolled(tmp_path, servers, rounds=10)
    _check(load, outcome)
    assert len(load.accepted) > 5_000
    assert load.asked > 500
