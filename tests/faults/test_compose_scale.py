"""The brokers of compose.scale.yaml: three real nodes with its settings are durable, and ask for the password."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tallystick.config import Settings
from tallystick.errors import ConfigError
from tallystick.queue import make_queue
from tests.helpers.compose import compose_file, filled_in, make_secrets
from tests.servers.kafka import KafkaServer
from tests.servers.process import free_port
from tests.servers.scratch import scratch_folder

pytestmark = pytest.mark.faults

FILE = compose_file("compose.scale.yaml")
NODES: dict[int, dict[str, Any]] = {n: FILE["services"][f"kafka-{n}"] for n in (1, 2, 3)}
NOT_PROPERTIES = {"KAFKA_HEAP_OPTS", "KAFKA_LOG_DIRS"}
"""Variables that the image takes for itself, and the folder, which is another one here."""


def properties(service: Mapping[str, Any], secrets: Path) -> dict[str, str]:
    """What the image makes of the variables that the service's command leaves: KAFKA_NODE_ID is node.id."""
    (script,) = service["command"]
    script, found = re.subn(r"exec /__cacert_entrypoint\.sh .*", "env -0", filled_in(script))
    assert found == 1
    given = {"PATH": "/usr/bin:/bin", **{name: filled_in(value) for name, value in service["environment"].items()}}
    command = [*service["entrypoint"], script.replace("/run/secrets", str(secrets))]
    printed = subprocess.run(command, env=given, check=True, capture_output=True, text=True).stdout
    variables = dict(line.split("=", 1) for line in printed.split("\0") if line)
    return {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in variables.items()
        if name.startswith("KAFKA_") and name not in NOT_PROPERTIES
    }


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_secrets(tmp_path_factory.mktemp("secrets"))


@pytest.fixture(scope="module")
def brokers(secrets: Path) -> Iterator[str]:
    """Their addresses, as they stand in a URL."""
    voters = {number: free_port() for number in NODES}
    with scratch_folder("kafka") as folder:
        nodes = {}
        for number in NODES:
            (folder / str(number)).mkdir()
            nodes[number] = KafkaServer(folder / str(number), number=number, voters=voters)
        here = {f"kafka-{n}:9092": f"127.0.0.1:{node.port}" for n, node in nodes.items()}
        here |= {f"kafka-{n}:9093": f"127.0.0.1:{port}" for n, port in voters.items()}
        for number, node in nodes.items():
            own = {"//:9092": f"//127.0.0.1:{node.port}", "//:9093": f"//127.0.0.1:{voters[number]}"}
            wanted = properties(NODES[number], secrets)
            for name, value in wanted.items():
                for there, address in (here | own).items():
                    value = value.replace(there, address)
                wanted[name] = value
            # The tests' brokers bound sessions to a few seconds; these are Kafka's own bounds.
            wanted["group.consumer.session.timeout.ms"] = "45000"
            wanted["group.consumer.max.session.timeout.ms"] = "60000"
            node.configure(**{name.replace(".", "_"): value for name, value in wanted.items()})
        try:
            for node in nodes.values():
                node.launch()
            for node in nodes.values():
                node.wait()
            yield ",".join(f"127.0.0.1:{node.port}" for node in nodes.values())
        finally:
            for node in nodes.values():
                node.kill()


def settings_with(folder: Path, brokers: str, password: str) -> Settings:
    """The file's URL, with these brokers in place of its own."""
    url = filled_in(FILE["x-queue"]["TALLYSTICK_QUEUE_URL"])
    url = re.sub(r"kafka-1:9092,kafka-2:9092,kafka-3:9092", brokers, url).replace(
        "tallystick@", f"tallystick:{password}@"
    )
    assert brokers in url
    return Settings(data=folder, queue_url=url, start_timeout=30.0)


async def test_blocks_are_on_two_machines_before_they_are_confirmed(
    tmp_path: Path, brokers: str, secrets: Path
) -> None:
    """G1: the queue would refuse to open on weaker settings."""
    password = (secrets / "kafka_password").read_text().strip()
    queue = make_queue(settings_with(tmp_path, brokers, password))
    await queue.open()
    try:
        assert queue.durability == "2 of 3 replicas"
    finally:
        await queue.close()


async def test_without_the_password_nothing_is_taken(tmp_path: Path, brokers: str) -> None:
    """G12."""
    queue = make_queue(settings_with(tmp_path, brokers, "wrong"))
    with pytest.raises(ConfigError, match="refuses the user or the password"):
        await queue.open()
