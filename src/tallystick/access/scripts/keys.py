"""Keys that are made and revoked while the server runs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tallystick.access.model import Actor, Key
from tallystick.access.scripts import audit
from tallystick.access.scripts.common import (
    Script,
    Step,
    bump,
    instant,
    json_text,
    only_site,
    require_sites,
    schema_version,
)
from tallystick.analysis.buckets import instant_of, micros
from tallystick.errors import InvalidRequest, NotFound

ONLY_WRITE_KEYS = "events_per_second, bytes_per_second: only write keys have a quota"


def add(key: Key, digest: bytes, actor: Actor) -> Script[None]:
    yield from bump()
    yield from require_sites(key.sites)
    yield Step(
        "insert_key",
        (
            key.id,
            digest.hex(),
            key.kind,
            key.name,
            json_text(key.sites),
            json_text(key.rights),
            json_text(key.origins),
            key.hint,
            micros(key.created_at),
            key.created_by,
        ),
    )
    yield from _save_quota(key)
    said = {"kind": key.kind, "name": key.name, "sites": key.sites, "rights": key.rights, "origins": key.origins}
    quota = {"events_per_second": key.events_per_second, "bytes_per_second": key.bytes_per_second}
    limited = {name: rate for name, rate in quota.items() if rate is not None}
    yield from audit.note(actor, "key.create", key.id, only_site(key.sites), said | limited)


def revoke(key_id: str, actor: Actor) -> Script[None]:
    yield from bump()
    key = yield from _valid(key_id)
    yield Step("revoke_key", (key_id, micros(datetime.now(UTC))))
    yield from audit.note(actor, "key.revoke", key_id, only_site(key.sites), {"name": key.name})


def set_quota(key_id: str, events: int | None, size: int | None, actor: Actor) -> Script[Key]:
    yield from bump()
    key = yield from _valid(key_id)
    if key.kind != "write":
        raise InvalidRequest(ONLY_WRITE_KEYS)
    changed = msgspec.structs.replace(key, events_per_second=events, bytes_per_second=size)
    yield from _save_quota(changed)
    said = {"events_per_second": events, "bytes_per_second": size}
    yield from audit.note(actor, "key.quota", key_id, only_site(key.sites), {"name": key.name, **said})
    return changed


def _save_quota(key: Key) -> Script[None]:
    yield Step("delete_key_quota", (key.id,))
    if key.events_per_second is not None or key.bytes_per_second is not None:
        yield Step("insert_key_quota", (key.id, key.events_per_second, key.bytes_per_second))


def _valid(key_id: str) -> Script[Key]:
    for key in (yield from by_digest()).values():
        if key.id == key_id and key.revoked_at is None:
            return key
    raise NotFound(f"there is no key {key_id!r} that is valid")


def touch(used: Mapping[str, datetime]) -> Script[None]:
    for key_id, at in used.items():
        yield Step("touch_key", (key_id, micros(at)))


def by_digest() -> Script[dict[bytes, Key]]:
    """All keys, the oldest first. Tables of schema 1 are read as they are: `prepare` changes them, before a change."""
    quotas = {}
    if (yield from schema_version()) >= 2:
        quotas = {row[0]: (row[1], row[2]) for row in (yield Step("key_quotas"))}
    return {bytes.fromhex(row[11]): _key_of(row, quotas.get(row[0], (None, None))) for row in (yield Step("keys"))}


def _key_of(row: Sequence[Any], quota: tuple[int | None, int | None]) -> Key:
    return Key(
        id=row[0],
        kind=row[1],
        name=row[2],
        sites=msgspec.json.decode(row[3]),
        rights=msgspec.json.decode(row[4]),
        origins=msgspec.json.decode(row[5]),
        hint=row[6],
        created_at=instant_of(row[7]),
        created_by=row[8],
        last_used_at=instant(row[9]),
        revoked_at=instant(row[10]),
        events_per_second=quota[0],
        bytes_per_second=quota[1],
    )


def new_key_id() -> str:
    """A random id that names a key."""
    return f"k{secrets.token_hex(6)}"
