"""What concerns browsers with a login: their cookie, and which pages may use it (CSRF)."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.types import Scope

from tallystick.address import Clients, household, parse_networks
from tallystick.config import Settings
from tallystick.errors import Csrf

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""
CSRF_HEADER = "x-csrf-token"
COOKIE = "tallystick_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Its name behind TLS: browsers take a cookie of such a name only from this host itself, over TLS, for every path."""
SIGN_ON_COOKIE = "tallystick_sign_on"
"""Of a login that was begun with a provider, until the browser comes back from there. Behind TLS named likewise."""


class Browser:
    """Reads and makes the cookies of logins, and tells this server's pages from those of other origins."""

    def __init__(self, settings: Settings) -> None:
        self._public = settings.public_origin
        self._clients = Clients(parse_networks(settings.trusted_proxies, "TALLYSTICK_TRUSTED_PROXIES"))
        self._seconds = int(settings.session_max_hours * 3600)

    def address(self, scope: Scope) -> str:
        """The client's address, of IPv6 its network; empty: unknown."""
        if not scope.get("client"):
            return ""
        forwarded = tuple(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        found = self._clients.address(scope["client"][0], forwarded)
        return "" if found is None else household(found)

    def behind_tls(self, scope: Scope, headers: Headers) -> bool:
        """Whether the browser reaches this server over TLS."""
        if self._public.startswith("https:"):
            return True
        proxied = bool(scope.get("client")) and self._clients.is_proxy(scope["client"][0])
        return proxied and headers.get("x-forwarded-proto", "").strip().lower() == "https"

    def token(self, scope: Scope, headers: Headers) -> str:
        """The token of the request's login; empty: it has none, or two."""
        return self._read(COOKIE, scope, headers)

    def begun(self, scope: Scope, headers: Headers) -> str:
        """What a login that was begun with a provider left; empty: there is none, or two."""
        return self._read(SIGN_ON_COOKIE, scope, headers)

    def _read(self, name: str, scope: Scope, headers: Headers) -> str:
        name = f"__Host-{name}" if self.behind_tls(scope, headers) else name
        pairs = (part.partition("=") for text in headers.getlist("cookie") for part in text.split(";"))
        found = {value.strip() for key, _, value in pairs if key.strip() == name}
        return found.pop() if len(found) == 1 else ""

    def cookie(self, scope: Scope, headers: Headers, token: str) -> str:
        """The Set-Cookie header that keeps a login; an empty token ends it."""
        return self._written(COOKIE, scope, headers, token, self._seconds)

    def begun_cookie(self, scope: Scope, headers: Headers, text: str, seconds: int = 0) -> str:
        """The Set-Cookie header of a login that was begun with a provider; an empty text forgets it.

        `Lax` and not `Strict`: the provider's page sends the browser back.
        """
        return self._written(SIGN_ON_COOKIE, scope, headers, text, seconds)

    def _written(self, name: str, scope: Scope, headers: Headers, value: str, seconds: int) -> str:
        name, more = (f"__Host-{name}", "; Secure") if self.behind_tls(scope, headers) else (name, "")
        age = seconds if value else 0
        return f"{name}={value}; Max-Age={age}; Path=/; HttpOnly; SameSite=Lax{more}"

    def refuse_other_pages(self, headers: Headers, csrf_token: str) -> None:
        """Raises Csrf unless a page of this server, which knows the token, sends the request."""
        self.refuse_other_origins(headers)
        given = headers.get(CSRF_HEADER, "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, csrf_token.encode()):
            raise Csrf

    def refuse_other_origins(self, headers: Headers) -> None:
        """Raises Csrf when a page of another origin sends the request. A client that is no browser says nothing."""
        if headers.get("sec-fetch-site", "same-origin").lower() != "same-origin":
            raise Csrf
        origin = headers.get("origin")
        if origin is None or (self._public and origin.lower() == self._public):
            return
        _, separator, host = origin.lower().partition("://")
        if not separator or host != headers.get("host", "").lower():
            raise Csrf
