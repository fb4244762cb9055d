"""Keys and accounts in backups (G12): what comes back can be used, and what is missing is said."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import httpx
import pytest
import zstandard

from tallystick.harness.server import ServerFailed, ServerProcess
from tests.helpers.accounts import PASSWORD, answer, fill, works
from tests.helpers.commands import end_command, run_command

SECRET = "a secret of the settings, long enough"


def members(file: Path) -> list[str]:
    with file.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as content:
        with tarfile.open(fileobj=content, mode="r|") as archive:
            return archive.getnames()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_running_server_s_accounts_come_back(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = fill({"TALLYSTICK_DATA": str(data)}, monkeypatch)
    file, restored = tmp_path / "a.tar.zst", tmp_path / "restored"
    with ServerProcess(data) as server:
        login = {"email": "ann@example.org", "password": PASSWORD}
        cookies = dict(httpx.post(f"{server.url}/v1/session", json=login, timeout=60).cookies)
        assert httpx.get(f"{server.url}/v1/account/sessions", cookies=cookies, timeout=60).status_code == 200
        env = {"TALLYSTICK_KEY": keys["admin"]}
        made = answer(env, "backup", str(file), "--url", server.url)["about"]
        assert made["format"] == 2
        assert {table: made["access"][table] for table in ("sites", "keys", "users")} == {
            "sites": 1,
            "keys": 3,
            "users": 1,
        }
    found = answer({}, "restore", str(file), "--data", str(restored))
    assert (found["ok"], found["secret"], found["access"]) == (True, "restored", made["access"])
    assert {path.stat().st_mode & 0o777 for path in restored.glob("access.*")} == {0o600}
    with ServerProcess(restored) as server:
        works(server.url, keys)
        gone = httpx.get(f"{server.url}/v1/account/sessions", cookies=cookies, timeout=60)
        assert gone.status_code == 401, "a login is not in a backup"


def test_without_accounts_it_is_as_before(data: Path, tmp_path: Path) -> None:
    """An older Tallystick reads it."""
    with ServerProcess(data):
        pass
    about = answer({}, "backup", str(tmp_path / "a.tar.zst"), "--data", str(data))["about"]
    assert (about["format"], about["access"]) == (1, None)
    found = answer({}, "restore", str(tmp_path / "a.tar.zst"), "--data", str(tmp_path / "restored"))
    assert (found["ok"], found["access"], found["secret"]) == (True, None, None)


def test_a_secret_of_the_settings_is_not_in_it(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.tar.zst"
    secret = {"TALLYSTICK_ACCESS_SECRET": SECRET}
    keys = fill({"TALLYSTICK_DATA": str(data), **secret}, monkeypatch)
    with ServerProcess(data, secret):
        pass
    code, _, said = end_command({}, "backup", str(file), "--data", str(data))
    assert (code, file.exists()) == (2, False)
    assert "the secret of keys and accounts is not the one that made them" in said
    run_command(secret, "backup", str(file), "--data", str(data))
    assert {"access.db", "access.secret"} & set(members(file)) == {"access.db"}
    for env, expected in (({}, "missing"), ({"TALLYSTICK_ACCESS_SECRET": "x" * 40}, "another"), (secret, "matches")):
        restored = tmp_path / expected
        found = answer(env, "restore", str(file), "--data", str(restored))
        assert (found["ok"], found["secret"]) == (True, expected)
        if expected == "matches":
            with ServerProcess(restored, env) as server:
                works(server.url, keys)
        else:
            with pytest.raises(ServerFailed), ServerProcess(restored, env):
                pass
    shutil.rmtree(tmp_path / "missing")
    printed = run_command({}, "restore", str(file), "--data", str(tmp_path / "missing"))
    assert "1 sites, 3 keys, 1 users" in printed
    assert "TALLYSTICK_ACCESS_SECRET" in printed
