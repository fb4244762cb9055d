"""Erased persons: the tombstones that keep their events from coming back, and what an erasure takes from dead letters.

A tombstone has a keyed hash of a user id and of its site, never the id. The key is random, made at a store's first
erasure, and kept in the store: who has a dump of the tombstones alone learns no id, and cannot try any out.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from tallystick.analysis.buckets import micros
from tallystick.model.block import split_lines
from tallystick.model.event import DEFAULT_SITE

KEY_BYTES = 32
REMEMBERED = 200_000
"""Users of whom it is remembered whether they have a tombstone."""
ERASED = "erased"
"""State and code of a dead letter whose event was of an erased person."""
REASON = "the person was erased"
PART_REASON = "events of an erased person were taken out; the reason is not kept"
USER_FIELDS = ("user_id", "userId", "distinct_id", "distinctId", "actor_id", "actorId")
"""Fields in which the write APIs carry a user id, at the top of an event or among its properties."""


class PersonFound(msgspec.Struct, frozen=True):
    """What a store has of a person: what an erasure removes.

    Attributes:
        ids: how many ids are this person, the given one included.
        sessions: sessions (by `session_id`) that have events of the person.
        dead_letters: dead letters that have an event of the person.
        first, last: the earliest and the latest event time, UTC; None: there is no event.
    """

    ids: int
    events: int
    sessions: int
    dead_letters: int
    first: datetime | None = None
    last: datetime | None = None


class Erasure(msgspec.Struct, frozen=True):
    """The receipt of an erasure.

    Attributes:
        digest: keyed hash of the id that was given.
        erased_at: events that were received until then are not stored again, UTC.
        until: nor are those that happened until then. Later than `erased_at` if an event's time was ahead.
        blocked: no event of the person is stored any more, whatever its time.
    """

    id: str
    site_id: str
    digest: str
    erased_at: datetime
    until: datetime
    blocked: bool
    found: PersonFound


class Tombstone(NamedTuple):
    """An erased id. Instants are microseconds since 1970."""

    site_id: str
    digest: str
    erased_at: int
    until: int
    blocked: bool


class ErasedLine(NamedTuple):
    """A line of a block that is not stored, because it is an erased person's."""

    line: int
    event_id: str
    site_id: str
    timestamp: str


class _Line(msgspec.Struct, gc=False):
    """What decides whether a canonical line is an erased person's. Times stay texts: few of them are read."""

    event_id: str = ""
    timestamp: str = ""
    received_at: str = ""
    site_id: str = DEFAULT_SITE
    user_id: str | None = None


_decoder = msgspec.json.Decoder(_Line)
_UNREADABLE = _Line()


def new_key() -> str:
    """A fresh key for hashes of ids, as hexadecimal digits."""
    return secrets.token_hex(KEY_BYTES)


def digest_of(key: str, site_id: str, user_id: str) -> str:
    """The keyed hash of an id: 32 hexadecimal digits."""
    text = f"{site_id}\0{user_id}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, key=bytes.fromhex(key), digest_size=16).hexdigest()


class Tombstones:
    """The tombstones of a store.

    Attributes:
        version: changes with every erasure, so that a writer notices one.
    """

    def __init__(self, keys: Sequence[str], rows: Iterable[Tombstone], version: int) -> None:
        """`keys`: all keys that the store's hashes were made with; normally one."""
        self.version = version
        self._keys = keys
        self._of_site: dict[str, dict[str, Tombstone]] = {}
        for row in rows:
            of_site = self._of_site.setdefault(row.site_id, {})
            known = of_site.get(row.digest, row)
            of_site[row.digest] = row._replace(
                erased_at=max(row.erased_at, known.erased_at),
                until=max(row.until, known.until),
                blocked=row.blocked or known.blocked,
            )
        self._found: dict[tuple[str, str], Tombstone | None] = {}

    def __bool__(self) -> bool:
        return bool(self._of_site)

    @property
    def sites(self) -> list[str]:
        """The sites that have tombstones."""
        return sorted(self._of_site)

    def of(self, site_id: str, user_id: str) -> Tombstone | None:
        """The tombstone of an id; None: it was not erased."""
        of_site = self._of_site.get(site_id)
        if of_site is None:
            return None
        id_ = (site_id, user_id)
        if id_ not in self._found:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            digests = (digest_of(key, site_id, user_id) for key in self._keys)
            self._found[id_] = next((of_site[digest] for digest in digests if digest in of_site), None)
        return self._found[id_]

    def refuses(self, site_id: str, user_id: str, timestamp: int, received_at: int) -> bool:
        """Whether an event is not to be stored. Times are microseconds since 1970."""
        stone = self.of(site_id, user_id)
        return stone is not None and (stone.blocked or timestamp <= stone.until or received_at <= stone.erased_at)

    def erased_lines(self, lines: bytes) -> list[ErasedLine]:
        """The lines that are not to be stored. Lines that are no events are left to the store, which rejects them."""
        if not self:
            return []
        try:
            found = _decoder.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = [_readable(line) for line in split_lines(lines)]
        return [
            ErasedLine(index, line.event_id, line.site_id, line.timestamp)
            for index, line in enumerate(found)
            if line.user_id is not None and self.of(line.site_id, line.user_id) is not None and self._refuses_line(line)
        ]

    def _refuses_line(self, line: _Line) -> bool:
        assert line.user_id is not None
        return self.refuses(line.site_id, line.user_id, _instant(line.timestamp), _instant(line.received_at))

    def refuses_letter(self, original: bytes, as_sent: bool) -> bool:
        """Whether the event of a dead letter on its way into the store is an erased person's.

        Args:
            as_sent: it is no canonical line: what it says of its site and of its times is not known.
        """
        if not self:
            return False
        if not as_sent:
            return bool(self.erased_lines(original.rstrip(b"\n") + b"\n"))
        given, users = _event_of(original)
        sites = [given] if given is not None else self.sites
        return any(self.of(site, user) is not None for site in sites for user in users)

    def persons_with_events(self, rows: Iterable[tuple[str, str, int, int]]) -> int:
        """How many users have events that are not to be stored.

        Args:
            rows: site, user id, and the earliest `timestamp` and `received_at`, microseconds since 1970.
        """
        return sum(self.refuses(*row) for row in rows)


NONE = Tombstones((), (), 0)
"""No person was erased."""


def _readable(line: bytes) -> _Line:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _UNREADABLE


def _instant(text: str) -> int:
    """Microseconds since 1970; 0, which is before any erasure, for a time that cannot be read."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _event_of(original: bytes) -> tuple[str | None, set[str]]:
    """The site (None: it names none) and the user ids in an event's bytes."""
    try:
        event: Any = msgspec.json.decode(original)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, set()
    if not isinstance(event, dict):
        return None, set()
    site = event.get("site_id")
    inner = event.get("properties")
    places = [event, *([inner] if isinstance(inner, dict) else [])]
    users = {str(place[field]) for place in places for field in USER_FIELDS if isinstance(place.get(field), str | int)}
    return site if isinstance(site, str) else None, users


def letter_without(original: bytes, index: int, attempts: int, site_id: str, users: Collection[str]) -> bytes | None:
    """What is left of a dead letter's bytes once a person's events are taken out; None: it has none of them.

    Args:
        index, attempts: as in `DeadLetter`.
        users: all ids of the person.
    """
    if index >= 0:
        # What was refused on arrival is kept as it was sent, and need not name its site.
        return b"" if _is_of(original, site_id, users, as_sent=attempts == 0) else None
    lines = original.split(b"\n")
    left = [line for line in lines if not (line and _is_of(line, site_id, users, as_sent=False))]
    return b"\n".join(left) if len(left) < len(lines) else None


def _is_of(original: bytes, site_id: str, users: Collection[str], *, as_sent: bool) -> bool:
    site, found = _event_of(original)
    if site is None:
        site = site_id if as_sent else DEFAULT_SITE
    return site == site_id and not found.isdisjoint(users)


class LetterChange(NamedTuple):
    """A dead letter without the events of an erased person."""

    id: int
    original: bytes
    code: str
    reason: str
    state: str


def changed_letters(
    letters: Iterable[tuple[int, int, bytes, str, int, str]], site_id: str, users: Collection[str]
) -> list[LetterChange]:
    """The dead letters that lose events of a person, as they are then.

    Args:
        letters: id, index, original, code, attempts and state of each.
    """
    changes = []
    for id_, index, original, code, attempts, state in letters:
        left = letter_without(original, index, attempts, site_id, users)
        if left is None:
            continue
        whole = index >= 0
        changes.append(
            LetterChange(
                id_, left, ERASED if whole else code, REASON if whole else PART_REASON, ERASED if whole else state
            )
        )
    return changes
