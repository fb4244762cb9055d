"""For tests of accounts and of keys that are made while the server runs (G12): people, keys and browsers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tallystick.access.model import COMMAND, KeyKind, KeyRight, Role, SiteRole, User
from tests.helpers.http.keyed import Side

PASSWORD = "correct horse battery"
COOKIE = "tallystick_session"


class Members:
    """The accounts and keys of a running Tallystick."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.accounts = side.tallystick.accounts

    async def sites(self, *sites: str) -> None:
        for site in sites:
            await self.accounts.add_site(site, "", COMMAND)

    async def user(self, name: str, *, admin: bool = False, **roles: Role) -> User:
        held = [SiteRole(site, role) for site, role in roles.items()]
        return await self.accounts.add_user(f"{name}@example.org", name, PASSWORD, admin, held, COMMAND)

    async def key(
        self, kind: KeyKind, *sites: str, rights: Sequence[KeyRight] = (), origins: Sequence[str] = ()
    ) -> str:
        return (await self.accounts.create_key(kind, f"{kind} of {sites}", sites, rights, origins, COMMAND))[1]

    @asynccontextmanager
    async def browser(self, name: str = "", password: str = PASSWORD) -> AsyncIterator[Browser]:
        """A browser in which this person is logged in; without a name nobody is."""
        transport = httpx.ASGITransport(self.side.tallystick.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            browser = Browser(client)
            if name:
                answer = await browser.log_in(name, password)
                assert answer.status_code == 200, answer.text
            yield browser


class Browser:
    """A browser: it keeps cookies, and its pages send the CSRF token."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.csrf_token = ""

    async def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        email = name if "@" in name else f"{name}@example.org"
        answer = await self.client.post("/v1/session", json={"email": email, "password": password})
        self.csrf_token = answer.json().get("csrf_token") or self.csrf_token
        return answer

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        named = {"X-CSRF-Token": self.csrf_token, **{key.replace("_", "-"): value for key, value in headers.items()}}
        return await self.client.request(method, path, json=body, headers=named)

    async def session(self) -> Any:
        return (await self.client.get("/v1/session")).json()
