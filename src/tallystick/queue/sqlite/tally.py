"""The tally: what the queue's file holds after a commit, as sums that any change of a row contradicts.

It is written in each commit into the file itself, and after the commit into the watermark beside it (`watermark`). The
first shows whether rows are missing or changed, the second whether commits are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from tallystick.model.books import Published, QueuedBlock

_PACKED = struct.Struct(">4s9q16sqq")
_CHECK = struct.Struct(">I")
_ROW = struct.Struct(">qqqqd")
_INGESTER = struct.Struct(">qq")
MAGIC = b"RNQ1"
SIZE = _PACKED.size + _CHECK.size
"""Bytes of an encoded tally."""
_MASK = 2**63 - 1


Columns = tuple[int, str, int, int, int, float]
"""Of a block's row, in the table's order: id, ingester, seq, events, size, enqueued_at."""


class Row(NamedTuple):
    """A block's row without its data, in the order of the table's columns."""

    id: int
    ingester: str
    seq: int
    events: int
    size: int
    enqueued_at: float


@lru_cache(1_024)
def _seed(ingester: str) -> int:
    return zlib.crc32(ingester.encode())


class Tally(NamedTuple):
    """Sums over the rows of one moment.

    Attributes:
        commits: how many commits the file has had.
        last_id: the highest id a block has ever had.
        blocks, events, size: what waits; `size` in bytes.
        blocks_check: sum of a checksum of each waiting row, which changes with any bit of it.
        published_blocks, published_events: sums of `ingesters`.
        ingesters_check: sum of the checks of its rows.
        ingester, next_seq, ingester_events: its row that the last publish changed.
    """

    commits: int = 0
    last_id: int = 0
    blocks: int = 0
    events: int = 0
    size: int = 0
    blocks_check: int = 0
    published_blocks: int = 0
    published_events: int = 0
    ingesters_check: int = 0
    ingester: str = ""
    next_seq: int = 0
    ingester_events: int = 0

    def encode(self) -> bytes:
        """Its bytes, with a checksum at the end."""
        *sums, ingester, next_seq, events = self
        packed = _PACKED.pack(MAGIC, *sums, str(ingester).encode()[:16], next_seq, events)
        return packed + _CHECK.pack(zlib.crc32(packed))

    def with_blocks(self, rows: Iterable[Columns]) -> Tally:
        """After these blocks were added."""
        return self._add(rows, 1)

    def without_blocks(self, rows: Iterable[Row]) -> Tally:
        """After these blocks were acknowledged."""
        return self._add(rows, -1)

    def _add(self, rows: Iterable[Columns], sign: int) -> Tally:
        last_id = self.last_id
        blocks = events = size = check = 0
        pack, crc32 = _ROW.pack, zlib.crc32
        for id_, ingester, seq, count, bytes_, enqueued_at in rows:
            last_id = max(last_id, id_)
            blocks += 1
            events += count
            size += bytes_
            check += crc32(pack(id_, seq, count, bytes_, enqueued_at), _seed(ingester))
        return self._replace(
            last_id=last_id,
            blocks=self.blocks + sign * blocks,
            events=self.events + sign * events,
            size=self.size + sign * size,
            blocks_check=(self.blocks_check + sign * check) & _MASK,
        )

    def with_ingester(self, ingester: str, before: Published | None, after: Published) -> Tally:
        """After an ingester's row changed."""
        old = before or Published(0, 0)
        check = self.ingesters_check + ingester_check(ingester, after)
        check -= ingester_check(ingester, before) if before else 0
        return self._replace(
            published_blocks=self.published_blocks + after.next_seq - old.next_seq,
            published_events=self.published_events + after.events - old.events,
            ingesters_check=check & _MASK,
            ingester=ingester,
            next_seq=after.next_seq,
            ingester_events=after.events,
        )


def decode(data: bytes) -> Tally | None:
    """The tally of `encode`'s bytes; None when they are damaged."""
    if len(data) != SIZE or data[:4] != MAGIC:
        return None
    if zlib.crc32(data[: _PACKED.size]) != _CHECK.unpack_from(data, _PACKED.size)[0]:
        return None
    _, *numbers, ingester, next_seq, events = _PACKED.unpack_from(data)
    named = Tally(ingester=ingester.rstrip(b"\0").decode("ascii", "replace"), next_seq=next_seq, ingester_events=events)
    return named._replace(**dict(zip(Tally._fields, numbers, strict=False)))


def ingester_check(ingester: str, published: Published) -> int:
    """A number that changes with any bit of an ingester's row."""
    return zlib.crc32(ingester.encode(), zlib.crc32(_INGESTER.pack(published.next_seq, published.events)))


def contradiction(sealed: bytes, published: Mapping[str, Published], queued: Sequence[QueuedBlock]) -> str | None:
    """The contradiction between the rows and the tally that was written with them, as a sentence; None: they agree."""
    written = decode(sealed)
    if written is None:
        return "the queue's file is damaged: the sums of its rows are not what was written"
    events = sum(block.count for block in queued)
    if (len(queued), events) != (written.blocks, written.events):
        return (
            f"the queue's file is damaged: {written.events} events in {written.blocks} blocks wait in it, and {events} "
            f"in {len(queued)} can be read"
        )
    if sum(ingester_check(name, row) for name, row in published.items()) & _MASK != written.ingesters_check:
        return "the queue's file is damaged: the row of an ingester is not what was written"
    return None


def tally_of(rows: Iterable[Columns], published: Mapping[str, Published], like: Tally) -> Tally:
    """The tally of these rows. What rows do not hold (commits, the last publish) is taken from `like`."""
    fresh = Tally().with_blocks(rows)
    for ingester, row in published.items():
        fresh = fresh.with_ingester(ingester, None, row)
    return fresh._replace(
        commits=like.commits,
        last_id=max(fresh.last_id, like.last_id),
        ingester=like.ingester,
        next_seq=like.next_seq,
        ingester_events=like.ingester_events,
    )
