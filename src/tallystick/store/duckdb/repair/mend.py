"""Mending a damaged file and its log, as far as checksums prove that it is right."""

from __future__ import annotations

from pathlib import Path

from tallystick.store.duckdb.repair.checksums import (
    HEADER,
    HEADERS,
    WORD,
    Bad,
    Told,
    bad_blocks,
    checksum,
    flipped_in_header,
    read_log,
)

HEADER_USED = range(64, 2_048, 8)
"""How many bytes of a header say something, at least and at most; the others are 0."""


def mend_file(path: Path, mended: list[str], told: Told) -> list[Bad]:
    """Turn single flipped bits back and say so in `mended`; the blocks that are still bad."""
    left = []
    for bad in bad_blocks(path, told):
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
    """The unused part of a header is 0; the checksum shows whether anything else was wrong."""
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
    """Turn single flipped bits of a log back. It is cut where it is damaged, and left out without a header."""
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
        lost.append(f"{wal.name}: damaged at byte {log.bad.start:,}; of its {size:,} bytes those before it are used")
    with wal.open("r+b") as file:
        file.truncate(log.sound)
