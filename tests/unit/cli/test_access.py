"""Sites, keys and accounts on the command line (G12), and what a running server makes of them."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.harness.server import TALLYSTICK, ServerProcess
from tests.helpers.commands import end_command, run_command

PASSWORD = "correct horse battery"


def tell(data: Path, *words: str) -> str:
    return run_command({"TALLYSTICK_DATA": str(data)}, *words)


def answer(data: Path, *words: str) -> Any:
    return json.loads(tell(data, *words, "--json"))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_sites(tmp_path: Path) -> None:
    assert "there are none" in tell(tmp_path, "sites", "list")
    assert not list(tmp_path.iterdir())  # a look makes no file
    tell(tmp_path, "sites", "add", "shop", "--name", "The shop")
    assert [site["name"] for site in answer(tmp_path, "sites", "list")["sites"]] == ["The shop"]
    code, _, said = end_command({"TALLYSTICK_DATA": str(tmp_path)}, "sites", "add", "shop")
    assert code == 2
    assert "is there already" in said
    assert answer(tmp_path, "sites", "remove", "shop") == {"removed": "shop"}


def test_keys(tmp_path: Path) -> None:
    made = answer(tmp_path, "keys", "create", "write")
    assert made["sites"] == ["default"]
    assert made["key"].startswith("wk_")
    assert made["key"] not in tell(tmp_path, "keys", "list")
    printed = tell(tmp_path, "keys", "create", "read", "--right", "sql", "--name", "notebook")
    assert re.search(r"^key   rk_\S{43}\nid    k[0-9a-f]{12}$", printed, re.MULTILINE)
    assert "read, sql" in tell(tmp_path, "keys", "list")
    limited = answer(tmp_path, "keys", "create", "write", "--events-per-second", "50")
    assert "50 events/s" in tell(tmp_path, "keys", "list")
    assert "1,000 bytes/s" in tell(tmp_path, "keys", "quota", limited["id"], "--bytes-per-second", "1000")
    kept = answer(tmp_path, "keys", "quota", limited["id"], "--events-per-second", "0")
    assert (kept["events_per_second"], kept["bytes_per_second"]) == (0, 1000)
    assert "the quota of the settings" in tell(tmp_path, "keys", "quota", limited["id"], "--default")
    tell(tmp_path, "keys", "revoke", limited["id"])
    tell(tmp_path, "keys", "revoke", made["id"])
    assert [bool(key["revoked_at"]) for key in answer(tmp_path, "keys", "list")["keys"]] == [True, False, True]
    for words, said in (
        (("create", "read", "--site", "nowhere"), "there is no site 'nowhere'"),
        (("create", "write", "--right", "sql"), "only read keys have them"),
        (("create", "read", "--right", "fly"), "there are edit, sql, export, erase"),
        (("create", "read", "--events-per-second", "5"), "only write keys have a quota"),
        (("quota", "k0", "--events-per-second", "5"), "there is no key 'k0'"),
        (("quota", "k0"), "name --events-per-second"),
        (("revoke", "k0"), "there is no key 'k0'"),
    ):
        code, _, error = end_command({"TALLYSTICK_DATA": str(tmp_path)}, "keys", *words)
        assert code == 2
        assert said in error


def test_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(tmp_path, "sites", "add", "shop")
    url = tell(tmp_path, "users", "add", "ann@example.org", "--admin").strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/ui/join#in_\S{43}", url)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    words = ("users", "add", "Bob@example.org", "--role", "shop=editor", "--password-stdin")
    assert answer(tmp_path, *words)["email"] == "bob@example.org"
    assert answer(tmp_path, "users", "role", "bob@example.org", "shop=owner")["roles"] == {"shop": "owner"}
    assert "shop=owner" in tell(tmp_path, "users", "list")
    assert answer(tmp_path, "users", "role", "bob@example.org", "shop=none")["roles"] == {}
    assert "/ui/join#" in answer(tmp_path, "users", "reset-password", "bob@example.org")["url"]
    assert answer(tmp_path, "users", "remove", "bob@example.org") == {"removed": "bob@example.org"}
    found = [(entry["actor"], entry["action"]) for entry in answer(tmp_path, "audit")["entries"]]
    assert found[0] == ("command", "user.remove")
    assert ("command", "invitation.create") in found
    assert PASSWORD not in tell(tmp_path, "audit")
    for wrong in ("no-address --admin", "c@example.org", "c@example.org --role shop"):
        assert end_command({"TALLYSTICK_DATA": str(tmp_path)}, "users", "add", *wrong.split())[0] == 2


def test_beside_clickhouse_it_is_said_where_they_could_be() -> None:
    code, _, said = end_command({"TALLYSTICK_STORE_URL": "clickhouse://127.0.0.1/none"}, "keys", "list")
    assert code == 2
    assert "TALLYSTICK_ACCESS_URL" in said


def test_a_running_server_notices(tmp_path: Path) -> None:
    """G12: what a command makes and revokes, without a restart."""
    with ServerProcess(tmp_path) as server, closing(server.api()) as api:
        assert api.ask("GET", "/v1/events")[0] == 200
        key = answer(tmp_path, "keys", "create", "read")
        until(lambda: api.ask("GET", "/v1/events")[0] == 401)
        headers = {"X-API-Key": key["key"]}
        assert httpx.get(f"{server.url}/v1/events", headers=headers).status_code == 200
        tell(tmp_path, "keys", "revoke", key["id"])
        until(lambda: httpx.get(f"{server.url}/v1/events", headers=headers).status_code == 401)


def test_a_server_for_all_addresses_prints_the_first_link_once(tmp_path: Path) -> None:
    """G12: with keys, and without an account."""
    tell(tmp_path, "keys", "create", "write")
    code, _, said = end_command({"TALLYSTICK_DATA": str(tmp_path)}, "up", "--host", "0.0.0.0", "--port", "0")
    assert code == 2
    assert "TALLYSTICK_READ_KEYS" in said
    tell(tmp_path, "keys", "create", "read")
    first = start_and_stop(tmp_path)
    assert re.search(r"no account yet: http://\S+/ui/join#in_\S{43}", first)
    assert "no account yet" not in start_and_stop(tmp_path)  # the link is still valid


def start_and_stop(data: Path) -> str:
    """What `tallystick up` prints on every address."""
    command = [*TALLYSTICK, "up", "--host", "0.0.0.0", "--port", "0", "--data", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if '"ready"' in line:
            break
    process.send_signal(signal.SIGTERM)
    printed, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return printed
