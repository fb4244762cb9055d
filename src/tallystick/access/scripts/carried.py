"""Everything that a backup and a move carry: all but logins and attempts to log in, which end with the old place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tallystick.access.scripts.common import Script, Step, bump
from tallystick.access.scripts.state import state
from tallystick.errors import Conflict

TABLES = ("sites", "keys", "key_quotas", "users", "roles", "invitations", "identities", "audit")
SINCE_VERSION = {"key_quotas": 2, "identities": 2}
"""Tables that an older schema lacks."""


class AccessData(NamedTuple):
    """The rows of each table.

    Attributes:
        proof: `Secret.proof` of the secret that made the digests among them.
    """

    proof: str
    tables: Mapping[str, Sequence[Sequence[Any]]]

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each table."""
        return {table: len(rows) for table, rows in self.tables.items()}

    def same_as(self, other: AccessData) -> bool:
        """Whether both have the same rows. Databases order texts differently."""
        return self.proof == other.proof and _unordered(self) == _unordered(other)


def _unordered(data: AccessData) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted((tuple(row) for row in rows), key=repr) for table, rows in data.tables.items()}


def read() -> Script[AccessData]:
    schema, _, proof = yield from state()
    tables: dict[str, Sequence[Sequence[Any]]] = {}
    for table in TABLES:
        absent = schema < SINCE_VERSION.get(table, 1)
        tables[table] = [] if absent else (yield Step(f"carry_{table}"))
    return AccessData(proof, tables)


def write(data: AccessData) -> Script[None]:
    yield from bump()
    there = yield from read()
    if there.same_as(data):
        return
    if any(there.counts.values()):
        raise Conflict("there are other sites, keys and accounts already: nothing was changed")
    for table, rows in data.tables.items():
        for row in rows:
            yield Step(f"place_{table}", tuple(row))
