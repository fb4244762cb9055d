"""The watermark: the last commit's tally in a file of its own, `queue.sqlite.mark`.

Damage to SQLite's log can hide the latest commits from SQLite, but not from this file: a queue with fewer commits than
its watermark is damaged.

The file is written after the commit, without an fsync. kill -9 does not take it away, because the kernel has it, and it
never claims more than is durable, because the log's fsync comes first. After a power cut it may be older than the
queue; then it notices less and claims nothing wrong. Writes alternate between two copies in two sectors, so that one of
them is always whole.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import structlog

from tallystick.queue.sqlite.tally import SIZE, Tally, decode

log = structlog.get_logger(__name__)

SECTOR = 512
"""Bytes between the beginnings of the two copies: a disk writes a sector whole or not at all."""


class Watermark:
    """The file beside the queue's. `read` it, then `begin`, then `write` after each commit.

    Attributes:
        there: whether the file was there.
        damaged: how many of its two copies are not what was written.
        tally: the newer of the whole copies; None: there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.there = False
        self.damaged = 0
        self.tally: Tally | None = None
        self._descriptor = -1

    def read(self) -> None:
        """Read the file, if it is there."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return
        self.there = True
        copies = [decode(data[start : start + SIZE]) for start in (0, SECTOR)]
        whole = [tally for tally in copies if tally is not None]
        self.damaged = len(copies) - len(whole)
        self.tally = max(whole, key=lambda tally: tally.commits, default=None)

    def begin(self, tally: Tally) -> None:
        """Write `tally` into both copies, durably, and keep the file open.

        When that fails the file stays as it is, which is safe, since an older watermark only notices less. The failure
        is logged.
        """
        content = tally.encode().ljust(SECTOR, b"\0") * 2
        try:
            if not self.there or self.path.stat().st_size != len(content):
                draft = self.path.with_name(self.path.name + ".new")
                with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                    file.write(content)
                os.replace(draft, self.path)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            os.pwrite(self._descriptor, content, 0)
            os.fsync(self._descriptor)
            self._sync_folder()
        except OSError as error:
            self._give_up(error)

    def write(self, tally: Tally) -> None:
        """Write the tally of the commit that has just succeeded."""
        if self._descriptor >= 0:
            try:
                os.pwrite(self._descriptor, tally.encode(), SECTOR * (tally.commits & 1))
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        log.error("the queue's watermark cannot be written", file=str(self.path), error=str(error))
        self.close()

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1
