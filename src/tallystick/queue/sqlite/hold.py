"""One moment of the queue, kept while blocks come and go, to be copied into another file.

SQLite's log keeps what a reading transaction sees. Until it ends the log is not begun anew, and grows.
"""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from tallystick.errors import QueueBroken
from tallystick.model.books import QueueBooks, QueuedBlock
from tallystick.queue.sqlite.opening import SQL, Files, connect, errors, fetch, read_published, transaction
from tallystick.queue.sqlite.tally import contradiction, decode
from tallystick.queue.sqlite.watermark import Watermark


class HeldQueue:
    """The moment in which it is made. One thread at a time uses it, whichever."""

    def __init__(self, path: Path) -> None:
        """Raises QueueUnavailable."""
        with errors():
            self._connection = connect(path)
            self._connection.execute("BEGIN")
            self._tally = bytes(fetch(self._connection, "tally")[0][0])  # the first read decides on the moment

    def books(self) -> QueueBooks:
        """The queue's side of the books. Raises QueueUnavailable."""
        with errors():
            published = read_published(self._connection)
            queued = [QueuedBlock(*row) for row in self._connection.execute(SQL["queued"])]
        return QueueBooks(published, queued, damage=contradiction(self._tally, published, queued))

    def copy(self, target: Path) -> list[Path]:
        """Write the queue into a new file, with a watermark beside it. Blocks; returns both files.

        Raises:
            QueueBroken: the queue's sums are damaged.
            QueueFull, QueueUnavailable: the file cannot be written, or the queue cannot be read.
        """
        if (tally := decode(self._tally)) is None:
            raise QueueBroken("the queue's file failed: the sums of its rows are damaged")
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with errors():
            copy = apsw.Connection(str(target))
            try:
                for pragma in ("journal_mode=OFF", "synchronous=FULL"):  # a copy that fails is thrown away as a whole
                    copy.execute(f"PRAGMA {pragma}")
                copy.execute(SQL["schema"])
                with transaction(copy):
                    copy.executemany(SQL["restore_block"], self._connection.execute(SQL["whole_blocks"]))
                    copy.executemany(SQL["restore_ingester"], self._connection.execute(SQL["published"]))
                    copy.execute(SQL["forget_last_id"])
                    copy.execute(SQL["restore_last_id"], (tally.last_id,))
                    copy.execute(SQL["set_tally"], (self._tally,))
            finally:
                copy.close()
        watermark = Watermark(Files.of(target).watermark)
        watermark.begin(tally)
        watermark.close()
        return [target, watermark.path]

    def close(self) -> None:
        """Let the moment go. A second call does nothing."""
        self._connection.close()
