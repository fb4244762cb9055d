"""What can be done with sites, keys and accounts, whoever asks: the API and the commands call these.

Everything here checks its input and writes the audit log; whether the caller may do it, the caller of these checks.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from tallystick.access import sign_on
from tallystick.access.directory import Directory
from tallystick.access.fields import (
    EMAIL_MAX,
    NAME_MAX,
    check_key,
    check_rates,
    email_of,
    email_of_provider,
    name_of,
    site_id_of,
)
from tallystick.access.invitations import Invitations
from tallystick.access.model import (
    Actor,
    AuditEntry,
    Identity,
    Key,
    KeyKind,
    KeyRight,
    LoginSession,
    NewAccounts,
    Role,
    Site,
    SiteRole,
    User,
)
from tallystick.access.passwords import Passwords
from tallystick.access.scripts.keys import ONLY_WRITE_KEYS, new_key_id
from tallystick.access.scripts.sessions import SESSION_ID
from tallystick.access.secret import new_token
from tallystick.access.store import AccessStore
from tallystick.config import Settings, entries_of
from tallystick.errors import (
    InvalidRequest,
    NotFound,
    PasswordsOff,
    TooManyAttempts,
    Unauthorized,
    WrongPassword,
)
from tallystick.keys import EVERY_SITE
from tallystick.model.library import ID_PATTERN, new_id

FREE_OF_ACCOUNT, FREE_OF_ADDRESS = 5, 20
"""Failed logins in a row that cost no wait: of one account, and from one address."""
TOUCH_SESSION = timedelta(minutes=1)
"""The precision of a session's last use: it costs at most one write in this time."""
AGENT_MAX = 200
RIGHTS: Sequence[KeyRight] = ("edit", "sql", "export", "erase")
WRONG = "the e-mail address or the password is wrong"

_ID = re.compile(ID_PATTERN)


class Accounts:
    """Sites, keys, accounts and logins of a server, and its invitations."""

    def __init__(self, directory: Directory, settings: Settings) -> None:
        self.directory = directory
        self.passwords = Passwords()
        self._idle = timedelta(hours=settings.session_idle_hours)
        self._longest = timedelta(hours=settings.session_max_hours)
        self.takes_passwords = settings.password_login
        self.invitations = Invitations(directory, self.passwords, self.takes_passwords)
        self._new = NewAccounts(
            frozenset(domain.lower() for domain in entries_of(settings.oidc_domains)),
            Role(settings.oidc_new_role),
            tuple(entries_of(settings.oidc_new_sites)),
        )

    @property
    def _store(self) -> AccessStore:
        return self.directory.store

    # --- sites and keys -------------------------------------------------------------------------------------------

    async def add_site(self, site_id: str, name: str, actor: Actor) -> Site:
        """Make a site known. Raises InvalidRequest, and Conflict when it is."""
        site = Site(site_id_of(site_id), name_of(name, "name"), _now())
        await self.directory.prepare()
        await self._store.add_site(site, actor)
        await self.directory.refresh()
        return site

    async def remove_site(self, site_id: str, actor: Actor) -> None:
        """Forget a site and revoke its keys; its events stay. Raises InvalidRequest, NotFound."""
        self.directory.require_any()
        await self._store.remove_site(site_id_of(site_id), actor)
        await self.directory.refresh()

    async def create_key(
        self,
        kind: KeyKind,
        name: str,
        sites: Sequence[str],
        rights: Sequence[KeyRight],
        origins: Sequence[str],
        actor: Actor,
        *,
        events_per_second: int | None = None,
        bytes_per_second: int | None = None,
    ) -> tuple[Key, str]:
        """Make a key. Returns what is kept of it, and the key, which is not.

        Args:
            events_per_second, bytes_per_second: of a write key, as `Key` has them.

        Raises:
            InvalidRequest: something does not go together.
            NotFound: a site is not known.
        """
        sites = [EVERY_SITE] if kind == "admin" else list(dict.fromkeys(sites))
        check_key(kind, sites, rights, origins)
        if kind != "write" and (events_per_second is not None or bytes_per_second is not None):
            raise InvalidRequest(ONLY_WRITE_KEYS)
        check_rates(events_per_second, bytes_per_second)
        name = name_of(name, "name")
        await self.directory.prepare()
        token = new_token(f"{kind[0]}k")
        key = Key(
            id=new_key_id(),
            kind=kind,
            name=name,
            sites=sites,
            rights=[right for right in RIGHTS if right in rights],
            origins=[origin.lower() for origin in dict.fromkeys(origins)],
            hint=f"{token[:3]}…{token[-4:]}",
            created_at=_now(),
            created_by=actor.name,
            events_per_second=events_per_second,
            bytes_per_second=bytes_per_second,
        )
        await self._store.add_key(key, self.directory.secret.digest(token.encode("ascii")), actor)
        await self.directory.refresh()
        return key, token

    async def revoke_key(self, key_id: str, actor: Actor) -> None:
        """From now on nobody may use this key. Raises NotFound."""
        self.directory.require_any()
        await self._store.revoke_key(key_id, actor)
        await self.directory.refresh()

    async def set_quota(self, key_id: str, events: int | None, size: int | None, actor: Actor) -> Key:
        """What a write key may send a second from now on, in events and in bytes, as `Key` has them.

        Raises:
            NotFound: there is no such key that is valid.
            InvalidRequest: it is no write key, or a number is out of range.
        """
        self.directory.require_any()
        check_rates(events, size)
        await self.directory.prepare()  # tables that an older version made have no place for it
        key = await self._store.set_quota(key_id, events, size, actor)
        await self.directory.refresh()
        return key

    # --- accounts -------------------------------------------------------------------------------------------------

    async def add_user(
        self, email: str, name: str, password: str, admin: bool, roles: Sequence[SiteRole], actor: Actor
    ) -> User:
        """Make an account with a password. Raises InvalidRequest, Conflict, NotFound, PasswordsOff."""
        self._require_passwords()
        user = User(new_id(), email_of(email), name_of(name, "name"), admin, list(roles), _now())
        hashed = await self.passwords.hashed(password)
        await self.directory.prepare()
        await self._store.add_user(user, hashed, actor)
        await self.directory.refresh()
        return user

    def user_of_email(self, email: str) -> User:
        """Raises NotFound."""
        wanted = email_of(email)
        for user in self.directory.users:
            if user.email == wanted:
                return user
        raise NotFound(f"there is no account {wanted!r}")

    async def remove_user(self, user_id: str, actor: Actor) -> None:
        """Raises NotFound, and Conflict for the last administrator."""
        self.directory.require_any()
        await self._store.remove_user(user_id, actor)
        await self.directory.refresh()

    async def set_role(self, user_id: str, site_id: str, role: Role | None, actor: Actor) -> User:
        """Raises InvalidRequest, NotFound."""
        self.directory.require_any()
        user = await self._store.set_role(user_id, site_id_of(site_id), role, actor)
        await self.directory.refresh()
        return user

    async def set_admin(self, user_id: str, admin: bool, actor: Actor) -> User:
        """Raises NotFound, and Conflict for the last administrator."""
        self.directory.require_any()
        user = await self._store.set_admin(user_id, admin, actor)
        await self.directory.refresh()
        return user

    async def change_password(self, user: User, token: str, current: str, new: str, actor: Actor) -> None:
        """Change one's own password; all other sessions end.

        Args:
            token: of the session that stays.

        Raises:
            WrongPassword, InvalidRequest, PasswordsOff.
            TooManyAttempts: as `log_in`.
        """
        self._require_passwords()
        subject = self._subject("account", user.email)
        await self._brake({subject: FREE_OF_ACCOUNT})
        if not await self.passwords.right(current, await self._store.password_of(user.id)):
            raise WrongPassword
        hashed = await self.passwords.hashed(new)
        await self._store.set_password(user.id, hashed, self._session_digest(token), actor)
        await self._store.succeeded(subject, "", user.id, _now())

    # --- logins ---------------------------------------------------------------------------------------------------

    async def log_in(self, email: str, password: str, address: str) -> User:
        """The account with this e-mail address and password.

        An unknown address takes as long as a wrong password, has the same answer, and is braked alike.

        Raises:
            Unauthorized: one of the two is wrong.
            TooManyAttempts: the account or the client's address failed too often in a row.
            PasswordsOff: the server takes none.
        """
        self._require_passwords()
        self.directory.require_known()
        if not self.directory.users:
            raise Unauthorized("this server has no accounts")
        wanted = email.strip().lower()[:EMAIL_MAX]
        wanted = wanted if wanted.isprintable() else ""  # no account has such an address, and databases take not all
        account, place = self._subject("account", wanted), self._subject("address", address)
        await self._brake({account: FREE_OF_ACCOUNT, place: FREE_OF_ADDRESS})
        found = await self._store.password_of_email(wanted)
        right = await self.passwords.right(password, found[1] if found else None)
        user = self.directory.user(found[0]) if found else None
        if not right or found is None or user is None:
            raise Unauthorized(WRONG)
        if self.passwords.outdated(found[1]):
            await self._store.set_password(user.id, await self.passwords.hashed(password), "", None)
        await self._store.succeeded(account, place, user.id, _now())
        await self.directory.refresh()
        return self.directory.user(user.id) or user

    def _require_passwords(self) -> None:
        if not self.takes_passwords:
            raise PasswordsOff

    async def begin_sign_on(self, page: str) -> sign_on.Begun:
        """A login with the provider, which leads to a page of the dashboard.

        Raises:
            Unavailable: keys and accounts cannot be read.
            ConfigError: this server can have none.
        """
        self.directory.require_known()
        if not self.directory.in_use:
            await self.directory.prepare()  # makes the secret
        return sign_on.begin(page)

    async def enter(self, found: Identity, begun: sign_on.Begun, address: str) -> User:
        """The account with which a person logs in whom the provider has named.

        Raises:
            SignOnError: as `AccessStore.enter`.
            Unavailable: keys and accounts cannot be read.
        """
        self.directory.require_known()
        user = User(new_id(), "", found.name.strip()[:NAME_MAX], False, [], _now())
        if not user.name.isprintable():
            user = msgspec.structs.replace(user, name="")
        found = msgspec.structs.replace(found, email=email_of_provider(found.email))
        digest = self.directory.secret.hex_digest("sign-on", begun.token)
        user_id = await self._store.enter(found, user, self._new, digest, begun.expires_at, address)
        await self.directory.refresh()
        made = self.directory.user(user_id)
        if made is None:
            raise NotFound("the account was removed a moment ago")
        return made

    async def _brake(self, free: dict[str, int]) -> None:
        if wait := await self._store.attempt(free, _now()):
            raise TooManyAttempts(int(wait) + 1)

    def _subject(self, kind: str, text: str) -> str:
        return self.directory.secret.hex_digest(f"attempts of {kind}", text)

    async def begin_session(self, user: User, address: str, agent: str, replaces: str) -> tuple[LoginSession, str]:
        """A new login. Returns it and its token, for the cookie.

        Args:
            replaces: the token of the browser's session until now, which ends; empty: it has none.
        """
        now = _now()
        token = secrets.token_urlsafe(32)
        digest = self._session_digest(token)
        session = LoginSession(digest[:SESSION_ID], user.id, now, now, now + self._longest, address, agent[:AGENT_MAX])
        old = self._session_digest(replaces) if replaces else ""
        await self._store.add_session(session, digest, self._idle, old)
        return session, token

    async def audit(self, limit: int, before: str | None, sites: frozenset[str] | None) -> list[AuditEntry]:
        """Entries of the audit log, as `AccessStore.audit`. Raises NotFound."""
        if before is not None and not _ID.fullmatch(before):
            raise NotFound(f"there is no entry {before!r}")
        return await self._store.audit(limit, before, sites) if self.directory.in_use else []

    async def session(self, token: str) -> tuple[LoginSession, User] | None:
        """The login with this token and its account; None: there is none, or it is over."""
        if not self.directory.users or len(token) > 100:
            return None
        digest = self._session_digest(token)
        found = await self._store.session(digest)
        now = _now()
        if found is None or found.expires_at <= now or now - found.last_used_at > self._idle:
            return None
        if (user := self.directory.user(found.user_id)) is None:
            return None
        if now - found.last_used_at >= TOUCH_SESSION:
            await self._store.touch_session(digest, now)
        return found, user

    async def end_session(self, token: str) -> None:
        """Log out."""
        if self.directory.users:
            await self._store.end_session(self._session_digest(token))

    async def end_sessions(self, user: User) -> None:
        """Log out everywhere."""
        await self._store.end_sessions(user.id)

    async def sessions_of(self, user: User) -> list[LoginSession]:
        """The logins of an account that are not over."""
        now = _now()
        return [
            session
            for session in await self._store.sessions_of(user.id)
            if session.expires_at > now and now - session.last_used_at <= self._idle
        ]

    def _session_digest(self, token: str) -> str:
        return self.directory.secret.hex_digest("session", token)

    def csrf_token(self, token: str) -> str:
        """What a page repeats in a header to change something with a session."""
        return self.directory.secret.hex_digest("csrf", token)


def _now() -> datetime:
    return datetime.now(UTC)
