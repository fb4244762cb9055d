"""Processes and servers killed under load, on every queue and PostgreSQL, with the clients' own ledger as oracle."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tallystick.harness.server import TALLYSTICK
from tests.faults.oracle import findings
from tests.faults.server_faults import FaultRun
from tests.faults.times import REPETITIONS, TIMES, Record
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import RealServer
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer
from tests.servers.scratch import scratch_folder

MUTANTS = Path(__file__).with_name("mutants.py")
QUEUES: dict[str, type[RedisServer] | type[RabbitServer] | type[KafkaServer]] = {
    "redis": RedisServer,
    "rabbitmq": RabbitServer,
    "kafka": KafkaServer,
}
SELDOM = {"rabbitmq", "kafka"}
"""Queues that `make faults` alone runs with: their servers take long to start again."""
FAULTS = ["ingest_dies", "worker_dies", "queue_dies", "store_dies"]
BUDGET = 1 << 20


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A durable PostgreSQL server."""
    with scratch_folder("postgres") as folder:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.kill()


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.faults] * (name in SELDOM)) for name in QUEUES]
)
def queue_server(request: pytest.FixtureRequest) -> Iterator[RealServer]:
    """Each queue's server in turn, durable."""
    with scratch_folder(request.param) as folder:
        server = QUEUES[request.param](folder)
        server.start()
        yield server
        server.kill()


def fault_run(
    folder: Path,
    queue: RealServer,
    postgres: PostgresServer,
    name: str,
    seed: int,
    command: Sequence[str] = TALLYSTICK,
    more: Mapping[str, str] | None = None,
) -> FaultRun:
    """A run with a database and a queue of its own."""
    own = {RedisServer: "?stream=", RabbitServer: "?queue=", KafkaServer: "/"}[type(queue)]
    return FaultRun(folder, queue, f"{queue.url}{own}{name}", postgres, postgres.new_database(), seed, command, more)


async def test_a_fault_of_each_kind(tmp_path: Path, queue_server: RealServer, postgres: PostgresServer) -> None:
    """G1, G2, G3, G4, G6, G11, once each; `make faults` has the long runs."""
    run = fault_run(tmp_path, queue_server, postgres, "each", seed=1)
    outcome = await run.run([getattr(run, fault) for fault in FAULTS])
    assert findings(run.clients.ledger, outcome) == []
    assert run.clients.answered > 50


@pytest.mark.faults
@pytest.mark.parametrize("fault", [*FAULTS, "worker_hangs"])
async def test_twenty_faults_of_each_kind(
    tmp_path: Path, queue_server: RealServer, postgres: PostgresServer, record_property: Record, fault: str
) -> None:
    """G1, G2, G3, G4, G6, G11."""
    record_property(REPETITIONS, TIMES)
    run = fault_run(tmp_path, queue_server, postgres, f"twenty-{fault}", seed=2)
    outcome = await run.run([getattr(run, fault)] * TIMES)
    assert findings(run.clients.ledger, outcome) == []
    assert run.clients.answered > 25 * TIMES
    assert run.clients.ledger.unknown, "every request was answered: nothing was under way when something died"


@pytest.mark.faults
async def test_a_minute_without_the_store(tmp_path: Path, queue_server: RealServer, postgres: PostgresServer) -> None:
    """G6: events are taken all the while, and stored afterwards."""
    run = fault_run(tmp_path, queue_server, postgres, "minute", seed=3)
    outcome = await run.run([lambda: run.store_is_away(60.0)])
    assert findings(run.clients.ledger, outcome) == []


@pytest.mark.faults
async def test_the_budget_is_used_up_without_the_store(
    tmp_path: Path, queue_server: RealServer, postgres: PostgresServer
) -> None:
    """G5, G6: 503 from then on, and nothing that was accepted is gone; later all of it is stored."""
    budget = {"TALLYSTICK_QUEUE_MAX_BYTES": str(BUDGET)}
    run = fault_run(tmp_path, queue_server, postgres, "budget", seed=5, more=budget)
    outcome = await run.run([run.store_is_away_until_refused])
    assert findings(run.clients.ledger, outcome) == []


@pytest.mark.faults
@pytest.mark.parametrize(
    ("mutant", "fault"), [("answers_before_commit", "ingest_dies"), ("acks_before_write", "worker_dies")]
)
async def test_processes_without_a_promise_are_found_out(
    tmp_path: Path, queue_server: RealServer, postgres: PostgresServer, mutant: str, fault: str
) -> None:
    """The tests above can fail."""
    command = (sys.executable, str(MUTANTS), mutant)
    run = fault_run(tmp_path, queue_server, postgres, f"mutant-{mutant}", 4, command)
    outcome = await run.run([getattr(run, fault)] * 5)
    assert "got a success and are neither stored nor dead" in " ".join(findings(run.clients.ledger, outcome))
