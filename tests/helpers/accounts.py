"""Keys and accounts that commands make, and whether they can be used on another server."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.helpers.commands import run_command
from tests.servers.process import wait_until

PASSWORD = "correct horse battery"


def answer(env: Mapping[str, str], *words: str) -> Any:
    return json.loads(run_command(env, *words, "--json"))


def fill(env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A site, an account, and keys of each kind; returns the keys by name."""
    run_command(env, "sites", "add", "shop")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    run_command(env, "users", "add", "ann@example.org", "--admin", "--password-stdin")
    keys = {
        name: answer(env, "keys", "create", *words)
        for name, words in {
            "write": ("write", "--site", "shop", "--events-per-second", "77"),
            "admin": ("admin",),
            "revoked": ("write", "--site", "shop"),
        }.items()
    }
    run_command(env, "keys", "revoke", keys["revoked"]["id"])
    return {name: key["key"] for name, key in keys.items()}


def sends(url: str, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(
        f"{url}/v1/events", json={"name": "a", "site_id": "shop"}, headers=headers, timeout=60
    ).status_code


def works(url: str, keys: Mapping[str, str]) -> None:
    """The old password and the old keys are as good as they were."""
    with httpx.Client(base_url=url, timeout=60) as client:
        mistaken = {"email": "ann@example.org", "password": "another long password"}
        # A server answers before a store on another server is open.
        wait_until(lambda: client.post("/v1/session", json=mistaken).status_code != 503, "the server's store")
        wrong = client.post("/v1/session", json=mistaken)
        right = client.post("/v1/session", json={"email": "ann@example.org", "password": PASSWORD})
        assert (wrong.status_code, right.status_code) == (401, 200)
        found = client.get("/v1/admin/keys").json()["keys"]
        assert [key["events_per_second"] for key in found] == [77, None, None]
        actions = [entry["action"] for entry in client.get("/v1/admin/audit").json()["entries"]]
        assert "user.add" in actions
        assert "key.revoke" in actions
    assert [sends(url, keys[name]) for name in ("write", "revoked")] == [202, 401]
