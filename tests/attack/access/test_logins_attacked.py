"""Attacks on logins (G12): cookies, forged requests, fixed sessions, guessed passwords, names that are asked for."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import structlog

from tallystick import logs
from tallystick.access import passwords
from tallystick.access.accounts import FREE_OF_ACCOUNT, FREE_OF_ADDRESS
from tallystick.access.model import Role
from tallystick.config import Settings
from tallystick.dialects import ALL
from tests.helpers.http.keyed import Side, opened
from tests.helpers.http.members import COOKIE, PASSWORD, Members

CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "/v1/admin/keys", {"kind": "admin", "name": "evil"}),
    ("POST", "/v1/admin/invitations", {"email": "evil@example.org", "admin": True}),
    ("POST", "/v1/boards", {"name": "b", "site_id": "shop"}),
    ("POST", "/v1/query", {"kind": "events", "site_id": "shop"}),
    ("POST", "/v1/dead/drop", {"ids": [1]}),
    ("DELETE", "/v1/account/sessions", None),
    ("DELETE", "/v1/imports/0000000000000000", None),
]


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with opened(tmp_path) as opened_side:
        yield opened_side


@pytest.fixture
async def members(side: Side) -> Members:
    made = Members(side)
    await made.sites("shop")
    await made.user("admin", admin=True)
    await made.user("viewer", shop=Role.VIEWER)
    return made


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """Where logs go during the test."""
    out = io.StringIO()
    logs.configure(Settings(log_format="json", log_level="debug"), out)
    yield out
    structlog.reset_defaults()


# --- the cookie -----------------------------------------------------------------------------------------------------


async def test_flags_of_the_cookie(members: Members) -> None:
    async with members.browser() as browser:
        cookie = (await browser.log_in("admin")).headers["set-cookie"]
        name, _, rest = cookie.partition("=")
        assert name == COOKIE
        assert {part.strip() for part in rest.split(";")[1:]} == {
            "Max-Age=2592000",
            "Path=/",
            "HttpOnly",
            "SameSite=Lax",
        }
        ended = (await browser.ask("DELETE", "/v1/session")).headers["set-cookie"]
        assert ended.startswith(f"{COOKIE}=; Max-Age=0;")


@pytest.mark.parametrize(
    ("settings", "headers", "secure"),
    [
        ({"public_origin": "https://stats.example"}, {}, True),
        ({"public_origin": "http://stats.example"}, {}, False),
        ({"trusted_proxies": "127.0.0.1"}, {"X-Forwarded-Proto": "https"}, True),
        ({"trusted_proxies": "127.0.0.1"}, {"X-Forwarded-Proto": "http"}, False),
        ({}, {"X-Forwarded-Proto": "https"}, False),
    ],
)
async def test_behind_tls_the_cookie_is_secure(
    tmp_path: Path, settings: dict[str, str], headers: dict[str, str], secure: bool
) -> None:
    async with opened(tmp_path, **settings) as side:
        members = Members(side)
        await members.user("admin", admin=True)
        body = {"email": "admin@example.org", "password": PASSWORD}
        answer = await side.client.post("/v1/session", json=body, headers=headers)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"__Host-{COOKIE}=" if secure else f"{COOKIE}=")
        assert ("; Secure" in cookie) == secure
        value = cookie.partition("=")[2].partition(";")[0]
        plain = {"Cookie": f"{COOKIE}={value}", **headers}
        side.client.cookies.clear()
        found = (await side.client.get("/v1/session", headers=plain)).json()
        assert found["caller"] == ("none" if secure else "user")  # behind TLS no plain cookie is taken


async def test_two_cookies_are_none(members: Members) -> None:
    """A page of a neighbouring host may have set the second one."""
    async with members.browser("admin") as browser:
        token = browser.client.cookies[COOKIE]
        browser.client.cookies.clear()
        for cookie, caller in ((f"{COOKIE}={token}", "user"), (f"{COOKIE}={token}; {COOKIE}=other", "none")):
            found = await browser.client.get("/v1/session", headers={"Cookie": cookie})
            assert found.json()["caller"] == caller


async def test_a_login_gets_a_new_token_always(members: Members) -> None:
    """Session fixation: what an attacker put into the browser before is worth nothing after."""
    async with members.browser() as browser:
        body = {"email": "admin@example.org", "password": PASSWORD}
        await browser.client.post("/v1/session", json=body, headers={"Cookie": f"{COOKIE}=chosen-by-an-attacker"})
        first = browser.client.cookies[COOKIE]
        assert first != "chosen-by-an-attacker"
        await browser.log_in("admin")
        second = browser.client.cookies[COOKIE]
        assert second != first
        browser.client.cookies.clear()
        for token, caller in ((first, "none"), (second, "user"), ("chosen-by-an-attacker", "none")):
            found = await browser.client.get("/v1/session", headers={"Cookie": f"{COOKIE}={token}"})
            assert found.json()["caller"] == caller


@pytest.mark.parametrize("token", ["", "x", "é", "a" * 10_000, '"', "\x7f", "null", "%00"])
async def test_made_up_tokens(members: Members, token: str) -> None:
    async with members.browser() as browser:
        headers = [(b"cookie", f"{COOKIE}={token}".encode())]
        found = await browser.client.get("/v1/session", headers=headers)
        assert found.status_code == 200
        assert found.json()["caller"] == "none"


# --- forged requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_another_page_changes_nothing(members: Members, method: str, path: str, body: Any) -> None:
    """CSRF: without the token, and from another origin even with it."""
    async with members.browser("admin") as browser:
        for headers in (
            {"X_CSRF_Token": ""},
            {"X_CSRF_Token": "0" * 64},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://localhost:8001"},
            {"Sec_Fetch_Site": "cross-site"},
            {"Sec_Fetch_Site": "same-site"},
        ):
            refused = await browser.ask(method, path, body, **headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "csrf"), headers
        fine = await browser.ask(method, path, body, Origin="http://localhost:8000", Sec_Fetch_Site="same-origin")
        assert fine.status_code in (200, 201, 204, 404)


async def test_the_token_of_another_login_is_none(members: Members) -> None:
    async with members.browser("admin") as one, members.browser("admin") as other:
        assert one.csrf_token != other.csrf_token
        refused = await one.ask(*CHANGES[0], X_CSRF_Token=other.csrf_token)
        assert refused.status_code == 403


async def test_another_page_logs_nobody_in(members: Members) -> None:
    """Login CSRF: the visitor would work in the attacker's account."""
    async with members.browser() as browser:
        body = {"email": "viewer@example.org", "password": PASSWORD}
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            refused = await browser.client.post("/v1/session", json=body, headers=headers)
            assert refused.status_code == 403
            assert "set-cookie" not in refused.headers
        form = {"Content-Type": "text/plain"}
        plain = await browser.client.post("/v1/session", content='{"email":"a","password":"b"}', headers=form)
        assert plain.status_code == 415


async def test_the_public_name_is_this_server(tmp_path: Path) -> None:
    """A proxy may pass another Host on than the browser asked for."""
    async with opened(tmp_path, public_origin="http://stats.example") as side:
        members = Members(side)
        await members.user("admin", admin=True)
        async with members.browser("admin") as browser:
            for origin, status in (("http://stats.example", 201), ("http://stats.example.evil", 403)):
                body = {"site_id": f"s{status}"}
                answer = await browser.ask("POST", "/v1/admin/sites", body, Origin=origin)
                assert answer.status_code == status


OPEN = {"/", "/health"}


@pytest.mark.parametrize("path", sorted({path for dialect in ALL for path in dialect.SPELLINGS.paths} - OPEN))
async def test_routes_of_other_systems_take_no_login(members: Members, path: str) -> None:
    """Pages of any origin may call them with cookies."""
    async with members.browser("admin") as browser:
        answer = await browser.ask("GET", path, Origin="https://evil.example")
        assert answer.status_code in (401, 404, 405), answer.text


# --- guessing -------------------------------------------------------------------------------------------------------


async def test_an_account_is_braked(members: Members) -> None:
    async with members.browser() as browser:
        statuses = [(await browser.log_in("viewer", "wrong password")).status_code for _ in range(FREE_OF_ACCOUNT + 2)]
        assert statuses == [401] * FREE_OF_ACCOUNT + [429] * 2
        braked = await browser.log_in("viewer")  # the right password too
        assert (braked.status_code, braked.json()["error"]["code"]) == (429, "too_many_attempts")
        assert 1 <= int(braked.headers["retry-after"]) <= 2
        assert (await browser.log_in("admin")).status_code == 200


async def test_an_address_is_braked(members: Members) -> None:
    async with members.browser() as browser:
        statuses = [(await browser.log_in(f"nobody{n}", "wrong")).status_code for n in range(FREE_OF_ADDRESS + 1)]
        assert statuses == [401] * FREE_OF_ADDRESS + [429]


async def test_who_logs_in_often_is_not_braked(members: Members) -> None:
    """Many people may share an address; but one of them who logs in does not buy further guesses."""
    async with members.browser() as browser:
        for number in range(FREE_OF_ADDRESS - 1):
            assert (await browser.log_in(f"nobody{number}", "wrong")).status_code == 401
        for _ in range(3):
            assert (await browser.log_in("viewer")).status_code == 200
        assert (await browser.log_in("nobody", "wrong")).status_code == 401
        assert (await browser.log_in("viewer")).status_code == 429


async def test_a_forged_address_is_no_other_address(members: Members) -> None:
    """X-Forwarded-For counts only from a trusted proxy."""
    async with members.browser() as browser:
        for number in range(FREE_OF_ADDRESS + 1):
            body = {"email": f"nobody{number}@example.org", "password": "wrong"}
            headers = {"X-Forwarded-For": f"198.51.100.{number}"}
            answer = await browser.client.post("/v1/session", json=body, headers=headers)
        assert answer.status_code == 429


async def test_who_has_an_account_is_not_told(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answer, the same brake, and the same work: a hash is computed for an unknown address as well."""
    verified: list[bool] = []
    real = passwords.Passwords._verify

    def spied(self: passwords.Passwords, password: str, against: str | None) -> bool:
        verified.append(against is not None)
        return real(self, password, against)

    monkeypatch.setattr(passwords.Passwords, "_verify", spied)
    async with members.browser() as browser:
        answers: list[httpx.Response] = []
        for name in ("viewer", "nobody"):
            answers += [await browser.log_in(name, "wrong password") for _ in range(FREE_OF_ACCOUNT + 1)]
    known, unknown = answers[: FREE_OF_ACCOUNT + 1], answers[FREE_OF_ACCOUNT + 1 :]
    assert [answer.status_code for answer in known] == [answer.status_code for answer in unknown]
    assert known[0].json()["error"] == unknown[0].json()["error"]
    assert verified == [True] * FREE_OF_ACCOUNT + [False] * FREE_OF_ACCOUNT


async def test_no_link_is_guessed(members: Members) -> None:
    async with members.browser() as browser:
        for token in ("", "x", "in_" + "A" * 43, "in_" + "é" * 43, "in_" + "A" * 43 + "\n"):
            for path, more in (("look", {}), ("accept", {"name": "x", "password": PASSWORD})):
                answer = await browser.ask("POST", f"/v1/invitations/{path}", {"token": token, **more})
                assert answer.status_code == 404


# --- what is kept and logged ----------------------------------------------------------------------------------------


async def test_no_secret_is_logged_or_kept(members: Members, tmp_path: Path, log_lines: io.StringIO) -> None:
    async with members.browser("admin") as browser:
        made = (await browser.ask("POST", "/v1/admin/keys", {"kind": "admin", "name": "robot"})).json()["key"]
        link = (await browser.ask("POST", "/v1/admin/invitations", {"email": "x@example.org", "admin": True})).json()
        for where in ("key", "api_key", "token"):
            assert (await members.side.client.get(f"/v1/admin/keys?{where}={made}")).status_code == 401
        await browser.log_in("viewer", "a wrong password")
        secrets = [
            PASSWORD,
            "a wrong password",
            made,
            link["url"].partition("#")[2],
            browser.client.cookies[COOKIE],
            browser.csrf_token,
        ]
    kept = b"".join(path.read_bytes() for path in files(tmp_path))
    for secret in secrets:
        assert secret not in log_lines.getvalue()
        assert secret.encode() not in kept


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("access.db*"))


async def test_answers_with_secrets_are_not_cached(members: Members) -> None:
    async with members.browser("admin") as browser:
        assert (await browser.client.get("/v1/session")).headers["cache-control"] == "no-store"


# --- odd input ------------------------------------------------------------------------------------------------------

ODD = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff@example.org",
    "\u202e",
    "'",
    '"; DROP TABLE users; --',
    "é" * 900,
    "*",
    "%",
]


@pytest.mark.parametrize("odd", ODD)
async def test_odd_texts_break_nothing(members: Members, odd: str) -> None:
    """In every field of every body, path and query: an error of the caller, and never of the server."""
    user = members.accounts.user_of_email("viewer@example.org")
    escaped = quote(odd.encode("utf-8", "replace") or b"-")
    requests: list[tuple[str, str, Any]] = [
        ("POST", "/v1/session", {"email": odd, "password": PASSWORD}),
        ("POST", "/v1/session", {"email": "viewer@example.org", "password": odd}),
        ("POST", "/v1/account/password", {"current_password": odd, "new_password": odd}),
        ("POST", "/v1/invitations/look", {"token": odd}),
        ("POST", "/v1/invitations/accept", {"token": odd, "email": odd, "name": odd, "password": odd}),
        ("POST", "/v1/admin/invitations", {"email": odd, "admin": True}),
        ("POST", "/v1/admin/invitations", {"email": "x@example.org", "roles": [{"site_id": odd, "role": "owner"}]}),
        ("POST", "/v1/admin/keys", {"kind": "read", "name": odd, "sites": ["nowhere"]}),
        ("POST", "/v1/admin/keys", {"kind": "read", "name": "", "sites": [odd, "nowhere"]}),
        ("POST", "/v1/admin/keys", {"kind": "write", "name": "", "sites": ["shop"], "origins": [odd]}),
        ("PUT", f"/v1/admin/users/{user.id}/role", {"site_id": odd, "role": "owner"}),
        ("PUT", f"/v1/admin/users/{escaped}/role", {"site_id": "shop", "role": "owner"}),
        ("PUT", f"/v1/admin/users/{escaped}/admin", {"admin": True}),
        ("DELETE", f"/v1/admin/users/{escaped}", None),
        ("DELETE", f"/v1/admin/keys/{escaped}", None),
        ("DELETE", f"/v1/admin/invitations/{escaped}", None),
        ("DELETE", f"/v1/admin/sites?site_id={escaped}", None),
        ("GET", f"/v1/admin/audit?before={escaped}", None),
    ]
    async with members.browser("admin") as browser:
        for method, path, body in requests:
            content = None if body is None else json.dumps(body).encode()
            headers = {"X-CSRF-Token": browser.csrf_token, "Content-Type": "application/json"}
            answer = await browser.client.request(method, path, content=content, headers=headers)
            assert 400 <= answer.status_code < 500, (method, path, body, answer.status_code, answer.text)
