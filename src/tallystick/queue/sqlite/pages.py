"""Rows read from SQLite's pages without SQLite: everything that can still be read of a damaged file.

A b-tree's interior pages, the schema and the list of free pages are not needed: each leaf page is read by
itself, and a row's overflow pages are followed. A row counts only where it has a checksum of its own.
(https://www.sqlite.org/fileformat2.html#b_tree_pages)
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

TABLE_LEAF, INDEX_LEAF, INDEX_INTERIOR = 0x0D, 0x0A, 0x02
FILE_HEADER = 100
"""Bytes of the database's header, which page 1 begins with."""
ROW_MAX = 1 << 30
"""Bytes of a row; a larger one is damage."""
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

Value = int | float | bytes | str | None
GetPage = Callable[[int], memoryview | None]
"""Returns the page with this number; None: there is none."""


class BadCell(ValueError):
    """These bytes are no row."""


class DatabaseFile:
    """The pages of a database file; `page(1)` is the first. It need not be there."""

    def __init__(self, path: Path, page_size: int) -> None:
        self.page_size = page_size
        self.pages = path.stat().st_size // page_size if path.exists() else 0
        self._file = path.open("rb", buffering=0) if self.pages else None

    def page(self, number: int) -> memoryview | None:
        """The page with this number; None: there is none, or the disk cannot read it."""
        if self._file is None or not 1 <= number <= self.pages:
            return None
        with contextlib.suppress(OSError):
            data = os.pread(self._file.fileno(), self.page_size, (number - 1) * self.page_size)
            return memoryview(data) if len(data) == self.page_size else None
        return None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def page_size_of(path: Path) -> int:
    """The page size in the database's header, or 4096 where the header has an impossible one. In bytes."""
    size = 0
    if path.exists():
        with path.open("rb") as file:
            head = file.read(18)
        size = int.from_bytes(head[16:18], "big")
    return size if size in (512, 1024, 2048, 4096, 8192, 16384, 32768) else 4096


def rows(page: memoryview, number: int, get: GetPage) -> Iterator[tuple[int, list[Value]]]:
    """Each row that a leaf page holds (an index's interior page has rows too): its rowid (0 in an index), its columns.

    A row that cannot be read is left out.
    """
    start = FILE_HEADER if number == 1 else 0
    kind = page[start]
    if kind not in (TABLE_LEAF, INDEX_LEAF, INDEX_INTERIOR):
        return
    (cells,) = struct.unpack_from(">H", page, start + 3)
    pointers = start + (12 if kind == INDEX_INTERIOR else 8)
    for cell in range(cells):
        try:
            (at,) = struct.unpack_from(">H", page, pointers + 2 * cell)
            yield _row(page, at, kind, get)
        except (IndexError, struct.error, BadCell, UnicodeDecodeError):
            continue


def _row(page: memoryview, at: int, kind: int, get: GetPage) -> tuple[int, list[Value]]:
    rowid = 0
    if kind == INDEX_INTERIOR:
        at += 4
    size, at = _varint(page, at)
    if kind == TABLE_LEAF:
        rowid, at = _varint(page, at)
    if size > ROW_MAX:
        raise BadCell
    return rowid, _record(_payload(page, at, size, kind == TABLE_LEAF, get))


def _payload(page: memoryview, at: int, size: int, table: bool, get: GetPage) -> bytes:
    """The row's bytes: those in the page, and those in overflow pages."""
    usable = len(page)
    most = usable - 35 if table else (usable - 12) * 64 // 255 - 23
    if size <= most:
        return bytes(page[at : at + size])
    least = (usable - 12) * 32 // 255 - 23
    local = least + (size - least) % (usable - 4)
    if local > most:
        local = least
    parts = [bytes(page[at : at + local])]
    left = size - local
    (following,) = struct.unpack_from(">I", page, at + local)
    while left > 0 and (overflow := get(following)) is not None:
        part = bytes(overflow[4 : 4 + min(left, usable - 4)])
        parts.append(part)
        left -= len(part)
        (following,) = struct.unpack_from(">I", overflow, 0)
    return b"".join(parts)


def _record(payload: bytes) -> list[Value]:
    view = memoryview(payload)
    header, at = _varint(view, 0)
    kinds = []
    while at < header:
        kind, at = _varint(view, at)
        kinds.append(kind)
    values: list[Value] = []
    at = header
    for kind in kinds:
        size = _INTEGERS.get(kind, 8 if kind == 7 else (kind - 12) // 2 if kind >= 12 else 0)
        values.append(_value(kind, payload[at : at + size]))
        at += size
    return values


def _value(kind: int, data: bytes) -> Value:
    if kind in _INTEGERS:
        return int.from_bytes(data, "big", signed=True)
    if kind == 7:
        return float(struct.unpack(">d", data)[0])
    if kind in (8, 9):
        return kind - 8
    if kind == 0:
        return None
    if kind < 12:
        raise BadCell
    return data.decode("utf-8") if kind & 1 else data


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and the index of the byte after it."""
    value = 0
    for _ in range(8):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    return value << 8 | data[at], at + 1
