"""compose.scale.yaml, as far as that goes without a container engine.

Its configurations of ClickHouse and of the proxy in front of it run in a real ClickHouse and a real Caddy;
tests/faults/test_compose_scale.py starts three real Kafka nodes with its settings.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import httpx
import pytest
from typer.main import get_command

from tallystick import cli
from tallystick.cli.options import load_settings
from tallystick.config import Settings, split_url
from tallystick.model.query import MetricsQuery
from tallystick.queue import make_queue
from tallystick.queue.kafka.address import parse_address
from tallystick.store import make_store
from tests.helpers.compose import compose_file, environment_of, filled_in, make_secrets, ours
from tests.helpers.http import plain_http
from tests.helpers.samples import sample_block
from tests.servers.caddy import Caddy
from tests.servers.clickhouse import ClickHouseServer
from tests.servers.process import free_port, wait_until
from tests.servers.scratch import scratch_folder

FILE = compose_file("compose.scale.yaml")
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OURS = ours(SERVICES)
CONFIGS: dict[str, str] = {name: config["content"] for name, config in FILE["configs"].items()}
INSIDE = {"TALLYSTICK_HOST", "TALLYSTICK_PORT", "TALLYSTICK_STATUS_PORT"}
KAFKA = [f"kafka-{n}" for n in (1, 2, 3)]
CLICKHOUSE = [f"clickhouse-{shard}-{replica}" for shard in (1, 2) for replica in (1, 2)]
KEEPERS = [f"keeper-{n}" for n in (1, 2, 3)]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `scripts/secrets` makes."""
    return make_secrets(tmp_path_factory.mktemp("secrets"))


@pytest.fixture
def settings(request: pytest.FixtureRequest, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that the process of a service, the test's `name`, starts with; an unknown one is an error."""
    for variable in [name for name in os.environ if name.startswith("TALLYSTICK_")]:
        monkeypatch.delenv(variable)
    for variable, value in environment_of(OURS[request.getfixturevalue("name")], secrets).items():
        assert variable.removeprefix("TALLYSTICK_").lower() in Settings.model_fields
        monkeypatch.setenv(variable, value)
    return load_settings()


# --- Tallystick's processes -----------------------------------------------------------------------------------------


def test_there_are_as_many_processes_as_the_documents_say() -> None:
    replicas = {name: filled_in(service["deploy"]["replicas"]) for name, service in OURS.items()}
    assert replicas == {"ingest": "2", "work": "4", "serve": "2"}
    assert {*KAFKA, *CLICKHOUSE, *KEEPERS} <= SERVICES.keys()


@pytest.mark.parametrize("name", OURS)
def test_they_start_with_settings_that_exist(name: str, settings: Settings) -> None:
    """Queue and store are the file's servers, by a URL that Tallystick can read, with passwords from files."""
    (role,) = OURS[name]["command"]
    assert role == name
    assert role in getattr(get_command(cli.app), "commands")  # noqa: B009 - mypy knows no such attribute
    make_queue(settings)
    brokers = split_url(settings.queue_url).netloc.rpartition("@")[2].split(",")
    assert brokers == [f"{node}:9092" for node in KAFKA]
    address = parse_address(settings)
    assert address.driver["sasl.mechanism"] == FILE["x-kafka-settings"]["KAFKA_SASL_ENABLED_MECHANISMS"]
    assert address.driver["sasl.password"]
    assert address.partitions >= int(filled_in(OURS["work"]["deploy"]["replicas"]))
    if role != "ingest":
        store = urlsplit(settings.store_url)
        assert (store.hostname, store.path, parse_qs(store.query)) == (
            "clickhouse",
            f"/{FILE['x-clickhouse-settings']['CLICKHOUSE_DB']}",
            {"cluster": ["tallystick"]},
        )
        assert store.username == FILE["x-clickhouse-settings"]["CLICKHOUSE_USER"]
        assert store.password


@pytest.mark.parametrize("name", OURS)
def test_who_is_reached_from_outside_asks_for_keys(name: str, settings: Settings) -> None:
    """G12."""
    keys = settings.access_keys()
    assert bool(keys.write) is (name == "ingest")
    assert bool(keys.read) is (name == "serve")
    assert settings.metrics_public is (name != "serve")


@pytest.mark.parametrize("name", OURS)
def test_every_setting_gets_from_env_to_the_process(name: str, secrets: Path) -> None:
    for field in Settings.model_fields:
        variable = f"TALLYSTICK_{field.upper()}"
        found = environment_of(OURS[name], secrets, {variable: "from .env"})
        assert ("from .env" in found[variable]) is (variable not in INSIDE)


@pytest.mark.parametrize("name", OURS)
def test_the_end_has_as_long_as_the_settings_say(name: str, settings: Settings) -> None:
    longest = int(OURS[name]["stop_grace_period"].removesuffix("s"))
    assert longest > settings.drain_delay + settings.shutdown_timeout + 1


@pytest.mark.parametrize("name", OURS)
def test_containers_may_do_little_and_be_many(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\$\{[A-Z]+_REPLICAS:-\d\}", service["deploy"]["replicas"])
    assert not service.keys() & {"container_name", "ports", "hostname", "privileged"}


# --- all services ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_watched_restarted_and_pinned(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert re.search(r":\d+\.\d+\.?\d*[\w.-]*(@sha256:[0-9a-f]{64})?$", service["image"])
    assert service["logging"]["options"]["max-size"]
    assert not service.get("privileged")
    assert {how["condition"] for how in service.get("depends_on", {}).values()} <= {"service_healthy"}
    assert service.get("depends_on", {}).keys() <= SERVICES.keys()


def test_the_proxy_is_that_of_compose_yaml_and_the_only_way_in() -> None:
    """tests/dialects/test_one_address.py runs that one."""
    assert CONFIGS["proxy"] == compose_file("compose.yaml")["configs"]["proxy"]["content"]
    assert SERVICES["proxy"]["image"] == compose_file("compose.yaml")["services"]["proxy"]["image"]
    published = {name: list(map(filled_in, service.get("ports", ()))) for name, service in SERVICES.items()}
    assert {name: ports for name, ports in published.items() if ports} == {"proxy": ["127.0.0.1:8000:8000"]}


def test_data_is_in_named_volumes() -> None:
    mounted = [
        (name, volume.partition(":")[0]) for name, service in SERVICES.items() for volume in service.get("volumes", ())
    ]
    shared = [(name, "visitors") for name in ("ingest", "serve")]
    assert sorted(mounted) == sorted([*shared, *((name, name) for name in FILE["volumes"] if name != "visitors")])
    assert {name for name, _ in mounted} == {"ingest", "serve", *KAFKA, *CLICKHOUSE, *KEEPERS}


def test_secrets_are_files_and_nothing_else(secrets: Path) -> None:
    files = FILE["secrets"]
    assert {name: file["file"] for name, file in files.items()} == {name: f"secrets/{name}" for name in files}
    assert files.keys() <= {path.name for path in secrets.iterdir()}
    assert {name for service in SERVICES.values() for name in service.get("secrets", ())} == files.keys()
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not re.search(r"(?i)(password|pass|keys|auth|salt)$", name), name
            assert not re.search(r"://[^/]*:[^/]*@", value)


def test_keepers_are_reached_by_clickhouse_alone() -> None:
    """They ask for no password."""
    assert {name for name, service in SERVICES.items() if "keepers" in service.get("networks", ())} == {
        *CLICKHOUSE,
        *KEEPERS,
    }
    assert all(SERVICES[name]["networks"] == ["keepers"] for name in KEEPERS)
    assert FILE["networks"]["keepers"]["internal"] is True


# --- the servers' own configurations --------------------------------------------------------------------------------


def test_kafka_loses_nothing_when_a_node_does() -> None:
    """Three nodes that vote, and know each other by the names of their services."""
    for number, name in enumerate(KAFKA, start=1):
        found = SERVICES[name]["environment"]
        assert found["KAFKA_NODE_ID"] == str(number)
        assert found["KAFKA_ADVERTISED_LISTENERS"] == f"CLIENT://{name}:9092"
        voters = dict(voter.split("@") for voter in found["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(","))
        assert voters == {str(n): f"kafka-{n}:9093" for n in (1, 2, 3)}
        assert found["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == "3"
        assert found["KAFKA_MIN_INSYNC_REPLICAS"] == "2"
        assert int(found["KAFKA_BROKER_SESSION_TIMEOUT_MS"]) < Settings().publish_timeout * 1_000


def test_keepers_know_each_other() -> None:
    server = ElementTree.fromstring(CONFIGS["keeper"]).find("keeper_server")
    assert server is not None
    others = {
        found.findtext("id"): found.findtext("hostname") for found in server.iterfind("raft_configuration/server")
    }
    assert others == {SERVICES[name]["environment"]["KEEPER_ID"]: name for name in KEEPERS}
    port = server.findtext("tcp_port")
    nodes = ElementTree.fromstring(CONFIGS["clickhouse"]).iterfind("zookeeper/node")
    assert [(node.findtext("host"), node.findtext("port")) for node in nodes] == [(name, port) for name in KEEPERS]


@pytest.mark.parametrize("name", CLICKHOUSE)
def test_clickhouse_knows_its_cluster_and_its_place_in_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real ClickHouse with the file's macros and servers, as this node has them."""
    for variable, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("CLUSTER_PASSWORD", "secret")
    given = ElementTree.fromstring(filled_in(CONFIGS["clickhouse"]))
    with scratch_folder("clickhouse") as folder:
        server = ClickHouseServer(folder)
        config = ElementTree.parse(folder / "config.xml")
        config.getroot().extend([part for part in given if part.tag in ("macros", "remote_servers")])
        config.write(folder / "config.xml")
        server.start()
        try:
            shard, replica = name.split("-")[1:]
            assert server.sql("SELECT getMacro('shard'), getMacro('replica')").split() == [shard, name]
            found = server.sql(
                "SELECT shard_num, replica_num, host_name, port FROM system.clusters WHERE cluster = 'tallystick'"
                " ORDER BY shard_num, replica_num"
            )
        finally:
            server.kill()
    assert found.split() == [
        word for node in CLICKHOUSE for word in (*node.removeprefix("clickhouse-").split("-"), node, "9000")
    ]
    assert replica in ("1", "2")


async def test_the_store_goes_on_when_a_node_of_clickhouse_does_not(tmp_path: Path) -> None:
    """The file's proxy in front of ClickHouse, with its first two addresses dead: a batch, whose statements need one
    session, is stored and found.
    """
    with scratch_folder("clickhouse") as folder:
        server = ClickHouseServer(folder)
        server.start()
        port = free_port()
        addresses = iter([f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}", f"127.0.0.1:{server.port}"])
        text = re.sub(r"clickhouse-\d-\d:8123", lambda _: next(addresses, f"127.0.0.1:{free_port()}"), proxy_text())
        caddy = Caddy(tmp_path, text.replace(":8123 {", f":{port} {{"))
        try:
            wait_until(lambda: pinged(port), "ClickHouse through the proxy")
            url = server.new_database().replace(f":{server.port}/", f":{port}/")
            store = make_store(Settings(data=tmp_path, store_url=url))
            await store.open()
            await store.migrate()
            await store.write([sample_block(0, range(100))])
            answer = await store.run(MetricsQuery())
            await store.close()
        finally:
            caddy.kill()
            server.kill()
    assert answer.rows[0]["events"] == 100


def proxy_text() -> str:
    return CONFIGS["clickhouse-proxy"]


def pinged(port: int) -> bool:
    """Whether the probe of the service would be content."""
    probe = SERVICES["clickhouse"]["healthcheck"]["test"]
    assert probe[-1] == "http://127.0.0.1:8123/ping"
    try:
        return plain_http.get(probe[-1].replace("8123", str(port))).status_code == 200
    except httpx.TransportError:
        return False
