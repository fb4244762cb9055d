"""Keys that are made while the server runs (G12): what each may do, and that it ends when it is revoked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tallystick.access import closed_rights, directory_of
from tallystick.access.accounts import Accounts
from tallystick.access.model import COMMAND
from tallystick.access.secret import FILE, find_secret, make_secret
from tallystick.app import Role
from tallystick.config import Settings
from tallystick.errors import ConfigError, Conflict, InvalidRequest, NotFound
from tallystick.process.listen import allowed_host
from tests.helpers.http.keyed import EVERY, KEYS, WRITE, Side, opened, send_from_three_sites
from tests.helpers.http.members import Members


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with opened(tmp_path) as opened_side:
        yield opened_side


@pytest.fixture
async def members(side: Side) -> Members:
    made = Members(side)
    await made.sites("shop", "blog")
    return made


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("access.*"))


async def write(side: Side, key: str = "", site: str = "shop", **headers: str) -> httpx.Response:
    named = {**headers, **({"Authorization": f"Bearer {key}"} if key else {})}
    return await side.client.post("/v1/events", json={"name": "a", "site_id": site}, headers=named)


async def read(side: Side, key: str = "", site: str = "shop") -> int:
    return (await side.get(f"/v1/events?site_id={site}", key)).status_code


# --- what makes a server ask for keys ------------------------------------------------------------------------------


async def test_without_any_key_loopback_is_open_and_nothing_is_written(side: Side, tmp_path: Path) -> None:
    assert (await write(side)).status_code == 202
    assert await read(side) == 200
    assert files(tmp_path) == []


async def test_the_first_write_key_closes_writing_alone(side: Side, members: Members) -> None:
    key = await members.key("write", "shop")
    assert (await write(side)).status_code == 401
    assert (await write(side, "wrong-0123456789abcdef")).status_code == 401
    assert (await write(side, key)).status_code == 202
    assert await read(side) == 200


@pytest.mark.parametrize("kind", ["read", "admin"])
async def test_the_first_key_that_reads_closes_reading_alone(side: Side, members: Members, kind: Any) -> None:
    await members.key(kind, *(["shop"] if kind == "read" else []))
    assert await read(side) == 401
    assert (await write(side)).status_code == 202


async def test_the_last_revoked_key_does_not_open_the_server(side: Side, members: Members) -> None:
    for kind in ("write", "read"):
        await members.key(kind, "shop")
    for key in members.accounts.directory.keys:
        await members.accounts.revoke_key(key.id, COMMAND)
    assert (await write(side)).status_code == 401
    assert await read(side) == 401


# --- what a key may do ----------------------------------------------------------------------------------------------


async def test_a_write_key_writes_to_its_site_and_reads_nothing(side: Side, members: Members) -> None:
    key = await members.key("write", "shop")
    await members.key("read", "shop")
    assert (await write(side, key)).status_code == 202
    refused = await write(side, key, "blog")
    assert (refused.status_code, refused.json()["accepted"]) == (400, 0)
    assert await read(side, key) == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://shop.example", 202),
        ("HTTPS://SHOP.example", 202),
        ("https://shop.example:8443", 403),
        ("https://evil.example", 403),
        ("https://shop.example.evil.example", 403),
        ("http://shop.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_a_write_key_is_limited_to_origins(side: Side, members: Members, origin: str, status: int) -> None:
    key = await members.key("write", "shop", origins=["https://Shop.example"])
    assert (await write(side, key, **({"Origin": origin} if origin else {}))).status_code == status


async def test_the_limit_holds_for_a_key_in_the_body_too(side: Side, members: Members) -> None:
    key = await members.key("write", "shop", origins=["https://shop.example"])
    body = {"key": key, "events": [{"name": "a", "site_id": "shop"}]}
    for origin, status in (("https://shop.example", 202), ("https://evil.example", 403)):
        assert (await side.client.post("/v1/events", json=body, headers={"Origin": origin})).status_code == status


async def test_a_read_key_sees_its_sites(side: Side, members: Members) -> None:
    await send_from_three_sites(side)
    key = await members.key("read", "shop", "blog")
    for site, status in (("shop", 200), ("blog", 200), ("default", 403), ("*", 403)):
        assert await read(side, key, site) == status
    assert (await side.get("/v1/events", key)).status_code == 400  # of several sites a query names one
    assert (await write(side, key)).status_code == 202  # there is no write key yet
    one = await members.key("read", "blog")
    assert (await side.get("/v1/events", one)).json()["rows"][0]["site_id"] == "blog"


@pytest.mark.parametrize(
    ("right", "method", "path", "body"),
    [
        ("export", "GET", "/v1/export?site_id=shop", None),
        ("sql", "POST", "/v1/sql", {"sql": "SELECT 1 AS one", "site_id": "shop"}),
        ("edit", "POST", "/v1/boards", {"name": "b", "site_id": "shop"}),
    ],
)
async def test_rights_are_given_one_by_one(
    side: Side, members: Members, right: Any, method: str, path: str, body: Any
) -> None:
    others: list[Any] = [one for one in ("edit", "sql", "export", "erase") if one != right]
    without = await members.key("read", "shop", rights=others)
    having = await members.key("read", "shop", rights=[right])
    for key, statuses in ((without, (403,)), (having, (200, 201))):
        answer = await side.client.request(method, path, json=body, headers={"X-API-Key": key})
        assert answer.status_code in statuses, answer.text


async def test_operating_is_for_administrators(side: Side, members: Members) -> None:
    """A read key of every site sees the pipeline and dead letters, and changes neither."""
    every = await members.key("read", "*", rights=["edit", "sql", "export", "erase"])
    admin = await members.key("admin")
    for key, status in ((every, 403), (admin, 200)):
        answer = await side.ask("POST", "/v1/dead/drop", key)
        assert answer.status_code == status
        assert (await side.ask("GET", "/v1/dead", key)).status_code == 200


async def test_keys_of_the_settings_go_on_working(tmp_path: Path) -> None:
    async with opened(tmp_path, **KEYS) as side:
        members = Members(side)
        await members.sites("shop")
        made = await members.key("write", "shop"), await members.key("read", "shop")
        for key in (WRITE, made[0]):
            assert (await write(side, key)).status_code == 202
        for key in (EVERY, made[1]):
            assert await read(side, key) == 200
        assert (await side.ask("GET", "/v1/admin/keys", EVERY)).status_code == 403
        for wrong in (EVERY, made[1]):
            assert (await write(side, wrong)).status_code == 403
        for wrong in (WRITE, made[0]):
            assert await read(side, wrong) == 403


@pytest.mark.parametrize("path", ["/track", "/events", "/v1/events"])
async def test_dialects_take_them_where_they_take_keys(side: Side, members: Members, path: str) -> None:
    """As Bearer, X-API-Key, and (on routes of other systems) as Basic."""
    key = await members.key("write", "*")
    routes = {found for method, found in side.tallystick.asgi._hot if method == "POST"}
    chosen = path if path in routes else "/v1/events"
    for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
        assert (await side.client.post(chosen, json={}, headers=headers)).status_code not in (401, 403)
    assert (await side.client.post(chosen, json={})).status_code == 401


# --- revoking -------------------------------------------------------------------------------------------------------


async def until(side: Side, key: str, status: int) -> None:
    while await read(side, key) != status:  # noqa: ASYNC110 - the answer is what is waited for
        await asyncio.sleep(0.02)


async def test_what_another_process_makes_and_revokes_is_noticed(side: Side, tmp_path: Path) -> None:
    """A command is another process with the same files."""
    other = directory_of(Settings(data=tmp_path))
    accounts = Accounts(other, Settings(data=tmp_path))
    await accounts.add_site("shop", "", COMMAND)
    made, key = await accounts.create_key("read", "", ["shop"], [], [], COMMAND)
    async with asyncio.timeout(60):
        await until(side, "", 401)
        assert await read(side, key) == 200
        await accounts.revoke_key(made.id, COMMAND)
        await until(side, key, 401)
    await other.stop()


async def test_the_last_use_is_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as side:
        members = Members(side)
        await members.sites("shop")
        key = await members.key("read", "shop")
        await read(side, key)
    directory = directory_of(Settings(data=tmp_path))
    await directory.refresh()
    assert [one.last_used_at is not None for one in directory.keys] == [True]
    await directory.stop()


# --- what is kept ---------------------------------------------------------------------------------------------------


async def test_neither_key_nor_digest_without_the_secret_is_in_the_data(
    side: Side, members: Members, tmp_path: Path
) -> None:
    from hashlib import sha256

    key = await members.key("read", "shop")
    kept = b"".join(path.read_bytes() for path in files(tmp_path))
    assert key.encode() not in kept
    assert sha256(key.encode()).hexdigest().encode() not in kept
    for path in files(tmp_path):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_another_secret_is_refused(side: Side, members: Members, tmp_path: Path) -> None:
    await members.key("read", "shop")
    (tmp_path / FILE).write_text("0" * 64)
    directory = directory_of(Settings(data=tmp_path))
    with pytest.raises(ConfigError, match="another secret"):
        await directory.start()
    await directory.stop()
    (tmp_path / FILE).write_text("short")
    with pytest.raises(ConfigError, match="damaged"):
        find_secret(Settings(data=tmp_path))


async def test_a_database_that_cannot_be_read_opens_nothing(tmp_path: Path) -> None:
    """G12: nobody knows whether a key is needed, so one is."""
    settings = {"access_url": "postgresql://nobody@127.0.0.1:1/none", "access_secret": "0" * 64}
    async with opened(tmp_path, **settings) as side:
        assert (await write(side)).status_code == 503
        assert (await write(side, "wk_unknown-0123456789")).status_code == 503
        assert await read(side) == 503
        assert await read(side, "rk_unknown-0123456789") == 503


async def test_a_secret_that_cannot_be_read_closes_the_server(side: Side, tmp_path: Path) -> None:
    """G12: such as one that a command of another user made while the server ran."""
    (tmp_path / FILE).write_text("damaged")
    async with asyncio.timeout(60):
        await until(side, "", 503)
    assert (await write(side)).status_code == 503


# --- input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "sites", "rights", "origins"),
    [
        ("write", ["shop", "blog"], [], []),
        ("write", [], [], []),
        ("read", ["*", "shop"], [], []),
        ("write", ["shop"], ["sql"], []),
        ("admin", [], ["sql"], []),
        ("read", ["shop"], [], ["https://a.example"]),
        ("write", ["shop"], [], ["https://a.example/path"]),
        ("write", ["shop"], [], ["*"]),
    ],
)
async def test_what_does_not_go_together(
    members: Members, kind: Any, sites: list[str], rights: Any, origins: list[str]
) -> None:
    with pytest.raises(InvalidRequest):
        await members.accounts.create_key(kind, "", sites, rights, origins, COMMAND)


async def test_a_site_is_made_known_first(members: Members) -> None:
    with pytest.raises(NotFound):
        await members.key("read", "nowhere")
    with pytest.raises(Conflict):
        await members.sites("shop")
    for wrong in ("", " ", "*", "a\nb", "x" * 256):
        with pytest.raises(InvalidRequest):
            await members.sites(wrong)


# --- listening ------------------------------------------------------------------------------------------------------


async def test_keys_that_were_made_allow_to_listen(side: Side, members: Members, tmp_path: Path) -> None:
    """G12: beyond loopback only where what is served needs a key."""
    settings = Settings(data=tmp_path, host="0.0.0.0")
    with pytest.raises(ConfigError, match="TALLYSTICK_WRITE_KEYS and TALLYSTICK_READ_KEYS"):
        allowed_host(settings, Role.UP)
    await members.key("read", "shop")
    with pytest.raises(ConfigError, match="TALLYSTICK_WRITE_KEYS first"):
        allowed_host(settings, Role.UP)
    await members.key("write", "shop")
    assert allowed_host(settings, Role.UP) == "0.0.0.0"
    assert closed_rights(settings) == {"write", "read"}


def test_another_store_does_not_open_the_server_again(tmp_path: Path) -> None:
    """G12: keys and accounts of the data folder are not forgotten beside a store on a server."""
    (tmp_path / "access.db").touch()
    for url in ("clickhouse://127.0.0.1/none", "postgresql://127.0.0.1/none"):
        with pytest.raises(ConfigError, match=f"TALLYSTICK_ACCESS_URL=sqlite:///{tmp_path}/access.db"):
            directory_of(Settings(data=tmp_path, store_url=url))
    named = Settings(
        data=tmp_path, store_url="clickhouse://127.0.0.1/none", access_url=f"sqlite:///{tmp_path}/access.db"
    )
    make_secret(named)
    assert directory_of(named).why_none is None


@pytest.mark.parametrize("url", ["", "clickhouse://127.0.0.1/none"])
async def test_accounts_without_their_secret_do_not_open_the_server(tmp_path: Path, url: str) -> None:
    """G12: such as a folder of which `access.db` alone was copied."""
    named = f"sqlite:///{tmp_path}/access.db" if url else ""
    settings = Settings(data=tmp_path, store_url=url, access_url=named)
    directory = directory_of(settings)
    await directory.prepare()
    await directory.stop()
    (tmp_path / FILE).unlink()
    with pytest.raises(ConfigError, match="the secret that made them is not here"):
        directory_of(settings)
    given = settings.model_copy(update={"access_secret": SecretStr("a secret of the settings")})
    assert directory_of(given).why_none is None, "whether it is the right one, its start says"


def test_beside_clickhouse_accounts_have_no_place(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, store_url="clickhouse://127.0.0.1/none")
    assert "TALLYSTICK_ACCESS_URL" in (directory_of(settings).why_none or "")
    assert closed_rights(settings) == frozenset()
