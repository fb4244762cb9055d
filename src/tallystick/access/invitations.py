"""Links that are used once: for an account, for the first one, for a new password. The API and the commands call these.

Everything here checks its input and writes the audit log; whether the caller may do it, the caller of these checks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tallystick.access.directory import Directory
from tallystick.access.fields import email_of, name_of, site_id_of
from tallystick.access.model import Actor, Invitation, InvitationKind, SiteRole, User
from tallystick.access.passwords import Passwords
from tallystick.access.secret import new_token
from tallystick.access.store import AccessStore
from tallystick.errors import InvalidRequest, NotFound, PasswordsOff
from tallystick.model.library import new_id

INVITATION_LASTS = timedelta(days=7)
RESET_LASTS = timedelta(hours=24)
USED = "the link is used, expired or unknown: ask for a new one"

_TOKEN = re.compile(r"[a-z]{2}_[A-Za-z0-9_-]{43}")


class Invitations:
    """The one-time links of a server."""

    def __init__(self, directory: Directory, passwords: Passwords, takes_passwords: bool) -> None:
        """
        Args:
            takes_passwords: whether accounts can have one.
        """
        self._directory = directory
        self._passwords = passwords
        self._takes_passwords = takes_passwords

    @property
    def _store(self) -> AccessStore:
        return self._directory.store

    def _require_passwords(self) -> None:
        if not self._takes_passwords:
            raise PasswordsOff

    async def invite(self, email: str, admin: bool, roles: Sequence[SiteRole], actor: Actor) -> tuple[Invitation, str]:
        """Invite a person. Returns the invitation and its token. Raises InvalidRequest, Conflict, NotFound."""
        if not admin and not roles:
            raise InvalidRequest("roles: an invitation names at least one role, or makes an administrator")
        for held in roles:
            site_id_of(held.site_id)
        if len({held.site_id for held in roles}) < len(roles):
            raise InvalidRequest("roles: a site is named twice")
        return await self._make("invitation", email_of(email), None, admin, roles, INVITATION_LASTS, actor)

    async def first_admin(self, actor: Actor) -> tuple[Invitation, str]:
        """A link that makes the first account, an administrator.

        Raises:
            Conflict: there is an account.
            PasswordsOff: a person of the provider has no link; the first one is invited.
        """
        self._require_passwords()
        return await self._make("first_admin", None, None, True, [], RESET_LASTS, actor)

    async def offer_first_account(self) -> str | None:
        """The page of a new link for the first account; None: there is an account, or such a link, or can be none.

        Raises:
            ConfigError, Unavailable: as `Directory.prepare`.
        """
        if self._directory.why_none or not self._directory.known or self._directory.users or not self._takes_passwords:
            return None
        if self._directory.in_use and any(one.kind == "first_admin" for one in await self.waiting()):
            return None
        _, token = await self.first_admin(Actor("start"))
        return page_of(token)

    async def reset_password(self, user: User, actor: Actor) -> tuple[Invitation, str]:
        """A link with which an account gets a new password. Raises PasswordsOff."""
        self._require_passwords()
        return await self._make("password_reset", user.email, user.id, False, [], RESET_LASTS, actor)

    async def _make(
        self,
        kind: InvitationKind,
        email: str | None,
        user_id: str | None,
        admin: bool,
        roles: Sequence[SiteRole],
        lasts: timedelta,
        actor: Actor,
    ) -> tuple[Invitation, str]:
        await self._directory.prepare()
        now = datetime.now(UTC)
        token = new_token("in")
        invitation = Invitation(new_id(), kind, email, user_id, admin, list(roles), now, actor.name, now + lasts)
        await self._store.invite(invitation, self._directory.secret.hex_digest("invitation", token), actor)
        await self._directory.refresh()
        return invitation, token

    async def find(self, token: str) -> Invitation:
        """The invitation of a token. Raises NotFound."""
        if not _TOKEN.fullmatch(token):
            raise NotFound(USED)
        await self._require_secret()
        found = await self._store.invitation(self._directory.secret.hex_digest("invitation", token), datetime.now(UTC))
        if found is None:
            raise NotFound(USED)
        return found

    async def waiting(self) -> list[Invitation]:
        """Those that are neither used nor expired."""
        return await self._store.invitations(datetime.now(UTC)) if self._directory.in_use else []

    async def take_back(self, invitation_id: str, actor: Actor) -> None:
        """Raises NotFound."""
        self._directory.require_any()
        await self._store.take_back(invitation_id, actor)

    async def accept(self, token: str, email: str, name: str, password: str, address: str) -> User:
        """Use an invitation: the account that is made, or whose password is set.

        Raises:
            NotFound: the link is used, expired or unknown.
            InvalidRequest: the password, the name or (for the first administrator) the e-mail address.
            Conflict: the e-mail address has an account.
            PasswordsOff: whoever is invited logs in with the provider.
        """
        self._require_passwords()
        found = await self.find(token)
        user = User(
            new_id(),
            found.email or email_of(email),
            "" if found.kind == "password_reset" else name_of(name, "name"),
            found.admin,
            found.roles,
            datetime.now(UTC),
        )
        hashed = await self._passwords.hashed(password)
        digest = self._directory.secret.hex_digest("invitation", token)
        user_id = await self._store.accept(digest, datetime.now(UTC), user, hashed, Actor("", address))
        await self._directory.refresh()
        made = self._directory.user(user_id)
        if made is None:
            raise NotFound("the account was removed a moment ago")
        return made

    async def _require_secret(self) -> None:
        """Raises NotFound: nothing was ever made here, so no link can be one of it."""
        self._directory.require_known()
        if not self._directory.in_use and not self._directory.why_none:
            await self._directory.refresh()  # a command may have made the link a moment ago
        if not self._directory.in_use:
            raise NotFound(USED)


def page_of(token: str) -> str:
    """The page of an invitation's link. What follows the # is never sent to a server, so no log has it."""
    return f"/ui/join#{token}"
