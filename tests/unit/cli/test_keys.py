"""Keys on the command line (G12): making them, and using them for a real server that asks for them."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import SecretStr

from tallystick.cli import main
from tallystick.cli.bench.load_client import wrap
from tallystick.cli.up import banner
from tallystick.config import Settings
from tallystick.harness.server import TALLYSTICK, Api
from tallystick.keys import parse
from tests.helpers.http import plain_http

WRITE, EVERY, SHOP, BOTH = (f"{word}-0123456789abcdef" for word in ("write", "every", "shop", "both"))


class Served(NamedTuple):
    url: str
    data: Path
    output: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`tallystick up` as a process, on every address of this machine, with keys from a file and from settings."""
    folder = tmp_path_factory.mktemp("served")
    secret, output = folder / "write-keys", folder / "output"
    secret.write_text(f"*={WRITE}\n*={BOTH}\n")
    keys = {
        "TALLYSTICK_WRITE_KEYS_FILE": str(secret),
        "TALLYSTICK_READ_KEYS": f"*={EVERY} shop={SHOP} *={BOTH}",
        "TALLYSTICK_LOG_LEVEL": "debug",
    }
    command = [*TALLYSTICK, "up", "--host", "0.0.0.0", "--port", "0", "--data", str(folder / "data")]
    with output.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **keys})
    try:
        assert process.stdout is not None
        found = re.search(r"http://0\.0\.0\.0:(\d+)", process.stdout.readline().decode())
        assert found, output.read_text()
        yield Served(f"http://127.0.0.1:{found[1]}", folder / "data", output)
        process.send_signal(signal.SIGTERM)
        assert process.wait(600) == 0
        logged = output.read_text()
        assert "access refused" in logged
        assert not any(key in logged for key in (WRITE, EVERY, SHOP, BOTH))
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def tallystick(capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process."""

    def run(*arguments: str | Path) -> Ran:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        return Ran(int(exit_.value.code or 0), *capfd.readouterr())

    return run


# --- making them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("right", ["write", "read"])
@pytest.mark.parametrize("site", ["default", "shop", "*"])
def test_a_made_key_fits_the_line_that_comes_with_it(tallystick: Command, right: str, site: str) -> None:
    """G12: the line has the key's hash and not the key."""
    ran = tallystick("key", right, *(() if site == "default" else ("--site", site)))
    assert ran.code == 0
    shown = dict(line.split(maxsplit=1) for line in ran.out.splitlines())
    name, _, quoted = shown["setting"].partition("=")
    assert name == f"TALLYSTICK_{right.upper()}_KEYS"
    assert parse(shlex.split(quoted)[0], name) == {sha256(shown["key"].encode()).digest(): site}
    assert shown["hash"] in quoted
    assert shown["key"] not in quoted
    assert ("do not put it into a web page" in ran.err) is (right == "write" and site == "*")


@pytest.mark.parametrize("site", ["", "a b", "a=b", "a,b", "it's", "x" * 256])
def test_a_site_that_settings_cannot_name(tallystick: Command, site: str) -> None:
    ran = tallystick("key", "write", "--site", site)
    assert (ran.code, ran.out) == (2, "")
    assert "--site" in ran.err


# --- using them -----------------------------------------------------------------------------------------------------


def test_commands_send_their_key(
    tallystick: Command, server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G12: from the environment or from a file; without a good one the command fails with the server's sentence."""
    file, rows, at = tmp_path / "key", tmp_path / "rows.ndjson", ("--url", server.url)
    rows.write_text('{"name":"a","timestamp":1767225600}\n{"name":"b","timestamp":1767225601,"site_id":"shop"}\n')
    file.write_text(f"{WRITE}\n")
    bare = tallystick("import", rows, *at)
    assert (bare.code, "write key" in bare.err) == (2, True)
    assert tallystick("import", rows, *at, "--key-file", file).code == 0
    assert tallystick("demo", "--events", "20", "--rate", "1000", *at, "--key-file", file).code == 0
    for command in (("verify",), ("dead", "list"), ("dead", "replay", "--all"), ("export",)):
        assert "read key" in tallystick(*command, *at).err
        assert "read key" in tallystick(*command, *at, "--key-file", file).err
    monkeypatch.setenv("TALLYSTICK_KEY", EVERY)
    for command in (("verify",), ("dead", "list"), ("dead", "replay", "--all"), ("dead", "drop", "--all")):
        assert tallystick(*command, *at).code == 0, command
    assert tallystick("dead", "show", "7", *at).err.strip() == "error: there is no dead letter 7"
    exported = [json.loads(line) for line in tallystick("export", *at).out.splitlines()]
    assert {"a", "b"} <= {event["name"] for event in exported}
    monkeypatch.setenv("TALLYSTICK_KEY", SHOP)
    assert "one site" in tallystick("export", *at).err
    [event] = [json.loads(line) for line in tallystick("export", "--site", "shop", *at).out.splitlines()]
    assert event["name"] == "b"
    assert "needs a read key for every site" in tallystick("verify", *at).err


def test_an_error_shows_no_key(
    tallystick: Command, server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G12: not even with --debug."""
    secret = "s3cret-0123456789abcdef"
    monkeypatch.setenv("TALLYSTICK_KEY", secret)
    monkeypatch.setenv("TALLYSTICK_LOG_LEVEL", "info")  # --debug sets both in this process
    monkeypatch.setenv("TALLYSTICK_DEBUG", "false")
    ran = tallystick("--debug", "verify", "--url", server.url)
    assert "Traceback" in ran.err
    assert "the key is not one of this server's read keys" in ran.err
    assert secret not in ran.out + ran.err
    monkeypatch.delenv("TALLYSTICK_LOG_LEVEL")
    monkeypatch.delenv("TALLYSTICK_DEBUG")
    monkeypatch.setenv("TALLYSTICK_READ_KEYS", f"{secret}")
    monkeypatch.setenv("TALLYSTICK_PORT", "abc")
    for arguments in (("up",), ("verify", "--url", server.url)):
        ran = tallystick(*arguments)
        assert ran.code == 2
        assert secret not in ran.out + ran.err


def test_a_folder_needs_no_key(tallystick: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller who may open the files needs no key; the settings of the server do not interfere."""
    monkeypatch.setenv("TALLYSTICK_WRITE_KEYS", f"*={WRITE}")
    monkeypatch.setenv("TALLYSTICK_READ_KEYS", f"*={EVERY}")
    monkeypatch.setenv("TALLYSTICK_HOST", "0.0.0.0")
    rows, data = tmp_path / "rows.ndjson", tmp_path / "data"
    rows.write_text('{"name":"a"}\n')
    assert tallystick("import", rows, "--data", data).code == 0
    assert tallystick("verify", "--data", data).code == 0
    assert tallystick("dead", "list", "--data", data).code == 0
    assert '"name":"a"' in tallystick("export", "--data", data).out


def test_a_measurement_sends_its_key(server: Served) -> None:
    """One that may both write and ask, as `tallystick bench --url` needs it."""
    with closing(Api(server.url, key=BOTH)) as api:
        before = api.ledger()["accepted"]
        [request] = wrap(server.url, [b'{"name":"measured"}'], key=BOTH)
        head, _, body = request.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        assert plain_http.post(f"{server.url}/v1/events", content=body, headers=headers).status_code == 202
        assert api.ledger()["accepted"] == before + 1
    with closing(Api(server.url)) as api:
        assert api.ask("GET", "/v1/pipeline")[0] == 401


@pytest.mark.parametrize(
    ("set_", "missing"),
    [
        ({}, "TALLYSTICK_WRITE_KEYS and TALLYSTICK_READ_KEYS"),
        ({"TALLYSTICK_WRITE_KEYS": f"*={WRITE}"}, "TALLYSTICK_READ_KEYS"),
        ({"TALLYSTICK_READ_KEYS": f"*={WRITE}"}, "TALLYSTICK_WRITE_KEYS"),
    ],
)
def test_a_server_without_keys_does_not_listen_to_the_world(
    tallystick: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_: dict[str, str], missing: str
) -> None:
    """G12: it says what to set, and has touched nothing."""
    for name, value in set_.items():
        monkeypatch.setenv(name, value)
    ran = tallystick("up", "--host", "0.0.0.0", "--port", "0", "--data", tmp_path / "data")
    assert ran.code == 2
    assert f"set {missing} first" in ran.err
    assert WRITE not in ran.err
    assert not (tmp_path / "data").exists()


def test_the_banner_says_that_a_key_is_needed() -> None:
    assert "X-API-Key" not in banner(Settings(), "http://127.0.0.1:8000")
    keyed = Settings(write_keys=SecretStr(f"*={WRITE}"), read_keys=SecretStr(f"*={EVERY}"))
    shown = banner(keyed, "http://127.0.0.1:8000")
    assert shown.count("-H 'X-API-Key: …'") == 2
    assert WRITE not in shown
