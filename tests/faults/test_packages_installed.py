"""The built wheel in clean environments: installed with its extras by pip and by uv, it starts and has its pages."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tallystick.harness.server import Api, ServerProcess
from tests.packaging.packages import ROOT, build, copy_of_the_repository, without_node
from tests.servers.kafka import KafkaServer
from tests.servers.process import wait_until
from tests.servers.scratch import scratch_folder

pytestmark = pytest.mark.faults

UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made of the sdist."""
    folder = tmp_path_factory.mktemp("packages")
    env = without_node(folder / "bin")
    source = copy_of_the_repository(folder / "clone", web=True)
    assert (source / "src/tallystick/dashboard/index.html").is_file(), "the dashboard is not built: scripts/dashboard"
    done = build(source, "sdist", folder, env)
    assert done.code == 0, done.said
    [sdist] = folder.glob("*.tar.gz")
    run("tar", "xzf", sdist, cwd=folder)
    done = build(sdist.with_name(sdist.name.removesuffix(".tar.gz")), "wheel", folder, env)
    assert done.code == 0, done.said
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def pins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The versions of the lock, as constraints: with hashes, pip would want one of the wheel as well."""
    file = tmp_path_factory.mktemp("pins") / "constraints.txt"
    locked = (ROOT / "requirements" / "runtime.lock").read_text("utf-8")
    file.write_text("\n".join(re.findall(r"^[\w.-]+==[^\\\n]*", locked, re.MULTILINE)))
    return file


def has_its_pages(command: Path, data: Path, settings: Mapping[str, str] | None = None) -> None:
    """Starts it and asks for the dashboard, its licenses, the page of the API and the snippet; then sends an event."""
    with ServerProcess(data, settings, (str(command),)) as server, httpx.Client(base_url=server.url) as client:
        for path, kind, part in (
            ("/", "text/html", "<script"),
            ("/ui/third-party-licenses.txt", "text/plain", "## react - "),
            ("/docs", "text/html", "swagger-ui"),
            ("/js/tallystick.js", "text/javascript", "/v1/events"),
        ):
            answer = client.get(path, headers={"Accept": "text/html"})
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
            assert part in answer.text
        sent = client.post("/v1/events", json={"events": [{"name": "a", "user_id": "u"}]})
        assert sent.status_code == 202


def test_pip_install_all_and_up(wheel: Path, pins: Path, tmp_path: Path) -> None:
    """`pip install "<wheel>[all]" && tallystick up`; every extra's driver is there."""
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--constraint", pins, f"{wheel}[all]", cwd=tmp_path)
    drivers = "asyncpg, redis, hiredis, aio_pika, confluent_kafka, authlib, joserfc, maxminddb, ua_parser"
    run(python, "-c", f"import {drivers}", cwd=tmp_path)
    run(python, "-m", "pip", "check", cwd=tmp_path)
    has_its_pages(tmp_path / "venv" / "bin" / "tallystick", tmp_path / "data")


def test_pip_install_kafka_and_up_on_a_broker(wheel: Path, pins: Path, tmp_path: Path) -> None:
    """`pip install "<wheel>[kafka]"` and a queue URL are enough: what is sent is stored, without another driver."""
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--constraint", pins, f"{wheel}[kafka]", cwd=tmp_path)
    run(python, "-m", "pip", "check", cwd=tmp_path)
    others = ("asyncpg", "redis", "aio_pika")
    run(python, "-c", f"from importlib.util import find_spec as f; assert not any(map(f, {others}))", cwd=tmp_path)
    tallystick = tmp_path / "venv" / "bin" / "tallystick"
    with scratch_folder("kafka") as folder:
        broker = KafkaServer(folder)
        try:
            broker.start()
            settings = {"TALLYSTICK_QUEUE_URL": f"{broker.url}/wheel"}
            has_its_pages(tallystick, tmp_path / "data", settings)
            with ServerProcess(tmp_path / "data", settings, (str(tallystick),)) as server:
                with closing(Api(server.url)) as api:
                    wait_until(lambda: api.count() == 1, "the event in a query")
                    assert api.get("/v1/verify")["ok"]
        finally:
            broker.kill()


def test_uvx(wheel: Path, pins: Path, tmp_path: Path) -> None:
    """`uvx --from <wheel> tallystick`: without the extras, which a queue and a store of one process do not need."""
    uvx = (UV, "tool", "run", "--python", sys.executable, "--constraints", pins, "--from", wheel, "tallystick")
    assert re.search(r"\d+\.\d+", run(*uvx, "--version", cwd=tmp_path).stdout)
    script = tmp_path / "uvx-tallystick"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, uvx))} "$@"\n')
    script.chmod(0o755)
    has_its_pages(script, tmp_path / "data")
