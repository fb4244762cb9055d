"""Accounts, their passwords and their roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick.access.model import Actor, Role, SiteRole, User
from tallystick.access.scripts import audit
from tallystick.access.scripts.common import Script, Step, bump, instant, require_sites, schema_version
from tallystick.analysis.buckets import instant_of, micros
from tallystick.errors import Conflict, NotFound


def users() -> Script[list[User]]:
    held: dict[str, list[SiteRole]] = {}
    for user_id, site_id, role in (yield Step("roles")):
        held.setdefault(user_id, []).append(SiteRole(site_id, Role(role)))
    statement = "users" if (yield from schema_version()) >= 2 else "users_of_first_schema"
    return [_user_of(row, held.get(row[0], [])) for row in (yield Step(statement))]


def user_of_id(user_id: str) -> Script[User]:
    rows = yield Step("user", (user_id,))
    if not rows:
        raise NotFound(f"there is no account {user_id!r}")
    roles = yield Step("roles_of", (user_id,))
    return _user_of(rows[0], [SiteRole(row[1], Role(row[2])) for row in roles])


def _user_of(row: Sequence[Any], roles: list[SiteRole]) -> User:
    admin, password, single_sign_on = (bool(row[index]) for index in (3, 6, 7))
    return User(row[0], row[1], row[2], admin, roles, instant_of(row[4]), instant(row[5]), password, single_sign_on)


def add(user: User, password: str, actor: Actor) -> Script[None]:
    yield from bump()
    if (yield Step("user_with_password", (user.email,))):
        raise Conflict(f"{user.email} has an account already")
    yield from require_sites(held.site_id for held in user.roles)
    made = (user.id, user.email, user.name, password, int(user.admin), micros(user.created_at))
    yield Step("insert_user", made)
    for held in user.roles:
        yield Step("insert_role", (user.id, held.site_id, held.role.value))
    said = {"admin": user.admin, "roles": {held.site_id: held.role.value for held in user.roles}}
    yield from audit.note(actor, "user.add", user.email, None, said)


def _keep_an_admin(user: User) -> Script[None]:
    if user.admin and (yield Step("count_admins"))[0][0] <= 1:
        raise Conflict("this is the last administrator: make another one first")


def remove(user_id: str, actor: Actor) -> Script[None]:
    yield from bump()
    user = yield from user_of_id(user_id)
    yield from _keep_an_admin(user)
    yield Step("delete_user", (user_id,))
    yield Step("delete_roles_of_user", (user_id,))
    yield Step("delete_sessions_of", (user_id, ""))
    yield Step("delete_invitations_of_user", (user_id,))
    yield Step("delete_identities_of_user", (user_id,))
    yield from audit.note(actor, "user.remove", user.email)


def set_role(user_id: str, site_id: str, role: Role | None, actor: Actor) -> Script[User]:
    yield from bump()
    user = yield from user_of_id(user_id)
    yield from require_sites([site_id])
    yield Step("delete_role", (user_id, site_id))
    if role is not None:
        yield Step("insert_role", (user_id, site_id, role.value))
    said = {"role": None if role is None else role.value}
    yield from audit.note(actor, "user.role", user.email, site_id, said)
    return (yield from user_of_id(user_id))


def set_admin(user_id: str, admin: bool, actor: Actor) -> Script[User]:
    yield from bump()
    user = yield from user_of_id(user_id)
    if not admin:
        yield from _keep_an_admin(user)
    yield Step("set_admin", (user_id, int(admin)))
    yield from audit.note(actor, "user.admin", user.email, None, {"admin": admin})
    return (yield from user_of_id(user_id))


def password_of_email(email: str) -> Script[tuple[str, str] | None]:
    rows = yield Step("user_with_password", (email,))
    return (rows[0][0], rows[0][1]) if rows else None


def password_of(user_id: str) -> Script[str]:
    rows = yield Step("password", (user_id,))
    if not rows:
        raise NotFound(f"there is no account {user_id!r}")
    return str(rows[0][0])


def set_password(user_id: str, password: str, keep_session: str, actor: Actor | None) -> Script[None]:
    user = yield from user_of_id(user_id)
    yield Step("set_password", (user_id, password))
    if actor is not None:
        yield Step("delete_sessions_of", (user_id, keep_session))
        yield Step("delete_invitations_of_user", (user_id,))
        yield from audit.note(actor, "user.password", user.email)
