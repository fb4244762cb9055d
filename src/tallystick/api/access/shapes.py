"""JSON of logins and of the administration of sites, keys and accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tallystick.access import model
from tallystick.access.fields import RATE_MAX
from tallystick.access.model import CallerKind, InvitationKind, KeyKind, KeyRight, Permission, Role
from tallystick.keys import SITE_MAX

PASSWORD_SENT_MAX = 1_000
"""Most characters of a password that a request may have; longer ones need no look."""


class SiteRole(BaseModel):
    """A role on a site."""

    model_config = ConfigDict(extra="forbid")

    site_id: str = Field(min_length=1, max_length=SITE_MAX)
    role: Role

    def stored(self) -> model.SiteRole:
        return model.SiteRole(self.site_id, self.role)


class Account(BaseModel):
    """An account. An owner sees its roles on the owner's sites only."""

    id: str
    email: str
    name: str
    admin: bool
    roles: list[SiteRole]
    created_at: datetime
    last_login_at: datetime | None
    password: bool = Field(description="It has a password.")
    single_sign_on: bool = Field(description="A person of an OpenID provider has logged in with it.")

    @classmethod
    def of(cls, user: model.User, seen: model.Reach = model.EVERYWHERE) -> Account:
        """`seen`: the sites whose roles are shown."""
        return cls(
            id=user.id,
            email=user.email,
            name=user.name,
            admin=user.admin,
            roles=[SiteRole(site_id=held.site_id, role=held.role) for held in user.roles if held.site_id in seen],
            created_at=user.created_at,
            last_login_at=user.last_login_at,
            password=user.password,
            single_sign_on=user.single_sign_on,
        )


class AccountList(BaseModel):
    """Accounts, by e-mail address."""

    users: list[Account]


class May(BaseModel):
    """On which sites a caller has which permission; `*`: on every site."""

    read: list[str]
    edit: list[str]
    sql: list[str]
    export: list[str]
    erase: list[str]
    own: list[str] = Field(description="May manage keys, invitations and roles.")
    operate: bool
    admin: bool

    @classmethod
    def of(cls, caller: model.Caller) -> May:
        reach = {permission: caller.reach(permission).sites() for permission in Permission}
        return cls(
            read=reach[Permission.READ],
            edit=reach[Permission.EDIT],
            sql=reach[Permission.SQL],
            export=reach[Permission.EXPORT],
            erase=reach[Permission.ERASE],
            own=reach[Permission.OWN],
            operate=caller.may(Permission.OPERATE),
            admin=caller.may(Permission.ADMIN),
        )


class OidcProvider(BaseModel):
    """An OpenID provider with which persons log in."""

    name: str
    url: str = Field(description="Where a browser begins; `?next=/ui/…` names the page that is shown afterwards.")


class Session(BaseModel):
    """Who asks, and what that caller may do."""

    accounts: bool = Field(description="There is at least one account.")
    setup: bool = Field(description="There is none, and the link that makes the first one is waiting.")
    open: bool = Field(description="Reading needs neither a key nor a login here.")
    available: bool = Field(description="The server can have accounts.")
    why: str | None = Field(description="Why it cannot.")
    oidc: OidcProvider | None
    passwords: bool = Field(description="The server takes passwords.")
    user: Account | None
    caller: CallerKind
    may: May
    csrf_token: str | None = Field(description="To be sent as X-CSRF-Token with what changes something.")
    expires_at: datetime | None


class LogIn(BaseModel):
    """An e-mail address and its password."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(max_length=PASSWORD_SENT_MAX)
    password: str = Field(max_length=PASSWORD_SENT_MAX)


class NewPassword(BaseModel):
    """A change of one's own password."""

    model_config = ConfigDict(extra="forbid")

    current_password: str = Field(max_length=PASSWORD_SENT_MAX)
    new_password: str = Field(max_length=PASSWORD_SENT_MAX)


class BrowserSession(BaseModel):
    """A login of the account."""

    id: str
    created_at: datetime
    last_used_at: datetime
    address: str
    user_agent: str
    current: bool


class BrowserSessionList(BaseModel):
    """The logins of the account, the oldest first."""

    sessions: list[BrowserSession]


class Token(BaseModel):
    """The token of a link, the part after its #."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(max_length=100)


class Accept(Token):
    """A link, and what the new account is to have."""

    email: str = Field("", max_length=PASSWORD_SENT_MAX, description="Only where the link has none (first_admin).")
    name: str = Field("", max_length=PASSWORD_SENT_MAX)
    password: str = Field(max_length=PASSWORD_SENT_MAX)


class LinkShown(BaseModel):
    """What a link is for."""

    kind: InvitationKind
    email: str | None
    name: str | None
    admin: bool
    roles: list[SiteRole]
    expires_at: datetime


class AccessSite(BaseModel):
    """A site that keys and roles may name."""

    site_id: str
    name: str
    created_at: datetime


class AccessSiteList(BaseModel):
    """Sites, by id."""

    sites: list[AccessSite]


class NewSite(BaseModel):
    """A site to make known."""

    model_config = ConfigDict(extra="forbid")

    site_id: str = Field(min_length=1, max_length=SITE_MAX)
    name: str = Field("", max_length=1_000)


class AccessKey(BaseModel):
    """A key that was made while the server ran, without the key itself."""

    id: str
    kind: KeyKind
    name: str
    sites: list[str]
    rights: list[KeyRight]
    origins: list[str]
    hint: str
    created_at: datetime
    created_by: str
    last_used_at: datetime | None
    revoked_at: datetime | None
    events_per_second: int | None = Field(description="Its own quota; 0: none; null: what the settings say.")
    bytes_per_second: int | None = Field(description="The same in bytes of events as they are queued.")

    @classmethod
    def fields_of(cls, key: model.Key) -> dict[str, Any]:
        return {name: getattr(key, name) for name in cls.model_fields}


class NewAccessKey(AccessKey):
    """A new key, shown this once."""

    key: str


class AccessKeyList(BaseModel):
    """Keys, the oldest first, revoked ones included."""

    keys: list[AccessKey]


class KeyFields(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    kind: KeyKind
    name: str = Field("", max_length=1_000)
    sites: list[str] = Field([], max_length=1_000, description="Site ids; `*`: every site. Not for admin keys.")
    rights: list[KeyRight] = Field([], max_length=10, description="Of a read key, beside reading.")
    origins: list[str] = Field([], max_length=1_000, description="Of a write key: web origins that alone may use it.")
    events_per_second: int | None = Field(
        None,
        ge=0,
        le=RATE_MAX,
        description="Of a write key: events a second that may be sent with it, instead of "
        "`TALLYSTICK_QUOTA_KEY_EVENTS`; 0: any number.",
    )
    bytes_per_second: int | None = Field(
        None, ge=0, le=RATE_MAX, description="The same in bytes, instead of `TALLYSTICK_QUOTA_KEY_BYTES`."
    )


class QuotaChange(BaseModel):
    """What a write key may send from now on. A field that is absent stays as it is; null: what the settings say."""

    model_config = ConfigDict(extra="forbid")

    events_per_second: int | None = Field(None, ge=0, le=RATE_MAX)
    bytes_per_second: int | None = Field(None, ge=0, le=RATE_MAX)


class RoleChange(BaseModel):
    """A role to give on a site; null: to take."""

    model_config = ConfigDict(extra="forbid")

    site_id: str = Field(min_length=1, max_length=SITE_MAX)
    role: Role | None


class AdminChange(BaseModel):
    """Whether an account is an administrator's."""

    model_config = ConfigDict(extra="forbid")

    admin: bool


class Invitation(BaseModel):
    """An invitation that is neither used nor expired."""

    id: str
    kind: Literal["invitation", "first_admin", "password_reset"]
    email: str | None
    admin: bool
    roles: list[SiteRole]
    created_at: datetime
    created_by: str
    expires_at: datetime

    @classmethod
    def fields_of(cls, found: model.Invitation) -> dict[str, Any]:
        roles = [SiteRole(site_id=held.site_id, role=held.role) for held in found.roles]
        return {**{name: getattr(found, name) for name in Invitation.model_fields if name != "roles"}, "roles": roles}


class NewInvitation(Invitation):
    """A new invitation with its link, shown this once."""

    url: str


class InvitationList(BaseModel):
    """Invitations, the oldest first."""

    invitations: list[Invitation]


class InvitationFields(BaseModel):
    """Whom to invite, and to what."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(max_length=1_000)
    admin: bool = False
    roles: list[SiteRole] = Field([], max_length=100)


class AuditEntry(BaseModel):
    """An administrative act."""

    id: str
    at: datetime
    actor: str
    action: str
    subject: str
    site_id: str | None
    address: str | None
    details: dict[str, Any]


class AuditList(BaseModel):
    """Entries of the audit log, the newest first."""

    entries: list[AuditEntry]
    next_before: str | None
