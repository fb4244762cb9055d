"""Login with OpenID Connect (G12), with a real provider: who gets in, as whom, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import re
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import httpx
import pytest
import structlog
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from pydantic import SecretStr

from tallystick import logs
from tallystick.access import accounts as rules
from tallystick.access import oidc, sign_on
from tallystick.access.accounts import FREE_OF_ACCOUNT
from tallystick.access.model import COMMAND, Identity, Role, SiteRole
from tallystick.app import open_tallystick
from tallystick.config import Settings
from tallystick.doctor.configured import single_sign_on
from tallystick.errors import ConfigError, SignOnExpired
from tests.helpers.http.keyed import Side, opened
from tests.helpers.http.members import COOKIE, PASSWORD, Browser, Members
from tests.servers.oidc import CLIENT, OidcServer, come_back, secret_of
from tests.servers.process import free_port

ORIGIN = "http://localhost:8000"
BEGUN = "tallystick_sign_on"
BEGIN = "/v1/login/oidc"


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcServer]:
    server = OidcServer(tmp_path_factory.mktemp("oidc"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """Where logs go during the test."""
    out = io.StringIO()
    logs.configure(Settings(log_format="json", log_level="debug"), out)
    yield out
    structlog.reset_defaults()


def settings_for(issuer: str, client: str = CLIENT, **more: Any) -> dict[str, Any]:
    secret = SecretStr(secret_of(client))
    given = {"oidc_issuer": issuer, "oidc_client_id": client, "oidc_client_secret": secret, "public_origin": ORIGIN}
    return {**given, "oidc_timeout": 120.0, **more}


@pytest.fixture
async def side(tmp_path: Path, provider: OidcServer) -> AsyncIterator[Side]:
    async with opened(tmp_path, **settings_for(provider.issuer)) as opened_side:
        yield opened_side


@pytest.fixture
async def members(side: Side) -> Members:
    made = Members(side)
    await made.sites("shop", "blog")
    await made.user("root", admin=True)
    return made


async def begin(browser: Browser, page: str = "/") -> str:
    """The address of the provider's page."""
    answer = await browser.client.get(f"{BEGIN}?{urlencode({'next': page})}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def enter(browser: Browser, person: str, page: str = "/") -> httpx.Response:
    """The answer for a person who comes back from the provider."""
    return await browser.client.get(await come_back(await begin(browser, page), person))


def refused(answer: httpx.Response, status: int, words: str) -> None:
    """It is a page that says so; nobody is logged in by it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert words in answer.text
    assert COOKIE not in str(answer.headers)


async def actions(members: Members) -> list[tuple[str, str, str]]:
    found = await members.accounts.audit(100, None, None)
    return [(entry.action, entry.actor, entry.subject) for entry in found]


# --- who gets in ----------------------------------------------------------------------------------------------------


async def test_a_person_with_an_account_logs_in(members: Members, provider: OidcServer) -> None:
    await members.user("ann", shop=Role.EDITOR)
    async with members.browser() as browser:
        before = await browser.session()
        assert (before["caller"], before["oidc"]) == ("none", {"name": "Single sign-on", "url": ORIGIN + BEGIN})
        page = await begin(browser, "/ui/events?site=shop&filter=name%3A%3D%3Aa")
        sent = parse_qs(urlsplit(page).query)
        assert sent["code_challenge_method"] == ["S256"]
        assert sent["redirect_uri"] == [f"{ORIGIN}/v1/login/oidc/callback"]
        back = await come_back(page, "ann")
        answer = await browser.client.get(back)
        assert (answer.status_code, answer.headers["location"]) == (303, "/ui/events?site=shop&filter=name%3A%3D%3Aa")
        assert answer.headers["cache-control"] == "no-store"
        kept, forgotten = answer.headers.get_list("set-cookie")
        assert re.fullmatch(rf"{COOKIE}=[\w-]+; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax", kept)
        assert forgotten == f"{BEGUN}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
        found = await browser.session()
        assert (found["user"]["email"], found["may"]["edit"]) == ("ann@example.org", ["shop"])
        assert found["user"]["last_login_at"] is not None
        assert (found["user"]["password"], found["user"]["single_sign_on"]) == (True, True)
    assert (await actions(members))[0] == ("user.sign_on", "user ann@example.org", "ann@example.org")
    [entry] = await members.accounts.audit(1, None, None)
    assert entry.details == {"issuer": provider.issuer, "subject": "ann"}


async def test_after_the_first_login_the_subject_alone_counts(members: Members) -> None:
    """A new address at the provider, verified or not, is the same person; another person with the old one is not."""
    await members.user("ann", shop=Role.EDITOR)
    await members.user("eva", blog=Role.EDITOR)
    async with members.browser() as browser:
        assert (await enter(browser, "ann")).status_code == 303
        for person in ("ann;email=eva@example.org", "ann;unverified", "ann;noemail"):
            assert (await enter(browser, person)).status_code == 303
            assert (await browser.session())["user"]["email"] == "ann@example.org"
    noted = await actions(members)
    assert [one for one in noted if one[0] == "user.sign_on"] == [
        ("user.sign_on", "user ann@example.org", "ann@example.org")
    ]
    async with members.browser() as browser:
        refused(await enter(browser, "thief;email=ann@example.org"), 403, "belongs to another person")
        assert (await browser.session())["caller"] == "none"


async def test_an_unknown_person_stays_out(members: Members) -> None:
    before = await actions(members)
    async with members.browser() as browser:
        answer = await enter(browser, "stranger")
        refused(answer, 403, "Stranger@example.org has no account here: ask an administrator")
        refused(await enter(browser, "stranger;noemail"), 403, "no e-mail address")
        assert (await browser.session())["caller"] == "none"
    assert len(members.accounts.directory.users) == 1
    assert await actions(members) == before


async def test_odd_addresses_of_the_provider(members: Members) -> None:
    """Neither markup, nor an address that in small letters is another's: the sign of Kelvin becomes a k."""
    await members.user("rook", admin=True)
    for email in ("x<b>@example.org", "no address", "roo\u212a@example.org", "a" * 300 + "@example.org"):
        async with members.browser() as browser:
            answer = await enter(browser, f"odd;email={email}")
            refused(answer, 403, "The login did not succeed")
            assert "<b>" not in answer.text


@pytest.mark.parametrize("known", [True, False])
async def test_an_address_that_is_not_verified_is_nobodys(members: Members, known: bool) -> None:
    """The same page whether it has an account or not."""
    if known:
        await members.user("ann", admin=True)
    async with members.browser() as browser:
        refused(await enter(browser, "ann;unverified"), 403, "is verified, and you were never here")
        assert (await browser.session())["caller"] == "none"


async def test_an_invited_person_gets_the_account(members: Members) -> None:
    roles = [SiteRole("shop", Role.EDITOR)]
    _, token = await members.accounts.invitations.invite("New@example.org", False, roles, COMMAND)
    async with members.browser() as browser:
        assert (await enter(browser, "new;name=Nora New")).status_code == 303
        found = (await browser.session())["user"]
        assert (found["email"], found["name"], found["password"]) == ("new@example.org", "Nora New", False)
        assert found["roles"] == [{"site_id": "shop", "role": "editor"}]
        assert (await browser.log_in("new", "")).status_code == 401  # no password is not an empty one
    assert await members.accounts.invitations.waiting() == []
    async with members.browser() as browser:
        assert (await browser.ask("POST", "/v1/invitations/look", {"token": token})).status_code == 404
    assert [one[:2] for one in (await actions(members))[:2]] == [
        ("user.sign_on", "user new@example.org"),
        ("user.add", "user new@example.org"),
    ]


async def test_a_link_for_a_password_is_no_invitation(members: Members) -> None:
    user = await members.user("ann", shop=Role.VIEWER)
    await members.accounts.invitations.reset_password(user, COMMAND)
    await members.accounts.remove_user(user.id, COMMAND)
    async with members.browser() as browser:
        refused(await enter(browser, "ann"), 403, "has no account here")


async def test_the_first_administrator_may_be_invited(side: Side) -> None:
    members = Members(side)
    await members.accounts.invitations.invite("ann@example.org", True, [], COMMAND)
    async with members.browser() as browser:
        assert (await enter(browser, "ann")).status_code == 303
        assert (await browser.session())["may"]["admin"]


async def test_domains_need_no_invitation(tmp_path: Path, provider: OidcServer) -> None:
    domains = {"oidc_domains": "Example.org, example.com", "oidc_new_sites": "shop, gone", "oidc_new_role": "editor"}
    async with opened(tmp_path, **settings_for(provider.issuer, **domains)) as side:
        members = Members(side)
        await members.sites("shop", "blog")
        async with members.browser() as browser:  # who comes first would close the server, without an administrator
            refused(await enter(browser, "early"), 403, "has no account here")
        await members.user("root", admin=True)
        async with members.browser() as browser:
            assert (await enter(browser, "fritz")).status_code == 303
            found = (await browser.session())["user"]
            assert (found["email"], found["admin"]) == ("fritz@example.org", False)
            assert found["roles"] == [{"site_id": "shop", "role": "editor"}]
        for email in ("eve@sub.example.org", "eve@example.org.evil", "eve@badexample.org"):
            async with members.browser() as browser:
                refused(await enter(browser, f"eve;email={email}"), 403, "has no account here")
        async with members.browser() as browser:
            refused(await enter(browser, "gil;unverified"), 403, "is verified")
        await members.accounts.remove_site("shop", COMMAND)
        async with members.browser() as browser:  # an account that sees nothing helps nobody
            refused(await enter(browser, "late"), 403, "has no account here")


async def test_a_removed_account_is_nobodys(members: Members) -> None:
    user = await members.user("ann", shop=Role.VIEWER)
    async with members.browser() as browser:
        assert (await enter(browser, "ann")).status_code == 303
        await members.accounts.remove_user(user.id, COMMAND)
        assert (await browser.session())["caller"] == "none"
        refused(await enter(browser, "ann"), 403, "has no account here")
    await members.user("ann", blog=Role.VIEWER)  # a new account, which nobody has entered by a provider yet
    async with members.browser() as browser:
        assert (await enter(browser, "ann2;email=ann@example.org")).status_code == 303


@pytest.mark.parametrize("client", [CLIENT, "public"])
async def test_other_habits_of_providers(tmp_path: Path, client: str) -> None:
    """Claims in the ID token, a secret in the form, and a client that has none."""
    other = OidcServer(tmp_path, plain=True)
    other.start()
    try:
        async with opened(tmp_path / "data", **settings_for(other.issuer, client)) as side:
            members = Members(side)
            await members.user("ann", admin=True)
            async with members.browser() as browser:
                assert (await enter(browser, "ann")).status_code == 303
                back = await come_back(await begin(browser), "ann")
                other.kill()  # the provider is away when the browser comes back
                answer = await browser.client.get(back)
                refused(answer, 503, "does not answer")
                assert answer.headers["retry-after"] == "5"
    finally:
        other.kill()


# --- the browser ----------------------------------------------------------------------------------------------------


OTHER_PAGES = (
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/ui/\\..\\..\\evil",
    "javascript:alert(1)",
    "/v1/session",
    "/ui/events\r\nSet-Cookie: a=b",
    "/ui/é",
    "/ui/" + "a" * 2_000,
    "",
)


async def test_no_other_page_is_shown_afterwards(members: Members) -> None:
    async with members.browser() as browser:
        for page in OTHER_PAGES:
            answer = await enter(browser, "root", page)
            assert (answer.status_code, answer.headers["location"]) == (303, "/"), page


async def test_a_login_ends_where_it_was_begun(members: Members) -> None:
    """State: without the cookie, with that of another browser or login, or with a changed one, nobody is logged in."""
    async with members.browser() as mine, members.browser() as other:
        back = await come_back(await begin(mine), "root")
        await begin(other)
        cookie, theirs = mine.client.cookies[BEGUN], other.client.cookies[BEGUN]
        token, expires, page, proof = cookie.split(".")
        later = f"{token}.{int(expires) + 600}.{page}.{proof}"
        elsewhere = f"{token}.{expires}.{base64.urlsafe_b64encode(b'//evil.example').decode()}.{proof}"
        two = f"{cookie}; {BEGUN}={theirs}"
        for changed in (None, "", theirs, later, elsewhere, two, cookie[:-1], f"{cookie}.", "é", "....", "a" * 9_000):
            mine.client.cookies.clear()
            headers = [] if changed is None else [(b"cookie", f"{BEGUN}={changed}".encode())]
            refused(await mine.client.get(back, headers=headers), 400, "not begun in this browser")
        for state in ("", "0" * 64, "é"):
            address = f"{BEGIN}/callback?{urlencode({'code': 'x', 'state': state})}"
            refused(await mine.client.get(address, headers={"Cookie": f"{BEGUN}={cookie}"}), 400, "not begun")
        assert (await mine.session())["caller"] == "none"
        mine.client.cookies.clear()
        answer = await mine.client.get(back, headers={"Cookie": f"{BEGUN}={cookie}"})
        assert answer.status_code == 303


async def test_a_login_ends_once(members: Members, provider: OidcServer) -> None:
    """The same address again is refused: the cookie is gone, and with the cookie the code is used."""
    async with members.browser() as browser:
        back = await come_back(await begin(browser), "root")
        cookie = browser.client.cookies[BEGUN]
        assert (await browser.client.get(back)).status_code == 303
        assert BEGUN not in browser.client.cookies
        refused(await browser.client.get(back), 400, "has ended already")
    async with members.browser() as thief:
        refused(await thief.client.get(back, headers={"Cookie": f"{BEGUN}={cookie}"}), 502, "cannot be trusted")
        # A provider that takes the code twice: here it counts once all the same.
        begun = sign_on.read(cookie, parse_qs(urlsplit(back).query)["state"][0], members.accounts.directory.secret)
        found = Identity(provider.issuer, "root", "root@example.org", True)
        with pytest.raises(SignOnExpired):
            await members.accounts.enter(found, begun, "127.0.0.1")


async def test_a_login_that_took_too_long(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    async with members.browser() as browser:
        back = await come_back(await begin(browser), "root")
        monkeypatch.setattr(sign_on, "_now", lambda: datetime.now(UTC) + timedelta(minutes=10, seconds=1))
        refused(await browser.client.get(back), 400, "took longer than ten minutes")


async def test_a_new_session_replaces_the_one_before(members: Members) -> None:
    async with members.browser("root") as browser:
        before = browser.client.cookies[COOKIE]
        assert (await enter(browser, "root")).status_code == 303
        assert browser.client.cookies[COOKIE] != before
        browser.client.cookies.clear()
        found = await browser.client.get("/v1/session", headers={"Cookie": f"{COOKIE}={before}"})
        assert found.json()["caller"] == "none"


async def test_who_presses_no(members: Members) -> None:
    async with members.browser() as browser:
        answer = await browser.client.get(await come_back(await begin(browser, "/ui/live"), "root", deny=True))
        refused(answer, 403, "did not let you in")
        assert f'href="{ORIGIN}{BEGIN}?next=%2Fui%2Flive"' in answer.text
        assert "<b>no</b>" not in answer.text
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


async def test_behind_tls_its_cookie_is_secure(tmp_path: Path, provider: OidcServer) -> None:
    async with opened(tmp_path, **settings_for(provider.issuer, public_origin="https://stats.example")) as side:
        answer = await side.client.get(BEGIN)
        assert re.fullmatch(
            rf"__Host-{BEGUN}=\S+; Max-Age=600; Path=/; HttpOnly; SameSite=Lax; Secure", answer.headers["set-cookie"]
        )
        sent = parse_qs(urlsplit(answer.headers["location"]).query)
        assert sent["redirect_uri"] == ["https://stats.example/v1/login/oidc/callback"]


# --- the provider's answers -----------------------------------------------------------------------------------------


async def token_of(provider: OidcServer, client: str, nonce: str, person: str = "root") -> str:
    """A real ID token of this provider, as a client gets it."""
    verifier, callback = secrets.token_urlsafe(48), f"{ORIGIN}/v1/login/oidc/callback"
    asked = {
        "client_id": client,
        "response_type": "code",
        "redirect_uri": callback,
        "scope": "openid",
        "nonce": nonce,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    back = await come_back(f"{provider.issuer}/auth?{urlencode(asked)}", person)
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(back).query)["code"][0],
        "redirect_uri": callback,
        "code_verifier": verifier,
    }
    auth = tuple(urlencode({"": word})[1:] for word in (client, secret_of(client)))
    async with httpx.AsyncClient(timeout=60) as http:
        answer = await http.post(f"{provider.issuer}/token", data=form, auth=(auth[0], auth[1]))
    return str(answer.json()["id_token"])


def unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts) + "."


LIES = [
    "another login",
    "another client",
    "unsigned",
    "the client's secret",
    "another key",
    "no nonce",
    "no token",
    "a list",
]


async def token_that_lies(provider: OidcServer, lie: str, nonce: str) -> Any:
    """What a provider might give for a code instead of its ID token."""
    now = int(time.time())
    claims = {"iss": provider.issuer, "sub": "root", "aud": CLIENT, "iat": now, "exp": now + 600, "nonce": nonce}
    match lie:
        case "another login":
            return await token_of(provider, CLIENT, "another nonce")
        case "another client":
            return await token_of(provider, "other", nonce)
        case "no nonce":
            return await token_of(provider, CLIENT, "")
        case "unsigned":
            return unsigned(claims)
        case "the client's secret":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret_of(CLIENT)))
        case "another key":
            return jwt.encode({"alg": "RS256"}, claims, RSAKey.generate_key(2048, private=True))
        case "a list":
            return ["a", "list"]
    return None


async def test_an_id_token_that_is_none(members: Members, provider: OidcServer) -> None:
    """Three of them the provider has really made, for other logins."""
    async with members.browser() as browser:
        for lie in LIES:
            page = await begin(browser)
            token = await token_that_lies(provider, lie, parse_qs(urlsplit(page).query)["nonce"][0])
            back = await come_back(page, "root")
            provider.answer_next(id_token=token)
            refused(await browser.client.get(back), 502, "cannot be trusted")
            assert (await browser.session())["caller"] == "none", lie


async def test_a_token_with_the_right_nonce_is_taken(members: Members, provider: OidcServer) -> None:
    """In the same way as in the test above: so that nonce and client are what is refused there."""
    async with members.browser() as browser:
        page = await begin(browser)
        token = await token_of(provider, CLIENT, parse_qs(urlsplit(page).query)["nonce"][0])
        back = await come_back(page, "root")
        provider.answer_next(id_token=token)
        assert (await browser.client.get(back)).status_code == 303


@pytest.mark.parametrize("name", ["another", "first"])
async def test_a_provider_that_signs_with_a_new_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The keys are read again for it, long before they are old; whatever the new key is called."""
    rotating = OidcServer(tmp_path)
    rotating.start("first")
    clock = oidc._clock()
    monkeypatch.setattr(oidc, "_clock", lambda: clock)
    try:
        async with opened(tmp_path / "data", **settings_for(rotating.issuer)) as side:
            members = Members(side)
            await members.user("ann", admin=True)
            async with members.browser() as browser:
                assert (await enter(browser, "ann")).status_code == 303
            rotating.kill()
            rotating.start(name)
            async with members.browser() as browser:
                refused(await enter(browser, "ann"), 502, "cannot be trusted")
                clock += oidc.AGAIN_AFTER
                assert (await enter(browser, "ann")).status_code == 303
    finally:
        rotating.kill()


async def test_clocks_that_differ(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    async with members.browser() as browser:
        for seconds in (-3_600, 3_600):
            back = await come_back(await begin(browser), "root")
            monkeypatch.setattr(oidc, "_now", lambda by=seconds: time.time() + by)
            refused(await browser.client.get(back), 502, "The clocks of this server and of the provider differ")
        for seconds in (-60, 60):
            back = await come_back(await begin(browser), "root")
            monkeypatch.setattr(oidc, "_now", lambda by=seconds: time.time() + by)
            assert (await browser.client.get(back)).status_code == 303


async def test_the_answer_of_another_issuer(members: Members) -> None:
    """RFC 9207: this provider names itself in each answer."""
    async with members.browser() as browser:
        for issuer in ("", "&iss=https%3A%2F%2Fevil.example"):
            back = await come_back(await begin(browser), "root")
            refused(await browser.client.get(back.partition("&iss=")[0] + issuer), 502, "cannot be trusted")


async def test_a_provider_that_is_away(tmp_path: Path) -> None:
    async with opened(tmp_path, **settings_for(f"http://127.0.0.1:{free_port()}")) as side:
        for _ in range(2):
            answer = await side.client.get(BEGIN)
            refused(answer, 503, "does not answer")
            assert answer.headers["retry-after"] == "5"


async def test_the_document_of_another_issuer(tmp_path: Path, provider: OidcServer) -> None:
    """The same server under another name."""
    async with opened(tmp_path, **settings_for(provider.issuer.replace("127.0.0.1", "localhost"))) as side:
        refused(await side.client.get(BEGIN), 502, "cannot be trusted")


async def test_a_client_that_the_provider_does_not_know(tmp_path: Path, provider: OidcServer) -> None:
    wrong = SecretStr("not the secret")
    async with opened(tmp_path, **settings_for(provider.issuer, oidc_client_secret=wrong)) as side:
        members = Members(side)
        await members.user("root", admin=True)
        async with members.browser() as browser:
            refused(await enter(browser, "root"), 502, "cannot be trusted")


# --- beside passwords -----------------------------------------------------------------------------------------------


async def test_the_brake_on_guessing_stays(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login with the provider neither counts as a guess nor forgives one."""
    now = datetime.now(UTC)
    monkeypatch.setattr(rules, "_now", lambda: now)  # else a slow machine waits for as long as the brake asks
    async with members.browser() as browser:
        for _ in range(FREE_OF_ACCOUNT):
            assert (await browser.log_in("root", "wrong")).status_code == 401
        assert (await enter(browser, "root")).status_code == 303
        assert (await browser.log_in("root")).status_code == 429


async def test_passwords_turned_off(tmp_path: Path, provider: OidcServer) -> None:
    async with opened(tmp_path / "on") as side:  # accounts with passwords, of before
        assert (await Members(side).user("root", admin=True)).password
    async with opened(tmp_path / "on", **settings_for(provider.issuer, password_login=False)) as side:
        members = Members(side)
        _, token = await members.accounts.invitations.invite("new@example.org", True, [], COMMAND)
        async with members.browser() as browser:
            assert not (await browser.session())["passwords"]
            body = {"token": token, "name": "x", "password": PASSWORD}
            for answer in (await browser.log_in("root"), await browser.ask("POST", "/v1/invitations/accept", body)):
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "passwords_off")
            assert (await enter(browser, "root")).status_code == 303
            browser.csrf_token = (await browser.session())["csrf_token"]
            change = {"current_password": PASSWORD, "new_password": PASSWORD + "!"}
            answer = await browser.ask("POST", "/v1/account/password", change)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "passwords_off")
            assert (await enter(browser, "new")).status_code == 303
        assert await members.accounts.invitations.offer_first_account() is None


async def test_no_secret_is_logged_or_kept(
    members: Members, provider: OidcServer, tmp_path: Path, log_lines: io.StringIO
) -> None:
    """Not even where everything is logged, down to what the HTTP library has to say of requests to the provider."""
    logged = ""

    async def answered(address: str) -> httpx.Response:
        """The server's answer; what it logs is added to `logged`, without the line of the client here."""
        nonlocal logged
        log_lines.truncate(0)
        log_lines.seek(0)
        answer = await browser.client.get(address)
        lines = log_lines.getvalue().splitlines()
        logged += "\n".join(line for line in lines if f"HTTP Request: GET {ORIGIN}" not in line)
        return answer

    async with members.browser() as browser:
        page = (await answered(BEGIN)).headers["location"]
        begun = browser.client.cookies[BEGUN]
        back = await come_back(page, "root")
        token = await token_of(provider, CLIENT, "another nonce")
        provider.answer_next(id_token=token, access_token="the access token")
        refused(await answered(back), 502, "cannot be trusted")
        again = await come_back((await answered(BEGIN)).headers["location"], "root")
        assert (await answered(again)).status_code == 303
        session = browser.client.cookies[COOKIE]
    asked, came = parse_qs(urlsplit(page).query), parse_qs(urlsplit(back).query)
    hidden = [secret_of(CLIENT), quote_plus(secret_of(CLIENT)), begun, begun.split(".")[0], token, "the access token"]
    hidden += [asked["state"][0], asked["nonce"][0], came["code"][0], session]
    assert "the ID token is refused for its claim nonce" in logged
    assert f"port={urlsplit(provider.issuer).port}" in logged
    kept = b"".join(path.read_bytes() for path in files(tmp_path))
    for secret in hidden:
        assert secret not in logged
        assert secret.encode() not in kept


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("access.db*"))


# --- settings -------------------------------------------------------------------------------------------------------


async def test_without_settings_there_is_none(tmp_path: Path) -> None:
    async with opened(tmp_path) as side:
        for path in (BEGIN, f"{BEGIN}/callback"):
            answer = await side.client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        assert (await side.client.get("/v1/session")).json()["oidc"] is None


GOOD = settings_for("https://id.example")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"oidc_client_id": "x"}, "TALLYSTICK_OIDC_CLIENT_ID is set without TALLYSTICK_OIDC_ISSUER"),
        ({"oidc_domains": "example.org"}, "TALLYSTICK_OIDC_DOMAINS is set without TALLYSTICK_OIDC_ISSUER"),
        ({"password_login": False}, "TALLYSTICK_PASSWORD_LOGIN=false would let nobody in"),
        ({**GOOD, "oidc_client_id": ""}, "needs TALLYSTICK_OIDC_CLIENT_ID"),
        ({**GOOD, "public_origin": ""}, "needs TALLYSTICK_PUBLIC_ORIGIN"),
        ({**GOOD, "oidc_domains": "example.org"}, "needs TALLYSTICK_OIDC_NEW_SITES"),
        ({**GOOD, "oidc_domains": "example.org", "oidc_new_sites": "*"}, "is not *"),
        ({**GOOD, "store_url": "clickhouse://localhost/x"}, "TALLYSTICK_OIDC_ISSUER needs accounts"),
    ],
)
async def test_settings_that_do_not_go_together(tmp_path: Path, given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as error:
        async with open_tallystick(Settings(data=tmp_path, **given)):
            pass
    assert says in error.value.message


@pytest.mark.parametrize(
    "issuer", ["id.example", "http://id.example", "https://id.example?x=1", "https://id.example#x", "ftp://id.example"]
)
def test_an_issuer_that_is_none(issuer: str) -> None:
    with pytest.raises(ValueError, match="is no address such as"):
        Settings(oidc_issuer=issuer)


async def test_without_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "authlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "tallystick.access.oidc")
    monkeypatch.setitem(sys.modules, "authlib", None)
    with pytest.raises(
        ConfigError, match=r'TALLYSTICK_OIDC_ISSUER needs packages .*: pip install "tallystick\[oidc\]"'
    ):
        async with open_tallystick(Settings(data=tmp_path, **GOOD)):
            pass


def test_what_doctor_says(provider: OidcServer) -> None:
    assert single_sign_on(Settings()) is None
    found = single_sign_on(Settings(**settings_for(provider.issuer)))
    assert found is not None
    assert (found.level, found.check) == ("ok", "single sign-on")
    for issuer in (f"http://127.0.0.1:{free_port()}", provider.issuer.replace("127.0.0.1", "localhost")):
        found = single_sign_on(Settings(**settings_for(issuer)))
        assert found is not None
        assert (found.level, bool(found.do)) == ("fail", True)
