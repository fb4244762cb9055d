"""What is acknowledged of a partition, and how a commit says it. No I/O.

Kafka keeps one offset for a partition: everything before it is done. Blocks are acknowledged in another order than they
lie in the log, so a commit's metadata names what is done behind that offset too, and how much was acknowledged ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

METADATA_LIMIT = 3_900
"""Most characters of a commit's metadata; a broker refuses more than `offset.metadata.max.bytes`, 4096 by default."""
FORMAT = "1"


class Progress(msgspec.Struct, frozen=True):
    """What is acknowledged of a partition.

    Attributes:
        next: everything before this offset is.
        events, bytes: how much was acknowledged ever.
        ranges: the first and the last offset of what is acknowledged after `next`, ascending.
    """

    next: int
    events: int = 0
    bytes: int = 0
    ranges: Sequence[tuple[int, int]] = ()

    def text(self) -> str | None:
        """The commit's metadata; None: there are too many ranges for it."""
        words = [FORMAT, f"{self.events:x}", f"{self.bytes:x}"]
        before = self.next
        for first, last in self.ranges:
            words.append(f"{first - before:x}.{last - first:x}")
            before = last
        text = " ".join(words)
        return text if len(text) <= METADATA_LIMIT else None

    def waiting(self, low: int, end: int) -> list[tuple[int, int]]:
        """What is not acknowledged between the log's first offset and its end: each the first offset and the one after
        the last.
        """
        found, start = [], max(self.next, low)
        for first, last in self.ranges:
            if start < min(first, end):
                found.append((start, min(first, end)))
            start = max(start, last + 1)
        return [*found, (start, end)] if start < end else found


def read_progress(offset: int, text: str | None) -> Progress:
    """The progress that a commit of `offset` with this metadata says. Foreign metadata count as none.

    A negative offset is the broker's answer for a partition of which nothing was ever committed.
    """
    if offset < 0:
        return Progress(0)
    try:
        version, events, size, *words = (text or "").split(" ")
        if version != FORMAT:
            return Progress(offset)
        ranges, before = [], offset
        for word in words:
            gap, length = (int(part, 16) for part in word.split("."))
            ranges.append((before + gap, before + gap + length))
            before += gap + length
        return Progress(offset, int(events, 16), int(size, 16), tuple(ranges))
    except ValueError:
        return Progress(offset)


class Tracker:
    """The progress of a partition that this process consumes. Not thread-safe.

    Attributes:
        position: the offset after the last block that arrived.
        dropped: the partition belongs to another process by now.
    """

    def __init__(self, partition: int, start: Progress) -> None:
        self.partition = partition
        self.position = start.next
        self.dropped = False
        self._events = start.events
        self._bytes = start.bytes
        self._ahead = list(start.ranges)
        """What was acknowledged before, by another process perhaps, and has not arrived here yet."""
        self._open: dict[int, tuple[int, int]] = {}
        """Events and bytes of each block that arrived and is not acknowledged, by offset, ascending."""
        self._saved = start

    @property
    def committed(self) -> int:
        """The offset of the last commit."""
        return self._saved.next

    def gone_before(self, offset: int) -> int:
        """How many blocks before this one were neither acknowledged nor delivered: the log does not have them any more.

        A partition of which nothing was ever acknowledged begins where its log begins.
        """
        if not self.position or offset <= self.position:
            return 0
        behind = Progress(self.position, ranges=tuple(self._ahead))
        return sum(end - start for start, end in behind.waiting(0, offset))

    def arrived(self, offset: int, events: int, size: int) -> bool:
        """Record a block. False: it is not to be delivered, since it was acknowledged before."""
        if offset < self.position:
            return False
        self.position = offset + 1
        while self._ahead and self._ahead[0][1] < offset:
            self._ahead.pop(0)
        if self._ahead and self._ahead[0][0] <= offset:
            return False
        self._open[offset] = (events, size)
        return True

    def acknowledge(self, offset: int) -> None:
        self.count(*self._open.pop(offset))

    def count(self, events: int, size: int) -> None:
        """Count so much more as acknowledged."""
        self._events += events
        self._bytes += size

    @property
    def open(self) -> Sequence[int]:
        """The offsets of the blocks that arrived and are not acknowledged, ascending."""
        return list(self._open)

    def progress(self) -> Progress:
        """What is acknowledged: all that arrived, but for the open blocks, and what was acknowledged before."""
        ranges: list[tuple[int, int]] = []
        first = self.position
        if self._open:
            first = before = next(iter(self._open))
            for offset in [*self._open, self.position]:
                if offset - before > 1:
                    ranges.append((before + 1, offset - 1))
                before = offset
        ranges += [(max(start, self.position), last) for start, last in self._ahead if last >= self.position]
        return Progress(first, self._events, self._bytes, tuple(ranges))

    def to_save(self) -> tuple[Progress, str] | None:
        """The progress and its metadata, if it is another one than that of the last commit and its text is not too
        long. A longer one waits until fewer blocks are open; after a crash the blocks come again until then.
        """
        progress = self.progress()
        if progress == self._saved or (text := progress.text()) is None:
            return None
        return progress, text

    def saved(self, progress: Progress) -> None:
        self._saved = progress
