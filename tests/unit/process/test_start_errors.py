"""What cannot start says why in one line that names the setting or the folder, and ends with exit code 2."""

from __future__ import annotations

import errno
import gc
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick import disk
from tallystick.app import Role, open_tallystick
from tallystick.cli import main
from tallystick.cli.failures import code_of, expected
from tallystick.config import Settings
from tallystick.disk import private_folder
from tallystick.errors import ConfigError
from tallystick.process.listen import open_door
from tallystick.process.server import _Running
from tallystick.queue.sqlite.queue import lock
from tests.helpers.commands import end_command

NO_WAIT = {"TALLYSTICK_START_TIMEOUT": "0", "TALLYSTICK_PORT": "0"}
COMMANDS_ON_DATA = (
    ("up",),
    ("verify", "--data", "DATA"),
    ("dead", "list", "--data", "DATA"),
    ("export", "--data", "DATA"),
    ("import", "--list", "--data", "DATA"),
    ("report", "list", "--data", "DATA"),
    ("migrate", "--data", "DATA"),
    ("recover", "queue", "--data", "DATA"),
    ("recover", "store", "--data", "DATA"),
)


def refused(settings: dict[str, str], *arguments: str) -> str:
    """The one line of a command that has to fail with exit code 2."""
    code, out, err = end_command(NO_WAIT | settings, *arguments)
    assert (code, out) == (2, ""), err
    return only_error(err)


def only_error(err: str) -> str:
    """The one line."""
    [line] = err.splitlines()
    assert line.startswith("error: ")
    return line


def a_file(folder: Path) -> Path:
    (folder / "taken").write_text("")
    return folder / "taken"


def below_a_file(folder: Path) -> Path:
    return a_file(folder) / "data"


@pytest.mark.parametrize("command", COMMANDS_ON_DATA, ids=" ".join)
@pytest.mark.parametrize("place", [a_file, below_a_file])
def test_a_file_in_place_of_the_data_folder(
    command: tuple[str, ...], place: Callable[[Path], Path], tmp_path: Path
) -> None:
    data = place(tmp_path)
    line = refused({"TALLYSTICK_DATA": str(data)}, *(str(data) if word == "DATA" else word for word in command))
    assert str(data) in line


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EROFS, "its disk can only be read"),
        (errno.ENOSPC, "no space is left"),
        (errno.EDQUOT, "no space is left"),
        (errno.EACCES, "belongs to"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_the_system_refuses_the_folder(
    number: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path / "probe"))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    line = refused({"TALLYSTICK_DATA": str(tmp_path)}, "up")
    assert reason in line
    assert "--data or TALLYSTICK_DATA" in line


def test_a_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(ConfigError, match=r"belongs to .*, and this process runs as user 54321"):
        with disk.usable(tmp_path):
            raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "queue.sqlite"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="cannot be used"):
        private_folder(tmp_path / "closed", Settings(data=tmp_path / "closed"))


def test_a_folder_that_another_process_holds(tmp_path: Path) -> None:
    held = lock(tmp_path / "queue.sqlite")
    try:
        assert "another Tallystick process holds" in refused({"TALLYSTICK_DATA": str(tmp_path)}, "up")
    finally:
        os.close(held)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refused({"TALLYSTICK_DATA": str(tmp_path)}, "up", "--port", str(port))
    assert f"TALLYSTICK_PORT: cannot listen on 127.0.0.1:{port}: Address already in use" in line


@pytest.mark.parametrize(
    ("command", "variable", "value", "expected"),
    [
        ("up", "HOST", "nowhere", "'nowhere' is no IP address"),
        ("up", "HOST", "0.0.0.0", "TALLYSTICK_WRITE_KEYS"),
        ("up", "PORT", "abc", "it should be a valid integer"),
        ("up", "STORE_MEMORY", "512XB", "it is no size in bytes"),
        ("up", "STORE_MEMORY", "1MB", "greater than or equal to 67108864"),
        ("up", "QUEUE_URL", "nats://x", "there are sqlite, redis, rediss, unix, amqp, amqps, kafka, kafkas, memory"),
        ("up", "STORE_URL", "mysql://x", "there are duckdb, postgresql, postgres, clickhouse, clickhouses"),
        ("up", "STORE_URL", "duckdb:", "names no file"),
        ("up", "WRITE_KEYS_FILE", "/no/such", "/no/such cannot be read: No such file or directory"),
        ("up", "ENRICH_COUNTRY_FILE", "/no/such", "/no/such cannot be read: No such file or directory"),
        ("up", "ENRICH_SALT_FOLDER", "/proc/no/such", "cannot be kept in /proc/no/such"),
        ("ingest", "QUEUE_URL", "amqps://127.0.0.1/?cafile=/no/such", "cafile: /no/such cannot be read"),
        ("ingest", "QUEUE_URL", "kafkas://127.0.0.1/?cafile=/no/such", "cafile: /no/such cannot be read"),
        ("ingest", "QUEUE_URL", "rediss://127.0.0.1/?ssl_ca_certs=/no/such", "ssl_ca_certs: /no/such cannot be read"),
        ("migrate", "STORE_URL", "postgresql://127.0.0.1/x?sslrootcert=/no/such", "sslrootcert: /no/such cannot"),
        ("migrate", "STORE_URL", "clickhouses://127.0.0.1/x?cafile=/no/such", "cafile: /no/such cannot be read"),
        ("migrate", "STORE_URL", "clickhouse://127.0.0.1", "clickhouse://[user:password@]host[:port]/database"),
    ],
)
def test_a_setting_that_is_wrong(command: str, variable: str, value: str, expected: str, tmp_path: Path) -> None:
    line = refused({"TALLYSTICK_DATA": str(tmp_path), f"TALLYSTICK_{variable}": value}, command)
    assert f"TALLYSTICK_{variable}" in line or expected.startswith("names no file")
    assert expected in line


@pytest.mark.parametrize(
    ("variable", "url", "module", "extra"),
    [
        ("TALLYSTICK_QUEUE_URL", "redis://127.0.0.1/0", "redis", "redis"),
        ("TALLYSTICK_QUEUE_URL", "amqp://127.0.0.1/", "aiormq", "rabbitmq"),
        ("TALLYSTICK_QUEUE_URL", "kafka://127.0.0.1/", "confluent_kafka", "kafka"),
        ("TALLYSTICK_STORE_URL", "postgresql://127.0.0.1/x", "asyncpg", "postgres"),
        ("TALLYSTICK_STORE_URL", "clickhouse://127.0.0.1/x", "clickhouse_connect", "clickhouse"),
    ],
)
def test_an_extra_that_is_not_installed(
    variable: str, url: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = f"store.{extra}" if variable == "TALLYSTICK_STORE_URL" else f"queue.{extra}"
    for name in list(sys.modules):
        if name.partition(".")[0] == module or name.startswith(f"tallystick.{ours}"):
            monkeypatch.delitem(sys.modules, name)

    class Missing:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name.partition(".")[0] == module:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    line = refused({"TALLYSTICK_DATA": str(tmp_path), variable: url}, "up")
    assert variable in line
    assert f'pip install "tallystick[{extra}]"' in line


@pytest.mark.parametrize(
    ("variable", "url", "name"),
    [
        ("TALLYSTICK_QUEUE_URL", "redis://127.0.0.1:1/0", "Redis"),
        ("TALLYSTICK_QUEUE_URL", "amqp://127.0.0.1:1/", "RabbitMQ"),
        ("TALLYSTICK_QUEUE_URL", "kafka://127.0.0.1:1/", "TALLYSTICK_QUEUE_URL: 127.0.0.1:1: Kafka cannot be reached"),
        ("TALLYSTICK_STORE_URL", "postgresql://127.0.0.1:1/x", "PostgreSQL"),
        ("TALLYSTICK_STORE_URL", "clickhouse://127.0.0.1:1/x", "ClickHouse"),
    ],
)
def test_a_server_that_is_not_there(variable: str, url: str, name: str, tmp_path: Path) -> None:
    line = refused({variable: url}, "verify", "--data", str(tmp_path))
    assert name in line


def test_an_unexpected_error_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("tallystick.cli.key.new_key", fails)
    code, _, err = end_command({}, "key", "write")
    assert code == 1
    assert err.splitlines() == [
        "error: unexpected: ZeroDivisionError: division by zero; run with --debug for the traceback, and please "
        "report it"
    ]
    code, _, err = end_command({"TALLYSTICK_DEBUG": "1"}, "key", "write")
    assert code == 1
    assert "Traceback (most recent call last)" in err
    assert "ZeroDivisionError" in err


def test_what_an_error_of_a_group_or_of_the_system_says() -> None:
    assert expected(ExceptionGroup("tasks", [ConfigError("a setting is wrong")])) == "a setting is wrong"
    assert expected(FileNotFoundError(errno.ENOENT, "No such file or directory", "/x")) == (
        "/x: No such file or directory"
    )
    assert code_of(KeyboardInterrupt()) == 130


@pytest.mark.parametrize(
    "arguments", [["verfy"], ["verify", "--jsn"], ["up", "--port", "abc"], ["import", "--frmat", "csv"]]
)
def test_a_mistyped_command_line_is_one_line(arguments: list[str]) -> None:
    assert "--help` shows what there is)" in refused({}, *arguments)


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "Usage: tallystick" in capsys.readouterr().err


# --- servers that cannot be reached ---------------------------------------------------------------------------------

SECRET = "secret-word"
ADDRESSES = {
    "redis": ("TALLYSTICK_QUEUE_URL", f"redis://:{SECRET}@127.0.0.1:PORT/0", "Redis"),
    "rabbitmq": ("TALLYSTICK_QUEUE_URL", f"amqp://user:{SECRET}@127.0.0.1:PORT/", "RabbitMQ"),
    "kafka": ("TALLYSTICK_QUEUE_URL", f"kafka://user:{SECRET}@127.0.0.1:PORT", "Kafka"),
    "postgres": ("TALLYSTICK_STORE_URL", f"postgresql://user:{SECRET}@127.0.0.1:PORT/events", "PostgreSQL"),
    "clickhouse": ("TALLYSTICK_STORE_URL", f"clickhouse://user:{SECRET}@127.0.0.1:PORT/events", "ClickHouse"),
}
UNANSWERED = {"TALLYSTICK_PUBLISH_TIMEOUT": "0.2", "TALLYSTICK_STORE_CONNECT_TIMEOUT": "0.2"}


@pytest.mark.parametrize("listens", [False, True], ids=["nothing listens", "nothing answers"])
@pytest.mark.parametrize("server", ADDRESSES)
def test_a_server_that_gives_no_answer(server: str, listens: bool, tmp_path: Path) -> None:
    """The line says which setting to look at, and what to do; exit code 1 or 2 says whether a restart may help."""
    variable, url, name = ADDRESSES[server]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if listens:
            listener.listen()
        port = listener.getsockname()[1]
        settings = {variable: url.replace("PORT", str(port)), "TALLYSTICK_DATA": str(tmp_path), **UNANSWERED}
        # `up` waits for a store on a server without limit, and accepts events meanwhile; commands do not.
        command = ("up",) if variable == "TALLYSTICK_QUEUE_URL" else ("verify", "--data", str(tmp_path))
        code, out, err = end_command(NO_WAIT | settings, *command)
    line = only_error(err)
    assert line.startswith(f"error: {variable}: ")
    assert f"{name} " in line
    assert line.count(variable) == 1
    assert "start the server, or correct its address in this setting" in line
    assert SECRET not in line
    assert (code, out) == (1 if command == ("up",) else 2, "")


async def test_stopped_while_it_starts(tmp_path: Path) -> None:
    """A signal that comes before the sockets are served ends the process in good order, and it never says "ready"."""
    settings = Settings(data=tmp_path, port=0)
    announced: list[str] = []
    thresholds = gc.get_threshold()
    async with open_tallystick(settings, patience=0) as tallystick:
        running = _Running(tallystick, open_door(settings, Role.UP), settings, owns_door=True)
        running.stop()
        try:
            await running.run(announced.append, "up")
        finally:
            gc.unfreeze()
            gc.set_threshold(*thresholds)
    assert announced == []
