"""Keys and accounts that were made while the server runs: their secret, and what nobody uses any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TypeAlias

from tallystick.access.scripts.state import Snapshot
from tallystick.access.secret import FILE, find_secret
from tallystick.config import Settings
from tallystick.errors import ConfigError, TallystickError
from tallystick.keys import EVERY_SITE
from tallystick.model.status import Finding

Held: TypeAlias = Snapshot | TallystickError | None
"""What is kept; why it cannot be read; None: there can be none, or none was ever made."""
UNUSED = timedelta(days=180)
"""Nobody misses a key or an account that was not used for so long."""
SHOWN = 3
"""Keys and accounts that a message names."""


def checks(settings: Settings, held: Held, now: datetime) -> list[Finding]:
    """All checks of keys and accounts."""
    if isinstance(held, TallystickError):
        do = "see the message: until then no key and no login but those that are known already are accepted"
        return [Finding(check="accounts", level="fail", message=held.whole, do=do)]
    if held is None or not (held.keys or held.users):
        message = "no keys and accounts were made while the server runs"
        return [Finding(check="accounts", level="ok", message=message)]
    if problems := [*_secret(settings, held), *_keys(held, now), *_users(held, now)]:
        return problems
    valid = sum(key.revoked_at is None for key in held.keys.values())
    message = f"{valid} keys and {len(held.users)} accounts, each used in the last {UNUSED.days} days"
    return [Finding(check="accounts", level="ok", message=message)]


def _secret(settings: Settings, held: Snapshot) -> Iterator[Finding]:
    try:
        secret = find_secret(settings)
    except ConfigError as error:
        yield Finding(check="accounts", level="fail", message=error.message, do="restore it from a backup")
        return
    if secret is None or secret.proof != held.proof:
        message = "the secret of keys and accounts is not the one that made them: no key, link or login is valid"
        do = f"set the TALLYSTICK_ACCESS_SECRET with which they were made, or restore {settings.data / FILE}"
        yield Finding(check="accounts", level="fail", message=message, do=do)


def _keys(held: Snapshot, now: datetime) -> Iterator[Finding]:
    valid = [key for key in held.keys.values() if key.revoked_at is None]
    if everywhere := [key.id for key in valid if key.kind == "write" and EVERY_SITE in key.sites]:
        message = f"a write key may write into every site: {_named(everywhere)}"
        do = "make a write key for each site, and `tallystick keys revoke` it, unless only servers have it"
        yield Finding(check="accounts", level="warn", message=message, do=do)
    if unused := [key.id for key in valid if now - (key.last_used_at or key.created_at) > UNUSED]:
        message = f"keys that were not used for {UNUSED.days} days: {_named(unused)}"
        yield Finding(check="accounts", level="warn", message=message, do="`tallystick keys revoke` those not needed")


def _users(held: Snapshot, now: datetime) -> Iterator[Finding]:
    users = held.users.values()
    if users and not any(user.admin for user in users):
        do = "`tallystick users add E-MAIL --admin`: until then only commands manage sites and accounts"
        yield Finding(check="accounts", level="warn", message="no account is an administrator's", do=do)
    if unused := [user.email for user in users if now - (user.last_login_at or user.created_at) > UNUSED]:
        message = f"accounts without a login for {UNUSED.days} days: {_named(unused)}"
        yield Finding(check="accounts", level="warn", message=message, do="`tallystick users remove` those not needed")


def _named(found: Iterable[str]) -> str:
    names = sorted(found)
    shown = ", ".join(names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
