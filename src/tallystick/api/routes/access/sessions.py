"""Logging in and out, one's own account, and links with which a person sets a password."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tallystick.access import sign_on
from tallystick.access.accounts import Accounts
from tallystick.access.model import Caller, User
from tallystick.api.access import shapes
from tallystick.api.access.browser import Browser
from tallystick.api.access.gate import Access, Gate, GuardedRoute, access
from tallystick.api.dependencies import GivenCaller, GivenParts, Parts
from tallystick.api.query_answer import require_json
from tallystick.api.responses import json_answer
from tallystick.errors import NotFound, Unauthorized

router = APIRouter(tags=["accounts"], route_class=GuardedRoute)
NO_STORE = {"Cache-Control": "no-store"}


def _accounts_of(parts: GivenParts) -> Accounts:
    if parts.accounts is None:
        raise NotFound("this server has no accounts")
    return parts.accounts


GivenAccounts: TypeAlias = Annotated[Accounts, Depends(_accounts_of)]
"""Sites, keys and accounts. Raises NotFound where a server has none."""


async def shown(parts: Parts, gate: Gate, caller: Caller) -> shapes.Session:
    """What a caller is told about itself."""
    accounts = parts.accounts
    directory = gate.directory
    any_account = bool(directory.users)
    setup = False
    if accounts is not None and not any_account and directory.in_use:
        setup = any(one.kind == "first_admin" for one in await accounts.invitations.waiting())
    return shapes.Session(
        accounts=any_account,
        setup=setup,
        open=caller.kind == "open",
        available=directory.why_none is None,
        why=directory.why_none,
        oidc=_oidc(parts),
        passwords=accounts is None or accounts.takes_passwords,
        user=None if caller.user is None else shapes.Account.of(caller.user),
        caller=caller.kind,
        may=shapes.May.of(caller),
        csrf_token=caller.csrf_token or None,
        expires_at=None if caller.session is None else caller.session.expires_at,
    )


def _oidc(parts: Parts) -> shapes.OidcProvider | None:
    if parts.provider is None:
        return None
    return shapes.OidcProvider(name=parts.provider.name, url=parts.settings.public_origin + sign_on.PATH)


@router.get("/v1/session")
@access(Access.CALLER)
async def session(parts: GivenParts, request: Request, caller: GivenCaller, response: Response) -> shapes.Session:
    """Who asks, and what that caller may do: never an error."""
    response.headers.update(NO_STORE)
    return await shown(parts, request.app.state.gate, caller)


@router.post("/v1/session", response_model=shapes.Session, dependencies=[Depends(require_json)])
@access(Access.CALLER)
async def log_in(
    parts: GivenParts, accounts: GivenAccounts, request: Request, caller: GivenCaller, given: shapes.LogIn
) -> Response:
    """Log in with an e-mail address and a password. The answer sets a cookie."""
    user = await accounts.log_in(given.email, given.password, caller.address or "")
    return await _begin(parts, accounts, request, caller, user)


@router.delete("/v1/session", status_code=204)
@access(Access.CALLER)
async def log_out(accounts: GivenAccounts, request: Request) -> Response:
    """Log out: the login ends, wherever its cookie is."""
    gate: Gate = request.app.state.gate
    if token := gate.browser.token(request.scope, request.headers):
        await accounts.end_session(token)
    return Response(status_code=204, headers=_without_cookie(gate.browser, request))


@router.post("/v1/account/password", status_code=204, dependencies=[Depends(require_json)])
@access(Access.ACCOUNT)
async def change_password(
    accounts: GivenAccounts, request: Request, caller: GivenCaller, given: shapes.NewPassword
) -> Response:
    """Change one's own password. All other logins of the account end."""
    token = request.app.state.gate.browser.token(request.scope, request.headers)
    user = _user_of(caller)
    await accounts.change_password(user, token, given.current_password, given.new_password, caller.actor)
    return Response(status_code=204)


@router.get("/v1/account/sessions")
@access(Access.ACCOUNT)
async def account_sessions(accounts: GivenAccounts, caller: GivenCaller) -> shapes.BrowserSessionList:
    """The logins of one's own account."""
    current = caller.session.id if caller.session else ""
    return shapes.BrowserSessionList(
        sessions=[
            shapes.BrowserSession(
                id=found.id,
                created_at=found.created_at,
                last_used_at=found.last_used_at,
                address=found.address,
                user_agent=found.user_agent,
                current=found.id == current,
            )
            for found in await accounts.sessions_of(_user_of(caller))
        ]
    )


@router.delete("/v1/account/sessions", status_code=204)
@access(Access.ACCOUNT)
async def log_out_everywhere(accounts: GivenAccounts, request: Request, caller: GivenCaller) -> Response:
    """End all logins of one's own account, this one too."""
    await accounts.end_sessions(_user_of(caller))
    return Response(status_code=204, headers=_without_cookie(request.app.state.gate.browser, request))


@router.post("/v1/invitations/look", dependencies=[Depends(require_json)])
@access(Access.CALLER)
async def look_at_link(accounts: GivenAccounts, given: shapes.Token) -> shapes.LinkShown:
    """What a link is for, without using it."""
    found = await accounts.invitations.find(given.token)
    user = accounts.directory.user(found.user_id) if found.user_id else None
    return shapes.LinkShown(
        kind=found.kind,
        email=found.email,
        name=user.name if user else None,
        admin=found.admin,
        roles=[shapes.SiteRole(site_id=held.site_id, role=held.role) for held in found.roles],
        expires_at=found.expires_at,
    )


@router.post("/v1/invitations/accept", response_model=shapes.Session, dependencies=[Depends(require_json)])
@access(Access.CALLER)
async def accept_link(
    parts: GivenParts, accounts: GivenAccounts, request: Request, caller: GivenCaller, given: shapes.Accept
) -> Response:
    """Use a link, once: make the account, or set its new password; and log in."""
    user = await accounts.invitations.accept(given.token, given.email, given.name, given.password, caller.address or "")
    return await _begin(parts, accounts, request, caller, user)


async def _begin(parts: Parts, accounts: Accounts, request: Request, caller: Caller, user: User) -> Response:
    """Begin a login, always with a new token; the one that the browser had ends."""
    gate: Gate = request.app.state.gate
    address, agent = caller.address or "", request.headers.get("user-agent", "")
    replaces = gate.browser.token(request.scope, request.headers)
    begun, token = await accounts.begin_session(user, address, agent, replaces)
    known = accounts.directory.user(user.id) or user
    new = Caller(
        "user", f"user {known.email}", known.permissions(), known, begun, accounts.csrf_token(token), caller.address
    )
    body = (await shown(parts, gate, new)).model_dump(mode="json")
    cookie = gate.browser.cookie(request.scope, request.headers, token)
    return json_answer(body, headers={**NO_STORE, "Set-Cookie": cookie})


def _without_cookie(browser: Browser, request: Request) -> dict[str, str]:
    return {"Set-Cookie": browser.cookie(request.scope, request.headers, "")}


def _user_of(caller: Caller) -> User:
    if caller.user is None:
        raise Unauthorized("this needs a login")
    return caller.user
