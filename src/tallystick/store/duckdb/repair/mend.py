"""Repair a damaged file and its log, where a checksum proves that the repair is right."""

from __future__ import annotations

from pathlib import Path

from tallystick.store.duckdb.repair.checksums import (
    HEADER,
    HEADERS,
    LENGTHS,
    WORD,
    Bad,
    Report,
    bad_blocks,
    checksum,
    flipped_in_header,
    read_log,
)

HEADER_USED = range(64, 2_048, 8)
"""Possible numbers of used bytes of a header; the others are 0."""


def mend_file(path: Path, mended: list[str], report: Report) -> list[Bad]:
    """Flip single bits back and describe that in `mended`. Returns the blocks that are still bad."""
    left = []
    for bad in bad_blocks(path, report):
        if bad.flipped is not None:
            _flip(path, *bad.flipped)
            mended.append(f"store.duckdb: bit {bad.flipped[1]} of byte {bad.flipped[0]:,}")
        elif _clear_header(path, bad):
            mended.append(f"store.duckdb: the unused part of the header at byte {bad.start:,}")
        else:
            left.append(bad)
    return left


def _flip(path: Path, byte: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(byte)
        (value,) = file.read(1)
        file.seek(byte)
        file.write(bytes([value ^ (1 << bit)]))


def _clear_header(path: Path, bad: Bad) -> bool:
    """Set the unused part of a header to 0, if its checksum matches then. Returns whether it does."""
    if bad.start >= HEADER * HEADERS or bad.size < HEADER:
        return False
    with path.open("r+b") as file:
        file.seek(bad.start)
        data = file.read(HEADER)
        stored = int.from_bytes(data[:WORD], "little")
        for used in HEADER_USED:
            cleared = data[:used].ljust(HEADER, b"\0")
            if checksum(cleared[WORD:]) == stored:
                file.seek(bad.start)
                file.write(cleared)
                return True
    return False


def mend_log(wal: Path, mended: list[str], lost: list[str]) -> None:
    """Flip single bits of a log back, truncate it before other damage, and delete it if its header is damaged.

    Repairs are described in `mended`, losses in `lost`.
    """
    if (flipped := flipped_in_header(wal.read_bytes())) is not None:
        _flip(wal, *flipped)
        mended.append(f"{wal.name}: bit {flipped[1]} of byte {flipped[0]:,}")
    log = read_log(wal.read_bytes())
    while log.header and log.bad is not None and log.bad.flipped is not None:
        _flip(wal, *log.bad.flipped)
        mended.append(f"{wal.name}: bit {log.bad.flipped[1]} of byte {log.bad.flipped[0]:,}")
        log = read_log(wal.read_bytes())
    size = wal.stat().st_size
    if not log.header:
        wal.unlink()
        lost.append(f"{wal.name}: its header is damaged, so none of its {size:,} bytes can be used")
        return
    if log.bad is not None:
        lost.append(f"{wal.name}: damaged at byte {log.bad.start:,}; only the bytes before it are used (of {size:,})")
    elif not _is_torn(wal.read_bytes()[log.sound :]):
        lost.append(
            f"{wal.name}: the last write, at byte {log.sound:,}, was never finished or is damaged; "
            f"only the bytes before it are used (of {size:,})"
        )
    with wal.open("r+b") as file:
        file.truncate(log.sound)


def _is_torn(tail: bytes) -> bool:
    """Whether the end of a log is a crash's: nothing, zeros, or an entry that the file is too short for.

    A crash may also leave an entry of full length in which pages are missing, but so does damage.
    """
    size = int.from_bytes(tail[:WORD], "little")
    return len(tail) < LENGTHS or size > len(tail) - LENGTHS or not any(tail)
