"""The one rule of the command line, checked on every command that there is."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from tallystick.cli import app, console
from tallystick.cli.lazy import ENTRIES
from tests.helpers.commands import end_command, run_command

FRAMES = re.compile("[\u2500-\u257f]")
SERVERS_AND_FILES = {
    "up",
    "ingest",
    "work",
    "serve",
    "export",  # prints events in the form of --format
    "sql-role",  # prints SQL
    "report show",  # prints JSON in any case
}
"""Commands without an answer that could be JSON, or with nothing else."""
ON_THIS_MACHINE = {
    "up",
    "ingest",
    "work",
    "serve",
    "key",
    "keys create",
    "keys list",
    "keys quota",
    "keys revoke",
    "sites add",
    "sites list",
    "sites remove",
    "users add",
    "users list",
    "users remove",
    "users role",
    "users reset-password",
    "audit",
    "migrate",
    "move",
    "restore",
    "sql-role",
    "recover queue",
    "recover store",
}
"""Commands that ask no server. (`bench` starts one.)"""
OF_A_RUNNING_SERVER = {"demo", "query", "sql"}
"""Commands that need a running server, so that --data means nothing to them."""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its name, such as `dead list`."""
    waiting = [("", get_command(app))]
    while waiting:
        name, command = waiting.pop()
        below = getattr(command, "commands", {})
        waiting += [(f"{name} {word}".strip(), child) for word, child in below.items()]
        if not below:
            yield name, command


ALL = dict(commands())
ASKING = sorted(name for name in ALL if name not in ON_THIS_MACHINE and not name.startswith("bench"))


def options_of(name: str) -> set[str]:
    return {option for parameter in ALL[name].params for option in parameter.opts}


@pytest.mark.parametrize("name", [*ALL, "", "dead", "bench"])
def test_help_is_plain_text_in_a_pipe(name: str) -> None:
    out = run_command({}, *name.split(), "--help")
    assert out.startswith(f"Usage: tallystick {name}".strip())
    assert not FRAMES.search(out)
    assert "\x1b" not in out
    assert "[/" not in out
    assert "[bold]" not in out


def test_the_list_of_commands_has_their_own_summaries() -> None:
    whole = get_command(app)
    for name, entry in ENTRIES.items():
        command = getattr(whole, "commands")[name]  # noqa: B009 - mypy knows no such attribute
        assert " ".join(command.help.split("\n\n")[0].split()) == entry.summary


@pytest.mark.parametrize("name", ASKING)
def test_what_can_ask_a_server_has_the_same_options(name: str) -> None:
    assert {"--url", "--key-file"} <= options_of(name)
    assert ("--data" in options_of(name)) == (name not in OF_A_RUNNING_SERVER)


@pytest.mark.parametrize("name", sorted(name for name in ALL if name not in SERVERS_AND_FILES))
def test_what_answers_can_answer_in_json(name: str) -> None:
    [option] = [parameter for parameter in ALL[name].params if "--json" in parameter.opts]
    assert option.is_flag or name.startswith("bench")  # bench writes its figures to a file


NEEDED = {
    "backup": ["new.tar.zst"],
    "dead show": ["7"],
    "dead drop": ["7"],
    "dead replay": ["7"],
    "identity split": ["--user", "a"],
    "erase": ["--user", "a"],
    "retention set": ["--site", "s", "--days", "9"],
    "retention clear": ["--site", "s"],
    "report show": ["abc"],
    "report run": ["abc"],
    "share revoke": ["abc"],
    "import": ["--list"],
}


def nobody() -> str:
    """An address at which no server is."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("name", ASKING)
def test_a_server_is_asked_unless_data_is_named(name: str) -> None:
    url = nobody()
    code, out, err = end_command({"TALLYSTICK_URL": url}, *name.split(), *NEEDED.get(name, []))
    said, error = err.splitlines()
    assert said == f"asking {url}"
    assert error.startswith(f"error: cannot reach {url}: is the server running there?")
    assert code == 2
    assert "accepted" in out if name == "demo" else out == ""


def test_the_usual_server_is_the_one_of_this_machine() -> None:
    _, _, err = end_command({"TALLYSTICK_URL": ""}, "verify", "--key-file", "/no/such")
    assert err.splitlines()[0] == "asking http://127.0.0.1:8000"


@pytest.fixture
def plain_server() -> Iterator[str]:
    """Something that answers in HTTP without TLS, whatever it is asked."""
    body = b'{"error":{"message":"this needs a read key: send it as Authorization: Bearer KEY"}}'
    head = b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    answer = head % len(body) + body
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    with listener.accept()[0] as connection:
                        connection.recv(4096)
                        connection.sendall(answer)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_https_at_a_server_without_tls(plain_server: str) -> None:
    _, _, err = end_command({}, "verify", "--url", f"https://{plain_server}")
    assert (
        f"https://{plain_server}: the server there speaks HTTP without TLS: write http:// in place of https://" in err
    )


def test_a_server_that_wants_a_key(plain_server: str) -> None:
    """The command's own words: which option and variables give a key, not which header."""
    _, _, err = end_command({"TALLYSTICK_KEY": ""}, "verify", "--url", f"http://{plain_server}")
    assert "--key-file" in err
    assert "Authorization" not in err


def test_a_table_has_no_frame_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    table = console.new_table("title")
    assert table.box is None
    monkeypatch.setattr(type(console.out), "is_terminal", True)
    assert console.new_table("title").box is not None


def test_a_silent_wait_gets_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = threading.Event()
    monkeypatch.setattr(console, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(console.err, "print", lambda *_, **__: said.set())
    with console.waiting("counting"):
        assert said.wait(600)


def test_keys_as_json() -> None:
    made = json.loads(run_command({}, "key", "write", "--site", "shop", "--json"))
    assert made["setting"] == f"TALLYSTICK_WRITE_KEYS=shop={made['hash']}"


def test_a_dry_run_is_a_check(tmp_path: Any) -> None:
    file = tmp_path / "rows.ndjson"
    file.write_text('{"name":"a"}\n{"nam":"b"}\n')
    code, out, _ = end_command({}, "import", str(file), "--dry-run", "--json", "--odd-times", "now")
    found = json.loads(out)
    assert (code, found["dry_run"], found["rows"], found["accepted"], found["rejected"]) == (1, True, 2, 1, 1)


@pytest.mark.parametrize("option", ["-V", "--version", "--help"])
def test_what_takes_no_command_imports_none(option: str) -> None:
    """A store's driver takes half a second to import. The modules are counted, which no machine's speed changes."""
    code = (
        "import sys\nfrom tallystick.cli import main\n"
        f"try:\n    main([{option!r}])\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(sorted({'duckdb', 'fastapi', 'httpx', 'numpy', 'pydantic', 'rich', 'structlog'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stdout.startswith(("tallystick ", "Usage: tallystick"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete(shell: str) -> None:
    settings = {"_TALLYSTICK_COMPLETE": f"complete_{shell}", "COMP_WORDS": "tallystick ver", "COMP_CWORD": "1"}
    settings |= {"_TYPER_COMPLETE_ARGS": "tallystick ver", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    _, out, _ = end_command(settings)
    assert "verify" in out
