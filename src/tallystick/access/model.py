"""Who may do what (G12): sites, keys, accounts, roles, invitations, login sessions, and the audit log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypeAlias

import msgspec

from tallystick.keys import EVERY_SITE


class Permission(StrEnum):
    """What a caller may do on a site."""

    READ = "read"
    """Ask queries, see reports and boards."""
    EDIT = "edit"
    """Save and delete reports, boards and share links."""
    SQL = "sql"
    EXPORT = "export"
    ERASE = "erase"
    """Take apart what belongs to a user, take back an import."""
    OPERATE = "operate"
    """Replay and drop dead letters, count rollups again: always of every site."""
    OWN = "own"
    """Keys, invitations and roles of the site."""
    ADMIN = "admin"
    """Sites, admin keys, administrators: always of every site."""


class Role(StrEnum):
    """What an account may do on one site."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


ALLOWED: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.EDITOR: frozenset({Permission.READ, Permission.EDIT}),
    Role.OWNER: frozenset(Permission) - {Permission.OPERATE, Permission.ADMIN},
}
"""The permissions of each role on its site."""

KeyKind: TypeAlias = Literal["write", "read", "admin"]
KeyRight: TypeAlias = Literal["edit", "sql", "export", "erase"]
"""What a read key may do beside reading."""


@dataclass(frozen=True)
class Reach:
    """The sites on which a caller may do something; `only` None: every site."""

    only: frozenset[str] | None = None

    @classmethod
    def of(cls, site: str | None) -> Reach:
        """One site; None: every site."""
        return cls(None if site is None else frozenset({site}))

    @classmethod
    def of_all(cls, sites: Iterable[str]) -> Reach:
        """These sites; `*` among them: every site."""
        found = frozenset(sites)
        return cls(None if EVERY_SITE in found else found)

    @property
    def every(self) -> bool:
        return self.only is None

    @property
    def single(self) -> str | None:
        """The only site, where there is exactly one."""
        return next(iter(self.only)) if self.only is not None and len(self.only) == 1 else None

    def __bool__(self) -> bool:
        """Whether there is any site."""
        return self.only is None or bool(self.only)

    def __contains__(self, site: str | None) -> bool:
        """Whether a site is among them; None stands for every site."""
        return self.only is None or (site is not None and site in self.only)

    def sites(self) -> list[str]:
        """The sites by name; `["*"]`: every site."""
        return [EVERY_SITE] if self.only is None else sorted(self.only)


EVERYWHERE = Reach()
NOWHERE = Reach(frozenset())


class Site(msgspec.Struct, frozen=True):
    """A site that keys and roles may name. Events of other sites are taken and shown all the same."""

    site_id: str
    name: str
    created_at: datetime


class Key(msgspec.Struct, frozen=True):
    """A key that was made while the server ran. The key itself is not kept.

    Attributes:
        sites: site ids; `*`: every site. A write key has one entry.
        origins: of a write key: web origins that alone may use it; empty: every client.
        hint: its prefix and last characters, to recognise it.
        events_per_second, bytes_per_second: of a write key: its own quota; 0: none; None: what the settings say.
    """

    id: str
    kind: KeyKind
    name: str
    sites: list[str]
    rights: list[KeyRight]
    origins: list[str]
    hint: str
    created_at: datetime
    created_by: str
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    events_per_second: int | None = None
    bytes_per_second: int | None = None

    @property
    def reach(self) -> Reach:
        return Reach.of_all(self.sites)

    def permissions(self) -> Mapping[Permission, Reach]:
        """What the key may do where; nothing that reads, for a write key."""
        if self.kind == "admin":
            return dict.fromkeys(Permission, EVERYWHERE)
        if self.kind == "write":
            return {}
        return {Permission.READ: self.reach, **{Permission(right): self.reach for right in self.rights}}


class SiteRole(msgspec.Struct, frozen=True):
    """A role on a site."""

    site_id: str
    role: Role


class User(msgspec.Struct, frozen=True):
    """An account.

    Attributes:
        admin: everything on every site.
        password: whether it has one.
        single_sign_on: whether a person of an OpenID provider has logged in with it.
    """

    id: str
    email: str
    name: str
    admin: bool
    roles: list[SiteRole]
    created_at: datetime
    last_login_at: datetime | None = None
    password: bool = True
    single_sign_on: bool = False

    def permissions(self) -> Mapping[Permission, Reach]:
        """What the account may do where."""
        if self.admin:
            return dict.fromkeys(Permission, EVERYWHERE)
        return {
            permission: Reach(frozenset(sites))
            for permission in Permission
            if (sites := [held.site_id for held in self.roles if permission in ALLOWED[held.role]])
        }


InvitationKind: TypeAlias = Literal["invitation", "first_admin", "password_reset"]


class Invitation(msgspec.Struct, frozen=True):
    """A link with which one person sets a password, once.

    Attributes:
        email: None: the person chooses it (first_admin).
        user_id: of a password_reset: whose password.
    """

    id: str
    kind: InvitationKind
    email: str | None
    user_id: str | None
    admin: bool
    roles: list[SiteRole]
    created_at: datetime
    created_by: str
    expires_at: datetime


class Identity(msgspec.Struct, frozen=True):
    """Whom an OpenID provider named.

    Attributes:
        subject: the person's id at this issuer, which alone says who it is.
        email: as accounts have it; empty: the provider gives none that is one.
        verified: whether the provider has verified that this address is the person's.
    """

    issuer: str
    subject: str
    email: str
    verified: bool
    name: str = ""


class NewAccounts(msgspec.Struct, frozen=True):
    """Who gets an account without an invitation, and with what.

    Attributes:
        domains: of verified e-mail addresses, in small letters; empty: nobody.
        sites: those that are not known are left out.
    """

    domains: frozenset[str]
    role: Role
    sites: tuple[str, ...]


class LoginSession(msgspec.Struct, frozen=True):
    """A login of one browser. `id` is a part of the digest of its token, which is not kept."""

    id: str
    user_id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str
    user_agent: str


class AuditEntry(msgspec.Struct, frozen=True):
    """An administrative act.

    Attributes:
        actor: `user <e-mail>`, `key <id>` or `command`.
        subject: what was changed: a site, a key's id, an e-mail address. Never a secret.
        address: of the client; None: a command on the server's machine.
    """

    id: str
    at: datetime
    actor: str
    action: str
    subject: str
    site_id: str | None = None
    address: str | None = None
    details: dict[str, Any] = {}


@dataclass(frozen=True)
class Actor:
    """Who changes something, for the audit log."""

    name: str
    address: str | None = None


COMMAND = Actor("command")
"""A command on the server's machine."""

CallerKind: TypeAlias = Literal["open", "key", "user", "none"]


@dataclass(frozen=True)
class Caller:
    """Who sent a request, and what that caller may do where.

    Attributes:
        kind: `open`: the server asks for no key here.
        name: as `Actor.name`.
        session: the login; None: there is none.
        csrf_token: what requests with this session's cookie that change something have to repeat in a header.
    """

    kind: CallerKind
    name: str = ""
    permissions: Mapping[Permission, Reach] = field(default_factory=dict)
    user: User | None = None
    session: LoginSession | None = None
    csrf_token: str = ""
    address: str | None = None

    def reach(self, permission: Permission) -> Reach:
        """The sites on which the caller may do this."""
        return self.permissions.get(permission, NOWHERE)

    def may(self, permission: Permission, site: str | None = None) -> bool:
        """Whether the caller may do this on a site; None: on every site."""
        return site in self.reach(permission)

    @property
    def actor(self) -> Actor:
        return Actor(self.name or self.kind, self.address)


WITHOUT_KEYS: Mapping[Permission, Reach] = dict.fromkeys(
    frozenset(Permission) - {Permission.OWN, Permission.ADMIN}, EVERYWHERE
)
"""What every client may do where the server asks for no key."""


def of_settings(site: str | None) -> Mapping[Permission, Reach]:
    """What a read key of the settings may do: all but administration; with one site, on that, and no erasing."""
    if site is None:
        return WITHOUT_KEYS
    return dict.fromkeys(WITHOUT_KEYS.keys() - {Permission.ERASE, Permission.OPERATE}, Reach.of(site))
