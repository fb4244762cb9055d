"""A login with OpenID Connect between its two halves: what the browser's cookie has, and where the login leads.

The cookie holds a random token, its end and the page to show afterwards, with a keyed hash. State, nonce and PKCE's
verifier are keyed hashes of the token, so that the server keeps nothing of a login that is only begun: anybody can
begin any number of them.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from tallystick.access.secret import Secret
from tallystick.config import Settings, entries_of
from tallystick.errors import ConfigError, SignOnExpired
from tallystick.extras import needed_for
from tallystick.keys import EVERY_SITE

if TYPE_CHECKING:
    from tallystick.access.oidc import Provider

LASTS = timedelta(minutes=10)
"""How long a person may take at the provider."""
PATH = "/v1/login/oidc"
"""Where a login begins."""
CALLBACK = f"{PATH}/callback"
"""Where the provider sends browsers back to."""
HOME = "/"
_PAGE = re.compile(r"/(ui/[!#-\[\]-~]*)?(\?[!#-\[\]-~]*)?")
"""A page of the dashboard: visible ASCII without quotation mark and backslash, which browsers read as a slash."""
PAGE_MAX = 1_500
"""Most characters of a page's address in a cookie, of which browsers keep 4,096."""
_COOKIE = re.compile(r"([A-Za-z0-9_-]{43})\.([0-9]{1,12})\.([A-Za-z0-9_=-]*)\.([0-9a-f]{64})")


class Begun(NamedTuple):
    """A login that was begun.

    Attributes:
        token: in the cookie only.
        page: of the dashboard, to be shown afterwards.
    """

    token: str
    expires_at: datetime
    page: str


def safe_page(wanted: str) -> str:
    """The page that may be shown after a login: of this server's dashboard; else its first one."""
    return wanted if len(wanted) <= PAGE_MAX and _PAGE.fullmatch(wanted) else HOME


def begin(page: str) -> Begun:
    """A new login."""
    return Begun(secrets.token_urlsafe(32), datetime.now(UTC) + LASTS, safe_page(page))


def written(begun: Begun, secret: Secret) -> str:
    """A login as the text of its cookie."""
    page = urlsafe_b64encode(begun.page.encode("ascii")).decode("ascii")
    text = f"{begun.token}.{int(begun.expires_at.timestamp())}.{page}"
    return f"{text}.{secret.hex_digest('oidc cookie', text)}"


def read(cookie: str, state: str, secret: Secret) -> Begun:
    """The login of a cookie.

    Args:
        state: what came back from the provider.

    Raises:
        SignOnExpired: the cookie is missing, not of this server, or too old, or the state is another login's.
    """
    found = _COOKIE.fullmatch(cookie)
    if found is None:
        raise SignOnExpired
    token, expires, page, proof = found.groups()
    expected = secret.hex_digest("oidc cookie", f"{token}.{expires}.{page}")
    if not hmac.compare_digest(proof, expected):
        raise SignOnExpired
    begun = Begun(token, datetime.fromtimestamp(int(expires), UTC), urlsafe_b64decode(page).decode("ascii"))
    given = state.encode("utf-8", "replace")
    if begun.expires_at <= _now() or not hmac.compare_digest(given, secrets_of(begun, secret).state.encode("ascii")):
        raise SignOnExpired
    return begun


class Secrets(NamedTuple):
    """What ties an answer of the provider to the browser that asked for it.

    Attributes:
        state: the provider hands it back (RFC 6749, section 10.12).
        nonce: the ID token repeats it (OpenID Connect Core 1.0, section 3.1.2.1).
        verifier: PKCE's; of 64 characters (RFC 7636, section 4.1, asks for 43 to 128).
    """

    state: str
    nonce: str
    verifier: str


def secrets_of(begun: Begun, secret: Secret) -> Secrets:
    """The three of a login. Whoever sees one of them, or the cookie, cannot compute another."""
    return Secrets(*(secret.hex_digest(f"oidc {name}", begun.token) for name in Secrets._fields))


# --- settings -------------------------------------------------------------------------------------------------------


def make_provider(settings: Settings) -> Provider | None:
    """The provider that the settings name; None: they name none.

    Raises:
        ConfigError: settings are missing or do not go together, or the packages are not installed.
    """
    check_settings(settings)
    if not settings.oidc_issuer:
        return None
    with needed_for("TALLYSTICK_OIDC_ISSUER"):
        from tallystick.access.oidc import Provider

        return Provider(settings)


def check_settings(settings: Settings) -> None:
    """Raises ConfigError: settings of the login are missing or do not go together."""
    if not settings.oidc_issuer:
        for name in ("oidc_client_id", "oidc_domains"):
            if getattr(settings, name):
                raise ConfigError(f"TALLYSTICK_{name.upper()} is set without TALLYSTICK_OIDC_ISSUER: set both or none")
        if not settings.password_login:
            raise ConfigError(
                "TALLYSTICK_PASSWORD_LOGIN=false would let nobody in: set TALLYSTICK_OIDC_ISSUER, or leave it out"
            )
        return
    if not settings.oidc_client_id:
        raise ConfigError("TALLYSTICK_OIDC_ISSUER needs TALLYSTICK_OIDC_CLIENT_ID: what the provider calls this server")
    if not settings.public_origin:
        raise ConfigError(
            "TALLYSTICK_OIDC_ISSUER needs TALLYSTICK_PUBLIC_ORIGIN: the address under which browsers reach this "
            "server, to which the provider sends them back"
        )
    sites = entries_of(settings.oidc_new_sites)
    if settings.oidc_domains and not sites:
        raise ConfigError("TALLYSTICK_OIDC_DOMAINS needs TALLYSTICK_OIDC_NEW_SITES: the sites that new accounts see")
    if EVERY_SITE in sites:
        raise ConfigError("TALLYSTICK_OIDC_NEW_SITES names sites, and is not *")


def _now() -> datetime:
    return datetime.now(UTC)
