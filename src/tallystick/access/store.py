"""Where keys and accounts are kept: the contract. What is done with the tables is in `scripts`, for every database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tallystick.access.model import (
    Actor,
    AuditEntry,
    Identity,
    Invitation,
    Key,
    LoginSession,
    NewAccounts,
    Role,
    Site,
    User,
)
from tallystick.access.scripts import (
    accounts,
    attempts,
    audit,
    carried,
    invitations,
    keys,
    persons,
    sessions,
    sites,
    state,
)
from tallystick.access.scripts.carried import AccessData
from tallystick.access.scripts.common import Script
from tallystick.access.scripts.state import Snapshot

R = TypeVar("R")


class AccessStore(ABC):
    """Sites, keys, accounts, sessions and the audit log. All methods may raise Unavailable; then nothing was changed.

    An `actor` of a change goes into the audit log, in the same transaction.
    """

    @abstractmethod
    async def open(self) -> None:
        """Make the store usable. Makes no tables: `prepare` does."""

    @abstractmethod
    async def close(self) -> None:
        """Give everything back."""

    @abstractmethod
    async def exists(self) -> bool:
        """Whether there are tables."""

    @abstractmethod
    async def _create(self) -> None:
        """Make the tables that are missing."""

    @abstractmethod
    async def _read(self, script: Script[R]) -> R:
        """Run a script that changes nothing."""

    @abstractmethod
    async def _change(self, script: Script[R]) -> R:
        """Run a script in one transaction."""

    async def prepare(self, proof: str) -> None:
        """Make the tables that are missing.

        Args:
            proof: `Secret.proof`.

        Raises:
            ConfigError: another secret, or a newer version, made what the tables hold.
        """
        if await self.version() is None:
            await self._create()
        await self._change(state.prepare(proof))

    async def version(self) -> int | None:
        """The number of the last change; None: there are no tables. Adds the tables of this version to older ones."""
        if not await self.exists():
            return None
        schema_version, version, _ = await self._read(state.state())
        if schema_version < state.SCHEMA_VERSION:
            await self._create()
            await self._change(state.renew())
        return version

    async def snapshot(self) -> Snapshot:
        """Everything that processes keep in memory."""
        return await self._read(state.snapshot())

    # --- backups and moves ----------------------------------------------------------------------------------------

    async def dump(self) -> AccessData:
        """Everything but logins and attempts to log in, of one moment. There have to be tables."""
        return await self._read(carried.read())

    async def load(self, data: AccessData) -> None:
        """Save what another store has.

        Raises:
            Conflict: there are sites, keys or accounts here, and not the same ones.
            ConfigError: as `prepare`.
        """
        await self.prepare(data.proof)
        await self._change(carried.write(data))

    # --- sites and keys -------------------------------------------------------------------------------------------

    async def add_site(self, site: Site, actor: Actor) -> None:
        """Raises Conflict when it is there."""
        await self._change(sites.add(site, actor))

    async def remove_site(self, site_id: str, actor: Actor) -> None:
        """Remove a site, its roles, what invitations say of it, and revoke the keys that are for it alone.

        Raises:
            NotFound: there is no such site.
        """
        await self._change(sites.remove(site_id, actor))

    async def add_key(self, key: Key, digest: bytes, actor: Actor) -> None:
        """Raises NotFound when one of its sites is not there."""
        await self._change(keys.add(key, digest, actor))

    async def revoke_key(self, key_id: str, actor: Actor) -> None:
        """Raises NotFound when there is no such key that is valid."""
        await self._change(keys.revoke(key_id, actor))

    async def set_quota(self, key_id: str, events: int | None, size: int | None, actor: Actor) -> Key:
        """Change what a write key may send a second; None: what the settings say, 0: no quota.

        Raises:
            NotFound: there is no such key that is valid.
            InvalidRequest: it is no write key.
        """
        return await self._change(keys.set_quota(key_id, events, size, actor))

    async def touch_keys(self, used: Mapping[str, datetime]) -> None:
        """Note when keys were last used. No new version."""
        await self._change(keys.touch(used))

    # --- accounts -------------------------------------------------------------------------------------------------

    async def add_user(self, user: User, password: str, actor: Actor) -> None:
        """Save an account with its roles. `password` is a hash; empty: none.

        Raises:
            Conflict: the e-mail address has an account.
            NotFound: a role names a site that is not there.
        """
        await self._change(accounts.add(user, password, actor))

    async def remove_user(self, user_id: str, actor: Actor) -> None:
        """Remove an account, its roles and sessions. Raises NotFound, and Conflict for the last administrator."""
        await self._change(accounts.remove(user_id, actor))

    async def set_role(self, user_id: str, site_id: str, role: Role | None, actor: Actor) -> User:
        """Give, change or (None) take a role. Raises NotFound: no such account or site."""
        return await self._change(accounts.set_role(user_id, site_id, role, actor))

    async def set_admin(self, user_id: str, admin: bool, actor: Actor) -> User:
        """Raises NotFound, and Conflict for the last administrator."""
        return await self._change(accounts.set_admin(user_id, admin, actor))

    async def password_of_email(self, email: str) -> tuple[str, str] | None:
        """`(user id, hash of the password)`; None: no such account."""
        return await self._read(accounts.password_of_email(email))

    async def password_of(self, user_id: str) -> str:
        """The hash of an account's password. Raises NotFound."""
        return await self._read(accounts.password_of(user_id))

    async def set_password(self, user_id: str, password: str, keep_session: str, actor: Actor | None) -> None:
        """Change a password's hash.

        Args:
            keep_session: digest of the session that stays; all others end.
            actor: None: the same password with a newer kind of hash, and every session stays.
        """
        await self._change(accounts.set_password(user_id, password, keep_session, actor))

    # --- invitations ----------------------------------------------------------------------------------------------

    async def invite(self, invitation: Invitation, digest: str, actor: Actor) -> None:
        """Save an invitation; it replaces that of its kind for the same e-mail address.

        Raises:
            NotFound: a role names a site that is not there.
            Conflict: the e-mail address has an account, for an `invitation`; there is one, for `first_admin`.
        """
        await self._change(invitations.add(invitation, digest, actor))

    async def invitations(self, now: datetime) -> list[Invitation]:
        """Those that are neither used nor expired."""
        return await self._read(invitations.valid(now))

    async def invitation(self, digest: str, now: datetime) -> Invitation | None:
        """The one with this digest, if it is neither used nor expired."""
        return await self._read(invitations.of_digest(digest, now))

    async def take_back(self, invitation_id: str, actor: Actor) -> None:
        """Delete an invitation. Raises NotFound."""
        await self._change(invitations.take_back(invitation_id, actor))

    async def accept(self, digest: str, now: datetime, user: User, password: str, actor: Actor) -> str:
        """Use an invitation, once: makes the account, or sets its password. Returns the account's id.

        Args:
            user: id, e-mail address and name of the new account; roles and the rest come from the invitation.

        Raises:
            NotFound: no such invitation (any more).
            Conflict: the e-mail address has an account, or for `first_admin` there is one.
        """
        return await self._change(invitations.accept(digest, now, user, password, actor))

    # --- persons of a provider ------------------------------------------------------------------------------------

    async def enter(
        self, found: Identity, user: User, new: NewAccounts, digest: str, expires_at: datetime, address: str
    ) -> str:
        """The id of the account with which a person of a provider logs in, once for each login that was begun.

        At the first time it is the account, or the invitation, with the person's verified e-mail address, or a new
        account; from then on it is the person's, and no address counts any more.

        Args:
            user: the account that is made if there is none: id, name and time.
            digest: of the login's token, and `expires_at` its end.

        Raises:
            SignOnExpired: this login has ended already.
            EmailNotVerified, UnknownPerson: the person was never here, and has nothing to enter with.
            OtherPerson: the account with this address is another person's of the same issuer.
        """
        return await self._change(persons.enter(found, user, new, digest, expires_at, address))

    # --- sessions -------------------------------------------------------------------------------------------------

    async def add_session(self, session: LoginSession, digest: str, idle: timedelta, replaces: str) -> None:
        """Save a login; the one with the digest `replaces`, and those that are over, go."""
        await self._change(sessions.add(session, digest, idle, replaces))

    async def session(self, digest: str) -> LoginSession | None:
        """The session with this digest, which may be over."""
        return await self._read(sessions.of_digest(digest))

    async def touch_session(self, digest: str, now: datetime) -> None:
        """Note that a session is used now."""
        await self._change(sessions.touch(digest, now))

    async def sessions_of(self, user_id: str) -> list[LoginSession]:
        """The sessions of an account, the oldest first."""
        return await self._read(sessions.of_user(user_id))

    async def end_session(self, digest: str) -> None:
        """End a session, if it is there."""
        await self._change(sessions.end(digest))

    async def end_sessions(self, user_id: str) -> None:
        """End all sessions of an account."""
        await self._change(sessions.end_of_user(user_id))

    # --- attempts to log in ---------------------------------------------------------------------------------------

    async def attempt(self, free: Mapping[str, int], now: datetime) -> float:
        """Count an attempt as failed before it is tried, so that attempts at the same time all count.

        Args:
            free: subjects, and how many failures in a row of each cost no wait.

        Returns:
            0: it may be tried. Else the seconds to wait; then it was not counted.
        """
        return await self._change(attempts.attempt(free, now))

    async def succeeded(self, account: str, address: str, user_id: str, now: datetime) -> None:
        """After a login: forget the failures of the account, and count this attempt no more for the address.

        Earlier failures from the address still count: else whoever has an account could guess on for ever.
        """
        await self._change(attempts.succeeded(account, address, user_id, now))

    # --- audit ----------------------------------------------------------------------------------------------------

    async def note(
        self,
        action: str,
        subject: str,
        actor: Actor,
        site_id: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write something else into the audit log."""
        await self._change(audit.note(actor, action, subject, site_id, details))

    async def audit(self, limit: int, before: str | None, sites: frozenset[str] | None) -> list[AuditEntry]:
        """Entries, the newest first.

        Args:
            before: only those older than the one with this id. Raises NotFound when it is not there.
            sites: only those about these sites; None: all.
        """
        return await self._read(audit.entries(limit, before, sites))
