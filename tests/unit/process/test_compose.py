"""compose.yaml and Dockerfile, as far as that goes without a container engine: they parse, and they say what is so."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml  # type: ignore[import-untyped]
from typer.main import get_command

from tallystick import cli
from tallystick.config import Settings
from tallystick.queue import make_queue
from tallystick.store import make_store
from tests.servers.process import free_port, needed, wait_until
from tests.servers.scratch import scratch_folder

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("tallystick:")}
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\}")
GIVEN = {
    "POSTGRES_PASSWORD": "p" * 48,
    "REDIS_PASSWORD": "r" * 48,
    "RABBITMQ_PASSWORD": "m" * 48,
    "TALLYSTICK_WRITE_KEYS": "*=" + "w" * 40,
    "TALLYSTICK_READ_KEYS": "*=" + "k" * 40,
}
"""What an operator fills in."""


def filled_in(text: str) -> str:
    """`${NAME:?…}` and `${NAME:-…}` as compose replaces them, the innermost first."""
    for name, value in GIVEN.items():
        text = re.sub(rf"\$\{{{name}:\?[^}}]*\}}", value, text)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def settings_of(service: dict[str, Any]) -> Settings:
    """The settings that the process of a service starts with; an unknown one is an error."""
    given = {name: filled_in(value) for name, value in service["environment"].items()}
    fields = {name.removeprefix("TALLYSTICK_").lower(): value for name, value in given.items()}
    assert fields.keys() <= Settings.model_fields.keys()
    return Settings.model_validate(fields)


# --- compose.yaml ---------------------------------------------------------------------------------------------------


def test_what_the_issue_asks_for_is_there() -> None:
    commands = [" ".join(service["command"]) for service in OURS.values()]
    assert sorted(commands) == ["ingest", "ingest", "serve", "work", "work"]
    assert {"postgres", "redis", "rabbitmq"} <= SERVICES.keys()


@pytest.mark.parametrize("name", OURS)
def test_our_processes_start_with_settings_that_exist(name: str) -> None:
    settings = settings_of(OURS[name])
    make_queue(settings)
    role = OURS[name]["command"][0]
    assert role in getattr(get_command(cli.app), "commands")  # noqa: B009 - mypy knows no such attribute
    assert urlsplit(settings.queue_url).hostname == "redis"
    if role != "ingest":
        make_store(settings)
        assert urlsplit(settings.store_url).hostname == "postgres"


@pytest.mark.parametrize("name", OURS)
def test_who_is_reached_from_outside_asks_for_keys(name: str) -> None:
    """G12: the containers listen on all their addresses, and the servers behind them are not open."""
    keys = settings_of(OURS[name]).access_keys()
    role = OURS[name]["command"][0]
    assert bool(keys.write) is (role == "ingest")
    assert bool(keys.read) is (role == "serve")
    assert OURS[name]["environment"]["TALLYSTICK_HOST"] == "0.0.0.0"


def published() -> Iterator[str]:
    for service in SERVICES.values():
        yield from map(filled_in, service.get("ports", ()))


def test_ports_are_open_to_this_machine_only() -> None:
    assert sorted(published()) == ["127.0.0.1:8000:8000", "127.0.0.1:8080:8000"]
    assert not [name for name, service in SERVICES.items() if service.get("network_mode") == "host"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_watched_restarted_and_pinned(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert re.search(r":\d+\.\d+", service["image"])
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", SERVICES)
def test_dependencies_wait_for_health(name: str) -> None:
    for needed_, how in SERVICES[name].get("depends_on", {}).items():
        assert how["condition"] == "service_healthy"
        assert how.get("required", True) is ("profiles" not in SERVICES[needed_])


@pytest.mark.parametrize("name", OURS)
def test_containers_may_do_little(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")


@pytest.mark.parametrize("name", OURS)
def test_the_end_has_as_long_as_the_settings_say(name: str) -> None:
    settings = settings_of(OURS[name])
    assert int(OURS[name]["stop_grace_period"].removesuffix("s")) > settings.drain_delay + settings.shutdown_timeout + 1


def test_data_is_in_named_volumes() -> None:
    volumes = yaml.safe_load(COMPOSE)["volumes"]
    mounted = [
        (name, volume.partition(":")[0]) for name, service in SERVICES.items() for volume in service.get("volumes", ())
    ]
    assert sorted(mounted) == sorted((name, name) for name in volumes)


def test_secrets_come_from_the_operator() -> None:
    """Each has no default, so nothing starts without it; the example names them all and has none."""
    assert set(REQUIRED.findall(COMPOSE)) == GIVEN.keys()
    for line in COMPOSE.splitlines():
        if re.search(r"(?i)(password|pass|keys|auth)\w*:", line):
            assert REQUIRED.search(line), line
    example = (ROOT / ".env.example").read_text("utf-8")
    assert set(re.findall(r"^(\w+)=$", example, re.MULTILINE)) == GIVEN.keys()
    assert not re.findall(r"^\w+=.+$", example, re.MULTILINE)
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").split()


def test_the_proxy_notices_the_end_before_it_comes() -> None:
    """TALLYSTICK_DRAIN_DELAY is longer than Caddy needs for a look, even for one that times out."""
    caddyfile = yaml.safe_load(COMPOSE)["configs"]["proxy"]["content"]
    every, longest = (int(seconds) for seconds in re.findall(r"health_(?:interval|timeout) (\d+)s", caddyfile))
    upstreams = re.search(r"reverse_proxy (.+) \{", caddyfile)
    assert upstreams
    names = [name for name, service in OURS.items() if service["command"] == ["ingest"]]
    assert upstreams[1].split() == [f"{name}:{settings_of(OURS[name]).port}" for name in names]
    assert all(settings_of(OURS[name]).drain_delay > every + longest for name in names)


def test_metrics_stay_inside() -> None:
    """Routes without a key are reached from outside only through the proxy, which refuses them."""
    assert "respond /metrics 404" in yaml.safe_load(COMPOSE)["configs"]["proxy"]["content"]
    public = {name for name, service in OURS.items() if settings_of(service).metrics_public}
    assert public == {"ingest-1", "ingest-2", "work-1", "work-2"}
    assert not [name for name in public if "ports" in SERVICES[name]]


async def test_the_redis_of_compose_is_durable_enough(tmp_path: Path) -> None:
    """G1: a real Redis with that configuration, and the queue that would refuse to start on a weaker one."""
    port = free_port()
    with scratch_folder("redis") as folder:
        text = filled_in(yaml.safe_load(COMPOSE)["configs"]["redis"]["content"])
        text = text.replace("dir /data", f"dir {folder}").replace("bind * -::*", f"bind 127.0.0.1\nport {port}")
        (folder / "redis.conf").write_text(text)
        program = needed("redis-server", "redis-server")
        server = subprocess.Popen([program, str(folder / "redis.conf")], stdout=subprocess.DEVNULL)  # noqa: ASYNC220
        try:
            url = f"redis://:{GIVEN['REDIS_PASSWORD']}@127.0.0.1:{port}/0"
            ping = ["redis-cli", "-p", str(port), "--no-auth-warning", "-a", GIVEN["REDIS_PASSWORD"], "ping"]
            wait_until(lambda: b"PONG" in subprocess.run(ping, capture_output=True, check=False).stdout, "Redis")
            queue = make_queue(Settings(data=tmp_path, queue_url=url))
            await queue.open()
            assert queue.durability == "fsync"
            await queue.close()
        finally:
            server.terminate()
            server.wait()


# --- Dockerfile -----------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """`(word, rest)` of each instruction, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines) if word]


def the(word: str) -> str:
    """The last instruction of this kind."""
    return [rest for found, rest in instructions() if found == word][-1]


def test_the_image_has_stages_and_a_user() -> None:
    *earlier, last = [rest for word, rest in instructions() if word == "FROM"]
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", last)
    assert f"{last} AS build" in earlier
    assert all(re.search(r":\d+\.\d+\.\d+\S* AS \w+$", base) for base in earlier)
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", the("USER"))
    words = [word for word, _ in instructions()]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert the("ENTRYPOINT") == '["tallystick"]'
    assert the("CMD") == '["up"]'
    assert "/readyz" in the("HEALTHCHECK")


def test_the_image_is_built_from_the_lock() -> None:
    runs = " ".join(rest for word, rest in instructions() if word == "RUN")
    installs = [part for part in runs.split("&&") if "pip install" in part or "pip wheel" in part]
    for part in runs.split(" /opt/tallystick/bin/pip ")[1:]:
        assert "--require-hashes" in part or "--no-deps" in part or part.startswith("uninstall")
    assert installs


def test_nothing_but_the_product_gets_into_the_image() -> None:
    copied = [
        source
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in shlex.split(rest)[:-1]
    ]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split("\n")
    assert "*" in ignored
    assert sorted(copied) == sorted(line[1:] for line in ignored if line.startswith("!"))
    assert all((ROOT / source).exists() for source in copied)
    assert not [word for word, _ in instructions() if word in ("ARG", "ADD")]
    assert not [rest for _, rest in instructions() if re.search(r"(?i)passw|secret|_key", rest)]


def test_what_node_builds_gets_into_the_image() -> None:
    """The snippet and the dashboard are in no repository: the image has them when a stage of its own builds them."""
    found = instructions()
    stage = next(rest.split()[-1] for word, rest in found if word == "FROM" and rest.startswith("node:"))
    built = [rest.split()[1] for word, rest in found if word == "COPY" and rest.startswith(f"--from={stage} ")]
    assert built == ["/build/src/tallystick/ingest/built", "/build/src/tallystick/dashboard"]
    runs = " ".join(rest for word, rest in found if word == "RUN")
    assert {"scripts/snippet", "scripts/dashboard"} <= set(runs.split())


def test_settings_in_the_image_exist() -> None:
    for variable in re.findall(r"\bTALLYSTICK_(\w+)=", (ROOT / "Dockerfile").read_text("utf-8")):
        assert variable.lower() in Settings.model_fields
