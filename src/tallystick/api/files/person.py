"""Everything about one person as a ZIP file: events, dead letters, the ids and what joined them."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import IO

import msgspec

from tallystick.disk import DiskGuard
from tallystick.errors import Unavailable
from tallystick.model.identity import Link
from tallystick.model.query import EventsQuery
from tallystick.store.base import Store, StoredDeadLetter
from tallystick.store.erasure import letter_without
from tallystick.store.waiting import in_thread

MEDIA_TYPE = "application/zip"
PAGE = 1_000
"""Dead letters that are read at a time."""


async def write_person_file(store: Store, site_id: str, user_id: str, target: Path, disk: DiskGuard | None) -> None:
    """Write the file: `events.ndjson`, `dead_letters.ndjson` and `person.json`.

    Args:
        disk: the disk of `target`, if its reserve is to be kept.

    Raises:
        Unavailable: the disk is down to its reserve.
        StoreUnavailable, QueryTimeout: as the store raises them.
    """
    person, links = await store.person_links(site_id, user_id)
    ids = list(dict.fromkeys([user_id, person, *(link.user_id for link in links)]))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as file:
        with file.open("events.ndjson", "w", force_zip64=True) as events:
            query = EventsQuery(site_id=site_id, user_id=user_id, ascending=True, bots="include")
            async with aclosing(store.export(query)) as pieces:
                async for piece in pieces:
                    await _write(events, piece, disk)
        with file.open("dead_letters.ndjson", "w", force_zip64=True) as letters:
            async for found in _letters_of(store, site_id, ids):
                await _write(letters, found, disk)
        file.writestr("person.json", _person(site_id, person, ids, links))


async def _write(file: IO[bytes], piece: bytes, disk: DiskGuard | None) -> None:
    if disk is not None and disk.low():
        raise Unavailable("the disk is down to its reserve")
    await in_thread(file.write, piece)


async def _letters_of(store: Store, site_id: str, ids: Sequence[str]) -> AsyncIterator[bytes]:
    """The dead letters that have events of a person, as lines of JSON, a page at a time."""
    after = 0
    while page := await store.dead_letters(None, PAGE, after):
        after = page[-1].id
        yield b"".join(_line(stored) for stored in page if _is_of(stored, site_id, ids))


def _is_of(stored: StoredDeadLetter, site_id: str, ids: Sequence[str]) -> bool:
    letter = stored.letter
    return letter_without(letter.original, letter.index, letter.attempts, site_id, set(ids)) is not None


def _line(stored: StoredDeadLetter) -> bytes:
    letter = stored.letter
    row: dict[str, object] = {
        "code": letter.code,
        "reason": letter.reason,
        "dead_at": stored.dead_at,
        "state": stored.state,
        "original": letter.original.decode("utf-8", "backslashreplace"),
    }
    return msgspec.json.encode(row) + b"\n"


def _person(site_id: str, person: str, ids: Sequence[str], links: Sequence[Link]) -> bytes:
    row: dict[str, object] = {
        "site_id": site_id,
        "person_id": person,
        "ids": ids,
        "links": [
            {
                "user_id": link.user_id,
                "linked_to": link.linked_to,
                "linked_at": link.linked_at,
                "event_id": link.event_id,
            }
            for link in links
        ],
    }
    return msgspec.json.format(msgspec.json.encode(row), indent=2) + b"\n"
