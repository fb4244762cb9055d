"""Keys and accounts from one database to another, as backups and moves carry them (G12)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tallystick.access import AccessStore, make_access_store
from tallystick.access.model import Role, Site
from tallystick.access.move import AccessMove
from tallystick.access.secret import FILE
from tallystick.config import Settings
from tallystick.errors import ConfigError, Conflict
from tallystick.harness.server import ServerProcess
from tests.conformance.access.test_access_store import ANN, NOW, PROOF, add_site, invitation, session, user, write_key
from tests.conformance.access.test_access_store import WEEK as IDLE
from tests.helpers.accounts import answer, fill, works
from tests.helpers.commands import end_command, run_command


@asynccontextmanager
async def opened(settings: Settings, url: str) -> AsyncIterator[AccessStore]:
    store = make_access_store(settings.model_copy(update={"access_url": url}))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.mark.parametrize("to_postgres", [True, False])
async def test_everything_but_logins_is_carried(
    settings: Settings, tmp_path: Path, postgres_url: str, to_postgres: bool
) -> None:
    urls = [f"sqlite:///{tmp_path}/kept.db", postgres_url]
    first, second = urls if to_postgres else urls[::-1]
    async with opened(settings, first) as source, opened(settings, second) as destination:
        await source.prepare(PROOF)
        await add_site(source, "shop", "Ünïcode", "a b")
        await source.add_key(write_key("k1", events_per_second=0, bytes_per_second=None), b"\x01", ANN)
        await source.add_key(write_key("k2"), b"\x02", ANN)
        await source.touch_keys({"k1": NOW})
        await source.revoke_key("k2", ANN)
        await source.add_user(user(shop=Role.OWNER), "a hash", ANN)
        await source.invite(invitation(), "a digest", ANN)
        await source.add_session(session(), "d", IDLE, "")
        await source.attempt({"subject": 1}, NOW)
        data = await source.dump()
        await destination.load(data)
        assert (await destination.dump()).same_as(data)
        before, after = await source.snapshot(), await destination.snapshot()
        assert after._replace(version=0, sites=[]) == before._replace(version=0, sites=[])
        assert set(after.sites) == set(before.sites)
        assert await destination.audit(99, None, None) == await source.audit(99, None, None)
        assert await destination.password_of("u1") == "a hash"
        assert await destination.invitation("a digest", NOW) == invitation()
        assert await destination.session("d") is None

        version = await destination.version()
        await destination.load(data)  # a move that was started again
        assert (await destination.version() or 0) > (version or 0)
        await destination.add_site(Site("another", "", NOW), ANN)
        with pytest.raises(Conflict, match="other sites, keys and accounts"):
            await destination.load(data)
        with pytest.raises(ConfigError, match="another secret"):
            await destination.load(data._replace(proof="another"))


def test_accounts_in_postgresql_come_back_as_a_file(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    file, restored = tmp_path / "a.tar.zst", tmp_path / "restored"
    url = {"TALLYSTICK_ACCESS_URL": postgres_url}
    keys = fill({"TALLYSTICK_DATA": str(data), **url}, monkeypatch)
    with ServerProcess(data, url):
        pass
    run_command(url, "backup", str(file), "--data", str(data))
    assert "a server uses that" in run_command(url, "restore", str(file), "--data", str(restored)).replace("\n", " ")
    with ServerProcess(restored) as server:
        works(server.url, keys)


# --- `tallystick move` ----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, str]]:
    """The data folder of a server that was stopped, and its keys."""
    data = tmp_path / "data"
    keys = fill({"TALLYSTICK_DATA": str(data)}, monkeypatch)
    with ServerProcess(data):
        pass
    return data, keys


def test_a_move_to_postgresql_and_back_carries_accounts(
    tmp_path: Path, postgres_url: str, folder: tuple[Path, dict[str, str]]
) -> None:
    data, keys = folder
    weak = {"TALLYSTICK_ALLOW_WEAK_DURABILITY": "true"}  # the tests' PostgreSQL has no fsync
    env = {"TALLYSTICK_DATA": str(data), **weak}
    there = ("--from", str(data), "--to", postgres_url)
    assert answer(env, "move", *there, "--dry-run")["access"]["outcome"] == "would carry"
    printed = run_command(env, "move", *there)
    assert "keys and accounts (1 site, 3 keys, 1 user) were carried" in printed
    assert f"move {data}/access.db away" in printed.replace("\n", "")
    assert answer(env, "move", *there)["access"]["outcome"] == "carried", "started again, it compares"
    (data / "access.db").rename(data / "kept")
    with ServerProcess(data, {"TALLYSTICK_STORE_URL": postgres_url, "TALLYSTICK_SQL": "false", **weak}) as server:
        works(server.url, keys)
        until_stored(server.url, keys["admin"])

    back = tmp_path / "back"
    back.mkdir(mode=0o700)
    found = answer(env, "move", "--from", postgres_url, "--to", str(back))
    assert (found["ok"], found["access"]["outcome"]) == (True, "carried")
    assert (back / FILE).read_text() == (data / FILE).read_text()
    with ServerProcess(back) as server:
        works(server.url, keys)


def until_stored(url: str, key: str) -> None:
    """Returns when no event waits any more."""
    deadline = time.monotonic() + 60
    headers = {"Authorization": f"Bearer {key}"}
    while httpx.get(f"{url}/v1/pipeline", headers=headers, timeout=60).json()["queue"]["blocks"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_move_is_refused_where_there_are_other_accounts(
    tmp_path: Path, folder: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = folder
    other = tmp_path / "other"
    run_command({"TALLYSTICK_DATA": str(other)}, "sites", "add", "blog")
    code, _, said = end_command({}, "move", "--from", str(data), "--to", str(other))
    assert code == 2
    assert "has other sites, keys and accounts already" in said
    (other / "access.db").unlink()
    code, _, said = end_command({}, "move", "--from", str(data), "--to", str(other))
    assert (code, "another secret is in" in said) == (2, True)
    assert answer({}, "verify", "--data", str(other))["ledger"]["stored"] == 0


async def test_accounts_stay_where_the_new_store_keeps_none(folder: tuple[Path, dict[str, str]]) -> None:
    data, _ = folder
    source = Settings(store_url=f"duckdb:///{data}/store.duckdb")
    clickhouse = "clickhouse://127.0.0.1:8123/default"
    for there, said in (
        (Settings(store_url=clickhouse), "TALLYSTICK_ACCESS_URL for that place"),
        (Settings(store_url=clickhouse, access_url=f"sqlite:///{data}/access.db"), ""),
    ):
        move = AccessMove(source.model_copy(update={"access_url": there.access_url}), there)
        await move.check()
        found = await move.carry(dry_run=False)
        assert found.outcome == "stays"
        assert (said or "which TALLYSTICK_ACCESS_URL names") in found.say[0]
    nothing = AccessMove(Settings(store_url=f"duckdb:///{data}/none/store.duckdb"), Settings(store_url=clickhouse))
    await nothing.check()
    assert (await nothing.carry(dry_run=False)).outcome == "none"
