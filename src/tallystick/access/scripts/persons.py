"""Persons of an OpenID provider, and the accounts that they use."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallystick.access.model import Actor, Identity, NewAccounts, SiteRole, User
from tallystick.access.scripts import accounts, audit, invitations
from tallystick.access.scripts.common import Script, Step, bump
from tallystick.analysis.buckets import micros
from tallystick.errors import EmailNotVerified, OtherPerson, SignOnExpired, UnknownPerson


def enter(
    found: Identity, user: User, new: NewAccounts, digest: str, expires_at: datetime, address: str
) -> Script[str]:
    yield from bump()  # first, so that of two requests of one login the second finds it used
    now = user.created_at
    yield Step("delete_old_sign_ons", (micros(now),))
    if (yield Step("sign_on", (digest,))):
        raise SignOnExpired
    yield Step("insert_sign_on", (digest, micros(expires_at)))
    known = yield Step("identity", (found.issuer, found.subject))
    user_id = str(known[0][0]) if known else (yield from _enter_first(found, user, new, address))
    yield Step("touch_login", (user_id, micros(now)))
    return user_id


def _enter_first(found: Identity, user: User, new: NewAccounts, address: str) -> Script[str]:
    """The account that is a person's from now on."""
    if not found.email:
        raise UnknownPerson("the provider passes on no e-mail address of yours by which you could be known here")
    if not found.verified:
        raise EmailNotVerified
    actor = Actor(f"user {found.email}", address)
    rows = yield Step("user_with_password", (found.email,))
    if rows:
        user_id = str(rows[0][0])
        if (yield Step("identity_of_user", (user_id, found.issuer))):
            raise OtherPerson
    else:
        user_id = user.id
        yield from _add_person(msgspec.structs.replace(user, email=found.email), new, actor)
    yield Step("insert_identity", (found.issuer, found.subject, user_id, micros(user.created_at)))
    yield from audit.note(actor, "user.sign_on", found.email, None, {"issuer": found.issuer, "subject": found.subject})
    return user_id


def _add_person(user: User, new: NewAccounts, actor: Actor) -> Script[None]:
    """Make the account of a person who was invited, or whose domain needs no invitation."""
    invited = yield Step("invitation_of_email", (user.email, micros(user.created_at)))
    if invited:
        invitation = invitations.invitation_of(invited[0])
        yield Step("delete_invitation", (invitation.id,))
        yield from invitations.add_invited(invitation, user, "", actor)
        return
    known = {site[0] for site in (yield Step("sites"))}
    roles = [SiteRole(site, new.role) for site in new.sites if site in known]
    # Not the first account: it would close an open server, and leave it without an administrator.
    if user.email.rpartition("@")[2] not in new.domains or not roles or not (yield Step("users")):
        raise UnknownPerson(f"{user.email} has no account here: ask an administrator of this server to invite you")
    yield from accounts.add(msgspec.structs.replace(user, roles=roles), "", actor)
