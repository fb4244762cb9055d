"""Links with which one person sets a password, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tallystick.access.model import Actor, Invitation, InvitationKind, SiteRole, User
from tallystick.access.scripts import accounts, audit
from tallystick.access.scripts.common import Script, Step, bump, json_text, only_site, require_sites
from tallystick.analysis.buckets import instant_of, micros
from tallystick.errors import Conflict, NotFound


def add(new: Invitation, digest: str, actor: Actor) -> Script[None]:
    yield from bump()
    yield from require_sites(held.site_id for held in new.roles)
    if new.kind == "first_admin":
        yield from _require_no_account()
    elif new.kind == "invitation" and (yield Step("user_with_password", (new.email,))):
        raise Conflict(f"{new.email} has an account already")
    yield Step("delete_other_invitations", (new.kind, new.email or "", micros(new.created_at)))
    yield Step(
        "insert_invitation",
        (
            new.id,
            digest,
            new.kind,
            new.email,
            new.user_id,
            int(new.admin),
            json_text(new.roles),
            micros(new.created_at),
            new.created_by,
            micros(new.expires_at),
        ),
    )
    said = {"kind": new.kind, "admin": new.admin, "roles": {held.site_id: held.role.value for held in new.roles}}
    site = only_site([held.site_id for held in new.roles]) if not new.admin else None
    yield from audit.note(actor, "invitation.create", new.email or "", site, said)


def _require_no_account() -> Script[None]:
    if (yield Step("users")):
        raise Conflict("this server has an account already")


def valid(now: datetime) -> Script[list[Invitation]]:
    return [invitation_of(row) for row in (yield Step("invitations", (micros(now),)))]


def of_digest(digest: str, now: datetime) -> Script[Invitation | None]:
    rows = yield Step("invitation_of_digest", (digest, micros(now)))
    return invitation_of(rows[0]) if rows else None


def invitation_of(row: Sequence[Any]) -> Invitation:
    kind: InvitationKind = row[1]
    roles = msgspec.json.decode(row[5], type=list[SiteRole])
    return Invitation(row[0], kind, row[2], row[3], bool(row[4]), roles, instant_of(row[6]), row[7], instant_of(row[8]))


def take_back(invitation_id: str, actor: Actor) -> Script[None]:
    found = [one for one in (yield from valid(datetime.now(UTC))) if one.id == invitation_id]
    if not found:
        raise NotFound(f"there is no invitation {invitation_id!r}")
    yield Step("delete_invitation", (invitation_id,))
    site = only_site([held.site_id for held in found[0].roles]) if not found[0].admin else None
    yield from audit.note(actor, "invitation.remove", found[0].email or "", site)


def accept(digest: str, now: datetime, user: User, password: str, actor: Actor) -> Script[str]:
    yield from bump()  # first, so that of two processes that use a link at once the second finds none
    found = yield from of_digest(digest, now)
    if found is None:
        raise NotFound("the link is used, expired or unknown")
    yield Step("delete_invitation", (found.id,))
    if found.kind == "password_reset":
        assert found.user_id is not None
        whose = yield from accounts.user_of_id(found.user_id)
        yield from accounts.set_password(whose.id, password, "", Actor(f"user {whose.email}", actor.address))
        return whose.id
    if found.kind == "first_admin":
        yield from _require_no_account()
    yield from add_invited(found, msgspec.structs.replace(user, email=found.email or user.email), password, actor)
    return user.id


def add_invited(found: Invitation, user: User, password: str, actor: Actor) -> Script[None]:
    """Make the account of an invitation, with the roles of the sites that are still there."""
    known = {site[0] for site in (yield Step("sites"))}
    roles = [held for held in found.roles if held.site_id in known]
    made = msgspec.structs.replace(user, admin=found.admin, roles=roles)
    yield from accounts.add(made, password, Actor(f"user {user.email}", actor.address))
