"""Verify DuckDB's checksums of blocks and of write-ahead log entries, without DuckDB.

A file has three headers of 4 KiB and then blocks, each after its checksum; the second and the third header have the
size of a block. The log has a header and then entries: size, checksum, bytes. A checksum is the exclusive or of one
product per word, so a single flipped bit can be located: only its product explains the difference. (For the upper bits
of words, several bits may explain it.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

HEADER = 4_096
HEADERS = 3
BLOCK_SIZES = (262_144, 131_072, 65_536, 32_768, 16_384)
"""What DuckDB may use. Earlier versions of Tallystick made files with the first, this one with the second."""
_BLOCK_SIZE_AT = 40
"""Position of the blocks' size in the second and third header."""
WORD = 8
LENGTHS = 16
"""Bytes of an entry's size and checksum."""
_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_START = 5381
_MIX = 0xC6A4A7935BD1E995
_SEED = 0xE17A1465
_ALL = (1 << 64) - 1
_LOG_HEADER = re.compile(
    rb"d\x00be\x00[\x00-\x7f]f\x00\x10(?:[\x00-\x7f]|[\x80-\xff]\x01){16}g\x00[\x80-\xff]{0,9}[\x00-\x7f]\xff\xff"
)
"""Type, version, file id, checkpoint. The header has no checksum, and DuckDB discards a log of another type."""

Report = Callable[[int, int], None]
"""Progress callback: the bytes that are done, and all bytes."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A block or entry whose checksum does not match.

    Attributes:
        start, size: its position in bytes, including its checksum.
        flipped: the flipped byte and bit; None: not a single bit, or not certain.
    """

    start: int
    size: int
    flipped: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Log:
    """The state of a write-ahead log.

    Attributes:
        sound: number of bytes before the first damaged entry.
        bad: the damaged entry; None: there is none, or only an incomplete last write.
        header: whether the header is valid.
    """

    sound: int
    bad: Bad | None
    header: bool

    @property
    def damaged(self) -> bool:
        """Whether DuckDB would lose or refuse committed data."""
        return self.bad is not None or not self.header


def checksum(data: bytes | memoryview) -> int:
    """DuckDB's checksum of `data`."""
    whole = len(data) // WORD * WORD
    result = _START ^ int(np.bitwise_xor.reduce(np.frombuffer(data[:whole], np.uint64) * _FACTOR)) if whole else _START
    return result ^ _rest(bytes(data[whole:])) if whole < len(data) else result


def _rest(data: bytes) -> int:
    """The part of a checksum for the last bytes, which do not fill a word."""
    found = (_SEED ^ (len(data) * _MIX)) & _ALL
    for _ in range(2):
        found = ((found ^ int.from_bytes(data, "little")) if data else found) * _MIX & _ALL
        found ^= found >> 47
        data = b""
    return found


def flipped_bit(data: bytes, stored: int) -> tuple[int, int] | None:
    """The flipped byte and bit of `data`; bytes -8 to -1 are the stored checksum. None: uncertain, or several bits."""
    difference = checksum(data) ^ stored
    found: list[tuple[int, int]] = []
    if difference.bit_count() == 1:
        bit = difference.bit_length() - 1
        found.append((bit // 8 - WORD, bit % 8))
    whole = len(data) // WORD * WORD
    words: NDArray[np.uint64] = np.frombuffer(data[:whole], np.uint64)
    products = words * _FACTOR
    for bit in range(64):
        changed = products ^ ((words ^ np.uint64(1 << bit)) * _FACTOR)
        found += [(int(index) * WORD + bit // 8, bit % 8) for index in np.flatnonzero(changed == np.uint64(difference))]
        if len(found) > 1:
            return None
    rest = data[whole:]
    for byte in range(len(rest)):
        for bit in range(8):
            changed_rest = bytearray(rest)
            changed_rest[byte] ^= 1 << bit
            if _rest(rest) ^ _rest(bytes(changed_rest)) == difference:
                found.append((whole + byte, bit))
    return found[0] if len(found) == 1 else None


# --- the file -------------------------------------------------------------------------------------------------------


def bad_blocks(path: Path, report: Report = lambda done, size: None) -> list[Bad]:
    """The headers and blocks whose checksum does not match, and a truncated block."""
    size = path.stat().st_size
    found = []
    with path.open("rb") as file:
        for start, length in _positions(size, block_size(file)):
            file.seek(start)
            data = file.read(length)
            stored = int.from_bytes(data[:WORD], "little")
            if len(data) < length:
                found.append(Bad(start, len(data), None))
            elif checksum(memoryview(data)[WORD:]) != stored:
                found.append(_bad(start, WORD, data, stored))
            report(min(start + length, size), size)
    return found


def block_size(file: BinaryIO) -> int:
    """The size of the file's blocks: what a header says, or if both are damaged, the size that most blocks confirm."""
    for number in range(1, HEADERS):
        file.seek(number * HEADER)
        header = file.read(HEADER)
        size = int.from_bytes(header[_BLOCK_SIZE_AT : _BLOCK_SIZE_AT + WORD], "little")
        if size in BLOCK_SIZES and _is_sound(header):
            return size
    return max(BLOCK_SIZES, key=lambda size: _sound_bytes(file, size))


def _sound_bytes(file: BinaryIO, size: int) -> int:
    file.seek(HEADERS * HEADER)
    return sum(size for block in iter(lambda: file.read(size), b"") if len(block) == size and _is_sound(block))


def _is_sound(data: bytes) -> bool:
    return checksum(memoryview(data)[WORD:]) == int.from_bytes(data[:WORD], "little")


def _positions(size: int, block: int) -> Iterator[tuple[int, int]]:
    for number in range(HEADERS):
        yield number * HEADER, HEADER
    for start in range(HEADERS * HEADER, size, block):
        yield start, block


def _bad(start: int, prefix: int, data: bytes, stored: int) -> Bad:
    flipped = flipped_bit(data[prefix:], stored)
    return Bad(start, len(data), flipped and (start + prefix + flipped[0], flipped[1]))


# --- the write-ahead log --------------------------------------------------------------------------------------------


def read_log(data: bytes) -> Log:
    """Check all entries of a log. An incomplete last write is not damage: it was never committed."""
    match = _LOG_HEADER.match(data)
    at = match.end() if match else _next_entry(data, 0)
    if at is None:
        # The log has no readable entry. A crash may leave the beginning of a header.
        torn = len(data) < 64 and b"d\x00be\x00".startswith(data[:5])
        return Log(0, None, header=torn or not data)
    while at < len(data):
        end = _end(data, at)
        if end is None:
            return Log(at, _break(data, at), header=match is not None)
        at = end
    return Log(at, None, header=match is not None)


def flipped_in_header(data: bytes) -> tuple[int, int] | None:
    """The flipped byte and bit that made a log's header invalid; None: no bit, or several bits, explain it."""
    end = None if _LOG_HEADER.match(data) else _next_entry(data, 0)
    found = []
    for bit in range(8 * (end or 0)):
        header = bytearray(data[:end])
        header[bit // 8] ^= 1 << bit % 8
        if _LOG_HEADER.fullmatch(header):
            found.append((bit // 8, bit % 8))
    return found[0] if len(found) == 1 else None


def _end(data: bytes, at: int) -> int | None:
    """The end of the entry at this position; None when it is not a valid entry."""
    size, stored = (int.from_bytes(data[at + n : at + n + WORD], "little") for n in (0, WORD))
    end = at + LENGTHS + size
    if not size or end > len(data) or checksum(memoryview(data)[at + LENGTHS : end]) != stored:
        return None
    return end


def _break(data: bytes, at: int) -> Bad | None:
    """The damaged entry at this position; None when it is an incomplete last write."""
    after = _next_entry(data, at + 1)
    size = int.from_bytes(data[at : at + WORD], "little")
    whole = 0 < size <= len(data) - at - LENGTHS
    if after is not None:
        wrong = size ^ (after - at - LENGTHS)
        stored = int.from_bytes(data[at + WORD : at + LENGTHS], "little")
        if wrong.bit_count() == 1 and checksum(memoryview(data)[at + LENGTHS : after]) == stored:
            bit = wrong.bit_length() - 1
            return Bad(at, after - at, (at + bit // 8, bit % 8))
    elif not whole:
        return None  # the file ends before the entry does: an incomplete write
    if not whole:
        return Bad(at, (after or len(data)) - at, None)
    stored = int.from_bytes(data[at + WORD : at + LENGTHS], "little")
    bad = _bad(at, LENGTHS, data[at : at + LENGTHS + size], stored)
    # A last entry of full length may be incomplete too: the file may have grown before the crash wrote its bytes.
    return bad if after is not None or bad.flipped is not None or any(data[at + LENGTHS + size :]) else None


def _next_entry(data: bytes, start: int) -> int | None:
    """The start of the next valid entry."""
    if len(data) - start < LENGTHS:
        return None
    found = np.frombuffer(data, np.uint8)[start:]
    positions = len(found) - LENGTHS + 1
    sizes = np.zeros(positions, np.uint32)
    for byte in range(4):
        sizes |= found[byte : byte + positions].astype(np.uint32) << np.uint32(8 * byte)
    fits = (sizes > 0) & (sizes <= np.arange(positions, 0, -1) - 1)
    for byte in range(4, WORD):
        fits &= found[byte : byte + positions] == 0
    for position in np.flatnonzero(fits):
        if _end(data, start + int(position)) is not None:
            return start + int(position)
    return None
