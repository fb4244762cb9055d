"""SQLite's write-ahead log, read before SQLite reads it: is its end a torn tail, or is it damaged?

The log is a header of 32 bytes and frames: 24 bytes of header and a page. Each frame carries the log's two salts and a
checksum over itself and all before it (https://www.sqlite.org/fileformat2.html#walformat). SQLite takes the first frame
whose checksum is wrong for the end. But a commit begins only after the one before is on disk: after a torn tail there
is never a whole commit with something after it, after a damaged frame there is. Each frame can be checked on its own,
from the checksum that its predecessor carries.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER, FRAME_HEADER = 32, 24
MAGIC = 0x377F0682
"""With bit 0 set the checksums are made of big-endian words, else of little-endian ones."""
PAGE_SIZES = {1 << bits for bits in range(9, 17)}
CHUNK = 2_048
"""Frames that are checked at a time: 8 MiB."""

Words = NDArray[np.uint32]


class Log:
    """A log's frames and which of them are what was written.

    Attributes:
        page_size: bytes of a page.
        frames: how many whole frames the file holds, older generations' included.
        pages: the number of each frame's page.
        commits: whether a frame ends a commit.
        sound: whether a frame belongs to the log's newest generation and is what was written.
        whole: how many frames from the first on are sound: what SQLite sees.
        header_sound: whether SQLite sees anything at all.
    """

    def __init__(self, path: Path, page_size: int = 4_096) -> None:
        """Reads the file; it need not be there. Raises OSError.

        Args:
            page_size: of the database, for a log whose header is damaged.
        """
        self.path = path
        self.page_size = page_size
        self.frames = self.whole = 0
        self.header_sound = True
        self.sound = self.commits = np.zeros(0, bool)
        self.pages = np.zeros(0, np.uint32)
        if path.exists() and path.stat().st_size > HEADER:
            self._read()

    def _read(self) -> None:
        data = np.frombuffer(self.path.read_bytes(), np.uint8)
        header = bytes(data[:HEADER])
        magic, _, page_size = struct.unpack_from(">III", header)
        given = struct.unpack_from(">II", header, 24)
        order = ">" if magic & 1 else "<"
        self.header_sound = magic | 1 == MAGIC | 1 and page_size in PAGE_SIZES
        self.header_sound &= tuple(_checksums(_words(header[:24], order))) == given
        if self.header_sound:
            self.page_size = page_size
        size = FRAME_HEADER + self.page_size
        self.frames = (len(data) - HEADER) // size
        if not self.frames:
            return
        self._data = data[HEADER : HEADER + self.frames * size].reshape(self.frames, size)
        head = np.ascontiguousarray(self._data[:, :FRAME_HEADER]).view(">u4").astype(np.uint32)
        self.pages, self.commits = head[:, 0], head[:, 1] != 0
        # Where the header is damaged: the first frame is always of the newest generation.
        salts = np.frombuffer(header[16:24], ">u4") if self.header_sound else head[0, 2:4]
        before = np.vstack([np.array(given, np.uint32), head[:-1, 4:6]])
        tried = [order] if self.header_sound else ["<", ">"]
        sound = max((self._chained(head, before, order) for order in tried), key=lambda found: int(found.sum()))
        self.sound = sound & (head[:, 2:4] == salts).all(axis=1) & (self.pages > 0)
        gaps = np.flatnonzero(~self.sound)
        self.whole = int(gaps[0]) if len(gaps) else self.frames
        if not self.header_sound:
            self.whole = 0

    def _chained(self, head: Words, before: Words, order: str) -> NDArray[np.bool_]:
        """Which frames have the checksum that follows from their predecessor's."""
        found = np.zeros(self.frames, bool)
        for start in range(0, self.frames, CHUNK):
            part = slice(start, start + CHUNK)
            rows = np.hstack([self._data[part, :8], self._data[part, FRAME_HEADER:]])
            words = np.ascontiguousarray(rows).view(f"{order}u4").astype(np.uint32)
            found[part] = (_checksums(words, before[part]) == head[part, 4:6]).all(axis=1)
        return found

    @property
    def later_commits(self) -> int:
        """How many commits are whole after the first frame that is not."""
        return int((self.sound & self.commits)[self.whole :].sum())

    @property
    def damage(self) -> str | None:
        """One sentence when the log is surely damaged; None: it is whole, or ends in what may be a torn tail."""
        after = self.sound[self.whole :]
        if not self.header_sound:
            return "its header is not what was written, and frames follow it" if after.any() else None
        ends = np.flatnonzero(after & self.commits[self.whole :])
        if not len(ends) or not after[ends[0] + 1 :].any():
            return None
        return (
            f"frame {self.whole + 1} of {self.frames} is not what was written, and {self.later_commits} whole commits "
            "follow it, which SQLite would not see"
        )

    def images(self) -> Iterator[tuple[int, memoryview, bool]]:
        """Page number, page, and whether it ends a commit, of every sound frame in the order of writing."""
        for number in np.flatnonzero(self.sound):
            page: Any = self._data[number, FRAME_HEADER:]
            yield int(self.pages[number]), memoryview(page.tobytes()), bool(self.commits[number])


def _words(data: bytes, order: str) -> Words:
    return np.frombuffer(data, f"{order}u4").astype(np.uint32)


def _checksums(words: Words, before: Words | None = None) -> Words:
    """SQLite's checksum of each row of words, beginning with `before`.

    For each pair `(a, b)`: `s0 += a + s1; s1 += b + s0`, modulo 2^32. That is linear, so that one product of matrices
    gives the checksums of thousands of pages.
    """
    weights, power = _weights(words.shape[-1] // 2)
    sums = words @ weights
    return np.asarray(sums if before is None else sums + before @ power.T, np.uint32)


@cache
def _weights(pairs: int) -> tuple[Words, Words]:
    """What each of the words adds to the two sums, and what the sums before become."""
    step = np.array([[1, 1], [1, 2]], np.uint32)
    power = np.eye(2, dtype=np.uint32)
    weights = np.zeros((2 * pairs, 2), np.uint32)
    for pair in reversed(range(pairs)):
        weights[2 * pair] = power[:, 0] + power[:, 1]
        weights[2 * pair + 1] = power[:, 1]
        power = power @ step
    return weights, power
