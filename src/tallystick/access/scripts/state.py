"""The state of the tables, and everything that processes keep in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tallystick.access.model import Key, Site, User
from tallystick.access.scripts import accounts, keys
from tallystick.access.scripts.common import Script, Step
from tallystick.analysis.buckets import instant_of
from tallystick.errors import ConfigError

SCHEMA_VERSION = 2
"""1 had no `key_quotas`, `identities` and `sign_ons`."""


class Snapshot(NamedTuple):
    """What processes keep in memory: everything but passwords, sessions, invitations and the audit log.

    Attributes:
        keys: by digest, revoked ones included.
    """

    version: int
    proof: str
    sites: Sequence[Site]
    keys: Mapping[bytes, Key]
    users: Mapping[str, User]


def prepare(proof: str) -> Script[None]:
    yield Step("insert_state", (SCHEMA_VERSION, proof))
    found = yield from state()
    if found[0] > SCHEMA_VERSION:
        raise ConfigError("a newer Tallystick made the tables of keys and accounts: upgrade this one")
    if found[2] != proof:
        raise ConfigError(
            "another secret made the keys and accounts that are stored: set the TALLYSTICK_ACCESS_SECRET with which "
            "they were made, or restore access.secret in the data folder"
        )
    yield Step("set_schema_version", (SCHEMA_VERSION,))


def renew() -> Script[None]:
    """Note that the tables that this version adds are there."""
    yield Step("set_schema_version", (SCHEMA_VERSION,))


def state() -> Script[tuple[int, int, str]]:
    rows = yield Step("state")
    if not rows:
        return SCHEMA_VERSION, 0, ""
    return int(rows[0][0]), int(rows[0][1]), str(rows[0][2])


def snapshot() -> Script[Snapshot]:
    _, version, proof = yield from state()
    site_rows = yield Step("sites")
    made = yield from keys.by_digest()
    users = yield from accounts.users()
    return Snapshot(
        version,
        proof,
        [Site(row[0], row[1], instant_of(row[2])) for row in site_rows],
        made,
        {user.id: user for user in users},
    )
