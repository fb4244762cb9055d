"""Login with OpenID Connect: the way to the provider, and the way back, for browsers: errors are pages."""

from __future__ import annotations

import html
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tallystick.access import sign_on
from tallystick.access.accounts import Accounts
from tallystick.access.secret import Secret
from tallystick.api.access.gate import Access, Gate, GuardedRoute, access
from tallystick.api.dependencies import GivenCaller, GivenParts, Parts
from tallystick.api.routes.access.sessions import NO_STORE, GivenAccounts
from tallystick.errors import NotFound, SignOnDenied, SignOnExpired, TallystickError
from tallystick.logs import Seldom

if TYPE_CHECKING:
    from tallystick.access.oidc import Provider  # its packages may be missing

router = APIRouter(include_in_schema=False, route_class=GuardedRoute)
PATH, CALLBACK = sign_on.PATH, sign_on.CALLBACK


STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 32rem; margin: 15vh auto 0; padding: 0 1.5rem; }
h1 { font-size: 1.4rem; }
a { margin-right: 1.5rem; }
"""
SAFE = {
    "Content-Security-Policy": "default-src 'none'; "
    f"style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The login did not succeed · Tallystick</title>
<meta name="viewport" content="width=device-width"><style>{style}</style></head>
<body><main><h1>The login did not succeed</h1>
<p>{message}</p>
<p><a href="{again}">Try again</a><a href="/">To the dashboard</a></p>
</main></body></html>
"""
_seldom = Seldom(__name__, "access refused")


@router.get(PATH)
@access(Access.CALLER)
async def sign_on_begin(
    parts: GivenParts,
    accounts: GivenAccounts,
    request: Request,
    page: Annotated[str, Query(alias="next")] = sign_on.HOME,
) -> Response:
    """Send the browser to the provider. `next`: the page of the dashboard that is shown after the login."""
    provider = _provider_of(parts)
    gate: Gate = request.app.state.gate
    try:
        begun = await accounts.begin_sign_on(page)
        secret = accounts.directory.secret
        address = await provider.login_page(sign_on.secrets_of(begun, secret))
    except TallystickError as error:
        return _failed(error, parts, sign_on.safe_page(page))
    answer = RedirectResponse(address, 303, NO_STORE)
    seconds = int(sign_on.LASTS.total_seconds())
    cookie = gate.browser.begun_cookie(request.scope, request.headers, sign_on.written(begun, secret), seconds)
    answer.headers.append("Set-Cookie", cookie)
    return answer


@router.get(CALLBACK)
@access(Access.CALLER)
async def sign_on_end(
    parts: GivenParts,
    accounts: GivenAccounts,
    request: Request,
    caller: GivenCaller,
    state: str = "",
    code: str = "",
    error: str = "",
    iss: str | None = None,
) -> Response:
    """Where the provider sends the browser back to: logs in, and shows the page."""
    provider = _provider_of(parts)
    gate: Gate = request.app.state.gate
    page = sign_on.HOME
    try:
        begun = sign_on.read(gate.browser.begun(request.scope, request.headers), state, _secret_of(accounts))
        page = begun.page
        if error or not code:
            raise SignOnDenied
        found = await provider.identity(code, iss, sign_on.secrets_of(begun, accounts.directory.secret))
        address, agent = caller.address or "", request.headers.get("user-agent", "")
        user = await accounts.enter(found, begun, address)
        replaces = gate.browser.token(request.scope, request.headers)
        _, token = await accounts.begin_session(user, address, agent, replaces)
    except TallystickError as refused:
        answer = _failed(refused, parts, page)
    else:
        answer = RedirectResponse(page, 303, NO_STORE)
        answer.headers.append("Set-Cookie", gate.browser.cookie(request.scope, request.headers, token))
    answer.headers.append("Set-Cookie", gate.browser.begun_cookie(request.scope, request.headers, ""))
    return answer


def _provider_of(parts: Parts) -> Provider:
    if parts.provider is None:
        raise NotFound("this server has no single sign-on (TALLYSTICK_OIDC_ISSUER)")
    return parts.provider


def _secret_of(accounts: Accounts) -> Secret:
    """Raises SignOnExpired: there is none, so no login was ever begun."""
    if not accounts.directory.in_use:
        raise SignOnExpired
    return accounts.directory.secret


def _failed(error: TallystickError, parts: Parts, page: str) -> Response:
    """The page that says why, and what to do."""
    parts.metrics.access_refused.labels("login", error.code).inc()
    _seldom.warning(side="login", code=error.code)
    # Under the public address, where the provider sends the browser back to: the cookie has to be there.
    again = f"{parts.settings.public_origin}{PATH}?{urlencode({'next': page})}"
    text = PAGE.format(style=STYLE, message=html.escape(sentence(error.public)), again=html.escape(again))
    headers = {**SAFE, **NO_STORE}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return HTMLResponse(text, error.status, headers)


def sentence(text: str) -> str:
    """A message as a sentence of a page."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
