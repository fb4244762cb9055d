"""compose.yaml and Dockerfile, as far as that goes without a container engine: they parse, and they say what is so."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml  # type: ignore[import-untyped]
from typer.main import get_command

from tallystick import cli
from tallystick.cli.options import load_settings
from tallystick.config import Settings
from tallystick.queue import make_queue
from tallystick.store import make_store
from tests.helpers.compose import ROOT, VARIABLE, compose_file, environment_of, filled_in, make_secrets, ours
from tests.servers.process import free_port, needed, wait_until
from tests.servers.scratch import scratch_folder

COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")
SINGLE = compose_file("compose.single.yaml")
SCALE = compose_file("compose.scale.yaml")
SERVICES: dict[str, dict[str, Any]] = compose_file("compose.yaml")["services"]
OURS = ours(SERVICES)
ALL_OURS = {**OURS, "single": SINGLE["services"]["tallystick"]}
INSIDE = {"TALLYSTICK_HOST", "TALLYSTICK_PORT", "TALLYSTICK_STATUS_PORT", "TALLYSTICK_DATA"}
"""Settings of the containers that .env cannot change: ports and volumes of the file depend on them."""


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `scripts/secrets` makes."""
    return make_secrets(tmp_path_factory.mktemp("secrets"))


@pytest.fixture
def settings_of(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], Settings]:
    """The settings that the process of a service starts with; an unknown one is an error."""

    def made(service: dict[str, Any]) -> Settings:
        for name in [name for name in os.environ if name.startswith("TALLYSTICK_")]:
            monkeypatch.delenv(name)
        for name, value in environment_of(service, secrets).items():
            assert name.removeprefix("TALLYSTICK_").lower() in Settings.model_fields
            monkeypatch.setenv(name, value)
        return load_settings()

    return made


SettingsOf = Callable[[dict[str, Any]], Settings]


# --- compose.yaml ---------------------------------------------------------------------------------------------------


def test_the_processes() -> None:
    commands = [" ".join(service["command"]) for service in OURS.values()]
    assert sorted(commands) == ["ingest", "serve", "work"]
    assert {"postgres", "redis", "rabbitmq"} <= SERVICES.keys()


@pytest.mark.parametrize("name", OURS)
def test_there_may_be_any_number_of_each(name: str) -> None:
    """`--scale`: nothing of a service may be there once only."""
    service = OURS[name]
    assert re.fullmatch(r"\$\{[A-Z]+_REPLICAS:-\d\}", service["deploy"]["replicas"])
    assert not service.keys() & {"container_name", "ports", "hostname"}


@pytest.mark.parametrize("name", ALL_OURS)
def test_every_setting_gets_from_env_to_the_process(name: str, secrets: Path) -> None:
    """What the file sets itself, it takes from .env where that has it."""
    for field in Settings.model_fields:
        variable = f"TALLYSTICK_{field.upper()}"
        found = environment_of(ALL_OURS[name], secrets, {variable: "from .env"})
        assert ("from .env" in found[variable]) is (variable not in INSIDE & ALL_OURS[name]["environment"].keys())


def test_the_example_of_env_has_settings_and_variables_of_compose() -> None:
    example = (ROOT / ".env.example").read_text("utf-8")
    assert not re.findall(r"^\w", example, re.MULTILINE)  # nothing has to be set
    files = "".join((ROOT / f"compose{kind}.yaml").read_text("utf-8") for kind in ("", ".single", ".scale"))
    of_compose = {name for name, _ in VARIABLE.findall(files)} | {"COMPOSE_PROFILES"}
    for name in re.findall(r"^# (\w+)=", example, re.MULTILINE):
        assert name in of_compose or name.removeprefix("TALLYSTICK_").lower() in Settings.model_fields, name
    assert {name for name in of_compose if not name.startswith("TALLYSTICK_")} <= set(re.findall(r"# (\w+)=", example))


@pytest.mark.parametrize("name", OURS)
def test_our_processes_start_with_settings_that_exist(name: str, settings_of: SettingsOf) -> None:
    settings = settings_of(OURS[name])
    make_queue(settings)
    role = OURS[name]["command"][0]
    assert role in getattr(get_command(cli.app), "commands")  # noqa: B009 - mypy knows no such attribute
    assert urlsplit(settings.queue_url).hostname == "redis"
    assert urlsplit(settings.queue_url).password
    if role != "ingest":
        make_store(settings)
        assert urlsplit(settings.store_url).hostname == "postgres"
        assert urlsplit(settings.store_url).password


def test_one_container(settings_of: SettingsOf) -> None:
    """compose.single.yaml: `up` with its data in a volume, and both kinds of keys."""
    service = ALL_OURS["single"]
    settings = settings_of(service)
    keys = settings.access_keys()
    assert service["command"] == ["up"]
    assert keys.write
    assert keys.read
    assert f"data:{settings.data}" in service["volumes"]
    assert list(map(filled_in, service["ports"])) == ["127.0.0.1:8000:8000"]
    assert service["healthcheck"]["test"]


@pytest.mark.parametrize("name", OURS)
def test_who_is_reached_from_outside_asks_for_keys(name: str, settings_of: SettingsOf) -> None:
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
    assert sorted(published()) == ["127.0.0.1:8000:8000"]
    assert not [name for name, service in SERVICES.items() if service.get("network_mode") == "host"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_watched_restarted_and_pinned(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert re.search(r":\d+\.\d+\.?\d*[\w.-]*(@sha256:[0-9a-f]{64})?$", service["image"])
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", SERVICES)
def test_dependencies_wait_for_health(name: str) -> None:
    for needed_, how in SERVICES[name].get("depends_on", {}).items():
        assert how["condition"] == "service_healthy"
        assert how.get("required", True) is ("profiles" not in SERVICES[needed_])


@pytest.mark.parametrize("name", ALL_OURS)
def test_containers_may_do_little(name: str) -> None:
    service = ALL_OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")


@pytest.mark.parametrize("name", ALL_OURS)
def test_the_end_has_as_long_as_the_settings_say(name: str, settings_of: SettingsOf) -> None:
    settings, longest = settings_of(ALL_OURS[name]), ALL_OURS[name]["stop_grace_period"]
    assert int(longest.removesuffix("s")) > settings.drain_delay + settings.shutdown_timeout + 1


def test_data_is_in_named_volumes() -> None:
    volumes = yaml.safe_load(COMPOSE)["volumes"]
    mounted = [
        (name, volume.partition(":")[0]) for name, service in SERVICES.items() for volume in service.get("volumes", ())
    ]
    shared = [(name, "visitors") for name in ("ingest", "serve")]  # whoever takes events gives a visitor the same id
    assert sorted(mounted) == sorted([*shared, *((name, name) for name in volumes if name != "visitors")])


def test_secrets_are_files_and_nothing_else(secrets: Path) -> None:
    """None is in a variable, which `docker inspect` shows, or in the file. One mount each, from a closed folder."""
    files = yaml.safe_load(COMPOSE)["secrets"]
    assert {name: file["file"] for name, file in files.items()} == {name: f"secrets/{name}" for name in files}
    assert {path.name for path in secrets.iterdir()} == files.keys() | SCALE["secrets"].keys()
    assert files.keys() >= SINGLE["secrets"].keys()
    mounted = {name for service in SERVICES.values() for name in service.get("secrets", ())}
    assert mounted == files.keys()
    for service in (*SERVICES.values(), ALL_OURS["single"]):
        for name, value in service.get("environment", {}).items():
            assert not re.search(r"(?i)(password|pass|keys|auth|salt)$", name), name
            assert not re.search(r"://[^/]*:[^/]*@", value)
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()
    assert {".env", "/secrets/"} <= set(ignored)


def test_secrets_are_made_once_and_differ(secrets: Path, tmp_path: Path) -> None:
    def made(folder: Path) -> dict[str, str]:
        subprocess.run([ROOT / "scripts" / "secrets", folder], check=True, capture_output=True)
        return {path.name: path.read_text() for path in folder.iterdir()}

    before = {path.name: path.read_text() for path in secrets.iterdir()}
    assert made(secrets) == before
    other = made(tmp_path / "secrets")
    assert len({*before.values(), *other.values()}) == 2 * len(before)
    assert all(len(value.strip()) >= 48 for value in before.values())
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()} == {0o644}


def test_secrets_of_before_are_moved_out_of_env(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "secrets", tmp_path / "scripts")
    env = "PORT=8001\nPOSTGRES_PASSWORD='old one'\nREDIS_PASSWORD=\nTALLYSTICK_READ_KEYS=*=abc=\n"
    (tmp_path / ".env").write_text(env)
    subprocess.run([tmp_path / "scripts" / "secrets"], check=True, capture_output=True)
    assert (tmp_path / ".env").read_text() == "PORT=8001\n"
    assert (tmp_path / "secrets" / "postgres_password").read_text() == "old one\n"
    assert (tmp_path / "secrets" / "read_keys").read_text() == "*=abc=\n"
    assert len((tmp_path / "secrets" / "redis_password").read_text()) == 49


def test_the_proxy_notices_the_end_before_it_comes(settings_of: SettingsOf) -> None:
    """TALLYSTICK_DRAIN_DELAY is longer than Caddy keeps a connection that it does not use, so none is open any more
    when the process closes them.
    """
    caddyfile = yaml.safe_load(COMPOSE)["configs"]["proxy"]["content"]
    (idle,) = (int(seconds) for seconds in re.findall(r"keepalive (\d+)s", caddyfile))
    fresh = {int(seconds) for seconds in re.findall(r"refresh (\d+)s", caddyfile)}
    names = re.findall(r"dynamic a (\w+) (\d+)", caddyfile)
    assert dict(names) == {"ingest": "8000", "serve": "8000"}
    for name, port in names:
        settings = settings_of(OURS[name])
        assert settings.port == int(port)
        assert settings.drain_delay > idle + max(fresh)


def test_metrics_stay_inside(settings_of: SettingsOf) -> None:
    """Routes without a key are reached from outside only through the proxy, which refuses them."""
    assert "respond /metrics 404" in yaml.safe_load(COMPOSE)["configs"]["proxy"]["content"]
    public = {name for name, service in OURS.items() if settings_of(service).metrics_public}
    assert public == {"ingest", "work"}
    assert not [name for name in public if "ports" in SERVICES[name]]


def command_line(process: int) -> str:
    """What a list of processes shows; empty where the system has no /proc."""
    file = Path(f"/proc/{process}/cmdline")
    return file.read_text() if file.exists() else ""


async def test_the_redis_of_compose_is_durable_enough(tmp_path: Path, secrets: Path, settings_of: SettingsOf) -> None:
    """G1, G12: a real Redis, started by the file's own command with its configuration and its password, and the queue
    that would refuse to start on a weaker one.
    """
    port = free_port()
    with scratch_folder("redis") as folder:
        text = filled_in(yaml.safe_load(COMPOSE)["configs"]["redis"]["content"])
        text = text.replace("dir /data", f"dir {folder}").replace("bind * -::*", f"bind 127.0.0.1\nport {port}")
        (folder / "redis.conf").write_text(text)
        needed("redis-server", "redis-server")
        service = SERVICES["redis"]
        (script,) = service["command"]
        assert service["entrypoint"] == ["sh", "-c"]
        # The image's own entry point changes the user and then runs its arguments.
        script = filled_in(script).replace("docker-entrypoint.sh redis-server", "redis-server")
        script = script.replace("/run/secrets", str(secrets)).replace("/etc/redis", str(folder))
        probe = filled_in(service["healthcheck"]["test"][1]).replace("/run/secrets", str(secrets))
        probe = probe.replace("redis-cli", f"redis-cli -p {port}")
        server = subprocess.Popen(["sh", "-c", script], stdout=subprocess.DEVNULL)  # noqa: ASYNC220
        try:
            wait_until(lambda: subprocess.run(["sh", "-c", probe], check=False).returncode == 0, "Redis")
            password = (secrets / "redis_password").read_text().strip()
            assert password not in command_line(server.pid)
            settings = settings_of(OURS["ingest"])
            url = settings.queue_url.replace("@redis:6379", f"@127.0.0.1:{port}")
            queue = make_queue(settings.model_copy(update={"data": tmp_path, "queue_url": url}))
            await queue.open()
            assert queue.durability == "fsync"
            await queue.close()
        finally:
            server.terminate()
            server.wait()


# --- scripts --------------------------------------------------------------------------------------------------------

DOCKER = """#!/usr/bin/env bash
# Stands in for the container engine, which is not here: containers are files, and what was asked is written down.
cd "${0%/*}"
echo "$*" >>asked
case "$1 $2" in
"compose ps") ls containers ;;
"compose up")
    wanted=${*: -2:1}
    for number in $(seq 100); do
        [ "$(ls containers | wc -l)" -ge "${wanted#*=}" ] || touch "containers/new-$number"
    done ;;
stop*) ls containers | wc -l >>left ;;
rm*) rm "containers/$2" ;;
"buildx version") ;;
"buildx imagetools") echo "sha256:$(printf %s "$4" | sha256sum | cut -d' ' -f1)" ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """A folder for PATH, with the stand-in in it."""
    folder = tmp_path / "bin"
    (folder / "containers").mkdir(parents=True)
    (folder / "docker").write_text(DOCKER)
    (folder / "docker").chmod(0o755)
    return folder


def run(script: Path, docker: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{docker}:/usr/bin:/bin"}
    return subprocess.run([script, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_new_containers_are_ready_before_old_ones_end(docker: Path) -> None:
    """G11, of scripts/roll."""
    for name in ("old-1", "old-2", "old-3"):
        (docker / "containers" / name).touch()
    done = run(ROOT / "scripts" / "roll", docker, "ingest")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (docker / "containers").iterdir()) == ["new-1", "new-2", "new-3"]
    assert (docker / "left").read_text().split() == ["6", "5", "4"]
    up = next(line for line in (docker / "asked").read_text().splitlines() if line.startswith("compose up"))
    assert {"--wait", "--no-deps", "--no-recreate", "--scale", "ingest=6"} <= set(up.split())


@pytest.mark.parametrize(("arguments", "code"), [((), 2), (("postgres",), 2), (("work",), 1)])
def test_what_cannot_be_rolled_is_refused(docker: Path, arguments: tuple[str, ...], code: int) -> None:
    done = run(ROOT / "scripts" / "roll", docker, *arguments)
    assert done.returncode == code
    assert done.stderr.strip()


def test_images_are_pinned_to_the_digests_of_their_registry(docker: Path, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    script = Path(shutil.copy(ROOT / "scripts" / "pin-images", tmp_path / "scripts"))
    for name in ("Dockerfile", "compose.yaml", "compose.single.yaml", "compose.scale.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    done = run(script, docker)
    assert done.returncode == 0, done.stderr
    pinned = "@sha256:[0-9a-f]{64}"
    bases = re.findall(r"^FROM (\S+)", (tmp_path / "Dockerfile").read_text(), re.MULTILINE)
    images = [
        service["image"]
        for name in ("compose.yaml", "compose.scale.yaml")
        for service in yaml.safe_load((tmp_path / name).read_text())["services"].values()
    ]
    for image in (*bases, *images):
        assert image.startswith("tallystick:") or re.search(f"{pinned}$", image)
    assert len(set(bases)) == 2
    assert run(script, docker, "--check").returncode == 0
    assert re.sub(pinned, "", (tmp_path / "Dockerfile").read_text()) == re.sub(
        pinned, "", (ROOT / "Dockerfile").read_text()
    )


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
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", last)
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
