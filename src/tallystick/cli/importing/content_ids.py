"""Ids that follow from what an event says, so that an event of two overlapping exports counts once."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID, uuid5

import msgspec

NAMESPACE = UUID("0f4b8f6e-54a5-4c0e-9d5c-7b7a7c4f5a21")
"""Namespace of the ids that are derived from content."""

_canonical = msgspec.json.Encoder(decimal_format="number", order="deterministic")


def id_of(*parts: str | None) -> str:
    """The UUIDv5 of texts, as text."""
    return str(uuid5(NAMESPACE, msgspec.json.encode(parts).decode()))


def content_id(event: object, ordinal: int) -> str:
    """The id of an event's fields, whatever the order of its properties.

    Args:
        event: the fields, as JSON values; every number keeps its digits (`Decimal`).
        ordinal: 1 for the first event of the file with these fields, 2 for the second one, and so on.
    """
    text = _canonical.encode(event).decode()
    return str(uuid5(NAMESPACE, text if ordinal == 1 else f"{text}\n{ordinal}"))


class Ordinals:
    """Counts how often each event occurs in a file.

    Two exports that overlap both number equal events 1, 2, …, so that each counts as often as the export says that has
    most of them. The events are kept as 64-bit hashes in one array: 12 to 24 bytes for each, instead of the 100 of a
    set. Two different events with the same hash (one in 10^5 files of 10 million rows) only change the ordinal of one.
    """

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))
        self._used = 0
        self._repeats: dict[int, int] = {}

    def next(self, digest: int) -> int:
        """How many events with this 64-bit hash there were, this one included."""
        digest = digest or 1
        if not self._insert(digest):
            count = self._repeats.get(digest, 1) + 1
            self._repeats[digest] = count
            return count
        self._used += 1
        if 3 * self._used > 2 * len(self._slots):
            self._grow()
        return 1

    def _insert(self, digest: int) -> bool:
        slots = self._slots
        mask = len(slots) - 1
        index = digest & mask
        while (found := slots[index]) != 0:
            if found == digest:
                return False
            index = (index + 1) & mask
        slots[index] = digest
        return True

    def _grow(self) -> None:
        old = self._slots
        self._slots = array("Q", bytes(16 * len(old)))
        for digest in old:
            if digest:
                self._insert(digest)


class ContentIds:
    """Makes the ids of a file's events from their content, in the file's order."""

    def __init__(self) -> None:
        self._ordinals = Ordinals()

    def of(self, event: Mapping[str, object]) -> str:
        """The id of the file's next event, given what it says: its fields without `event_id`, or its row."""
        first = uuid5(NAMESPACE, _canonical.encode(event).decode())
        ordinal = self._ordinals.next(first.int & 0xFFFF_FFFF_FFFF_FFFF)
        return str(first) if ordinal == 1 else content_id(event, ordinal)


def exact(text: bytes) -> dict[str, object]:
    """The members of a JSON object; numbers keep their digits. Raises msgspec.DecodeError."""
    return _decoder.decode(text)


_decoder = msgspec.json.Decoder(dict[str, object], float_hook=Decimal)
