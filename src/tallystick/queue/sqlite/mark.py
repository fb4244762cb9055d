"""The high-water mark: the last commit's tally in a file of its own, `queue.sqlite.mark`.

It is written after the commit, without an fsync: kill -9 leaves it as it is, because the kernel has it, and as it comes
after the log's fsync it never claims more than is durable. After a power cut it may be older than the queue, which
says less but nothing wrong. Two slots in two sectors take turns, so that one of them is always whole.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import structlog

from tallystick.queue.sqlite.tally import SIZE, Tally, decode

log = structlog.get_logger(__name__)

SLOT = 512
"""Bytes between the slots' beginnings: a disk's sector, which it writes whole or not at all."""


class Mark:
    """The file beside the queue's. `read` it, then `begin`, then `write` after each commit.

    Attributes:
        there: whether the file was there.
        damaged: how many of its two slots are not what was written.
        tally: the newer one that is whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.there = False
        self.damaged = 0
        self.tally: Tally | None = None
        self._descriptor = -1

    def read(self) -> None:
        """Look at the file; it need not be there."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return
        self.there = True
        slots = [decode(data[start : start + SIZE]) for start in (0, SLOT)]
        whole = [tally for tally in slots if tally is not None]
        self.damaged = len(slots) - len(whole)
        self.tally = max(whole, key=lambda tally: tally.commits, default=None)

    def begin(self, tally: Tally) -> None:
        """Put `tally` into both slots, durably, and keep the file open.

        A mark that cannot be written stays as it is: it says less than there is, and the log says why.
        """
        content = tally.encode().ljust(SLOT, b"\0") + tally.encode().ljust(SLOT, b"\0")
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
        """Remember the commit that has just succeeded."""
        if self._descriptor >= 0:
            try:
                os.pwrite(self._descriptor, tally.encode(), SLOT * (tally.commits & 1))
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        log.error("the queue's mark cannot be written", file=str(self.path), error=str(error))
        self.close()

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1
