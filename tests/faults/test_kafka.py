"""Three Kafka brokers that die, fill up and are changed under load, and workers that lose their partitions.

`TIMES=20 pytest -m faults tests/faults/test_kafka.py` repeats each fault so often.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its package exports them by star
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

from tallystick.harness.server import Api
from tests.faults.killing import Clients
from tests.faults.oracle import findings
from tests.faults.server_faults import FaultRun
from tests.faults.times import REPETITIONS, Record
from tests.servers.kafka import KafkaCluster
from tests.servers.postgres import PostgresServer
from tests.servers.scratch import scratch_folder

pytestmark = pytest.mark.faults
TIMES = int(os.environ.get("TIMES", "3"))
RARE_TIMES = int(os.environ.get("TIMES", "1"))
"""How often the faults come that take a minute each."""
SENDERS = 4
"""So few that what they send in many minutes is read back in one."""
LONG = 120.0
"""Seconds that no test waits in full."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A durable PostgreSQL server."""
    with scratch_folder("postgres") as folder:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="module")
def cluster() -> Iterator[KafkaCluster]:
    """Three brokers; each test leaves all of them running."""
    with scratch_folder("kafka") as folder:
        cluster = KafkaCluster(folder)
        cluster.start()
        yield cluster
        cluster.kill()


class KafkaRun(FaultRun):
    """A run on several brokers, with a topic of its own."""

    def __init__(
        self, folder: Path, cluster: KafkaCluster, postgres: PostgresServer, topic: str, seed: int, **more: str
    ) -> None:
        self.cluster = cluster
        self.topic = topic
        url = f"{cluster.url}/{topic}?partitions=6"
        super().__init__(folder, cluster, url, postgres, postgres.new_database(), seed, more=more)
        self.clients = Clients(lambda: self.deployment.write_url, seed, senders=SENDERS)

    async def broker_dies(self, number: int = 0) -> None:
        """kill -9 of the leader of a third of the partitions; the others go on, and it comes back later."""
        await asyncio.to_thread(self.cluster.nodes[number].kill)
        await self.answers()
        await asyncio.to_thread(self.cluster.start)

    async def two_brokers_die(self) -> None:
        """Nothing can be confirmed until one of them is back."""
        for node in self.cluster.nodes[:2]:
            await asyncio.to_thread(node.kill)
        await asyncio.sleep(6.0)
        await asyncio.to_thread(self.cluster.start)
        await self.answers()

    async def all_brokers_die(self) -> None:
        await asyncio.to_thread(self.cluster.kill)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(self.cluster.start)
        await self.answers()

    async def worker_leaves_and_returns(self) -> None:
        """In good order, while both workers store."""
        worker = self.deployment.work[1]
        await asyncio.to_thread(worker.stop)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(worker.start)

    async def topic_becomes_weak(self) -> None:
        """A minute at most until it is noticed; then nothing is confirmed until it is set back."""
        await asyncio.to_thread(self.configure, "retention.ms", "86400000")
        await asyncio.sleep(65.0)
        await asyncio.sleep(6.0)  # what was under way has its answer
        answered = self.clients.answered
        await asyncio.sleep(3.0)
        assert self.clients.answered == answered, "events were confirmed in a topic that deletes by age"
        await asyncio.to_thread(self.configure, "retention.ms", "-1")
        await self.answers()

    def configure(self, name: str, value: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.cluster.url.removeprefix("kafka://"), "log_level": 0})
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, self.topic, incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result()

    async def answers(self, more: int = 20) -> None:
        """Returns once so many requests more were accepted, and the books can be read: the group's coordinator may have
        moved.
        """
        until = self.clients.answered + more
        async with asyncio.timeout(LONG):
            while self.clients.answered < until:  # noqa: ASYNC110 - the clients have no event
                await asyncio.sleep(0.1)
            while await asyncio.to_thread(self.pipeline_status) != 200:  # noqa: ASYNC110 - nor has the server
                await asyncio.sleep(0.5)

    def pipeline_status(self) -> int:
        with closing(Api(self.deployment.read_url)) as api:
            return api.ask("GET", "/v1/pipeline")[0]


FAULTS = (
    "broker_dies",
    "two_brokers_die",
    "all_brokers_die",
    "worker_hangs",
    "worker_dies",
    "worker_leaves_and_returns",
)


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults_of_each_kind(
    tmp_path: Path, cluster: KafkaCluster, postgres: PostgresServer, record_property: Record, fault: str
) -> None:
    """G1, G2, G3, G4, G11."""
    record_property(REPETITIONS, TIMES)
    run = KafkaRun(tmp_path, cluster, postgres, f"faults-{fault}", seed=5)
    outcome = await run.run([getattr(run, fault)] * TIMES)
    assert findings(run.clients.ledger, outcome) == []
    assert run.clients.answered > 50


async def test_each_broker_in_turn(tmp_path: Path, cluster: KafkaCluster, postgres: PostgresServer) -> None:
    """G1: the controller, the coordinator of the group and every leader are among them."""
    run = KafkaRun(tmp_path, cluster, postgres, "turns", seed=6)
    outcome = await run.run([lambda number=number: run.broker_dies(number) for number in range(3)])  # type: ignore[misc]
    assert findings(run.clients.ledger, outcome) == []


async def test_a_topic_that_becomes_weak(
    tmp_path: Path, cluster: KafkaCluster, postgres: PostgresServer, record_property: Record
) -> None:
    """G1."""
    record_property(REPETITIONS, RARE_TIMES)
    run = KafkaRun(tmp_path, cluster, postgres, "weak", seed=7)
    outcome = await run.run([run.topic_becomes_weak] * RARE_TIMES)
    assert findings(run.clients.ledger, outcome) == []


# --- full disks -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disks() -> Iterator[list[Path]]:
    """Three file systems of 256 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    with ExitStack() as stack:
        folders = [stack.enter_context(scratch_folder("kafka-small")) for _ in range(3)]
        for folder in folders:
            mount = ["mount", "-t", "tmpfs", "-o", "size=256m,mode=755", "tmpfs", str(folder)]
            if subprocess.run(mount, check=False).returncode:
                pytest.skip("this machine lets nobody mount a file system")
            stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=False)
        yield folders


async def test_the_budget_says_no_before_a_broker_is_full(
    tmp_path: Path, small_disks: list[Path], postgres: PostgresServer
) -> None:
    """G5: nothing is stored meanwhile, requests get 503, and no broker ends; afterwards all of it is stored."""
    cluster = KafkaCluster(tmp_path, folders=small_disks)
    try:
        await asyncio.to_thread(cluster.start)
        run = KafkaRun(tmp_path, cluster, postgres, "budget", seed=8, TALLYSTICK_QUEUE_MAX_BYTES=str(1 << 20))
        outcome = await run.run([lambda: run.store_is_away(45.0)])
        assert findings(run.clients.ledger, outcome) == []
        assert run.clients.refused > 0, "the budget was never reached"
        assert not any(node.ended for node in cluster.nodes)
    finally:
        cluster.kill()


async def test_a_broker_whose_disk_is_full(
    tmp_path: Path, small_disks: list[Path], postgres: PostgresServer, record_property: Record
) -> None:
    """G1, G5: something else fills one broker's disk, it ends, and the others go on; later it is back."""
    record_property(REPETITIONS, RARE_TIMES)
    cluster = KafkaCluster(tmp_path, folders=small_disks)

    async def fills_up(run: KafkaRun) -> None:
        junk = small_disks[0] / "junk"
        await asyncio.to_thread(subprocess.run, ["dd", "if=/dev/zero", f"of={junk}", "bs=64k"], capture_output=True)
        async with asyncio.timeout(LONG):
            while not cluster.nodes[0].ended:  # noqa: ASYNC110 - a process has no event
                await asyncio.sleep(0.1)
        await run.answers()
        junk.unlink()
        await asyncio.to_thread(cluster.start)
        await run.answers()

    try:
        await asyncio.to_thread(cluster.start)
        run = KafkaRun(tmp_path, cluster, postgres, "full", seed=9)
        outcome = await run.run([lambda: fills_up(run)] * RARE_TIMES)
        assert findings(run.clients.ledger, outcome) == []
    finally:
        cluster.kill()
