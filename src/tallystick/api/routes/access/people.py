"""Accounts, their roles, invitations, and the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from tallystick.access import model
from tallystick.access.accounts import Accounts
from tallystick.access.invitations import page_of
from tallystick.access.model import Caller, Permission
from tallystick.api.access import shapes
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.dependencies import GivenCaller, GivenParts
from tallystick.api.query_answer import require_json
from tallystick.api.routes.access.sessions import GivenAccounts
from tallystick.errors import Forbidden, NotFound

router = APIRouter(tags=["administration"], route_class=GuardedRoute)

UserId = Annotated[str, Path(max_length=64)]
InvitationId = Annotated[str, Path(max_length=64)]


@router.get("/v1/admin/users")
@access(Access.OWNER)
async def accounts_list(accounts: GivenAccounts, caller: GivenCaller) -> shapes.AccountList:
    """Accounts: an owner sees those with a role on the owner's sites."""
    owned = caller.reach(Permission.OWN)
    found = [user for user in accounts.directory.users if _is_seen(caller, user)]
    return shapes.AccountList(users=[shapes.Account.of(user, owned) for user in found])


@router.put("/v1/admin/users/{user_id}/role", dependencies=[Depends(require_json)])
@access(Access.OWNER)
async def change_role(
    accounts: GivenAccounts, caller: GivenCaller, user_id: UserId, given: shapes.RoleChange
) -> shapes.Account:
    """Give, change or take an account's role on a site."""
    user = _seen_user(accounts, caller, user_id)
    if given.site_id not in caller.reach(Permission.OWN):
        raise Forbidden(NOT_YOUR_SITE)
    changed = await accounts.set_role(user.id, given.site_id, given.role, caller.actor)
    return shapes.Account.of(changed, caller.reach(Permission.OWN))


@router.put("/v1/admin/users/{user_id}/admin", dependencies=[Depends(require_json)])
@access(Access.ADMIN)
async def change_admin(
    accounts: GivenAccounts, caller: GivenCaller, user_id: UserId, given: shapes.AdminChange
) -> shapes.Account:
    """Make an account an administrator's, or not."""
    user = _seen_user(accounts, caller, user_id)
    return shapes.Account.of(await accounts.set_admin(user.id, given.admin, caller.actor))


@router.delete("/v1/admin/users/{user_id}", status_code=204)
@access(Access.ADMIN)
async def remove_account(accounts: GivenAccounts, caller: GivenCaller, user_id: UserId) -> Response:
    """Remove an account; its logins end."""
    await accounts.remove_user(_seen_user(accounts, caller, user_id).id, caller.actor)
    return Response(status_code=204)


# --- invitations ----------------------------------------------------------------------------------------------------


@router.get("/v1/admin/invitations")
@access(Access.OWNER)
async def invitations(accounts: GivenAccounts, caller: GivenCaller) -> shapes.InvitationList:
    """Invitations that are neither used nor expired. Their links are not shown again."""
    found = [one for one in await accounts.invitations.waiting() if _may_invite(caller, one.admin, one.roles)]
    return shapes.InvitationList(invitations=[shapes.Invitation(**shapes.Invitation.fields_of(one)) for one in found])


@router.post("/v1/admin/invitations", status_code=201, dependencies=[Depends(require_json)])
@access(Access.OWNER)
async def invite(
    parts: GivenParts, accounts: GivenAccounts, caller: GivenCaller, given: shapes.InvitationFields
) -> shapes.NewInvitation:
    """Invite a person to roles on sites. The link is in this answer only; it is valid for seven days, once."""
    roles = [role.stored() for role in given.roles]
    if not _may_invite(caller, given.admin, roles):
        raise Forbidden(NOT_YOUR_SITE)
    made, token = await accounts.invitations.invite(given.email, given.admin, roles, caller.actor)
    return shapes.NewInvitation(**shapes.Invitation.fields_of(made), url=parts.settings.public_origin + page_of(token))


@router.delete("/v1/admin/invitations/{invitation_id}", status_code=204)
@access(Access.OWNER)
async def take_back_invitation(accounts: GivenAccounts, caller: GivenCaller, invitation_id: InvitationId) -> Response:
    """Take an invitation back: its link is not valid any more."""
    found = [one for one in await accounts.invitations.waiting() if one.id == invitation_id]
    if not found or not _may_invite(caller, found[0].admin, found[0].roles):
        raise NotFound(f"there is no invitation {invitation_id!r}")
    await accounts.invitations.take_back(invitation_id, caller.actor)
    return Response(status_code=204)


# --- audit ----------------------------------------------------------------------------------------------------------


@router.get("/v1/admin/audit")
@access(Access.OWNER)
async def audit(
    accounts: GivenAccounts,
    caller: GivenCaller,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    before: Annotated[str | None, Query(max_length=64, description="`next_before` of the page before.")] = None,
) -> shapes.AuditList:
    """Who changed what, the newest first; an owner sees what concerns the owner's sites."""
    sites = None if caller.may(Permission.ADMIN) else caller.reach(Permission.OWN).only
    found = await accounts.audit(limit + 1, before, sites)
    return shapes.AuditList(
        entries=[
            shapes.AuditEntry(
                id=entry.id,
                at=entry.at,
                actor=entry.actor,
                action=entry.action,
                subject=entry.subject,
                site_id=entry.site_id,
                address=entry.address,
                details=entry.details,
            )
            for entry in found[:limit]
        ],
        next_before=found[limit - 1].id if len(found) > limit else None,
    )


# --- who sees whom --------------------------------------------------------------------------------------------------

NOT_YOUR_SITE = "give and take roles on sites that you own; the rest is an administrator's"


def _is_seen(caller: Caller, user: model.User) -> bool:
    owned = caller.reach(Permission.OWN)
    return owned.every or any(held.site_id in owned for held in user.roles)


def _seen_user(accounts: Accounts, caller: Caller, user_id: str) -> model.User:
    """Raises NotFound, also for an account that the caller does not see."""
    user = accounts.directory.user(user_id)
    if user is None or not _is_seen(caller, user):
        raise NotFound(f"there is no account {user_id!r}")
    return user


def _may_invite(caller: Caller, admin: bool, roles: list[model.SiteRole]) -> bool:
    if caller.may(Permission.ADMIN):
        return True
    owned = caller.reach(Permission.OWN)
    return not admin and bool(roles) and all(held.site_id in owned for held in roles)
